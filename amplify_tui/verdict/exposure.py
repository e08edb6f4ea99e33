"""The share of evaluations that were "on" beside the share that was asked for, and what is wrong where they differ.

Pure. verdicts.md's built-in `exposure` is its source: the share asked for, plus or minus the larger of three sigmas and
of 2 percent points (half the share where that is less); and nobody at all of 3 / share evaluations always differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from amplify_tui.verdict.model import Asked, ExposureReading, Finding, FlagUse, Reading, Status
from amplify_tui.verdict.usage import AppTally, Tally, elsewhere
from amplify_tui.verdict.words import count, decimal, duration

SIGMAS: Final = 3.0
POINTS: Final = 0.02
EVIDENCE: Final = 3.0  # evaluations per share, so that not one among them is no chance (rule of three)
SLACK_S: Final = 5.0
REGULAR: Final = 2  # who reported as often is missed when it no longer does
WRITTEN_S: Final = 30.0  # a server writes down each 20 s when it last saw an application


def tolerance(share: float, n: float) -> float:
    """How far the share of *n* evaluations may be from *share*; both fractions."""
    sigma = math.sqrt(share * (1.0 - share) / n) if n > 0 else 0.0
    return max(SIGMAS * sigma, min(POINTS, share / 2.0))


def fits(asked: Asked, yes: float, n: float) -> bool | None:
    """Whether *yes* of *n* evaluations are what was asked for; None where *n* is too few to tell."""
    if n <= 0 or (asked.low > 0 and n < EVIDENCE / asked.low):
        return None
    if asked.low > 0 and yes <= 0:
        return False
    low, high = asked.low - tolerance(asked.low, n), asked.high + tolerance(asked.high, n)
    return low - 1e-9 <= yes / n <= high + 1e-9


def in_words(reading: ExposureReading) -> str:
    """`seen 24.8 % of 5 210, asked 25 ± 2`; what is missing where there is no number."""
    if reading.asked is None or reading.share is None:
        return reading.note or "nothing was evaluated yet"
    few = ", too few to tell" if reading.fits is None else ""
    return f"{_seen(reading.share, reading.n)}, asked {_wanted(reading.asked, reading.n)}{few}"


def _seen(share: float, n: float) -> str:
    return f"seen {decimal(share * 100.0, 3)} % of {count(n)}"


def _wanted(asked: Asked, n: float) -> str:
    low, around = decimal(asked.low * 100.0, 3), decimal(tolerance(asked.low, n) * 100.0)
    if asked.low == asked.high:
        return f"{low} ± {around}"
    if asked.high < 1.0:
        return f"{low} to {decimal(asked.high * 100.0, 3)} ± {around}"
    return f"{low} or more" if asked.low > 0 else "of some users only"


# --- what SDKs tell the flag server -------------------------------------------------------------------------------


def patience(report: float) -> float:
    """How long an application that reports each *report* seconds may be silent before it is missed."""
    return SIGMAS * report + SLACK_S


def of_usage(
    tally: Tally, *, source: str, flag: str, now: float, lag: float, report: float, findings: Sequence[Finding] = ()
) -> ExposureReading:
    """The reading of what SDKs told since the flag's rules settled. `stale` where they told nothing for long."""
    n, begins = tally.n, tally.since + lag
    limit = patience(report)
    status: Status = "ok"
    note = ""
    if n == 0 and now < begins:
        status, note = "nodata", f"counting begins in {duration(begins - now)}"
    elif n == 0:
        status, note = "nodata", f"no application told the flag server of an evaluation for {duration(now - begins)}"
    elif now - tally.counted_at > limit:
        status, note = "stale", f"no application told of an evaluation for {duration(now - tally.counted_at)}"
    return _reading(
        tally.asked, tally.yes, n, source=source, flag=flag, origin="usage", status=status, now=now,
        data_at=tally.counted_at or tally.read_at, since=tally.since, max_age=limit, note=note, findings=findings,
    )  # fmt: skip


def _reading(
    asked: Asked | None,
    yes: float,
    n: float,
    *,
    source: str,
    flag: str,
    origin: str,
    status: Status,
    now: float,
    data_at: float,
    since: float,
    max_age: float,
    note: str,
    findings: Sequence[Finding],
) -> ExposureReading:
    known = asked is not None and n > 0
    return ExposureReading(
        source=source,
        flag=flag,
        origin=origin,
        status=status,
        data_at=data_at,
        received_at=now,
        asked=asked,
        share=yes / n if known else None,
        yes=yes,
        n=n,
        tolerance=tolerance(asked.low, n) if asked is not None and n > 0 else 0.0,
        fits=fits(asked, yes, n) if asked is not None else None,
        since=since,
        max_age=max_age,
        note=note,
        findings=tuple(findings),
    )


# --- what a service counts by variant -----------------------------------------------------------------------------


