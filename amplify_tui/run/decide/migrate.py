"""Moving a run to its playbook as the file says it now: only what has not begun, and protection only gets stricter.

| of a run that has started | may |
| --- | --- |
| a step without history | change, appear, vanish |
| a step with history | not change: id, verb, every part of it, what it names, what it waits for |
| a trigger, `on_blind` | appear, or get stricter |
| an integrity check | appear or change, until the first baseline was taken |
| what an undo names, a flag server, an input, a role | not change; another one may appear |
| the release, the services, the name | not change |

Undo data is no part of the playbook any more: it was journaled with each effect. A draft takes any text that is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import gt, lt
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.guards import Result, refuse
from amplify_tui.run.decide.trust import unvouched
from amplify_tui.run.inputs import missing
from amplify_tui.run.migration import (
    Proposal,
    TriggerChange,
    begun,
    difference,
    parts_changed,
    trigger_changes,
)
from amplify_tui.run.shapes import Refusal, TriggerSpec
from amplify_tui.run.state import State
from amplify_tui.verdict.promises import is_sequential

LEAST_SHA: Final = 12  # hex digits of the hash that a person gives: what is shown short is not enough to be sure
TOLD: Final = 4
WHAT: Final = "the run keeps its playbook"
GATES: Final = ("gate", "conditions")
WAITS: Final = ("stage", "lane", "needs", "named", "keys", "each")  # what the plan says of a step beside its own text
FIXED: Final = ("release", "name", "rollback.complete_within", "service ")
KEPT: Final = ("input ", "role ")


def migrate(state: State, order: c.Migrate, now: float) -> Result:
    if order.problems:
        return refuse(WHAT, "; ".join(order.problems), "mend the file: `amplify check` names every problem")
    proposal = order.proposal
    if proposal is None:
        return refuse(WHAT, "nobody has read the file yet", "the conductor reads it: give the command to it")
    if proposal.pinned != state.bundle_sha:
        return refuse(WHAT, "it was moved to another text meanwhile", "look at the difference again")
    if proposal.course.bundle.sha256 == state.bundle_sha:
        return refuse(WHAT, "the file is as it was pinned: nothing would change")
    if unseen := _another(order.sha256, proposal.course.bundle.sha256):
        return unseen
    if state.phase == "draft":
        return (_migrated(state, proposal, proposal.course.triggers),)
    if busy := _busy(state):
        return busy
    if refused := unvouched(state, WHAT, order.reason, proposal.trust):
        return refused
    triggers, looser = _triggers(state, proposal)
    against = [*_steps(state, proposal), *looser, *_checks(state, proposal), *_entries(state, proposal)]
    if against:
        more = f"; and {len(against) - TOLD} more" if len(against) > TOLD else ""
        after = "keep those as they were pinned: only steps that have not begun may change, and triggers get stricter"
        return refuse(WHAT, "; ".join(against[:TOLD]) + more, after)
    return (_migrated(state, proposal, triggers),)


def _another(asked: str, there: str) -> Refusal | None:
    """What is read is what was seen: a hash that was not shown, or a file that was saved again since, is refused."""
    if len(asked) >= LEAST_SHA and there.startswith(asked.lower()):
        return None
    why = f"the file is {there[:LEAST_SHA]} now, and {asked[:LEAST_SHA] or 'no hash'} was named"
    return refuse(WHAT, why, "look at the difference again, and name the hash that it shows")


def _busy(state: State) -> Refusal | None:
    if not state.is_held:
        return refuse(WHAT, "it is not held", "hold it first, then migrate, then release the hold")
    if state.mitigation == "running":
        return refuse(WHAT, "exposure is being taken away", "wait until it is verified")
    if open_ := [effect.id for effect in state.open_effects]:
        return refuse(WHAT, f"nobody knows yet how {', '.join(open_)} came out", "wait for it, or settle it")
    if running := [step.ref for step in state.steps.values() if step.status == "running"]:
        return refuse(WHAT, f"{', '.join(running)} is running", "wait for its end, or release the hold to let it end")
    return None


def _migrated(state: State, proposal: Proposal, triggers: tuple[TriggerSpec, ...]) -> ev.PlaybookMigrated:
    diff = "; ".join(difference(state, proposal)) or "only words"
    course = replace(proposal.course, triggers=triggers)
    return ev.PlaybookMigrated(from_=state.bundle_sha, to=course.bundle.sha256, diff=diff, course=course)


# --- steps ------------------------------------------------------------------------------------------------------------


def _steps(state: State, proposal: Proposal) -> Iterator[str]:
    for name in (name for name in state.plan.steps if name in begun(state)):
        was, now = state.plan.steps[name], proposal.course.plan.steps.get(name)
        if now is None:
            yield f"{name} has begun, and is gone from the file"
            continue
        if now.verb != was.verb:
            yield f"{name} has begun as a {was.verb}, and is a {now.verb} in the file"
            continue
        parts = parts_changed(proposal.was.steps.get(name, {}), proposal.now.steps.get(name, {}))
        if parts:
            yield f"{name} has begun, and its {', '.join(parts)} changed{_gate(was.verb, parts)}"
        elif any(_loose(getattr(was, one)) != _loose(getattr(now, one)) for one in WAITS):
            yield f"{name} has begun, and stands elsewhere in the file: put new steps after what has begun"


def _gate(verb: str, parts: list[str]) -> str:
    gates = {f"{verb}.{name}" for name in GATES}
    return " (a condition of its gate is set aside by an override)" if gates & set(parts) else ""


def _loose(value: Any) -> Any:
    """What a step waits for is a set: its order is the file's, and means nothing."""
    return sorted(value) if isinstance(value, tuple) else value


