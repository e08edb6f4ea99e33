"""From the signals of a playbook to what their sources are asked; and the reading of a source that could not be."""

from __future__ import annotations

from amplify_tui.adapters.ports import Query
from amplify_tui.playbook.model import Signal
from amplify_tui.verdict.model import Cohort, Reading


def queries_of(name: str, signal: Signal) -> list[Query]:
    """The query of a signal; of one with cohorts that of the treatment, then that of control."""
    cohorts: tuple[Cohort | None, ...] = ("treatment", "control") if signal.cohorts else (None,)
    return [_query(name, signal, cohort) for cohort in cohorts]


def _query(name: str, signal: Signal, cohort: Cohort | None) -> Query:
    value = getattr(signal.cohorts, cohort) if signal.cohorts and cohort else ""

    def fill(text: str | None) -> str | None:
        return text.replace("$cohort", value) if text is not None else None

    return Query(
        signal=name,
        cohort=cohort,
        cohort_value=value,
        value=fill(signal.value),
        count=fill(signal.count),
        bad=fill(signal.bad),
        total=fill(signal.total),
        by_instance=fill(signal.by_instance),
        state={key: fill(text) or "" for key, text in signal.state.items()} if signal.state is not None else None,
        as_increase=signal.as_ == "increase",
        window=signal.window,
        every=signal.every,
    )


def lost(query: Query, source: str, note: str, now: float) -> Reading:
    """The reading of a query that could not even be asked."""
    return Reading(
        signal=query.signal,
        source=source,
        cohort=query.cohort,
        status="error",
        data_at=now,
        received_at=now,
        window_from=now - query.window,
        window_to=now,
        note=note,
    )
