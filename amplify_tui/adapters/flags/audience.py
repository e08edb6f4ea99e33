"""Who is affected by a change of a flag: who joins and who leaves, evaluated by the engine that applications run.

Without a population of the team's own it is made up: always the same users, spread over the values that the flag's own
constraints ask for, so that a rule for one country shows the share of that country's users and not nobody. Where shares
fall at random (no user keeps the flag from one request to the next) there is no "who" to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from random import Random
from typing import Any, Final, TypeVar

from msgspec import Struct

from amplify_tui.adapters.flags.population import Population
from amplify_tui.adapters.flags.port import FlagRules
from amplify_tui.adapters.flags.state import EVERYBODY, SEGMENT_RULES, active, canonical, percent
from amplify_tui.adapters.ports import AdapterError, FlagState, Invalid

SAMPLE: Final = 10_000
MADE_UP: Final = "made-up users"
OTHER: Final = "other"
_IDENTITIES: Final = frozenset({"userId", "sessionId"})
_STANDARD: Final = frozenset({"appName", "environment", "currentTime", "remoteAddress"})
# Evaluations hold the interpreter: ten at once take twice as long as one after the other, and the loop waits for each.
_TURNS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audience")

T = TypeVar("T")


async def in_turn(work: Callable[..., T], *args: Any) -> T:
    """What *work*, one of this module's functions, returns or raises; aside from the loop, one after the other."""
    return await asyncio.get_running_loop().run_in_executor(_TURNS, work, *args)


class Affected(Struct, frozen=True, kw_only=True):
    """Numbers of users of one population. `before` + `joins` - `leaves` have the flag afterwards."""

    total: int
    before: int
    joins: int
    leaves: int

    @property
    def after(self) -> int:
        return self.before + self.joins - self.leaves


class Overlap(Struct, frozen=True, kw_only=True):
    """How many users of one population get all of several flags, some of them, or none."""

    total: int
    every: int
    some: int

    @property
    def none(self) -> int:
        return self.total - self.every - self.some


def affected(rules: FlagRules, before: FlagState, after: FlagState, people: Population | None = None) -> Affected:
    """How the change from one state to the other reaches *people*, or the made-up users where they are None.

    Raises Invalid where the engine cannot evaluate a state, or where users get the flag at random.
    """
    asked = people or made_up((before, after))
    had, have = _sets(rules, (before, after), asked)
    return Affected(total=len(asked), before=len(had), joins=len(have - had), leaves=len(had - have))


def overlap(rules: FlagRules, states: Sequence[FlagState], people: Population | None = None) -> Overlap:
    """Who gets several flags at once: two shares of 10 % meet in 1 % of users, unless they share their group.

    Raises Invalid as `affected` does.
    """
    if not states:
        raise Invalid("no flag is named")
    asked = people or made_up(states)
    sets = _sets(rules, tuple(states), asked)
    every = frozenset.intersection(*sets)
    return Overlap(total=len(asked), every=len(every), some=len(frozenset.union(*sets) - every))


def in_words(rules: FlagRules, before: FlagState, after: FlagState, people: Population | None = None) -> str:
    """One line for a preview, whatever can be told."""
    try:
        found = affected(rules, before, after, people)
    except AdapterError as error:
        return f"who is affected: {error.what}"
    whom = people.name if people else MADE_UP
    if not found.joins and not found.leaves:
        return f"who is affected: nobody, {found.before:,} of {found.total:,} {whom} have it before and after"
    counts = f"{found.before:,} of {found.total:,} {whom} have it, {found.after:,} then"
    return f"who is affected: {counts}: {found.joins:,} join, {found.leaves:,} leave"


def _sets(rules: FlagRules, states: tuple[FlagState, ...], people: Population) -> tuple[frozenset[int], ...]:
    for state in states:
        if any((one.get("parameters") or {}).get("stickiness") == "random" for one in active(state.raw)):
            raise Invalid(f"{state.key} is given at random, a share of the requests and of no particular users")
    return tuple(
        _users(rules, state.key, state.env, canonical(state.raw), people) if state.exists else frozenset()
        for state in states
    )


@lru_cache(maxsize=32)
def _users(rules: FlagRules, flag: str, env: str, raw: str, people: Population) -> frozenset[int]:
    """Kept, since a step that waits is previewed again each second. Nobody and everybody need no evaluation."""
    state = rules.state(flag, env, json.loads(raw))
    if rules.exposed(state.raw) == 0.0:
        return frozenset()
    if people.is_made_up and any(_gives_all(one) for one in active(state.raw)):
        return frozenset(range(len(people)))
    return rules.evaluator([state]).users(flag, people.contexts)


