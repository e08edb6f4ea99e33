"""The share that a flag's rules ask for, and what makes them choose other users than before. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.state import active, percent
from amplify_tui.verdict.model import Asked

NOBODY: Final = Asked(0.0, 0.0)
_GIVEN: Final = frozenset({"", "default", "random"})  # a share that needs nothing from its application


def asked(state: Mapping[str, Any]) -> Asked:
    """The share of evaluations that a flag's rules ask for.

    A rule with conditions means users of whom nobody knows how many there are: it may add any share, and proves none.
    """
    if not state["exists"] or not state["enabled"]:
        return NOBODY
    rules = active(state)
    if not rules:
        return Asked(1.0, 1.0)  # SDKs answer "on" then
    plain = [one for one in rules if not one.get("constraints") and not one.get("segments")]
    shares = {_group(one): 0.0 for one in plain if percent(one) is not None}
    for one in plain:
        if (share := percent(one)) is not None:
            shares[_group(one)] = max(shares[_group(one)], share / 100.0)
    low = max(shares.values(), default=0.0)
    untold = [one for one in rules if percent(one) != 0.0 and (one not in plain or percent(one) is None)]
    high = 1.0 if untold else min(1.0, sum(shares.values()))
    fields = {str((one.get("parameters") or {}).get("stickiness") or "") for one in plain if percent(one)}
    return Asked(low, high, tuple(sorted(clean(one, 60) for one in fields - _GIVEN)))


def _group(rule: Mapping[str, Any]) -> tuple[str, str]:
    """Rules of one group that stick to one field mean the same users, as far as the smaller share goes."""
    parameters = rule.get("parameters") or {}
    return str(parameters.get("groupId", "")), str(parameters.get("stickiness", ""))


def regrouped(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What makes a rollout choose other users than it did, in words; "" where it chooses the same.

    Rules are matched by their title, those without one by their place.
    """
    before, after = _named(was), _named(now)
    moved = []
    for name in before.keys() & after.keys():
        for key, word in (("groupId", "group"), ("stickiness", "stickiness")):
            old, new = (str((one.get("parameters") or {}).get(key, "")) for one in (before[name], after[name]))
            if old != new:
                moved.append(f"{word} {clean(old, 60) or 'none'} became {clean(new, 60) or 'none'}")
    return "; ".join(sorted(moved))


def _named(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("title") or at): one for at, one in enumerate(active(state))}
