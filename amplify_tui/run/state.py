"""The run's state: what the fold of its events knows. Frozen; `evolve` makes the next one.

Orthogonal fields, not one big enum: `phase` x `holds` x `mitigated`, and each step and effect has its own status.
What can be derived is derived here, so every view and every guard reads the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from amplify_tui.run.background import is_behind
from amplify_tui.run.marks import FlagBook, Judgement
from amplify_tui.run.shapes import (
    WORDS_BAND,
    Await,
    Cause,
    Exposure,
    Hold,
    Mode,
    OnBlindPlan,
    OnRollback,
    Outcome,
    PhasePlan,
    Plan,
    ServiceFacts,
    StepPlan,
    StepRef,
    Subject,
    Target,
    TriggerSpec,
    Trust,
    Undo,
    UndoItem,
    Watch,
    ref_of,
)
from amplify_tui.verdict.model import Verdict
from amplify_tui.verdict.seen import Seen
from amplify_tui.verdict.trial import Trial

RunPhase = Literal["none", "draft", "forward", "rolling_back", "closed"]
StepStatus = Literal["pending", "awaiting", "running", "observing", "stuck", "succeeded", "skipped", "canceled"]
EffectStatus = Literal["intended", "accepted", "unknown", "diverged", "absent", "done"]

OVER: Final[frozenset[StepStatus]] = frozenset({"succeeded", "skipped", "canceled"})
OPEN_EFFECT: Final[frozenset[EffectStatus]] = frozenset({"intended", "accepted", "unknown", "diverged"})
IN_FLIGHT: Final[frozenset[EffectStatus]] = frozenset({"intended", "accepted"})
RUN_SCOPE: Final = "run"


class SignedOffBy(Struct, frozen=True):
    role: str
    actor: str
    preview_sha: str
    at: float


class StepState(Struct, frozen=True, kw_only=True):
    """One step instance. `ramp` counts how often its phases started over (new ordinals each time)."""

    step: str
    key: str = ""
    status: StepStatus = "pending"
    n: int = 0
    awaits: tuple[Await, ...] = ()
    preview: str = ""
    preview_sha: str = ""
    answers: dict[str, Any] = {}
    signed: tuple[SignedOffBy, ...] = ()
    cause: Cause | None = None
    detail: str = ""
    question: str = ""
    watch: Watch | None = None
    phase: int = 0
    phase_at: float | None = None
    settle_until: float = 0.0
    need: float = 0.0
    accrued: float = 0.0
    accrued_at: float = 0.0
    baked: tuple[float, ...] = ()
    verdict: Verdict | None = None
    verdict_at: float = 0.0
    judged_at: float = 0.0
    seen: tuple[Seen, ...] = ()
    overridden: tuple[str, ...] = ()
    overridden_at: dict[str, float | None] = {}
    gate_released: bool = False
    ramp: int = 0
    retries: int = 0
    not_before: float = 0.0
    outputs: dict[str, Any] = {}
    skipped_by: str = ""
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def ref(self) -> StepRef:
        return ref_of(self.step, self.key)

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def in_background(self) -> bool:
        """It watches, or its gate is open and fails, while other steps go on."""
        is_open = self.status == "observing" or (self.status == "stuck" and self.cause in ("gate", "timeout"))
        return is_open and self.phase_at is not None and self.watch is not None and self.watch.background

    @property
    def phase_plan(self) -> PhasePlan | None:
        """The phase that is open, where the step has phases."""
        return self.watch.phases[self.phase] if self.watch and self.phase < len(self.watch.phases) else None


class EffectState(Struct, frozen=True, kw_only=True):
    """One effect on the outside world. `tries` counts undo attempts; `probes` the looks at an unknown one.

    `at_work`: the last look found that what an earlier conductor started for it still runs. `on_rollback`: whether a
    rollback leaves it to come to its end, ends it, or holds code and data up for it. `ended_seq`: the event at which it
    ended; which of two ended last is asked of it, for a clock that is set back says otherwise. `of_run`: who made it,
    where it was taken over from a run that this one supersedes.
    """

    id: str
    seq: int
    step: str
    key: str
    verb: str
    target: Target
    before: Any
    after: Any
    undo: Undo | None
    idem: str
    deadline: float
    at: float
    n: int = 0
    phase: int = 0
    says: str = ""
    undoes: str = ""
    exposure: Exposure | None = None
    status: EffectStatus = "intended"
    observed: Any = None
    receipt: dict[str, Any] = {}
    reason: str = ""
    error: str = ""
    retryable: bool = False
    not_before: float = 0.0
    probes: int = 0
    probed_at: float = 0.0
    at_work: bool = False
    on_rollback: OnRollback = "leave"
    unknown_since: float = 0.0
    handle: str = ""
    human: bool = False
    ended_at: float | None = None
    ended_seq: int = 0
    of_run: str = ""

    @property
    def ref(self) -> StepRef:
        return ref_of(self.step, self.key)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_EFFECT


class TriggerState(Struct, frozen=True, kw_only=True):
    """A trigger of `rollback.when`. Open while it has fired and nobody answered.

    blind: why it sees nothing since `blind_since`; blind_held: the run was held for that already.
    """

    spec: TriggerSpec
    fired_at: float | None = None
    evidence: str = ""
    answer_by: float | None = None
    answer: str = ""
    fired: int = 0
    disarmed_until: float = 0.0
    disarmed_by: str = ""
    disarmed_because: str = ""
    blind: str = ""
    blind_since: float = 0.0
    blind_held: bool = False

    @property
    def is_open(self) -> bool:
        return self.fired_at is not None and not self.answer


class ConductorState(Struct, frozen=True, kw_only=True):
    host: str = ""
    pid: int = 0
    epoch: int = 0
    attached: bool = False
    at: float = 0.0


class Unwatched(Struct, frozen=True):
    """A time for which no conductor looked while users were exposed: from, to, and the highest percentage of a flag."""

    since: float
    until: float
    percent: float


class Decision(Struct, frozen=True):
    """What a person decided about an undo item. It allows one more try of what was begun before it (*seq*)."""

    choice: str
    reason: str
    actor: str
    seq: int = 0


class Reread(Struct, frozen=True):
    """The looks after a verification: how many agreed, and the event at which one found users exposed again."""

    agreed: int = 0
    lost: int = 0


class Request(Struct, frozen=True):
    """An act that needs two people, asked for by the first."""

    by: str
    until: float
    reason: str = ""


def to_disarm(trigger: str) -> str:
    """Under which name the first person's wish to disarm *trigger* waits for the second."""
    return f"disarm {trigger}"


