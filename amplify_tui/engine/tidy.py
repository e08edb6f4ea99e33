"""Flags that want tidying up: stale, on for everybody for too long, gone from the code or from the server, orphaned.

For `check --live` and for the board. It changes nothing, and all that it finds is a warning: a release may go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.grep import Code
from amplify_tui.adapters.ports import DatesExposure, FlagProvider, FlagState
from amplify_tui.engine.facts import Facts
from amplify_tui.playbook.model import FlagCode, Source
from amplify_tui.steps.flag_audience import parents_of, unmet
from amplify_tui.steps.flag_needs import flags_made_on, flags_on
from amplify_tui.verdict.words import duration

EVERYBODY: Final = 100.0
MOST: Final = 500  # flags of the code that are asked for; more is no release's business


class Untidy(Struct, frozen=True, kw_only=True):
    """One thing to tidy up: of which flag, what it is in words, and what to do."""

    flag: str
    kind: Literal["stale", "full", "unused", "missing", "parent"]
    what: str
    fix: str


async def untidy(facts: Facts, name: str, provider: FlagProvider, now: float) -> list[Untidy]:
    """What there is to tidy up of the flags that the playbook or its code names at source *name*.

    now: Unix seconds. Raises AdapterError where the flag server or the repository cannot be read.
    """
    spec = facts.playbook.sources[name]
    code = _code(facts, spec.code or FlagCode())
    named = flags_on(facts.playbook, name)
    called = await code.called_with(spec.code.calls) if spec.code else ()
    states = await provider.read(list(dict.fromkeys([*named, *called[:MOST]])))
    made = flags_made_on(facts.playbook, name)
    found: list[Untidy] = []
    for flag, state in states.items():
        is_held = flag in called or await code.holds(flag)
        found += _of_code(flag, state, is_held=is_held, is_made=flag in made, sha=facts.subject.sha)
        if state.exists:
            found += _stale(state)
            found += await _full(state, spec, provider, now)
            found += _orphaned(state, await parents_of(provider, state))
    return found


def _code(facts: Facts, spec: FlagCode) -> Code:
    """The released files. A playbook that lies among them names its flags itself, and is no code."""
    try:
        own = [str(Path(facts.document.path).resolve().relative_to(facts.root.resolve()))]
    except ValueError:
        own = []
    return Code(facts.root, facts.subject.sha, paths=spec.paths, but=own)


def _of_code(flag: str, state: FlagState, *, is_held: bool, is_made: bool, sha: str) -> list[Untidy]:
    at = sha[:12]
    if not is_held and not state.exists and not is_made:
        what = f"there is no flag {flag} at the flag server, no step creates it, and the code at {at} does not hold it"
        return [Untidy(flag=flag, kind="missing", what=what, fix="correct its name, or create it")]
    if is_held and not state.exists and not is_made:
        what = f"the code at {at} asks for the flag {clean(flag, 100)}, and the flag server has none"
        return [Untidy(flag=flag, kind="missing", what=what, fix="create it, or everybody gets the default")]
    if not is_held:
        what = f"the code at {at} does not hold the flag {flag}"
        return [Untidy(flag=flag, kind="unused", what=what, fix="correct its name, or take it out of the playbook")]
    return []


def _stale(state: FlagState) -> list[Untidy]:
    if not state.stale:
        return []
    what = f"the flag server marks {state.key} as stale"
    return [Untidy(flag=state.key, kind="stale", what=what, fix="take it out of the code and archive it, or unmark it")]


async def _full(state: FlagState, spec: Source, provider: FlagProvider, now: float) -> list[Untidy]:
    if spec.max_full_for is None or state.exposure < EVERYBODY or not isinstance(provider, DatesExposure):
        return []
    since = await provider.exposed_since(state.key)
    if since is None or now - since <= spec.max_full_for:
        return []
    what = f"{state.key} is on for everybody since {duration(now - since)}; {duration(spec.max_full_for)} are allowed"
    return [Untidy(flag=state.key, kind="full", what=what, fix="take it out of the code, then archive it")]


def _orphaned(state: FlagState, parents: Mapping[str, FlagState]) -> list[Untidy]:
    fix = "switch the parent first, or remove the dependency at the flag server"
    return [Untidy(flag=state.key, kind="parent", what=what, fix=fix) for what in unmet(state, parents)]
