"""Tables as text, Markdown and JSON. What is measured, and how, is not known here."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from tests.bench.measure import Table

HEADINGS = ("way", "min", "median", "max", "n", "x first")


def conditions() -> str:
    """What the figures were made on, as far as it matters for reading them."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Textual {version('textual')}; load average (1, 5, 15 minutes) {load}"
    )


def as_text(table: Table) -> str:
    """For a terminal: aligned columns, then a line per target."""
    rows = [HEADINGS, *_rows(table)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    lines = [table.title]
    for row in rows:
        lines.append(
            "  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in _cells(row, widths))
        )
    lines += ["  " + line for line in _targets(table)]
    if table.note:
        lines.append(f"  {table.note}")
    return "\n".join(lines)


def as_markdown(tables: Iterable[Table]) -> str:
    """A section per table, for docs/performance.md."""
    parts = []
    for table in tables:
        head = f"| {' | '.join(HEADINGS)} |\n| --- |{' ---: |' * (len(HEADINGS) - 1)}"
        body = "\n".join(f"| {' | '.join(row)} |" for row in _rows(table))
        said = "\n".join(f"- {line}" for line in _targets(table))
        note = f"\n\n{table.note}" if table.note else ""
        parts.append(f"### {table.title}\n\n{head}\n{body}\n\n{said}{note}\n")
    return "\n".join(parts)


def as_json(tables: Iterable[Table]) -> str:
    """All samples, in seconds, and each target with the ratio that was measured."""
    found = [
        {
            "name": table.name,
            "title": table.title,
            "seconds": {way: list(samples) for way, samples in table.samples.items()},
            "targets": [
                {"way": t.way, "of": t.of, "most": t.most, "ratio": table.ratio(t), "met": table.ratio(t) <= t.most}
                for t in table.targets
            ],
            "note": table.note,
        }
        for table in tables
    ]
    return json.dumps(found, indent=2)


def _rows(table: Table) -> list[tuple[str, ...]]:
    first = table.median(next(iter(table.samples)))
    return [
        (
            way,
            _time(min(samples)),
            _time(table.median(way)),
            _time(max(samples)),
            str(len(samples)),
            _number(table.median(way) / first),
        )
        for way, samples in table.samples.items()
    ]


def _targets(table: Table) -> list[str]:
    lines = []
    for target in table.targets:
        ratio = table.ratio(target)
        word = "met" if ratio <= target.most else "MISSED"
        why = f" ({target.why})" if target.why else ""
        lines.append(
            f"{word}: {target.way} is {_number(ratio)} x {target.of}, at most {_number(target.most)} x wanted{why}"
        )
    return lines


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _number(ratio: float) -> str:
    return f"{ratio:.4f}" if ratio < 0.01 else f"{ratio:.2f}"


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[int, tuple[str, int]]]:
    return enumerate(zip(row, widths, strict=True))
