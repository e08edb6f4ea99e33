"""What holds for every state, every command and every event: the door answers, the fold is one, the bytes come back."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide import ACCEPTS, HANDLERS, decide
from amplify_tui.run.envelope import UnreadableEvent, decode, enclose, encode
from amplify_tui.run.evolve import FOLDS, fold
from amplify_tui.run.shapes import Bundle, Exposure, File, Plan, Refusal, Subject, Target
from amplify_tui.run.state import State
from amplify_tui.verdict.bets import WORSE, Bet
from amplify_tui.verdict.model import Verdict
from amplify_tui.verdict.trial import Tally, Trial
from tests.run.test_search import conductor, no_act_is_wrong, people, safety_is_near, somebody_moves, world
from tests.run.watch_world import in_background
from tests.run.world import SHA, T0, Run, changed, readings

EXAMPLES: dict[type[ev.Data], ev.Data] = {
    type(example): example
    for example in (
        ev.RunCreated(
            mode="live", plan=Plan(name="p"), engine="1", playbook="p",
            bundle=Bundle(sha256="a", files=(File("a", "b", "c"),)),
        ),
        ev.RunStarted(environment="prod", subject=Subject(repo="r", sha="s", version="1"), plan=Plan(name="p")),
        ev.ConductorAttached(host="box", pid=1, lease=2),
        ev.ConductorDetached(reason="ended"),
        ev.ClockJumped(delta=3600.0),
        ev.StepAwaiting(step="agree", preview="x", preview_sha="y"),
        ev.InputGiven(step="agree", values={"accept": True, "list": [1, "ä"]}),
        ev.SignedOff(step="agree", role="qa", preview_sha="y"),
        ev.SignOffRejected(step="agree", role="qa", reason="no"),
        ev.StepSkipped(step="agree", by="human", reason="no"),
        ev.AttemptStarted(step="ramp", n=1),
        ev.AttemptEnded(step="ramp", n=1, outcome="failed", not_before=1.5),
        ev.EffectIntended(
            effect="e1", step="ramp", verb="rollout", target=Target(kind="flag", id="f"), before={"a": 1}, after=None,
            undo=None, idem="i", deadline=1.0, exposure=Exposure(flag="f", before=0.0, after=5.0),
        ),
        ev.EffectDone(effect="e1", observed={"z": 1, "a": 2}),
        ev.EffectAccepted(effect="e1", handle="h", waits_for="somebody"),
        ev.EffectFailed(effect="e1", reason="no"),
        ev.EffectUnknown(effect="e1", cause="silence"),
        ev.EffectProbed(effect="e1", result="done"),
        ev.EffectSettled(effect="e1", as_="done", reason="seen"),
        ev.PhaseEntered(step="ramp", i=0, target="5 %", settle_until=1.0, need=2.0),
        ev.BakeAccrued(step="ramp", i=0, accrued=3.0),
        ev.PhaseAdvanced(step="ramp", from_=0, to=1, why="by gate"),
        ev.PhaseRetreated(step="ramp", from_=1, to=0, why="by a person"),
        ev.GateJudged(step="ramp", i=0, verdict=Verdict(answer="pass", reason="good")),
        ev.TrialsAdvanced(trials={"errors-1": Trial(until=(1.5, 2.5), fail=Bet.of(WORSE), phases={"ramp": Tally()})}),
        ev.StepSucceeded(step="ramp"),
        ev.StepStuck(step="ramp", cause="failed", detail="no"),
        ev.HoldPlaced(hold="h1", scope="run", kind="human", reason="lunch"),
        ev.HoldReleased(hold="h1", why="back"),
        ev.DriftAnswered(hold="h1", choice="ours"),
        ev.Overridden(step="ramp", phase=0, conditions=("errors",), evidence_sha="a", reason="r", values={"e": None}),
        ev.TriggerFired(trigger="errors", evidence="bad", mode="ask", answer_by=1.0),
        ev.TriggerAnswered(trigger="errors", answer="hold"),
        ev.TriggerDisarmed(trigger="errors", until=1.0),
        ev.TriggerArmed(trigger="errors"),
        ev.TriggerSight(trigger="errors", blind="no data"),
        ev.RollbackStarted(scope="full", plan=()),
        ev.Superseded(by="r2"),
        ev.Reversed(by="r2"),
        ev.UndoDecided(effect="u1", choice="waive", reason="by hand"),
        ev.MitigationStarted(plan=()),
        ev.ExposureReread(effect="e2", agrees=False, percent=5.0, observed={"percent": 5.0}, detail="on again"),
        ev.MitigationDone(verified_at=1.0),
        ev.IntegrityJudged(check="orders", verdict="pass", when="after"),
        ev.PlaybookMigrated(from_="a", to="b", diff="c"),
        ev.NoteAdded(text="hello"),
        ev.RoleTaken(role="qa"),
        ev.Requested(command="override", by="captain", until=1.0),
        ev.RunClosed(outcome="completed"),
    )
}  # fmt: skip


ENDING = (c.Rollback, c.Mitigate, c.Abort, c.TakeLease)


def walk(seed: int, length: int, *, behind: bool = False) -> Run:
    """A run that *length* commands were given at random. Those that end it are rarer, or it would never get far.

    behind: from where two monitors watch in the background.
    """
    dice = random.Random(seed)
    run: Run = in_background() if behind else Run(now=T0)
    for _ in range(length):
        run.wait(dice.choice((0.0, 1.0, 40.0)))
        commands = [*(dice.choice((people, world, conductor, conductor))(run))]
        if dice.random() > 0.03:
            commands = [command for command in commands if not isinstance(command, ENDING)]
        if commands:
            before = run.state
            result = run.do(dice.choice(commands))
            if not isinstance(result, Refusal):
                no_act_is_wrong(before, result)
    return run


walks = st.builds(walk, st.integers(0, 10_000), st.integers(0, 120), behind=st.booleans())


def any_command(run: Run) -> list[c.Command]:
    """One of each kind at least, sensible for the state or not."""
    evidence = readings("good", run.now)
    where: dict[str, Any] = {"step": "ramp"}
    odd = [
        run.make(c.Start),
        run.make(c.Answer, step="nowhere", values={}),
        run.make(c.Answer, step="inputs", values={"ticket": 7}),
        run.make(c.Approve, step="agree", role="qa", expect="older"),
        run.make(c.Reject, step="agree", role="dev"),
        run.make(c.Settle, effect="e99", as_="done"),
        run.make(c.Release, hold="h99"),
        run.make(c.Advance, **where, evidence=evidence),
        run.make(c.Override, **where, conditions=("nothing",), evidence=evidence, reason="because of it"),
        run.make(c.Retreat, **where, percent=1.0),
        run.make(c.DecideUndo, effect="u9", choice="kill"),
        run.make(c.Disarm, trigger="errors", until=run.now),
        run.make(c.Arm, trigger="errors"),
        run.make(c.Supersede, by="r2"),
        run.make(c.HandOver, host="box", has=("TOKEN",), uses=("TOKEN",), lacks=("TOKEN",)),
        run.make(c.LeaveUndo, by="r2"),
        run.make(c.Migrate, sha256="b"),
        run.make(c.AnswerTrigger, trigger="errors", answer="hold"),
        run.make(c.Note, text="hello"),
        run.make(c.TakeRole, role="qa"),
        run.make(c.TakeLease, host="box", pid=1, lease=0),
        run.make(c.LetGo),
        run.make(c.Begin, **where, preview_sha=SHA),
        run.make(c.Outcome, effect="e1", result="done"),
        run.make(c.Probed, effect="e1", result="done"),
        run.make(c.Finish, **where, outcome="succeeded"),
        run.make(c.Enter, **where),
        run.make(c.Observe, **where, evidence=evidence),
        run.make(c.Sense, evidence=evidence),
        run.make(c.Drifted, drift=changed(run)),
        run.make(c.Unmended, hold="h1", detail="it was changed once more"),
        run.make(c.TailLost, detail="the last three events are gone"),
        run.make(c.Expire, what="errors"),
        run.make(c.Jump, delta=5.0),
        run.make(c.Judged, check="orders", verdict="pass", when="after"),
        run.make(c.Mitigated),
        run.make(c.Close),
    ]
    return [*odd, *people(run), *world(run), *conductor(run)]


@given(run=walks)
@settings(max_examples=150, deadline=None)
def test_a_command_is_refused_with_a_reason_or_its_events_fold(run: Run) -> None:
    for command in any_command(run):
        result = decide(run.state, command, run.now)
        if isinstance(result, Refusal):
            assert result.what
            assert result.why
        else:
            after = run.fork()
            after.fold(*result, actor=command.actor, via=command.via, cmd=command.id)
            assert after.state.seq == run.state.seq + len(result)


@given(run=st.builds(walk, st.integers(0, 10_000), st.integers(0, 200), behind=st.just(True)))
@settings(max_examples=100, deadline=None)
def test_with_monitors_in_the_background_somebody_always_moves_and_the_way_back_is_open(run: Run) -> None:
    """Beside what `walk` asserts at each step: no run closes while one watches, and who names one waits for it."""
    run.wait(60.0)
    safety_is_near(run)
    somebody_moves(run)


@given(run=walks, part=st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_folding_in_two_halves_equals_folding_once(run: Run, part: float) -> None:
    envelopes = [decode(body) for body in run.journal]
    cut = int(len(envelopes) * part)
    assert fold(envelopes) == fold(envelopes[cut:], fold(envelopes[:cut])) == run.state


@given(run=walks)
@settings(max_examples=20, deadline=None)
def test_deciding_changes_nothing(run: Run) -> None:
    before = run.state
    for command in any_command(run):
        assert decide(run.state, command, run.now) == decide(run.state, command, run.now)
    assert run.state == before


@pytest.mark.parametrize("kind", sorted(ev.TYPES))
def test_every_event_comes_back_from_its_bytes(kind: str) -> None:
    data = EXAMPLES[ev.TYPES[kind]]
    env = enclose(data, seq=3, run="r1", epoch=2, at=T0 + 0.123456, actor="captain", via="key", cmd="c1")  # type: ignore[arg-type]
    body = encode(env)
    assert decode(body) == env
    assert encode(decode(body)) == body


def test_every_event_has_a_fold_and_every_command_a_hearing() -> None:
    assert set(FOLDS) == set(ev.TYPES.values()) == set(EXAMPLES)
    assert set(ACCEPTS) == set(HANDLERS)
    assert {type(command) for command in any_command(Run().deployed())} <= set(HANDLERS)


def test_the_order_in_which_a_value_was_built_does_not_change_its_bytes() -> None:
    def body(values: dict[str, Any]) -> bytes:
        data = ev.InputGiven(step="agree", values=values)
        return encode(enclose(data, seq=1, run="r1", epoch=1, at=T0, actor="a", via="key"))

    assert body({"b": 1, "a": {"d": 1, "c": 2}}) == body({"a": {"c": 2, "d": 1}, "b": 1})


def test_a_newer_or_strange_event_is_said_to_be_unreadable() -> None:
    body = encode(enclose(ev.NoteAdded(text="x"), seq=1, run="r1", epoch=1, at=T0, actor="a", via="key"))
    for broken in (body.replace(b'"v":1', b'"v":2'), body.replace(b"NoteAdded", b"NoteEaten"), body[:-2], b"[]"):
        with pytest.raises(UnreadableEvent):
            decode(broken)


def test_a_closed_run_hears_nothing_but_notes() -> None:
    run = Run(started=False)
    run.ok(c.Abort)
    assert run.state.phase == "closed"
    for command in any_command(run):
        heard = not isinstance(decide(run.state, command, run.now), Refusal)
        assert heard == isinstance(command, (c.Note, c.LetGo)), command


def test_the_state_before_the_first_event_hears_nothing() -> None:
    for command in any_command(Run(started=False)):
        assert isinstance(decide(State(), command, T0), Refusal)


def test_a_persons_command_comes_back_from_its_bytes_and_the_conductors_does_not() -> None:
    run = Run().ramping()
    for command in people(run):
        assert c.decode_person(c.encode_command(command)) == command
    for command in (run.make(c.LetGo), run.make(c.Close), run.make(c.Mitigated)):
        with pytest.raises(c.BadCommand):
            c.decode_person(c.encode_command(command))
