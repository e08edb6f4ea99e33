"""What a verb is: its fields, what it shows before it acts, what it does, how it looks, how it is taken back.

A verb never decides and never writes to the journal. The conductor asks it in this order:

| when                         | call                    | answers                                                    |
| ---------------------------- | ----------------------- | ---------------------------------------------------------- |
| the step's turn has come     | prepare(fields, ctx)    | what it waits for, its preview, what it is watched by      |
| the step (or a phase) runs   | tasks(fields, ctx, i)   | groups of tasks; groups in order, a group's tasks at once  |
| before each effect           | intend(task, ctx)       | before, after and undo, to be journaled; None: already so  |
| right after the intent       | act(draft, ctx)         | an Outcome; never raises for the world's faults            |
| an outcome is not known      | probe(effect, ctx)      | done, absent, diverged, running or unreachable             |
| all effects are done         | finish(fields, ctx)     | the step's outcome and outputs                             |
| the effect is taken back     | undo(item, ctx)         | a task for intend and act, from the journaled data alone   |
| an effect was accepted       | poll(word, effect, ctx) | how it stands: Accepted again while it waits               |
| a watched step is judged     | watched(word, step, v)  | its outputs, should this verdict end it                    |
| it has to end, or is overdue | stop(word, effect, ctx) | whether it was ended; its outcome is then unknown          |

The last three are functions of this module: a verb that has its own answer fills `Polls`, `Watches` or `Stops`. None
of ours answers Accepted: all their outside calls end in done, absent or unknown. Verbs of other packages may.

A verb that has no effects answers no tasks. `AdapterError` may leave prepare, tasks, intend and finish: the conductor
turns it into a stuck step with the error's words. Nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, assert_never, runtime_checkable

from msgspec import Struct

from amplify_tui.adapters.flags.port import FlagKind
from amplify_tui.adapters.ports import Absent, Accepted, Done, FlagProvider, Notifier, Outcome, Probe, Unknown
from amplify_tui.playbook.model import Playbook
from amplify_tui.run.shapes import Await, Exposure, OnRollback, StepPlan, Target, Undo, UndoItem, Watch
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.verdict.model import Evidence, Verdict


class Preparation(Struct, frozen=True, kw_only=True):
    """What stands before a step: what it waits for, in words what it would do, and how it will be judged."""

    awaits: tuple[Await, ...] = ()
    preview: str = ""
    watch: Watch | None = None


class Task(Struct, frozen=True, kw_only=True):
    """One effect to be. `ordinal` is its place in the step: the same work has the same ordinal at every attempt, so
    that what is done is not done again. `data` is the verb's own."""

    ordinal: str
    data: dict[str, Any]
    label: str = ""


class Draft(Struct, frozen=True, kw_only=True):
    """An intent, ready to be journaled. `timeout` is that of the outside call, in seconds; `data` is for act."""

    target: Target
    before: Any
    after: Any
    timeout: float
    says: str
    data: dict[str, Any]
    undo: Undo | None = None
    exposure: Exposure | None = None
    on_rollback: OnRollback = "leave"


class Finished(Struct, frozen=True, kw_only=True):
    """How a step ended. `outputs` are plain JSON values, cleaned, at most 16 KiB."""

    ok: bool
    reason: str = ""
    outputs: dict[str, Any] = {}


class World(Protocol):
    """The outside systems of this run, as its playbook names them; made by the engine, asked by verbs."""

    playbook: Playbook
    run_dir: Path
    repo_path: Path
    playbook_dir: Path

    def flags(self, source: str) -> FlagProvider:
        """The provider of a source's flags. Raises AdapterError: it serves none, or a secret has no value."""
        ...

    async def kill(self, source: str, flag: str) -> Outcome:
        """Switches a flag off, together with all others of the source that are due now. Raises as `flags`."""
        ...

    def flag_kind(self, source: str) -> FlagKind:
        """What the source's flags mean, without a connection or a secret. Raises AdapterError: it serves none."""
        ...

    def notifier(self, stakeholder: str) -> Notifier: ...

    def git(self) -> Any: ...

    def evidence(self) -> Evidence:
        """The latest readings of the pollers: fleet and flags now, signals with their history."""
        ...

    def reveal(self, text: str) -> str:
        """Secret markers replaced by their values. Only for what leaves this process, never for what is kept."""
        ...

    async def refresh(self) -> None:
        """Poll every instance once, now: where a fresh look matters more than the next tick."""
        ...


