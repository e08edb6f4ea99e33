"""What is wrong with the queries of a scraped service, told before a release from one page of each instance. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Problem, Query
from amplify_tui.adapters.promtext import FormatError, Matcher, Page, Selector, ValueQuery, selector, value_query

VALUES_SHOWN: Final = 8


def problems_of(query: Query, pages: Sequence[Page]) -> list[Problem]:
    """What is wrong with each part of *query*, given what the instances that answered have."""
    found: list[Problem] = []
    for key in ("value", "count", "bad", "total"):
        text: str | None = getattr(query, key)
        if text is None:
            continue
        place = f"signals.{query.signal}.{key}"
        try:
            parsed = value_query(text) if key == "value" else selector(text)
        except FormatError as error:
            found.append(Problem(what=str(error), where=place, fix="see sources in the description of playbooks"))
            continue
        said = _nothing(query, key, _series(parsed), pages) if pages else None
        if said:
            found.append(Problem(what=said[0], where=place, fix=said[1], severity="warning"))
    return found


def _series(parsed: Selector | ValueQuery) -> Selector:
    chosen = parsed.selector if isinstance(parsed, ValueQuery) else parsed
    is_histogram = isinstance(parsed, ValueQuery) and parsed.quantile is not None
    return Selector(f"{chosen.name}_bucket", chosen.matchers) if is_histogram else chosen


def _nothing(query: Query, key: str, chosen: Selector, pages: Sequence[Page]) -> tuple[str, str] | None:
    """Why no instance has a series of it; None where one has, or where it may well have none yet."""
    if not any(chosen.name in page for page in pages):
        yet = "a service without an error yet has none, and that counts as 0 errors"
        return f"there is no metric {chosen.name}", yet if key == "bad" else "check its name at the service's /metrics"
    for one in chosen.matchers:
        of_cohort = query.names_cohort(one.text)
        if (key == "bad" and not of_cohort) or any(Selector(chosen.name, (one,)).of(page) for page in pages):
            continue
        whose = f"the cohort {query.cohort}" if of_cohort else "the condition"
        written = f'{one.label}{one.op}"{one.text}"'
        return f"{whose} matches nothing: no series of {chosen.name} has {written}", _seen(chosen, one, pages)
    return None


def _seen(chosen: Selector, matcher: Matcher, pages: Sequence[Page]) -> str:
    series = [dict(labels) for page in pages for labels in page.get(chosen.name, {})]
    values = sorted({clean(held[matcher.label], 40) for held in series if matcher.label in held})
    if not values:
        return f"no series of it has the label {matcher.label}"
    return f"it has {', '.join(values[:VALUES_SHOWN])}"
