"""Which signal of a playbook counts who gets a flag: the one whose cohorts are the flag's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.playbook.model import Playbook, Signal

EXPRESSION: Final = "${{"


def signal_of(playbook: Playbook, source: str, flag: str) -> str | None:
    """The signal whose cohorts tell who gets *flag*: one of all traffic, else the first of its gate; None for none.

    Cohorts are of one flag: where several are ramped, only what the gate of this one names can be of it.
    """
    gates: dict[str, list[str]] = {}
    for step in (step for stage in playbook.stages for step in stage.steps if step.verb == "rollout"):
        fields: Mapping[str, Any] = step.fields if isinstance(step.fields, Mapping) else {}
        if fields.get("flag"):
            names = gates.setdefault(f"{fields.get('source')}/{fields['flag']}", [])
            names += [name for entry in fields.get("gate") or () if (name := _named(entry))]
    mine = gates.get(f"{source}/{flag}")
    if mine is None and len(gates) == 1 and EXPRESSION in next(iter(gates)):
        mine = next(iter(gates.values()))  # the one flag that is ramped, named by an input
    if mine is None:
        return None
    signals = playbook.signals
    known = [name for name in mine if name in signals and _counts(signals[name])]
    if len(gates) == 1:
        known += [name for name, one in signals.items() if one.golden == "traffic" and _counts(one)]
    return next((name for name in known if signals[name].golden == "traffic"), known[0] if known else None)


def _named(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("signal") or "")
    return entry if isinstance(entry, str) else str(getattr(entry, "signal", None) or "")


def _counts(signal: Signal) -> bool:
    """Whether a signal's cohorts can be counted: by their totals, or as traffic itself."""
    return signal.cohorts is not None and bool(signal.total or signal.count or signal.golden == "traffic")
