"""Existing alerts as a signal: what a Prometheus says is red, since when, and whether anybody still evaluates it. Pure.

Red is an alert that fires and has the name and the labels of the signal's `state`; `Reading.red` holds when each turned
red, for a judge counts only those that did in its phase. That is not `activeAt`, from which on its expression has held:
it is the first evaluation after the `for` of its rule, and what turns red in this phase may have been pending since the
one before. That none is red says something only where its rule exists and is evaluated: else there is no data. An
evaluation speaks for the interval of its group, so a reading's time is the evaluation's plus that interval, at most
now; its window begins at the evaluation.

    what the server tells                      status
    the rule, evaluated, and its alerts        ok
    no such rule, or not evaluated yet         nodata: no alert of a rule that is not there is not good news
    a rule whose evaluation fails              error, in its words
    429                                        stale
    transport, HTTP, another shape             error
    no list of rules (a gateway hides it)      ok, with a note: the alerts alone count
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, Final

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Answer
from amplify_tui.adapters.ports import AdapterError, Invalid, NotFound, Problem, Query, RateLimited
from amplify_tui.playbook.problems import suggest
from amplify_tui.verdict.model import Reading, Status

NAME: Final = "alert"  # the key of `state` that is the label `alertname`
SHOWN: Final = 3


class Alert(Struct, frozen=True):
    """One alert that fires. active: since when its expression has held, Unix seconds."""

    labels: dict[str, str]
    active: float


class Rule(Struct, frozen=True):
    """One alerting rule. evaluated: Unix seconds, 0.0 for never. every, waits: seconds, of its group and its `for`."""

    name: str
    labels: dict[str, str]
    evaluated: float
    every: float
    waits: float = 0.0
    failure: str = ""


class Board(Struct, frozen=True):
    """What a server told of its alerts; rules None where it tells of none."""

    alerts: tuple[Alert, ...]
    rules: tuple[Rule, ...] | None


def board(alerts: Answer | AdapterError, rules: Answer | AdapterError) -> Board | AdapterError:
    """The answers of `/api/v1/alerts` and `/api/v1/rules?type=alert` together; the error of the one that failed."""
    if isinstance(alerts, AdapterError):
        return alerts
    if isinstance(rules, AdapterError) and not isinstance(rules, NotFound):
        return rules
    try:
        told = None if isinstance(rules, AdapterError) else tuple(_rules(rules.json()["data"]["groups"]))
        return Board(tuple(_firing(alerts.json()["data"]["alerts"])), told)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Invalid(f"the answer is not Prometheus' ({type(error).__name__})", where=alerts.where)
    except Invalid as error:
        return error


def _firing(alerts: Any) -> list[Alert]:
    return [
        Alert({str(key): str(value) for key, value in one["labels"].items()}, _moment(one["activeAt"]))
        for one in alerts
        if one["state"] == "firing"
    ]


def _rules(groups: Any) -> list[Rule]:
    return [
        Rule(
            name=str(one["name"]),
            labels={str(key): str(value) for key, value in one.get("labels", {}).items()},
            evaluated=_moment(one["lastEvaluation"]),
            every=float(group["interval"]),
            waits=float(one.get("duration") or 0.0),
            failure=clean(str(one.get("lastError") or "its evaluation fails"), 160) if one["health"] == "err" else "",
        )
        for group in groups
        for one in group["rules"]
        if one["type"] == "alerting"
    ]


def _moment(text: Any) -> float:
    """Unix seconds; a time before 1970 is Go's zero, which is never."""
    return max(datetime.fromisoformat(str(text)).timestamp(), 0.0)


def alert_reading(query: Query, told: Board | AdapterError, *, source: str, at: float, received: float) -> Reading:
    """The reading of one signal with a `state`: its value is how many alerts are red, whenever that began."""
    if isinstance(told, AdapterError):
        status: Status = "stale" if isinstance(told, RateLimited) else "error"
        return _reading(query, source, status, at, at, received, str(told))
    wanted = query.state or {}
    begun = at
    until = at
    note = ""
    if told.rules is None:
        note = "when its rule was last evaluated is not told"
    else:
        mine = rules_of(wanted, told.rules)
        broken = next((rule.failure for rule in mine if rule.failure), "")
        if broken:
            return _reading(query, source, "error", at, at, received, f"the rule of {wanted[NAME]} fails: {broken}")
        if not mine or any(not rule.evaluated for rule in mine):
            why = "is not evaluated yet" if mine else "does not exist"
            return _reading(query, source, "nodata", at, at, received, f"the alerting rule {wanted[NAME]} {why}")
        begun = min(rule.evaluated for rule in mine)
        until = min([at, *(rule.evaluated + rule.every for rule in mine)])
    red = sorted((one for one in told.alerts if _has(one.labels, wanted)), key=lambda one: one.active)
    waited = wait_of(wanted, told.rules)
    note = "; ".join(part for part in (_told(red, waited), note) if part)
    turned = tuple(one.active + waited for one in red)
    return _reading(query, source, "ok", min(begun, until), until, received, note, turned)


