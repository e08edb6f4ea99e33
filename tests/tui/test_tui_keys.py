"""Keys: one meaning each, always an answer, never a way to change production by accident."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Button, Input

from amplify_tui.engine.client import Queued
from amplify_tui.engine.wire import Answer, Refusal
from amplify_tui.run import events as ev
from amplify_tui.run.shapes import Await
from amplify_tui.tui.acts.table import ACTS, PALETTE_ONLY
from amplify_tui.tui.app import Cockpit
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story
from amplify_tui.tui.keys import KEYS
from amplify_tui.tui.modals.arm import ArmMitigate
from amplify_tui.tui.modals.form import Choice, Form, FormDialog
from amplify_tui.tui.screens.base import CockpitScreen
from amplify_tui.tui.screens.flags import FlagScreen, FlagsScreen
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.tui.screens.main import MainScreen
from amplify_tui.tui.screens.read import ReadScreen
from amplify_tui.tui.screens.rollback import RollbackScreen
from tests.tui.cockpit_world import World, cockpit

SCREENS: list[type[CockpitScreen]] = [
    MainScreen,
    GateScreen,
    RollbackScreen,
    HomeScreen,
    ReadScreen,
    FlagsScreen,
    FlagScreen,
]


def own(node: type[Any]) -> list[Binding]:
    return [b for b in node.__dict__.get("BINDINGS", ()) if isinstance(b, Binding)]


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_is_bound_twice_in_a_chain(screen: type[CockpitScreen]) -> None:
    ours = [key for binding in (*own(screen), *own(Cockpit)) for key in binding.key.split(",")]
    assert [key for key, n in Counter(ours).items() if n > 1] == []
    textuals = {key for entry in Screen.BINDINGS if isinstance(entry, Binding) for key in entry.key.split(",")}
    assert not textuals & set(ours)


def test_every_key_has_an_id_a_description_a_tip_and_an_act() -> None:
    assert set(KEYS) <= set(ACTS)
    assert set(PALETTE_ONLY) <= set(ACTS)
    assert [key.id for key in KEYS.values() if not key.tip] == []
    assert len({key.key for key in KEYS.values()}) == len(KEYS)


@pytest.mark.parametrize("screen", SCREENS)
def test_each_screen_can_mitigate_roll_back_and_leave(screen: type[CockpitScreen]) -> None:
    assert "quit" in screen.KEYS
    assert {"rollback", "full"} & set(screen.KEYS)


def start(name: str, **options: Any) -> tuple[Story, dict[str, Any]]:
    story: Story = getattr(stories, name)(**options)
    return story, board_of(story)


async def armed(world: World) -> FormDialog:
    """The dialog on top, once its buttons may be pressed."""
    dialog = world.app.screen
    assert isinstance(dialog, FormDialog), world.text
    await world.until(lambda: dialog._armed)
    return dialog


async def test_m_then_y_mitigates_and_any_other_key_disarms() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("M")
        assert "now 25 %" in world.text
        await world.press("m")
        assert not isinstance(world.app.screen, ArmMitigate)
        assert world.ordered == []
        assert "disarmed" in world.text
        await world.press("M", "Y")
        assert world.ordered == [("Mitigate", {"reason": ""})]


@pytest.mark.parametrize("key", ["M", "y", "enter", "space", "escape", "p"])
async def test_only_a_different_key_than_the_arming_one_mitigates(key: str) -> None:
    async with cockpit(*start("held")) as world:
        await world.press("M", key)
        assert world.ordered == []


async def test_y_alone_does_nothing_dangerous() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("Y")
        assert world.ordered == []


async def test_f9_and_f10_work_under_a_dialog_with_an_input_focused() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("n")
        assert isinstance(world.app.focused, Input)
        await world.press("M", "R", "a")
        assert world.app.focused.value == "MRa"
        await world.press("f9")
        assert isinstance(world.app.screen, ArmMitigate)
        await world.press("escape", "n", "f10")
        assert isinstance(world.app.screen, RollbackScreen)
        await world.press("f10")
        assert [type(s) for s in world.app.screen_stack].count(RollbackScreen) == 1
        assert world.ordered == []


async def test_letters_are_dead_under_a_dialog() -> None:
    async with cockpit(*start("unknown")) as world:
        await world.press("u")
        dialog = await armed(world)
        for key in ("p", "a", "b", "o", "s", "r", "g", "R", "M", "F", "q"):
            await world.press(key)
            assert world.app.screen is dialog
        assert world.ordered == []
        await world.press("escape")
        assert isinstance(world.app.screen, MainScreen)


async def test_x_leaves_a_dialog_that_has_nothing_to_type_in() -> None:
    async with cockpit(*start("held")) as world:
        world.app.ask(Form("Go on?"), lambda filled: None)
        await world.pilot.pause()
        await armed(world)
        await world.press("x")
        assert isinstance(world.app.screen, MainScreen)


async def test_a_held_enter_confirms_nothing() -> None:
    story, board = start("stuck")
    async with cockpit(story, board) as world:
        await world.press("r")
        dialog = await armed(world)
        dialog.query_one("#do-retry", Button).focus()
        await world.pilot.pause()
        for _ in range(40):  # a repeat each 30 ms
            world.monotonic.at += 0.03
            await world.pilot.press("enter")
        assert world.ordered == []
        await world.press("enter")
        assert world.ordered == [("Retry", {"reason": "", "step": "buy", "key": "checkout", "expect": 1})]


async def test_a_dangerous_dialog_focuses_what_has_to_be_typed_and_enter_there_orders_nothing() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("R", "F")
        dialog = await armed(world)
        assert world.app.focused is dialog.query_one("#must-type")
        await world.press("enter")
        assert world.ordered == []
        await world.press("escape")
        assert isinstance(world.app.screen, RollbackScreen)
        assert world.ordered == []


async def test_a_choice_that_does_no_harm_gets_the_focus_once_it_is_armed() -> None:
    chosen: list[str] = []
    async with cockpit(*start("held")) as world:
        form = Form("Start?", choices=(Choice("start", "Start"),), default="start")
        world.app.ask(form, lambda filled: chosen.append(filled.choice))
        await world.pilot.pause()
        dialog = await armed(world)
        assert world.app.focused is dialog.query_one("#do-start")
        await world.press("enter")
        assert chosen == ["start"]


async def test_a_full_rollback_asks_to_type_the_environment() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("R", "F")
        dialog = await armed(world)
        button = dialog.query_one("#do-ok", Button)
        field = dialog.query_one("#must-type", Input)
        for typed in ("", "staging", "productio"):
            field.value = typed
            await world.pilot.pause()
            assert button.disabled
        field.value = "production"
        await world.pilot.pause()
        assert not button.disabled
        button.focus()
        await world.press("enter")
        assert world.ordered == [("Rollback", {"reason": "", "force_order": False, "until_band": 5})]


async def test_a_hold_that_appears_never_takes_the_focus_or_a_key() -> None:
    story, board = start("running")
    async with cockpit(story, board) as world:
        await world.press("n")
        await world.press("h", "i")
        field, dialog = world.app.focused, world.app.screen
        before = len(story.bodies)
        story.tell(ev.HoldPlaced(hold="h9", scope="run", kind="gate", reason="latency"))
        fired = ev.TriggerFired(trigger="latency+100%", evidence="690 ms", mode="ask", answer_by=story.at + 120)
        story.tell(fired)
        await world.tell(story.bodies[before:])
        assert world.app.focused is field
        assert world.app.screen is dialog
        await world.press("escape")
        assert isinstance(world.app.screen, MainScreen)
        assert "trigger latency+100% fired" in world.text
        assert world.ordered == []


async def test_the_selection_stays_where_it_was_put_when_the_run_moves_on() -> None:
    story, board = start("running")
    async with cockpit(story, board) as world:
        await world.press("up")
        screen = world.app.screen
        assert isinstance(screen, MainScreen)
        assert screen.selected() == "tag"
        before = len(story.bodies)
        story.tell(ev.StepSucceeded(step="ramp"))
        await world.tell(story.bodies[before:])
        assert screen.selected() == "tag"


async def test_a_refusal_is_shown_in_its_own_words_above_the_keys() -> None:
    async with cockpit(*start("held"), (80, 24)) as world:
        why = Refusal("the run is held already", "a person holds it", "release it to go on")
        world.client.answer = Answer(ok=False, refusal=why)
        await world.press("p")
        await world.until(lambda: "release it to go on" in world.text)
        flat = " ".join(world.text.split())
        assert "✗ the run is held already: a person holds it; release it to go on" in flat
        assert "M Y" in world.lines[-1]
        await world.press("up")
        assert "a person holds it" not in world.text


async def test_an_order_that_nobody_answers_is_said_to_be_written_down_and_not_done() -> None:
    async with cockpit(*start("held")) as world:
        world.client.answer = Queued(id="1", reason="no conductor listens; the command waits for the next conductor")
        await world.press("M", "Y")
        await world.until(lambda: "written down, not done" in world.text)


NO_DIALOG = {"help", "up", "down", "back", "gate", "filter", "evidence", "copy", "quit", "mitigate", "rollback", "open"}


@pytest.mark.parametrize("name", [n for n in MainScreen.KEYS if n not in NO_DIALOG])
@pytest.mark.parametrize("state", ["draft", "running", "rolled_back"])
async def test_every_key_answers_with_a_dialog_a_screen_or_a_line(name: str, state: str) -> None:
    async with cockpit(*start(state)) as world:
        await world.press(KEYS[name].key)
        await world.until(lambda: world.app.message or not isinstance(world.app.screen, MainScreen))


async def test_advance_carries_the_phase_that_was_on_the_screen() -> None:
    async with cockpit(*start("running")) as world:
        await world.press("a")
        dialog = await armed(world)
        assert "Advance ramp to 50 %?" in world.text
        dialog.query_one("#field-reason", Input).value = "numbers are good"
        await world.pilot.pause()
        dialog.query_one("#do-ok", Button).focus()
        await world.press("enter")
        assert world.ordered == [
            ("Advance", {"reason": "numbers are good", "step": "ramp", "key": "", "expect": 2, "evidence": None})
        ]


async def test_an_override_needs_its_percentage_typed_and_a_reason() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("o")
        dialog = await armed(world)
        button = dialog.query_one("#do-ok", Button)
        reason, share = dialog.query_one("#field-reason", Input), dialog.query_one("#field-percent", Input)
        for typed, why in (("", "known slow query"), ("50", "known slow query"), ("25", "short")):
            share.value, reason.value = typed, why
            await world.pilot.pause()
            assert button.disabled
        share.value, reason.value = "25", "a known slow query, customer agrees"
        await world.pilot.pause()
        button.focus()
        await world.press("enter")
        kind, fields = world.ordered[0]
        assert (kind, fields["conditions"], fields["percent"], fields["expect"]) == ("Override", ("latency",), 25.0, 2)


async def test_a_retreat_offers_the_lower_phases_only() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("b")
        dialog = await armed(world)
        assert [str(b.label) for b in dialog.query(Button)] == ["Cancel", "5 %", "1 %"]
        dialog.query_one("#do-1", Button).focus()
        await world.press("enter")
        assert world.ordered[0][1]["percent"] == 1.0


async def test_the_inputs_of_a_draft_are_checked_as_they_are_typed() -> None:
    async with cockpit(*start("draft")) as world:
        await world.press("enter")
        dialog = await armed(world)
        version = dialog.query_one("#field-version", Input)
        version.value = "three"
        await world.pilot.pause()
        assert "should be a semver" in world.text
        assert dialog.query_one("#do-save", Button).disabled
        version.value = "3.0.0"
        await world.pilot.pause()
        dialog.query_one("#do-save", Button).focus()
        await world.press("enter")
        kind, fields = world.ordered[0]
        assert kind == "Answer"
        assert fields["values"] == {"version": "3.0.0", "canary_users": ["u-internal-1", "u-internal-2"]}


async def test_a_confirmation_can_say_go_or_stop() -> None:
    async with cockpit(*start("awaiting")) as world:
        await world.press("enter")
        dialog = await armed(world)
        assert "Is support staffed until 16:00?" in world.text
        dialog.query_one("#do-stop", Button).focus()
        await world.press("enter")
        assert world.ordered[0][1]["values"] == {"accept": False}


async def test_a_signature_is_bound_to_the_preview_that_was_read_and_a_sandbox_signs_as_any_role() -> None:
    async with cockpit(*start("signing", sandbox=True)) as world:
        await world.press("enter")
        dialog = await armed(world)
        assert "Subject: Checkout 3.0.0 starts" in world.text
        dialog.query_one("#do-approve", Button).focus()
        await world.press("enter")
        sent = world.client.ordered[0]
        assert (sent["command"], sent["role"], sent["actor"], sent["expect"]) == ("Approve", "product", "pm", "ab" * 32)


async def test_who_may_not_sign_is_told_at_once_who_may() -> None:
    async with cockpit(*start("signing")) as world:
        await world.press("enter")
        assert isinstance(world.app.screen, MainScreen)
        flat = " ".join(world.text.split())
        assert "✗ cap cannot approve go: cap does not hold the role product; ask pm" in flat
        assert world.ordered == []


async def test_outside_a_sandbox_one_signs_under_ones_own_name() -> None:
    story, board = start("awaiting")
    story.tell(ev.InputGiven(step="go", values={"accept": True}), via="key")
    waits = (Await(kind="sign_off", role="captain", detail="sign-off of captain"),)
    story.tell(ev.StepAwaiting(step="go", what=waits, preview=stories.PREVIEW, preview_sha="ab" * 32))
    async with cockpit(story, board) as world:
        await world.press("enter")
        dialog = await armed(world)
        assert not dialog.query("#field-actor")
        dialog.query_one("#do-reject", Button).focus()
        await world.press("enter")
        assert (world.client.ordered[0]["command"], world.client.ordered[0]["actor"]) == ("Reject", "cap")


async def test_settling_asks_to_type_the_effect_and_how_one_knows() -> None:
    async with cockpit(*start("unknown")) as world:
        await world.press("enter")
        dialog = await armed(world)
        dialog.query_one("#field-reason", Input).value = "looked at the flag server"
        await world.pilot.pause()
        assert dialog.query_one("#do-done", Button).disabled
        dialog.query_one("#must-type", Input).value = "e4"
        await world.pilot.pause()
        dialog.query_one("#do-absent", Button).focus()
        await world.press("enter")
        kind, fields = world.ordered[0]
        assert (kind, fields["effect"], fields["as_"], fields["expect"]) == ("Settle", "e4", "absent", "unknown")


async def test_enter_answers_an_open_trigger_before_anything_else() -> None:
    async with cockpit(*start("asked")) as world:
        await world.press("enter")
        dialog = await armed(world)
        dialog.query_one("#do-hold", Button).focus()
        await world.press("enter")
        assert world.ordered == [("AnswerTrigger", {"reason": "", "trigger": "latency+100%", "answer": "hold"})]


async def test_an_undo_item_can_be_waived_with_a_reason_only() -> None:
    async with cockpit(*start("rolling_back")) as world:
        await world.press("R", "w")
        dialog = await armed(world)
        assert dialog.query_one("#do-waive", Button).disabled
        dialog.query_one("#field-reason", Input).value = "the server is gone for good"
        await world.pilot.pause()
        dialog.query_one("#do-waive", Button).focus()
        await world.press("enter")
        kind, fields = world.ordered[0]
        assert (kind, fields["choice"], fields["effect"]) == ("DecideUndo", "waive", "u1:flag:unleash/checkout-v3")


async def test_leaving_a_demo_asks_first_and_leaving_a_run_does_not() -> None:
    async with cockpit(*start("held"), demo=True) as world:
        await world.press("q")
        assert isinstance(world.app.screen, FormDialog)
        assert "end together" in world.text
    async with cockpit(*start("held")) as world:
        await world.press("q")
        assert world.app.return_code == 0


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+s", "ctrl+z", "ctrl+c"])
async def test_the_terminals_habits_end_nothing(key: str) -> None:
    async with cockpit(*start("held")) as world:
        await world.press(key)
        assert world.app.return_code is None
        assert isinstance(world.app.screen, MainScreen)


async def test_the_filter_takes_the_focus_only_when_asked_and_gives_it_back() -> None:
    async with cockpit(*start("held")) as world:
        assert world.app.focused is None
        await world.press("slash", "b", "a", "k", "e", "d", "enter")
        assert world.app.focused is None
        assert "ramp baked" in world.text
        assert "hold h1 (gate)" not in world.text
        await world.press("escape")
        assert "hold h1 (gate)" in world.text


async def test_the_palette_finds_acts_that_have_no_key() -> None:
    async with cockpit(*start("held")) as world:
        await world.press("ctrl+p")
        await world.press(*"dependency tree")
        await world.until(lambda: "Every service, its versions" in world.text)
        await world.press("enter")
        await world.until(lambda: isinstance(world.app.screen, ReadScreen))
        assert "VIOLATED" not in world.text
        assert "pricing ^5.1  not known" in world.text
