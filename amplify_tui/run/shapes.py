"""Plain data that events and state share: the plan, effects and their undo, holds, watches. Shapes only.

All of it is journaled as JSON, so every struct is frozen, tagged where a union needs it, and grows by fields with
defaults only: a journal of an older version must still fold.
"""

from __future__ import annotations

from typing import Any, Literal, NewType

from msgspec import Struct

from amplify_tui.playbook.model import Input
from amplify_tui.verdict.model import Term, Verdict
from amplify_tui.verdict.seen import Seen

StepRef = NewType("StepRef", str)
"""A step instance: `ramp`, or `buy[checkout]` where the step has a matrix."""

Mode = Literal["live", "dry", "drill"]
HoldKind = Literal["human", "gate", "blind", "unknown", "drift", "lock", "clock"]
UndoClass = Literal["safe", "guarded", "manual", "none"]
OnRollback = Literal["leave", "term", "wait"]  # what a rollback does to an effect under way
Cause = Literal["failed", "unknown", "gate", "timeout", "drift", "undo"]
Outcome = Literal[
    "completed", "completed_with_exceptions", "abandoned", "rolled_back", "rolled_back_partly", "canceled"
]

EXPOSURE_BAND, VERIFY_BAND, CODE_BAND, DATA_BAND, WORDS_BAND = 1, 2, 3, 4, 5


def ref_of(step: str, key: str = "") -> StepRef:
    """The one spelling of a step instance."""
    return StepRef(f"{step}[{key}]" if key else step)


class Value(Struct, frozen=True, kw_only=True):
    """Base of every shape here."""


class File(Value, frozen=True):
    path: str
    sha256: str
    text: str


class Bundle(Value, frozen=True):
    """What a run executes, pinned: the playbook's own text, and what it was made of."""

    sha256: str
    files: tuple[File, ...]


class Reach(Value, frozen=True):
    """What a bundle would run, reach and change, in words that were cleaned; commands and names as it writes them."""

    commands: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


class Trust(Value, frozen=True):
    """How far a bundle may be trusted, as the conductor found it before the start.

    doubts: why no commit vouches for it, each a sentence; none: it starts. barred: why no word of a person makes it
    start; "" where one may. is_new: this bundle never started here before. last: the run that last used one of this
    name, and `changes` what is another since. sha: of what a person is shown, so that a late yes is refused.
    """

    doubts: tuple[str, ...] = ()
    barred: str = ""
    fix: str = ""
    reach: Reach = Reach()
    is_new: bool = False
    last: str = ""
    changes: tuple[str, ...] = ()
    sha: str = ""

    @property
    def is_vouched_for(self) -> bool:
        """A commit vouches for it, on the branch where it has to be: it starts without a question."""
        return not (self.doubts or self.barred)


class SignOffPlan(Value, frozen=True):
    roles: dict[str, int]
    not_starter: bool = False
    expires: float = 14400.0


class StepPlan(Value, frozen=True):
    """The structure of one step. `lane` says whether it is a stage's step or stands in the rollback section.

    named: those of `needs` that the playbook names, for the step or for its stage; the others only stand above it.
    lasts: of a monitor, for how many seconds it watches, as far as that is known before its turn.
    """

    id: str
    stage: str
    verb: str
    title: str = ""
    needs: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("",)
    each: dict[str, dict[str, Any]] = {}
    max_parallel: int = 1
    fail_fast: bool = True
    skippable: bool | tuple[str, ...] = False
    on_fail: Literal["stop", "continue", "ask"] = "stop"
    timeout: float | None = None
    retries: int = 0
    sign_off: SignOffPlan | None = None
    undo_after: tuple[str, ...] = ()
    guide: str = ""
    lane: Literal["forward", "before", "reconcile", "after"] = "forward"
    lasts: float | None = None


class StagePlan(Value, frozen=True):
    id: str
    title: str
    steps: tuple[str, ...]


class Plan(Value, frozen=True):
    """The skeleton of the run: fixed when the run is created, resolved when it starts."""

    name: str
    title: str = ""
    stages: tuple[StagePlan, ...] = ()
    steps: dict[str, StepPlan] = {}
    inputs: dict[str, Input] = {}
    roles: dict[str, tuple[str, ...]] = {}
    override_roles: tuple[str, ...] = ("captain",)
    people: Literal["team", "solo", "regulated"] = "team"
    autopilot: bool = False
    trusted_ref: str = ""
    complete_within: float | None = None


class Subject(Value, frozen=True):
    """What is released: pinned at start."""

    repo: str
    sha: str
    version: str
    tag: str = ""
    previous: str | None = None
    previous_tag: str | None = None


class ServiceFacts(Value, frozen=True):
    """One service as the run knows it: its instances in order, what it needs, and the schema it accepts."""

    instances: tuple[str, ...]
    requires: dict[str, str] = {}
    schema_field: str = ""
    schema_accepts: str = ""
    previous_accepts: str = ""
    owner: str = ""
    max_age: float = 15.0


