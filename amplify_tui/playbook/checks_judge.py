"""Rules of what is measured and judged: sources, signals, conditions, gates, triggers."""

from __future__ import annotations

import re
from typing import Final

from amplify_tui.playbook import checks_compare, checks_slo, checks_units
from amplify_tui.playbook.model import BUILTINS
from amplify_tui.playbook.problems import listing, suggest
from amplify_tui.playbook.rules import METRIC_KINDS, Rules, given, keys, text, value
from amplify_tui.playbook.shapes import fields_of
from amplify_tui.playbook.skeleton import StepBone
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Map, Node

_SOURCE_KINDS: Final = ("prometheus", "scrape", "probes", "http", "unleash", "flagfile", "use")
_LIMITS: Final = ("above", "below", "worse_than")
_OF_FLAGS: Final = ("exposure", "drift")
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`', re.DOTALL)


def source(rules: Rules, visit: Visit) -> None:
    """Exactly one kind; what the kind needs is there."""
    node = _map(visit)
    found = given(node, *_SOURCE_KINDS)
    if len(found) != 1:
        message = f"a source is of exactly one kind; this has {listing(found) or 'none'}"
        at = node.keys[found[1]] if len(found) > 1 else node
        rules.report(at, "source-kind", message, f"one of {listing(_SOURCE_KINDS)}")
        return
    if found[0] == "use":
        _foreign(rules, node)
    for key, owner in (("with", "use"), ("branch", "flagfile"), ("remote", "flagfile"), ("at", "http")):
        if key in node.items and found[0] != owner:
            rules.report(node.keys[key], "source-kind", f"{key} belongs to a source with `{owner}:`", "take it out")
    if found[0] in ("scrape", "probes"):
        rules.refer(node.items[found[0]], "services", "service")
    if found[0] == "unleash" and "token" not in node.items:
        rules.report(node, "missing-key", "an unleash source lacks the key token", 'add token: "${{ secrets.NAME }}"')


def _foreign(rules: Rules, node: Map) -> None:
    """`use:` names a kind that an installed package brings; its fields stand in `with:`."""
    name = text(node.items["use"])
    known = rules.registry.kinds
    if name is None:
        return
    if name not in known:
        missing = "install the package that brings it (entry point amplify_tui.flags or amplify_tui.metrics)"
        hint = suggest(name, known, "installed are") or missing
        rules.report(node.items["use"], "unknown-source-kind", f'no package brings a source of kind "{name}"', hint)
    elif "with" not in node.items and any(one.required for one in fields_of(known[name]).values()):
        needed = listing([key for key, one in fields_of(known[name]).items() if one.required])
        rules.report(node, "missing-key", f'a source of kind "{name}" lacks the key with', f"it holds {needed}")


def signal(rules: Rules, visit: Visit) -> None:
    """Exactly one of value+count and bad+total; from a source of metrics; queries that notice stale data."""
    node = _map(visit)
    found = given(node, "value", "count", "bad", "total")
    of = rules.refer(node.items.get("source"), "sources", "source")
    alone = found == ["value"] and of is not None and "prometheus" not in of.items
    if "state" in node.items:
        _alerts(rules, node, of, found)
    elif found not in (["value", "count"], ["bad", "total"]) and not alone:
        message = f"a signal has value and count, or bad and total; this has {listing(found) or 'neither'}"
        rules.report(node, "signal-shape", message, "count is how many requests a value speaks for")
    if of is not None and not rules.serves(of, METRIC_KINDS, rules.registry.numbers):
        at = node.items["source"]
        rules.report(at, "wrong-source", f'source "{text(at)}" measures nothing', "flags have no signals")
    if of is not None and "prometheus" in of.items:
        for key in (*found, *given(node, "by_instance")):
            _bare(rules, node.items[key], key)
    elif of is not None and "by_instance" in node.items and "use" not in of.items:
        hint = "take it out: a scrape tells instances apart itself"
        rules.report(node.keys["by_instance"], "signal-shape", "by_instance is a query to a Prometheus", hint)
    if isinstance(limit := node.items.get("limit"), Map):
        checks_units.bounds(rules, limit, node)
        checks_compare.condition(rules, limit, node)


def _alerts(rules: Rules, node: Map, of: Map | None, parts: list[str]) -> None:
    """A signal of alerts: which, from a Prometheus, and no query beside."""
    state = node.items["state"]
    if parts:
        message = f"a signal of alerts has no query; this has {listing(parts)} beside state"
        rules.report(node.keys[parts[0]], "signal-shape", message, "make it two signals")
    if "alert" not in keys(state):
        message = "state names no alert"
        rules.report(
            state, "signal-shape", message, "write state: {alert: HighErrorRate}, and labels where they matter"
        )
    if of is not None and "prometheus" not in of.items and "use" not in of.items:
        rules.report(node.items["source"], "wrong-source", "alerts are read from a Prometheus", "name its source")


def _in_rollback(rules: Rules, visit: Visit, at: Node, signal: Map | None) -> None:
    if visit.where.rollback and signal is not None and "state" in signal.items:
        message = "an alert may not hold up a rollback: it is red for what the rollback takes back"
        rules.report(at, "alert-in-rollback", message, "leave it out here; rollback.when may name it")


def _bare(rules: Rules, query: Node, key: str) -> None:
    words = _STRINGS.sub('""', text(query) or "[]")
    if "[" not in words and "timestamp(" not in words:
        message = f"{key} is an instant query without a range: it answers with samples up to 5 minutes old"
        rules.report(query, "bare-selector", message, "write rate(x[1m]) or increase(x[1m]), or ask for timestamp(x)")


def slo(rules: Rules, visit: Visit) -> None:
    """bad, total and source are there."""
    node = _map(visit)
    if "openslo" in node.items:
        rules.not_yet(node.keys["openslo"], "an OpenSLO document", "write source, objective, bad and total")
        return
    checks_slo.slo(rules, node)


def limit(rules: Rules, visit: Visit) -> None:
    """A signal's own limit: exactly one bound."""
    _bounds(rules, _map(visit), needed=True, hint="like above: 1%")


def condition(rules: Rules, visit: Visit) -> None:
    """A condition of a gate, a trigger or evidence."""
    node = _map(visit)
    if given(node, "slo", "burn"):
        checks_slo.burning(rules, node)
        return
    if given(node, "windows"):
        message = "two windows belong to a condition on an slo"
        rules.report(node.keys["windows"], "slo-windows", message, "take them out, or write {slo: N, burn: 14.4}")
    if "signal" not in node.items:
        rules.report(node, "missing-key", "a condition lacks the key signal", "add signal, and above or below")
        return
    of = rules.refer(node.items["signal"], "signals", "signal")
    needed = of is not None and "limit" not in of.items and "state" not in of.items
    _in_rollback(rules, visit, node.items["signal"], of)
    _bounds(rules, node, needed=needed, hint="the signal has no limit of its own that it could inherit")
    if of is not None:
        checks_units.bounds(rules, node, of)
        checks_compare.condition(rules, node, of)
    if of is not None and "cohort" in node.items and "cohorts" not in of.items:
        message = f'signal "{text(node.items["signal"])}" has no cohorts'
        rules.report(node.keys["cohort"], "no-cohorts", message, "give it cohorts: {treatment: …, control: …}")


def _bounds(rules: Rules, node: Map, *, needed: bool, hint: str) -> None:
    found = given(node, *_LIMITS)
    if len(found) > 1 or (needed and not found):
        message = f"exactly one of {listing(_LIMITS)} bounds a condition; this has {listing(found) or 'none'}"
        at = node.keys[found[1]] if len(found) > 1 else node
        rules.report(at, "limit-shape", message, "keep one" if found else hint)


def gate_name(rules: Rules, visit: Visit) -> None:
    """A bare name in a gate: a built-in, or a signal that has a limit."""
    name = text(visit.node)
    if name in _OF_FLAGS and not any(_flagged(step) for step in rules.bones.steps.values()):
        message = f'"{name}" asks about flags, and no step of this playbook changes one'
        rules.report(visit.node, "no-flags", message, "leave it out")
    if name is None or name in BUILTINS:
        return
    signals = rules.bones.section("signals")
    if name not in signals:
        known = [*BUILTINS, *signals]
        rules.report(
            visit.node, "unknown-signal", f'there is no signal or built-in "{name}"', suggest(name, known, "there are")
        )
    elif "state" in keys(signals[name]):
        found = signals[name]
        _in_rollback(rules, visit, visit.node, found if isinstance(found, Map) else None)
    elif "limit" not in keys(signals[name]):
        message = f'signal "{name}" has no limit that this gate could judge it by'
        rules.report(visit.node, "no-limit", message, f"give it a limit, or write {{signal: {name}, above: …}}")


def _flagged(step: StepBone) -> bool:
    return step.verb == "flag" or (step.verb == "rollout" and "flag" in keys(step.fields))


def trigger(rules: Rules, visit: Visit) -> None:
    """An automatic full rollback is refused where a step of the plan has no undo, or one that a person stands for.

    What takes a command or a request back is a command or a request of the playbook's own: class manual.
    """
    node = _map(visit)
    if value(node.items.get("mode")) != "auto" or value(node.items.get("scope")) != "full":
        return
    stuck = []
    for step in rules.bones.steps.values():
        is_read = step.verb == "http" and text(keys(step.fields).get("method")) in (None, "GET")
        if step.verb in ("command", "http") and not is_read:
            stuck.append(step.id)
    if stuck:
        message = f"mode: auto with scope: full cannot undo {listing(stuck)}: their undo is none or manual"
        rules.report(
            node.keys["scope"],
            "auto-full-undo",
            message,
            "use scope: exposure: the flags go at once, a person the rest",
        )


def _map(visit: Visit) -> Map:
    assert isinstance(visit.node, Map)
    return visit.node
