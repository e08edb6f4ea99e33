"""Every state that a small release can get into, breadth-first over the real decide, evolve and agenda (failures 4, 9).

A crash is possible at every point, people order everything everywhere, and the world answers whatever it can. States
are compared without times, counters and ids, so the search ends; each command comes a minute after the one before,
so whatever waits for time is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import agenda
from amplify_tui.run.autopilot import waits_for_person
from amplify_tui.run.decide import decide
from amplify_tui.run.rereads import late_writes, looks_left
from amplify_tui.run.shapes import CODE_BAND, EXPOSURE_BAND, VERIFY_BAND, Refusal, ref_of
from amplify_tui.run.state import OPEN_EFFECT, EffectState, Reread, State, StepState
from amplify_tui.run.undo import ROLLBACK, items_under_way, mitigation_label, rollback_items
from amplify_tui.run.undo_turns import is_turn_of, ready_items
from tests.run.test_run_fleet import rolling_back
from tests.run.watch_world import BEHIND, seen_now
from tests.run.world import CONFIRM, SHA, WATCH, Run, changed, mend, readings

MINUTE = 60.0
RAMPS = 1  # how often the search mitigates and starts over; more would be the same again
EVIDENCE = ("good", "bad", "missing")
OUTCOMES: tuple[dict[str, Any], ...] = (
    {"result": "done"},
    {"result": "absent", "retryable": True},
    {"result": "absent", "retryable": False},
    {"result": "unknown"},
)
REDEPLOYED: dict[str, Any] = {"result": "absent", "retryable": True, "observed": {"checkout-2": "3.0.0"}}
Key = tuple[Any, ...]


# --- one state, without what grows for ever ---------------------------------------------------------------------------


def came_back(state: State) -> bool:
    """Whether a flag that was taken back has been found on again."""
    return any(look.lost for look in state.rereads.values())


def _looks(state: State) -> Key:
    """What the looks after a verification still want, and whether the closing waits for them."""
    now = state.last_at
    taken = tuple(state.rereads.get(look.id, Reread()).agreed for look, _ in looks_left(state, now))
    return (taken if late_writes(state, now) else (), came_back(state))


def key_of(state: State) -> Key:
    """What two states share that differ only in times, counters and ids."""
    if state.phase == "closed":
        return ("closed", state.outcome)
    if state.phase == "rolling_back":
        return (
            state.phase,
            tuple("over" if step.is_over else _step_key(step) for step in state.steps.values()),
            frozenset(key for key in _effect_keys(state) if key[3] in OPEN_EFFECT),
            any(state.exposure.values()),
            tuple((e.item.id, e.status) for e in rollback_items(state)),
            tuple(state.integrity_after),
            _looks(state),
        )
    return (
        state.phase,
        state.mitigation,
        min(state.mitigations, RAMPS),
        tuple(_step_key(step) for step in state.steps.values()),
        frozenset(_effect_keys(state)),
        frozenset((h.scope, h.kind, h.auto_release, h.choice) for h in state.holds.values()),
        tuple(t.is_open for t in state.triggers.values()),
        state.exposed_now > 0,
        tuple(state.integrity_baseline),
        _looks(state),
    )


def _step_key(step: StepState) -> Key:
    """What still matters of a step in the status that it has."""
    match step.status:
        case "pending" | "succeeded" | "skipped" | "canceled":
            return (step.status,)
        case "awaiting":
            return (step.status, tuple(a.kind for a in step.awaits), step.answers.get("accept"), bool(step.signed))
        case "running":
            return (step.status, step.phase)
        case "observing" | "stuck":
            blind = step.verdict is not None and step.verdict.answer == "blind"
            return (step.status, step.cause, step.phase, blind, bool(step.overridden), step.n > 0)


def _effect_keys(state: State) -> Iterator[Key]:
    """The last effect of each slot that may still matter: of older mitigations nothing but what is open."""
    slots: dict[Key, EffectState] = {}
    for effect in state.effects.values():
        now = {ROLLBACK: "rollback", mitigation_label(state): "mitigation"}
        label = now.get(effect.step, "earlier" if effect.undoes else effect.step)
        label = "drift" if label.startswith("drift-") else label
        slots[label, effect.undoes, effect.phase if effect.is_open else 0] = effect
    for (label, undoes, phase), effect in slots.items():
        step = state.steps.get(effect.ref)
        if label in ("earlier", "drift") and not effect.is_open:
            continue
        running = step is not None and step.status == "running"
        failed_now = running and effect.status == "absent" and step is not None and step.n == effect.n
        retried = bool(effect.undoes) and effect.retryable
        yield (label, undoes, phase, effect.status, failed_now, retried)


# --- what can happen next ---------------------------------------------------------------------------------------------


def people(run: Run) -> Iterator[c.Command]:
    """Whatever a person may press."""
    state = run.state
    yield run.make(c.Rollback)
    if state.mitigations < RAMPS:
        yield run.make(c.Mitigate)
    yield run.make(c.PlaceHold)
    yield run.make(c.Abort)
    yield run.make(c.Supersede, by="r2")
    yield run.make(c.Abort, leave_partial=True, reason="given up")
    for hold in state.holds.values():
        choices = ("", "ours", "accept", "kill") if hold.kind == "drift" else ("",)
        yield from (run.make(c.Release, hold=hold.id, choice=choice, reason="it is over") for choice in choices)
    for step in state.steps.values():
        yield run.make(c.Retry, step=step.step)
        if step.status in ("pending", "stuck"):
            yield run.make(c.Skip, step=step.step, reason="not today")
        if step.status == "awaiting":
            yield from _to_awaiting(run, step)
        if step.watch is not None:
            yield run.make(c.Retreat, step=step.step, percent=5.0)
            yield run.make(c.Advance, step=step.step, evidence=readings("good", run.now))
            phase = step.phase_plan
            yield run.make(
                c.Override,
                step=step.step,
                conditions=("errors",),
                percent=phase.percent if phase else None,
                reason="known, and accepted",
                evidence=readings("bad", run.now),
            )
    for effect in state.effects.values():
        if effect.status in ("unknown", "diverged"):
            yield run.make(c.Settle, effect=effect.id, as_="done", reason="seen")
            yield run.make(c.Settle, effect=effect.id, as_="absent", reason="seen")
    for trigger in state.open_triggers:
        for answer in ("rollback", "mitigate", "hold", "ignore"):
            yield run.make(c.AnswerTrigger, trigger=trigger.spec.id, answer=answer, reason="looked at it")
    if state.phase == "rolling_back":
        for entry in rollback_items(state):
            if entry.status in ("blocked", "waiting"):
                yield run.make(c.DecideUndo, effect=entry.item.id, choice="waive", reason="by hand")
                yield run.make(c.DecideUndo, effect=entry.item.id, choice="restore")


def _to_awaiting(run: Run, step: StepState) -> Iterator[c.Command]:
    for accept in (True, False):
        yield run.make(c.Answer, step=step.step, values={"accept": accept})
    yield run.make(c.Approve, step=step.step, role="qa", expect=step.preview_sha)
    yield run.make(c.Reject, step=step.step, role="qa", expect=step.preview_sha)


def world(run: Run) -> Iterator[c.Command]:
    """How effects under way come out, and a conductor that dies."""
    yield run.make(c.TakeLease, host="box", pid=8, lease=run.state.conductor.epoch + 1)
    for effect in run.state.effects.values():
        if effect.status == "intended":
            receipt = {"exposed": 0.0} if effect.undoes.startswith("u2:") else {}
            outcomes = (*OUTCOMES, REDEPLOYED) if effect.target.kind == "fleet" else OUTCOMES
            yield from (run.make(c.Outcome, effect=effect.id, receipt=receipt, **how) for how in outcomes)


def somebody_else(run: Run) -> Iterator[c.Command]:
    """Once, while the first phase is watched, somebody changes the flag at the server."""
    state = run.state
    watched = state.step("ramp")
    calm = not state.holds and not state.mitigations and not state.open_triggers and not state.open_effects
    if watched is None or (watched.status, watched.phase, watched.n) != ("observing", 0, 1) or not calm:
        return
    if not any(is_changed(effect) for effect in state.effects.values()):
        yield run.make(c.Drifted, drift=changed(run, 2.0))


def is_changed(effect: EffectState) -> bool:
    """Whether it had to do with a change of somebody else's that was answered."""
    return effect.step.startswith("drift-") or (isinstance(effect.observed, dict) and "theirs" in effect.observed)


