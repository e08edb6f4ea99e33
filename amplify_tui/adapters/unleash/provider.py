"""Unleash as a FlagProvider: reads, guarded writes, the kill switch, the audit trail. The only place that calls it.

What a write means is planned elsewhere (flags/plan.py, flags/undo.py) and ordered elsewhere (ops.py); here it is sent,
read back and told as an Outcome. The server has no optimistic locking, so: our own writes to one flag are serialised,
each starts from the state it was planned on, changes carry `test` operations, and the result is read back.

    who calls what
    steps            read, apply, changes (before-image, effect, probe)
    engine           kill (Mitigate), check (amplify check --live), and watch.py for the board
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import httpx
from msgspec.structs import replace

from amplify_tui.adapters.flags.port import State
from amplify_tui.adapters.flags.state import active, missing, same, with_rules
from amplify_tui.adapters.flags.undo import differences
from amplify_tui.adapters.http import Answer, Http
from amplify_tui.adapters.ports import (
    Absent,
    AdapterError,
    Done,
    FlagChange,
    FlagNeeds,
    FlagState,
    FlagWrite,
    Invalid,
    NotFound,
    Outcome,
    Problem,
    Survey,
    Unknown,
)
from amplify_tui.adapters.unleash.answers import parse, segment_name, segment_rules
from amplify_tui.adapters.unleash.check import Access, survey
from amplify_tui.adapters.unleash.events import others as trail_others
from amplify_tui.adapters.unleash.kill import listed_off
from amplify_tui.adapters.unleash.ops import STALE, Op, env_path, flag_path, operations, revive, segment, switch_on
from amplify_tui.adapters.unleash.reports import Reports
from amplify_tui.adapters.unleash.trail import Mark, Trail

AT_ONCE: Final = 8  # concurrent reads, and kills one by one; more only queue at the server
TOLD: Final = 5  # changes of others that a sentence names
FEW: Final = 2 * AT_ONCE  # read one by one, more by the list: measured, 10 are faster so and 100 are not
TIMEOUT: Final = 8.0  # shorter than a conductor's lease: an effect must not outlast it


class UnleashProvider(Reports):
    """One environment of one Unleash project.

    token: an admin's or a user's (a user's shows who it was in the audit trail). client_token: of the same environment,
    for cheap watching. *client* may be shared, its owner closes it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        environment: str,
        project: str = "default",
        client_token: str = "",
        client: httpx.AsyncClient | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.environment = environment
        self.project = project
        self.has_client_token = bool(client_token)
        self._token = token
        self._client_token = client_token
        self._admin = Http(url, headers={"Authorization": token}, timeout=timeout, client=client, at_once=AT_ONCE)
        self._app = Http(url, headers={"Authorization": client_token}, timeout=timeout, client=client)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._kills: Counter[str] = Counter()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._trail = Trail(self._admin)

    @property
    def name(self) -> str:
        """The server, for messages: no credentials in it."""
        return self._admin.name

    async def aclose(self) -> None:
        await self._admin.aclose()
        await self._app.aclose()

    async def read(self, keys: Sequence[str]) -> dict[str, FlagState]:
        """The state of each flag, strategies whole; `exists` is False for one that is missing or archived.

        Raises AdapterError where any of them cannot be read: half an answer is no before-image.
        """
        states = await asyncio.gather(*(self._read_one(key) for key in keys))
        return dict(zip(keys, states, strict=True))

    async def _read_one(self, key: str) -> FlagState:
        path = flag_path(self.project, key)
        try:
            answer = await self._admin.read("GET", path)
        except NotFound as error:
            # The same 404 says "no such flag", "in another project" and "no such path": only the first is an answer.
            if "but there's a feature" in error.what:
                raise Invalid(f"{key} belongs to another project", where=error.where, fix=error.what) from error
            if "no feature named" in error.what or "not find feature" in error.what:
                return missing(key, self.environment)
            raise
        return parse(answer.json(), self.environment)

    async def apply(self, write: FlagWrite) -> Outcome:
        """Carry a planned change out.

        Done (observed: the state read back), also where it is in place already; Absent where nothing was changed,
        with error "Conflict" where the flag is no longer as it was planned on; Unknown for all between. What others
        wrote while we did is told: in the receipt under `meanwhile`, else among the words; where nobody could look,
        the receipt says why under `unaudited`.
        """
        kills = self._kills[write.key]
        async with self._locks[write.key]:
            try:
                mark = await self._trail.mark(write.key)
                now = (await self.read([write.key]))[write.key]
            except AdapterError as error:
                return Absent(reason=f"not tried: {error}", retryable=error.retryable, error=type(error).__name__)
            in_place = same(write.after, now.raw)
            if in_place and not write.after.get("context"):
                return Done(observed=now.raw)
            if not in_place and (refusal := _refusal(write, now.raw)):
                return refusal
            sent: list[Op] = []
            outcome = await self._carried_out(write, now, kills, sent)
            return await audited(outcome, write, sent, self._trail, mark)

    async def _carried_out(self, write: FlagWrite, now: FlagState, kills: int, sent: list[Op]) -> Outcome:
        """Make the calls one by one, and read the flag back; *sent* gets those that may have left an event."""
        if write.after.get("revive") and not now.exists:
            revived = await self._revive(write, kills, sent)
            if isinstance(revived, Absent | Unknown):
                return revived
            now = revived
        for done, op in enumerate(operations(self.project, write.key, write.env, now.raw, write.after)):
            failed = await self._send(op, write.key, kills, sent)
            if failed is not None:
                return _partly(failed, op, done)
        return await self._settled(write, kills, sent)

    async def _revive(self, write: FlagWrite, kills: int, sent: list[Op]) -> FlagState | Absent | Unknown:
        """The flag as it comes out of the archive, with what it had there; still missing where it was purged."""
        failed = await self._send(revive(write.key), write.key, kills, sent)
        if failed is not None and not (isinstance(failed, Absent) and failed.error == "NotFound"):
            return failed
        try:
            return await self._read_one(write.key)
        except AdapterError as error:
            return Unknown(cause=f"taken out of the archive, and not read back: {error}")

    async def _send(self, op: Op, key: str, kills: int, sent: list[Op]) -> Absent | Unknown | None:
        """None when the call succeeded. After a kill of the flag nothing more of an older write goes out."""
        if self._kills[key] != kills:
            return Absent(reason=f"stopped before: {op.what}: the flag was killed meanwhile", error="Conflict")
        answer = await self._admin.write(op.method, op.path, op.body)
        if isinstance(answer, Answer):
            sent.append(op)
            return None
        if op.guarded and isinstance(answer, Unknown) and STALE in answer.cause:
            return Absent(reason=f"{op.what}: somebody changed it meanwhile", error="Conflict")
        if op.may_exist and isinstance(answer, Absent) and answer.error == "Conflict":
            return None
        if isinstance(answer, Unknown):  # what was refused leaves no event: one like it is somebody else's
            sent.append(op)
        return answer

    async def _settled(self, write: FlagWrite, kills: int, sent: list[Op]) -> Outcome:
        """What the server holds now that every call was acknowledged."""
        try:
            now = await self._read_one(write.key)
            wanted = write.after
            if wanted["enabled"] and wanted["exists"] and not now.enabled and active(now.raw):
                # A moment without an active strategy turned it off (ours cannot; somebody's can).
                op = switch_on(env_path(self.project, write.key, write.env), write.key, write.env)
                if (failed := await self._send(op, write.key, kills, sent)) is not None:
                    return _partly(failed, op, 1)
                now = await self._read_one(write.key)
        except AdapterError as error:
            return Unknown(cause=f"every call was accepted, but the flag could not be read back: {error}")
        if same(wanted, now.raw):
            return Done(observed=now.raw)
        return Unknown(cause=f"read back, it is not as written: {'; '.join(differences(wanted, now.raw))}")

    async def kill(self, keys: Sequence[str]) -> dict[str, Outcome]:
        """Switch flags off in this environment, as fast as it goes; writes of ours under way stop and lose.

        One bulk call, which the server refuses as a whole where one name is unknown: then flag by flag. Done means
        read back and off; `observed` is the state where there are few, and nothing where one list proved many.
        """
        for key in keys:
            self._kills[key] += 1
        names = sorted(set(keys))
        path = f"/api/admin/projects/{segment(self.project)}/bulk_features/environments/{segment(self.environment)}/off"
        bulk = await self._admin.write("POST", path, {"features": names})
        off: frozenset[str] = frozenset()
        if isinstance(bulk, Answer) and len(names) > FEW:
            off = await listed_off(self._admin, self.project, self.environment, [self._locks[key] for key in names])
        left = [key for key in names if key not in off]
        looked = dict(zip(left, await asyncio.gather(*(self._verified_off(key, bulk) for key in left)), strict=True))
        return {key: looked[key] if key in looked else Done() for key in names}

    async def _verified_off(self, key: str, bulk: Answer | Absent | Unknown) -> Outcome:
        failed = None if isinstance(bulk, Answer) else await self._off(key)
        # A write of ours that was under way may have switched it on after us: it ends before we look.
        async with self._locks[key]:
            try:
                now = await self._read_one(key)
                if now.exists and now.enabled:
                    failed = await self._off(key)
                    now = await self._read_one(key)
            except AdapterError as error:
                cause = f"could not be read back: {error}"
                return Unknown(cause=cause) if failed is None else failed
        if not now.exists:
            return Absent(reason=f"there is no flag {key}", error="NotFound")
        if not now.enabled:
            return Done(observed=now.raw)
        return failed or Unknown(cause=f"switched off, but read back {key} is on: somebody switches it on again")

    async def _off(self, key: str) -> Absent | Unknown | None:
        async with self._slots:
            answer = await self._admin.write("POST", f"{env_path(self.project, key, self.environment)}/off")
        return None if isinstance(answer, Answer) else answer

    async def changes(self, key: str, since: float) -> list[FlagChange]:
        """Who changed the flag in this environment after *since*, oldest first; segments it uses included.

        Times are by our clock, however far the server's is from it. A write that changed nothing leaves no trace.
        Raises AdapterError.
        """
        strategies = (await self._read_one(key)).raw["strategies"]
        used = {one for strategy in strategies for one in strategy.get("segments", [])}
        return await self._trail.changes(key, self.environment, since, used)

    async def exposed_since(self, key: str) -> float | None:
        """When whoever gets the flag last changed, by our clock; None where nobody can say. Raises AdapterError."""
        return await self._trail.exposed_since(key, self.environment)

    async def with_segments(self, state: FlagState) -> FlagState:
        """*state* with what its segments hold beside their ids, for evaluation; never to be written back.

        Raises AdapterError where a segment cannot be read.
        """
        used = sorted({one for strategy in active(state.raw) for one in strategy.get("segments") or ()})
        found = await asyncio.gather(*(self._admin.read("GET", f"/api/admin/segments/{int(one)}") for one in used))
        answers = {one: answer.json() for one, answer in zip(used, found, strict=True)}
        rules = {one: segment_rules(answer) for one, answer in answers.items()}
        names = {one: segment_name(answer) for one, answer in answers.items()}
        return with_rules(state, rules, names)

    async def client_features(self, etag: str = "") -> Answer:
        """What the applications of this environment see; status 304 where *etag* still holds. Up to a second late."""
        headers = {"If-None-Match": etag} if etag else {}
        return await self._app.read("GET", "/api/client/features", headers=headers)

    async def check(self) -> list[Problem]:
        """What would make a release fail later: reach, tokens and their kinds, project, environment, rights."""
        return list((await self.survey(FlagNeeds())).problems)

    async def survey(self, needs: FlagNeeds) -> Survey:
        """As `check`, for what a release really needs; and what is as it should be, with the server's version."""
        app = self._app if self.has_client_token else None
        access = Access(
            admin=self._admin,
            app=app,
            token=self._token,
            client_token=self._client_token,
            project=self.project,
            env=self.environment,
        )
        return await survey(access, needs)


def _refusal(write: FlagWrite, now: State) -> Absent | None:
    if not same(write.before, now):
        changed = "; ".join(differences(write.before, now)) or "it is not as it was planned on"
        return Absent(reason=f"{write.key} was changed meanwhile: {changed}", error="Conflict")
    if write.after["exists"] and write.after["enabled"] and not active(write.after):
        return Absent(
            reason=f"{write.key} would be on without an active strategy: 100 % for everybody", error="Invalid"
        )
    return None


async def audited(outcome: Outcome, write: FlagWrite, sent: list[Op], trail: Trail, mark: Mark | None) -> Outcome:
    """*outcome* with what others did to the flag since the mark: the server keeps no lock, so each write looks."""
    if mark is None:
        return with_others(outcome, (), why="the token may not read the audit trail")
    try:
        events = await trail.since(write.key, mark)
    except AdapterError as error:
        return with_others(outcome, (), why=str(error))
    return with_others(outcome, trail_others(events, sent, env=write.env, me=trail.me))


def with_others(outcome: Outcome, others: tuple[str, ...], *, why: str = "") -> Outcome:
    """*outcome* with what others did meanwhile, or *why* nobody could look."""
    if not others and not why:
        return outcome
    more = f"; and {len(others) - TOLD} more" if len(others) > TOLD else ""
    said = "; ".join(others[:TOLD]) + more
    match outcome:
        case Done(receipt=receipt):
            return replace(outcome, receipt=receipt | ({"meanwhile": said} if said else {"unaudited": why}))
        case Unknown(cause=cause) if said:
            return Unknown(cause=f"{cause}; meanwhile {said}")
        case Absent(reason=reason) if said:
            return replace(outcome, reason=f"{reason}; meanwhile {said}")
    return outcome


def _partly(failed: Absent | Unknown, op: Op, done: int) -> Absent | Unknown:
    """A failure of call number *done* + 1: after the first success it is no longer true that nothing happened."""
    if done == 0:
        return failed
    words = failed.reason if isinstance(failed, Absent) else failed.cause
    return Unknown(cause=f"{done} calls were done, then {op.what} failed: {words}")
