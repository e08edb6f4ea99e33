"""Builders for the tests of the judge: terms, and histories of readings on a grid of polls."""

from __future__ import annotations

from collections.abc import Iterable

from amplify_tui.playbook.model import Cohorts, Condition, Limit, Signal
from amplify_tui.verdict.model import Evidence, Expected, InstanceReading, Reading, Status, Term

T0 = 1_700_000_000.0
EVERY = 5.0

ERRORS = Signal(golden="errors", source="prom", bad="b", total="t")
LATENCY = Signal(golden="latency", source="prom", value="v", count="c", min_samples=0)
WORLD = Expected(since=T0 - 600.0)


def errors(
    *,
    above: float | None = 0.01,
    for_: float | None = 60.0,
    signal: Signal = ERRORS,
    name: str = "errors",
    **more: object,
) -> Term:
    condition = Condition(signal=name, above=above, for_=for_, **more)  # type: ignore[arg-type]
    return Term(id=name, condition=condition, signal=signal)


def latency(
    *, above: float | None = 0.378, for_: float | None = 120.0, signal: Signal = LATENCY, **more: object
) -> Term:
    condition = Condition(signal="latency", above=above, for_=for_, **more)  # type: ignore[arg-type]
    return Term(id="latency", condition=condition, signal=signal)


def at(poll: int) -> float:
    """The time of a poll of the grid."""
    return T0 + poll * EVERY


def pair(poll: int, share: float, *, total: float = 100.0, status: Status = "ok", signal: str = "errors") -> Reading:
    return Reading(
        signal=signal,
        source="prom",
        status=status,
        data_at=at(poll),
        received_at=at(poll),
        window_from=at(poll) - 30.0,
        window_to=at(poll),
        bad=share * total,
        total=total,
        value=share,
        n=total * 30.0,
    )


def plain(poll: int, value: float, *, status: Status = "ok", n: float | None = None) -> Reading:
    return Reading(
        signal="latency",
        source="prom",
        status=status,
        data_at=at(poll),
        received_at=at(poll),
        window_from=at(poll) - 30.0,
        window_to=at(poll),
        value=value,
        n=n,
    )


def pairs(pattern: str, *, total: float = 100.0, bad: float = 0.5, good: float = 0.001) -> list[Reading]:
    """One poll a letter: G good, g good with little traffic, B bad, N no data, E error, S stale, F foreign, - lost."""
    shares = {"B": bad, "G": good, "g": good}
    statuses: dict[str, Status] = {"N": "nodata", "E": "error", "S": "stale", "F": "foreign"}
    return [
        pair(
            poll,
            shares.get(letter, bad),
            total=total / 100 if letter == "g" else total,
            status=statuses.get(letter, "ok"),
        )
        for poll, letter in enumerate(pattern)
        if letter != "-"
    ]


def values(pattern: str, *, bad: float = 0.412, good: float = 0.2) -> list[Reading]:
    """As `pairs`, for a latency in seconds."""
    numbers = {"B": bad, "G": good, "g": good}
    statuses: dict[str, Status] = {"N": "nodata", "E": "error", "S": "stale", "F": "foreign"}
    return [
        plain(poll, numbers.get(letter, bad), status=statuses.get(letter, "ok"))
        for poll, letter in enumerate(pattern)
        if letter != "-"
    ]


def evidence(readings: Iterable[Reading] = (), fleet: Iterable[InstanceReading] = ()) -> Evidence:
    return Evidence(signals=tuple(readings), fleet=tuple(fleet))


def instance(
    name: str,
    *,
    received: float = T0,
    version: str | None = "3.0.0",
    ok: bool | None = True,
    started: float | None = None,
    status: Status = "ok",
    schema: str | None = None,
    service: str = "",
) -> InstanceReading:
    """One answer of an instance called `SERVICE-1`."""
    return InstanceReading(
        service=service or name.rpartition("-")[0],
        instance=name,
        url=f"http://{name}",
        status=status,
        data_at=received,
        received_at=received,
        ok=ok,
        version=version,
        started=started,
        schema=schema,
    )


COHORTS = Cohorts(treatment="on", control="off")
LIMIT = Limit(above=0.01, for_=60.0)
