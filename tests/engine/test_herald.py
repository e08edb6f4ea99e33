"""Who is told by the conductor itself, and told again while nobody looks: through a real channel, a file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from amplify_tui.engine.board import Board
from amplify_tui.engine.facts import look
from amplify_tui.engine.herald import Herald
from amplify_tui.engine.world import LiveWorld
from amplify_tui.run import commands as c
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.state import State
from tests.engine.crash_world import checked, plain_playbook, plain_repo
from tests.run.world import Run, flag_undo

ASK = {"id": "go", "confirm": {"ask": "Go?"}}


class Office:
    """A herald whose stakeholders read files."""

    def __init__(self, folder: Path, world: LiveWorld) -> None:
        self.folder = folder
        self.herald = Herald(world)

    async def read(self, name: str) -> list[str]:
        """Everything that *name* was told, once all that is on its way has arrived."""
        await self.herald.close()
        file = self.folder / f"{name}.jsonl"
        return [json.loads(line)["body"] for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    told = {
        "oncall": {"via": "file", "url": str(tmp_path / "oncall.jsonl"), "about": ["hold"]},
        "support": {"via": "file", "url": str(tmp_path / "support.jsonl"), "about": ["rollback"]},
    }
    text = plain_playbook(plain_repo(tmp_path / "repo"), [ASK], stakeholders=told)
    document = checked(text, tmp_path / "release.yaml")
    plan = draft_plan(document.name, document.structure(), document.raw, document.inputs)
    facts = await look(document, State(run="r1", plan=plan, inputs={"version": "3.0.0"}, starter="captain"))
    world = LiveWorld(facts, tmp_path, Board())
    yield Office(tmp_path, world)
    await world.aclose()


def unanswered() -> Run:
    """At 5 %, held: a trigger asked, and nobody answered."""
    run = Run().ramping().wait(60.0)
    run.sense("bad")
    run.wait(30.0).ok(c.Expire, what="errors")
    return run


async def test_what_waits_for_a_person_is_told_again_every_five_minutes_while_nobody_looks(office: Office) -> None:
    run = unanswered()
    for _ in range(62):  # ten minutes and ten seconds, a look each ten
        office.herald.remind(run.state, run.now, followed=False)
        run.wait(10.0)
    told = await office.read("oncall")
    assert len(told) == 2
    assert told[0].startswith("still held at 5 %, and nobody is there: trigger errors unanswered: errors 50 %")
    assert await office.read("support") == []


async def test_somebody_who_looks_is_not_reminded_and_the_time_begins_when_they_go(office: Office) -> None:
    run = unanswered()
    office.herald.remind(run.state, run.now, followed=False)
    office.herald.remind(run.state, run.wait(600.0).now, followed=True)
    office.herald.remind(run.state, run.wait(290.0).now, followed=False)
    assert await office.read("oncall") == []
    office.herald.remind(run.state, run.wait(10.0).now, followed=False)
    assert len(await office.read("oncall")) == 1


async def test_what_was_answered_is_not_told_again(office: Office) -> None:
    run = unanswered()
    office.herald.remind(run.state, run.now, followed=False)
    run.ok(c.Release, hold="h1")
    office.herald.remind(run.state, run.wait(600.0).now, followed=False)
    assert await office.read("oncall") == []


async def test_an_undo_that_does_not_go_is_told_each_minute_with_the_line_that_does_it_by_hand(office: Office) -> None:
    run = Run().deployed()
    run.begin("ramp")
    run.intend("ramp", undo=replace(flag_undo(), by_hand="curl .../off"))
    run.outcome()
    run.ok(c.Rollback, reason="double charges")
    run.do(run.undo_intent("u1:flag:unleash/checkout"))
    run.outcome("absent", error="Unreachable", retryable=True, reason="no answer from the flag server")
    for _ in range(13):  # two minutes and ten seconds, a look each ten
        office.herald.remind(run.state, run.now, followed=False)
        run.wait(10.0)
    told = await office.read("support")
    assert len(told) == 2
    assert told[0] == ("unleash/checkout is not taken back yet: no answer from the flag server; by hand: curl .../off")
    assert await office.read("oncall") == []