class Context(Struct, frozen=True, kw_only=True):
    """Everything a verb may know about the step it works for."""

    world: World
    state: State
    plan: StepPlan
    step: StepState
    names: Mapping[str, Any]
    now: Callable[[], float]
    log: Callable[[str], None]
    effect: str = ""

    def resolve(self, tree: Any, **more: Any) -> Any:
        """*tree* with its `${{ }}` resolved by the step's names and *more* (such as instance=...)."""
        from amplify_tui.playbook.context import Context as Names
        from amplify_tui.playbook.resolve import resolve_value

        return resolve_value(tree, Names({**self.names, **more}))

    def done(self) -> list[EffectState]:
        """The step's effects that are done, oldest first."""
        return [e for e in self.state.effects_of(self.step) if e.status == "done"]


class Verb(Protocol):
    """One word of the playbook."""

    name: ClassVar[str]
    Fields: ClassVar[type[Struct]]
    outputs: ClassVar[Mapping[str, str]]

    async def prepare(self, fields: Any, ctx: Context) -> Preparation: ...

    async def tasks(self, fields: Any, ctx: Context, phase: int) -> Sequence[Sequence[Task]]: ...

    async def intend(self, task: Task, ctx: Context) -> Draft | None: ...

    async def act(self, draft: Draft, ctx: Context) -> Outcome: ...

    async def probe(self, effect: EffectState, ctx: Context) -> Probe: ...

    async def finish(self, fields: Any, ctx: Context) -> Finished: ...

    async def undo(self, item: UndoItem, ctx: Context) -> Task: ...


@runtime_checkable
class Polls(Protocol):
    """A verb whose effects a pipeline or an approval gate may take (`Accepted`)."""

    async def poll(self, effect: EffectState, ctx: Context) -> Outcome: ...


@runtime_checkable
class Watches(Protocol):
    """A verb whose step is judged by a gate, and that says what it puts out then. Called at every tick: no I/O."""

    def watched(self, step: StepState, verdict: Verdict | None) -> dict[str, Any]: ...


@runtime_checkable
class Stops(Protocol):
    """A verb that can end what one of its effects still does."""

    async def stop(self, effect: EffectState, ctx: Context) -> bool: ...


async def poll(word: Verb, effect: EffectState, ctx: Context) -> Outcome:
    """How the accepted *effect* stands now; Accepted, with the same handle, as long as nobody can tell more.

    By the verb's own `poll`, else by its probe. Raises AdapterError, as a probe may: then ask again later.
    """
    if isinstance(word, Polls):
        return await word.poll(effect, ctx)
    seen = await word.probe(effect, ctx)
    match seen.result:
        case "done":
            return Done(observed=seen.observed)
        case "absent":
            return Absent(reason=seen.detail or "it did not happen")
        case "diverged":
            return Unknown(cause=seen.detail or "the target is neither as before nor as after")
        case "unreachable" | "running":
            return Accepted(handle=effect.handle, waits_for=effect.reason)
    assert_never(seen.result)


def watched(word: Verb, step: StepState, verdict: Verdict | None) -> dict[str, Any]:
    """The outputs of a step that a gate judges, should *verdict*, the newest, end it."""
    if isinstance(word, Watches):
        return word.watched(step, verdict)
    return {"verdict": verdict.answer, "summary": verdict.reason} if verdict is not None else {}


async def stop(word: Verb, effect: EffectState, ctx: Context) -> bool:
    """Ends what *effect* still does; False where nothing of it runs here, or it has no process of its own.

    The outcome comes the usual way, from `act` or from the probe.
    """
    return isinstance(word, Stops) and await word.stop(effect, ctx)
