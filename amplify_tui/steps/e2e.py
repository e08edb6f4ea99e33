"""e2e: the team's tests against production. What they leave behind is cleaned up always: passed, failed, canceled.

That the tests failed is no failure of the effect: it was made, and must be cleaned up again by a rollback. So an effect
is Done whenever the command was started and is known to have ended, and `finish` says what its tests said.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.junit import read_junit
from amplify_tui.adapters.ports import Absent, AdapterError, Done, Invalid, Outcome, Probe
from amplify_tui.playbook.model import Base, Url
from amplify_tui.run.shapes import WORDS_BAND, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps.commands import MARGIN, TIMEOUT, Argv, Work, at_work, left_off, perform, start, stop
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task

CLEANUP_TIMEOUT: Final = 120.0
_CASES: Final = 50
_ARTIFACTS: Final = 50


class Flaky(Base, frozen=True):
    """How often a failed run is tried again before it counts as failed."""

    retry: int = 0


class E2eFields(Base, frozen=True):
    argv: tuple[str, ...]
    cleanup: Argv
    junit: str | None = None
    artifacts: tuple[str, ...] = ()
    runs: int = 1
    flaky: Flaky = Flaky()
    against: tuple[Url, ...] = ()
    allow_dash: bool = False


class E2e:
    name: ClassVar[str] = "e2e"
    Fields: ClassVar[type[E2eFields]] = E2eFields
    outputs: ClassVar[dict[str, str]] = {"passed": "int", "failed": "int", "cases": "list"}

    async def prepare(self, fields: E2eFields, ctx: Context) -> Preparation:
        times = f"{fields.runs} times " if fields.runs > 1 else ""
        cleanup = " ".join(fields.cleanup.argv)
        return Preparation(preview=f"runs {times}{_work(fields, ctx).shown}\nalways cleans up with {cleanup}")

    async def tasks(self, fields: E2eFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        """One run after the other; an attempt makes all of them anew, as tests prove nothing for later."""
        return [
            [Task(ordinal=f"{ctx.step.n}.{number}", data={"fields": fields, "run": number}, label=f"run {number + 1}")]
            for number in range(fields.runs)
        ]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "item" in task.data:
            return _cleaning(task.data["item"])
        fields: E2eFields = task.data["fields"]
        work, cleanup = _work(fields, ctx), _cleanup(fields)
        tries = 1 + fields.flaky.retry
        return Draft(
            target=Target(kind="e2e", id=str(ctx.step.ref), env=ctx.state.environment),
            before=None,
            after={"command": work.shown, "run": task.data["run"]},
            timeout=(work.timeout + MARGIN) * tries + cleanup.timeout + MARGIN,
            says=f"tests: {work.shown}",
            data={"work": work, "cleanup": cleanup, "fields": fields, "slot": _slot(task.data["run"])},
            undo=Undo(
                band=WORDS_BAND,
                verb="e2e",
                spec={"cleanup": msgspec.to_builtins(cleanup)},
                cls="safe",
                says=f"cleans up after {ctx.step.ref}",
                by_hand=cleanup.shown,
            ),
        )

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        if "item" in draft.data:
            return await perform(draft.data["work"], ctx, slot="cleanup")
        receipt: dict[str, Any] = {"passed": 0, "failed": 0, "bad": [], "why": "it was cut off"}
        try:
            receipt = await _tested(draft, ctx)
        except AdapterError as error:
            return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)
        finally:
            cleaned = await perform(draft.data["cleanup"], ctx, slot=f"{draft.data['slot']}-cleanup")
            receipt["cleanup"] = "" if isinstance(cleaned, Done) else _why(cleaned)
        return Done(receipt=receipt, observed={name: receipt[name] for name in ("passed", "failed")})

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        """A run whose conductor died has happened, and told nobody how it went: it counts as done, and as failed.

        A cleanup that nobody saw end is made again.
        """
        slot = _slot_of(effect)
        if running := at_work(ctx, slot):
            return Probe(result="running", detail=running)
        known = left_off(Work(), ctx, slot)
        if effect.undoes:
            return known or Probe(result="absent", detail="nobody saw it end: it cleans up again")
        if known is not None and known.observed is None:  # its ending alone says nothing of its report and its cleanup
            return known
        return Probe(result="done", detail="it ended without anybody to hear how")

    async def stop(self, effect: EffectState, ctx: Context) -> bool:
        return await stop(ctx, _slot_of(effect))

    async def finish(self, fields: E2eFields, ctx: Context) -> Finished:
        """Ok only where every run of this attempt is known to have passed, and was cleaned up after."""
        mine = [effect for effect in ctx.done() if effect.n == ctx.step.n]
        receipts = [effect.receipt for effect in mine]
        bad = [case for receipt in receipts for case in receipt.get("bad", [])]
        outputs = {
            "passed": sum(int(receipt.get("passed", 0)) for receipt in receipts),
            "failed": sum(int(receipt.get("failed", 0)) for receipt in receipts),
            "cases": bad[:_CASES],
        }
        wrong = [str(receipt.get("why", "nobody heard how it went")) for receipt in receipts]
        wrong += [f"cleanup: {receipt['cleanup']}" for receipt in receipts if receipt.get("cleanup")]
        if len(mine) < fields.runs:
            wrong.append(f"{len(mine)} of {fields.runs} runs were made")
        reason = "; ".join(dict.fromkeys(words for words in wrong if words))
        return Finished(ok=not reason, reason=reason, outputs=outputs)

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return Task(ordinal=item.id, data={"item": item}, label=item.says)


def _slot_of(effect: EffectState) -> str:
    return "cleanup" if effect.undoes else _slot(int(effect.after.get("run", 0)))


def _slot(run: int) -> str:
    return f"run{run + 1}"


def _work(fields: E2eFields, ctx: Context) -> Work:
    env = {"AMPLIFY_AGAINST": ",".join(fields.against)} if fields.against else {}
    return Work(argv=fields.argv, env=env, timeout=ctx.plan.timeout or TIMEOUT)


def _cleanup(fields: E2eFields) -> Work:
    return Work(
        argv=fields.cleanup.argv, env=dict(fields.cleanup.env), timeout=fields.cleanup.timeout or CLEANUP_TIMEOUT
    )


async def _tested(draft: Draft, ctx: Context) -> dict[str, Any]:
    """What the tests said, after the tries that are allowed. Raises AdapterError where they could not be started."""
    fields: E2eFields = draft.data["fields"]
    receipt: dict[str, Any] = {}
    for number in range(1 + fields.flaky.retry):
        receipt = await _once(fields, draft.data["work"], draft.data["slot"], ctx)
        receipt["tries"] = number + 1
        if not receipt["why"]:
            break
    await asyncio.to_thread(_keep, fields.artifacts, ctx.world.repo_path, ctx.world.run_dir / "artifacts")
    return receipt


async def _once(fields: E2eFields, work: Work, slot: str, ctx: Context) -> dict[str, Any]:
    report = report_of(fields.junit, ctx.world.repo_path) if fields.junit else None
    if report is not None:  # a report of an earlier run must never speak for this one
        await asyncio.to_thread(report.unlink, missing_ok=True)
    ended = await start(work, ctx, slot=slot)
    said = f"ended with {ended.exit}"
    if ended.timed_out:
        said = f"did not end within {work.timeout:g} s"
    if report is None:
        good = ended.exit == 0 and not ended.timed_out
        last = clean(ended.text.rpartition("\n")[2], 200)
        why = "" if good else f"{work.shown} {said}{f': {last}' if last else ''}"
        return {"passed": int(good), "failed": int(not good), "bad": [], "why": why}
    return await _reported(report, said, ended.exit == 0 and not ended.timed_out)


async def _reported(report: Path, said: str, good: bool) -> dict[str, Any]:
    """What the report says; a command that failed all the same, and a report without tests, are no success."""
    try:
        results = await asyncio.to_thread(read_junit, report)
    except AdapterError as broken:
        return {"passed": 0, "failed": 0, "bad": [], "why": f"the tests {said}, and {broken}"}
    bad = [{"name": case.name, "message": case.message} for case in results.bad]
    why = ""
    if bad:
        names = ", ".join(case.name for case in results.bad[:5])
        why = f"{len(bad)} of {results.total} tests failed: {names}{' …' if len(bad) > 5 else ''}"
    elif not good:
        why = f"the tests {said}, although their report names no failure"
    elif results.total == results.count("skipped"):
        why = "no test was run"
    return {"passed": results.count("passed"), "failed": len(bad), "bad": bad[:_CASES], "why": why}


def report_of(junit: str, root: Path) -> Path:
    """Where the report will be. It is deleted before each run: outside the repository it is refused (Invalid)."""
    report = root / junit
    if not report.resolve().is_relative_to(root.resolve()):
        raise Invalid(f"junit leaves the repository: {clean(junit, 120)}", fix="name a file below it")
    return report


def _keep(patterns: Sequence[str], root: Path, into: Path) -> None:
    """Copies what the tests left for people to look at into the run's folder; only from inside the repository."""
    root = root.resolve()
    found = [path for pattern in patterns if not Path(pattern).is_absolute() for path in root.glob(pattern)]
    for path in found[:_ARTIFACTS]:
        source = path.resolve()
        if source.is_file() and source.is_relative_to(root):
            target = into / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _why(outcome: Outcome) -> str:
    return str(getattr(outcome, "reason", "") or getattr(outcome, "cause", "it waits for somebody"))


def _cleaning(item: UndoItem) -> Draft:
    work = msgspec.convert(item.spec["cleanup"], Work)
    return Draft(
        target=item.target,
        before=item.after,
        after={"command": work.shown},
        timeout=work.timeout + MARGIN,
        says=item.says,
        data={"item": True, "work": work},
    )
