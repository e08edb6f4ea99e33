"""What a cockpit loads before it shows a run: nothing that reads playbooks, decides, or talks to the outside."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from tests.bench.runs import closed_story, write_run

NOT_YET = (
    "yaml",
    "httpx",
    "semver",
    "apprise",
    "amplify_tui.adapters",
    "amplify_tui.drill",
    "amplify_tui.playbook.document",
    "amplify_tui.playbook.expr",
    "amplify_tui.run.decide",
    "amplify_tui.steps",
)
# The real command line; what it had loaded by then is told when it ends.
CHILD = """
import atexit, pathlib, sys
told = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: told.write_text("\\n".join(sorted(sys.modules))))
from amplify_tui.__main__ import main
main()
"""

pytestmark = pytest.mark.e2e


def loaded_at(words: str, home: Path, *args: str) -> set[str]:
    """The modules that the command had loaded when *words* stood on its screen and it was ended."""
    told = home.parent / "modules"
    child = pexpect.spawn(
        sys.executable, ["-c", CHILD, str(told), *args], dimensions=(40, 120), encoding="utf-8", timeout=30,
        cwd=home.parent, env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    child.expect_exact(words)
    child.kill(signal.SIGTERM)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 128 + signal.SIGTERM
    return set(told.read_text(encoding="utf-8").split())


def too_early(loaded: set[str]) -> list[str]:
    return sorted(name for name in NOT_YET if name in loaded)


def test_attach_shows_a_closed_run_without_what_reads_playbooks_or_decides(home: Path) -> None:
    write_run(home, "closed", closed_story())
    assert too_early(loaded_at("DONE", home, "attach", "closed")) == []


def test_the_home_screen_shows_its_runs_without_what_reads_playbooks_or_decides(home: Path) -> None:
    write_run(home, "closed", closed_story())
    assert too_early(loaded_at("RUNS", home)) == []
