"""A comparison with the past in a run: it holds a phase, stands in the journal, and starts anew with its hold."""

from __future__ import annotations

import random

import msgspec
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Signal
from amplify_tui.run import commands as c
from amplify_tui.run.envelope import decode
from amplify_tui.run.evolve import fold
from amplify_tui.run.select.gate import condition_rows, failing, limit_of
from amplify_tui.verdict.model import Evidence, PastReading, Status, Term
from tests.run.test_run_trials import BAD, GOOD, Ramp, Seen, _reading, kinds, of

SIGNAL = Signal(golden="errors", source="prom", bad="b", total="t")
PAST = Term(id="errors", condition=Condition(signal="errors", worse_than="last_week", by=0.5), signal=SIGNAL)
ALARM = Term(id="alarm", condition=Condition(signal="errors", above=0.5, for_=0.0, min_samples=0), signal=SIGNAL)


class Days(Seen):
    """One cohort, each 30 s; and what the board holds of a week ago: 1 % of bad requests."""

    status: Status = "ok"

    def until(self, now: float, shares: tuple[float, float | None] = GOOD) -> Evidence:
        chances = random.Random(1)
        while self.at + 30.0 <= now:
            self.at += 30.0
            self.readings.append(_reading(self.at, None, shares[0], 1200.0))
        levels = tuple(chances.uniform(0.008, 0.012) for _ in range(120)) if self.status == "ok" else ()
        past = PastReading(
            source="prom", signal="errors", when="last_week", status=self.status, data_at=now - 604800.0,
            received_at=now, levels=levels, note="" if self.status == "ok" else "the server is gone",
        )  # fmt: skip
        kept = tuple(one for one in self.readings if one.received_at > now - 600.0)
        return Evidence(signals=kept, pasts=(past,))


def ramp(*gate: Term, status: Status = "ok") -> Ramp:
    made = Ramp(*(gate or (PAST, ALARM)), trigger=PAST)
    made.seen = Days(made.run.now)
    made.seen.status = status
    return made


def test_a_phase_that_is_worse_than_last_week_is_held_and_its_trigger_asks() -> None:
    one = ramp()
    told = one.until("HoldPlaced", BAD, sense=True)
    assert "HoldPlaced" in kinds(told)
    (row, _) = condition_rows(one.run.step("ramp"))
    assert (row.sign, row.value, row.control, row.limit) == ("failed", "6 %", "1 % last week", "≤ +50 %")
    assert "6 % against 1 % last week: shown worse by 8 blocks beside 120" in row.reason
    assert [term.id for term in failing(one.run.step("ramp"))] == ["errors"]
    assert one.run.state.triggers["worse"].fired
    assert limit_of(PAST, "errors") == " > last week +50 %"


def test_a_phase_that_is_alike_goes_on() -> None:
    one = ramp()
    one.ticks(12)
    (row, _) = condition_rows(one.run.step("ramp"))
    assert (row.word, row.n) == ("pass", "12")
    assert "not shown worse in 8 blocks" in row.reason or "not shown worse in 12 blocks" in row.reason


def test_what_there_was_no_data_of_then_is_set_aside_on_the_screen_too() -> None:
    one = ramp(status="nodata")
    one.ticks(12)
    row, _ = condition_rows(one.run.step("ramp"))
    assert (row.word, row.sign, failing(one.run.step("ramp"))) == ("does not apply", "skipped", ())


def test_a_past_that_cannot_be_read_keeps_the_phase_with_the_sources_words() -> None:
    one = ramp(status="error")
    one.ticks(12)
    row, _ = condition_rows(one.run.step("ramp"))
    assert (row.word, row.sign) == ("error", "unknown")
    assert "last week cannot be read (the server is gone)" in row.reason
    assert one.run.step("ramp").phase == 0


def test_a_replay_of_the_journal_gives_the_same_standing_and_a_new_conductor_goes_on_from_it() -> None:
    one = ramp()
    one.ticks(5, BAD)
    assert fold(decode(body) for body in one.run.journal).trials == one.run.state.trials
    one.run.wait(20.0).lease()
    one.seen = Days(one.run.now)  # its board begins empty
    one.ticks(2, BAD)
    assert "HoldPlaced" not in kinds(one.ticks(0, BAD))
    assert one.run.state.trials[of(PAST)].courses["ramp"].blocks == 7
    assert "HoldPlaced" in kinds(one.ticks(1, BAD))


def test_a_hold_releases_itself_once_the_blocks_are_as_usual_and_the_test_starts_anew() -> None:
    one = ramp()
    one.until("HoldPlaced", BAD)
    told = one.until("HoldReleased", GOOD)
    trial = one.run.state.trials[of(PAST)]
    assert ("HoldReleased" in kinds(told), trial.fired_at, trial.starts, trial.looks) == (True, None, 2, 0)


def test_what_a_command_carries_is_enough_to_advance_on_a_pass() -> None:
    one = ramp()
    one.ticks(12)
    evidence = one.seen.until(one.run.now)
    latest = replace(evidence, signals=evidence.signals[-1:])
    again = msgspec.json.decode(msgspec.json.encode(latest), type=Evidence)
    assert again == latest
    told = one.run.ok(c.Advance, actor="ada", step="ramp", evidence=again)
    assert "PhaseAdvanced" in kinds(told)
