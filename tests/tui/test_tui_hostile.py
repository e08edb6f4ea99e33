"""Text of strangers, as title, note, commit, output, preview, reason: shown as text, obeyed never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.run import events as ev
from amplify_tui.run.select.words import safe
from amplify_tui.run.shapes import Await, Bundle, StagePlan
from amplify_tui.tui.client import Client, RunSummary, Startable
from amplify_tui.tui.example import script, stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.example.script import Story
from amplify_tui.tui.keys import KEYS
from tests.tui.cockpit_world import World, cockpit

CORPUS = {
    "markup": "[bold red]x[/bold red] [/] [/nothing] [",
    "escaped": r"\[/] \[bold] [[/]]",
    "action": "[@click=app.act('quit')]click me[/] [@click=app.bell]",
    "link": "[link=https://evil.example]here[/link]",
    "escape": "\x1b[31mred\x1b[0m \x1b]52;c;ZXZpbA==\x07 \x1b]0;title\x07 \x9b2J \x1bc",
    "controls": "a\x00b\x07c\x08d\re\x0bf\x7fg\x85h",
    "bidi": "user\u202etxt.exe\u202c \u2066x\u2069 \u200b\u200d\ufeff",
    "tags": "x\U000e0041\U000e0042 \ud800 \udfff",
    "expression": "${{ secrets.TOKEN }} {{ 7*7 }} $(reboot) `reboot`",
    "option": "--upload-pack=touch /tmp/x",
    "wide": "部署完成" * 40 + "🚀" * 40 + "e\u0301" * 40,
    "long": "A" * 200_000,
    "lines": "one\ntwo\r\nthree\u2028four\tfive",
    "empty": "",
}
FORBIDDEN = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0))} | set("\u202a\u202e\u2066\u200b\ufeff\u2028")


def hostile_story(text: str) -> Story:
    """A draft to hold whose every word of strangers is *text*."""
    plan = script.plan()
    steps = {
        name: replace(step, title=text, guide=text, keys=(text[:40] or "k",) if name == "buy" else step.keys)
        for name, step in plan.steps.items()
    }
    stages = tuple(StagePlan(stage.id, text or stage.id, stage.steps) for stage in plan.stages)
    plan = replace(plan, title=text, steps=steps, stages=stages)
    made = ev.RunCreated(mode="live", plan=plan, bundle=Bundle(sha256="0" * 64, files=()), engine="x", playbook=text)
    story = Story().tell(made, 0.0, actor=text[:200] or "cap", via="cli")
    start = stories.started().state
    assert start.subject is not None
    subject = replace(start.subject, version="3.0.0" + text[:100], tag=text[:100])
    story.tell(ev.RunStarted(environment=text[:100], subject=subject, plan=plan, services=start.services, notes=text))
    waits = (Await(kind="confirm", detail=text), Await(kind="sign_off", role=text[:40] or "r", detail=text))
    story.tell(ev.StepAwaiting(step="go", what=waits, preview=text, preview_sha="ab"))
    story.tell(ev.NoteAdded(text=text), actor=text[:60] or "cap", via="key")
    story.tell(ev.AttemptStarted(step="ramp", n=1, watch=script.RAMP))
    stories.flag_effect(story, "e1", "ramp", 0.0, 25.0)
    story.tell(ev.EffectUnknown(effect="e1", cause=text))
    story.tell(ev.StepStuck(step="ramp", cause="unknown", detail=text, question=text))
    return story.tell(ev.HoldPlaced(hold="h1", scope="run", kind="drift", reason=text))


def hostile_board(story: Story, text: str) -> dict[str, Any]:
    board = board_of(story)
    for key in ("branch", "sha", "tag", "tag_state", "note"):
        board["git"][key] = text
    board["git"]["tags"] = [{"name": text, "sha": text, "at": 1}]
    board["commits"] = {
        "count": text,
        "tickets": [text],
        "authors": [text],
        "notes": text,
        "items": [{"subject": text}],
    }
    board["output:ramp"] = {"lines": [text] * 5, "at": story.at}
    board["tests:ramp"] = {"passed": 1, "failed": 1, "cases": [{"name": text, "status": text, "message": text}]}
    board["graph"] = {
        "order": [text],
        "services": {text: {"versions": {text: text}, "requires": {text: {"range": text}}}},
    }
    board[f"signal:{text[:50]}"] = {"signal": text, "nonsense": text}
    board[f"health:{text[:50]}/x"] = {"service": text, "note": text}
    for reading in board.values():
        if isinstance(reading, dict) and "received_at" in reading:
            reading["note"] = text
    return board


def assert_harmless(world: World) -> None:
    found = FORBIDDEN & set("".join(world.lines))
    assert not found, found
    for strip in world.app.screen._compositor.render_strips():
        for segment in strip:
            meta = segment.style.meta if segment.style else {}
            assert not [key for key in meta if key == "@click"], meta
            assert not (segment.style and segment.style.link)


WAYS = (
    (),
    ("g",),
    ("R",),
    ("e",),
    ("1",),
    ("2",),
    ("3",),
    ("4",),
    ("question_mark",),
    ("enter",),
    ("u",),
    ("s",),
    ("M",),
)


@pytest.mark.parametrize("name", CORPUS)
async def test_hostile_text_crashes_nothing_and_acts_on_nothing(name: str) -> None:
    text = CORPUS[name]
    if name == "tags":
        text = text.encode("utf-8", "replace").decode()  # a journal is UTF-8: lone surrogates cannot reach it
    story = hostile_story(text)
    async with cockpit(story, hostile_board(story, text)) as world:
        for keys in WAYS:
            await world.press(*keys)
            assert_harmless(world)
            while len(world.app.screen_stack) > 1:
                world.app.pop_screen()
            await world.pilot.pause()
        await world.press("ctrl+p")
        assert_harmless(world)
        assert world.app.return_code is None
        assert world.ordered == []


@pytest.mark.parametrize("name", CORPUS)
def test_safe_text_is_one_short_line_without_controls_and_stays_so(name: str) -> None:
    once = safe(CORPUS[name])
    assert not FORBIDDEN & set(once)
    assert len(once) <= 400
    assert safe(once) == once


@dataclass
class HostileHome:
    text: str

    async def runs(self) -> list[RunSummary]:
        t = self.text
        fields = {"playbook": t, "version": t, "environment": t, "word": t, "driver": t, "detail": (t,)}
        return [RunSummary(run=t[:20] or "x", attention=True, **fields), RunSummary(run="y", phase="closed", **fields)]  # type: ignore[arg-type]

    async def startable(self) -> list[Startable]:
        return [Startable(name=self.text, kind="drill", title=self.text, note=self.text)]

    async def attach(self, run: str) -> Client:
        raise AssertionError("nothing was opened")

    async def start(self, name: str) -> Client:
        raise AssertionError("nothing was started")


@pytest.mark.parametrize("name", CORPUS)
async def test_hostile_summaries_are_harmless_at_home(name: str) -> None:
    story = stories.held()
    async with cockpit(story, {}, home=HostileHome(CORPUS[name])) as world:
        await world.until(lambda: "RECENT" in world.text)
        for _ in range(3):
            await world.press(KEYS["down"].key)
            assert_harmless(world)
