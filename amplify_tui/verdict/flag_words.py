"""A flag's rules in one sentence: `25 % of users in CH, plus 2 internal`. Pure.

It never claims more than the rules do: what is not known is called unknown, what is left out is counted, and `all
users` stands only where a rule lets everybody through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from amplify_tui.verdict.flags import Clause, FlagRule
from amplify_tui.verdict.words import count, decimal, plural

MOST_RULES: Final = 3
MOST_CLAUSES: Final = 3
MOST_VALUES: Final = 2
ABSENT: Final = "no such flag, or it is archived"
UNLIMITED: Final = "all users: no active strategy limits it"

_PLACES: Final = frozenset({"country", "region", "continent", "market", "geo", "location", "city", "datacenter"})
_PEOPLE: Final = {"userId": "user", "sessionId": "session"}
_UNITS: Final = {"": "users", "default": "users", "userId": "users", "sessionId": "sessions", "random": "requests"}
_ONE_WORD: Final = re.compile(r"[a-z]{3,14}")


def sentence(rules: Sequence[FlagRule], *, exists: bool, enabled: bool) -> str:
    """Who gets the flag, in at most three rules; of one that is off, who would get it."""
    if not exists:
        return ABSENT
    reached = _reached(rules)
    if enabled:
        return reached
    return f"nobody; switched on: {'still ' if reached.startswith('nobody') else ''}{reached}"


def _reached(rules: Sequence[FlagRule]) -> str:
    live = [rule for rule in rules if not rule.disabled]
    if not live:
        return UNLIMITED
    if any(_unconditional(rule) and rule.percent == 100 for rule in live):
        return "all users"
    if all(rule.percent == 0 for rule in live):
        return "nobody (0 %)"
    ordered = sorted(live, key=lambda rule: (named_users(rule) is not None, -_share(rule)))
    parts = [rule_words(rule) for rule in ordered[:MOST_RULES]]
    if len(ordered) > MOST_RULES:
        parts.append(plural(len(ordered) - MOST_RULES, "more rule"))
    return ", plus ".join(parts)


def rule_words(rule: FlagRule) -> str:
    """`25 % of users in CH`: whom one rule means, whether it is disabled or not."""
    named = named_users(rule)
    conditions = [clause for clause in rule.clauses if clause is not named]
    if named is not None:
        who = _named(rule, named)
    elif rule.percent is None:
        who = "an unknown share of users"
    elif rule.percent == 100:
        who = f"all {_unit(rule)}"
    else:
        who = f"{decimal(rule.percent, 3)} % of {_unit(rule)}"
    return " ".join([who, *_where(rule, conditions)])


def named_users(rule: FlagRule) -> Clause | None:
    """The clause that names users or sessions one by one; None where the rule has none."""
    return next((one for one in rule.clauses if one.field in _PEOPLE and one.test == "in" and not one.negated), None)


def _unconditional(rule: FlagRule) -> bool:
    return not (rule.clauses or rule.more or rule.segments)


def _share(rule: FlagRule) -> float:
    return 100.0 if rule.percent is None else rule.percent


def _unit(rule: FlagRule) -> str:
    if rule.percent == 100:
        return "users"  # whatever it sticks to, nobody is left out
    return _UNITS.get(rule.stickiness, f"{rule.stickiness} values")


def _named(rule: FlagRule, clause: Clause) -> str:
    people = _PEOPLE[clause.field]
    if people == "user" and rule.percent == 100 and _ONE_WORD.fullmatch(rule.title):
        return f"{count(clause.count)} {rule.title}"
    whole = plural(clause.count, f"named {people}")
    if rule.percent is None:
        return f"an unknown share of {whole}"
    return whole if rule.percent == 100 else f"{decimal(rule.percent, 3)} % of {whole}"


def _where(rule: FlagRule, clauses: Sequence[Clause]) -> list[str]:
    """The conditions, places first, then segments, then the rest; what is left out is counted."""
    places = [one for one in clauses if _is_place(one)]
    others = [one for one in clauses if not _is_place(one)]
    words = [f"{'not ' if one.negated != (one.test == 'not in') else ''}in {_values(one)}" for one in places]
    if rule.segments:
        shown = listed(rule.segments, len(rule.segments), "and")
        words.append(f"in segment{'s' if len(rule.segments) > 1 else ''} {shown}")
    kept = others[:MOST_CLAUSES]
    if kept:
        words.append("where " + " and ".join(clause_words(one) for one in kept))
    if left := len(others) - len(kept) + rule.more:
        words.append(f"and {plural(left, 'more condition')}")
    return words


def _is_place(clause: Clause) -> bool:
    return clause.field in _PLACES and clause.test in ("in", "not in") and clause.count > 0


def clause_words(clause: Clause, most: int = MOST_VALUES) -> str:
    """`plan is pro or team`, `email does not end with @example.com`."""
    field = clause.field or "?"
    if clause.test in ("in", "not in"):
        return _membership(clause, field, most)
    if clause.test == "?":
        return f"{field} meets a condition that is not known here"
    value = listed(clause.values, clause.count, "or", most)
    verb = f"is {clause.test}" if clause.test in ("after", "before") else clause.test
    said = f"{field} {verb} {value}"
    return f"not ({said})" if clause.negated else said


def _membership(clause: Clause, field: str, most: int) -> str:
    out = clause.negated != (clause.test == "not in")
    if not clause.count:
        return f"{field} is {'anything' if out else 'one of no values'}"
    if not out:
        return f"{field} is {_values(clause, most)}"
    shown = listed(clause.values, clause.count, "or", most)
    return f"{field} is not {shown}"


def _values(clause: Clause, most: int = MOST_VALUES) -> str:
    return listed(clause.values, clause.count, "or", most)


def listed(values: Sequence[str], total: int, joint: str, most: int = MOST_VALUES) -> str:
    """`CH`, `CH or DE`, `CH, DE or 3 more`: the first *most* of *total* values, or one more where that is all.

    An empty one is shown as quotes.
    """
    shown = [value or "''" for value in values[: total if total == most + 1 else most]]
    left = total - len(shown)
    if left > 0:
        shown.append(f"{count(left)} more")
    if len(shown) < 2:
        return "".join(shown) or "?"
    return f"{', '.join(shown[:-1])} {joint} {shown[-1]}"