def of_signal(
    treatment: Reading, control: Reading, asked: Asked, *, source: str, flag: str, since: float, poll: float, now: float
) -> ExposureReading | None:
    """The reading of a signal that counts requests by cohort; None where its numbers are no counts.

    poll: how seldom applications ask for their flags; a window that began before they must know the rules says nothing.
    A cohort without data beside one that has some was asked for by nobody.
    """
    origin = treatment.signal
    at, begun, limit = min(treatment.data_at, control.data_at), min(treatment.window_from, control.window_from), 60.0
    worst = next((one for one in (treatment, control) if one.status in ("error", "stale", "foreign")), None)
    status: Status = "ok"
    yes = no = 0.0
    note = ""
    if worst is not None:
        status, note = worst.status, worst.note
    elif begun < since + poll:
        status, note = "nodata", f"counting begins in {duration(since + poll - begun)}"
    elif treatment.status != "ok" and control.status != "ok":
        status, note = "nodata", f"{origin} counts no requests"
    else:
        got, others = _requests(treatment), _requests(control)
        if got is None or others is None:
            return None
        yes, no = got, others
    return _reading(
        asked, yes, yes + no, source=source, flag=flag, origin=origin, status=status, now=now,
        data_at=at, since=since, max_age=limit, note=note, findings=(),
    )  # fmt: skip


def _requests(reading: Reading) -> float | None:
    """How many requests the window held; a signal that is no pair and has no count is a rate itself."""
    if reading.status != "ok":
        return 0.0
    if reading.n is not None:
        return max(0.0, reading.n)
    if reading.value is None or reading.total is not None:
        return None
    return max(0.0, reading.value) * max(0.0, reading.window_to - reading.window_from)


# --- what is wrong ------------------------------------------------------------------------------------------------


def silent(tally: Tally, now: float, report: float) -> dict[str, AppTally]:
    """Applications that reported regularly and no longer do."""
    return {
        name: app for name, app in tally.apps.items() if app.reports >= REGULAR and now - app.last_at > patience(report)
    }


def findings(
    tally: Tally,
    uses: Sequence[FlagUse],
    env: str,
    *,
    now: float,
    report: float,
    last_seen: Mapping[str, float | None],
    regrouped: str = "",
) -> tuple[Finding, ...]:
    """Everything that is wrong with what applications evaluate, the worst first.

    last_seen: of silent applications, when the flag server last heard of them at all. regrouped: what became of the
    flag's groups, and who is affected, where they are not those that we left.
    """
    found = [_share_of(name, app, tally) for name, app in sorted(tally.apps.items())]
    told = [one for one in found if one is not None]
    if not told and tally.asked is not None and fits(tally.asked, tally.yes, tally.n) is False:
        told = [_off(tally.asked, tally.yes, tally.n)]
    if regrouped:
        what = f"other users get it than we left it to: {regrouped}; answer the drift, or set the group back"
        told.append(Finding(kind="group", text=what))
    told += [_silence(name, app, last_seen.get(name), now) for name, app in silent(tally, now, report).items()]
    is_nobody = not any(use.env == env and use.yes + use.no for use in uses)
    told += [_elsewhere(name, where, env, is_nobody) for name, where in elsewhere(uses, env).items()]
    return tuple(told)


def _share_of(name: str, app: AppTally, tally: Tally) -> Finding | None:
    """Why one application's share is not the one asked for; None where it is, or where nobody can tell."""
    asked, before = tally.asked, tally.before
    if asked is None or fits(asked, app.yes, app.n) is not False:
        return None
    said = f"{name} has {_seen(app.yes / app.n, app.n)}, asked {_wanted(asked, app.n)}"
    if app.yes == 0 and asked.sticks_to:
        field = ", ".join(asked.sticks_to)
        what = f"{said}: the rollout sticks to {field}, which {name} likely does not send; pass it in the context"
        return Finding(kind="field", app=name, text=f"{what}, or stick to default")
    if before is not None and _is_as_before(before, app):
        what = f"{said}, as before the change: its SDK no longer polls; restart it, and look at its log"
        return Finding(kind="behind", app=name, text=what)
    if app.yes == 0:
        what = f"{said}: nobody gets it; look whether its SDK polls, and whether it asks with a user at all"
        return Finding(kind="nobody", app=name, text=what)
    return Finding(kind="off", app=name, text=f"{said}: {_GUESS}")


def _is_as_before(before: Asked, app: AppTally) -> bool:
    if before.high == 0.0:
        return app.yes == 0
    return (before.low, before.high) != (0.0, 1.0) and fits(before, app.yes, app.n) is True


_GUESS: Final = "a few users may ask most often, or some instances hold older rules; compare the applications"


def _off(asked: Asked, yes: float, n: float) -> Finding:
    return Finding(kind="off", text=f"{_seen(yes / n, n)}, asked {_wanted(asked, n)}: {_GUESS}")


def _silence(name: str, app: AppTally, seen: float | None, now: float) -> Finding:
    said = f"{name} told nothing of it for {duration(now - app.last_at)}, and did before"
    if seen is not None and seen > app.last_at + WRITTEN_S:
        what = f"{said}, though the flag server heard of it {duration(now - seen)} ago: does it still ask for the flag?"
    else:
        what = f"{said}: it is stopped, or its SDK no longer reaches the flag server; look at its instances and its log"
    return Finding(kind="silent", app=name, text=what)


def _elsewhere(name: str, where: Mapping[str, int], env: str, is_nobody: bool) -> Finding:
    places = ", ".join(f"{place} ({count(times)})" for place, times in sorted(where.items()))
    other = next(iter(sorted(where)))
    what = f"{name} asks for it in {places} only: if it serves {env}, its token is of {other}; give it one of {env}"
    return Finding(kind="environment", app=name, text=what, warns=is_nobody)