def conductor(run: Run) -> Iterator[c.Command]:
    """What the agenda says, done as the worker does it."""
    for todo in agenda(run.state, run.now):
        match todo.kind:
            case "begin" if todo.step is not None:
                yield _begin(run, todo.step)
            case "drive" if todo.step is not None:
                yield from _drive(run, todo.step)
            case "observe" if todo.step is not None:
                for kind in EVIDENCE:
                    evidence, seen = readings(kind, run.now), seen_now(run, todo.step, kind)
                    yield run.make(c.Observe, step=todo.step.step, evidence=evidence, accrued=1e9, seen=seen)
            case "sense":
                yield from (run.make(c.Sense, evidence=readings(kind, run.now)) for kind in EVIDENCE)
            case "probe" if todo.effect is not None:
                for seen in ("done", "absent", "diverged", "running", "unreachable"):
                    yield run.make(c.Probed, effect=todo.effect.id, result=seen)
            case "undo" if todo.item is not None:
                yield run.undo_intent(todo.item.id)
            case "mend":
                yield mend(run, todo.name)
                yield run.make(c.Unmended, hold=todo.name, detail="it was changed once more")
            case "mitigated":
                yield run.make(c.Mitigated)
            case "integrity":
                when = "after" if run.state.phase == "rolling_back" else "baseline"
                yield from (run.make(c.Judged, check=todo.name, verdict=v, when=when) for v in ("pass", "fail"))
            case "reread" if todo.effect is not None:
                yield run.make(c.Reread, effect=todo.effect.id, agrees=True)
                if not came_back(run.state):  # once: more would be the same again
                    yield run.make(c.Reread, effect=todo.effect.id, agrees=False, percent=5.0, observed={"percent": 5})
            case "expire":
                yield run.make(c.Expire, what=todo.name)
            case "close":
                yield run.make(c.Close)
            case "stop":
                pass  # what it ends comes out as any effect may: see `world`
            case _:
                pytest.fail(f"nobody does {todo.kind}")


