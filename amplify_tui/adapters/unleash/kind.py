"""Unleash as a kind of flag provider: what opens it, what watches it, and how a person does without us."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, cast

from amplify_tui.adapters.flags.evaluation import Evaluator
from amplify_tui.adapters.flags.port import ByHand, Evaluates, FlagAbilities, FlagWatcher, Opening, State
from amplify_tui.adapters.flags.rules import StrategyRules
from amplify_tui.adapters.ports import FlagProvider, FlagState, FlagWrite
from amplify_tui.adapters.unleash import hand
from amplify_tui.adapters.unleash.ops import half_done
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.adapters.unleash.watch import FlagWatch
from amplify_tui.playbook.model import Base, Source

TICK: Final = 1.0  # the server refreshes what applications get once a second (unleash.md 4)


class NoFields(Base, frozen=True):
    """Ours are chosen by their own key: they take nothing by `with:`."""


class UnleashRules(StrategyRules):
    """What an Unleash flag means; evaluated by the engine of its SDKs."""

    def half_done(self, before: State, after: State) -> list[State]:
        return half_done(before, after)

    def evaluator(self, states: Sequence[FlagState]) -> Evaluates:
        return Evaluator.of(states)


class UnleashKind:
    name: ClassVar[str] = "unleash"
    Fields: ClassVar[type[Base]] = NoFields
    rules: ClassVar[UnleashRules] = UnleashRules()
    abilities: ClassVar[FlagAbilities] = FlagAbilities(
        cas="none", granularity=Decimal(1), propagation=TICK, segments=True, variants=True
    )

    def open(self, opening: Opening) -> FlagProvider:
        source = opening.source
        return UnleashProvider(
            opening.reveal(source.unleash or ""),
            opening.reveal(source.token or ""),
            environment=opening.environment,
            project=source.project,
            client_token=opening.reveal(source.client_token or ""),
        )

    def watch(self, provider: FlagProvider, source: str, flags: Sequence[str]) -> FlagWatcher:
        return FlagWatch(cast("UnleashProvider", provider), source=source, flags=flags)

    def by_hand(self, source: Source, key: str, env: str) -> str:
        return hand.off(source, key, env)

    def restored_by_hand(self, source: Source, write: FlagWrite, base: Path) -> ByHand:
        return hand.restored(source, write)