# --- triggers, checks -------------------------------------------------------------------------------------------------

STRICTER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "above": lt,
    "below": gt,
    "for": lt,
    "burn": lt,
    "answer_within": lt,
}
STRICTEST: Final = {"mode": "auto", "then": "rollback"}
OF_THE_ANSWER: Final = ("mode", "answer_within", "then")  # what holds of a sequential test too: it is no bound of it


def _triggers(state: State, proposal: Proposal) -> tuple[tuple[TriggerSpec, ...], list[str]]:
    """The triggers as the run would have them, and why not, a sentence for each that is not known to be stricter."""
    there = {spec.id: spec for spec in proposal.course.triggers}
    against = [f"trigger {name} is gone" for name in state.triggers if name not in there]
    for name, was in state.triggers.items():
        if name in there:
            against += _looser(name, was.spec, there[name], proposal)
    kept = []
    for spec in proposal.course.triggers:
        old = state.triggers.get(spec.id)
        # Its part of the false alarms was promised with the first text: another comparison takes none of it.
        kept.append(replace(spec, term=replace(spec.term, alpha=old.spec.term.alpha)) if old is not None else spec)
    return tuple(kept), [*against, *_blind(state, proposal)]


def _looser(name: str, was: TriggerSpec, now: TriggerSpec, proposal: Proposal) -> Iterator[str]:
    source = _source(was)
    if proposal.was.entries.get(source) != proposal.now.entries.get(source):
        yield f"trigger {name} reads {source}, which changed"
    sequential = is_sequential(was.term) or is_sequential(now.term)
    for change in trigger_changes(was, now):
        if not _is_stricter(change, sequential=sequential):
            yield f"trigger {name} is not known to be stricter: {change}"


def _is_stricter(change: TriggerChange, *, sequential: bool) -> bool:
    if change.was is None or change.now is None or (sequential and change.name not in OF_THE_ANSWER):
        return False
    if change.name in STRICTEST:
        return bool(change.now == STRICTEST[change.name])
    rule = STRICTER.get(change.name)
    return rule is not None and rule(change.now, change.was)


def _source(spec: TriggerSpec) -> str:
    measured = spec.term.signal or spec.term.slo
    return f"source {measured.source}" if measured is not None and measured.source else ""


def _blind(state: State, proposal: Proposal) -> Iterator[str]:
    was, now = state.on_blind, proposal.course.on_blind
    if now.after > was.after or (now.do != was.do and now.do != "rollback"):
        yield "on_blind is not known to be stricter"


def _checks(state: State, proposal: Proposal) -> Iterator[str]:
    """An integrity check proves a rollback: none goes, and none is another than the one whose baseline was taken."""
    yield from (
        f"the integrity check {name} is gone" for name in state.integrity if name not in proposal.course.integrity
    )
    if not state.integrity_baseline:
        return
    for name in proposal.course.integrity:
        parts = parts_changed(proposal.was.checks.get(name, {}), proposal.now.checks.get(name, {}))
        if name not in state.integrity:
            yield f"the integrity check {name} is new, and the baseline of the others was taken"
        elif parts:
            yield f"the baseline of {name} was taken, and its {', '.join(parts)} changed"


# --- what stands around the steps -------------------------------------------------------------------------------------


def _entries(state: State, proposal: Proposal) -> Iterator[str]:
    was, now = proposal.was.entries, proposal.now.entries
    needed = _needed(state, proposal)
    for name in (name for name in dict.fromkeys([*was, *now]) if was.get(name) != now.get(name)):
        if name.startswith(FIXED):
            yield f"{name} changed, which the start has pinned"
        elif name in was and name.startswith(KEPT):
            yield f"{name} changed: what was agreed at the start stays"
        elif name in was and name in needed:
            yield f"{name} changed, and {needed[name]}"
    if lacking := missing(proposal.course.plan.inputs, state.inputs):
        yield f"the new input {', '.join(lacking)} has no default, and is asked at a start only"


def _needed(state: State, proposal: Proposal) -> dict[str, str]:
    """The entries that the way back goes through, and why: flag servers, and what the undo data names."""
    found = {f"source {name}": "flags are watched and taken back there" for name in proposal.was.flags}
    words: set[str] = set()
    for effect in state.effects.values():
        if effect.undo is not None:
            words |= set(_words(effect.undo.spec))
    for entry in proposal.was.entries:
        if entry.partition(" ")[2] in words:
            found.setdefault(entry, "an undo needs it")
    return found


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _words(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)
