"""What a preview says of users: who joins and who leaves, who gets several flags at once, and who gets none at all.

A preview that cannot tell says so and fails no step. Evaluating takes a thread: the engine's loop goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from amplify_tui.adapters.flags import audience, population
from amplify_tui.adapters.flags.port import ROLLOUT, Expose
from amplify_tui.adapters.ports import AdapterError, FlagProvider, FlagState, FlagWrite, Strategy
from amplify_tui.playbook.templates import has_expr
from amplify_tui.steps.flag_parts import rules_of, state_of
from amplify_tui.steps.rollout_fields import RolloutFields
from amplify_tui.steps.verb import Context

ALL_USERS: Final = 100.0


def population_of(source: str, ctx: Context) -> population.Population | None:
    """The team's own users, where the source names a file of them. Raises NotFound, Invalid."""
    written = ctx.world.playbook.sources[source].population
    return population.read(ctx.world.playbook_dir / written) if written else None


async def who(source: str, write: FlagWrite, ctx: Context) -> str:
    """The preview's line on who is affected by *write*; a preview that cannot tell says so, and fails no step."""
    rules = rules_of(ctx, source)
    try:
        people, provider = population_of(source, ctx), ctx.world.flags(source)
        before, after = [
            await provider.with_segments(rules.state(write.key, write.env, raw)) for raw in (write.before, write.after)
        ]
    except AdapterError as silent:
        return f"who is affected: not known, {silent}"
    return await audience.in_turn(audience.in_words, rules, before, after, people)


async def parents_of(provider: FlagProvider, state: FlagState) -> dict[str, FlagState]:
    """The flags on which *state* depends, as they are now. Raises AdapterError."""
    return await provider.read([parent.key for parent in state.parents]) if state.parents else {}


def unmet(state: FlagState, parents: Mapping[str, FlagState]) -> list[str]:
    """In words, for each parent that keeps the flag from users: nobody gets it, or nobody else than gets the parent."""
    said = []
    for parent in state.parents:
        now = parents[parent.key]
        share = now.exposure
        if parent.enabled and share == 0.0:
            how = "is off" if now.exists else "is not there"
            said.append(f"{state.key} depends on {parent.key}, which {how} in {state.env}: nobody gets it")
        elif parent.enabled and share < ALL_USERS:
            said.append(f"{state.key} depends on {parent.key}, which is at {share:g} %: nobody else gets it")
        elif not parent.enabled and share > 0.0:
            said.append(f"{state.key} depends on {parent.key} being off, which is at {share:g} %: these do not get it")
    return said


async def above(provider: FlagProvider, state: FlagState) -> list[str]:
    """The preview's lines on the flag's parents; a preview that cannot tell says so, and fails no step."""
    try:
        return unmet(state, await parents_of(provider, state))
    except AdapterError as silent:
        return [f"what {state.key} depends on: not known, {silent}"]


def shares_of_variants(state: Mapping[str, Any]) -> list[str]:
    """A line for each strategy with variants: what share of those who get it sees which."""
    lines = []
    for one in state["strategies"]:
        weights = {str(each["name"]): float(each.get("weight", 0)) for each in one.get("variants") or ()}
        total = sum(weights.values())
        if total:
            shares = ", ".join(f"{name} {100 * weight / total:.3g} %" for name, weight in weights.items())
            lines.append(f"variants of {one.get('title') or one['name']!r}: {shares}")
    return lines


async def together(fields: RolloutFields, live: FlagState, ctx: Context) -> list[str]:
    """The preview's lines on who gets this flag and the release's other ramps of its source, at their first shares."""
    source = fields.source or ""
    rules = rules_of(ctx, source)
    others = list(_other_ramps(fields, ctx))
    if not others:
        return []
    try:
        provider, people = ctx.world.flags(source), population_of(source, ctx)
        states = [rules.state(live.key, live.env, _at_first(fields.phases[0], fields.strategy, live, source, ctx))]
        for flag, share, strategy in others:
            now = await state_of(provider, flag)
            if now.exists:
                states.append(rules.state(flag, now.env, _at_first(share, strategy, now, source, ctx)))
        if len(states) == 1:
            return []
        whole = [await provider.with_segments(state) for state in states]
        found = await audience.in_turn(audience.overlap, rules, whole, people)
    except AdapterError as silent:
        return [f"who gets several flags: not known, {silent.what}"]
    names = ", ".join(f"{state.key} at {rules.exposed(state.raw):g} %" for state in states)
    shares = " · ".join(
        f"{100 * n / found.total:.3g} % {what}"
        for n, what in ((found.every, "get all"), (found.some, "get some"), (found.none, "get none"))
    )
    return [
        f"together, {names}: {shares} of {found.total:,} {people.name if people else audience.MADE_UP}",
        *_advice(states),
    ]


def _advice(states: list[FlagState]) -> list[str]:
    """What brings the same users all of the flags, where their draws are independent."""
    draws = {(one.group, one.stickiness) for state in states for one in _ramps(state) if one.percent != ALL_USERS}
    if len(draws) < 2:
        return []
    return ["their groups differ, so each flag draws users of its own; with one `group` the same users get them all"]


def _ramps(state: FlagState) -> list[Strategy]:
    return [one for one in state.strategies if one.name == ROLLOUT and not one.disabled and one.percent]


def _at_first(share: float, strategy: str | None, now: FlagState, source: str, ctx: Context) -> dict[str, Any]:
    """The flag at the first share of its ramp, or as it is where it is there already. Raises AdapterError."""
    rules = rules_of(ctx, source)
    if now.enabled and rules.ramped(now, now.raw, strategy) >= share:
        return now.raw
    return rules.plan(now, Expose(percent=share, strategy=strategy)).after


def _other_ramps(fields: RolloutFields, ctx: Context) -> Iterator[tuple[str, float, str | None]]:
    """Flag, first share and strategy of the release's other flag rollouts on the same source."""
    for stage in ctx.world.playbook.stages:
        for step in stage.steps:
            written = step.fields if isinstance(step.fields, Mapping) else {}
            flag, phases = written.get("flag"), written.get("phases")
            if step.verb != "rollout" or written.get("source") != fields.source or flag in (None, fields.flag):
                continue
            first = phases[0] if isinstance(phases, list | tuple) and phases else None
            if isinstance(flag, str) and not has_expr(flag) and isinstance(first, int | float):
                strategy = written.get("strategy")
                yield flag, float(first), strategy if isinstance(strategy, str) and not has_expr(strategy) else None
