"""command and e2e: real processes, and what their endings prove."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.adapters import pidfile
from amplify_tui.adapters.ports import Absent, Done, Invalid, Outcome, Unknown
from amplify_tui.run.lacking import NO_SECRET
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND
from amplify_tui.run.state import EffectState
from amplify_tui.steps.command import CommandFields, ExpectExit
from amplify_tui.steps.commands import Argv, log_path, record_path
from amplify_tui.steps.e2e import E2eFields, Flaky
from amplify_tui.steps.verb import Draft, stop
from tests.steps.steps_world import Bench, RealWorld


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def touch(path: Path) -> Argv:
    return Argv(argv=("touch", str(path)))


async def test_a_command_tells_its_exit_text_and_json(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    fields = CommandFields(argv=python("print('{\"rows\": 3}')"), undo="none", output="json")
    [made] = await bench.drive(fields)
    assert isinstance(made.outcome, Done)
    assert (await bench.finish(fields)).outputs == {"exit": 0, "text": '{"rows": 3}', "json": {"rows": 3}}
    assert "rows" in log_path(bench.ctx()).read_text()
    assert any("rows" in line for line in bench.log)


async def test_a_command_that_promised_json_and_printed_none_fails_the_step(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    fields = CommandFields(argv=("echo", "hello"), undo="none", output="json")
    await bench.drive(fields)
    assert not (await bench.finish(fields)).ok


async def test_a_status_that_was_not_expected_is_absent_with_its_last_words(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    [made] = await bench.drive(CommandFields(shell="echo no disk left >&2; exit 3", undo="none"))
    assert isinstance(made.outcome, Absent)
    assert "ended with 3: no disk left" in made.outcome.reason
    [made] = await bench.drive(CommandFields(shell="exit 3", undo="none", expect=ExpectExit(exit=(3,))))
    assert isinstance(made.outcome, Done)


async def test_a_command_that_cannot_be_started_was_not_done(bare_world: RealWorld) -> None:
    [made] = await Bench(bare_world, "command").drive(CommandFields(argv=("./gone",), undo="none"))
    assert isinstance(made.outcome, Absent)
    assert "gone" in made.outcome.reason


async def test_a_command_whose_time_is_up_is_unknown(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command", timeout=0.2)
    [made] = await bench.drive(CommandFields(argv=("sleep", "30"), undo="none"))
    assert isinstance(made.outcome, Unknown)


async def test_a_command_knows_its_run_step_and_key(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    fields = CommandFields(
        shell='echo "$AMPLIFY_RUN $AMPLIFY_STEP $AMPLIFY_IDEM $GIVEN"', env={"GIVEN": "v"}, undo="none"
    )
    await bench.drive(fields)
    assert (await bench.finish(fields)).outputs["text"] == "r1 it r1/it//0 v"


async def test_a_secret_reaches_the_command_and_nothing_that_is_kept(bare_world: RealWorld) -> None:
    bare_world.secrets["TOKEN"] = "s3cr3t-value"
    bench = Bench(bare_world, "command")
    fields = CommandFields(shell='echo "token $T"', env={"T": "\u27e6secret:TOKEN\u27e7"}, undo="none")
    [made] = await bench.drive(fields)
    kept = f"{made.effect}{(await bench.finish(fields)).outputs}{bench.log}{log_path(bench.ctx()).read_text()}"
    assert "s3cr3t-value" not in kept
    assert "token \u27e6secret:TOKEN\u27e7" in kept


async def test_a_command_whose_secret_has_no_value_did_not_run_may_be_tried_again_and_names_it(
    bare_world: RealWorld,
) -> None:
    fields = CommandFields(argv=("true",), env={"T": "\u27e6secret:TOKEN\u27e7"}, undo="none")
    [made] = await Bench(bare_world, "command").drive(fields)
    assert isinstance(made.outcome, Absent)
    assert (made.outcome.error, made.outcome.retryable) == (NO_SECRET, True)
    assert "$TOKEN" in made.outcome.reason


async def begun_and_gone(bench: Bench, effect: EffectState) -> None:
    """The record of a command whose conductor died before it ended."""
    child = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    pidfile.remember(record_path(log_path(bench.ctx()), effect.id), child.pid, None)
    child.kill()
    await child.wait()


async def intended(bench: Bench, fields: CommandFields | E2eFields) -> tuple[Draft, EffectState]:
    [group] = await bench.verb.tasks(fields, bench.ctx(), 0)
    draft = await bench.verb.intend(group[0], bench.ctx())
    assert draft is not None
    return draft, bench.keep(draft, "0")


async def test_a_command_that_was_never_started_is_absent_and_is_not_started_later(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    mark = bare_world.repo_path / "ran"
    fields = CommandFields(argv=("touch", str(mark)), undo="none", probe=Argv(argv=("true",)))
    draft, effect = await intended(bench, fields)
    seen = await bench.probe(effect)
    assert (seen.result, "never started" in seen.detail) == ("absent", True)
    late = await bench.verb.act(draft, bench.ctx(effect.id))  # its first conductor was only asleep
    assert isinstance(late, Absent)
    assert "given up" in late.reason
    assert not mark.exists()
    assert (await bench.probe(effect)).result == "absent"


@pytest.mark.parametrize(
    ("script", "result"), [("exit 0", "done"), ("exit 3", "absent"), ("kill -9 $$", "unreachable")]
)
async def test_an_ending_that_was_seen_and_not_journaled_is_known(
    bare_world: RealWorld, script: str, result: str
) -> None:
    bench = Bench(bare_world, "command")
    draft, effect = await intended(bench, CommandFields(shell=script, undo="none", output="json"))
    await bench.verb.act(draft, bench.ctx(effect.id))
    assert (await bench.probe(effect)).result == result


async def test_a_command_that_a_probe_found_done_needs_no_json(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    fields = CommandFields(argv=("true",), undo="none", output="json")
    _, effect = await intended(bench, fields)
    bench.settle(effect, Done(observed=0))
    ended = await bench.finish(fields)
    assert (ended.ok, ended.outputs["json"]) == (True, None)


async def test_the_probe_of_a_command_settles_it_by_its_status(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    for code, result in ((0, "done"), (1, "absent"), (2, "unreachable")):
        fields = CommandFields(argv=("true",), undo="none", probe=Argv(argv=("sh", "-c", f"exit {code}")))
        [group] = await bench.verb.tasks(fields, bench.ctx(), 0)
        draft = await bench.verb.intend(group[0], bench.ctx())
        assert draft is not None
        effect = bench.keep(draft, "0")
        await begun_and_gone(bench, effect)
        assert (await bench.probe(effect)).result == result


async def test_a_command_that_still_runs_is_neither_done_nor_absent(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    fields = CommandFields(argv=("true",), undo="none", probe=Argv(argv=("false",)))
    [group] = await bench.verb.tasks(fields, bench.ctx(), 0)
    draft = await bench.verb.intend(group[0], bench.ctx())
    assert draft is not None
    effect = bench.keep(draft, "0")
    child = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        pidfile.remember(record_path(log_path(bench.ctx()), effect.id), child.pid, None)
        seen = await bench.probe(effect)
        assert (seen.result, "still runs" in seen.detail) == ("running", True)
    finally:
        child.kill()
        await child.wait()
    assert (await bench.probe(effect)).result == "absent"


async def test_the_undo_of_a_command_gets_what_the_command_put_out(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    undo = Argv(argv=("sh", "-c", 'echo "$AMPLIFY_OUT_JSON_ID" > undone'))
    fields = CommandFields(shell="echo '{\"id\": 42}'", output="json", undo=undo)
    await bench.drive(fields)
    [item] = bench.plan()
    assert (item.band, item.cls) == (CODE_BAND, "manual")
    [made] = await bench.take_all_back()
    assert isinstance(made.outcome, Done)
    assert (bare_world.repo_path / "undone").read_text() == "42\n"


async def test_a_command_without_undo_is_kept_and_says_so(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    await bench.drive(CommandFields(argv=("true",), undo="none", data="expand"))
    [item] = bench.plan()
    assert (item.band, item.cls) == (DATA_BAND, "none")
    assert item.says.startswith("kept: it")


async def test_a_command_is_an_argv_or_a_line_and_never_both(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    for fields in (CommandFields(undo="none"), CommandFields(argv=("true",), shell="true", undo="none")):
        with pytest.raises(Invalid):
            await bench.verb.prepare(fields, bench.ctx())


TIDY = "trap 'exit 0' TERM; touch up; while :; do sleep 0.05; done"


async def running(bench: Bench, fields: CommandFields | E2eFields) -> tuple[EffectState, asyncio.Task[Outcome]]:
    """The command, up and at work."""
    draft, effect = await intended(bench, fields)
    task = asyncio.create_task(bench.verb.act(draft, bench.ctx(effect.id)))
    async with asyncio.timeout(20):
        while not (bench.world.repo_path / "up").exists():
            await asyncio.sleep(0.01)
    return effect, task


async def test_a_command_ended_for_a_rollback_is_unknown_whatever_it_says_on_its_way_out(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "command")
    effect, task = await running(bench, CommandFields(shell=TIDY, undo="none"))
    assert await stop(bench.verb, effect, bench.ctx(effect.id))
    outcome = await task
    assert isinstance(outcome, Unknown)
    assert "ended for the rollback" in outcome.cause
    assert (await bench.probe(effect)).result == "unreachable"
    assert not await stop(bench.verb, effect, bench.ctx(effect.id))


@pytest.mark.parametrize(
    ("more", "said"), [({}, "term"), ({"on_rollback": "wait"}, "wait"), ({"data": "expand"}, "wait")]
)
async def test_a_rollback_ends_a_command_and_waits_for_a_migration(
    bare_world: RealWorld, more: dict[str, Any], said: str
) -> None:
    draft, _ = await intended(Bench(bare_world, "command"), CommandFields(argv=("true",), undo="none", **more))
    assert draft.on_rollback == said


async def test_tests_that_are_ended_are_cleaned_up(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    fields = E2eFields(argv=("sh", "-c", TIDY), cleanup=touch(bare_world.repo_path / "cleaned"))
    effect, task = await running(bench, fields)
    assert (await bench.probe(effect)).result == "running"
    assert await stop(bench.verb, effect, bench.ctx(effect.id))
    assert isinstance(await task, Done)  # orders were made: a rollback has to know
    assert (bare_world.repo_path / "cleaned").exists()


# --- e2e ------------------------------------------------------------------------------------------------------------

REPORT = '<testsuite name="s"><testcase name="pays"/><testcase name="ships">{}</testcase></testsuite>'


def suite(world: RealWorld, report: str, code: int = 0) -> E2eFields:
    """A test command that writes *report* and ends with *code*."""
    script = f"import sys; open('out.xml', 'w').write({report!r}); sys.exit({code})"
    return E2eFields(argv=python(script), junit="out.xml", cleanup=touch(world.repo_path / "cleaned"))


async def test_tests_that_pass_give_their_numbers_and_are_cleaned_up(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    fields = replace(suite(bare_world, REPORT.format("")), runs=2)
    await bench.drive(fields)
    ended = await bench.finish(fields)
    assert (ended.ok, ended.outputs) == (True, {"passed": 4, "failed": 0, "cases": []})
    assert (bare_world.repo_path / "cleaned").exists()


async def test_tests_that_fail_are_named_and_cleaned_up(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    fields = suite(bare_world, REPORT.format('<failure message="late"/>'), 1)
    [made] = await bench.drive(fields)
    assert isinstance(made.outcome, Done)  # orders were made: a rollback has to know
    ended = await bench.finish(fields)
    assert not ended.ok
    assert ended.reason == "1 of 2 tests failed: ships"
    assert (bare_world.repo_path / "cleaned").exists()
    [item] = bench.plan()
    (bare_world.repo_path / "cleaned").unlink()
    await bench.take_back(item)
    assert (bare_world.repo_path / "cleaned").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("pass", "no report"),
        ("open('out.xml', 'w').write('<testsuite')", "no JUnit XML"),
        ("open('out.xml', 'w').write('<testsuite name=\"s\"/>')", "no test was run"),
    ],
)
async def test_no_report_and_no_tests_are_no_success(bare_world: RealWorld, script: str, words: str) -> None:
    (bare_world.repo_path / "out.xml").write_text(REPORT.format(""))  # of an earlier run
    bench = Bench(bare_world, "e2e")
    fields = replace(suite(bare_world, ""), argv=python(script))
    await bench.drive(fields)
    ended = await bench.finish(fields)
    assert not ended.ok
    assert words in ended.reason


async def test_a_canceled_run_is_cleaned_up_before_it_ends(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    started = bare_world.repo_path / "started"
    script = f"import time; open({str(started)!r}, 'w'); time.sleep(60)"
    fields = replace(suite(bare_world, ""), argv=python(script))
    work = asyncio.create_task(bench.drive(fields))
    async with asyncio.timeout(20):
        while not started.exists():
            await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (bare_world.repo_path / "cleaned").exists()


async def test_a_failed_cleanup_fails_the_step(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    fields = replace(suite(bare_world, REPORT.format("")), cleanup=Argv(argv=("false",)))
    await bench.drive(fields)
    ended = await bench.finish(fields)
    assert (ended.ok, "cleanup" in ended.reason) == (False, True)


async def test_a_flaky_run_is_tried_again_as_often_as_written(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "e2e")
    script = "import os, sys; again = os.path.exists('once'); open('once', 'w'); sys.exit(0 if again else 1)"
    fields = E2eFields(argv=python(script), cleanup=Argv(argv=("true",)), flaky=Flaky(retry=1))
    [made] = await bench.drive(fields)
    assert (await bench.finish(fields)).ok
    assert made.effect is not None
    assert made.effect.receipt["tries"] == 2
