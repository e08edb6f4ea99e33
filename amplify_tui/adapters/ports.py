"""The ports: one shape for each kind of outside system, and the outcomes and errors they share.

Every adapter maps its library's errors to this tree at one place; nothing above ever sees httpx, git or smtplib.

    AdapterError
    ├── Unreachable     no connection, no answer in time before anything was sent, 5xx that says nothing was done
    ├── Unauthorized    401: missing, wrong or expired credentials
    ├── Forbidden       403: known, but lacks a right
    ├── NeedsApproval   taken, somebody must approve it elsewhere
    ├── Conflict        the target is not what the caller saw
    ├── RateLimited     429: later; a rate limit makes a reading stale, not broken
    ├── Invalid         the other side refused the shape of it, or answered nonsense (HTML where JSON should be)
    ├── NotFound
    └── NoSecret        a secret that is needed has no value here; nothing was sent

A *write* that may or may not have happened never raises: it answers `Unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from amplify_tui.run.secret_words import not_set, where_set
from amplify_tui.verdict.flag_words import sentence
from amplify_tui.verdict.flags import FlagRule
from amplify_tui.verdict.model import Cohort, FlagUse, Reading


class AdapterError(Exception):
    """A failure at the boundary, in words for the screen: what happened, and what to do."""

    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.what, f"at {self.where}" if self.where else "", self.fix]
        return "; ".join(part for part in parts if part)


class Unreachable(AdapterError):
    retryable = True


class Unauthorized(AdapterError):
    pass


class Forbidden(AdapterError):
    pass


class NeedsApproval(AdapterError):
    pass


class Conflict(AdapterError):
    pass


class RateLimited(AdapterError):
    """retry_after: seconds; is_told: the server said so itself."""

    retryable = True

    def __init__(self, what: str, *, retry_after: float, is_told: bool = False, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after = retry_after
        self.is_told = is_told


class Invalid(AdapterError):
    pass


class NotFound(AdapterError):
    pass


class NoSecret(AdapterError):
    """It may have a value where the next conductor runs, so what needs it is tried again.

    run: whose conductor lacks it; "" for a command that asks by itself.
    """

    retryable = True

    def __init__(self, name: str, run: str = "") -> None:
        if run:
            super().__init__(
                f"{not_set(name)} where the conductor runs", fix=f"type `amplify resume {run}` {where_set(name)}"
            )
        else:
            super().__init__(f"{not_set(name)} here", fix=f"set it, or: keyring set amplify {name}")


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """The effect is in place. `receipt` binds what only the answer knew; `observed` is what was read back."""

    receipt: dict[str, Any] = {}
    observed: Any = None


class Absent(Struct, frozen=True, kw_only=True, tag="absent"):
    """Proven not applied. `retryable`: the target was down or busy, trying again may help. `observed`: what was there
    instead, where another part of the run has to know it."""

    reason: str
    retryable: bool = False
    error: str = ""
    observed: Any = None


class Accepted(Struct, frozen=True, kw_only=True, tag="accepted"):
    """Taken, not done: a pipeline or an approval gate answers later, under `handle`."""

    handle: str
    waits_for: str
    url: str = ""


class Unknown(Struct, frozen=True, kw_only=True, tag="unknown"):
    """Nobody can say whether it happened: a timeout, a lost connection, a kill."""

    cause: str


Outcome: TypeAlias = Done | Absent | Accepted | Unknown


class Probe(Struct, frozen=True, kw_only=True):
    """What a look at the world says of an effect. `diverged`: neither as before nor as after.

    `running`: what another conductor started is still at it, nobody can say yet. `unreachable`: no look was had.

    `exposed` is the percent of users that a flag reaches now, where the look was at one.
    """

    result: Literal["done", "absent", "diverged", "running", "unreachable"]
    observed: Any = None
    detail: str = ""
    exposed: float | None = None


class Problem(Struct, frozen=True, kw_only=True):
    """What a live check of an adapter found: not reachable, token wrong, a right is missing."""

    what: str
    where: str
    fix: str = ""
    severity: Literal["error", "warning"] = "error"


class Strategy(Struct, frozen=True, kw_only=True):
    """One activation strategy as a provider holds it; `raw` is the whole object, for an exact restore.

    means: the same in no provider's words, for sentences; one that says nothing claims nothing.
    """

    id: str
    name: str
    title: str = ""
    percent: float | None = None
    stickiness: str = ""
    group: str = ""
    disabled: bool = False
    rule: str = ""
    means: FlagRule = FlagRule()
    raw: dict[str, Any] = {}


class Parent(Struct, frozen=True, kw_only=True):
    """A flag on which another one depends: users get that one only where this is on (or off, where not `enabled`)."""

    key: str
    enabled: bool = True
    variants: tuple[str, ...] = ()


class FlagState(Struct, frozen=True, kw_only=True):
    """One flag in one environment. `exposure` is the highest share of any user population, in percent.

    stale: its server says that it has had its time. parents: as far as the server knows them; no part of `raw`.
    """

    key: str
    env: str
    exists: bool
    enabled: bool
    strategies: tuple[Strategy, ...] = ()
    exposure: float = 0.0
    fingerprint: str = ""
    type: str = ""
    stale: bool = False
    parents: tuple[Parent, ...] = ()
    description: str = ""
    raw: dict[str, Any] = {}

    @property
    def says(self) -> str:
        """Who gets the flag, in one sentence."""
        return sentence([one.means for one in self.strategies], exists=self.exists, enabled=self.enabled)


class FlagChange(Struct, frozen=True, kw_only=True):
    """Who changed a flag, when and what, from the provider's audit trail. `kind` is the provider's own word for it."""

    flag: str
    at: float
    by: str
    what: str
    kind: str = ""


class FlagWrite(Struct, frozen=True, kw_only=True):
    """A planned change: the whole state before and wanted, as plain data that a journal can hold."""

    key: str
    env: str
    before: dict[str, Any]
    after: dict[str, Any]
    widens: bool


class FlagProvider(Protocol):
    """A flag server. Reads raise AdapterError; `apply` and `kill` answer an Outcome."""

    async def read(self, keys: Sequence[str]) -> dict[str, FlagState]: ...

    async def apply(self, write: FlagWrite) -> Outcome: ...

    async def kill(self, keys: Sequence[str]) -> dict[str, Outcome]: ...

    async def with_segments(self, state: FlagState) -> FlagState: ...

    async def changes(self, key: str, since: float) -> list[FlagChange]: ...

    async def uses(self, key: str) -> tuple[FlagUse, ...]: ...

    async def check(self) -> list[Problem]: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class DatesExposure(Protocol):
    """A flag server that knows since when whoever gets a flag gets it."""

    async def exposed_since(self, key: str) -> float | None: ...


FlagAct: TypeAlias = Literal["create", "tags", "context", "strategies", "switch", "archive"]


class FlagNeeds(Struct, frozen=True, kw_only=True):
    """What a release will do at a flag server, and what it names there beside flags.

    segments: their ids. fields: the context fields that constraints and stickiness name.
    """

    acts: frozenset[FlagAct] = frozenset({"strategies", "switch"})
    segments: frozenset[int] = frozenset()
    fields: frozenset[str] = frozenset()


class Survey(Struct, frozen=True, kw_only=True):
    """What a live check of a source found: what is wrong, and in `good`, in words, what is as it should be."""

    problems: tuple[Problem, ...] = ()
    good: tuple[str, ...] = ()


@runtime_checkable
class Surveys(Protocol):
    """A flag server that can tell before a release whether it will be allowed each thing that it does."""

    async def survey(self, needs: FlagNeeds) -> Survey: ...


class Query(Struct, frozen=True, kw_only=True):
    """What a signal asks of its source, for one cohort; `$cohort` is already filled in, with `cohort_value`.

    state: the name (`alert`) and the labels of alerts, in place of expressions. by_instance: an expression with a
    number for each instance, in the unit of the value, for a source that does not know them by itself. past: how many
    seconds ago a gate or a trigger compares it with, 0 where none does.
    """

    signal: str
    cohort: Cohort | None = None
    cohort_value: str = ""
    value: str | None = None
    count: str | None = None
    bad: str | None = None
    total: str | None = None
    by_instance: str | None = None
    state: dict[str, str] | None = None
    as_increase: bool = False
    window: float = 30.0
    every: float = 5.0
    past: float = 0.0

    def names_cohort(self, condition: str) -> bool:
        """Whether a condition on a label holds the cohort's value, as a word of its own."""
        word = re.escape(self.cohort_value)
        return bool(word) and re.search(rf"(?<![\w-]){word}(?![\w-])", condition) is not None


