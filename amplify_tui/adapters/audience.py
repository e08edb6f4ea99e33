"""Who is affected by a change of a flag: who joins and who leaves, evaluated by the engine that the SDKs run.

The population is made up: always the same users, spread over the values that the flag's own constraints ask for, so
that a rule for one country shows the share of that country's users and not nobody. Where shares fall at random (no
user keeps the flag from one request to the next) there is no "who" to tell.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from amplify_tui.adapters.evaluation import Evaluator
from amplify_tui.adapters.ports import AdapterError, FlagState, Invalid
from amplify_tui.adapters.unleash_state import SEGMENT_RULES, active, canonical

SAMPLE: Final = 10_000
OTHER: Final = "other"
_IDENTITIES: Final = frozenset({"userId", "sessionId"})
_STANDARD: Final = frozenset({"appName", "environment", "currentTime", "remoteAddress"})


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


def affected(before: FlagState, after: FlagState, size: int = SAMPLE) -> Affected:
    """How the change from one state to the other reaches *size* made-up users.

    Raises Invalid where the engine cannot evaluate a state, or where users get the flag at random.
    """
    had, have = _sets((before, after), size)
    return Affected(total=size, before=len(had), joins=len(have - had), leaves=len(had - have))


def overlap(states: Sequence[FlagState], size: int = SAMPLE) -> Overlap:
    """Who gets several flags at once: two shares of 10 % meet in 1 % of users, unless they share their group.

    Raises Invalid as `affected` does.
    """
    sets = _sets(tuple(states), size)
    every = frozenset.intersection(*sets)
    return Overlap(total=size, every=len(every), some=len(frozenset.union(*sets) - every))


def in_words(before: FlagState, after: FlagState) -> str:
    """One line for a preview, whatever can be told."""
    try:
        found = affected(before, after)
    except AdapterError as error:
        return f"who is affected: {error.what}"
    if not found.joins and not found.leaves:
        return f"who is affected: nobody, {found.before:,} of {found.total:,} made-up users have it before and after"
    counts = f"{found.before:,} of {found.total:,} made-up users have it, {found.after:,} then"
    return f"who is affected: {counts}: {found.joins:,} join, {found.leaves:,} leave"


def _sets(states: tuple[FlagState, ...], size: int) -> tuple[frozenset[int], ...]:
    for state in states:
        if any((one.get("parameters") or {}).get("stickiness") == "random" for one in active(state.raw)):
            raise Invalid(f"{state.key} is given at random, a share of the requests and of no particular users")
    users = canonical(sampled(states, size))
    return tuple(
        _users(state.key, Evaluator.payload([state]), users) if state.exists else frozenset() for state in states
    )


@lru_cache(maxsize=8)
def _users(flag: str, payload: str, users: str) -> frozenset[int]:
    """Kept, since a step that waits is previewed again each second."""
    return Evaluator(payload).users(flag, json.loads(users))


def sampled(states: Iterable[FlagState], size: int = SAMPLE) -> list[dict[str, Any]]:
    """*size* made-up users; each field that a constraint asks for takes its values in turn, and one that none has.

    Users that are asked for by name are among them, once each.
    """
    fields: dict[str, list[str]] = {}
    for state in states:
        for constraint in _constraints(state):
            values = fields.setdefault(str(constraint.get("contextName")), [])
            values.extend(value for value in _values(constraint) if value not in values)
    named = {name: fields.pop(name, []) for name in _IDENTITIES}
    turns = {name: [*values, OTHER] for name, values in sorted(fields.items()) if name not in _STANDARD}
    return [_user(at, named, turns) for at in range(size)]


def _user(at: int, named: Mapping[str, list[str]], turns: Mapping[str, list[str]]) -> dict[str, Any]:
    # Each field turns more slowly than the one before it, so that all combinations come up.
    properties, step = {}, 1
    for name, values in turns.items():
        properties[name] = values[at // step % len(values)]
        step *= len(values)
    made_up = {name: values[at] if at < len(values) else f"{name}-{at}" for name, values in named.items()}
    return {**made_up, "properties": properties}


def _constraints(state: FlagState) -> Iterator[Mapping[str, Any]]:
    for strategy in active(state.raw):
        yield from strategy.get("constraints") or ()
        yield from strategy.get(SEGMENT_RULES) or ()


def _values(constraint: Mapping[str, Any]) -> list[str]:
    """What a constraint names, and where it orders, something on either side."""
    values = [str(one) for one in constraint.get("values") or [constraint.get("value", "")]]
    if str(constraint.get("operator")).startswith("NUM_"):
        with contextlib.suppress(ValueError):  # the server takes any text as a number, and then nobody meets it
            number = float(values[0])
            return [f"{number - 1:g}", values[0], f"{number + 1:g}"]
    if str(constraint.get("operator")).startswith("SEMVER_"):
        return ["0.0.1", *values, "999.0.0"]
    return [value for value in values if value]
