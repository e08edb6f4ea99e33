"""Rules of pace: whether readings come often enough for what looks at them, and whether an objective leaves a budget.

Only what is written out is compared: a value that an expression gives is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from amplify_tui.playbook.rules import Rules, items, keys, text, value
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.values import BadValue, accept, format_duration
from amplify_tui.playbook.yaml import Node, Scalar, Seq

EVERY: Final = 5.0  # the default of signals and of health checks
WINDOW: Final = 30.0


def signal(rules: Rules, visit: Visit) -> None:
    """A window that looks back less far than two scrapes or one health check are apart would never hold a number."""
    found = keys(visit.node)
    sources, services = rules.bones.section("sources"), rules.bones.section("services")
    source = keys(sources.get(text(found.get("source")) or ""))
    window = _seconds(found.get("window"), WINDOW)
    every = _seconds(found.get("every"), EVERY)
    if "probes" in source:
        health = keys(keys(services.get(text(source["probes"]) or "")).get("health"))
        pace, what, faster = _seconds(health.get("every"), EVERY), "health checks", "services.N.health.every"
    elif "scrape" in source:
        pace = _seconds(source.get("every"), every) if "every" in source else every
        what, faster = "scrapes", "sources.N.every" if "every" in source else "signals.N.every"
    else:
        return
    if window is not None and pace is not None and window < pace:
        message = (
            f"a window of {format_duration(window)} is shorter than the {format_duration(pace)} between two {what}"
        )
        hint = f"write window: {format_duration(2 * pace)} or more, or make {faster} shorter"
        rules.report(found.get("window", visit.node), "window-too-short", message, hint)


def step(rules: Rules, visit: Visit) -> None:
    """A bake, or the time of a monitor, that is over before a gate's next reading proves nothing."""
    node = keys(visit.node)
    for verb, key in (("rollout", "bake"), ("monitor", "for")):
        fields = keys(node.get(verb))
        if key not in fields:
            continue
        slowest = max(_paces(rules, fields.get("gate")), default=(0.0, ""))
        held = fields[key]
        for one in held.items if isinstance(held, Seq) else [held]:
            seconds = _seconds(one, None)
            if seconds is not None and 0 < seconds < slowest[0]:
                pace, name = format_duration(slowest[0]), slowest[1]
                message = f"{key} is {format_duration(seconds)}, and {name} is read once in {pace}"
                hint = f"write {key}: {pace} or more, or read it more often (every)"
                rules.report(one, "bake-too-short", message, hint)


def objective(rules: Rules, visit: Visit) -> None:
    """100 % leaves no budget to burn, and 0 % cannot be missed."""
    node = keys(visit.node).get("objective")
    share = _accepted(node, "share")
    if node is None or share is None or 0.0 < share < 1.0 or "openslo" in keys(visit.node):
        return
    why = "leaves no error budget: one bad request would burn it for ever" if share >= 1.0 else "cannot be missed"
    rules.report(node, "slo-objective", f"an objective of {share * 100:g} % {why}", "write one between, like 99.9%")


def _paces(rules: Rules, gate: Node | None) -> Iterator[tuple[float, str]]:
    """How many seconds lie between two readings of each entry of a gate, with its name."""
    signals = rules.bones.section("signals")
    for entry in items(gate):
        name = text(entry) or text(keys(entry).get("signal"))
        if name is None or name not in signals:
            continue  # the built-ins look at the last answers that there are
        own = keys(entry).get("every") or keys(signals[name]).get("every")
        pace = _seconds(own, EVERY)
        if pace is not None:
            yield pace, name


def _seconds(node: Node | None, default: float | None) -> float | None:
    """The duration that is written; *default* where none is; None where it is an expression or malformed."""
    return default if node is None else _accepted(node, "dur")


def _accepted(node: Node | None, kind: str) -> float | None:
    if not isinstance(node, Scalar) or has_expr(node.value):
        return None
    try:
        return float(accept(value(node), kind))
    except BadValue:
        return None