class TriggerSpec(Value, frozen=True):
    """One entry of `rollback.when`, resolved."""

    id: str
    term: Term
    mode: Literal["ask", "auto"] = "ask"
    answer_within: float = 120.0
    then: Literal["hold", "rollback"] = "hold"
    scope: Literal["exposure", "full"] = "exposure"


class OnBlindPlan(Value, frozen=True):
    after: float = 120.0
    do: Literal["ask", "hold", "rollback"] = "ask"


class Course(Value, frozen=True):
    """All of a playbook's text that a run goes by. Of a draft's only *bundle* and *plan*: the start resolves the rest.

    locks: what it touches, and keeps others from touching.
    """

    bundle: Bundle
    plan: Plan
    triggers: tuple[TriggerSpec, ...] = ()
    on_blind: OnBlindPlan = OnBlindPlan()
    integrity: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()


class Await(Value, frozen=True):
    """One thing a step waits for before it may begin, and what would satisfy it."""

    kind: Literal["confirm", "input", "sign_off", "window", "lock", "fleet", "integrity"]
    detail: str = ""
    role: str = ""
    count: int = 1
    fields: dict[str, Input] = {}
    opens_at: float | None = None
    until: float | None = None
    accept: str = ""
    decline: str = ""


class PhasePlan(Value, frozen=True):
    """One phase of a rollout, or the single one of a monitor: what it targets and how long it must bake."""

    target: str
    bake: float
    percent: float | None = None
    units: tuple[str, ...] = ()


class Watch(Value, frozen=True):
    """What an observing step is judged by.

    poll: how long after a phase began applications may still act on the one before; what is measured then counts for
    neither. summed: what it showed from its begin to its end is kept. background: steps that do not name it go on
    meanwhile.
    """

    phases: tuple[PhasePlan, ...]
    gate: tuple[Term, ...]
    settle: float = 0.0
    poll: float = 0.0
    max_wait: float = 0.0
    on_fail: Literal["hold", "retreat", "rollback", "ask"] = "hold"
    service: str = ""
    flag: str = ""
    every: float = 1.0
    summed: bool = False
    background: bool = False


class GateNow(Value, frozen=True):
    """What a gate says at this moment, and how long it has baked by now: for the board, since a journal keeps less."""

    verdict: Verdict
    accrued: float
    at: float
    seen: tuple[Seen, ...] = ()


class Target(Value, frozen=True):
    """What an effect touches. `id` is unique within `kind`, so effects on one target can be collapsed."""

    kind: str
    id: str
    env: str = ""


class Undo(Value, frozen=True):
    """How an effect is taken back: plain data, captured before acting, needing no verb's code to plan with.

    by_hand: one line for `sh` that does it without us, secrets as `$NAME`; a comment where only a person can. proof: a
    line that ends with 0 where it is taken back, and with something else where it is not. "" for either: none is known.
    """

    band: int
    verb: str
    spec: dict[str, Any]
    cls: UndoClass = "guarded"
    says: str = ""
    by_hand: str = ""
    proof: str = ""


class Exposure(Value, frozen=True):
    """How many percent of users an effect exposes, before and after."""

    flag: str
    before: float
    after: float


class Drift(Value, frozen=True):
    """A flag that is not as we left it: what it is now, and who made it so when, as far as the flag server says.

    effect: the last of ours on it, whose after-image it was compared with. `percent` is of users. `widens`: somebody
    may get the flag who did not have it. before_says, left_says, now_says: who got it before the effect, who gets it as
    we left it and who gets it now, in a sentence each.
    """

    flag: str
    effect: str
    observed: Any
    fingerprint: str
    percent: float
    left_percent: float
    widens: bool
    what: str
    by: str = ""
    changed_at: float | None = None
    before_says: str = ""
    left_says: str = ""
    now_says: str = ""


class Hold(Value, frozen=True):
    """`choice` is what a person answered to a drift, while it is carried out. by_person: the act of one placed it."""

    id: str
    scope: str
    kind: HoldKind
    reason: str
    at: float = 0.0
    by: str = ""
    auto_release: bool = False
    drift: Drift | None = None
    choice: str = ""
    by_person: bool = False


class UndoItem(Value, frozen=True):
    """One line of the undo plan: all effects on one target, taken back together to the first before-image."""

    id: str
    band: int
    verb: str
    target: Target
    effects: tuple[str, ...]
    spec: dict[str, Any]
    cls: UndoClass
    says: str = ""
    by_hand: str = ""
    proof: str = ""
    before: Any = None
    after: Any = None
    needs: tuple[str, ...] = ()

    @property
    def only_looks(self) -> bool:
        """Whether it takes nothing back itself, and reads back what the items did that it needs."""
        return bool(self.spec.get("verify"))


class Refusal(Struct, frozen=True):
    """Why a command was not taken: what was asked, why not, and what would make it possible."""

    what: str
    why: str
    next: str = ""

    def __str__(self) -> str:
        return ". ".join(part.rstrip(".") for part in (self.what, self.why, self.next) if part) + "."
