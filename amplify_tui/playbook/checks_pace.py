"""Rules of pace: whether readings come often enough for what looks at them.

Only what is written out is compared: a value that an expression gives is not known yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from amplify_tui.playbook.rules import Rules, items, keys, text, value
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.values import BadValue, accept, format_duration
from amplify_tui.playbook.yaml import Node, Scalar, Seq

EVERY: Final = 5.0  # the default of signals and of health checks
WINDOW: Final = 30.0
POLL: Final = 15.0  # the default of sources of flags

_RANGE: Final = re.compile(r"\[\s*((?:\d+[smhd])+)\s*[\]:]")


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
    if (rollout := keys(node.get("rollout"))) and "settle" in rollout:
        _settle(rules, rollout)


def _settle(rules: Rules, fields: dict[str, Node]) -> None:
    """A phase that is baked before its readings can be of it alone waits all the same, only less plainly."""
    given = _seconds(fields.get("settle"), None)
    if given is None:
        return
    signals, sources = rules.bones.section("signals"), rules.bones.section("sources")
    needed, why = 0.0, ""
    if "flag" in fields:
        source = keys(sources.get(text(fields.get("source")) or ""))
        needed, why = _seconds(source.get("poll"), POLL) or 0.0, "applications ask for their flags once in"
    for entry in items(fields.get("gate")):
        name = text(entry) or text(keys(entry).get("signal"))
        signal = keys(signals.get(name or ""))
        lag = _seconds(keys(sources.get(text(signal.get("source")) or "")).get("lag"), 0.0) or 0.0
        if signal and (reach := _reach(signal) + lag) > needed:
            needed, why = reach, f"{name} looks back"
    if given < needed:
        message = f"settle is {format_duration(given)}, and {why} {format_duration(needed)}"
        hint = f"write settle: {format_duration(needed)} or more, or leave it out"
        rules.report(fields["settle"], "settle-too-short", message, hint, severity="warning")


def _reach(signal: dict[str, Node]) -> float:
    """The longest range of its queries in seconds, else its window."""
    queries = " ".join(text(signal.get(key)) or "" for key in ("value", "count", "bad", "total"))
    ranges = [float(accept(one, "dur")) for one in _RANGE.findall(queries)]
    return max(ranges, default=_seconds(signal.get("window"), WINDOW) or 0.0)


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
