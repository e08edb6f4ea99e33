"""One run from its start through its rollback to its end, with one fault on the way, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct

from amplify_tui.engine.client import UnreachableError
from amplify_tui.engine.journal import JournalError
from amplify_tui.engine.replay import load
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.wire import WireError
from amplify_tui.run.state import EffectState, State
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.undo_fleet import came_back
from tests.engine.crash_world import Watched, kill_commands
from tests.reliability.nurse import Life, Nurse
from tests.reliability.nursery import Order
from tests.reliability.place import AFTER, BEFORE, Place

PATIENCE = 240.0
ACTOR = "captain"


class Result(Struct, frozen=True, kw_only=True):
    """What became of one run. met: how often the fault came. lost, doubled: acts by the targets' own records, against
    those of a run without a fault. again: what came to its target once more, under the very same key. asked: how often
    a person had to act. wrong: what else was not as it has to be."""

    name: str
    met: int
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    asked: int = 0
    wrong: tuple[str, ...] = ()
    lives: int = 1
    acts: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


class Trial:
    """A run under way: its place, its conductors one after the other, and the person who drives it."""

    def __init__(
        self, place: Place, nurse: Nurse, first: dict[str, Any], then: tuple[dict[str, Any], ...] = ()
    ) -> None:
        self.place = place
        self.nurse = nurse
        self.folder = place.create()
        self.watched = Watched(self.folder)
        self.first = first
        self.then = list(then)
        self.lives: list[Life] = []
        self.struck = asyncio.Event()
        self._born = asyncio.Event()
        self.asked = 0
        self.keeps_alive = True
        self._ids: dict[str, str] = {}

    @property
    def state(self) -> State:
        return self.watched.state

    async def born(self) -> Life:
        """The first conductor."""
        await self._born.wait()
        return self.lives[0]

    async def start(self, **more: Any) -> Life:
        """One more conductor, which is the one that is watched over from now on."""
        life = await self.another(**more)
        self.lives.append(life)
        self._born.set()
        (self.place.folder / "pid").write_text(str(life.pid), encoding="utf-8")
        return life

    async def another(self, **more: Any) -> Life:
        """One more conductor, for whose end nobody cares."""
        env = self.place.env
        if more.get("host"):
            there = self.place.folder / "tmp"
            there.mkdir(exist_ok=True)
            env = env | {"TMPDIR": str(there)}
        return await self.nurse.start(
            Order(
                number=0,
                folder=str(self.folder.path),
                env=env,
                clock=str(self.place.clock),
                alias=self.place.flag,
                **more,
            )
        )

    def strike(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the conductor that lives."""
        self.struck.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.lives[-1].pid, number)

    async def to_the_end(self) -> None:
        """Drive the run until it is closed; whenever its conductor dies the next one is started."""
        async with asyncio.timeout(PATIENCE), self.watched:
            await self.start(**self.first)
            nanny = asyncio.create_task(self._resume(), name="starts the next conductor")
            try:
                while self.state.phase != "closed":
                    with contextlib.suppress(UnreachableError, WireError):
                        await self._person()
                    await self.watched.moved(0.25)
            finally:
                nanny.cancel()
                await asyncio.gather(nanny, return_exceptions=True)

    def end(self) -> None:
        for life in self.lives:
            with contextlib.suppress(ProcessLookupError):
                if not life.ended.is_set():
                    os.kill(life.pid, signal.SIGKILL)
        kill_commands(self.folder)

    async def _resume(self) -> None:
        while self.keeps_alive:
            life = self.lives[-1]
            await life.ended.wait()
            if life.status == -signal.SIGKILL:
                self.struck.set()
            if life is self.lives[-1]:
                await self.start(**(self.then.pop(0) if self.then else {}))

    async def _person(self) -> None:
        """What somebody in front of the screen does: start, roll back, and settle by looking at the targets."""
        state = self.state
        match state.phase:
            case "draft":
                await self._say("Start")
            case "forward":
                go = state.steps.get("go")
                if go is not None and go.status == "awaiting":
                    await self._say("Rollback", reason="a rehearsal")
                for step in [s for s in state.steps.values() if s.status == "stuck" and s.cause == "failed"]:
                    self.asked += await self._say("Retry", again=f"{state.seq}", step=step.step, key=step.key)
                for hold in state.holds:
                    self.asked += await self._say("Release", hold=hold)
        if state.phase in ("forward", "rolling_back"):
            for effect in [e for e in state.effects.values() if e.status in ("unknown", "diverged")]:
                if effect.status == "diverged" or (effect.probes and "settle it" in effect.reason):
                    self.asked += await self._settle(effect)
        for entry in rollback_items(state) if state.phase == "rolling_back" else ():
            if entry.status == "blocked" and entry.effect is not None and not entry.effect.retryable:
                self.asked += await self._say("Retry", again=entry.effect.id, step=entry.item.id, reason="it may go on")

    async def _settle(self, effect: EffectState) -> bool:
        """By the target's own record of the key."""
        there = any(effect.idem in keys for keys in self.place.target.keys.values())
        as_ = "done" if there else "absent"
        return await self._say("Settle", effect=effect.id, as_=as_, reason="the target's record says so")

    async def _say(self, command: str, again: str = "", **fields: Any) -> bool:
        """Give an order, under the same id however often it is given; whether it was taken now."""
        name = f"{command} {again} {fields.get('effect', '')}{fields.get('hold', '')}{fields.get('step', '')}"
        known = name in self._ids
        order_id = self._ids.setdefault(name, secrets.token_hex(8))
        answer = await self.watched.client.do(
            {"command": command, "id": order_id, "actor": ACTOR, "via": "cli"} | fields
        )
        if not answer.ok:
            del self._ids[name]
        return answer.ok and not known

    # --- judging ----------------------------------------------------------------------------------------------------

    def met(self) -> int:
        """How often the fault came: each death is one."""
        return sum(life.status == -signal.SIGKILL for life in self.lives[:-1]) or int(self.struck.is_set())

    def result(self, name: str, *, model: Result | None, met: int) -> Result:
        """What became of it, against *model*: the run without a fault."""
        acts = Counter(self.place.acts())
        undone = self._undone_again(acts)
        acts -= undone
        keys = self.place.target.keys.items()
        sent = Counter({write: len(seen) - len(set(seen)) for write, seen in keys if len(seen) > len(set(seen))})
        wanted = Counter(model.acts) if model else acts
        trace = self.place.trace
        return Result(
            name=name,
            met=met,
            lost=tuple((wanted - acts - self._told_as_lost()).elements()),
            doubled=tuple((acts - wanted).elements()),
            again=tuple((undone + sent).elements()),
            asked=self.asked,
            wrong=tuple(self._wrong()),
            lives=len(self.lives),
            acts=tuple(acts.elements()),
            points=tuple(trace.read_text(encoding="utf-8").splitlines()) if trace.exists() else (),
            writes=tuple(self.place.target.carried_out),
        )

    def _undone_again(self, acts: Counter[str]) -> Counter[str]:
        """What of *acts* is an undo that ran once more under the very same key, as an undo may: it is idempotent.

        Where nobody can ask how far it came that is always so. An instance can be asked: its revert runs again only
        where the run had read back that the try before did not hold, or that it is on the new version once more.
        """
        more = Counter({act: n - 1 for act, n in acts.items() if act.startswith("undo_") or act.endswith("/off")})
        effects = self.state.effects.values()
        not_held = Counter(f"revert {e.idem.partition('/')[2]}" for e in effects if e.status == "absent")
        more += Counter({act: n - 1 for act, n in acts.items()}) & not_held
        for look in effects:
            for unit in came_back(look):
                redone = (act for act in acts if act.startswith("revert ") and f"/{unit}#" in act)
                more += Counter(act for act in redone if not act.endswith("#0"))
        return more

    def _told_as_lost(self) -> Counter[str]:
        """Messages of which the run itself says that perhaps they did not arrive: they hold up nobody."""
        receipts = [e.receipt for e in self.state.effects.values() if e.target.kind == "message"]
        return Counter({"POST /hook": sum(receipt.get("sent") == "maybe" for receipt in receipts)})

    def _wrong(self) -> list[str]:
        try:
            journal = SqliteReader.open(self.folder.journal)
        except JournalError as error:
            return [str(error)]
        try:
            wrong = _journal_wrong(journal, self)
        finally:
            journal.close()
        state = self.state
        if (state.phase, state.outcome) != ("closed", "rolled_back"):
            wrong.append(f"the run is {state.phase} {state.outcome}")
        wrong += [f"{e.id} is {e.status}" for e in state.open_effects]
        if state.exposed_now:
            wrong.append(f"{state.exposed_now} % are exposed")
        wrong += [
            f"instance {n} runs {v}" for n in (1, 2) if (v := self.place.runs_at(n).read_text().strip()) != BEFORE
        ]
        done = Counter(e.idem for e in state.effects.values() if e.status == "done")
        return wrong + [f"{idem} is done {times} times" for idem, times in done.items() if times > 1]


def _journal_wrong(journal: SqliteReader, trial: Trial) -> list[str]:
    wrong = []
    said = journal.verify(trial.folder.head.read())
    if not said.ok:
        wrong.append(f"the journal is not sound: {said.problem}")
    if load(journal, trial.state.seq) != trial.state:
        wrong.append("the journal's fold is not what its followers saw")
    epochs, holder = [], 0
    for body in journal.read(0, 100_000):
        event = msgspec.json.decode(body)
        epochs.append(event["epoch"])
        if event["type"] == "ConductorAttached":
            holder = event["data"]["lease"]
        if holder and event["epoch"] != holder:
            wrong.append(f"event {event['seq']} is of epoch {event['epoch']} in the time of {holder}")
    if epochs != sorted(epochs):
        wrong.append("an event of an old epoch stands after one of a new")
    return wrong


assert AFTER != BEFORE
