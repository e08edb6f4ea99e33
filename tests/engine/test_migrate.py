"""The playbook's file is edited while a run is under way: it goes by what it pinned, until somebody migrates it.

What has begun cannot be migrated, what has not can; and a conductor that dies right after goes on by the new text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.drill.world import World
from amplify_tui.engine.wire import Answer
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    committed,
    flag_events,
    flag_now,
    flag_steps,
    kill_conductor,
    plain_playbook,
    plain_repo,
    playbook,
    resume,
    step,
)

Whole = dict[str, Any]
Edit = Callable[[Whole, Bench], None]


def of(whole: Whole, name: str) -> Any:
    """The step of that id, as the file has it."""
    return next(one for one in whole["stages"][0]["steps"] if one["id"] == name)


def another_gate(whole: Whole, bench: Bench) -> None:
    of(whole, "ramp")["rollout"]["gate"] = ["health", "fleet"]


def another_undo(whole: Whole, bench: Bench) -> None:
    of(whole, "one")["command"]["undo"]["argv"] = bench.argv("undo_other")


def another_flag(whole: Whole, bench: Bench) -> None:
    of(whole, "prepare")["flag"]["name"] = of(whole, "ramp")["rollout"]["flag"] = "checkout-v4"


def one_more_trigger(whole: Whole, bench: Bench) -> None:
    whole["rollback"] = {"when": ["health"]}


EDITS: dict[str, Edit] = {"gate": another_gate, "undo": another_undo, "flag": another_flag}


def write(path: Path, bench: Bench, *edits: Edit) -> str:
    """Edit the file; the hash that a person is shown."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    for edit in edits:
        edit(whole, bench)
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said(answer: Answer) -> str:
    assert answer.refusal is not None, answer
    return f"{answer.refusal.why}. {answer.refusal.next}"


