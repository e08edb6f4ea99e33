"""A strategy as a FlagRule: what it means, in nobody's dialect, with every word of strangers cleaned. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.adapters.clean import clean
from amplify_tui.verdict.flags import Clause, FlagRule, Test

SEGMENT_NAMES: Final = "segmentNames"  # beside what the segments hold, for the screens only
KEPT_VALUES: Final = 20
KEPT_CLAUSES: Final = 12
NAME, VALUE = 80, 60

_TESTS: Final[dict[str, Test]] = {
    "IN": "in", "NOT_IN": "not in", "STR_CONTAINS": "contains", "STR_STARTS_WITH": "starts with",
    "STR_ENDS_WITH": "ends with", "NUM_EQ": "=", "NUM_GT": ">", "NUM_GTE": ">=", "NUM_LT": "<", "NUM_LTE": "<=",
    "SEMVER_EQ": "=", "SEMVER_GT": ">", "SEMVER_GTE": ">=", "SEMVER_LT": "<", "SEMVER_LTE": "<=",
    "DATE_AFTER": "after", "DATE_BEFORE": "before", "REGEX": "matches",
}  # fmt: skip
_LISTS: Final = frozenset({"IN", "NOT_IN", "STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH"})


def meaning(raw: Mapping[str, Any], percent: float | None, within: str) -> FlagRule:
    """What *raw* means, given the share that it gives; *within* is the key of what its segments hold."""
    parameters = raw.get("parameters") or {}
    constraints = list(raw.get("constraints") or [])
    segments = raw.get("segments") or ()
    names = raw.get(SEGMENT_NAMES) or {}
    return FlagRule(
        name=clean(str(raw["name"]), NAME),
        title=clean(str(raw.get("title") or ""), NAME),
        percent=percent,
        clauses=tuple(clause(one) for one in constraints[:KEPT_CLAUSES]),
        more=max(0, len(constraints) - KEPT_CLAUSES),
        segments=tuple(clean(str(names.get(one) or one), NAME) for one in segments),
        within=tuple(clause(one) for one in (raw.get(within) or ())[:KEPT_CLAUSES]),
        stickiness=clean(str(parameters.get("stickiness") or ""), NAME),
        group=clean(str(parameters.get("groupId") or ""), NAME),
        variants=tuple(_variant(one) for one in (raw.get("variants") or ())[:KEPT_CLAUSES]),
        disabled=bool(raw.get("disabled")),
    )


def clause(raw: Mapping[str, Any]) -> Clause:
    """A constraint; an operator that is not known here is a test that is not known, and never a pass."""
    operator = str(raw.get("operator") or "")
    values = [str(one) for one in raw.get("values") or ()] if operator in _LISTS else [str(raw.get("value") or "")]
    return Clause(
        field=clean(str(raw.get("contextName") or ""), NAME),
        test=_TESTS.get(operator, "?"),
        values=tuple(clean(one, VALUE) for one in values[:KEPT_VALUES]),
        count=len(values),
        negated=bool(raw.get("inverted")),
    )


def _variant(raw: Mapping[str, Any]) -> tuple[str, float]:
    weight = raw.get("weight")
    return clean(str(raw.get("name") or ""), NAME), float(weight) / 10.0 if isinstance(weight, (int, float)) else 0.0