def wait_of(wanted: Mapping[str, str], rules: Sequence[Rule] | None) -> float:
    """Seconds from when such an alert's expression first held to when it fired: its `for`, in whole evaluations.

    Of several rules the longest: an alert of this phase is never taken for an older one. 0 where no rule is told.
    """
    mine = rules_of(wanted, rules or ())
    return max((ceil(rule.waits / rule.every - 1e-9) * rule.every for rule in mine if rule.every > 0), default=0.0)


def rules_of(wanted: Mapping[str, str], rules: Sequence[Rule]) -> list[Rule]:
    """The rules that may raise such an alert: of its name, and with no label of their own that says otherwise."""
    named = [rule for rule in rules if rule.name == wanted.get(NAME)]
    return [rule for rule in named if all(rule.labels.get(key, value) == value for key, value in wanted.items())]


def expression(wanted: Mapping[str, str]) -> str:
    """PromQL for since when each alert that fires is active: Prometheus keeps both as series of its own."""
    pairs = {"alertname" if key == NAME else key: value for key, value in wanted.items()}
    inner = ",".join(f"{key}={json.dumps(value)}" for key, value in pairs.items())
    return f'ALERTS_FOR_STATE{{{inner}}} and ignoring (alertstate) ALERTS{{{inner},alertstate="firing"}}'


def past_reading(
    query: Query, red: Sequence[float] | AdapterError, *, source: str, at: float, waited: float = 0.0
) -> Reading:
    """The reading of a moment that is gone; whether its rule was evaluated then is not told.

    red: since when the expression of each had held. waited: what `wait_of` says of the rule as it is now.
    """
    if isinstance(red, AdapterError):
        return _reading(query, source, "stale" if isinstance(red, RateLimited) else "error", at, at, at, str(red))
    return _reading(query, source, "ok", at, at, at, "", tuple(sorted(active + waited for active in red)))


def alert_problems(query: Query, told: Board | AdapterError) -> list[Problem]:
    """What `check --live` says of a signal of alerts."""
    place = f"signals.{query.signal}.state"
    if isinstance(told, AdapterError):
        return [Problem(what=told.what, where=place, fix=told.fix)]
    wanted = query.state or {}
    if told.rules is None:
        what = "the server does not tell of its rules: an alert that is not there looks like one that is not red"
        return [Problem(what=what, where=place, fix="check the alert's name by hand", severity="warning")]
    mine = rules_of(wanted, told.rules)
    if not any(rule.name == wanted.get(NAME) for rule in told.rules):
        names = [clean(rule.name, 40) for rule in told.rules]
        fix = suggest(wanted.get(NAME, ""), names, "its rules are") or "the server has no alerting rule"
        return [Problem(what=f"there is no alerting rule {wanted.get(NAME)}", where=place, fix=fix)]
    if not mine:
        return [Problem(what=f"no alerting rule {wanted[NAME]} has these labels", where=place, fix="check the labels")]
    broken = [rule.failure for rule in mine if rule.failure]
    return [Problem(what=f"the rule fails: {why}", where=place, fix="mend it at the server") for why in broken[:1]]


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get("alertname" if key == NAME else key) == value for key, value in wanted.items())


def _told(red: Sequence[Alert], waited: float) -> str:
    """What is red and since when, in words."""
    if not red:
        return ""
    parts = []
    for one in red[:SHOWN]:
        at = datetime.fromtimestamp(one.active + waited).astimezone().strftime("%H:%M:%S")
        inner = ",".join(f"{key}={value}" for key, value in sorted(one.labels.items()) if key != "alertname")
        parts.append(clean(f"{one.labels.get('alertname', '')}{{{inner}}} since {at}", 120))
    more = f" and {len(red) - SHOWN} more" if len(red) > SHOWN else ""
    return f"red: {', '.join(parts)}{more}"


def _reading(
    query: Query,
    source: str,
    status: Status,
    begun: float,
    until: float,
    received: float,
    note: str,
    red: tuple[float, ...] = (),
) -> Reading:
    return Reading(
        signal=query.signal,
        source=source,
        cohort=query.cohort,
        status=status,
        data_at=until,
        received_at=received,
        window_from=begun,
        window_to=until,
        value=float(len(red)) if status == "ok" else None,
        red=red,
        note=note,
    )
