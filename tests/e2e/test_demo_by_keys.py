"""The real binary in a terminal, by keys alone: what a new user does with `amplify demo`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sandbox_home import AMPLIFY, Place, alive, until
from terminal import Terminal

from amplify_tui.drill import lifeline
from amplify_tui.drill.demo import demo_env

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

WORLD = {"owner", "janitor", "traffic", "flagserver", "services", "sink", "conductor"}
DRAFT = "a draft: nothing has been done yet"
AT_10 = r"10 % (settles|bakes)"
SLOW = 300.0  # seconds: a ramp of four phases on a busy machine


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    shutil.rmtree(made.temporary, ignore_errors=True)


@pytest.fixture
def demo(place: Place) -> Iterator[Terminal]:
    with Terminal([*AMPLIFY, "demo"], place.env) as terminal:
        yield terminal


def start(terminal: Terminal) -> None:
    """From the draft to the first phase: the two answers that stand before it."""
    terminal.shows(DRAFT)
    terminal.press("enter")
    terminal.answer(r"Start Checkout on four", "Start")
    terminal.shows(r"Go or no go: Release 3\.0\.0")
    terminal.press("enter")
    terminal.answer(r"note +\(may stay empty\)", "Go")
    terminal.shows(AT_10, within=SLOW)


def leave(terminal: Terminal) -> int:
    terminal.press("q")
    terminal.answer(r"End the demo\?", "End it")
    return terminal.ends()


def test_the_whole_demo_goes_by_keys_from_the_draft_to_completed(place: Place, demo: Terminal) -> None:
    start(demo)
    processes = place.processes()
    assert {name for name, _pid, _start in processes} == WORLD
    for key, screen in (("g", r"GATE ramp, "), ("R", r"ROLLBACK: "), ("?", r"── Help ──"), ("ctrl+p", r"Search for")):
        demo.press(key)
        demo.shows(screen)
        demo.press("escape")
        demo.lacks(screen)
        demo.shows(r"LOG ")
    demo.shows(r"WAITING FOR YOU Sure: ", within=SLOW)
    demo.press("enter")
    demo.answer(r"note +\(may stay empty\)", "Go|Close it")
    demo.shows(r"DONE completed")
    demo.shows(r"closed: completed")

    assert leave(demo) == 0
    assert alive(processes) == []
    assert place.worlds() == []
    shown = place.amplify("show", place.run(), "--verify")
    assert shown.returncode == 0, shown.stderr
    assert "closed completed" in place.amplify("show", place.run()).stdout


def test_injected_errors_lose_their_exposure_and_the_release_goes_back_by_keys(place: Place) -> None:
    with Terminal([*AMPLIFY, "demo", "--inject", "errors"], place.env, columns=80, rows=24) as demo:
        start(demo)
        demo.shows(r"trigger errors fired", within=SLOW)
        demo.press("R")
        demo.shows(r"[Ee]xposure (none|0 %)", within=SLOW)
        demo.press("F")
        demo.shows(r"Roll everything back\?")
        demo.type_into("type production to go on", "production")
        demo.answer(r"Roll everything back\?", "Roll back")
        demo.shows(r"OVER rolled back", within=SLOW)
        assert leave(demo) == 0
    state = place.amplify("show", place.run()).stdout
    assert "closed rolled_back" in state.splitlines()[0]


def test_killing_the_demo_ends_every_process_of_its_world_within_five_seconds(place: Place, demo: Terminal) -> None:
    demo.shows(DRAFT)
    processes = place.processes()
    assert {name for name, _pid, _start in processes} == WORLD
    demo.kill(signal.SIGKILL)
    assert demo.ends() == -signal.SIGKILL
    until(lambda: not alive(processes) and not place.worlds(), "the end of the world", within=5.0)
    assert place.amplify("show", place.run(), "--verify").returncode == 0


@contextmanager
def sandbox(place: Place) -> Iterator[tuple[str, dict[str, str]]]:
    """A world of its own: the path of its playbook, and the secrets that it refers to."""
    process = subprocess.Popen(
        [*AMPLIFY, "sandbox"], env=place.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            facts = json.loads(process.stdout.readline())
            yield facts["playbook"], demo_env(facts)
        finally:
            process.terminate()


@contextmanager
def conductor(place: Place) -> Iterator[int]:
    """The pid of the only run's conductor, which is ended at the end: it would outlive the test."""
    folder = place.home / "runs" / place.run()
    pid = json.loads((folder / "conductor.json").read_text(encoding="utf-8"))["mark"]["pid"]
    began = lifeline.start_time(pid)
    try:
        yield pid
    finally:
        if lifeline.start_time(pid) == began:
            os.kill(pid, signal.SIGKILL)


def test_a_hangup_ends_the_cockpit_alone_and_the_conductor_goes_on(place: Place) -> None:
    with sandbox(place) as (playbook, secrets):
        ran = place.amplify("run", playbook, "--headless", **secrets)
        assert "Go or no go" in ran.stdout, ran.stderr
        run = place.run()
        with conductor(place) as pid:
            began = lifeline.start_time(pid)
            with Terminal([*AMPLIFY, "attach", run], place.env | secrets, columns=80, rows=24) as cockpit:
                cockpit.shows(r"WAITING FOR YOU Go or no go")
                cockpit.kill(signal.SIGHUP)
                assert cockpit.ends() == 128 + signal.SIGHUP
            assert lifeline.start_time(pid) == began
            noted = place.amplify("do", run, "note", "after the hangup")
            assert noted.returncode == 0, noted.stderr
            assert json.loads((place.home / "runs" / run / "conductor.json").read_text())["mark"]["pid"] == pid


def test_a_dumb_terminal_gets_plain_lines_and_the_demo_plays_itself(place: Place) -> None:
    with Terminal([*AMPLIFY, "demo"], place.env | {"TERM": "dumb"}, columns=80, rows=24) as demo:
        demo.printed(r"the journal stays: amplify show ", within=SLOW)
        assert demo.ends() == 0
        assert "closed: completed" in demo.raw
        assert "\x1b" not in demo.raw
        assert "Traceback" not in demo.raw


@pytest.mark.parametrize(
    ("columns", "rows", "more"),
    [
        pytest.param(40, 10, {}, id="40x10"),
        pytest.param(80, 24, {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}, id="latin-1"),
    ],
)
def test_a_poor_terminal_shows_what_is_next_and_takes_keys(
    place: Place, columns: int, rows: int, more: dict[str, str]
) -> None:
    with Terminal([*AMPLIFY, "demo"], place.env | more, columns=columns, rows=rows) as demo:
        demo.shows(r"a draft: nothing")
        demo.press("enter")
        demo.answer(r"Start Checkout on", "Start")
        demo.shows(r"WAITING FOR YOU\s+Go or no go")
        demo.press("R")
        demo.shows(r"Touches nothing")
        demo.press("escape")
        demo.lacks(r"Touches nothing")
        assert leave(demo) == 0
        assert "Traceback" not in demo.raw
        if more:
            assert demo.raw.isascii()
