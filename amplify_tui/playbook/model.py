"""The typed document: what a playbook says once its expressions have values.

Only shapes live here. A `Document` (document.py) holds the tree as written, with positions and `${{ }}`;
resolving it with a context gives these structs. The JSON Schema is generated from the same types, and the
strict checker walks them, so a field exists in exactly one place. Durations are seconds (float) once
resolved; in YAML they are `90s`, `2h30m`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

Dur = Annotated[float, Meta(extra={"kind": "dur"})]  # seconds; written 90s 10m 2h30m 1d
Pct = Annotated[float, Meta(extra={"kind": "pct"})]  # 0-100, the number of a phase
Share = Annotated[float, Meta(extra={"kind": "share"})]  # a fraction; written as a number or as `20%`
Bound = Annotated[float, Meta(extra={"kind": "bound"})]  # in a signal's own unit: 0.01 or `1%`, 0.4 or `400ms`, 12
Range = Annotated[str, Meta(extra={"kind": "range"})]  # node-semver range
SemVer = Annotated[str, Meta(extra={"kind": "semver"})]
Ref = Annotated[str, Meta(extra={"kind": "ref"})]  # an id: [a-z][a-z0-9_]*
Name = Annotated[str, Meta(extra={"kind": "name"})]  # an id that may hold '-'
Url = Annotated[str, Meta(extra={"kind": "url"})]
Secret = Annotated[str, Meta(extra={"kind": "secret"})]  # only `${{ secrets.N }}`, never a literal
Regex = Annotated[str, Meta(extra={"kind": "regex"})]
Expr = Annotated[bool, Meta(extra={"kind": "expr"})]  # exactly one `${{ }}`


class Base(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every part of the document: frozen, and no key it does not know."""


class Input(Base, frozen=True):
    type: Literal["string", "int", "number", "bool", "semver", "choice", "list", "duration", "secret"]
    of: Literal["string", "int", "number", "bool", "semver", "duration"] | None = None
    choices: tuple[str, ...] = ()
    default: Any = None
    pattern: Regex | None = None
    min: float | None = None
    max: float | None = None
    help: str = ""
    ask: Literal["start", "late"] = "start"


class Release(Base, frozen=True):
    repo: str
    version: SemVer
    environment: str
    ref: str = "HEAD"
    previous: str | None = "auto"
    tag_prefix: str = "v"
    trusted_ref: str | None = None
    override_roles: tuple[str, ...] = ("captain",)
    people: Literal["team", "solo", "regulated"] = "team"
    autopilot: bool = False
    locks: Any = "auto"


class Instance(Base, frozen=True):
    url: Url
    id: str = ""
    zone: str = ""


class Discover(Base, frozen=True):
    discover: dict[str, Any]


class Expect(Base, frozen=True):
    status: int = 200


class Health(Base, frozen=True):
    path: str = "/health"
    every: Dur = 5.0
    timeout: Dur = 1.0
    expect: Expect = Expect()


class VersionProbe(Base, frozen=True):
    path: str = "/version"
    field: str = "version"


class SchemaRange(Base, frozen=True):
    field: str
    accepts: Range
    previous_accepts: Range | None = None


class Started(Base, frozen=True):
    field: str


class Service(Base, frozen=True):
    instances: tuple[Url | Instance, ...] | Discover
    owner: str = ""
    requires: dict[Name, Range] = field(default_factory=dict)
    health: Health = Health()
    version: VersionProbe = VersionProbe()
    schema: SchemaRange | None = None
    started: Started | None = None


class FlagCode(Base, frozen=True):
    """How the released code names the flags of a source, for `check --live` and the board."""

    paths: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


class Source(Base, frozen=True):
    """Exactly one of the keys that name a kind; `use` names an implementation of another package."""

    prometheus: Url | None = None
    scrape: Name | None = None
    probes: Name | None = None
    http: Url | None = None
    unleash: Url | None = None
    flagfile: str | None = None
    use: str | None = None
    with_: dict[str, Any] = field(name="with", default_factory=dict)
    branch: str | None = None
    remote: str | None = None
    timeout: Dur | None = None
    headers: dict[str, str] = field(default_factory=dict)
    token: Secret | None = None
    client_token: Secret | None = None
    lag: Dur = 0.0
    every: Dur | None = None
    path: str | None = None
    at: str | None = None
    environment: str | None = None
    project: str = "default"
    poll: Dur = 15.0
    report: Dur = 65.0
    population: str | None = None
    max_full_for: Dur | None = None
    code: FlagCode | None = None


WorseThan: TypeAlias = Literal["control", "yesterday", "last_week"]


