"""verify: looks, and changes nothing: conditions like a gate's, answers of URLs, versions, or a rollback's readiness.

Conditions are judged by the conductor, on readings with a history; the rest is asked here until it is fine for `for`,
or `max_wait` is over.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final, Literal

import msgspec

from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Base, Dur, GateEntry, Name, Range
from amplify_tui.run.shapes import PhasePlan, Watch
from amplify_tui.steps import ready
from amplify_tui.steps.http import Request, call_of
from amplify_tui.steps.http_call import Reply, missed, send
from amplify_tui.steps.instances import instances_of, seen
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.terms import terms
from amplify_tui.steps.verb import Context, Finished, Preparation
from amplify_tui.verdict.dependencies import meets
from amplify_tui.verdict.words import duration, listing

EVERY: Final = 1.0


class VerifyFields(Base, frozen=True):
    conditions: tuple[GateEntry, ...] = ()
    http: tuple[Request, ...] = ()
    versions: dict[Name, Range] = msgspec.field(default_factory=dict)
    rollback: Literal["ready"] | None = None
    for_: Dur = msgspec.field(name="for", default=0.0)
    max_wait: Dur = 300.0


class Verify(Quiet):
    name: ClassVar[str] = "verify"
    Fields: ClassVar[type[VerifyFields]] = VerifyFields
    outputs: ClassVar[dict[str, str]] = {"verdict": "string", "readings": "list"}

    async def prepare(self, fields: VerifyFields, ctx: Context) -> Preparation:
        lasting = f" for {duration(fields.for_)}" if fields.for_ else ""
        if fields.rollback:
            items = await ready.walk(ctx)
            lines = [f"{item.step}: {item.says}" for item in items]
            return Preparation(preview="\n".join([f"a rollback is {ready.summary(items)}", *lines]))
        if not fields.conditions:
            asked = [call_of(one, ctx, "http", at).shown for at, one in enumerate(fields.http)]
            asked += [f"{service} runs {wanted}" for service, wanted in fields.versions.items()]
            return Preparation(preview="\n".join(asked) + lasting)
        gate = terms(fields.conditions, ctx.world.playbook)
        what = ", ".join(term.id for term in gate)
        phase = PhasePlan(target=what, bake=fields.for_)
        watch = Watch(phases=(phase,), gate=gate, max_wait=max(fields.max_wait, fields.for_))
        return Preparation(preview=f"{what}{lasting}", watch=watch)

    async def finish(self, fields: VerifyFields, ctx: Context) -> Finished:
        if fields.conditions:
            verdict = ctx.step.verdict
            readings = [msgspec.to_builtins(term) for term in verdict.terms] if verdict else []
            passed = verdict is not None and verdict.answer == "pass"
            return _ended(passed, verdict.reason if verdict else "nobody has judged it", readings)
        if fields.rollback:
            items = await ready.walk(ctx)
            wrong = [f"{item.step} {item.says}" for item in items if item.state == "missing"]
            words = f"{ready.summary(items)}: {listing(wrong)}" if wrong else ready.summary(items)
            return _ended(not wrong, words, [msgspec.to_builtins(item) for item in items])
        if not fields.http and not fields.versions:
            raise Invalid("verify asks nothing", fix="write conditions, http, versions or rollback")
        return await _asked(fields, ctx)


async def _asked(fields: VerifyFields, ctx: Context) -> Finished:
    """Asks until everything is as wanted for long enough, or the longest wait is over."""
    clock = asyncio.get_running_loop().time  # no wall clock: one that is set back would make it wait for as long again
    began = clock()
    good_since: float | None = None
    while True:
        wrong = [*await _http(fields, ctx), *await _versions(fields, ctx)]
        now = clock()
        good_since = None if wrong else now if good_since is None else good_since
        if good_since is not None and now - good_since >= fields.for_:
            return _ended(True, "as expected", [])
        if now - began >= max(fields.max_wait, fields.for_):
            words = listing(wrong) or f"not good for {duration(fields.for_)} within {duration(fields.max_wait)}"
            return _ended(False, words, [{"said": one} for one in wrong])
        await asyncio.sleep(min(EVERY, fields.max_wait or EVERY))


async def _http(fields: VerifyFields, ctx: Context) -> list[str]:
    wrong = []
    for at, request in enumerate(fields.http):
        call = call_of(request, ctx, "http", at)
        reply = await send(call, ctx.world, {})
        if not isinstance(reply, Reply):
            wrong.append(str(getattr(reply, "reason", "") or getattr(reply, "cause", "")))
        elif words := missed(call, reply):
            wrong.append(f"{call.shown} {words}")
    return wrong


async def _versions(fields: VerifyFields, ctx: Context) -> list[str]:
    """What does not run a version within its range; an instance that is silent does not."""
    if fields.versions:
        await ctx.world.refresh()
    wrong = []
    for service, wanted in fields.versions.items():
        for unit in instances_of(service, ctx.world.playbook):
            now = seen(ctx.world, service, unit)
            if now.version is None:
                wrong.append(now.note)
            elif not meets(now.version, wanted):
                wrong.append(f"{unit} runs {now.version}, expected {wanted}")
    return wrong


def _ended(passed: bool, words: str, readings: list[Any]) -> Finished:
    outputs = {"verdict": "pass" if passed else "fail", "readings": readings[:50]}
    return Finished(ok=passed, reason=words, outputs=outputs)
