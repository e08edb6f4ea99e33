"""What a table is and how it is written: markdown, the same for the same figures."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tests.proof.chance import interval


class Table(Struct, frozen=True, kw_only=True):
    """One table of the page: the name of its place there, its columns and rows, and what is said below it."""

    place: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """As it stands on the page. Every column but the first holds figures."""
        lines = [self.head, ("---", *("---:" for _ in self.head[1:])), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return "\n\n".join([table, "\n".join(f"- {note}" for note in self.notes)] if self.notes else [table])


def percent(share: float) -> str:
    """`0.25 %`: two digits that say something."""
    value = 100.0 * share
    return f"{value:.0f} %" if value >= 10.0 or value == 0.0 else f"{value:.1f} %" if value >= 1.0 else f"{value:.2f} %"


def shown(events: int, runs: int) -> str:
    """`3 of 400: 0.75 % [0.16, 2.2]`, with the 95 % Clopper-Pearson interval."""
    low, high = interval(events, runs)
    return f"{events} of {runs}: {percent(events / runs)} [{_bare(low)}, {_bare(high)}]"


def _bare(share: float) -> str:
    return percent(share).removesuffix(" %")


def minutes(seconds: float | None, longest: float | None = None) -> str:
    """`35 min`; `45 s` below two minutes; `> 833 min` where there is none."""
    if seconds is None:
        return f"> {longest / 60.0:.0f} min" if longest is not None else "never"
    return (
        f"{seconds:.0f} s"
        if seconds < 120.0
        else f"{seconds / 60.0:.0f} min"
        if seconds >= 600.0
        else f"{seconds / 60.0:.1f} min"
    )


def met(is_met: bool, what: str) -> str:
    """A line below a table: whether what was wanted holds."""
    return f"{'met' if is_met else 'MISSED'}: {what}"


def several(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
