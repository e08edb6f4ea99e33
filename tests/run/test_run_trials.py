"""Sequential tests in a run: one per condition for the whole release, in the journal, and when they start anew."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amplify_tui.playbook.model import Cohorts, Condition, Signal
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.decide.observe import _worse
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.shapes import TriggerSpec
from amplify_tui.verdict.model import Evidence, Reading, Term, TermVerdict
from amplify_tui.verdict.promises import Promise, promise_of
from amplify_tui.verdict.trial import Trial
from tests.run.world import ERRORS, T0, WATCH, Run

SIGNAL = Signal(golden="errors", source="prom", bad="b", total="t", cohorts=Cohorts(treatment="on", control="off"))
COMPARED = Term(
    id="errors", condition=Condition(signal="errors", worse_than="control", by=0.5, for_=60.0), signal=SIGNAL
)
STRICTER = replace(COMPARED, id="stricter", condition=replace(COMPARED.condition, by=0.2))  # type: ignore[type-var]
GOOD, BAD = (0.01, 0.01), (0.06, 0.01)


def of(term: Term = COMPARED) -> str:
    promise = promise_of(term)
    assert isinstance(promise, Promise)
    return promise.key


class Seen:
    """What both cohorts answered, each 30 s over 30 s: 40 requests a second, a quarter of them in treatment."""

    def __init__(self, begin: float = T0) -> None:
        self.readings: list[Reading] = []
        self.at = begin

    def until(self, now: float, shares: tuple[float, float | None] = GOOD) -> Evidence:
        while self.at + 30.0 <= now:
            self.at += 30.0
            for cohort, share, total in (("treatment", shares[0], 300.0), ("control", shares[1], 900.0)):
                if share is not None:
                    self.readings.append(_reading(self.at, cohort, share, total))
        return Evidence(signals=tuple(one for one in self.readings if one.received_at > now - 600.0))


def _reading(at: float, cohort: Any, share: float, total: float) -> Reading:
    return Reading(
        signal="errors", source="prom", cohort=cohort, status="ok", data_at=at, received_at=at,
        window_from=at - 30.0, window_to=at, bad=share * total / 30.0, total=total / 30.0, value=share, n=total,
    )  # fmt: skip


class Ramp:
    """A ramp whose gate compares, and its evidence."""

    def __init__(self, *gate: Term, trigger: Term | None = None, **watch: Any) -> None:
        triggers = () if trigger is None else (TriggerSpec(id="worse", term=trigger, answer_within=30.0),)
        self.run = Run(triggers=triggers).deployed()
        self.run.begin("ramp", watch=replace(WATCH, **({"gate": gate or (COMPARED,), "max_wait": 0.0} | watch)))
        self.expose()
        self.seen = Seen(self.run.now)

    def expose(self) -> None:
        self.run.intend("ramp")
        self.run.outcome()
        self.run.ok(c.Enter, step="ramp")

    def ticks(
        self, count: int, shares: tuple[float, float | None] = GOOD, *, sense: bool = False
    ) -> list[ev.EventData]:
        """A tick each 30 s: the triggers where asked, then the gate."""
        told: list[ev.EventData] = []
        for _ in range(count):
            evidence = self.seen.until(self.run.wait(30.0).now, shares)
            if sense:
                told += self.run.ok(c.Sense, evidence=evidence)
            if self.run.step("ramp").status in ("observing", "stuck") and self.run.step("ramp").cause != "undo":
                told += self.run.ok(c.Observe, step="ramp", evidence=evidence, accrued=0.0)
        return told

    def until(self, kind: str, shares: tuple[float, float | None] = GOOD, *, sense: bool = False) -> list[ev.EventData]:
        """Ticks until an event of that kind came; those of the last tick."""
        for _ in range(120):
            told = self.ticks(1, shares, sense=sense)
            if kind in kinds(told):
                return told
        raise AssertionError(f"no {kind}")

    @property
    def trial(self) -> Trial:
        return self.run.state.trials[of()]


def kinds(events: list[ev.EventData] | tuple[ev.EventData, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- the journal ------------------------------------------------------------------------------------------------------


def test_a_block_that_closes_is_one_event_for_all_conditions_and_none_where_none_closes() -> None:
    ramp = Ramp(COMPARED, STRICTER)
    told = ramp.ticks(1)
    (event,) = [one for one in told if isinstance(one, ev.TrialsAdvanced)]
    assert set(event.trials) == {of(COMPARED), of(STRICTER)}
    again = ramp.run.ok(c.Observe, step="ramp", evidence=ramp.seen.until(ramp.run.now), accrued=0.0)
    assert "TrialsAdvanced" not in kinds(again)


def test_a_replay_of_the_journal_gives_the_same_trials() -> None:
    ramp = Ramp()
    ramp.ticks(12, BAD)
    assert ramp.trial.blocks == 12
    assert fold(decode(body) for body in ramp.run.journal).trials == ramp.run.state.trials


def test_a_new_conductor_goes_on_from_the_journal_and_skips_the_open_block() -> None:
    ramp = Ramp()
    ramp.ticks(5)
    before = ramp.trial
    ramp.run.wait(20.0).lease()
    ramp.seen = Seen(ramp.run.now)  # its board begins empty
    ramp.ticks(4)
    assert ramp.trial.blocks == before.blocks + 4
    assert ramp.trial.fail.blocks == before.fail.blocks + 4


def test_one_test_lasts_through_the_phases_of_a_release() -> None:
    ramp = Ramp()
    ramp.ticks(10)
    ramp.run.ok(c.Observe, step="ramp", evidence=ramp.seen.until(ramp.run.wait(30.0).now), accrued=1e6)
    assert ramp.run.step("ramp").phase == 1
    ramp.expose()
    blocks = ramp.trial.blocks
    ramp.ticks(3)
    assert ramp.trial.blocks == blocks + 3
    assert (ramp.trial.starts, ramp.trial.phases["ramp"].total) == (1, 900.0)


def test_the_tests_go_on_while_a_phase_settles() -> None:
    ramp = Ramp(settle=300.0, trigger=COMPARED)
    ramp.ticks(4, sense=True)
    assert ramp.trial.blocks == 4
    assert ramp.run.step("ramp").verdict is None


# --- a fail, and what starts a test anew ------------------------------------------------------------------------------


def test_a_fail_holds_the_gate_and_lets_it_go_after_a_full_for_of_good_evidence() -> None:
    ramp = Ramp()
    ramp.until("HoldPlaced", BAD)
    assert ramp.run.step("ramp").cause == "gate"
    fired = ramp.trial
    assert fired.fired_at is not None
    assert "HoldReleased" not in kinds(ramp.ticks(1))
    assert "wait for a pass" in ramp.run.refused(c.Release, hold="h1").next
    assert "HoldReleased" in kinds(ramp.ticks(1))
    assert ramp.run.step("ramp").status == "observing"
    assert (ramp.trial.starts, ramp.trial.fired_at) == (2, None)
    assert "GateJudged" in kinds(ramp.until("HoldPlaced", BAD))
    assert ramp.run.step("ramp").verdict.terms[0].reason.endswith("start 2 of this test")  # type: ignore[union-attr]


def test_the_second_hold_of_a_phase_goes_by_a_persons_hand_once_the_evidence_is_good() -> None:
    ramp = Ramp()
    ramp.until("HoldPlaced", BAD)
    ramp.until("HoldReleased")
    ramp.until("HoldPlaced", BAD)
    assert "HoldReleased" not in kinds(ramp.ticks(4))
    ramp.run.ok(c.Release, hold="h2")
    assert ramp.run.step("ramp").status == "observing"
    assert (ramp.trial.starts, ramp.trial.fired_at) == (3, None)


def test_a_retreat_starts_the_tests_of_the_gate_anew() -> None:
    ramp = Ramp(on_fail="retreat")
    ramp.ticks(10)
    ramp.run.ok(c.Observe, step="ramp", evidence=ramp.seen.until(ramp.run.wait(30.0).now), accrued=1e6)
    ramp.expose()
    told = ramp.until("PhaseRetreated", (0.08, 0.01))
    assert "PhaseRetreated" in kinds(told)
    assert (ramp.trial.starts, ramp.trial.fired_at, ramp.trial.fail.blocks) == (2, None, 0)


def test_an_override_starts_the_test_anew_and_sets_the_condition_aside() -> None:
    ramp = Ramp()
    ramp.until("HoldPlaced", BAD)
    evidence = ramp.seen.until(ramp.run.now, BAD)
    given = {"step": "ramp", "conditions": ("errors",), "percent": 5.0, "reason": "known since Monday"}
    ramp.run.ok(c.Override, evidence=evidence, **given)
    assert (ramp.trial.starts, ramp.trial.fired_at) == (2, None)
    assert ramp.run.step("ramp").status == "observing"
    ramp.ticks(3, BAD)
    assert ramp.run.step("ramp").status == "observing"


def test_an_override_of_a_limit_from_below_with_a_promise_ends_when_it_falls_further() -> None:
    """What is worse is lower there, also where the limit is a sequential test."""
    conversion = Signal(golden="errors", source="prom", bad="b", total="t")
    for alpha in (None, 0.01):
        term = Term(id="bought", condition=Condition(signal="bought", below=0.9, alpha=alpha), signal=conversion)
        step = replace(Ramp(term).run.step("ramp"), overridden=("bought",), overridden_at={"bought": 0.8})
        seen = TermVerdict(id="bought", answer="fail", reason="", value=0.3)
        assert _worse(seen, step)
        assert not _worse(replace(seen, value=0.79), step)


def test_trying_a_stuck_gate_again_starts_its_test_anew() -> None:
    ramp = Ramp()
    ramp.until("HoldPlaced", BAD)
    ramp.run.ok(c.Retry, step="ramp")
    assert ramp.run.step("ramp").status == "observing"
    assert (ramp.trial.starts, ramp.trial.fired_at) == (2, None)


def test_a_trigger_compares_too_and_is_armed_again_once_the_evidence_is_good() -> None:
    ramp = Ramp(ERRORS, trigger=COMPARED)
    assert "TriggerFired" in kinds(ramp.until("TriggerFired", BAD, sense=True))
    assert "shown worse" in ramp.run.state.triggers["worse"].evidence
    ramp.run.ok(c.AnswerTrigger, trigger="worse", answer="ignore", reason="a test caller")
    told = ramp.until("TriggerArmed", sense=True)
    assert "TriggerFired" not in kinds(told)
    assert (ramp.trial.starts, ramp.trial.fired_at) == (2, None)
    assert "TriggerFired" in kinds(ramp.until("TriggerFired", BAD, sense=True))


def test_a_gate_and_a_trigger_that_ask_the_same_share_one_test() -> None:
    ramp = Ramp(trigger=COMPARED)
    ramp.ticks(6, sense=True)
    assert list(ramp.run.state.trials) == [of()]
    assert ramp.trial.blocks == 6
    assert set(ramp.trial.phases) == {"ramp", ""}


def test_a_ramp_that_begins_again_begins_its_tests_again() -> None:
    ramp = Ramp()
    ramp.ticks(6)
    ramp.run.ok(c.Mitigate, reason="a report")
    for item in ("u1:flag:unleash/checkout", "u2:flag:unleash/checkout"):
        ramp.run.undo(item)
    ramp.run.ok(c.Mitigated)
    ramp.run.ok(c.Release, hold=next(iter(ramp.run.state.holds)), reason="mended")
    ramp.run.ok(c.Retry, step="ramp")
    ramp.run.begin("ramp", watch=replace(WATCH, gate=(COMPARED,), max_wait=0.0))
    assert (ramp.trial.starts, ramp.trial.fail.blocks) == (2, 0)


# --- where everybody is exposed ---------------------------------------------------------------------------------------


def test_the_last_phase_compares_with_the_control_of_before_and_ends() -> None:
    ramp = Ramp()
    ramp.ticks(20)
    ramp.run.ok(c.Observe, step="ramp", evidence=ramp.seen.until(ramp.run.wait(30.0).now), accrued=1e6)
    ramp.expose()
    ramp.ticks(20, (0.01, None))
    verdict = ramp.run.step("ramp").verdict
    assert verdict is not None
    assert (verdict.answer, verdict.terms[0].baseline) == ("pass", "before")
    ramp.run.wait(30.0).ok(c.Observe, step="ramp", evidence=ramp.seen.until(ramp.run.now, (0.01, None)), accrued=1e6)
    assert ramp.run.step("ramp").status == "succeeded"


def test_a_metrics_outage_neither_fails_nor_passes() -> None:
    ramp = Ramp()
    ramp.ticks(20)
    blocks = ramp.trial.blocks
    evidence = ramp.seen.until(ramp.seen.at)
    told = ramp.run.wait(120.0).ok(c.Observe, step="ramp", evidence=evidence, accrued=1e6)
    assert not {"PhaseAdvanced", "HoldPlaced", "TrialsAdvanced"} & set(kinds(told))
    assert ramp.run.step("ramp").verdict.answer == "blind"  # type: ignore[union-attr]
    ramp.seen.at = ramp.run.now
    ramp.ticks(2)
    assert ramp.trial.blocks == blocks + 2
