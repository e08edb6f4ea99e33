"""The cockpit in a pseudo-terminal: whatever ends it, the terminal is restored and the exit status tells why."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

CHILD = Path(__file__).with_name("terminal_child.py")
RESTORED = "\x1b[?1049l"

pytestmark = pytest.mark.e2e


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "cockpit.log"


def spawn(log: Path, *more: str) -> pexpect.spawn:
    child = pexpect.spawn(
        sys.executable, [str(CHILD), str(log), *more], dimensions=(24, 80), encoding="utf-8", timeout=30,
        env={"TERM": "xterm-256color", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(CHILD.parents[2])},
    )  # fmt: skip
    child.delaybeforesend = None
    child.expect_exact("HELD BECAUSE")
    return child


@pytest.fixture
def child(log: Path) -> Iterator[pexpect.spawn]:
    child = spawn(log)
    yield child
    child.close(force=True)


def test_q_leaves_with_zero_and_restores_the_terminal(child: pexpect.spawn) -> None:
    child.send("q")
    child.expect_exact(RESTORED)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_restores_the_terminal_and_is_told_by_the_exit_status(child: pexpect.spawn, number: int) -> None:
    child.kill(number)
    child.expect_exact(RESTORED)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 128 + number


def test_a_key_with_a_kitty_event_type_ends_nothing_and_is_a_key(child: pexpect.spawn) -> None:
    child.send("\x1b[20;1:3~")  # a release
    child.send("\x1b[82;2:1;82u")  # R, pressed
    child.expect_exact("ROLLBACK")
    child.send("\x1b[113;1:1;113u")  # q
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_crash_is_70_and_its_traceback_goes_to_the_log(log: Path) -> None:
    child = spawn(log, "crash")
    child.send("n")
    child.expect_exact(RESTORED)
    child.expect_exact("the cockpit crashed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 70
    assert "Traceback" not in (child.before or "")
    assert "a bug of ours" in log.read_text(encoding="utf-8")


def test_without_mouse_reporting_text_can_be_selected(log: Path) -> None:
    child = spawn(log)
    child.send("q")
    child.expect(pexpect.EOF)
    assert "\x1b[?1000h" not in (child.before or "")
    child.close()
