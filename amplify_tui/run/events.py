"""Events: what did happen, in the past tense. An event's data is one of the structs below.

Its envelope (envelope.py) says when, by whom and in answer to what; evolve.py says what follows from it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from amplify_tui.run.events_back import (
    Data,
)
from amplify_tui.run.events_back import (
    ExposureReread as ExposureReread,
)
from amplify_tui.run.events_back import (
    IntegrityJudged as IntegrityJudged,
)
from amplify_tui.run.events_back import (
    MitigationDone as MitigationDone,
)
from amplify_tui.run.events_back import (
    MitigationStarted as MitigationStarted,
)
from amplify_tui.run.events_back import (
    Reversed as Reversed,
)
from amplify_tui.run.events_back import (
    RollbackStarted as RollbackStarted,
)
from amplify_tui.run.events_back import (
    Superseded as Superseded,
)
from amplify_tui.run.events_back import (
    UndoDecided as UndoDecided,
)
from amplify_tui.run.events_back import (
    Via as Via,
)
from amplify_tui.run.reversal import Reversal
from amplify_tui.run.shapes import (
    Await,
    Bundle,
    Cause,
    Course,
    Drift,
    Exposure,
    HoldKind,
    Mode,
    OnBlindPlan,
    OnRollback,
    Outcome,
    Plan,
    ServiceFacts,
    Subject,
    Target,
    TriggerSpec,
    Trust,
    Undo,
    Watch,
)
from amplify_tui.run.supersede import Inheritance
from amplify_tui.verdict.model import Verdict
from amplify_tui.verdict.seen import Seen
from amplify_tui.verdict.trial import Trial


class RunCreated(Data, frozen=True):
    """`reversal`: of a run that takes back what another one did, or what was derived: it begins rolling back."""

    mode: Mode
    plan: Plan
    bundle: Bundle
    engine: str
    playbook: str
    verbs: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    reverses: str = ""
    reversal: Reversal | None = None
    supersedes: str = ""
    sandbox: bool = False


class RunStarted(Data, frozen=True):
    """trust: None in a sandbox, where nothing is asked. untrusted: why somebody started what no commit vouches for."""

    environment: str
    subject: Subject
    plan: Plan
    baseline: dict[str, dict[str, str | None]] = {}
    services: dict[str, ServiceFacts] = {}
    triggers: tuple[TriggerSpec, ...] = ()
    on_blind: OnBlindPlan = OnBlindPlan()
    integrity: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    supersedes: str = ""
    inherited: Inheritance | None = None
    notes: str = ""
    warnings: tuple[str, ...] = ()
    trust: Trust | None = None
    untrusted: str = ""


class ConductorAttached(Data, frozen=True):
    host: str
    pid: int
    lease: int
    watched_until: float | None = None  # the last event or reading of the one before it
    went_back: float = 0.0  # seconds by which its clock is behind the last event


class ConductorDetached(Data, frozen=True):
    reason: str


class ClockJumped(Data, frozen=True):
    delta: float


class StepAwaiting(Data, frozen=True):
    step: str
    key: str = ""
    what: tuple[Await, ...] = ()
    preview: str = ""
    preview_sha: str = ""


class InputGiven(Data, frozen=True):
    step: str
    values: dict[str, Any]
    key: str = ""


class SignedOff(Data, frozen=True):
    step: str
    role: str
    preview_sha: str
    key: str = ""


class SignOffRejected(Data, frozen=True):
    step: str
    role: str
    reason: str
    key: str = ""


class StepSkipped(Data, frozen=True):
    step: str
    by: Literal["condition", "failed", "human"]
    reason: str
    key: str = ""


class AttemptStarted(Data, frozen=True):
    step: str
    n: int
    key: str = ""
    fields_sha: str = ""
    preview_sha: str = ""
    watch: Watch | None = None
    ramp: int = 0


class AttemptEnded(Data, frozen=True):
    step: str
    n: int
    outcome: Literal["succeeded", "failed"]
    key: str = ""
    reason: str = ""
    outputs: dict[str, Any] = {}
    not_before: float | None = None


class EffectIntended(Data, frozen=True):
    effect: str
    step: str
    verb: str
    target: Target
    before: Any
    after: Any
    undo: Undo | None
    idem: str
    deadline: float
    key: str = ""
    n: int = 0
    phase: int = 0
    says: str = ""
    undoes: str = ""
    exposure: Exposure | None = None
    on_rollback: OnRollback = "leave"


class EffectDone(Data, frozen=True):
    effect: str
    observed: Any = None
    receipt: dict[str, Any] = {}


class EffectAccepted(Data, frozen=True):
    effect: str
    handle: str
    waits_for: str
    url: str = ""


class EffectFailed(Data, frozen=True):
    effect: str
    reason: str
    error: str = ""
    retryable: bool = False
    not_before: float | None = None
    observed: Any = None


class EffectUnknown(Data, frozen=True):
    effect: str
    cause: str


class EffectProbed(Data, frozen=True):
    """A look at an effect whose outcome nobody knows. pending: not seen in place, and it may still land."""

    effect: str
    result: Literal["done", "absent", "diverged", "running", "pending", "unreachable"]
    observed: Any = None
    detail: str = ""


class EffectSettled(Data, frozen=True):
    effect: str
    as_: Literal["done", "absent"]
    reason: str


class PhaseEntered(Data, frozen=True):
    step: str
    i: int
    target: str
    settle_until: float
    need: float
    key: str = ""


class BakeAccrued(Data, frozen=True):
    step: str
    i: int
    accrued: float
    key: str = ""
    broken_by: str = ""


class PhaseAdvanced(Data, frozen=True):
    step: str
    from_: int
    to: int
    why: str
    key: str = ""


class PhaseRetreated(Data, frozen=True):
    step: str
    from_: int
    to: int
    why: str
    key: str = ""


class GateJudged(Data, frozen=True):
    """`seen`: of a watch that is summed up, what its conditions have shown since it began; else empty."""

    step: str
    i: int
    verdict: Verdict
    key: str = ""
    seen: tuple[Seen, ...] = ()


class TrialsAdvanced(Data, frozen=True):
    """Blocks closed: how the sequential tests stand that they are in, by the key of their condition."""

    trials: dict[str, Trial]


class StepSucceeded(Data, frozen=True):
    step: str
    key: str = ""
    outputs: dict[str, Any] = {}


class StepStuck(Data, frozen=True):
    step: str
    cause: Cause
    detail: str
    key: str = ""
    question: str = ""


class HoldPlaced(Data, frozen=True):
    hold: str
    scope: str
    kind: HoldKind
    reason: str
    auto_release: bool = False
    drift: Drift | None = None


class DriftAnswered(Data, frozen=True):
    """A person chose what becomes of a flag that somebody changed; "" asks again, and `reason` says why."""

    hold: str
    choice: str
    reason: str = ""


class HoldReleased(Data, frozen=True):
    hold: str
    why: str
    choice: str = ""


class Overridden(Data, frozen=True):
    step: str
    phase: int
    conditions: tuple[str, ...]
    evidence_sha: str
    reason: str
    key: str = ""
    values: dict[str, float | None] = {}


class TriggerFired(Data, frozen=True):
    trigger: str
    evidence: str
    mode: Literal["ask", "auto"]
    answer_by: float | None = None


class TriggerAnswered(Data, frozen=True):
    trigger: str
    answer: Literal["rollback", "mitigate", "hold", "ignore", "unanswered"]


class TriggerDisarmed(Data, frozen=True):
    trigger: str
    until: float
    by: str = ""
    reason: str = ""


class TriggerArmed(Data, frozen=True):
    trigger: str


class TriggerSight(Data, frozen=True):
    trigger: str
    blind: str  # why it sees nothing; "" where it sees again


class PlaybookMigrated(Data, frozen=True):
    from_: str
    to: str
    diff: str
    course: Course | None = None  # what the run goes by from here on


class NoteAdded(Data, frozen=True):
    text: str


class RoleTaken(Data, frozen=True):
    role: str


class Requested(Data, frozen=True):
    command: str
    by: str
    until: float
    reason: str = ""


class RunClosed(Data, frozen=True):
    outcome: Outcome
    exceptions: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    reason: str = ""


EventData: TypeAlias = (
    RunCreated | RunStarted | ConductorAttached | ConductorDetached | ClockJumped | StepAwaiting | InputGiven
    | SignedOff | SignOffRejected | StepSkipped | AttemptStarted | AttemptEnded | EffectIntended | EffectDone
    | EffectAccepted | EffectFailed | EffectUnknown | EffectProbed | EffectSettled | PhaseEntered | BakeAccrued
    | PhaseAdvanced | PhaseRetreated | GateJudged | TrialsAdvanced | StepSucceeded | StepStuck | HoldPlaced
    | HoldReleased | DriftAnswered | Overridden | TriggerFired | TriggerAnswered | TriggerDisarmed | TriggerArmed
    | TriggerSight
    | RollbackStarted | UndoDecided | ExposureReread | MitigationStarted | MitigationDone | IntegrityJudged
    | Superseded | Reversed | PlaybookMigrated | NoteAdded | RoleTaken | Requested | RunClosed
)  # fmt: skip

TYPES: Final[dict[str, type[Data]]] = {cls.__name__: cls for cls in Data.__subclasses__()}
