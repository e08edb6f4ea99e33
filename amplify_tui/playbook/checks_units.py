"""Limits whose unit does not fit their signal: a share has no duration, a latency no percentage.

A bare number is in the signal's own unit: a fraction for bad/total, seconds for a latency.
"""

from __future__ import annotations

from typing import Final

from amplify_tui.playbook.rules import Rules, number, text
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.yaml import Map, Node

_BOUNDS: Final = ("above", "below")


def bounds(rules: Rules, bounded: Map, signal: Map) -> None:
    """Reports a bound of *bounded* that cannot be one of *signal*."""
    for key in _BOUNDS:
        node = bounded.items.get(key)
        if node is None or has_expr(text(node) or ""):
            continue
        refused = _refused(node, signal)
        if refused:
            rules.report(node, "limit-unit", *refused)


def _refused(node: Node, signal: Map) -> tuple[str, str] | None:
    """What is wrong with a bound and what to write; None where it may stand."""
    written, plain = text(node), number(node)
    is_share = "total" in signal.items
    golden = text(signal.items.get("golden"))
    if is_share:
        if written is not None and not written.endswith("%"):
            return f"{written} is a duration, and this signal is a share: bad / total", "write it like 1% or 0.01"
        if plain is not None and plain > 1:
            return (
                f"{plain:g} is more than every request: this signal is a share",
                f"write {plain:g}% or {plain / 100:g}",
            )
    elif written is not None and written.endswith("%") and golden == "latency":
        return f"{written} is a share, and this signal is a latency", "write it like 400ms, or 0.4 for seconds"
    elif written is not None and not written.endswith("%") and golden in ("traffic", "errors", "saturation"):
        return f"{written} is a duration, and this signal measures {golden}", "write a number in the signal's own unit"
    return None