def _begin(run: Run, step: StepState) -> c.Command:
    verb = run.state.plan_of(step).verb
    return run.make(  # type: ignore[no-any-return]
        c.Begin,
        step=step.step,
        preview="what it does",
        preview_sha=SHA,
        awaits=(CONFIRM,) if verb == "confirm" else (),
        watch=WATCH if verb == "rollout" else BEHIND if verb == "monitor" else None,
    )


def _drive(run: Run, step: StepState) -> Iterator[c.Command]:
    if step.step in ("agree", "tell"):
        yield run.make(c.Finish, step=step.step, outcome="succeeded")
        return
    if run.state.plan_of(step).verb == "monitor":
        yield run.make(c.Enter, step=step.step)
        return
    intent = run.intent(step.step)
    idem = f"r1/{step.step}//{intent.ordinal}"
    made = [e for e in run.state.effects.values() if e.idem == idem]
    if made and made[-1].status == "done":
        if step.watch is not None:
            yield run.make(c.Enter, step=step.step)
        else:
            yield run.make(c.Finish, step=step.step, outcome="succeeded")
    elif made and made[-1].status == "absent" and made[-1].n == step.n:
        yield run.make(c.Finish, step=step.step, outcome="failed", reason="it did not happen")
    else:
        yield intent  # also on top of one that is open: decide has to refuse that


# --- what may never happen --------------------------------------------------------------------------------------------


def no_act_is_wrong(before: State, events: tuple[ev.EventData, ...]) -> None:
    """Nothing acts on an unknown effect, nothing forward starts while held, no code goes back while users are on it.

    And no run ends over the head of a monitor, nor begins what waits for the end of one.
    """
    for event in events:
        if isinstance(event, ev.Superseded):
            assert not [e for e in before.effects.values() if e.is_open], "taken over with something under way"
        ends = isinstance(event, ev.RunClosed) and not any(isinstance(e, ev.Superseded) for e in events)
        if isinstance(event, ev.RunClosed) and ends and event.outcome not in ("abandoned", "canceled"):
            open_ = [step.ref for step in before.steps.values() if step.in_background]
            assert not open_, f"the run closes while {open_} watch"
        if isinstance(event, ev.AttemptStarted) and before.steps[ref_of(event.step)].status in ("pending", "awaiting"):
            named = [before.steps[ref_of(need)] for need in before.plan.steps[event.step].named]
            assert all(step.is_over for step in named), f"{event.step} does not wait for what it names"
        if isinstance(event, ev.AttemptStarted) and before.phase == "forward":
            ref = event.step
            released = {e.hold for e in events if isinstance(e, ev.HoldReleased)}
            held = [h for h in before.holds.values() if h.scope in ("run", ref) and h.id not in released]
            assert not [h for h in held if h.scope == "run"], f"{ref} starts while held"
        if isinstance(event, (ev.PhaseAdvanced, ev.RunClosed)) and before.phase == "forward":
            abandoned = isinstance(event, ev.RunClosed) and event.outcome == "abandoned"
            assert abandoned or not before.is_held, "the run advances while held"
        if isinstance(event, ev.EffectIntended):
            _intended_well(before, event)


