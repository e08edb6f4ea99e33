"""The conductor: one process per run that alone appends. It works off the agenda and answers its clients.

It lives on when every terminal is gone. What it may do is decided in `run/decide`, how it is done is in errands.py,
what it sees comes from watchers.py. Each todo runs in a task of its own, once at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import Any, Final

import msgspec

from amplify_tui.adapters.ports import AdapterError
from amplify_tui.engine.board import Board
from amplify_tui.engine.card_file import CardFile
from amplify_tui.engine.clock import ClockWatch
from amplify_tui.engine.desk import Desk
from amplify_tui.engine.effects import Effects
from amplify_tui.engine.errands import Hands, run_errand
from amplify_tui.engine.facts import Facts, document_of, explain, input_values, look
from amplify_tui.engine.herald import SEND_S, Herald
from amplify_tui.engine.inbox import Inbox
from amplify_tui.engine.journal import Fenced, JournalError, tail_problem
from amplify_tui.engine.lease import Keeper
from amplify_tui.engine.locks import Registrar
from amplify_tui.engine.own_secrets import OwnSecrets, secrets_of
from amplify_tui.engine.proposal import sha_of
from amplify_tui.engine.readings import Readings, last_kept
from amplify_tui.engine.recovery import is_back, probes_now, retriable_now
from amplify_tui.engine.replay import load
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.scribe import Scribe, new_id
from amplify_tui.engine.server import Server
from amplify_tui.engine.setting import Setting
from amplify_tui.engine.sqlite_journal import SqliteJournal
from amplify_tui.engine.succession import make_way
from amplify_tui.engine.ticks import Ticks
from amplify_tui.engine.trust import examine
from amplify_tui.engine.watchers import Watchers
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.run import commands as c
from amplify_tui.run.agenda import Todo, agenda
from amplify_tui.run.events import EventData, RunStarted
from amplify_tui.run.inputs import missing
from amplify_tui.run.lacking import is_leaving
from amplify_tui.run.shapes import Trust
from amplify_tui.run.state import State

TICK_S: Final = 0.25
OBSERVE_S: Final = 0.5
REFUSED_S: Final = 1.0
POLL_S: Final = 5.0
BUG_S: Final = 30.0
LINGER_S: Final = 5.0
LEAVE_S: Final = 1.0  # what a message that is on its way may hold up a successor
INBOX_S: Final = 1.0
UPKEEP_S: Final = 5.0
OUTPUT_LINES: Final = 200
ANOTHER: Final = "the conductor before lacked a secret"
UNASKED: Final = "this playbook is not trusted: nothing is asked of its services before the start"

_log = logging.getLogger(__name__)


class Conductor:
    """Drives one run from whatever state its journal is in to its end."""

    def __init__(self, folder: RunDir, journal: SqliteJournal, keeper: Keeper) -> None:
        self.folder = folder
        self._readings = Readings(folder.readings)
        self.board = Board(record=self._readings.add)
        self.scribe = Scribe(journal, keeper, load(journal), watch=ClockWatch(), told=self._changed)
        self.ticks = Ticks(self.scribe, self.board)
        self.desk = Desk(self, journal)
        self.registrar = Registrar(folder, journal)
        self.secrets = OwnSecrets(folder)
        self._card = CardFile(folder, lambda what: self.board.post("problem", {"what": what, "at": self.scribe.now()}))
        self._journal = journal
        self.facts: Facts | None = None
        self.trust: Trust | None = None
        self.problem = ""
        self._hands: Hands | None = None
        self.watchers: Watchers | None = None
        self._server: Server | None = None
        self._herald: Herald | None = None
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._bugs: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._seen: tuple[str, dict[str, Any]] | None = None  # by which text and inputs was looked last
        self._looking = asyncio.Lock()  # a Start looks again while the draft may still be looked at

    @property
    def state(self) -> State:
        return self.scribe.state

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, *, ready: asyncio.Event | None = None) -> None:
        """Attach, work until the run is closed and nobody looks any more, let go. Raises Fenced when replaced."""
        async with Server(self.folder.own_socket(), self.desk, seq=self.state.seq) as server:
            self._server = server
            self.board.connect(server.post)
            self._attach()
            try:
                async with asyncio.TaskGroup() as group:
                    self._group = group
                    chores = [
                        group.create_task(self.scribe.keeper.beat_until_lost(), name="lease"),
                        group.create_task(self._read_inbox(), name="inbox"),
                        group.create_task(self._upkeep(), name="upkeep"),
                        group.create_task(self.secrets.keep_true(), name="secrets"),
                    ]
                    if ready is not None:
                        ready.set()
                    await self._work(group)
                    for chore in chores:
                        chore.cancel()
                    if self._herald is not None:
                        await self._herald.close(LEAVE_S if is_leaving(self.state) else SEND_S)
                    if self.watchers is not None:
                        await self.watchers.stop()
            finally:
                self._let_go()

    def _attach(self) -> None:
        self.registrar.put_right(self.state)
        if self.state.phase == "closed":
            return
        order = c.TakeLease(
            id=new_id(),
            actor="conductor",
            via="engine",
            host=socket.gethostname(),
            pid=os.getpid(),
            lease=self.scribe.keeper.lease.epoch,
            watched_until=last_kept(self.folder.readings),
        )
        lost = tail_problem(self._journal, self.folder.head.read())
        self.scribe.submit(order)
        if lost is not None:
            _log.error("%s", lost)
            self.scribe.submit(c.TailLost(id=new_id(), actor="conductor", via="engine", detail=lost))
        self._card.write(self.state)
        self.secrets.attach()

    def _let_go(self) -> None:
        self._readings.close()
        self._card.write()
        with contextlib.suppress(JournalError):
            if not is_leaving(self.state):
                self.scribe.submit(c.LetGo(id=new_id(), actor="conductor", via="engine", reason="ended"))
        with contextlib.suppress(JournalError):
            self.scribe.keeper.release()

    def _changed(self, state: State, events: tuple[EventData, ...]) -> None:
        self._card.told(state, events)
        self.registrar.told(state)
        if self._herald is not None:
            self._herald.told(state, events)
        if self.facts is not None and any(isinstance(event, RunStarted) for event in events):  # it may have inherited
            self.secrets.of(secrets_of(self.facts.document.raw, state))
        if self._server is not None:
            self._server.wake(state.seq)
        self._wake.set()

    # --- the loop ---------------------------------------------------------------------------------------------------

    async def _work(self, group: asyncio.TaskGroup) -> None:
        quiet_since: float | None = None
        while True:
            await self.look()
            self._notice()
            now = self.scribe.now()
            self._post_conductor(now)
            if self._herald is not None:
                self._herald.remind(self.state, now, followed=self._followed())
            if self.state.phase == "closed":
                quiet_since = quiet_since or time.monotonic()
                if not self._followed() and time.monotonic() - quiet_since > LINGER_S:
                    return
            elif is_leaving(self.state):
                await make_way(self._busy, self._wake)
                return
            else:
                self._spawn_due(group, now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()

    def _notice(self) -> None:
        """What happened to us or to a target since the last pass, and is an order: the clock jumped, one is back."""
        if self.state.phase == "closed":
            return
        try:
            if self._hands is not None:
                self._hands.effects.pay()
            self.scribe.look_at_clock()
            if self.scribe.went_back():  # go on as a new conductor would: what is remembered lies in the future now
                self.board.forget()
                self.ticks, self._not_before = Ticks(self.scribe, self.board), {}
                if self.watchers is not None:
                    self.watchers.start_over()
            for entry in retriable_now(self.state, self.board):
                why = f"{entry.item.target.id} answers again" if is_back(entry, self.board) else ANOTHER
                again = c.Retry(id=new_id(), actor="conductor", via="engine", step=entry.item.id, reason=why)
                self.scribe.submit(again)
        except Fenced:
            raise
        except JournalError as error:
            self.board.post("problem", {"what": str(error), "at": self.scribe.now()})

    def _followed(self) -> bool:
        return self._server is not None and self._server.is_followed()

    def _spawn_due(self, group: asyncio.TaskGroup, now: float) -> None:
        if self._hands is None:
            return
        for todo in (*agenda(self.state, now), *probes_now(self.state, self.board)):
            if todo.kind in ("observe", "sense"):
                self._tick(todo, now)
            elif todo.id not in self._busy and now >= self._not_before.get(todo.id, 0.0):
                self._busy.add(todo.id)
                group.create_task(self._carry_out(todo, self._hands), name=todo.id)

    def _tick(self, todo: Todo, now: float) -> None:
        """One look at a gate or at the triggers. One that fails is tried again; it must not end the other looks."""
        try:
            self.ticks.tick(todo, now, OBSERVE_S)
        except Fenced:
            raise
        except JournalError as error:
            self.board.post("problem", {"what": str(error), "at": now})
        except Exception as error:  # noqa: BLE001  # a bug in one gate must not end the watch over all the others
            words = _bug(todo, error, self.folder)
            self.board.post("problem", {"what": words, "at": now})

    async def _carry_out(self, todo: Todo, hands: Hands) -> None:
        """One todo, to its end. What it could not do is tried again a little later; a lost lease ends everything."""
        before = self.state.seq
        try:
            moved = await run_errand(todo, hands)
        except Fenced:
            raise
        except JournalError as error:
            self.board.post("problem", {"what": str(error), "at": self.scribe.now()})
            moved = False
        except Exception as error:  # noqa: BLE001  # a bug in one step must not end the watch over all the others
            words = _bug(todo, error, self.folder)
            self.board.post("problem", {"what": words, "at": self.scribe.now()})
            moved = False
            self._bugs[todo.id] = self._bugs.get(todo.id, 0) + 1
        finally:
            self._busy.discard(todo.id)
        if not moved or self.state.seq == before:
            pause = POLL_S if todo.kind in ("poll", "stop") else REFUSED_S
            self._not_before[todo.id] = self.scribe.now() + min(pause * 2 ** self._bugs.get(todo.id, 0), BUG_S)
        else:
            self._not_before.pop(todo.id, None)
            self._bugs.pop(todo.id, None)
        self._wake.set()

    # --- looking at the world ---------------------------------------------------------------------------------------

    async def look(self, *, again: bool = False) -> None:
        """Resolve the playbook as soon as its inputs are complete, so that a draft's panels live already.

        And once more when the run was migrated to another text.
        """
        async with self._looking:
            await self._look(again=again)

    async def _look(self, *, again: bool) -> None:
        state = self.state
        values = input_values(state)
        seen = (state.bundle_sha, values)
        if again:
            self._seen = None
        is_of_now = self.facts is not None and self.facts.bundle == state.bundle_sha
        if is_of_now and (state.phase != "draft" or seen == self._seen):
            return
        if state.phase == "closed" or seen == self._seen or missing(state.plan.inputs, values):
            return
        self._seen = seen
        try:
            facts = await look(document_of(state), state)
            if not state.sandbox and state.phase == "draft":
                self.trust = await examine(facts, state, self.folder.home)
                self.board.post("bundle", msgspec.to_builtins(self.trust))
            await self._use(facts)
            self.problem = ""
        except (AdapterError, Unresolved) as error:
            self.problem = explain(error)
            self.board.post("problem", {"what": self.problem, "at": self.scribe.now()})
            if self.state.phase != "draft":
                self._seen = None  # a run under way looks again until it can
                await asyncio.sleep(REFUSED_S)

    async def _use(self, facts: Facts) -> None:
        if self.watchers is not None:
            await self.watchers.stop()
        world = LiveWorld(facts, self.folder.evidence, self.board, self.state.run)
        self.facts = facts
        effects = Effects(self.scribe, Setting(self.scribe, facts, world, self._say), self._say)
        self._hands = Hands(effects, facts, world, self.board.evidence)
        self.watchers = Watchers(facts, world, self.board, self._hands.drifts.compare, lambda: self.state)
        if self._herald is None:
            self._herald = Herald(world)
            self._herald.begun(self.state)
        else:
            self._herald = Herald(world)
        is_vouched_for = self.state.sandbox or (self.trust is not None and self.trust.is_vouched_for)
        if is_vouched_for or self.state.phase != "draft":
            self.watchers.start()  # of a draft that nobody vouches for nothing is asked: it gets no token of ours
        self.secrets.of(secrets_of(facts.document.raw, self.state))

    def _say(self, ref: str, line: str) -> None:
        """One line of a step's output, for the cockpit's panel."""
        value = self.board.values.get(f"output:{ref}") or {"lines": []}
        lines = [*value["lines"], line][-OUTPUT_LINES:]
        self.board.post(f"output:{ref}", {"lines": lines, "at": self.scribe.now()})

    def _post_conductor(self, now: float) -> None:
        last = self.board.values.get("conductor")
        if last is None or not 0.0 <= now - last["at"] < 1.0:
            self.board.post("conductor", {"at": now, "pid": os.getpid(), "host": socket.gethostname()})
            if self.problem:
                self.board.post("problem", {"what": self.problem, "at": now})
            elif self.state.phase == "draft" and self.watchers is not None and not self.watchers.is_polling:
                self.board.post("problem", {"what": UNASKED, "at": now})

    async def _read_inbox(self) -> None:
        """Commands that were left while nobody conducted, and a slow look for more. A broken inbox ends nothing."""
        while True:
            try:
                inbox = Inbox.open_or_replace(self.folder.inbox)
                try:
                    while True:
                        if inbox.changed():
                            await self._empty(inbox)
                        await asyncio.sleep(INBOX_S)
                finally:
                    inbox.close()
            except Fenced:
                raise
            except JournalError as error:
                self.board.post("problem", {"what": f"the inbox: {error}", "at": self.scribe.now()})
                await asyncio.sleep(INBOX_S)

    async def _empty(self, inbox: Inbox) -> None:
        for waiting in inbox.pending():
            try:
                command = msgspec.json.decode(waiting.body, type=dict[str, Any])
            except (msgspec.MsgspecError, RecursionError):
                _log.warning("the inbox held something that is no command; it was dropped")
            else:
                await self.desk.do(command)
            inbox.taken(waiting.id)

    async def _upkeep(self) -> None:
        """What cleaners of /tmp and full disks take away is put back: the socket's file, the journal's reserve."""
        while True:
            await _compare_file(self.state.playbook, self.board)
            await asyncio.sleep(UPKEEP_S)
            try:
                if self._server is not None and await self._server.ensure_reachable():
                    _log.warning("the socket's file was gone; it is back")
                self._journal.refill()
            except (JournalError, OSError) as error:
                _log.warning("upkeep: %s", error)


async def _compare_file(playbook: str, board: Board) -> None:
    """Tell cockpits the hash of the playbook's file where it is another than before; what is pinned counts."""
    sha = await asyncio.to_thread(sha_of, playbook)
    if sha != board.values.get("file", {}).get("sha"):
        board.post("file", {"sha": sha, "at": time.time()})


def _bug(todo: Todo, error: Exception, folder: RunDir) -> str:
    """What a cockpit says of a bug of ours; its traceback goes into the log."""
    _log.error("%s failed", todo.id, exc_info=error)
    return f"a bug of ours stopped {todo.id}: {type(error).__name__}: {error}; details: {folder.log}"