def _gives_all(strategy: Mapping[str, Any]) -> bool:
    """Whether every made-up user gets it: these have each field that a share sticks to, which real ones may lack."""
    is_open = not strategy.get("constraints") and not strategy.get("segments")
    return is_open and percent(strategy) == EVERYBODY


def made_up(states: Sequence[FlagState], size: int = SAMPLE) -> Population:
    """The users that are made up for these states, see `sampled`. Raises Invalid where none can be."""
    return _made_up(canonical(_asked_for(states)), size)


@lru_cache(maxsize=8)
def _made_up(asked: str, size: int) -> Population:
    """Kept by what is asked of users and no more: flags that differ by their names alone have the same ones."""
    return Population(MADE_UP, _sampled(json.loads(asked), size), is_made_up=True)


def sampled(states: Iterable[FlagState], size: int = SAMPLE) -> list[dict[str, Any]]:
    """*size* made-up users; each field that a rule asks for takes what the rules name, and something that none names.

    Users that are asked for by name are among them, once each. A field that only shares stick to has a value of its own
    for each user. The same states give the same users.
    """
    return _sampled(_asked_for(states), size)


def _asked_for(states: Iterable[FlagState]) -> dict[str, Any]:
    """What the strategies ask of users: `named` ids, `turns` (values by field), `own` (fields that differ for each)."""
    values: dict[str, list[str]] = {}
    own: set[str] = set()
    for strategy in (one for state in states for one in active(state.raw)):
        own |= {str(one.get("stickiness")) for one in _sticky(strategy)} - _IDENTITIES - {"", "default", "None"}
        for constraint in (*(strategy.get("constraints") or ()), *(strategy.get(SEGMENT_RULES) or ())):
            field = values.setdefault(str(constraint.get("contextName")), [])
            field.extend(value for value in _values(constraint) if value not in field)
        listed = str((strategy.get("parameters") or {}).get("userIds") or "")
        values.setdefault("userId", []).extend(name.strip() for name in listed.split(",") if name.strip())
    named = {name: values.pop(name, []) for name in sorted(_IDENTITIES)}
    turns = {name: [*found, OTHER] for name, found in sorted(values.items()) if name not in _STANDARD}
    return {"named": named, "turns": turns, "own": sorted(own - set(turns))}


def _sampled(asked: Mapping[str, Any], size: int) -> list[dict[str, Any]]:
    return [_user(at, asked["named"], asked["turns"], asked["own"]) for at in range(size)]


def _sticky(strategy: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield strategy.get("parameters") or {}
    yield from strategy.get("variants") or ()


def _user(at: int, named: Mapping[str, list[str]], turns: Mapping[str, list[str]], own: list[str]) -> dict[str, Any]:
    # A generator of its own for each user: two fields must not turn in step, or some pairs would never come up.
    dice = Random(at)
    properties = {name: dice.choice(found) for name, found in turns.items()} | {name: f"{name}-{at}" for name in own}
    made_up = {name: found[at] if at < len(found) else f"{name}-{at}" for name, found in named.items()}
    return {**made_up, "properties": properties}


def _values(constraint: Mapping[str, Any]) -> list[str]:
    """What a rule names, and where it orders, something on either side. Raises Invalid where nobody can tell."""
    operator, field = str(constraint.get("operator")), constraint.get("contextName")
    values = [str(one) for one in constraint.get("values") or [constraint.get("value", "")]]
    if operator == "REGEX" or (field in _IDENTITIES and operator not in ("IN", "NOT_IN")):
        raise Invalid(f"{field} {operator} {', '.join(values)} cannot be made up: only real users tell")
    if operator.startswith("NUM_"):
        with contextlib.suppress(ValueError):  # the server takes any text as a number, and then nobody meets it
            number = float(values[0])
            return [f"{number - 1:g}", values[0], f"{number + 1:g}"]
    if operator.startswith("SEMVER_"):
        return ["0.0.1", *values, "999.0.0"]
    if operator.startswith("DATE_"):
        return ["1970-01-01T00:00:00.000Z", *values, "2999-01-01T00:00:00.000Z"]
    return [value for value in values if value]
