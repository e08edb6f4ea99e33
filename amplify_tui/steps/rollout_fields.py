"""The fields of rollout, and what its two kinds share: bakes per phase, and the watch around phases."""

from __future__ import annotations

from typing import Literal

from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Base, Dur, GateEntry, Name, Pct, Playbook
from amplify_tui.run.shapes import PhasePlan, Watch
from amplify_tui.steps.commands import LateCommand
from amplify_tui.steps.terms import DEFAULT_GATE, settle_of, terms
from amplify_tui.verdict.words import duration


class RolloutFields(Base, frozen=True):
    bake: Dur | tuple[Dur, ...]
    flag: str | None = None
    source: Name | None = None
    phases: tuple[Pct, ...] = ()
    strategy: str | None = None
    service: Name | None = None
    waves: tuple[int | str, ...] = ()
    deploy: LateCommand | None = None
    revert: LateCommand | None = None
    settle: Dur | None = None
    gate: tuple[GateEntry, ...] = DEFAULT_GATE
    max_wait: Dur | None = None
    on_fail: Literal["hold", "retreat", "rollback", "ask"] = "hold"
    partial: bool = False


def bakes(fields: RolloutFields, count: int) -> tuple[float, ...]:
    """The bake of each of *count* phases. Raises Invalid where their numbers differ."""
    if not isinstance(fields.bake, tuple):
        return (fields.bake,) * count
    if len(fields.bake) != count:
        raise Invalid(f"{len(fields.bake)} bakes for {count} phases", fix="write one bake, or one for each phase")
    return fields.bake


def watch_of(
    fields: RolloutFields,
    phases: tuple[PhasePlan, ...],
    playbook: Playbook,
    settle: float | None,
    *,
    service: str = "",
    flag: str = "",
) -> Watch:
    """What the rollout is judged by.

    `max_wait` counts from the phase's start, so to 3 bakes is added what has to go by before anything counts.
    """
    gate = terms(fields.gate, playbook)
    settling = settle_of(gate, playbook, settle)
    poll = playbook.sources[fields.source].poll if flag and fields.source in playbook.sources else 0.0
    longest = max((phase.bake for phase in phases), default=0.0)
    return Watch(
        phases=phases,
        gate=gate,
        settle=settling,
        poll=poll,
        max_wait=settling + poll + 3 * longest if fields.max_wait is None else fields.max_wait,
        on_fail=fields.on_fail,
        service=service,
        flag=flag,
    )


def preview_of(watch: Watch, what: str) -> str:
    """The phases with their bakes, and the gate that stands between them."""
    lines = [f"{phase.target}, bakes {duration(phase.bake)}" for phase in watch.phases]
    gate = ", ".join(term.id for term in watch.gate)
    return "\n".join([what, *lines, f"gate: {gate}; settles {duration(watch.settle)}; on fail: {watch.on_fail}"])
