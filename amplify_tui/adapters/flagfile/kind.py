"""A flagd file in git as a kind of flag provider: what opens it, what watches it, and who gets a flag of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, cast

from amplify_tui.adapters.flagfile import hand
from amplify_tui.adapters.flagfile.document import to_flag
from amplify_tui.adapters.flagfile.provider import PACE, FlagfileProvider
from amplify_tui.adapters.flagfile.targeting import numeric_fields, reason_against
from amplify_tui.adapters.flags.port import ByHand, Evaluates, FlagAbilities, FlagWatcher, Opening, State
from amplify_tui.adapters.flags.rules import StrategyRules
from amplify_tui.adapters.flags.watch import RevisionWatch
from amplify_tui.adapters.git.branch import RemoteFile
from amplify_tui.adapters.ports import FlagProvider, FlagState, FlagWrite, Invalid, NotFound
from amplify_tui.playbook.model import Base, Source


class NoFields(Base, frozen=True):
    """Ours are chosen by their own key: they take nothing by `with:`."""


class FlagdEngine:
    """Who gets a flag, by the engine that flagd's in-process provider runs; loaded at first use."""

    def __init__(self, states: Sequence[FlagState]) -> None:
        """Raises Invalid where a flagd file cannot hold one of the states, or the engine refuses it."""
        from openfeature.contrib.tools.flagd.core import FlagdCore
        from openfeature.exception import OpenFeatureError

        logging.getLogger("openfeature").setLevel(logging.CRITICAL)  # it logs each user that lacks a field
        flags = {state.key: to_flag(state.key, state.raw, None) for state in states if state.exists}
        self._numbers = numeric_fields([state.raw for state in states])
        self._core = FlagdCore()
        try:
            self._core.set_flags(json.dumps({"flags": flags}))
        except (OpenFeatureError, ValueError) as error:
            raise Invalid(f"flagd's engine refuses the flag: {error}") from error

    def users(self, flag: str, contexts: Sequence[Mapping[str, Any]]) -> frozenset[int]:
        """Which of *contexts* get the flag, by position. The user's id is flagd's targetingKey."""
        from openfeature.evaluation_context import EvaluationContext
        from openfeature.exception import OpenFeatureError

        found = set()
        for at, context in enumerate(contexts):
            fields = {name: value for name, value in context.items() if name != "properties" and value is not None}
            fields |= {name: self._typed(name, value) for name, value in (context.get("properties") or {}).items()}
            asked = EvaluationContext(targeting_key=context.get("userId"), attributes=fields)
            try:
                if self._core.resolve_boolean_value(flag, False, asked).value:
                    found.add(at)
            except OpenFeatureError as error:
                raise Invalid(f"flagd's engine cannot evaluate {flag}: {error}") from error
        return frozenset(found)

    def _typed(self, name: str, value: Any) -> Any:
        if name not in self._numbers:
            return value
        try:
            return float(value)
        except (TypeError, ValueError):
            return value


class FlagfileRules(StrategyRules):
    """What a flag of a flagd file means."""

    def cannot_hold(self, write: FlagWrite) -> str:
        return reason_against(write.after)

    def half_done(self, before: State, after: State) -> list[State]:
        return []  # a change is one commit

    def evaluator(self, states: Sequence[FlagState]) -> Evaluates:
        return FlagdEngine(states)


class FlagfileKind:
    name: ClassVar[str] = "flagfile"
    Fields: ClassVar[type[Base]] = NoFields
    rules: ClassVar[FlagfileRules] = FlagfileRules()
    abilities: ClassVar[FlagAbilities] = FlagAbilities(cas="version", granularity=Decimal(1), usage=False)

    def open(self, opening: Opening) -> FlagProvider:
        """The provider. The repository is the one that holds the file's folder, so flags may have one of their own."""
        source = opening.source
        written = opening.base / (source.flagfile or "")
        folder = hand.repository(written)
        if folder is None:
            what = f"{source.flagfile} lies in no git repository"
            raise NotFound(what, where=str(written.parent), fix="clone its repository, and name the file in that clone")
        file = RemoteFile(
            folder,
            path=written.resolve().relative_to(folder).as_posix(),
            remote=source.remote or hand.ORIGIN,
            branch=source.branch or "",
        )
        return FlagfileProvider(file, environment=opening.environment, pace=source.every or PACE)

    def watch(self, provider: FlagProvider, source: str, flags: Sequence[str]) -> FlagWatcher:
        files = cast("FlagfileProvider", provider)
        return RevisionWatch(files, self.rules, source=source, flags=flags, every=files.pace)

    def by_hand(self, source: Source, key: str, env: str) -> str:
        return hand.off(source, key)

    def restored_by_hand(self, source: Source, write: FlagWrite, base: Path) -> ByHand:
        return hand.restored(source, write, base)