def _intended_well(before: State, event: ev.EffectIntended) -> None:
    if not event.undoes:
        mine = [e for e in before.effects.values() if e.step == event.step and not e.undoes]
        assert not [e for e in mine if e.status in ("unknown", "diverged")], "on top of an unknown effect"
        assert not [e for e in mine if e.status == "intended" and e.target == event.target], "two at once on a target"
        lowers = event.exposure is not None and event.exposure.after < event.exposure.before
        asked = any(f"drift-{hold.id}" == event.step and hold.choice == "ours" for hold in before.holds.values())
        assert asked or lowers or not before.is_held, "an effect while held"
        return
    item = next(i for i in (*before.rollback_plan, *before.mitigation_plan) if i.id == event.undoes)
    if item.band == CODE_BAND:
        exposure = [e for e in rollback_items(before) if e.item.band in (EXPOSURE_BAND, VERIFY_BAND)]
        assert all(e.status in ("done", "waived") for e in exposure), "code goes back before exposure is verified off"
        waived = any(e.status == "waived" for e in exposure)
        assert waived or not any(before.exposure.values()), "code goes back while users are exposed"


def safety_is_near(run: Run) -> None:
    """Rollback is accepted in every forward state, and Mitigate unless one is under way."""
    if run.state.phase != "forward":
        return
    rolled = decide(run.state, run.make(c.Rollback), run.now)
    assert not isinstance(rolled, Refusal), rolled
    mitigated = decide(run.state, run.make(c.Mitigate), run.now)
    assert run.state.mitigation == "running" or not isinstance(mitigated, Refusal), mitigated


def a_turn_is_one_of_all(run: Run) -> None:
    """The turn of one undo, which is looked at by itself, is what a look at all of them says."""
    items = items_under_way(run.state)
    ready = {entry.item.id for entry in ready_items(run.state, items, run.now)}
    assert {entry.item.id for entry in items if is_turn_of(run.state, entry.item.id, run.now)} == ready


def somebody_moves(run: Run) -> None:
    """There is something to do for the conductor, or an effect under way, or something that waits for a person."""
    state = run.state
    if state.phase == "closed":
        return
    busy = [todo for todo in agenda(state, run.now) if todo.kind not in ("sense", "stop")]
    under_way = any(effect.status == "intended" for effect in state.effects.values())
    assert busy or under_way or waits_for_person(state, run.now), key_of(state)


# --- the search -------------------------------------------------------------------------------------------------------


def successors(run: Run) -> Iterator[Run]:
    for source in (people, world, conductor, somebody_else):
        for command in source(run):
            result = decide(run.state, command, run.now)
            if isinstance(result, Refusal):
                assert result.what, command
                assert result.why, command
                continue
            if not result:
                continue
            no_act_is_wrong(run.state, result)
            after = run.fork()
            after.fold(*result, actor=command.actor, via=command.via, cmd=command.id)
            yield after


@pytest.mark.timeout(900)  # minutes of computing on a busy machine: it guards against a hang alone
@pytest.mark.parametrize(
    ("start", "at_least"), [(Run(), 1000), (rolling_back(), 100)], ids=["a release", "instances that go back"]
)
def test_no_state_is_a_dead_end_and_the_way_back_is_always_open(start: Run, at_least: int) -> None:
    numbers: dict[Key, int] = {key_of(start.state): 0}
    states = [start.state]
    comes_from: list[list[int]] = [[]]
    queue = deque([(0, start)])
    while queue:
        number, run = queue.popleft()
        run.wait(MINUTE)
        safety_is_near(run)
        a_turn_is_one_of_all(run)
        somebody_moves(run)
        if run.state.phase == "closed":
            continue
        for after in successors(run):
            key = key_of(after.state)
            there = numbers.setdefault(key, len(numbers))
            if there == len(states):
                states.append(after.state)
                comes_from.append([])
                queue.append((there, after))
            comes_from[there].append(number)
        assert len(states) < 100_000, "the states do not come to an end: something grows"
    lost = set(range(len(states))) - _reaching([i for i, s in enumerate(states) if s.phase == "closed"], comes_from)
    assert not lost, [key_of(states[i]) for i in sorted(lost)[:3]]
    assert len(states) > at_least, "the search saw too little to say anything"


def _reaching(goals: list[int], comes_from: list[list[int]]) -> set[int]:
    reached, left = set(goals), list(goals)
    while left:
        fresh = [n for n in comes_from[left.pop()] if n not in reached]
        reached.update(fresh)
        left.extend(fresh)
    return reached
