"""What a playbook will do at one of its flag servers, read from its steps before any of them runs. Pure.

Fields are read as they are written: an expression is a value that nobody knows yet, and is passed over. Taking a step
back needs what the step needs, so the acts of an undo are among these (adapters map them to their own rights).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from amplify_tui.adapters.ports import FlagAct, FlagNeeds
from amplify_tui.playbook.model import Playbook, Step
from amplify_tui.playbook.templates import has_expr

_NO_FIELD: Final = frozenset({"default", "random"})  # stickiness that names no field of the context


def needs_of(playbook: Playbook, source: str) -> FlagNeeds:
    """The acts, segments and context fields that the steps on *source* need; no acts where only its flags are read."""
    acts: set[FlagAct] = set()
    segments: set[int] = set()
    names: set[str] = set()
    made: set[Any] = set()
    for step in steps_on(playbook, source):
        fields = step.fields
        acts |= _acts(step.verb, fields)
        for strategy in _strategies(fields):
            segments |= {one for one in _listed(strategy.get("segments")) if isinstance(one, int)}
            names |= _fields(strategy)
        made |= {one.get("name") for one in _listed(fields.get("context")) if isinstance(one, Mapping)}
    return FlagNeeds(acts=frozenset(acts), segments=frozenset(segments), fields=frozenset(names - made))


def flags_on(playbook: Playbook, source: str) -> tuple[str, ...]:
    """The flags of *source* that the playbook names, each once; those that an expression names are not among them."""
    found = (step.fields.get("flag" if step.verb == "rollout" else "name") for step in steps_on(playbook, source))
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str) and not has_expr(name)))


def flags_made_on(playbook: Playbook, source: str) -> frozenset[str]:
    """Those among them that a step creates."""
    made = (step.fields.get("name") for step in steps_on(playbook, source) if step.fields.get("create"))
    return frozenset(name for name in made if isinstance(name, str) and not has_expr(name))


def steps_on(playbook: Playbook, source: str) -> Iterator[Step]:
    """The steps that act on a flag of *source*, those of the rollback section after the stages'."""
    back = playbook.rollback
    for step in [
        *(one for stage in playbook.stages for one in stage.steps),
        *back.before,
        *back.reconcile,
        *back.after,
    ]:
        is_of_flag = step.verb == "flag" or (step.verb == "rollout" and "flag" in step.fields)
        if is_of_flag and step.fields.get("source") == source:
            yield step


def _acts(word: str, fields: Mapping[str, Any]) -> set[FlagAct]:
    if word == "rollout":
        return {"strategies", "switch"}
    acts: set[FlagAct] = {"switch"}
    if fields.get("context"):
        acts.add("context")
    if fields.get("archive"):
        acts.add("archive")
    if fields.get("create"):
        acts.add("create")
        if fields.get("tags"):
            acts.add("tags")
    if any(fields.get(part) for part in ("strategies", "add", "change", "remove")):
        acts.add("strategies")
    return acts


def _strategies(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for part in ("strategies", "add", "change"):
        yield from (one for one in _listed(fields.get(part)) if isinstance(one, Mapping))


def _fields(strategy: Mapping[str, Any]) -> set[str]:
    found = [one.get("field") for one in _listed(strategy.get("where")) if isinstance(one, Mapping)]
    found.append(strategy.get("stickiness"))
    return {name for name in found if isinstance(name, str) and not has_expr(name)} - _NO_FIELD


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
