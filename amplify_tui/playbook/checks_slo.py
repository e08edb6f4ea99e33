"""Rules of SLOs and of conditions on them: an objective that leaves a budget, queries and windows that can be asked."""

from __future__ import annotations

from typing import Final

from amplify_tui.playbook.rules import METRIC_KINDS, Rules, items, keys, number, text
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.values import BadValue, format_duration, parse_duration
from amplify_tui.playbook.yaml import Map, Node

SHORTEST: Final = 180.0  # seconds: two whole minutes, whenever they begin
_PAST: Final = ("prometheus", "use")  # the kinds that can be asked about their past


def slo(rules: Rules, node: Map) -> None:
    """bad, total and source are there; the queries take a window, the objective leaves a budget."""
    for key in ("source", "bad", "total"):
        if key not in node.items:
            rules.report(node, "missing-key", f"an slo lacks the key {key}", f"add {key}")
    for key in ("bad", "total"):
        query = node.items.get(key)
        if query is not None and "$window" not in (text(query) or "$window"):
            message = f"{key} holds no $window: a burn is asked over several windows"
            rules.report(query, "slo-window", message, "write sum(increase(x[$window]))")
    objective = node.items.get("objective")
    share = _share(objective)
    if objective is not None and share is not None and not 0.0 < share < 1.0:
        message = f"an objective of {share * 100:g} % leaves {'no budget' if share >= 1 else 'nothing to keep'}"
        rules.report(objective, "slo-objective", message, "like 99.9%")
    source = rules.refer(node.items.get("source"), "sources", "source")
    found = [kind for kind in (*METRIC_KINDS, "use") if source is not None and kind in source.items]
    if source is not None and not any(kind in _PAST for kind in found):
        message = (
            f'source "{text(node.items["source"])}" cannot be asked about its past, and a burn rate is of the past'
        )
        rules.report(node.items["source"], "wrong-source", message, "name a source with `prometheus:`")


def burning(rules: Rules, node: Map) -> None:
    """A condition on an SLO: how fast it may burn, over which two windows."""
    for key in ("slo", "burn"):
        if key not in node.items:
            rules.report(node, "missing-key", f"a condition on an slo lacks the key {key}", "like {slo: N, burn: 14.4}")
    found = rules.refer(node.items.get("slo"), "slos", "slo")
    burn = number(node.items.get("burn"))
    if burn is not None and burn <= 0:
        rules.report(
            node.items["burn"], "slo-burn", f"a burn of {burn:g} is none", "14.4 spends 2 % of 30 days in an hour"
        )
    share = _share(keys(found).get("objective"))
    if burn is not None and share is not None and 0.0 < share < 1.0 and burn * (1.0 - share) >= 1.0:
        most = 1.0 / (1.0 - share)
        message = f"at this objective a burn of {burn:g} never comes: every request failing burns {most:g}"
        rules.report(node.items["burn"], "slo-burn", message, f"stay below {most:g}")
    windows = node.items.get("windows")
    if windows is not None:
        _windows(rules, windows)


def _windows(rules: Rules, node: Node) -> None:
    spans = [_seconds(one) for one in items(node)]
    if len(spans) != 2:
        message = f"a burn has two windows, a long and a short one; this has {len(spans)}"
        rules.report(node, "slo-windows", message, "like [6h, 30m]")
    elif None not in spans and spans[0] == spans[1]:
        rules.report(node, "slo-windows", "the two windows are the same", "like [6h, 30m]")
    elif any(span is not None and span < SHORTEST for span in spans):
        message = (
            f"a window of a burn is shorter than {format_duration(SHORTEST)}: bad requests must come in two minutes"
        )
        rules.report(node, "slo-windows", message, "like [1h, 5m]")


def _seconds(node: Node) -> float | None:
    try:
        return parse_duration(text(node) or "")
    except BadValue:
        return None


def _share(node: Node | None) -> float | None:
    """A share as a fraction, where it is written out."""
    plain, written = number(node), text(node)
    if plain is not None:
        return plain
    if written is None or has_expr(written) or not written.endswith("%"):
        return None
    try:
        return float(written[:-1]) / 100.0
    except ValueError:
        return None
