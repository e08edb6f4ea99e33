"""Rules of comparisons with the past: which signals have one that can be asked, and nothing better."""

from __future__ import annotations

from typing import Final

from amplify_tui.playbook.rules import Rules, given, text, value
from amplify_tui.playbook.values import BadValue, accept, format_duration
from amplify_tui.playbook.yaml import Map

PASTS: Final = ("yesterday", "last_week")
LONGEST_S: Final = 180.0  # of a block: the hour that is compared with has to hold twenty of them


def condition(rules: Rules, node: Map, signal: Map) -> None:
    """A condition, or the limit of *signal*, with `worse_than: yesterday` or `last_week`: the first that is wrong."""
    at = node.keys["worse_than"]
    if "cohorts" in signal.items:
        message = "the signal has a control, which lives through the same hour: the past is a poorer one"
        rules.report(at, "past-shape", message, "write worse_than: control")
    elif "state" in signal.items:
        hint = "leave worse_than out: an alert counts once it turns red"
        rules.report(at, "past-shape", "alerts have no past to be compared with", hint)
    elif not _has_past(rules, signal):
        message = f'source "{text(signal.items.get("source"))}" cannot be asked about its past'
        rules.report(at, "past-shape", message, "measure the signal by a prometheus source, or give a limit with above")
    elif text(signal.items.get("golden")) == "traffic":
        message = "of traffic nobody knows whether more or less of it is worse"
        rules.report(at, "past-shape", message, "bound it with above or below")
    elif text(signal.items.get("pass")) == "proven":
        message = "a comparison with the past proves nothing: two days differ in more than a release"
        rules.report(at, "past-shape", message, "take pass: proven out of the signal")
    elif given(node, "min_samples"):
        message = "a comparison with the past counts blocks, eight at least, and not requests"
        rules.report(
            node.keys["min_samples"], "past-shape", message, "take min_samples out; block says how long one is"
        )
    elif (block := _block(signal)) > LONGEST_S:
        message = f"an hour of the past holds fewer than 20 blocks of {format_duration(block)}"
        rules.report(at, "past-shape", message, f"give the signal a block and a window of {LONGEST_S / 60:g}m or less")


def _has_past(rules: Rules, signal: Map) -> bool:
    """Whether the source knows its past; one that is not there, or of no known kind, is reported by itself."""
    source = rules.bones.section("sources").get(text(signal.items.get("source")) or "")
    if not isinstance(source, Map) or "prometheus" in source.items:
        return True
    used = text(source.items.get("use"))
    return used is not None and (used in rules.registry.past or used not in rules.registry.kinds)


def _block(signal: Map) -> float:
    """How long a block of the signal is at least, in seconds; 0 where an expression will say."""
    found = [0.0]
    for key in given(signal, "block", "window"):
        try:
            found.append(float(accept(value(signal.items[key]), "dur")))
        except BadValue:
            continue
    return max(found)
