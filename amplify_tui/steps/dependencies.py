"""dependencies: whether the versions that run, and the ones that are planned, satisfy what the services need.

Judged on fresh answers of the instances, first as the fleet is, then as it will be. A version that nobody knows is no
violation and no fit: what then is `on_unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct, field

from amplify_tui.playbook.model import Base, Dur, Name, SemVer
from amplify_tui.run.shapes import ServiceFacts
from amplify_tui.steps.instances import instances_of, seen
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation
from amplify_tui.verdict.dependencies import Graph, Violation, graph, schema_violations, violations
from amplify_tui.verdict.words import listing

Versions = dict[str, dict[str, str | None]]


class DependenciesFields(Base, frozen=True):
    services: Literal["all"] | tuple[Name, ...] = "all"
    planned: dict[Name, SemVer] = field(default_factory=dict)
    max_age: Dur = 30.0
    on_unknown: Literal["stop", "ask", "continue"] = "stop"


class Found(Struct, frozen=True, kw_only=True):
    """One look: what needs what, what runs, and what does not fit."""

    graph: Graph
    requires: dict[str, dict[str, str]]
    versions: Versions
    violations: tuple[Violation, ...]


class Dependencies(Quiet):
    name: ClassVar[str] = "dependencies"
    Fields: ClassVar[type[DependenciesFields]] = DependenciesFields
    outputs: ClassVar[dict[str, str]] = {"graph": "map", "order": "list", "violations": "list"}

    async def prepare(self, fields: DependenciesFields, ctx: Context) -> Preparation:
        return Preparation(preview=_tree(await _look(fields, ctx), fields.planned))

    async def finish(self, fields: DependenciesFields, ctx: Context) -> Finished:
        found = await _look(fields, ctx)
        wrong = [violation.said for violation in found.violations if violation.known]
        wrong += [f"{' needs '.join([*cycle, cycle[0]])}: a cycle" for cycle in found.graph.cycles]
        unknown = [violation.said for violation in found.violations if not violation.known]
        stops = bool(wrong) or (bool(unknown) and fields.on_unknown != "continue")
        outputs: dict[str, Any] = {
            "graph": {"requires": found.requires, "versions": found.versions},
            "order": list(found.graph.order),
            "violations": [msgspec.to_builtins(violation) for violation in found.violations][:50],
        }
        return Finished(ok=not stops, reason=listing(wrong or unknown), outputs=outputs)


async def _look(fields: DependenciesFields, ctx: Context) -> Found:
    """Asks every instance, then judges the fleet as it is and as the plan makes it."""
    await ctx.world.refresh()
    services = _services(fields, ctx)
    requires = {name: dict(facts.requires) for name, facts in services.items()}
    versions = _versions(services, fields, ctx)
    planned = _planned(versions, fields.planned)
    wrong: list[Violation] = []
    for state in [versions, planned] if planned != versions else [versions]:
        wrong += [violation for violation in violations(requires, state) if violation not in wrong]
    wrong += schema_violations(_schemas(services, fields.planned), _reported(services, fields, ctx))
    return Found(graph=graph(requires), requires=requires, versions=versions, violations=tuple(wrong))


def _services(fields: DependenciesFields, ctx: Context) -> dict[str, ServiceFacts]:
    """The services asked about, and those that they need: a need is judged even where nobody asked for it."""
    known = ctx.world.playbook.services
    asked = set(known) if fields.services == "all" else set(fields.services)
    asked |= {need for name in asked & set(known) for need in known[name].requires}
    facts: dict[str, ServiceFacts] = {}
    for name in sorted(asked & set(known)):
        service = known[name]
        facts[name] = ServiceFacts(
            instances=tuple(instances_of(name, ctx.world.playbook)),
            requires=dict(service.requires),
            schema_field=service.schema.field if service.schema else "",
            schema_accepts=service.schema.accepts if service.schema else "",
            previous_accepts=(service.schema.previous_accepts or "") if service.schema else "",
        )
    return facts


def _versions(services: Mapping[str, ServiceFacts], fields: DependenciesFields, ctx: Context) -> Versions:
    fresh = ctx.now() - fields.max_age
    return {
        name: {unit: seen(ctx.world, name, unit, fresh).version for unit in facts.instances}
        for name, facts in services.items()
    }


def _planned(versions: Versions, planned: Mapping[str, str]) -> Versions:
    return {
        name: {unit: planned.get(name, version) for unit, version in units.items()} for name, units in versions.items()
    }


def _schemas(services: Mapping[str, ServiceFacts], planned: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What each service accepts: the version that runs now accepts the previous range, the planned one the new."""
    found = {}
    for name, facts in services.items():
        accepts = facts.previous_accepts if name in planned and facts.previous_accepts else facts.schema_accepts
        if facts.schema_field and accepts:
            found[name] = (facts.schema_field, accepts)
    return found


def _reported(services: Mapping[str, ServiceFacts], fields: DependenciesFields, ctx: Context) -> Versions:
    """The schema that each instance sees; one that is silent sees none that anybody knows."""
    fresh = ctx.now() - fields.max_age
    schemas: dict[tuple[str, str], str | None] = {}
    for reading in sorted(ctx.world.evidence().fleet, key=lambda r: r.received_at):
        schemas[reading.service, reading.instance] = reading.schema
    return {
        name: {
            unit: schemas.get((name, unit)) if seen(ctx.world, name, unit, fresh).version else None
            for unit in facts.instances
        }
        for name, facts in services.items()
    }


def _tree(found: Found, planned: Mapping[str, str]) -> str:
    """The services in the order to deploy them, each with what runs, what is planned and what it needs."""
    lines = []
    for name in [*found.graph.order, *(name for cycle in found.graph.cycles for name in cycle)]:
        running = sorted({version or "?" for version in found.versions.get(name, {}).values()}) or ["?"]
        plan = f" -> {planned[name]}" if name in planned else ""
        lines.append(f"{name} {', '.join(running)}{plan}")
        for need, wanted in sorted(found.requires.get(name, {}).items()):
            bad = next((v for v in found.violations if (v.service, v.needs) == (name, need)), None)
            mark = "ok" if bad is None else "NO" if bad.known else "unknown"
            lines.append(f"  needs {need} {wanted}: {mark}")
    return "\n".join([*lines, *(violation.said for violation in found.violations)])
