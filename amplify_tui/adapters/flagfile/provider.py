"""Flags as a file in a git repository, in flagd's format: a FlagProvider for teams without a flag server.

The file is what a branch of the remote has. A change is one commit of one flag and one push, never by force: whoever
pushed first wins, and the other one is told. So a lost update cannot happen, and the history is git's own.

    done        the push was accepted, and the remote has it
    conflict    the flag itself was changed meanwhile; where only something else in the file was, it is tried again
    unknown     the push has no answer: the next read of the branch settles it
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from msgspec import structs

from amplify_tui.adapters.flagfile.document import disabled, flags_of, rewrite, to_flag, to_state
from amplify_tui.adapters.flags.state import flag_state, same
from amplify_tui.adapters.flags.undo import differences
from amplify_tui.adapters.git.branch import RemoteFile, Snapshot
from amplify_tui.adapters.ports import (
    Absent,
    AdapterError,
    Done,
    FlagChange,
    FlagState,
    FlagWrite,
    NotFound,
    Outcome,
    Problem,
    Unknown,
)
from amplify_tui.verdict.model import FlagUse

Flags: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Flags], Flags | Outcome]
PACE: Final = 5.0
TRIES: Final = 5  # pushes that lost a race with somebody else's commit


class FlagfileProvider:
    """The flags of one file. One git call at a time: they share the repository's objects."""

    def __init__(self, file: RemoteFile, *, environment: str, pace: float = PACE) -> None:
        """pace: seconds between two looks at the remote, for who watches."""
        self.environment = environment
        self.pace = pace
        self._file = file
        self._lock = asyncio.Lock()
        self._kills: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """Where the flags are, for messages."""
        return self._file.name

    async def aclose(self) -> None:
        """Nothing is open between two calls."""

    async def read(self, keys: Sequence[str]) -> dict[str, FlagState]:
        """The state of each flag as the remote has it now. Raises AdapterError: no remote, no branch, no such file."""
        async with self._lock:
            flags = flags_of(_text(await self._file.read(), self.name))
        return {key: flag_state(key, self.environment, to_state(key, flags.get(key))) for key in keys}

    async def revision(self) -> str:
        """The commit that the branch names now: the flags can only differ where this does. Raises AdapterError."""
        async with self._lock:
            return await self._file.head()

    async def apply(self, write: FlagWrite) -> Outcome:
        """Carry a planned change out: one commit, one push."""
        kills = self._kills[write.key]

        def changed(flags: Flags) -> Flags | Outcome:
            now = to_state(write.key, flags.get(write.key))
            if same(write.after, now):
                return Done(observed=now)
            if self._kills[write.key] != kills:
                return Absent(reason=f"not tried: {write.key} was killed meanwhile", error="Conflict")
            if not same(write.before, now):
                said = "; ".join(differences(write.before, now)) or "it is not as it was planned on"
                return Absent(reason=f"{write.key} was changed meanwhile: {said}", error="Conflict")
            return {write.key: to_flag(write.key, write.after, flags.get(write.key))}

        return await self._change(changed, _message(write))

    async def kill(self, keys: Sequence[str]) -> dict[str, Outcome]:
        """Switch flags off in one commit, whatever else was changed; what the file does not have is Absent."""
        names = sorted(set(keys))
        for key in names:
            self._kills[key] += 1
        missing: list[str] = []

        def changed(flags: Flags) -> Flags | Outcome:
            missing[:] = [key for key in names if key not in flags]
            # One that is off with its rule is off; ENABLED with an off default may still get a rule from somebody.
            on = {key: disabled(flags[key]) for key in names if key in flags and flags[key].get("state") != "DISABLED"}
            return on or Done()

        outcome = await self._change(changed, f"Switch off {', '.join(names)}")
        found: dict[str, Outcome] = dict.fromkeys(names, outcome)
        if isinstance(outcome, Done):
            try:
                states = await self.read(names)
            except AdapterError as error:
                return dict.fromkeys(names, Unknown(cause=f"switched off, and not read back: {error}"))
            found = {key: structs.replace(outcome, observed=states[key].raw) for key in names}
        return found | {key: Absent(reason=f"there is no flag {key}", error="NotFound") for key in missing}

    async def _change(self, changed: Change, message: str) -> Outcome:
        """Put what *changed* makes of the flags into the file; it is asked anew whenever the branch moved on."""
        async with self._lock:
            refused = ""
            for _ in range(TRIES):
                try:
                    base = await self._file.read()
                    text = _text(base, self.name)
                    wanted = changed(flags_of(text))
                    if not isinstance(wanted, dict):
                        return wanted
                    outcome = await self._file.write(base, rewrite(text, wanted), message)
                except AdapterError as error:
                    return Absent(reason=f"not tried: {error}", retryable=error.retryable, error=type(error).__name__)
                if isinstance(outcome, Done):
                    return await self._read_back(outcome, wanted)
                if not (isinstance(outcome, Absent) and outcome.error == "Conflict"):
                    return outcome
                refused = outcome.reason
        return Absent(reason=f"{TRIES} pushes in a row were refused: {refused}", retryable=True, error="Conflict")

    async def _read_back(self, outcome: Done, wanted: Flags) -> Outcome:
        try:
            flags = flags_of(_text(await self._file.read(), self.name))
        except AdapterError as error:
            return Unknown(cause=f"the push was accepted, but the branch could not be read back: {error}")
        key = next(iter(wanted))
        return Done(receipt=outcome.receipt, observed=to_state(key, flags.get(key)))

    async def with_segments(self, state: FlagState) -> FlagState:
        """The state itself: a flagd file has no segments."""
        return state

    async def changes(self, key: str, since: float) -> list[FlagChange]:
        """The commits after *since* that changed this flag, oldest first. Raises AdapterError."""
        async with self._lock:
            touches = await self._file.touches(since)
        found = []
        for touch, before, after in touches:
            was, now = (to_state(key, _flag(text, key)) for text in (before, after))
            if not same(was, now):
                what = f"{touch.subject} ({'; '.join(differences(was, now)) or 'it is there'})"
                found.append(FlagChange(flag=key, at=touch.at, by=touch.by, what=what, kind="commit"))
        return found

    async def exposed_since(self, key: str) -> float | None:
        """When the flag was last changed; None where the newest commits do not tell. Raises AdapterError."""
        found = await self.changes(key, 0.0)
        return found[-1].at if found else None

    async def uses(self, key: str) -> tuple[FlagUse, ...]:
        """Nothing: a file does not know who reads it."""
        return ()

    async def check(self) -> list[Problem]:
        """What would make a release fail later: the remote, the branch, the file, and what is in it."""
        try:
            async with self._lock:
                flags_of(_text(await self._file.read(), self.name))
        except AdapterError as error:
            return [Problem(what=error.what, where=error.where or self.name, fix=error.fix)]
        return []


def _text(snapshot: Snapshot, where: str) -> str:
    if snapshot.text is None:
        raise NotFound(f"there is no flag file {where}", fix='commit one: {"flags": {}}')
    return snapshot.text


def _flag(text: str | None, key: str) -> Any:
    """The flag in an old version of the file; None where it had none, or where the file was broken then."""
    try:
        return flags_of(text).get(key) if text is not None else None
    except AdapterError:
        return None


def _message(write: FlagWrite) -> str:
    """The commit's message: what the change means, so that the history reads."""
    if not write.after["exists"]:
        return f"Remove {write.key}"
    if not write.before["exists"]:
        return f"Create {write.key}, {'on' if write.after['enabled'] else 'off'}"
    if write.after["enabled"] != write.before["enabled"]:
        return f"Switch {write.key} {'on' if write.after['enabled'] else 'off'}: {_shares(write)}"
    return f"Change {write.key}: {_shares(write)}"


def _shares(write: FlagWrite) -> str:
    shares = (flag_state(write.key, write.env, raw).exposure for raw in (write.before, write.after))
    return " % to ".join(f"{share:g}" for share in shares) + " %"
