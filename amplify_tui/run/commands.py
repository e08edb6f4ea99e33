"""Commands: orders that people, timers, triggers and the conductor give. `decide` takes or refuses each.

A command carries what its sender saw (`expect`), so that a stale keypress is refused instead of acting on something
else. Those in the second half are the conductor's own; they pass through the same door.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from amplify_tui.run.commands_back import (
    HandOver as HandOver,
)
from amplify_tui.run.commands_back import (
    LeaveUndo as LeaveUndo,
)
from amplify_tui.run.commands_back import (
    Order as Order,
)
from amplify_tui.run.commands_back import (
    Reverse as Reverse,
)
from amplify_tui.run.commands_back import (
    Supersede as Supersede,
)
from amplify_tui.run.events import RunStarted
from amplify_tui.run.migration import Proposal
from amplify_tui.run.shapes import WORDS_BAND, Await, Drift, Exposure, OnRollback, Target, Undo, Watch
from amplify_tui.run.state import State
from amplify_tui.verdict.model import Evidence
from amplify_tui.verdict.seen import Seen

# --- people ---------------------------------------------------------------------------------------------------------


class Start(Order, frozen=True, tag=True):
    """`facts` and `problems` are filled in by the conductor, which alone can look at the world.

    untrusted: start it although no commit vouches for its bundle; it needs a reason. expect: the `sha` of the Trust
    that the sender was shown. earlier: the run it supersedes.
    """

    untrusted: bool = False
    expect: str = ""
    facts: RunStarted | None = None
    earlier: State | None = None
    problems: tuple[str, ...] = ()


class Answer(Order, frozen=True, tag=True):
    step: str
    values: dict[str, Any]
    key: str = ""


class Approve(Order, frozen=True, tag=True):
    step: str
    role: str
    key: str = ""
    expect: str = ""


class Reject(Order, frozen=True, tag=True):
    step: str
    role: str
    key: str = ""
    expect: str = ""


class Skip(Order, frozen=True, tag=True):
    step: str
    key: str = ""
    expect: int | None = None


class Retry(Order, frozen=True, tag=True):
    """*step* may also be an undo item's id while rolling back."""

    step: str
    key: str = ""
    expect: int | None = None


class Settle(Order, frozen=True, tag=True):
    effect: str
    as_: Literal["done", "absent"]
    expect: str = ""


class PlaceHold(Order, frozen=True, tag="Hold"):
    pass


class Release(Order, frozen=True, tag=True):
    hold: str
    choice: Literal["", "ours", "accept", "kill"] = ""


class Advance(Order, frozen=True, tag=True):
    """The conductor adds the readings of this moment; `expect` is the phase index the sender saw."""

    step: str
    key: str = ""
    expect: int | None = None
    evidence: Evidence | None = None


class Override(Order, frozen=True, tag=True):
    """instances: those that are not as the fleet is expected to be, where `fleet` is overridden."""

    step: str
    conditions: tuple[str, ...]
    percent: float | None = None
    instances: tuple[str, ...] = ()
    key: str = ""
    expect: int | None = None
    evidence: Evidence | None = None


class Retreat(Order, frozen=True, tag=True):
    step: str
    percent: float
    key: str = ""
    expect: int | None = None


class Mitigate(Order, frozen=True, tag=True):
    pass


class Rollback(Order, frozen=True, tag=True):
    """until_band: the last band that may be done now; more only where a run rolls back band by band."""

    force_order: bool = False
    until_band: int = WORDS_BAND


class DecideUndo(Order, frozen=True, tag=True):
    """*effect* is an undo item's id, or the id of an effect in it."""

    effect: str
    choice: Literal["restore", "ours", "kill", "waive"]
    expect: str = ""


class Disarm(Order, frozen=True, tag=True):
    trigger: str
    until: float


class Arm(Order, frozen=True, tag=True):
    trigger: str


class Abort(Order, frozen=True, tag=True):
    leave_partial: bool = False


class Migrate(Order, frozen=True, tag=True):
    """*sha256*: the hash of the file as the sender saw it. The conductor, which reads the file, fills in the rest."""

    sha256: str
    proposal: Proposal | None = None
    problems: tuple[str, ...] = ()


class AnswerTrigger(Order, frozen=True, tag=True):
    trigger: str
    answer: Literal["rollback", "mitigate", "hold", "ignore"]


class Note(Order, frozen=True, tag=True):
    text: str


class TakeRole(Order, frozen=True, tag=True):
    role: str


# --- the conductor --------------------------------------------------------------------------------------------------


class TakeLease(Order, frozen=True, tag=True):
    """watched_until: when the last reading was taken down, where that is known; the journal may have been silent."""

    host: str
    pid: int
    lease: int
    watched_until: float | None = None


class LetGo(Order, frozen=True, tag=True):
    pass


class Begin(Order, frozen=True, tag=True):
    """What the verb says of the step now. `when` None means its condition could not be resolved (see `problem`).

    bundle: the hash of the text that it was prepared by; "" where nobody says.
    """

    step: str
    key: str = ""
    when: bool | None = True
    problem: str = ""
    awaits: tuple[Await, ...] = ()
    preview: str = ""
    preview_sha: str = ""
    fields_sha: str = ""
    watch: Watch | None = None
    evidence: Evidence | None = None
    bundle: str = ""


