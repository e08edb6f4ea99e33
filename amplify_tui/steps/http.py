"""http: one request to another system. What it writes has an undo, which is a request too, or says that it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from amplify_tui.adapters.ports import Outcome, Probe
from amplify_tui.playbook.context import secret_names
from amplify_tui.playbook.hosts import bound_hosts
from amplify_tui.playbook.model import Base, Url
from amplify_tui.report import shell
from amplify_tui.run.shapes import CODE_BAND, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.run.undo import LANDS_WITHIN
from amplify_tui.steps.commands import idem
from amplify_tui.steps.http_call import READS, TIMEOUT, Call, ExpectAnswer, Reply, bind, missed, outcome_of, send
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
_ABSENT: Final = 404
Hosts = Annotated[tuple[str, ...], Meta(extra={"late": "never"})]  # stays as it is written: no value can add a host


class Request(Base, frozen=True):
    """A request beside the main one: a probe, an undo, or an entry of verify."""

    url: Url
    method: Method = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    hosts: Hosts = ()
    json: Any = None
    body: str | None = None
    expect: ExpectAnswer = ExpectAnswer()


class HttpFields(Base, frozen=True):
    url: Url
    method: Method = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    hosts: Hosts = ()
    json: Any = None
    body: str | None = None
    expect: ExpectAnswer = ExpectAnswer()
    probe: Request | None = None
    undo: Literal["none"] | Request | None = None
    idempotency_header: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """The `after` of a request's effect: all that a probe by a later conductor needs."""

    call: Call
    probe: Call | None = None
    header: str = ""
    repeatable: bool = False


