"""Rules of comparisons and of limits with a promise: what can be tested, what a gate needs beside it."""

from __future__ import annotations

from typing import Final

from amplify_tui.playbook import checks_past
from amplify_tui.playbook.model import BUILTINS
from amplify_tui.playbook.rules import Rules, given, items, number, text, value
from amplify_tui.playbook.values import BadValue, accept
from amplify_tui.playbook.yaml import Map, Node

_BOUNDS: Final = ("above", "below", "worse_than")
_MOST_ALPHA: Final = 0.5
_MOST_BAD: Final = 0.5


def condition(rules: Rules, node: Map, signal: Map) -> None:
    """A condition, or the limit of *signal*: whether what it asks of the signal can be tested."""
    bounds = given(node, *_BOUNDS)
    other = value(node.items["worse_than"]) if "worse_than" in bounds else None
    if other in checks_past.PASTS:
        checks_past.condition(rules, node, signal)
    elif other == "control":
        _comparable(rules, node, signal)
    elif other is None and given(node, "by") and (bounds or not _inherits(signal, "worse_than")):
        rules.report(node.keys["by"], "limit-shape", "by belongs to worse_than", "write worse_than: control, or above")
    if not given(node, "alpha"):
        return
    alpha = number(node.items["alpha"])
    if alpha is not None and not 0.0 < alpha <= _MOST_ALPHA:
        message = f"alpha is {alpha:g}: the chance of a false fail is above 0 and at most {_MOST_ALPHA:g}"
        rules.report(node.items["alpha"], "limit-shape", message, "like 0.01")
    if "worse_than" in bounds:
        return
    if "total" in signal.items:
        _provable(rules, node)
    else:
        message = "alpha needs a signal of bad and total: it counts requests"
        rules.report(node.keys["alpha"], "limit-shape", message, "leave alpha out, or measure a share")


def _provable(rules: Rules, node: Map) -> None:
    """A limit that most requests may break: one bet a block then wins next to nothing, and never shows anything."""
    for key, share in (("above", _share(node.items.get("above"))), ("below", _share(node.items.get("below")))):
        allowed = None if share is None else share if key == "above" else 1.0 - share
        if allowed is not None and allowed > _MOST_BAD:
            message = f"alpha cannot show it where {allowed * 100:g} % of requests may be bad"
            rules.report(
                node.keys["alpha"], "limit-shape", message, "leave alpha out: the limit fails within its `for`"
            )


def _share(node: Node | None) -> float | None:
    try:
        return None if node is None else float(accept(value(node), "bound"))
    except BadValue:
        return None


def _comparable(rules: Rules, node: Map, signal: Map) -> None:
    at = node.keys["worse_than"]
    if "cohorts" not in signal.items:
        message = "worse_than compares two cohorts, and the signal has none"
        rules.report(at, "no-cohorts", message, "give it cohorts: {treatment: …, control: …}")
    if value(node.items.get("cohort")) == "control":
        rules.report(node.keys["cohort"], "limit-shape", "control is not worse than itself", "take the cohort out")
    is_latency = text(signal.items.get("golden")) == "latency" and not {"value", "count"} - set(signal.items)
    if "total" not in signal.items and not is_latency:
        message = "worse_than compares shares (bad and total), or latencies (value and count)"
        rules.report(at, "limit-shape", message, "give the limit as a number with above")


def gate(rules: Rules, node: Node | None) -> None:
    """A gate with a comparison has an alarm too: a condition with a limit that is not a test itself."""
    compares: list[tuple[Node, str]] = []
    for entry in items(node):
        found = _asked(rules, entry)
        if found is None:
            continue
        if given(found, "worse_than"):
            at = entry.keys["worse_than"] if isinstance(entry, Map) and given(entry, "worse_than") else entry
            compares.append((at, str(value(found.items["worse_than"])).replace("_", " ")))
        elif given(found, "above", "below") and not given(found, "alpha"):
            return
    for at, other in compares:
        message = f"a gate that compares with {other} needs a condition with above beside it"
        hint = "a comparison takes many minutes to be sure, a limit fails within its `for`: add {signal: …, above: …}"
        rules.report(at, "no-alarm", message, hint)


def _asked(rules: Rules, entry: Node) -> Map | None:
    """The mapping that bounds an entry of a gate: its own, or the limit of its signal."""
    name = text(entry.items.get("signal")) if isinstance(entry, Map) else text(entry)
    if isinstance(entry, Map) and given(entry, *_BOUNDS):
        return entry
    if name is None or (name in BUILTINS and not isinstance(entry, Map)):
        return None
    signal = rules.bones.section("signals").get(name)
    limit = signal.items.get("limit") if isinstance(signal, Map) else None
    return limit if isinstance(limit, Map) else None


def _inherits(signal: Map, key: str) -> bool:
    limit = signal.items.get("limit")
    return isinstance(limit, Map) and bool(given(limit, key))
