"""The break-glass card, from states alone: what stands on it, in which order, and what never does."""

from __future__ import annotations

import subprocess

from msgspec.structs import replace

from amplify_tui.report.card import card_text
from amplify_tui.run import commands as c
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, Undo
from amplify_tui.run.state import State
from tests.engine.card_lines import lines_of
from tests.run import test_run_data as data
from tests.run.world import Run, deploy_undo, flag_undo

OFF, SEEN = "curl -X POST http://flags/off", "curl http://flags"


def carded() -> Run:
    """A run at 5 %, whose effects know their lines."""
    run = Run().agreed()
    run.begin("deploy")
    run.intend("deploy", undo=replace(deploy_undo(), by_hand="undeploy", spec={"step": "deploy"}))
    run.outcome(receipt={"exit": 0, "json": {"id": "it's $(x)"}})
    run.ok(c.Finish, step="deploy", outcome="succeeded")
    run.begin("ramp")
    run.intend("ramp", undo=replace(flag_undo(), by_hand=f'{OFF} -H "$TOKEN"', proof=SEEN))
    run.outcome()
    run.ok(c.Enter, step="ramp")
    return run


def with_undo(state: State, effect: str, undo: Undo) -> State:
    return replace(state, effects=state.effects | {effect: replace(state.effects[effect], undo=undo)})


def test_exposure_comes_first_then_its_proof_then_code() -> None:
    lines = lines_of(card_text(carded().state))
    assert [OFF in lines[1], lines[2], "undeploy" in lines[3]] == [True, SEEN, True]
    assert lines[0].startswith(': "${TOKEN:?')


def test_a_command_is_told_what_its_step_put_out() -> None:
    (line,) = lines_of(card_text(carded().state), "3 Code")
    shown = line.replace("undeploy", 'printf "%s" "$AMPLIFY_OUT_JSON_ID"')
    done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout == "it's $(x)"


def test_code_that_waits_for_a_persons_word_is_no_line_that_is_pasted_and_run() -> None:
    run = data.judged(data.released(), "fail", "accepts >=41 <43, it is 43")
    item = replace(run.state.rollback_plan[0], by_hand="ops/deploy checkout-1 2.9.4")
    lines = card_text(replace(run.state, rollback_plan=(item, *run.state.rollback_plan[1:]))).splitlines()
    assert "# once that is decided: ops/deploy checkout-1 2.9.4" in lines
    assert "ops/deploy checkout-1 2.9.4" not in lines


def test_what_is_back_leaves_the_card_but_its_proof_stays_until_it_was_read_back() -> None:
    run = carded()
    run.ok(c.Rollback)
    run.undo("u1:flag:unleash/checkout")
    text = card_text(run.state)
    assert OFF not in text
    assert lines_of(text, "2 Exposure verified") == [SEEN]
    run.undo("u2:flag:unleash/checkout")
    assert SEEN not in card_text(run.state)
    assert "undeploy" in card_text(run.state)


def test_what_cannot_be_undone_stands_there_with_why() -> None:
    state = with_undo(
        carded().state, "e1", Undo(band=CODE_BAND, verb="command", spec={}, cls="none", says="kept: expand stays")
    )
    text = card_text(state)
    assert "## Cannot be undone" in text
    assert "expand stays" in text


def test_a_contract_that_has_run_is_said_to_be_past_the_point_of_no_return() -> None:
    undo = Undo(band=DATA_BAND, verb="command", spec={"data": "contract"}, cls="none", says="kept: contract stays")
    said = card_text(with_undo(carded().state, "e1", undo))
    assert "point of no return" in said
    assert "--supersedes" in said


def test_words_that_are_no_line_stay_comments_whatever_they_hold() -> None:
    evil = "x\nrm -rf /\n```\n# y \x1b[31m\u202e"
    undo = replace(flag_undo(), by_hand=evil, proof=evil, says=evil)
    state = with_undo(carded().state, "e2", undo)
    text = card_text(state)
    assert lines_of(text, "1 Exposure") == []
    assert lines_of(text, "2 Exposure verified") == []
    assert not {"\x1b", "\u202e"} & set(text)
    assert text.count("```") % 2 == 0


def test_a_run_that_changed_nothing_has_nothing_on_its_card() -> None:
    text = card_text(Run().state)
    assert "Nothing is left to take back" in text
    assert lines_of(text) == []
