"""The words of the undo plan: live while something is silent, the same count everywhere, and never better than it is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import decode
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.log_lines import SAYERS
from amplify_tui.run.select.stages import step_note, step_sign
from amplify_tui.run.select.undo_lines import UndoRow, items_shown, tally, touches, undo_rows
from amplify_tui.run.shapes import Exposure, Target
from amplify_tui.run.undo import exposure_plan, mitigation_label, rollback_items, undo_plan
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.script import FLAG, FLAG_ID, Story

FLAG_ITEM, TAG_ITEM, MAIL_ITEM = f"u1:flag:{FLAG_ID}", "u5:tag:v3.0.0", "u5:message:support"


def row(story: Story, name: str, after: float = 0.0) -> UndoRow:
    return next(row for row in undo_rows(story.state, story.at + after) if row.id == name)


def mitigating() -> Story:
    """M Y was pressed; nothing is written down of the first item yet."""
    story = stories.running()
    return story.tell(ev.MitigationStarted(plan=exposure_plan(story.state), reason="double charges"), 1, via="key")


def tried(story: Story, name: str, item: str = FLAG_ITEM, label: str = "") -> Story:
    """An undo of *item* is on its way, with eight seconds to answer."""
    exposure = Exposure(FLAG_ID, 25.0, 0.0) if item == FLAG_ITEM else None
    entry = next(e.item for e in items_shown(story.state) if e.item.id == item)
    intent = ev.EffectIntended(
        effect=name, step=label or mitigation_label(story.state), verb=entry.verb, target=entry.target,
        before=entry.after, after=entry.before, undo=None, idem=name, deadline=story.at + 1 + 8, undoes=item,
        says=entry.says, exposure=exposure,
    )  # fmt: skip
    return story.tell(intent)


def test_a_silent_flag_server_is_told_from_the_first_second_on() -> None:
    story = mitigating()
    assert row(story, FLAG_ITEM, 3).note == "no answer 3s, read before the write, try 1"
    assert "checkout-v3: no answer 3s, read before the write, try 1" in headline(story.state, story.at + 3).because
    tried(story, "e7")
    assert row(story, FLAG_ITEM, 2).note == "no answer 2s, gives up in 6s, try 1"
    said = headline(story.state, story.at + 2)
    assert said.because == "unleash/checkout-v3: no answer 2s, gives up in 6s, try 1; taking exposure away, 0 of 2 done"
    assert said.next == "without an answer it is read back"
    story.tell(ev.EffectUnknown(effect="e7", cause="ReadTimeout"), 8)
    assert row(story, FLAG_ITEM, 2).note == "no answer 10s, reading back, try 1: ReadTimeout"
    assert headline(story.state, story.at).next == "try 2 unless it happened; u settles it"


def test_a_second_try_says_why_the_first_was_not_the_last() -> None:
    story = tried(mitigating(), "e7")
    story.tell(ev.EffectFailed(effect="e7", reason="503", error="Unavailable", retryable=True, not_before=story.at + 9))
    assert row(story, FLAG_ITEM, 1).note == "again in 7s, try 2: 503"
    tried(story, "e8")
    assert row(story, FLAG_ITEM, 2).note == "no answer 2s, gives up in 6s, try 2 (before: 503)"


def test_the_flag_server_that_is_silent_is_named_with_its_age() -> None:
    story = mitigating()
    silent = {"source": "unleash", "status": "error", "data_at": story.at - 10, "note": "refused"}
    rows = undo_rows(story.state, story.at + 2, {f"flag:unleash/{FLAG}": silent})
    assert rows[0].note.endswith("unleash is silent, last heard 12s ago")


def test_a_step_is_not_called_taken_back_while_it_is_being_taken_back() -> None:
    story = mitigating()
    ramp = replace(story.state.steps["ramp"], status="stuck", cause="undo")  # type: ignore[index]
    assert (step_sign(story.state, ramp), step_note(story.state, ramp)) == ("active", "taking back")
    done = replace(story.state, mitigation="done")
    assert (step_sign(done, ramp), step_note(done, ramp)) == ("undone", "taken back")


def test_every_count_of_a_plan_is_the_same_and_what_is_kept_is_apart() -> None:
    story = stories.rolled_back()
    counted = str(tally(rollback_items(story.state)))
    assert counted == "4 of 4 done, 1 kept"
    assert str(touches(story.state).tally) == counted
    started = ev.RollbackStarted(scope="full", plan=undo_plan(story.state), reason="")
    _, words = SAYERS[ev.RollbackStarted](story.state, started, decode(story.bodies[-1]))
    assert words.endswith("4 items, 1 kept")


def test_what_is_kept_is_not_touched_and_is_named_without_saying_kept_twice() -> None:
    told = touches(stories.held().state)
    assert "schema" not in told.summary
    item = replace(undo_plan(stories.held().state)[2], says="kept: expand (the schema stays)")
    assert item.cls == "none"
    kept = next(row for row in undo_rows(stories.held().state, 0.0) if row.cls == "none")
    assert kept.word == "kept"


def test_a_withdrawn_tag_is_no_second_tag() -> None:
    story = stories.held()
    effects = dict(story.state.effects)
    out = effects["e3"]
    assert out.undo is not None
    pushed = replace(
        out, id="e99", target=Target("tag", "origin/v3.0.0"), undo=replace(out.undo, spec={"do": "withdraw"})
    )
    summary = touches(replace(story.state, effects=effects | {"e99": pushed})).summary
    assert "1 tag" in summary
    assert "1 withdrawn tag" in summary
    assert "2 tags" not in summary


def test_an_undone_item_forgets_the_trouble_on_the_way() -> None:
    told = row(stories.rolled_back(), FLAG_ITEM)
    assert (told.word, told.note) == ("undone", "")


def test_a_read_back_is_verified_and_not_undone() -> None:
    assert row(stories.rolled_back(), f"u2:flag:{FLAG_ID}").word == "verified"


@pytest.mark.parametrize(("sent", "sign", "word"), [("maybe", "unknown", "perhaps sent"), ("no", "failed", "not sent")])
def test_a_correction_that_perhaps_nobody_got_is_never_called_undone(sent: str, sign: str, word: str) -> None:
    story = stories.rolling_back()
    tried(story, "e8", MAIL_ITEM, "rollback")
    story.tell(ev.EffectDone(effect="e8", receipt={"sent": sent, "why": "no answer within 10 s; at smtp://mail"}))
    told = row(story, MAIL_ITEM)
    assert (told.sign, told.word) == (sign, word)
    assert told.note == "no answer within 10 s; tell them yourself, or ask"
    assert tally(rollback_items(story.state)).perhaps == 1
    assert step_sign(story.state, story.state.steps["announce"]) != "undone"  # type: ignore[index]


def test_a_tag_that_was_kept_because_it_is_out_is_not_called_undone() -> None:
    story = stories.rolling_back()
    tried(story, "e8", TAG_ITEM, "rollback")
    story.tell(ev.EffectDone(effect="e8", observed="kept: origin has it"))
    told = row(story, TAG_ITEM)
    assert (told.word, told.note) == ("kept", "kept: origin has it")