def a_release(world: World, bench: Bench) -> Path:
    """A command, a question, a flag with its ramp, a question, a command."""
    steps = [
        step("one", "command", bench.command("one")),
        step("go", "confirm", {"ask": "Ramp?"}),
        *flag_steps(),
        step("end", "confirm", {"ask": "End?"}),
        step("two", "command", bench.command("two")),
    ]
    path = bench.folder / "playbook.yaml"
    path.write_text(playbook(world.facts(), steps), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("where", ["go", "end"], ids=["before the ramp", "after it"])
async def test_an_edited_file_changes_neither_the_run_nor_its_rollback(
    world: World, bench: Bench, runs: Runs, where: str
) -> None:
    path = a_release(world, bench)
    folder = runs.create(checked(path.read_text(encoding="utf-8"), path))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        if where == "end":
            assert (await watched.do("Answer", step="go", values={"accept": True})).ok
            await watched.seen("StepAwaiting", step="end")
        pinned, edited = watched.state.bundle_sha, write(path, bench, *EDITS.values())
        await watched.until(lambda _: watched.board.get("file", {}).get("sha") == edited, "cockpits are told")
        if where == "go":
            assert (await watched.do("Answer", step="go", values={"accept": True})).ok
            await watched.seen("StepAwaiting", step="end")
        assert [t.id for t in watched.state.steps["ramp"].watch.gate] == ["health"]  # type: ignore[index, union-attr]
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
        assert watched.state.bundle_sha == pinned
    assert (len(bench.did("undo_one")), bench.did("undo_other")) == (1, [])
    assert flag_now(world)[0] is False
    assert flag_events(world, "checkout-v4") == []


@pytest.mark.slow
async def test_what_has_begun_is_not_migrated_and_is_taken_back_as_it_was(
    world: World, bench: Bench, runs: Runs
) -> None:
    path = a_release(world, bench)
    text = path.read_text(encoding="utf-8")
    folder = runs.create(checked(text, path))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        await watched.seen("StepAwaiting", step="end")
        sha = write(path, bench, another_gate)
        assert "not held" in said(await watched.do("Migrate", sha256=sha))
        assert (await watched.do("Hold")).ok
        words = {
            "gate": "ramp has begun, and its rollout.gate changed",
            "undo": "one has begun",
            "flag": "ramp has begun",
        }
        for name, edit in EDITS.items():
            path.write_text(text, encoding="utf-8")
            sha = write(path, bench, edit)
            assert words[name] in said(await watched.do("Migrate", sha256=sha))
            shown = amplify("do", folder.run, "migrate")
            assert shown.returncode == 0, shown.stderr
            assert "it would be refused" in shown.stdout
        assert "was named" in said(await watched.do("Migrate", sha256="0" * 64))
        path.write_text("name: no playbook\n", encoding="utf-8")
        assert "line 1" in said(await watched.do("Migrate", sha256=sha))
        path.unlink()
        assert "is gone" in said(await watched.do("Migrate", sha256=sha))
        assert watched.of("PlaybookMigrated") == []
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
    assert (len(bench.did("undo_one")), bench.did("undo_other")) == (1, [])
    assert flag_events(world, "checkout-v4") == []


@pytest.mark.slow
async def test_what_has_not_begun_is_migrated_and_the_rollback_takes_back_both_texts(
    world: World, bench: Bench, runs: Runs
) -> None:
    path = a_release(world, bench)
    text = path.read_text(encoding="utf-8")
    folder = runs.create(checked(text, path))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Hold")).ok
        write(path, bench, another_undo)
        shown = amplify("do", folder.run, "migrate")
        assert "one has begun, and its command.undo changed" in shown.stdout
        path.write_text(text, encoding="utf-8")
        assert amplify("do", folder.run, "migrate").stdout == "the file is as it was pinned\n"
        sha = write(path, bench, another_gate, another_flag, one_more_trigger)
        shown = amplify("do", folder.run, "migrate")
        assert "step ramp: rollout.flag, rollout.gate" in shown.stdout
        assert "trigger health: new" in shown.stdout
        assert shown.stdout.splitlines()[-1].endswith(f"amplify do {folder.run} migrate {sha}")
        assert watched.of("PlaybookMigrated") == []
        taken = amplify("do", folder.run, "migrate", sha, "--reason", "the flag was misspelt")
        assert taken.returncode == 0, taken.stderr
        await watched.seen("PlaybookMigrated", to=sha)
        back = write(path, bench, lambda whole, _: whole.pop("rollback"))
        assert "trigger health is gone" in said(await watched.do("Migrate", sha256=back))
        assert (await watched.do("Release", hold=next(iter(watched.state.holds)))).ok
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        await watched.seen("StepAwaiting", step="end")
        assert [t.id for t in watched.state.steps["ramp"].watch.gate] == ["health", "fleet"]  # type: ignore[index, union-attr]
        assert flag_now(world, "checkout-v4")[0] is True
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
    assert (len(bench.did("undo_one")), bench.did("undo_other")) == (1, [])
    assert flag_now(world, "checkout-v4")[0] is False
    assert flag_events(world) == []


async def test_a_conductor_that_dies_right_after_a_migration_goes_on_by_the_new_text(
    tmp_path: Path, bench: Bench, runs: Runs
) -> None:
    """A step changed, one is new and one is gone; the undo of what was done before is the one that was journaled."""
    steps = [
        step("one", "command", bench.command("one")),
        step("go", "confirm", {"ask": "On?"}),
        step("two", "command", bench.command("two")),
        step("three", "command", bench.command("three")),
    ]
    path = bench.folder / "playbook.yaml"
    text = plain_playbook(plain_repo(tmp_path / "repo"), steps)
    folder = runs.create(checked(text, path))
    await runs.conduct(folder)

    def edit(whole: Whole, bench: Bench) -> None:
        of(whole, "two")["command"] = bench.command("two_anew")
        whole["stages"][0]["steps"][3:] = [
            step("four", "command", bench.command("four")),
            step("end", "confirm", {"ask": "End?"}),
        ]

    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("StepAwaiting", step="go")
        assert (await watched.do("Hold")).ok
        sha = write(path, bench, edit)
        assert (await watched.do("Migrate", sha256=sha)).ok
        assert kill_conductor(folder)
        path.write_text(text, encoding="utf-8")  # what is on disk counts no more than before
        resume(folder)
        await watched.until(lambda s: s.conductor.epoch > 2, "another conductor")
        assert (watched.state.bundle_sha, set(watched.state.steps)) == (sha, {"one", "go", "two", "four", "end"})
        assert (await watched.do("Release", hold=next(iter(watched.state.holds)))).ok
        assert (await watched.do("Answer", step="go", values={"accept": True})).ok
        await watched.seen("StepAwaiting", step="end")
        assert (await watched.do("Rollback", reason="a test")).ok
        assert await watched.closed() == "rolled_back"
    assert [len(bench.did(name)) for name in ("two", "two_anew", "three", "four")] == [0, 1, 0, 1]
    assert [len(bench.did(f"undo_{name}")) for name in ("one", "two_anew", "four")] == [1, 1, 1]


async def test_a_draft_is_migrated_to_a_mended_text_and_starts_by_it(tmp_path: Path, bench: Bench, runs: Runs) -> None:
    path = bench.folder / "playbook.yaml"
    text = plain_playbook(plain_repo(tmp_path / "repo"), [step("one", "command", bench.command("one"))])
    folder = runs.create(checked(text, path))
    await runs.conduct(folder)

    def edit(whole: Whole, bench: Bench) -> None:
        whole["inputs"]["version"]["default"] = "3.1.0"
        whole["stages"][0]["steps"] = [step("other", "command", bench.command("other"))]

    async with Watched(folder) as watched:
        sha = write(path, bench, edit)
        assert (await watched.do("Migrate", sha256=sha)).ok
        await watched.start()
        assert await watched.closed() == "completed"
        assert watched.state.subject is not None
        assert watched.state.subject.version == "3.1.0"
    assert (len(bench.did("other")), bench.did("one")) == (1, [])


async def test_what_a_new_step_touches_is_locked_first_and_what_another_run_holds_is_refused(
    world: World, bench: Bench, runs: Runs
) -> None:
    wait = step("go", "confirm", {"ask": "On?"})
    paths = [bench.folder / "first.yaml", bench.folder / "second.yaml"]
    texts = [playbook(world.facts(), [wait, *steps]) for steps in (flag_steps(), [])]
    folders = []
    for text, path in zip(texts, paths, strict=True):
        document = checked(text, path)
        committed(path)
        folders.append(runs.create(document, sandbox=False))
    for folder in folders:
        await runs.conduct(folder)

    def the_same_flag(whole: Whole, bench: Bench) -> None:
        whole["stages"][0]["steps"] += flag_steps()[:1]

    async with Watched(folders[0]) as first, Watched(folders[1]) as second:
        await first.start()
        await second.start()
        await second.seen("StepAwaiting", step="go")
        assert (await second.do("Hold")).ok
        sha = write(paths[1], bench, the_same_flag)
        assert "not trusted" in said(await second.do("Migrate", sha256=sha))
        committed(paths[1])
        assert f"checkout-v3 is locked by run {folders[0].run}" in said(await second.do("Migrate", sha256=sha))
        assert (await first.do("Abort", reason="a test")).ok
        assert await first.closed() == "abandoned"
        assert (await second.do("Migrate", sha256=sha)).ok
        await second.seen("PlaybookMigrated")
        assert second.state.locks == ("production/flag/checkout-v3",)
