"""Messages to a file and to a command: the channels of a sandbox and of a team's own script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amplify_tui.adapters.notify import Command, File
from amplify_tui.adapters.ports import Absent, Announcement, Done, Unknown

MESSAGE = Announcement(event="start", run="r1", subject="Starts ✗", body="$(touch pwned)\n`id`", idem="r1/a/support")


async def test_a_file_holds_each_key_once(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text("somebody else's line\n")
    for _ in range(2):
        assert await File(path).send(MESSAGE) == Done(receipt={"ref": MESSAGE.idem})
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1])["body"] == MESSAGE.body


async def test_a_file_that_cannot_be_written_took_nothing(tmp_path: Path) -> None:
    outcome = await File(tmp_path / "none" / "messages").send(MESSAGE)
    assert isinstance(outcome, Absent)
    assert "No such file or directory" in outcome.reason
    device = await File(Path("/dev/zero")).send(MESSAGE)
    assert isinstance(device, Absent)
    assert "not a regular file" in device.reason


async def test_a_command_reads_the_message_and_names_its_receipt(tmp_path: Path) -> None:
    script = 'cat > got; printf "%s %s" "$AMPLIFY_IDEM" "$AMPLIFY_EVENT" > key; echo ref-7'
    outcome = await Command(["/bin/sh", "-c", script], cwd=tmp_path).send(MESSAGE)
    assert outcome == Done(receipt={"ref": "ref-7"}, observed=0)
    assert json.loads((tmp_path / "got").read_text())["body"] == MESSAGE.body
    assert (tmp_path / "key").read_text() == "r1/a/support start"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got", "key"]


@pytest.mark.parametrize(
    ("script", "kind", "retryable"),
    [("echo no >&2; exit 1", Absent, False), ("exit 75", Absent, True), ("kill -9 $$", Unknown, False)],
)
async def test_a_commands_end_says_what_it_proves(script: str, kind: type, retryable: bool) -> None:
    outcome = await Command(["/bin/sh", "-c", script]).send(MESSAGE)
    assert isinstance(outcome, kind)
    if isinstance(outcome, Absent):
        assert outcome.retryable == retryable


async def test_a_command_whose_time_is_up_is_unknown_and_one_that_is_missing_is_absent() -> None:
    assert isinstance(await Command(["sleep", "600"], timeout=0.3).send(MESSAGE), Unknown)
    missing = await Command(["ops/none"]).send(MESSAGE)
    assert isinstance(missing, Absent)
    assert missing.error == "NotFound"
