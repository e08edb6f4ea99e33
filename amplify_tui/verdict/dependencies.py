"""Which services need which, in what order they go, and whether the versions that run satisfy each other.

`graph` is the plan (requires alone); `violations` and `judge_dependencies` compare it with what runs. A version that
nobody knows is undecided, never fine. Ranges are node-semver, judged by playbook/ranges.py alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.playbook.ranges import satisfies
from amplify_tui.verdict import words
from amplify_tui.verdict.fleet import Member, members_of, silence
from amplify_tui.verdict.model import Evidence, Expected, Term, TermVerdict

_INTEGER: Final = re.compile(r"[0-9]+")


class Graph(Struct, frozen=True, kw_only=True):
    """The order to deploy in, dependencies first; services of a cycle (each sorted, as is the list) are left out of it.

    needed: every service that is required but not itself described.
    """

    order: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...] = ()
    needed: tuple[str, ...] = ()


class Violation(Struct, frozen=True, kw_only=True):
    """One unmet need. `known` is False where the version is unknown, so that nobody can say whether it is met."""

    service: str
    needs: str
    range: str
    instance: str = ""
    version: str | None = None
    known: bool = True
    said: str = ""


def graph(requires: Mapping[str, Mapping[str, str]]) -> Graph:
    """The graph of *requires* (service -> needed service -> range), the same for every order of its keys.

    A service that stands on a cycle is in `cycles`; one that only needs such a service comes after all others.
    """
    nodes = sorted(set(requires) | {needed for ranges in requires.values() for needed in ranges})
    needs = {node: set(requires.get(node, {})) for node in nodes}
    cycles = _cycles(needs)
    caught = {node for cycle in cycles for node in cycle}
    order: list[str] = []
    placed = set(caught)
    while len(placed) < len(nodes):
        # The first in the alphabet of those that are ready: one order, whatever order the file has.
        ready = next(node for node in nodes if node not in placed and needs[node] <= placed)
        order.append(ready)
        placed.add(ready)
    return Graph(
        order=tuple(order),
        cycles=tuple(cycles),
        needed=tuple(node for node in nodes if node not in requires),
    )


def violations(
    requires: Mapping[str, Mapping[str, str]],
    versions: Mapping[str, Mapping[str, str | None]],
) -> list[Violation]:
    """Every need that the *versions* (service -> instance -> version) do not meet, or that cannot be told.

    A need is judged for each instance of the needed service: in the middle of a wave both versions must do.
    """
    found: list[Violation] = []
    for service, ranges in sorted(requires.items()):
        for needs, wanted in sorted(ranges.items()):
            asked = f"{service} needs {needs} {wanted}"
            running = versions.get(needs, {})
            if not running:
                said = f"{asked}, and no instance of {needs} is known"
                found.append(Violation(service=service, needs=needs, range=wanted, known=False, said=said))
            for instance, version in sorted(running.items()):
                met = meets(version, wanted)
                if met:
                    continue
                said = f"{asked}, {instance} runs {version or 'an unknown version'}"
                if met is None and version:
                    said += ", which cannot be compared"
                found.append(
                    Violation(
                        service=service,
                        needs=needs,
                        range=wanted,
                        instance=instance,
                        version=version,
                        known=met is not None,
                        said=said,
                    )
                )
    return found


def schema_violations(
    schemas: Mapping[str, tuple[str, str]],
    reported: Mapping[str, Mapping[str, str | None]],
) -> list[Violation]:
    """Every instance whose reported schema is outside the range that its service accepts, or is not known.

    schemas: service -> (field, accepted range). reported: service -> instance -> schema; a bare integer N is N.0.0.
    """
    found: list[Violation] = []
    for service, (field, accepts) in sorted(schemas.items()):
        running = reported.get(service, {})
        if not running:
            said = f"{service} accepts {field} {accepts}, and no instance of {service} is known"
            found.append(Violation(service=service, needs=field, range=accepts, known=False, said=said))
        for instance, schema in sorted(running.items()):
            met = meets(schema, accepts)
            if met:
                continue
            said = f"{service} accepts {field} {accepts}, {instance} sees {schema or 'an unknown one'}"
            found.append(
                Violation(
                    service=service,
                    needs=field,
                    range=accepts,
                    instance=instance,
                    version=schema,
                    known=met is not None,
                    said=said,
                )
            )
    return found


def meets(version: str | None, wanted: str) -> bool | None:
    """Whether *version* is within the range *wanted*; None where either cannot be read."""
    if not version:
        return None
    version = f"{version}.0.0" if _INTEGER.fullmatch(version) else version.removeprefix("v")
    try:
        return satisfies(version, wanted)
    except ValueError:
        return None


def judge_dependencies(term: Term, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """Whether the versions and schemas that run at *now* satisfy each other.

    A version that is known and does not fit fails, whatever else is unknown; a cycle does too, as no order can be
    safe. An instance that is silent has an unknown version: undecided. Nothing to compare passes: nothing is needed.
    """
    cycles = graph(expected.requires).cycles
    versions, schemas = _live(evidence, expected, now)
    found = violations(expected.requires, versions) + schema_violations(expected.schemas, schemas)
    wrong = [f"{', '.join(cycle)} need each other in a circle" for cycle in cycles]
    wrong += [violation.said for violation in found if violation.known]
    need = "needs every instance to run a version within the ranges"
    if wrong:
        return TermVerdict(id=term.id, answer="fail", reason=f"dependencies: {words.listing(wrong)}", need=need)
    if found:
        unknown = words.listing([violation.said for violation in found])
        return TermVerdict(id=term.id, answer="undecided", reason=f"dependencies: {unknown}", need=need)
    amount = sum(len(ranges) for ranges in expected.requires.values()) + len(expected.schemas)
    return TermVerdict(id=term.id, answer="pass", reason=f"dependencies: {words.plural(amount, 'range')} met")


_Reported = dict[str, dict[str, str | None]]


def _live(evidence: Evidence, expected: Expected, now: float) -> tuple[_Reported, _Reported]:
    """What each expected instance reports now; None where it is silent, for what it ran before may be gone."""
    needed = {service for ranges in expected.requires.values() for service in ranges} | set(expected.schemas)
    # A service that this release leaves alone is still needed: all its instances that we know of count.
    known: _Reported = {service: {} for service in needed - set(expected.versions)}
    for reading in evidence.fleet:
        if reading.service in known and reading.received_at <= now:
            known[reading.service][reading.instance] = None
    versions: _Reported = {}
    schemas: _Reported = {}
    for member in members_of(evidence, replace(expected, versions={**known, **expected.versions}), now):
        spoken = member.answered if _is_live(member, expected, now) else None
        versions.setdefault(member.service, {})[member.instance] = spoken.version if spoken else None
        schemas.setdefault(member.service, {})[member.instance] = spoken.schema if spoken else None
    return versions, schemas


def _is_live(member: Member, expected: Expected, now: float) -> bool:
    return silence(member, expected, now) is None


def _cycles(needs: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """The sets of services that need each other, each once: those that reach themselves, grouped by mutual reach."""
    reach = {node: _reachable(node, needs) for node in needs}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach[other])) for node in needs if node in reach[node]
    }
    return sorted(groups)


def _reachable(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        fresh = needs.get(todo.pop(), set()) - found
        found |= fresh
        todo.extend(fresh)
    return found
