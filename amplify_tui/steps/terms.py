"""Gate entries as self-contained terms: the signal and its source's lag ride along, so a judge needs no playbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from amplify_tui.adapters.flags.kinds import kind_name
from amplify_tui.adapters.metrics.kinds import lag_of
from amplify_tui.adapters.ports import Invalid
from amplify_tui.adapters.promql import lookback
from amplify_tui.playbook.model import BUILTINS, Condition, GateEntry, Playbook, Signal, Trigger
from amplify_tui.run.shapes import TriggerSpec
from amplify_tui.verdict.bake import settle_for
from amplify_tui.verdict.model import Past, Term

ALPHA: Final = 0.01  # the chance of a false fail that a whole release may spend on comparisons
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
                slo=term.slo,
                lag=term.lag,
                alpha=term.alpha,
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
        return _burning(entry, playbook, name)
    signal = playbook.signals.get(entry.signal or "")
    if signal is None:
        known = ", ".join([*BUILTINS, *playbook.signals])
        raise Invalid(f"a gate asks for {entry.signal or 'nothing'}", fix=f"known are {known}")
    source = playbook.sources.get(signal.source)
    lag = lag_of(source) if source else 0.0
    return Term(id=name or _id_of(entry), condition=entry, signal=signal, lag=lag, alpha=alpha_of(playbook))


def triggers_of(playbook: Playbook) -> tuple[TriggerSpec, ...]:
    """The triggers of `rollback.when`, in order, each with an id of its own. Raises Invalid as `term_of` does."""
    found: list[TriggerSpec] = []
    for i, t in enumerate(playbook.rollback.when, 1):
        name = t.builtin or t.signal or f"trigger{i}"
        name = name if name not in {spec.id for spec in found} else f"{name}-{i}"
        term = term_of(t.builtin or _asked_by(t), playbook, name)
        spec = TriggerSpec(id=name, term=term, mode=t.mode, answer_within=t.answer_within, then=t.then, scope=t.scope)
        found.append(spec)
    return tuple(found)


def _asked_by(trigger: Trigger) -> Condition:
    """The condition alone: what a judge needs, and what is journaled."""
    return Condition(**{name: getattr(trigger, name) for name in Condition.__struct_fields__})


def _burning(entry: Condition, playbook: Playbook, name: str) -> Term:
    slo = playbook.slos.get(entry.slo or "")
    if slo is None:
        raise Invalid(f"a gate asks for the slo {entry.slo}", fix=f"known are {', '.join(playbook.slos) or 'none'}")
    source = playbook.sources.get(slo.source)
    lag = lag_of(source) if source else 0.0
    return Term(id=name or f"slo {entry.slo}", condition=entry, slo=slo, lag=lag)


def alpha_of(playbook: Playbook) -> float:
    """What each sequential condition may spend: 1 % by the number of different ones in all gates and triggers.

    Each of them tests at every look of the whole release; together they keep the one promise.
    """
    asked = {_question(entry) for entry in _entries(playbook) if _is_sequential(entry, playbook)}
    return ALPHA / max(1, len(asked))


def pasts_of(playbook: Playbook) -> dict[str, Past]:
    """The signals that a gate or a trigger compares with their own past, each with the earliest that it needs."""
    found: dict[str, Past] = {}
    for entry in _entries(playbook):
        name = str(entry.get("signal"))
        signal = playbook.signals.get(name)
        if signal is None or not _is_sequential(entry, playbook):
            continue
        own = signal.limit.worse_than if signal.limit is not None else None
        past = entry.get("worse_than") or own
        if past == "last_week" or (past == "yesterday" and found.get(name) is None):
            found[name] = past
    return found


def _entries(playbook: Playbook) -> Iterator[Mapping[str, Any]]:
    """Every condition, of gates as written (the fields of a step are not resolved before its turn) and of triggers."""
    for stage in playbook.stages:
        for step in stage.steps:
            fields = step.fields if isinstance(step.fields, Mapping) else {}
            for entry in (*_listed(fields.get("gate")), *_listed(fields.get("conditions"))):
                yield entry if isinstance(entry, Mapping) else {"signal": entry}
    for trigger in playbook.rollback.when:
        yield {name: found for name in _ASKED if (found := getattr(trigger, name)) is not None}


_ASKED: Final = ("signal", "cohort", "above", "below", "worse_than", "by", "alpha")
_BOUNDS: Final = ("above", "below", "worse_than")


def _listed(found: Any) -> tuple[Any, ...]:
    return tuple(found) if isinstance(found, list | tuple) else ()


def _is_sequential(entry: Mapping[str, Any], playbook: Playbook) -> bool:
    signal = playbook.signals.get(str(entry.get("signal")))
    limit = signal.limit if signal is not None else None
    if entry.get("worse_than") is not None or entry.get("alpha") is not None:
        return True
    inherits = limit is not None and all(entry.get(bound) is None for bound in _BOUNDS)
    return inherits and limit is not None and (limit.worse_than is not None or limit.alpha is not None)


def _question(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes two entries one test; one that is written in two ways counts twice, which only makes it stricter."""
    return tuple(str(entry.get(name)) for name in _ASKED)


def settle_of(gate: tuple[Term, ...], playbook: Playbook, given: float | None) -> float:
    """How long a phase settles before its evidence counts: what is written, else windows, polls and lags."""
    polls = [source.poll for source in playbook.sources.values() if kind_name(source)]
    return settle_for(gate, [], polls, given, [_range(term.signal, playbook) for term in gate if term.signal])


def _range(signal: Signal, playbook: Playbook) -> float:
    """How far its queries look back in seconds; 0 where they are none to a Prometheus."""
    source = playbook.sources.get(signal.source)
    if source is None or source.prometheus is None:
        return 0.0
    return max(lookback(query or "") for query in (signal.bad, signal.total, signal.value, signal.count))


def _id_of(condition: Condition) -> str:
    if condition.worse_than is not None:
        return f"{condition.signal} vs {condition.worse_than.replace('_', ' ')}"
    return f"{condition.signal} {condition.cohort}" if condition.cohort else cast("str", condition.signal)
