"""The sentences of the views: every event has a line, every state a headline, and nothing reads better than it is."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amplify_tui.engine.board import Board
from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope, decode
from amplify_tui.run.select.flags import flags_panel
from amplify_tui.run.select.gate import condition_rows, live, live_state, lower_phases, observed
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.log_lines import SAYERS
from amplify_tui.run.select.signals import points, samples, signals_panel, spark
from amplify_tui.run.select.stages import current, stage_rows, undo_ready
from amplify_tui.run.select.undo_lines import mitigation_preview, undo_rows
from amplify_tui.run.select.words import ascii_twin, clock, safe, since
from amplify_tui.run.select.world import git_panel, health_panel
from amplify_tui.run.shapes import GateNow
from amplify_tui.run.state import State
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.verdict.model import Verdict


def test_every_event_has_a_line() -> None:
    assert set(SAYERS) == set(ev.TYPES.values())


@pytest.mark.parametrize(
    ("story", "word"),
    [
        (stories.draft, "waiting for you"),
        (stories.awaiting, "waiting for you"),
        (stories.running, "going"),
        (stories.held, "held because"),
        (stories.drifted, "held because"),
        (stories.unknown, "held because"),
        (stories.asked, "waiting for you"),
        (stories.stuck, "waiting for you"),
        (stories.rolling_back, "undoing"),
        (stories.rolled_back, "over"),
        (stories.done, "done"),
    ],
)
def test_one_word_comes_first(story: Any, word: str) -> None:
    told = story()
    said = headline(told.state, told.at)
    assert said.word == word
    assert said.because
    assert said.next


def test_a_lost_conductor_outranks_all_but_the_end() -> None:
    held, done = stories.held(), stories.done()
    said = headline(held.state, held.at, "it is dead")
    assert said.word == "no conductor"
    assert "nobody watches at 25 %" in said.because
    assert "held because" in said.because
    assert headline(done.state, done.at, "it is dead").word == "done"


def test_a_draft_with_its_inputs_asks_to_be_started() -> None:
    story = stories.draft().tell(ev.InputGiven(step="", values={"version": "3.0.0"}), via="key")
    assert headline(story.state, story.at).next == "⏎ starts the run"


def test_a_hold_that_a_person_must_release_does_not_promise_to_release_itself() -> None:
    story = stories.running()
    story.tell(ev.HoldPlaced(hold="h1", scope="ramp", kind="gate", reason="latency", auto_release=False))
    assert "a person releases it" in headline(story.state, story.at).next


def test_stages_read_as_they_stand() -> None:
    assert [row.status for row in stage_rows(stories.held().state)] == [
        "done", "done", "done", "done", "attention", "not_reached", "not_reached", "not_reached",
    ]  # fmt: skip
    assert stage_rows(stories.done().state)[-1].status == "done_with_exceptions"
    assert stage_rows(stories.rolled_back().state)[4].status == "undone"


def test_the_step_that_matters_is_the_stuck_one_else_the_next_in_the_playbooks_order() -> None:
    stuck, draft = current(stories.stuck().state), current(stories.draft().state)
    assert stuck is not None
    assert stuck.ref == "buy[checkout]"
    assert draft is not None
    assert draft.ref == "scope"


def test_what_cannot_be_undone_is_counted_and_named() -> None:
    ready = undo_ready(stories.held().state)
    assert (ready.ready, ready.total) == (3, 4)
    assert ready.none == ("expand 42 is kept: 2.9.4 accepts it",)


def test_an_item_of_a_later_band_says_which_band_it_waits_for() -> None:
    story = stories.rolling_back()
    rows = {row.id: row for row in undo_rows(story.state, story.at)}
    assert rows["u1:flag:unleash/checkout-v3"].word == "waiting"
    assert rows["u5:tag:v3.0.0"].word == "waits for band 1"


def test_mitigation_shows_what_goes_and_nothing_where_nothing_is_exposed() -> None:
    assert mitigation_preview(stories.held().state) == ("unleash/checkout-v3  now 25 %: checkout-v3 off",)
    assert mitigation_preview(stories.draft().state) == ()


def test_a_condition_that_was_never_judged_is_no_pass() -> None:
    step = observed(stories.at_ramp().state)
    assert step is not None
    assert {row.word for row in condition_rows(step)} == {"not judged yet"}
    assert {row.sign for row in condition_rows(step)} == {"later"}


def test_the_last_tick_on_the_board_is_shown_and_nonsense_on_it_is_not() -> None:
    story = stories.running()
    step = observed(story.state)
    assert step is not None
    board = Board()
    board.gate("ramp", GateNow(verdict=Verdict(answer="fail", reason="latency"), accrued=292.0, at=story.at))
    judged = live(step, board.values)
    assert judged.verdict is not None
    assert (judged.verdict.answer, judged.accrued, judged.judged_at) == ("fail", 292.0, story.at)
    assert "04:52 of" in headline(live_state(story.state, board.values), story.at).because
    assert live(step, {"gate:ramp": {"answer": "splendid"}}) is step
    assert live(step, {}) is step


def test_what_was_said_of_the_phase_before_is_not_said_of_this_one() -> None:
    story = stories.running()
    step = observed(story.state)
    assert step is not None
    assert step.phase_at is not None
    board = Board()
    board.gate("ramp", GateNow(verdict=Verdict(answer="pass", reason=""), accrued=900.0, at=step.phase_at - 0.1))
    assert live(step, board.values) is step
    assert live_state(story.state, board.values) is story.state


def test_a_retreat_never_goes_up() -> None:
    step = observed(stories.held().state)
    assert step is not None
    assert lower_phases(step) == (5.0, 1.0)


PANELS = [
    flags_panel,
    health_panel,
    git_panel,
    signals_panel,
]


@pytest.mark.parametrize("panel", PANELS)
def test_no_panel_is_good_without_data_with_old_data_or_with_nonsense(panel: Any) -> None:
    story = stories.running()
    board = board_of(story)
    assert panel(story.state, board, story.at).is_good
    assert not panel(story.state, {}, story.at).is_good
    assert not panel(State(), {}, story.at).is_good
    assert not panel(story.state, board, story.at + 3600).is_good
    nonsense = {key: {"what": "ever"} for key in board}
    assert not panel(story.state, nonsense, story.at).is_good


def test_one_instance_that_is_not_ok_makes_the_panel_not_well() -> None:
    story = stories.running()
    board = board_of(story)
    board["health:checkout/checkout-4"]["ok"] = False
    panel = health_panel(story.state, board, story.at)
    assert (panel.word, panel.sign) == ("not well", "failed")
    row = next(row for row in panel.rows if row.name == "checkout")
    assert row.text.startswith("3/4")
    assert "checkout-4 not ok" in row.extra


def test_an_instance_that_was_never_read_counts_as_missing() -> None:
    story = stories.running()
    board = board_of(story)
    del board["health:checkout/checkout-4"]
    row = next(row for row in health_panel(story.state, board, story.at).rows if row.name == "checkout")
    assert row.text.startswith("3/4")
    assert row.sign == "unknown"


def test_a_flag_that_differs_from_the_run_says_so() -> None:
    story = stories.running()
    board = board_of(story)
    board["flag:unleash/checkout-v3"]["percent"] = 50.0
    extras = [row.extra for row in flags_panel(story.state, board, story.at).rows]
    assert "they differ" in extras


@given(st.text())
def test_safe_text_holds_no_control_character(text: str) -> None:
    assert not [c for c in safe(text) if ord(c) < 32 or 127 <= ord(c) < 160]


@given(st.text())
def test_the_ascii_twin_is_ascii(text: str) -> None:
    assert ascii_twin(text).isascii()


@given(st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=2)), max_size=80))
def test_a_course_is_drawn_of_whatever_the_board_holds(values: list[Any]) -> None:
    board = {"course:errors": [[1.0 * at, 1.0 * at, value, 7.0, "ok"] for at, value in enumerate(values)]}
    assert len(spark(points(board, "errors", None))) <= 12


def test_the_cohorts_of_one_poll_stand_together_and_who_did_not_answer_is_missing() -> None:
    board = {
        "course:errors:treatment": [[9.0, 10.0, 0.1, 7.0, "ok"], [14.0, 15.0, None, None, "error"]],
        "course:errors:control": [[9.0, 10.1, 0.2, 70.0, "ok"], [19.0, 20.0, 0.3, 70.0, "ok"]],
    }
    said = [(one.mine and one.mine.value, one.control and one.control.value) for one in samples(board, "errors")]
    assert said == [(None, 0.3), (None, None), (0.1, 0.2)]


def test_times() -> None:
    assert clock(0.0, UTC) == "00:00:00"
    assert (since(291), since(3723)) == ("04:51", "1:02:03")


def test_an_unknown_phase_index_in_an_event_still_gives_a_line() -> None:
    story = stories.running()
    odd = ev.PhaseAdvanced(step="ramp", from_=7, to=9, why="")
    sign, words = SAYERS[ev.PhaseAdvanced](replace(story.state, steps={}), odd, _any_envelope(story))
    assert sign == "active"
    assert "phase 8 → phase 10" in words


def _any_envelope(story: Any) -> Envelope:
    return decode(story.bodies[-1])


def test_a_message_without_an_answer_is_perhaps_sent_and_never_done() -> None:
    told = stories.running()
    effect = next(iter(told.state.effects))
    sayer = SAYERS[ev.EffectDone]
    maybe = ev.EffectDone(effect=effect, receipt={"sent": "maybe", "why": "no answer within 10 s"})
    sign, words = sayer(told.state, maybe, None)
    assert sign == "unknown"
    assert words.endswith("PERHAPS SENT: no answer within 10 s")
    assert sayer(told.state, ev.EffectDone(effect=effect), None)[0] == "done"


def test_what_others_wrote_while_we_did_stands_behind_done() -> None:
    told = stories.running()
    effect = next(iter(told.state.effects))
    sayer = SAYERS[ev.EffectDone]
    sign, words = sayer(told.state, ev.EffectDone(effect=effect, receipt={"meanwhile": "ann: set it to 80 %"}), None)
    assert sign == "unknown"
    assert words.endswith("done; meanwhile ann: set it to 80 %")
    blind = ev.EffectDone(effect=effect, receipt={"unaudited": "403: no right"})
    assert sayer(told.state, blind, None)[1].endswith("done; who else wrote is not known: 403: no right")


def test_a_hold_after_a_mitigation_says_that_exposure_is_off_and_what_goes_on() -> None:
    told = stories.held()
    steps = {ref: replace(step, status="stuck", cause="undo") for ref, step in told.state.steps.items()}
    holds = {name: replace(hold, scope="run", kind="human") for name, hold in told.state.holds.items()}
    said = headline(replace(told.state, steps=steps, holds=holds), told.at)
    assert said.because.startswith("exposure is off; ")
    assert said.next == "p releases it, then r starts again at the first phase, R rolls back"