class Condition(Base, frozen=True):
    """What a gate or a trigger asks (verdicts.md 2). Exactly one of above, below, worse_than, or slo + burn."""

    signal: Name | None = None
    cohort: Literal["treatment", "control"] | None = None
    above: Bound | None = None
    below: Bound | None = None
    worse_than: WorseThan | None = None
    by: Share | None = None
    for_: Dur | None = field(name="for", default=None)
    min_samples: int | None = None
    every: Dur | None = None
    max_age: Dur | None = None
    slo: Name | None = None
    burn: float | None = None
    windows: tuple[Dur, ...] = ()
    alpha: float | None = None


# One entry of a gate: a built-in's name or a signal's name (which then answers to the signal's own `limit`),
# or a condition.
GateName = Annotated[str, Meta(extra={"kind": "gate"})]
GateEntry: TypeAlias = GateName | Condition
BUILTINS = ("health", "fleet", "dependencies", "exposure", "drift")


class Limit(Base, frozen=True):
    above: Bound | None = None
    below: Bound | None = None
    worse_than: WorseThan | None = None
    by: Share | None = None
    for_: Dur | None = field(name="for", default=None)
    min_samples: int | None = None
    alpha: float | None = None


class Cohorts(Base, frozen=True):
    treatment: str
    control: str


class Signal(Base, frozen=True):
    golden: Literal["latency", "traffic", "errors", "saturation"]
    source: Name
    value: str | None = None
    count: str | None = None
    bad: str | None = None
    total: str | None = None
    by_instance: str | None = None
    state: dict[str, str] | None = None
    as_: Literal["rate", "increase"] = field(name="as", default="rate")
    cohorts: Cohorts | None = None
    pass_: Literal["unless_worse", "proven"] = field(name="pass", default="unless_worse")
    every: Dur = 5.0
    window: Dur = 30.0
    quantile: float | None = None
    block: Dur = 30.0
    harm: Share = 0.001
    independent: bool = False
    min_samples: int | None = None
    max_age: Dur | None = None
    limit: Limit | None = None


class Slo(Base, frozen=True):
    objective: Share
    window: Dur
    bad: str = ""
    total: str = ""
    source: Name = ""
    openslo: str | None = None


class Stakeholder(Base, frozen=True):
    via: Literal["webhook", "slack", "smtp", "apprise", "file", "command"]
    url: str | None = None
    argv: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    about: tuple[
        Literal["all", "start", "phase", "hold", "trigger", "problem", "rollback", "restored", "done"], ...
    ] = ("all",)
    locale: str = "en"
    token: Secret | None = None
    channel: str | None = None
    server: str | None = None
    from_: str | None = field(name="from", default=None)
    to: str | None = None


class Trigger(Condition, frozen=True):
    """A condition of `rollback.when` with what it does when it fires."""

    builtin: str | None = None  # set by the loader where the entry is a built-in's name
    mode: Literal["ask", "auto"] = "ask"
    answer_within: Dur = 120.0
    then: Literal["hold", "rollback"] = "hold"
    scope: Literal["exposure", "full"] = "exposure"


class OnBlind(Base, frozen=True):
    after: Dur = 120.0
    do: Literal["ask", "hold", "rollback"] = "ask"


class SignOff(Base, frozen=True):
    roles: dict[str, int]
    not_starter: bool = False
    expires: Dur = 14400.0


class Step(Base, frozen=True):
    """A step's common part. `fields` is the verb's own part, still as written."""

    id: Ref
    verb: str
    fields: Any
    title: str = ""
    when: Any = True
    needs: tuple[str, ...] | None = None
    each: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    max_parallel: int = 1
    fail_fast: bool = True
    skippable: bool | tuple[str, ...] = False
    on_fail: Literal["stop", "continue", "ask"] = "stop"
    timeout: Dur | None = None
    retries: int = 0
    sign_off: SignOff | None = None
    undo_after: tuple[str, ...] = ()
    guide: str = ""


class Stage(Base, frozen=True):
    id: Ref
    steps: tuple[Step, ...]
    title: str = ""
    needs: tuple[str, ...] | None = None
    when: Any = True


class Rollback(Base, frozen=True):
    when: tuple[Trigger, ...] = ()
    on_blind: OnBlind = OnBlind()
    complete_within: Dur | None = None
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    integrity: tuple[Step, ...] = ()
    reconcile: tuple[Step, ...] = ()


class Playbook(Base, frozen=True):
    """The whole document, resolved. Secrets stay markers (see expressions): their values are no part of it."""

    name: Name
    release: Release
    stages: tuple[Stage, ...]
    title: str = ""
    description: str = ""
    include: tuple[str, ...] = ()
    inputs: dict[Ref, Input] = field(default_factory=dict)
    roles: dict[Name, tuple[str, ...]] = field(default_factory=dict)
    services: dict[Name, Service] = field(default_factory=dict)
    sources: dict[Name, Source] = field(default_factory=dict)
    signals: dict[Name, Signal] = field(default_factory=dict)
    slos: dict[Name, Slo] = field(default_factory=dict)
    stakeholders: dict[Name, Stakeholder] = field(default_factory=dict)
    rollback: Rollback = Rollback()