class Intend(Order, frozen=True, tag=True):
    """`undoes` names an undo item; then `step` is empty and the effect belongs to the taking back.

    So is it where `mends` names the hold of a drift: a flag is made ours again, as a person chose.
    """

    verb: str
    target: Target
    before: Any
    after: Any
    undo: Undo | None
    ordinal: str
    deadline: float
    step: str = ""
    key: str = ""
    phase: int = 0
    says: str = ""
    undoes: str = ""
    mends: str = ""
    exposure: Exposure | None = None
    on_rollback: OnRollback = "leave"


class Outcome(Order, frozen=True, tag=True):
    effect: str
    result: Literal["done", "absent", "accepted", "unknown"]
    observed: Any = None
    receipt: dict[str, Any] = {}
    error: str = ""
    retryable: bool = False
    handle: str = ""
    waits_for: str = ""
    url: str = ""


class Probed(Order, frozen=True, tag=True):
    effect: str
    result: Literal["done", "absent", "diverged", "running", "unreachable"]
    observed: Any = None
    detail: str = ""


class Reread(Order, frozen=True, tag=True):
    """One more look at the flag behind the verification *effect*; `percent` is the exposure that was seen."""

    effect: str
    agrees: bool
    percent: float = 0.0
    observed: Any = None
    detail: str = ""


class Finish(Order, frozen=True, tag=True):
    step: str
    outcome: Literal["succeeded", "failed"]
    key: str = ""
    outputs: dict[str, Any] = {}


class Enter(Order, frozen=True, tag=True):
    """All effects of the current phase are done: settle and bake begin."""

    step: str
    key: str = ""


class Observe(Order, frozen=True, tag=True):
    """One tick of an observing step: raw readings, judged here. `accrued` is the bake so far, as measured.

    `starts_over`: what had been accrued is lost, to what `broken_by` says. `seen`: of a watch that is summed up, what
    its conditions have shown so far, this tick included.
    """

    step: str
    evidence: Evidence
    key: str = ""
    accrued: float = 0.0
    broken_by: str = ""
    starts_over: bool = False
    outputs: dict[str, Any] = {}
    seen: tuple[Seen, ...] = ()


class Sense(Order, frozen=True, tag=True):
    """One tick of the armed triggers."""

    evidence: Evidence


class Drifted(Order, frozen=True, tag=True):
    """A flag of the run is not as we left it, or changed again while a person is asked about it."""

    drift: Drift


class Unmended(Order, frozen=True, tag=True):
    """A flag could not be made ours again, and trying once more does not help: the question is asked anew."""

    hold: str
    detail: str


class TailLost(Order, frozen=True, tag=True):
    """The journal lost its last events: what they told of the world is not known."""

    detail: str


class Expire(Order, frozen=True, tag=True):
    """A deadline passed: a trigger's `answer_within`, a sign-off's expiry."""

    what: str


class Jump(Order, frozen=True, tag=True):
    delta: float


class Judged(Order, frozen=True, tag=True):
    """An integrity check, before the rollout or after the rollback; `backwards`: whether the code before accepts the
    schema that the service *check* has now; `traffic`: whether nobody gets the flag that the look *check* found off.
    """

    check: str
    verdict: Literal["pass", "fail", "error"]
    when: Literal["baseline", "after", "backwards", "traffic"]
    detail: str = ""


class Mitigated(Order, frozen=True, tag=True):
    pass


class Close(Order, frozen=True, tag=True):
    pass


Person: TypeAlias = (
    Start | Answer | Approve | Reject | Skip | Retry | Settle | PlaceHold | Release | Advance | Override | Retreat
    | Mitigate | Rollback | DecideUndo | Disarm | Arm | Abort | Supersede | LeaveUndo | Migrate | AnswerTrigger | Note
    | TakeRole | HandOver
)  # fmt: skip
Engine: TypeAlias = (
    TakeLease | LetGo | Begin | Intend | Outcome | Probed | Reread | Finish | Enter | Observe | Sense | Drifted
    | Unmended | TailLost | Expire | Jump | Judged | Mitigated | Close | Reverse
)  # fmt: skip
Command: TypeAlias = Person | Engine

PERSON_COMMANDS: Final = (
    Start, Answer, Approve, Reject, Skip, Retry, Settle, PlaceHold, Release, Advance, Override, Retreat,
    Mitigate, Rollback, DecideUndo, Disarm, Arm, Abort, Supersede, LeaveUndo, Migrate, AnswerTrigger, Note,
    TakeRole, HandOver,
)  # fmt: skip

_person_decoder = msgspec.json.Decoder(Person)
_encoder = msgspec.json.Encoder()


class BadCommand(Exception):
    """Bytes that are no command of a person; the sentence says what is wrong with them."""


def decode_person(body: bytes) -> Person:
    """The command a cockpit, the CLI or a script sent. The conductor's own cannot come this way."""
    try:
        command: Person = _person_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BadCommand(str(error)) from error
    return command


def encode_command(command: Command) -> bytes:
    """JSON bytes of *command*, as the socket and the inbox carry them."""
    return _encoder.encode(command)
