"""The built-ins that ask about flags: `exposure` (who gets it is who should) and `drift` (it is as the run left it).

| of each flag that somebody gets    | exposure                                  | drift                              |
|------------------------------------|-------------------------------------------|------------------------------------|
| fails                              | off for 30 s of evidence, in 2 readings   | somebody else changed it           |
| blind                              | nobody counts, or what is counted is old  | its server was not heard for long  |
| undecided                          | counting has not begun, or too few counts | not read yet                       |
| error                              | the source is broken                      | the source is broken               |

A share is looked at again and again, and requests come in clusters, so one look outside the tolerance is no fail.
Source: verdicts.md 2, built-ins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from amplify_tui.verdict import words
from amplify_tui.verdict.exposure import in_words
from amplify_tui.verdict.model import Answer, Evidence, Expected, ExposureReading, FlagReading, Term, TermVerdict
from amplify_tui.verdict.triage import Finding, worst_of

LASTING_S: Final = 30.0
READINGS: Final = 2
_PATIENCE: Final = 2.0  # of max_age, until counts that never came are missed: they begin late

_NEEDS: Final = {
    "exposure": "needs the share that was asked for",
    "drift": "needs the flag as the run left it: answer the hold",
}


def judge_exposure(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """Pass where of every flag of `expected.flags` the share seen is the share asked for.

    Only what was read since `expected.since` counts. Where a signal's cohorts tell the share it is not waited for what
    SDKs report, which comes minutes late; what they report can fail it still.
    """
    seen: dict[str, dict[str, list[ExposureReading]]] = {}
    for reading in sorted(evidence.exposures, key=lambda one: one.received_at):
        if expected.since <= reading.received_at <= now:
            origins = seen.setdefault(f"{reading.source}/{reading.flag}", {})
            origins.setdefault(reading.origin, []).append(reading)
    findings = [_exposed(flag, seen.get(flag, {}), expected, now) for flag in expected.flags]
    return _conclude(term, "exposure", findings)


def judge_drift(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """Pass where every flag of `expected.flags` was read lately and nobody else has changed it (`expected.drifts`).

    That somebody did is known once the server's own state was read: what its clients get lags behind our own writes.
    """
    heard: dict[str, list[FlagReading]] = {}
    for reading in sorted(evidence.flags, key=lambda one: one.received_at):
        if reading.received_at <= now:
            heard.setdefault(f"{reading.source}/{reading.flag}", []).append(reading)
    findings = [_held(flag, heard.get(flag, []), expected, now) for flag in expected.flags]
    return _conclude(term, "drift", findings)


def _exposed(flag: str, origins: dict[str, list[ExposureReading]], expected: Expected, now: float) -> Finding:
    if not origins:
        waiting = now - expected.since <= expected.max_age
        return ("undecided" if waiting else "blind"), f"nobody has counted who gets {flag} yet"
    told = [_share(flag, readings, now) for readings in origins.values()]
    failed = [one for one in told if one[0] == "fail"]
    passed = [one for one in told if one[0] == "pass"]
    return (failed or passed or [worst_of(told)])[0]


def _share(flag: str, readings: Sequence[ExposureReading], now: float) -> Finding:
    last = readings[-1]
    said = f"{flag}: {in_words(last)}"
    age = now - last.data_at
    if last.status == "error":
        return "error", f"{flag}: {last.note}"
    if last.status == "nodata":
        waiting = now - last.since <= _PATIENCE * last.max_age
        return ("undecided" if waiting else "blind"), said
    if last.status != "ok" or age > last.max_age:
        return "blind", f"{said}, {words.duration(age)} old"
    if last.fits is None:
        return "undecided", said
    if last.fits:
        return "pass", said
    return _off(said, readings)


def _off(said: str, readings: Sequence[ExposureReading]) -> Finding:
    """A fail where the share has been off without a break; data that was missing in between is no break."""
    off: list[ExposureReading] = []
    for reading in reversed(readings):
        if reading.status == "ok" and reading.fits is not False:
            break
        off += [reading] if reading.status == "ok" else []
    lasting = off[0].data_at - off[-1].data_at
    is_sure = len(off) >= READINGS and lasting >= LASTING_S
    return ("fail" if is_sure else "undecided"), f"{said}, for {words.duration(lasting)}"


def _held(flag: str, readings: Sequence[FlagReading], expected: Expected, now: float) -> Finding:
    if flag in expected.drifts:
        return "fail", f"{flag}: {expected.drifts[flag]}"
    if not readings:
        waiting = now - expected.since <= expected.max_age
        return ("undecided" if waiting else "blind"), f"{flag} was not read yet"
    last = readings[-1]
    heard = max((one.data_at for one in readings if one.status in ("ok", "nodata")), default=last.data_at)
    if now - heard <= expected.max_age:
        if last.status in ("ok", "nodata"):
            return "pass", ""
        return "undecided", f"{flag}: {last.note or last.status}"
    answer: Answer = "error" if last.status == "error" else "blind"
    why = f" ({last.note})" if last.note else ""
    return answer, f"{flag} was last read {words.duration(now - heard)} ago{why}"


def _conclude(term: Term, name: str, findings: Iterable[Finding]) -> TermVerdict:
    found = list(findings)
    if not found:
        reason = f"{name}: no flag of the run is switched on"
        return TermVerdict(id=term.id, answer="undecided", reason=reason, need="needs a flag that somebody gets")
    worst = worst_of(found)[0]
    if worst == "pass":
        said = [reason for _, reason in found if reason] or [f"{words.plural(len(found), 'flag')} as the run left it"]
        return TermVerdict(id=term.id, answer="pass", reason=f"{name}: {words.listing(said)}")
    odd = [reason for answer, reason in found if answer == worst]
    return TermVerdict(id=term.id, answer=worst, reason=f"{name}: {words.listing(odd)}", need=_NEEDS[name])