class MetricAbilities(Struct, frozen=True, kw_only=True):
    """What a source of numbers can do. Seconds.

    min_every: asking more often than this brings nothing new. lag: how old its data is when fresh. batch: one call
    answers all queries of a `read`; else each expression is a call. range: it can be asked about the past.
    """

    min_every: float = 0.0
    lag: float = 0.0
    batch: bool = False
    range: bool = False


class MetricSource(Protocol):
    """Where numbers come from. Never raises for the world's faults: they are readings with a status."""

    @property
    def abilities(self) -> MetricAbilities: ...

    async def read(self, queries: Sequence[Query], at: float) -> list[Reading]:
        """One reading per query, in their order."""
        ...

    async def range(self, queries: Sequence[Query], start: float, end: float, step: float) -> list[list[Reading]]:
        """Per query, in their order, what `read` would have answered at *start*, *start* + *step* ... up to *end*.

        Raises Invalid where the abilities say that the past cannot be asked for.
        """
        ...

    async def check(self, queries: Sequence[Query] = ()) -> list[Problem]:
        """What is wrong with the source, and with each of *queries* (asked once); `where` is then `signals.N.KEY`."""
        ...

    async def aclose(self) -> None: ...


class Attachment(Struct, frozen=True):
    """A file that goes with a message: plain text under a name."""

    name: str
    text: str


class Announcement(Struct, frozen=True, kw_only=True):
    """A message to one stakeholder. `parent` is the ref of an earlier one that this corrects or follows.

    files: a channel that carries none puts their text below the body (`whole_body`).
    """

    event: str
    run: str
    subject: str
    body: str
    idem: str
    parent: str = ""
    files: tuple[Attachment, ...] = ()

    @property
    def whole_body(self) -> str:
        """The body with the text of all files below it."""
        return "\n\n".join([self.body, *(f"--- {file.name} ---\n{file.text}" for file in self.files)])


class Notifier(Protocol):
    """One stakeholder's channel."""

    async def send(self, message: Announcement) -> Outcome: ...
