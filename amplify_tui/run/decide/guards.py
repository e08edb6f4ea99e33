"""What several decisions ask: who may, what is expected, whether something is settled. Answers, never side effects."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.events import EventData
from amplify_tui.run.shapes import Refusal, ref_of
from amplify_tui.run.state import RUN_SCOPE, EffectState, Request, State, StepState
from amplify_tui.run.trials import is_everybody_in
from amplify_tui.verdict.model import Expected

Result: TypeAlias = tuple[EventData, ...] | Refusal

MIN_REASON: Final = 10
REQUEST_S: Final = 600.0  # how long the wish of the first of two people waits for the second


def refuse(what: str, why: str, next_: str = "") -> Refusal:
    """A refusal in its three parts: what was asked, why not, what would make it possible."""
    return Refusal(what, why, next_)


def find_step(state: State, step: str, key: str) -> StepState | Refusal:
    found = state.step(step, key)
    if found is not None:
        return found
    if step in state.plan.steps:
        keys = ", ".join(k for k in state.plan.steps[step].keys if k)
        return refuse(f"no step {ref_of(step, key)}", f"{step} has the keys {keys}", "name one of them")
    return refuse(f"no step {step}", "the playbook of this run has none of that name", "`show RUN` lists the steps")


def holds_role(state: State, actor: str, role: str) -> bool:
    """A role without a list may be claimed by anybody; in the sandbox every name counts."""
    holders = state.roles.get(role, ())
    return not holders or actor in holders or state.sandbox


def role_refusal(state: State, actor: str, role: str, what: str) -> Refusal | None:
    if holds_role(state, actor, role):
        return None
    holders = ", ".join(state.roles[role])
    return refuse(what, f"{actor} does not hold the role {role}", f"ask {holders}")


def unreasoned(what: str, order: c.Order) -> Refusal | None:
    """Why an order that sets a protection aside is refused: nobody who reads it later would know why."""
    if len(order.reason.strip()) >= MIN_REASON:
        return None
    return refuse(what, f"the reason has fewer than {MIN_REASON} characters", "say why, for those who read it later")


def seconded(state: State, asked: str, actor: str, now: float) -> Request | None:
    """The open request of somebody else than *actor* for what two people have to want; None where there is none."""
    first = state.requests.get(asked)
    return first if first is not None and now <= first.until and first.by != actor else None


def request(asked: str, order: c.Order, now: float) -> ev.Requested:
    """The wish of the first of two people, open for ten minutes."""
    return ev.Requested(command=asked, by=order.actor, until=now + REQUEST_S, reason=order.reason)


def unknown_in(state: State, step: StepState) -> list[str]:
    """Effects of the step that nobody can vouch for: nothing acts on top of them."""
    return [e.id for e in state.effects_of(step) if e.status in ("unknown", "diverged")]


def moot(state: State, undo: EffectState) -> tuple[ev.EffectProbed, ...]:
    """What an undo that is done says of the effects it took back and of its own earlier tries: none of them stands.

    So an unknown effect needs nobody's word once its target was restored.
    """
    items = (*state.rollback_plan, *state.mitigation_plan)
    item = next((i for i in items if i.id == undo.undoes), None)
    if item is None:
        return ()
    tries = (item.id, *item.needs) if item.only_looks else (item.id,)
    seen = [e for e in state.effects.values() if e.id in item.effects or (e.undoes in tries and e.id != undo.id)]
    return tuple(
        ev.EffectProbed(effect=e.id, result="absent", detail=f"taken back by {undo.id}")
        for e in seen
        if e.status in ("unknown", "diverged")
    )


def next_hold_id(state: State) -> str:
    return f"h{state.next_hold}"


def place(state: State, scope: str, kind: str, reason: str, *, auto_release: bool = False) -> ev.HoldPlaced:
    """The event that places a hold of a kind in a scope."""
    return ev.HoldPlaced(
        hold=next_hold_id(state),
        scope=scope,
        kind=kind,  # type: ignore[arg-type]  # callers pass literals of HoldKind
        reason=reason,
        auto_release=auto_release,
    )


def hold_run(state: State, reason: str) -> tuple[ev.HoldPlaced, ...]:
    """The event that holds the run on behalf of a person; none where one holds it already: one release is enough."""
    return () if state.is_held_by_person else (place(state, RUN_SCOPE, "human", reason),)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def expected_world(state: State, step: StepState | None, since: float) -> Expected:
    """What the built-ins compare the fleet with: the waved instances at the new version, the others at the baseline.

    And how the sequential tests stand, which the phase of *step* asks (None: the triggers).

    An instance counts as waved from the moment its deploy is done; before it, and for services that no rollout of this
    run touches, the baseline is expected. Without a baseline the reported version only has to be there.
    """
    version = state.subject.version if state.subject else None
    versions: dict[str, dict[str, str | None]] = {}
    for name, facts in state.services.items():
        base = state.baseline.get(name, {})
        versions[name] = {unit: base.get(unit) for unit in facts.instances}
    for effect in state.effects.values():
        if effect.target.kind != "instance" or effect.status != "done":
            continue
        service, _, unit = effect.target.id.partition("/")
        if service in versions and unit in versions[service]:
            after = effect.after.get("version") if isinstance(effect.after, dict) else None
            versions[service][unit] = after or version
    schemas = {n: (f.schema_field, f.schema_accepts) for n, f in state.services.items() if f.schema_field}
    return Expected(
        versions=versions,
        requires={n: f.requires for n, f in state.services.items() if f.requires},
        schemas=schemas,
        flags=_flags(state, step),
        drifts={h.drift.flag: h.reason for h in state.holds.values() if h.drift is not None},
        max_age=max((f.max_age for f in state.services.values()), default=15.0),
        since=since,
        poll=step.watch.poll if step is not None and step.watch is not None else 0.0,
        trials=state.trials,
        ref=step.ref if step is not None else "",
        everybody=is_everybody_in(state, step),
    )


def _flags(state: State, step: StepState | None) -> tuple[str, ...]:
    """The flag that *step* ramps, else all of the run, as far as somebody gets them."""
    ramped = step.watch.flag if step is not None and step.watch is not None else ""
    return (ramped,) if ramped else tuple(flag for flag, percent in state.exposure.items() if percent > 0)
