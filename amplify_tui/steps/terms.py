"""Gate entries as self-contained terms: the signal and its source's lag ride along, so a judge needs no playbook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from amplify_tui.adapters.flags.kinds import kind_name
from amplify_tui.adapters.metrics.kinds import lag_of
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import BUILTINS, Condition, GateEntry, Playbook
from amplify_tui.verdict.bake import settle_for
from amplify_tui.verdict.model import Term

DEFAULT_GATE: tuple[GateEntry, ...] = ("health", "fleet")


def terms(entries: Iterable[GateEntry], playbook: Playbook) -> tuple[Term, ...]:
    """One term an entry, in order; ids are unique. Raises Invalid for a name the playbook does not have.

    A bare signal name answers to the signal's own `limit`. The same entry twice is one term.
    """
    found: dict[str, Term] = {}
    for entry in entries:
        term = term_of(entry, playbook)
        if found.get(term.id, term) != term:
            number = sum(name == term.id or name.startswith(f"{term.id}#") for name in found) + 1
            term = Term(
                id=f"{term.id}#{number}",
                builtin=term.builtin,
                condition=term.condition,
                signal=term.signal,
                lag=term.lag,
            )
        found[term.id] = term
    return tuple(found.values())


def term_of(entry: GateEntry, playbook: Playbook, name: str = "") -> Term:
    """The term of one entry. name: its id, where the caller has one (a trigger's)."""
    if isinstance(entry, str):
        if entry in BUILTINS:
            builtin: Any = entry  # one of the words of BUILTINS, which is what Term's literal lists
            return Term(id=name or entry, builtin=builtin)
        entry = Condition(signal=entry)
    if entry.slo is not None:
        return Term(id=name or f"slo {entry.slo}", condition=entry)
    signal = playbook.signals.get(entry.signal or "")
    if signal is None:
        known = ", ".join([*BUILTINS, *playbook.signals])
        raise Invalid(f"a gate asks for {entry.signal or 'nothing'}", fix=f"known are {known}")
    source = playbook.sources.get(signal.source)
    lag = lag_of(source) if source else 0.0
    return Term(id=name or _id_of(entry), condition=entry, signal=signal, lag=lag)


def settle_of(gate: tuple[Term, ...], playbook: Playbook, given: float | None) -> float:
    """How long a phase settles before its evidence counts: what is written, else windows, polls and lags."""
    polls = [source.poll for source in playbook.sources.values() if kind_name(source)]
    return settle_for(gate, [], polls, given)


def _id_of(condition: Condition) -> str:
    return f"{condition.signal} {condition.cohort}" if condition.cohort else cast("str", condition.signal)
