"""Recorded series as readings: CSV with a header, or JSON lines, as `amplify show RUN --readings` writes them.

    at        Unix seconds, or ISO 8601 with its zone
    signal    a signal of the playbook
    cohort    treatment or control, of a signal that has them
    bad,total or value,n    what the source answered; empty or null: it answered without a sample
    status    where it did not answer: nodata, stale, error or foreign; note: why

A line that is missing is a reading that was lost. Columns of other names are left alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, cast, get_args

from msgspec.structs import replace

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import Invalid, Query
from amplify_tui.adapters.samples import Number, reading_of
from amplify_tui.playbook.model import Signal
from amplify_tui.verdict.model import Cohort, Reading, Status

_NUMBERS: Final = ("value", "n", "bad", "total")
LATEST: Final = 32_503_680_000.0  # the year 3000; milliseconds of today are later
_COHORTS: Final[dict[str, Cohort]] = {"treatment": "treatment", "control": "control"}


def recorded(text: str, signals: Mapping[str, Signal], *, name: str) -> list[Reading]:
    """Every reading of the file *name*, in its order. Raises Invalid with the line that cannot be read."""
    rows = _json_lines(text, name) if text.lstrip().startswith("{") else _csv(text, name)
    return [_reading(row, signals, f"{name}:{line}") for line, row in rows]


def line_of(reading: Reading) -> dict[str, Any]:
    """A reading as one line of such a file; numbers that it does not have are null."""
    pair = reading.total is not None or reading.bad is not None
    numbers = {"bad": reading.bad, "total": reading.total} if pair else {"value": reading.value, "n": reading.n}
    cohort = {"cohort": reading.cohort} if reading.cohort else {}
    said = {"status": reading.status, "note": reading.note} if reading.status != "ok" else {}
    return {"at": round(reading.data_at, 3), "signal": reading.signal, **cohort, **numbers, **said}


def _json_lines(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            row = parse_json(written)
        except ValueError as error:
            raise Invalid(f"this line is no JSON: {error}", where=f"{name}:{line}") from error
        if not isinstance(row, dict):
            raise Invalid("this line is no JSON object", where=f"{name}:{line}")
        yield line, row


def _csv(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in ("at", "signal") if column not in (reader.fieldnames or ())]
    if missing:
        raise Invalid(
            f"the first line has no column {' and no column '.join(missing)}",
            where=name,
            fix="begin it like at,signal,cohort,bad,total",
        )
    for row in reader:
        yield reader.line_num, row


def _reading(row: Mapping[str, Any], signals: Mapping[str, Signal], where: str) -> Reading:
    name = str(row.get("signal") or "")
    signal = signals.get(name)
    if signal is None:
        known = ", ".join(signals) or "none"
        raise Invalid(f"the playbook has no signal {name!r}", where=where, fix=f"it has {known}")
    at = moment(row.get("at"), where)
    given = {key: _number(row.get(key), at, key, where) for key in _NUMBERS}
    pair = signal.total is not None
    query = Query(
        signal=name,
        cohort=_cohort(row.get("cohort"), signal, name, where),
        value=None if pair else "value",
        count="n" if not pair and given["n"].value is not None else None,
        bad="bad" if pair else None,
        total="total" if pair else None,
        as_increase=signal.as_ == "increase",
        window=signal.window,
        every=signal.every,
    )
    numbers = {"value": given["value"], "count": given["n"], "bad": given["bad"], "total": given["total"]}
    held = signal.every if query.as_increase else signal.window
    per = held if pair and not query.as_increase else 1.0
    reading = reading_of(query, numbers, source=signal.source, at=at, received=at, window=signal.window, per=per)
    return _as_told(reading, row, where)


def _as_told(reading: Reading, row: Mapping[str, Any], where: str) -> Reading:
    """Why there were no numbers, where the line says it: that a source was broken is more than that it was empty."""
    status = row.get("status")
    if status in (None, "", "ok"):
        return reading
    if status not in get_args(Status):
        raise Invalid(f"{str(status)[:40]!r} is no status", where=where, fix=f"one of {', '.join(get_args(Status))}")
    note = clean(str(row.get("note") or ""), 200)
    return replace(reading, status=cast("Status", status), value=None, n=None, bad=None, total=None, note=note)


def _cohort(given: Any, signal: Signal, name: str, where: str) -> Cohort | None:
    if given in (None, ""):
        if signal.cohorts is None:
            return None
        raise Invalid(f"signal {name} has cohorts, and this line none", where=where, fix="treatment or control")
    if signal.cohorts is None or str(given) not in _COHORTS:
        raise Invalid(f"signal {name} has no cohort {given!r}", where=where)
    return _COHORTS[str(given)]


def moment(given: Any, where: str) -> float:
    """Unix seconds of a time as people and programs write it. Raises Invalid with *where*."""
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        seconds = None
    if seconds is not None:
        if not 0.0 <= seconds < LATEST:  # NaN is neither
            fix = "write seconds, not milliseconds, or like 2026-11-28T14:02:11Z"
            raise Invalid(f"{str(given)[:40]!r} is no time in Unix seconds", where=where, fix=fix)
        return seconds
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        fix = "write Unix seconds, or like 2026-11-28T14:02:11Z"
        raise Invalid(f"{str(given)[:40]!r} is no time with a zone", where=where, fix=fix)
    return found.timestamp()


def _number(given: Any, at: float, key: str, where: str) -> Number:
    if given in (None, ""):
        return Number.of(None, at=at)
    try:
        return Number.of(float(given), at=at)
    except (TypeError, ValueError):
        raise Invalid(f"{str(given)[:40]!r} is no number", where=where, fix=f"mend {key}") from None