class HttpStep:
    name: ClassVar[str] = "http"
    Fields: ClassVar[type[HttpFields]] = HttpFields
    outputs: ClassVar[dict[str, str]] = {"status": "int", "json": "any"}

    async def prepare(self, fields: HttpFields, ctx: Context) -> Preparation:
        call = call_of(fields, ctx)
        undo = (
            f"undo: {call_of(fields.undo, ctx, 'undo').shown}" if isinstance(fields.undo, Request) else "NOT UNDOABLE"
        )
        return Preparation(preview=call.shown if fields.method in READS else f"{call.shown}\n{undo}")

    async def tasks(self, fields: HttpFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        """A read has no effect: `finish` makes it."""
        if fields.method in READS:
            return ()
        return [[Task(ordinal="0", data={"fields": fields}, label=call_of(fields, ctx).shown)]]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "item" in task.data:
            return _undoing(task.data["item"])
        fields: HttpFields = task.data["fields"]
        plan = Plan(
            call=call_of(fields, ctx),
            probe=call_of(fields.probe, ctx, "probe") if fields.probe else None,
            header=fields.idempotency_header or "",
            repeatable=fields.method in ("PUT", "DELETE") or fields.idempotency_header is not None,
        )
        return Draft(
            target=Target(kind="http", id=str(ctx.step.ref), env=ctx.state.environment),
            before=None,
            after=msgspec.to_builtins(plan),
            timeout=plan.call.timeout,
            says=plan.call.shown,
            data={},
            undo=_undo(fields, ctx),
        )

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        plan = msgspec.convert(draft.after, Plan)
        headers = {plan.header: idem(ctx)} if plan.header else {}
        return outcome_of(plan.call, await send(plan.call, ctx.world, headers))

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        """Its own probe says done (as expected) or absent (404); without one, a request that may be repeated is.

        One that may not be repeated is not absent before it can no longer land late: a gateway that stood still may yet
        hand it on.
        """
        plan = msgspec.convert(effect.after, Plan)
        if plan.probe is None:
            if plan.repeatable:
                return Probe(result="absent", detail="it may be sent again: the other side knows it by its key")
            return Probe(result="unreachable", detail="it has no probe: look, then settle it as done or absent")
        reply = await send(plan.probe, ctx.world, {})
        if not isinstance(reply, Reply):
            return Probe(result="unreachable", detail=str(getattr(reply, "reason", "") or getattr(reply, "cause", "")))
        words = missed(plan.probe, reply)
        if not words:
            return Probe(result="done", observed=reply.json)
        is_absent = reply.status == _ABSENT or 200 <= reply.status < 300
        left = effect.unknown_since + LANDS_WITHIN - ctx.now() if not plan.repeatable else 0.0
        if is_absent and left > 0:
            words = f"{words}; a request without an answer may land late: {left:.0f} s to go"
            return Probe(result="unreachable", observed=reply.json, detail=words)
        return Probe(result="absent" if is_absent else "unreachable", observed=reply.json, detail=words)

    async def finish(self, fields: HttpFields, ctx: Context) -> Finished:
        if fields.method in READS:
            call = call_of(fields, ctx)
            reply = await send(call, ctx.world, {})
            if not isinstance(reply, Reply):
                return Finished(ok=False, reason=str(getattr(reply, "reason", "") or getattr(reply, "cause", "")))
            words = missed(call, reply)
            outputs = {"status": reply.status, "json": reply.json}
            return Finished(ok=not words, reason=f"{call.shown} {words}" if words else "", outputs=outputs)
        done = ctx.done()
        receipt = done[-1].receipt if done else {}
        return Finished(ok=True, outputs={"status": receipt.get("status", 0), "json": receipt.get("json")})

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return Task(ordinal=item.id, data={"item": item}, label=item.says)


def call_of(request: HttpFields | Request, ctx: Context, *at: str | int) -> Call:
    """The request as data; *at* is where it stands below the step's fields.

    Raises Invalid where it would take a secret to a host that the playbook does not write.
    """
    call = Call(
        method=request.method,
        url=request.url,
        headers=request.headers,
        json=request.json,
        body=request.body,
        status=request.expect.status,
        expect_json=request.expect.json,
        timeout=ctx.plan.timeout or TIMEOUT,
        hosts=bound_hosts({"hosts": request.hosts} if request.hosts else _written(ctx, at)),
    )
    if not secret_names(call.url):  # else its host is known when the secret is put in
        bind(call, call.url)
    return call


def _written(ctx: Context, at: Sequence[str | int]) -> Mapping[str, Any]:
    """A request of the step as the playbook has it, with its expressions."""
    book = ctx.world.playbook
    lanes = (book.rollback.before, book.rollback.after, book.rollback.reconcile, book.rollback.integrity)
    steps = [step for lane in (*(stage.steps for stage in book.stages), *lanes) for step in lane]
    found: Any = next((step.fields for step in steps if step.id == ctx.plan.id), None)
    for key in at:
        match found, key:  # where a value gave the whole request, the text has nothing there
            case Mapping(), str():
                found = found.get(key)
            case list() | tuple(), int() if key < len(found):
                found = found[key]
            case _:
                return {}
    return found if isinstance(found, Mapping) else {}


def _undo(fields: HttpFields, ctx: Context) -> Undo:
    if not isinstance(fields.undo, Request):
        says = f"kept: {ctx.step.ref} (declared as not undoable)"
        return Undo(band=CODE_BAND, verb="http", spec={}, cls="none", says=says)
    plan = Plan(call=call_of(fields.undo, ctx, "undo"), header=fields.idempotency_header or "", repeatable=True)
    call, sent = plan.call, {plan.header: f"{ctx.state.run}/{ctx.step.ref}/by-hand"} if plan.header else {}
    return Undo(
        band=CODE_BAND,
        verb="http",
        spec={"plan": msgspec.to_builtins(plan)},
        cls="manual",
        says=plan.call.shown,
        by_hand=shell.curl(call.method, call.url, {**call.headers, **sent}, json_body=call.json, body=call.body),
    )


def _undoing(item: UndoItem) -> Draft:
    plan = msgspec.convert(item.spec["plan"], Plan)
    return Draft(
        target=item.target,
        before=item.after,
        after=item.spec["plan"],
        timeout=plan.call.timeout,
        says=item.says,
        data={},
    )
