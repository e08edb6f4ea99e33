"""A flag provider of another package: flags in one local JSON file, for a team of one. It is what the docs point at.

Everything that Amplify asks of a kind is here: the fields of `with:`, the rules, opening, watching, and the line by
hand. `sample_flags-1.0.dist-info` beside this package is what pip would have installed: it names the entry point.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from amplify_tui.adapters.flags.evaluation import Evaluator
from amplify_tui.adapters.flags.port import Evaluates, FlagAbilities, FlagWatcher, Opening, State
from amplify_tui.adapters.flags.rules import StrategyRules
from amplify_tui.adapters.flags.watch import RevisionWatch
from amplify_tui.adapters.ports import (
    Absent,
    Done,
    FlagChange,
    FlagProvider,
    FlagState,
    FlagUse,
    FlagWrite,
    Outcome,
    Problem,
    Unreachable,
)
from amplify_tui.playbook.model import Base, Source

MISSING: State = {"exists": False, "enabled": False, "strategies": []}


class Fields(Base, frozen=True):
    """What `with:` of a source holds: where the flags are."""

    path: str


class SampleRules(StrategyRules):
    def evaluator(self, states: Sequence[FlagState]) -> Evaluates:
        return Evaluator.of(states)


RULES = SampleRules()


class SampleProvider:
    def __init__(self, path: Path, environment: str) -> None:
        self.path = path
        self.environment = environment

    @contextmanager
    def _held(self) -> Iterator[dict[str, Any]]:
        try:
            with self.path.open("r+", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                flags = json.load(file)
                was = json.dumps(flags)
                yield flags
                if json.dumps(flags) != was:
                    file.seek(0)
                    file.truncate()
                    json.dump(flags, file)
        except OSError as error:
            raise Unreachable(f"the flags cannot be opened: {error.strerror}", where=str(self.path)) from error

    async def read(self, keys: Sequence[str]) -> dict[str, FlagState]:
        with self._held() as flags:
            return {key: RULES.state(key, self.environment, flags.get(key, MISSING)) for key in keys}

    async def revision(self) -> str:
        with self._held() as flags:
            return hashlib.sha256(json.dumps(flags).encode()).hexdigest()

    async def apply(self, write: FlagWrite) -> Outcome:
        try:
            with self._held() as flags:
                now = flags.get(write.key, MISSING)
                if RULES.same(write.after, now):
                    return Done(observed=now)
                if not RULES.same(write.before, now):
                    said = "; ".join(RULES.differences(write.before, now))
                    return Absent(reason=f"{write.key} was changed meanwhile: {said}", error="Conflict")
                flags[write.key] = write.after
                return Done(observed=write.after)
        except Unreachable as error:
            return Absent(reason=str(error), retryable=True, error="Unreachable")

    async def kill(self, keys: Sequence[str]) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        try:
            with self._held() as flags:
                for key in keys:
                    if key in flags:
                        flags[key] = {**flags[key], "enabled": False}
                        found[key] = Done(observed=flags[key])
                    else:
                        found[key] = Absent(reason=f"there is no flag {key}", error="NotFound")
        except Unreachable as error:
            return dict.fromkeys(keys, Absent(reason=str(error), retryable=True, error="Unreachable"))
        return found

    async def with_segments(self, state: FlagState) -> FlagState:
        return state

    async def changes(self, key: str, since: float) -> list[FlagChange]:
        return []

    async def uses(self, key: str) -> tuple[FlagUse, ...]:
        return ()

    async def check(self) -> list[Problem]:
        try:
            await self.revision()
        except Unreachable as error:
            return [Problem(what=error.what, where=error.where)]
        return []

    async def aclose(self) -> None:
        pass


class SampleKind:
    name: ClassVar[str] = "sample"
    Fields: ClassVar[type[Base]] = Fields
    rules: ClassVar[SampleRules] = RULES
    abilities: ClassVar[FlagAbilities] = FlagAbilities(cas="version", history=False, usage=False)

    def open(self, opening: Opening) -> FlagProvider:
        return SampleProvider(opening.base / opening.fields(Fields).path, opening.environment)

    def watch(self, provider: FlagProvider, source: str, flags: Sequence[str]) -> FlagWatcher:
        assert isinstance(provider, SampleProvider)
        return RevisionWatch(provider, RULES, source=source, flags=flags, every=1.0)

    def by_hand(self, source: Source, key: str, env: str) -> str:
        return f"set enabled of {key} to false in {source.with_['path']}"