class State(Struct, frozen=True, kw_only=True):
    """A run, as its journal tells it."""

    run: str = ""
    seq: int = 0
    phase: RunPhase = "none"
    outcome: Outcome | None = None
    mode: Mode = "live"
    playbook: str = ""
    plan: Plan = Plan(name="")
    bundle_sha: str = ""
    bundle_text: str = ""
    earlier_texts: tuple[str, ...] = ()  # what it went by before it was migrated
    engine: str = ""
    sandbox: bool = False
    environment: str = ""
    subject: Subject | None = None
    inputs: dict[str, Any] = {}
    services: dict[str, ServiceFacts] = {}
    baseline: dict[str, dict[str, str | None]] = {}
    release_notes: str = ""
    locks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trust: Trust | None = None
    untrusted: str = ""
    on_blind: OnBlindPlan = OnBlindPlan()
    integrity: tuple[str, ...] = ()
    integrity_baseline: dict[str, str] = {}
    integrity_after: dict[str, str] = {}
    backwards: dict[str, Judgement] = {}  # by service: does the code before accept the schema that is there now?
    traffic: dict[str, Judgement] = {}  # by verification: does nobody get the flag any more?
    conductor: ConductorState = ConductorState()
    unwatched: Unwatched | None = None  # until a phase is entered, exposure goes, or a person lets the run go on
    steps: dict[StepRef, StepState] = {}
    effects: dict[str, EffectState] = {}
    tries: dict[str, tuple[str, ...]] = {}  # by undo item: the effects made for it, the latest last
    holds: dict[str, Hold] = {}
    triggers: dict[str, TriggerState] = {}
    trials: dict[str, Trial] = {}
    exposure: dict[str, float] = {}
    flag_books: dict[str, FlagBook] = {}
    mitigation: Literal["", "running", "done"] = ""
    mitigations: int = 0
    unexplained: bool = False  # exposure was taken away at once, and nobody has said why since
    mitigation_plan: tuple[UndoItem, ...] = ()
    rollback_plan: tuple[UndoItem, ...] = ()
    force_order: bool = False
    reverses: str = ""  # the closed run that this one takes back
    is_derived: bool = False  # its plan was derived from a playbook and the world: nothing of it was recorded
    supersedes: str = ""  # the earlier run whose locks and before-images this one takes over
    superseded_by: str = ""
    reversed_by: str = ""  # the run that takes back what this closed one left
    inherited_needs: dict[str, tuple[str, ...]] = {}
    until_band: int = WORDS_BAND  # the last band that may be taken back before a person says more
    touched: dict[str, str] = {}  # undo items whose target another run changed later: a person decides
    rollback_reason: str = ""
    rollback_by: str = ""
    rollback_via: str = ""
    decisions: dict[str, Decision] = {}
    rereads: dict[str, Reread] = {}
    automatic_rollbacks: int = 0
    requests: dict[str, Request] = {}
    roles: dict[str, tuple[str, ...]] = {}
    starter: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    closed_at: float | None = None
    first_exposure_at: float | None = None
    rollback_at: float | None = None
    exceptions: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    next_effect: int = 1
    next_hold: int = 1
    last_at: float = 0.0
    head: str = ""

    # --- what every guard and view asks -----------------------------------------------------------------------------

    def tries_of(self, item: str) -> tuple[EffectState, ...]:
        """The effects made to take back the undo item of that id, the latest last."""
        return tuple(self.effects[name] for name in self.tries.get(item, ()))

    def step(self, step: str, key: str = "") -> StepState | None:
        """The state of a step instance; None where the plan has no such step."""
        return self.steps.get(ref_of(step, key))

    def plan_of(self, state: StepState) -> StepPlan:
        return self.plan.steps[state.step]

    def steps_of(self, step: str) -> list[StepState]:
        """All instances (matrix keys) of one step."""
        return [self.steps[r] for k in self.plan.steps[step].keys if (r := ref_of(step, k)) in self.steps]

    def effects_of(self, state: StepState) -> Iterator[EffectState]:
        """The effects of a step, undo effects not among them."""
        return (e for e in self.effects.values() if not e.undoes and e.step == state.step and e.key == state.key)

    @property
    def is_held(self) -> bool:
        """A hold on the whole run: nothing goes forward."""
        return any(hold.scope == RUN_SCOPE for hold in self.holds.values())

    @property
    def is_held_by_person(self) -> bool:
        """A person (or a mitigation, on behalf of one) holds the run: only a person lets it go on."""
        return any(hold.kind == "human" and hold.scope == RUN_SCOPE for hold in self.holds.values())

    def holds_on(self, ref: StepRef) -> list[Hold]:
        """Holds that keep this step from going forward: the run's, its own, and those of monitors it is behind."""
        holds = self.holds.values()
        return [hold for hold in holds if hold.scope in (RUN_SCOPE, ref) or self._holds_behind(hold, ref)]

    def _holds_behind(self, hold: Hold, ref: StepRef) -> bool:
        monitor, step = self.steps.get(StepRef(hold.scope)), self.steps.get(ref)
        if monitor is None or step is None or monitor.watch is None or not monitor.watch.background:
            return False
        return is_behind(self.plan, step.step, monitor.step)

    @property
    def open_effects(self) -> list[EffectState]:
        return [effect for effect in self.effects.values() if effect.is_open]

    @property
    def armed_since(self) -> float | None:
        """From when on users may meet the new code (Unix seconds), and triggers are armed to the close; None: not yet.

        The first exposure of a flag; without one, the first instance that was deployed.
        """
        return self.first_exposure_at if self.first_exposure_at is not None else min(self._deploys(), default=None)

    @property
    def fleet_since(self) -> float | None:
        """From when on the fleet is expected to stay as it is: a restart before the last deploy is that deploy's."""
        return self.first_exposure_at if self.first_exposure_at is not None else max(self._deploys(), default=None)

    def _deploys(self) -> list[float]:
        done = (e for e in self.effects.values() if e.status == "done" and not e.undoes and not e.of_run)
        return [e.ended_at for e in done if e.target.kind == "instance" and e.ended_at is not None]

    @property
    def is_armed(self) -> bool:
        return self.armed_since is not None

    @property
    def exposed_now(self) -> float:
        """The highest exposure of any flag of the run, in percent."""
        return max(self.exposure.values(), default=0.0)

    @property
    def open_triggers(self) -> list[TriggerState]:
        return [trigger for trigger in self.triggers.values() if trigger.is_open]
