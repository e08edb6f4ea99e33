"""The fifteen verbs of the reference as the playbook's own tests need them: fields and outputs, no behaviour."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from amplify_tui.playbook.model import (
    Dur,
    Expr,
    GateEntry,
    Input,
    Name,
    Pct,
    Ref,
    Regex,
    SemVer,
    Url,
)
from amplify_tui.playbook.registry import Registry, VerbSpec

Argv = tuple[str, ...]
Hosts = Annotated[tuple[str, ...], Meta(extra={"late": "never"})]
LateArgv = Annotated[tuple[str, ...], Meta(extra={"late": "instance"})]


class Fields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Confirm(Fields, frozen=True):
    ask: str
    accept: str = "Go"
    decline: str = "Stop"
    evidence: tuple[GateEntry, ...] = ()


class Asked(Fields, frozen=True):
    fields: dict[Ref, Input]


class Scope(Fields, frozen=True):
    since: str | None = None
    until: str | None = None
    paths: tuple[str, ...] = ()
    tickets: Regex | None = None
    require_ticket: bool | Literal["warn"] = False


class Window(Fields, frozen=True):
    tz: str
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    hours: str | None = None
    freeze: str | None = None
    min_left: Dur = 0.0


class Dependencies(Fields, frozen=True):
    services: Literal["all"] | tuple[Name, ...] = "all"
    planned: dict[Name, SemVer] = field(default_factory=dict)
    max_age: Dur = 30.0
    on_unknown: Literal["stop", "ask", "continue"] = "stop"


class Notify(Fields, frozen=True):
    to: tuple[Name, ...]
    subject: str
    body: str
    attach: tuple[Literal["notes", "card", "report"], ...] = ()
    correction: str | None = None
    wait: bool = False
    dedupe: str | None = None


class Rule(Fields, frozen=True):
    field: str
    op: str
    value: str | None = None
    values: tuple[str, ...] = ()
    inverted: bool = False


class Strategy(Fields, frozen=True):
    name: str = "flexibleRollout"
    title: str = ""
    rollout: Pct | None = None
    stickiness: str = "default"
    group: str | None = None
    where: tuple[Rule, ...] = ()
    segments: tuple[int, ...] = ()
    variants: tuple[Any, ...] = ()
    disabled: bool = False


class Flag(Fields, frozen=True):
    name: str
    source: Name
    enabled: bool | None = None
    strategies: tuple[Strategy, ...] | None = None
    add: tuple[Strategy, ...] = ()
    change: tuple[dict[str, Any], ...] = ()
    remove: tuple[str, ...] = ()
    create: str | None = None
    reuse: Literal["refuse", "if_off", "allow"] = "refuse"
    description: str = ""
    tags: tuple[str, ...] = ()
    impression_data: bool | None = None
    archive: bool = False
    project: str | None = None


class Tag(Fields, frozen=True):
    name: str
    at: str | None = None
    message: str | None = None
    sign: bool = False
    push: bool | str = False
    expect_previous: str | None = None


class Probe(Fields, frozen=True):
    argv: Argv
    timeout: Dur | None = None


class ExpectExit(Fields, frozen=True):
    exit: tuple[int, ...] = (0,)


class Undo(Fields, frozen=True):
    argv: Argv
    env: dict[str, str] = field(default_factory=dict)


class Command(Fields, frozen=True):
    argv: Argv = ()
    shell: str | None = None
    cwd: str = "."
    env: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None
    output: Literal["text", "json"] = "text"
    expect: ExpectExit = ExpectExit()
    probe: Probe | None = None
    undo: Literal["none", "manual"] | Undo | None = None
    data: Literal["expand", "backfill", "contract"] | None = None
    on_rollback: Literal["term", "wait"] = "term"
    idempotent: bool = False
    allow_dash: bool = False


class HttpExpect(Fields, frozen=True):
    status: tuple[int, ...] = ()
    json: dict[str, Any] = field(default_factory=dict)


class Http(Fields, frozen=True):
    url: Url
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    hosts: Hosts = ()
    json: Any = None
    body: str | None = None
    expect: HttpExpect = HttpExpect()
    probe: Any = None
    undo: Any = None
    idempotency_header: str | None = None


class Verify(Fields, frozen=True):
    conditions: tuple[GateEntry, ...] = ()
    http: tuple[Http, ...] = ()
    versions: dict[Name, SemVer] = field(default_factory=dict)
    rollback: Literal["ready"] | None = None
    for_: Dur = field(name="for", default=0.0)
    max_wait: Dur = 300.0


class Deploy(Fields, frozen=True):
    argv: LateArgv
    env: Annotated[dict[str, str], Meta(extra={"late": "instance"})] = field(default_factory=dict)


class Rollout(Fields, frozen=True):
    bake: Dur | tuple[Dur, ...]
    flag: str | None = None
    source: Name | None = None
    phases: tuple[Pct, ...] = ()
    service: Name | None = None
    waves: tuple[int | str, ...] = ()
    deploy: Deploy | None = None
    revert: Deploy | None = None
    settle: Dur | None = None
    gate: tuple[GateEntry, ...] = ("health", "fleet")
    max_wait: Dur | None = None
    on_fail: Literal["hold", "retreat", "rollback", "ask"] = "hold"
    strategy: str | None = None
    partial: bool = False


class E2e(Fields, frozen=True):
    argv: Argv
    cleanup: Undo
    junit: str | None = None
    artifacts: tuple[str, ...] = ()
    runs: int = 1
    flaky: Any = None
    against: tuple[Url, ...] = ()


class Monitor(Fields, frozen=True):
    for_: Dur = field(name="for")
    gate: tuple[GateEntry, ...]
    on_fail: Literal["ask", "hold", "rollback"] = "ask"
    every: Dur | None = None
    background: bool = False


class Wait(Fields, frozen=True):
    reason: str
    for_: Dur | None = field(name="for", default=None)
    until: Annotated[Expr, Meta(extra={"late": "until"})] | None = None


def _specs() -> tuple[VerbSpec, ...]:
    return (
        VerbSpec(name="confirm", fields=Confirm, outputs={"by": "string", "at": "number", "note": "string"}),
        VerbSpec(name="input", fields=Asked),
        VerbSpec(
            name="scope",
            fields=Scope,
            outputs={**dict.fromkeys(("commits", "tickets", "authors"), "list"), "notes": "string", "breaking": "bool"},
        ),
        VerbSpec(name="window", fields=Window, outputs={"until": "number"}),
        VerbSpec(
            name="dependencies", fields=Dependencies, outputs={"graph": "any", "order": "list", "violations": "list"}
        ),
        VerbSpec(name="notify", fields=Notify, outputs={"receipts": "list"}),
        VerbSpec(name="flag", fields=Flag, outputs={"before": "any", "after": "any", "revision": "string"}),
        VerbSpec(name="tag", fields=Tag, outputs={"ref": "string", "sha": "string", "pushed": "bool"}),
        VerbSpec(name="command", fields=Command, outputs={"exit": "int", "text": "string", "json": "any"}),
        VerbSpec(name="http", fields=Http, outputs={"status": "int", "json": "any"}),
        VerbSpec(name="verify", fields=Verify, outputs={"verdict": "string", "readings": "list"}),
        VerbSpec(name="rollout", fields=Rollout, outputs={"phase": "int", "percent": "number", "waves": "int"}),
        VerbSpec(name="e2e", fields=E2e, outputs={"passed": "int", "failed": "int", "cases": "list"}),
        VerbSpec(name="monitor", fields=Monitor, outputs={"verdict": "string", "summary": "string", "worst": "any"}),
        VerbSpec(name="wait", fields=Wait, outputs={"waited": "number"}),
    )


REGISTRY = Registry({spec.name: spec for spec in _specs()})
__all__ = ["REGISTRY"]
