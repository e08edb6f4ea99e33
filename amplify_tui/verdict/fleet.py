"""The built-ins that ask the instances themselves: `health` (well, there, not restarted) and `fleet` (the version).

An instance that we asked and that does not answer fails once its silence is longer than `max_age`: a crash takes its
metrics along, so silence is what it looks like. An instance that nobody asked lately is blind.
Reasons name the odd one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from amplify_tui.verdict import words
from amplify_tui.verdict.model import Answer, Evidence, Expected, InstanceReading, Term, TermVerdict
from amplify_tui.verdict.triage import Finding, worst_of

# A start time that is computed from an uptime in whole seconds wanders by a second; a restart moves it by more.
RESTART_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """One expected instance: what it should run, its readings by arrival, and the latest one that it answered."""

    service: str
    instance: str
    version: str | None
    readings: tuple[InstanceReading, ...]
    answered: InstanceReading | None


def judge_health(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """Pass where every expected instance is well and fresh, and none was restarted since `expected.since`.

    While no phase has begun (since 0), a restart is nobody's surprise.
    A `for` of the term lets an instance be unwell that long before it fails; silence is allowed `expected.max_age`.
    """
    patience = (term.condition.for_ or 0.0) if term.condition is not None else 0.0
    members = members_of(evidence, expected, now)
    findings = [_health(member, expected, patience, now) for member in members]
    return _conclude(term, "health", findings, f"{len(members)} of {len(members)} instances are well")


def judge_fleet(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """Pass where every expected instance answers freshly and reports the version it should run.

    Where no version is expected of an instance it must report one, and the same as its peers of whom none is expected
    either. A stranger of an expected service must run one of that service's versions. Silence is not uniform: an
    instance that does not answer is never counted as equal to the others.
    """
    members = members_of(evidence, expected, now)
    findings = [_version(member, expected, now) for member in members]
    findings += _mixed(members) + _strangers(evidence, expected, now)
    return _conclude(term, "fleet", findings, _uniform(members))


def odd_ones(evidence: Evidence, expected: Expected, now: float) -> tuple[str, ...]:
    """The instances that keep `fleet` from passing, by name: strangers, silent ones, and those of another version."""
    members = members_of(evidence, expected, now)
    odd = {member.instance for member in members if _version(member, expected, now)[0] != "pass"}
    if _mixed(members):
        odd |= {member.instance for member in members if member.version is None}
    return tuple(sorted(odd | {name for name, _ in _strange(evidence, expected, now)}))


def upheaval(evidence: Evidence, expected: Expected, after: float, until: float) -> str:
    """What makes a bake start over: an instance restarted, or changed its version, in (after, until]; "" if none did.

    Whether or not a gate names `health` or `fleet`: what was served by another process proves nothing of this one.
    """
    heard: dict[tuple[str, str], list[InstanceReading]] = {}
    for reading in evidence.fleet:
        if reading.received_at <= until and reading.instance in expected.versions.get(reading.service, {}):
            heard.setdefault((reading.service, reading.instance), []).append(reading)
    for (_, instance), readings in heard.items():
        readings.sort(key=_by_arrival)
        if readings[-1].received_at <= after:
            continue
        if _restarts(readings, expected, after):
            return f"{instance} was restarted"
        told = [one for one in readings if one.version and is_answer(one, expected.max_age)]
        for before, one in pairwise(told):
            changed = not same_version(before.version or "", one.version or "")
            if changed and one.received_at > after and before.received_at >= expected.since:
                return f"{instance} changed from {before.version} to {one.version}"
    return ""


def members_of(evidence: Evidence, expected: Expected, now: float) -> list[Member]:
    """Every expected instance in the order of its service and name, with what it said until *now*."""
    heard: dict[tuple[str, str], list[InstanceReading]] = {}
    for reading in evidence.fleet:
        if reading.received_at <= now and math.isfinite(reading.data_at):
            heard.setdefault((reading.service, reading.instance), []).append(reading)
    members = []
    for service, instances in sorted(expected.versions.items()):
        for instance, version in sorted(instances.items()):
            readings = tuple(sorted(heard.get((service, instance), []), key=_by_arrival))
            answered = next((r for r in reversed(readings) if is_answer(r, expected.max_age)), None)
            members.append(Member(service, instance, version, readings, answered))
    return members


def is_answer(reading: InstanceReading, max_age: float) -> bool:
    """Whether the instance itself spoke, in time; only then is anything that the reading says evidence."""
    spoke = reading.ok is not None and reading.status in ("ok", "foreign")
    return spoke and abs(reading.received_at - reading.data_at) <= max_age


def silence(member: Member, expected: Expected, now: float) -> Finding | None:
    """None where the last attempt was answered and is fresh; else fail, blind or undecided with how long."""
    name, last = member.instance, member.answered
    if not member.readings:
        waiting = expected.since <= now <= expected.since + expected.max_age
        return ("undecided" if waiting else "blind"), f"{name} was not asked yet"
    asked = member.readings[-1].received_at
    if now - asked > expected.max_age:
        return "blind", f"{name} was last asked {words.duration(now - asked)} ago"
    if last is member.readings[-1]:
        age = now - last.data_at
        if age <= expected.max_age:
            return None
        return "blind", f"what {name} says is {words.duration(age)} old"
    spoke = min(last.data_at, last.received_at) if last is not None else member.readings[0].received_at
    for_ = now - spoke
    answer: Answer = "fail" if for_ > expected.max_age else "undecided"
    return answer, f"{name} does not answer for {words.duration(for_)}"


def same_version(reported: str, wanted: str) -> bool:
    """Whether two versions are the same text, a leading v aside."""
    return reported.removeprefix("v") == wanted.removeprefix("v")


def _health(member: Member, expected: Expected, patience: float, now: float) -> Finding:
    quiet = silence(member, expected, now)
    if quiet is not None and quiet[0] == "fail":
        return quiet
    restarted = _restarted(member, expected)
    if restarted:
        return "fail", restarted
    if quiet is not None:
        return quiet
    assert member.answered is not None
    if member.answered.ok is False:
        lasting = now - _unwell_since(member, expected)
        note = f" ({member.answered.note})" if member.answered.note else ""
        return "fail" if lasting >= patience else "undecided", f"{member.instance} is not well{note}"
    if member.answered.status == "foreign":
        return "undecided", f"{member.instance} answers as another version"
    return "pass", ""


def _unwell_since(member: Member, expected: Expected) -> float:
    begun = member.readings[-1].received_at
    for reading in reversed(member.readings):
        if is_answer(reading, expected.max_age) and reading.ok:
            break
        begun = reading.received_at
    return begun


def _restarted(member: Member, expected: Expected) -> str:
    """Says so where the start time moved in this phase, or moved into it since the last reading before it.

    Each reading is compared with the one before: against the first, a slow clock would restart it within hours.
    A start time that moved before the phase is the deploy's doing; while no phase has begun (since 0) all are.
    """
    restarted = expected.since > 0.0 and _restarts(member.readings, expected, 0.0)
    return f"{member.instance} was restarted in this phase" if restarted else ""


def _restarts(readings: Sequence[InstanceReading], expected: Expected, after: float) -> bool:
    """Whether a reading that arrived later than *after* tells of a restart in this phase; *readings* by arrival."""
    baseline: float | None = None
    baseline_seen = 0.0
    for reading in readings:
        started = reading.started
        if not is_answer(reading, expected.max_age) or started is None or not math.isfinite(started):
            continue
        if reading.received_at >= expected.since and reading.received_at > after and baseline is not None:
            was_in_phase = baseline_seen >= expected.since
            if abs(started - baseline) > RESTART_SECONDS and (was_in_phase or started > expected.since):
                return True
        baseline, baseline_seen = started, reading.received_at
    return False


def _version(member: Member, expected: Expected, now: float) -> Finding:
    quiet = silence(member, expected, now)
    if quiet is not None:
        return quiet
    assert member.answered is not None
    if not member.answered.version:
        wanted = f", should run {member.version}" if member.version else ""
        return "undecided", f"{member.instance} does not say its version{wanted}"
    if member.version is None:
        return "pass", ""
    if not same_version(member.answered.version, member.version):
        return "fail", f"{member.instance} runs {member.answered.version}, should run {member.version}"
    return "pass", ""


def _mixed(members: Sequence[Member]) -> list[Finding]:
    """Peers of whom no version is expected and that differ: one of them is odd, and nobody can say which."""
    said: dict[str, dict[str, str]] = {}
    for member in members:
        if member.version is None and member.answered is not None and member.answered.version:
            said.setdefault(member.service, {})[member.instance] = member.answered.version
    findings: list[Finding] = []
    for versions in said.values():
        (first, version), *others = versions.items()
        odd = next((other for other in others if not same_version(other[1], version)), None)
        if odd is not None:
            reason = f"{first} runs {version}, {odd[0]} runs {odd[1]}, and nobody knows which is right"
            findings.append(("undecided", reason))
    return findings


def _strangers(evidence: Evidence, expected: Expected, now: float) -> list[Finding]:
    strange = _strange(evidence, expected, now)
    return [("fail", f"{instance} runs {version}, and nobody expects it") for instance, version in strange]


def _strange(evidence: Evidence, expected: Expected, now: float) -> list[tuple[str, str]]:
    """Instances of an expected service that nobody expects, and that run none of its versions, which they do."""
    latest: dict[tuple[str, str], InstanceReading] = {}
    for reading in sorted((r for r in evidence.fleet if r.received_at <= now), key=_by_arrival):
        latest[reading.service, reading.instance] = reading
    found: list[tuple[str, str]] = []
    for (service, instance), reading in sorted(latest.items()):
        wanted = expected.versions.get(service)
        fresh = is_answer(reading, expected.max_age) and now - reading.data_at <= expected.max_age
        if wanted is None or instance in wanted or not fresh or reading.version is None or None in wanted.values():
            continue
        if not any(version is not None and same_version(reading.version, version) for version in wanted.values()):
            found.append((instance, reading.version))
    return found


def _uniform(members: Sequence[Member]) -> str:
    services: dict[str, list[str]] = {}
    for member in members:
        reported = member.answered.version if member.answered is not None else None
        services.setdefault(member.service, []).append(member.version or reported or "?")
    parts = [
        f"{service} {len(versions)}/{len(versions)} at {' and '.join(sorted(set(versions)))}"
        for service, versions in services.items()
    ]
    return words.listing(parts)


def _conclude(term: Term, name: str, findings: Sequence[Finding], well: str) -> TermVerdict:
    if not findings:
        return TermVerdict(
            id=term.id, answer="undecided", reason=f"{name}: no instance is expected", need="needs an instance"
        )
    worst, _ = worst_of(findings)
    if worst == "pass":
        return TermVerdict(id=term.id, answer="pass", reason=f"{name}: {well}")
    odd = [reason for answer, reason in findings if answer == worst]
    return TermVerdict(id=term.id, answer=worst, reason=f"{name}: {words.listing(odd)}", need=_NEEDS[name])


_NEEDS: Final = {
    "health": "needs every instance well and fresh, and none restarted",
    "fleet": "needs every instance to answer with the version it should run",
}


def _by_arrival(reading: InstanceReading) -> tuple[float, float, bool, str, float]:
    # Of two readings of one moment the worse one stands last, whatever order they came in.
    return (reading.received_at, reading.data_at, reading.ok is not True, reading.version or "", reading.started or 0.0)
