"""The plain follower: the same sentences, a line an event, and nothing of Textual."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys

from amplify_tui.engine.client import Lost
from amplify_tui.tui.example import stories
from amplify_tui.tui.plain import Follower, follow_plain, needs_ascii, why_plain
from tests.tui.cockpit_world import MemoryClient


async def followed(name: str, **options: bool) -> list[str]:
    story = getattr(stories, name)()
    lines: list[str] = []
    seq = story.state.seq
    client = MemoryClient(story, {})
    await asyncio.wait_for(
        follow_plain(client, lines.append, now=lambda: story.at, until=lambda s: s.seq == seq, tz=None, **options), 10
    )
    return lines


async def test_each_event_is_a_line_and_the_headline_comes_when_it_changes() -> None:
    story = stories.held()
    lines = await followed("held")
    assert len([line for line in lines if "==" not in line]) == len(story.bodies)
    assert lines[-1].endswith(
        "◆ == held because: 25 %: latency p99 +31 % vs control, limit 378 ms, for 0.1s"
        "  Next: releases once after good data; or o / b / R"
    )


async def test_ascii_lines_are_ascii() -> None:
    assert all(line.isascii() for line in await followed("rolling_back", ascii_only=True))


async def test_a_closed_run_ends_the_following_by_itself() -> None:
    story = stories.rolled_back()
    lines: list[str] = []
    client = MemoryClient(story, {})
    state = await asyncio.wait_for(follow_plain(client, lines.append, now=lambda: story.at), 10)
    assert state.outcome == "rolled_back"


def test_a_lost_conductor_and_a_journal_that_went_back_are_said() -> None:
    lines: list[str] = []
    follower = Follower(lines.append)
    follower.take(Lost("the conductor of run 7f3a is dead"), 0.0)
    follower.take(Lost("the journal went back to event 3", went_back=True), 0.0)
    assert "no conductor: the conductor of run 7f3a is dead" in lines[0]
    assert "all of it follows again" in lines[2]


def test_a_dumb_terminal_and_a_pipe_get_plain_lines() -> None:
    assert why_plain({"TERM": "dumb"}, io.StringIO()) == "TERM is dumb"
    assert why_plain({"TERM": "xterm"}, io.StringIO()) == "the output is no terminal"


def test_signs_are_ascii_where_the_output_cannot_hold_others() -> None:
    assert needs_ascii(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    assert needs_ascii(None)
    assert not needs_ascii(io.TextIOWrapper(io.BytesIO(), encoding="UTF-8"))


def test_following_in_plain_imports_no_textual_and_nothing_heavy() -> None:
    code = "import amplify_tui.tui.plain, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not {"textual", "rich", "httpx", "git", "UnleashClient", "sqlite3"} & set(out.split())
