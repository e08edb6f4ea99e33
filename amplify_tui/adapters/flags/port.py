"""The flag half of the ports: what may be wished of a flag, what its states mean, and what a kind of provider is.

A provider has two halves. `FlagRules` is pure: it plans, compares and measures states, without a connection and
without a secret. `FlagProvider` (ports.py) reads and writes. A `FlagKind` makes both from a source of the playbook.

A flag's *state* is plain data that a journal can hold, and the whole truth that a restore needs:

    {"exists": bool, "enabled": bool, "strategies": [{"name": str, "title": str, "disabled": bool,
     "parameters": {"rollout": "25", "stickiness": "default", "groupId": "..."}, "constraints": [...]}], ...}

A kind may keep more in it. A strategy of a name that is not `flexibleRollout` has no percentage to ramp.

| who asks | what |
| --- | --- |
| steps/flag*.py, rollout_flag.py | rules of the flag's kind: plan, undo, same, exposed ... |
| engine/drifts.py | differences, widens, fingerprint |
| engine/world.py | open, by the kind that flags/kinds.py finds |
| engine/watchers.py | watch: what the board shows of the flags |
| engine/exposures.py | TellsUsage, where a provider fills it: what applications evaluate |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import UNSET, Struct, UnsetType

from amplify_tui.adapters.plugins import fields_of
from amplify_tui.adapters.ports import FlagProvider, FlagState, FlagWrite
from amplify_tui.playbook.model import Source
from amplify_tui.verdict.model import FlagReading, FlagUse

State: TypeAlias = dict[str, Any]
Fields = TypeVar("Fields", bound=Struct)
ROLLOUT = "flexibleRollout"


class Where(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One constraint of a strategy, as a playbook writes it."""

    field: str
    op: str
    value: str | int | float | None = None
    values: tuple[str | int | float, ...] = ()
    inverted: bool = False


class StrategySpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy, as a playbook writes it: `strategies` and `add` of the `flag` verb."""

    name: str = ROLLOUT
    title: str = ""
    rollout: int | float | None = None
    stickiness: str = "default"
    group: str | None = None
    where: tuple[Where, ...] = ()
    segments: tuple[int, ...] = ()
    variants: tuple[dict[str, Any], ...] = ()
    disabled: bool = False


class StrategyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a strategy that is there: it is found by `id` or by `title`; what is not named stays."""

    id: str = ""
    title: str = ""
    rollout: int | float | UnsetType = UNSET
    stickiness: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    where: tuple[Where, ...] | UnsetType = UNSET
    segments: tuple[int, ...] | UnsetType = UNSET
    variants: tuple[dict[str, Any], ...] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class ContextField(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field that rules may ask for and shares may stick to, defined where the server does not have it yet.

    One that is there stays as it is: other flags rely on it. values: the only ones that rules may name; none: any.
    """

    name: str
    description: str = ""
    stickiness: bool = False
    values: tuple[str, ...] = ()


class FlagSpec(Struct, frozen=True, kw_only=True, tag="target"):
    """A whole target: what the `flag` verb asks for. `strategies` replaces all; `remove` names titles or ids.

    None leaves as it is. description, impression_data and tags are given to a flag that is created; an existing one
    keeps its own.
    """

    enabled: bool | None = None
    strategies: tuple[StrategySpec, ...] | None = None
    add: tuple[StrategySpec, ...] = ()
    change: tuple[StrategyChange, ...] = ()
    remove: tuple[str, ...] = ()
    create: str | None = None
    reuse: Literal["refuse", "if_off", "allow"] = "refuse"
    description: str | None = None
    impression_data: bool | None = None
    tags: tuple[str, ...] = ()
    context: tuple[ContextField, ...] = ()
    archive: bool = False


class Expose(Struct, frozen=True, kw_only=True, tag="expose"):
    """One rollout at that percentage, and the flag on; at 0 the switch stays as it is. What a phase asks for.

    strategy: a title or an id; None means the flag's only rollout.
    """

    percent: float
    strategy: str | None = None


class Off(Struct, frozen=True, kw_only=True, tag="off"):
    """The switch off, everything else kept."""


Wish: TypeAlias = FlagSpec | Expose | Off


class Already(Struct, frozen=True, kw_only=True):
    """The flag is as it was before: the undo is done without a write."""

    observed: State


class Diverged(Struct, frozen=True, kw_only=True):
    """Somebody else changed the flag. Each choice is a plan from the state now; `differences` are for the screen."""

    ours: FlagWrite
    restore: FlagWrite
    kill: FlagWrite
    differences: tuple[str, ...]


class Evaluates(Protocol):
    """Some states, ready to be asked who gets a flag, by the engine that applications of this kind run."""

    def users(self, flag: str, contexts: Sequence[Mapping[str, Any]]) -> frozenset[int]:
        """Which of *contexts* get the flag, by position. A context: userId, sessionId, and `properties` of text."""
        ...


class FlagRules(Protocol):
    """What the states of one kind of provider mean. Pure; whatever cannot be planned raises Invalid or NotFound."""

    def state(self, key: str, env: str, raw: State) -> FlagState:
        """The port's value for a state as the journal has it."""
        ...

    def plan(self, state: FlagState, wish: Wish) -> FlagWrite:
        """The change that makes the flag what is wished. Raises with what to write instead."""
        ...

    def undo(self, before: State, after: State, now: FlagState) -> FlagWrite | Already | Diverged:
        """How to bring *now* back to *before*, given that our effect made it *after* (states.md 6.3)."""
        ...

    def same(self, one: State, other: State) -> bool:
        """Whether two states behave alike: ids that the provider gives do not count."""
        ...

    def fingerprint(self, raw: State) -> str:
        """16 hex digits, equal for states that are the same."""
        ...

    def exposed(self, raw: State) -> float:
        """The percent of users who get the flag, 0 to 100; what cannot be told counts as everybody."""
        ...

    def ramped(self, state: FlagState, raw: State, strategy: str | None) -> float:
        """The percent that one rollout of *state* gives in *raw*, whoever else has the flag."""
        ...

    def widens(self, before: State, after: State) -> bool:
        """Whether anybody may get the flag who did not have it; where it cannot be told, yes."""
        ...

    def differences(self, expected: State, now: State) -> tuple[str, ...]:
        """In words, what is not as *expected*."""
        ...

    def half_done(self, before: State, after: State) -> list[State]:
        """The states that a write which was cut off may have left; none where it is one step."""
        ...

    def evaluator(self, states: Sequence[FlagState]) -> Evaluates:
        """Who gets the flags of *states*. Raises Invalid where the engine is not there or cannot tell."""
        ...

    def __hash__(self) -> int:
        """Rules have no state of their own: what they answer may be kept."""
        ...


class FlagWatcher(Protocol):
    """The flags of one source, looked at again and again. `poll` never raises for the world's faults."""

    @property
    def states(self) -> Mapping[str, FlagState]:
        """What each flag was when it was last read in full."""
        ...

    async def poll(self, now: float) -> list[FlagReading]:
        """One reading per flag, in their order."""
        ...


@runtime_checkable
class TellsUsage(Protocol):
    """What a provider can do beside whose applications report to it. Both raise AdapterError."""

    async def usage(self, key: str) -> tuple[FlagUse, ...]:
        """Who asked for the flag, in any environment, within this hour and the last."""
        ...

    async def last_seen(self, app: str) -> float | None:
        """When an application last told the flag's environment anything, by our clock; None: not lately."""
        ...


class FlagAbilities(Struct, frozen=True, kw_only=True):
    """What a kind can do, for `check` and for the contract suite.

    cas: how a write is refused on a flag that moved on. lower: whether exposure can be taken back, only halted, or not
    at all. granularity: the step of a percentage. propagation: seconds until applications have a change, beyond their
    own poll. approval: a write may have to be approved elsewhere first. history, usage: whether `changes` and `uses`
    can tell anything. rate: calls a minute, None for no limit known. A kind that keeps more fields is free to.
    """

    cas: Literal["version", "etag", "none"]
    lower: Literal["yes", "halt_only", "no"] = "yes"
    granularity: Decimal = Decimal(1)
    propagation: float = 0.0
    approval: bool = False
    history: bool = True
    usage: bool = True
    segments: bool = False
    variants: bool = False
    several: bool = True
    rate: int | None = None


class Opening(Struct, frozen=True, kw_only=True):
    """What a provider is opened with. `reveal` puts secrets in; `base` is where relative paths start."""

    name: str
    source: Source
    environment: str
    reveal: Callable[[str], str]
    base: Path

    def fields(self, of: type[Fields]) -> Fields:
        """What `with:` of the source holds, as *of*. Raises Invalid where it is none."""
        return fields_of(self.source, self.name, of)


class FlagKind(Protocol):
    """One kind of flag provider; another package names an object of this shape as `amplify_tui.flags`.

    Fields: what `with:` of a source may hold where the kind is chosen by `use:`; strict like the rest of a playbook.
    """

    name: ClassVar[str]
    Fields: ClassVar[type[Struct]]
    rules: ClassVar[FlagRules]
    abilities: ClassVar[FlagAbilities]

    def open(self, opening: Opening) -> FlagProvider:
        """The provider. Raises AdapterError: a secret has no value, a path leads nowhere."""
        ...

    def watch(self, provider: FlagProvider, source: str, flags: Sequence[str]) -> FlagWatcher:
        """What polls the flags, as cheaply as this kind allows."""
        ...

    def by_hand(self, source: Source, key: str, env: str) -> str:
        """The line for `sh` that switches a flag off without us; a secret in it stands as `$NAME`."""
        ...


class ByHand(Struct, frozen=True, kw_only=True):
    """Lines for `sh`: `undo` takes a write back, `proof` ends with 0 where that is so. A secret stands as `$NAME`."""

    undo: str
    proof: str = ""


@runtime_checkable
class RestoresByHand(Protocol):
    """A kind that can say how a write is taken back without us, not only how the flag is switched off."""

    def restored_by_hand(self, source: Source, write: FlagWrite, base: Path) -> ByHand:
        """How to get from `write.after` to `write.before`; relative paths of the source start at *base*."""
        ...
