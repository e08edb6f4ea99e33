"""Rules of flags: whether the same users get those that a release ramps together, and the same variant everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from amplify_tui.playbook.rules import Rules, find_all, items, keys, number, text
from amplify_tui.playbook.skeleton import StepBone
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Node


def split_groups(rules: Rules, visit: Visit) -> None:
    """Two ramps under different groups are two independent draws: few users get both, and most of them one alone."""
    ramps = [step for step in rules.bones.steps.values() if step.verb == "rollout" and _ramped(step) is not None]
    for at, step in enumerate(ramps):
        for other in ramps[:at]:
            _compare(rules, other, step)


def variants(rules: Rules, visit: Visit) -> None:
    """Variants that stick to another field than their strategy: Python's SDK takes the strategy's, Node's does not."""
    for step in rules.bones.steps.values():
        if step.verb != "flag" or step.fields is None:
            continue
        for strategy, given in find_all(step.fields, "variants"):
            field = text(strategy.items.get("stickiness")) or "default"
            for own in (keys(one).get("stickiness") for one in items(given)):
                name = text(own)
                if own is None or name is None or name == field or has_expr(name) or has_expr(field):
                    continue
                message = (
                    f'this variant sticks to "{name}", its strategy to "{field}": SDKs differ in which of them counts'
                )
                hint = "leave it out, and the variants stick to what the strategy sticks to"
                rules.report(own, "variant-stickiness", message, hint, "warning")


def _compare(rules: Rules, one: StepBone, other: StepBone) -> None:
    first, second = keys(one.fields), keys(other.fields)
    names = text(first.get("flag")), text(second.get("flag"))
    shares = _first_share(one), _first_share(other)
    if names[0] == names[1] or text(first.get("source")) != text(second.get("source")) or None in shares:
        return
    groups = _group(rules, one), _group(rules, other)
    if None in groups or groups[0] == groups[1]:
        return
    low, high = shares
    assert low is not None
    assert high is not None
    message = (
        f'"{names[0]}" at {low:g} % and "{names[1]}" at {high:g} % meet in {low * high / 100:g} % of users: '
        "their groups differ"
    )
    hint = "give their strategies the same `group`, and the same users get both"
    rules.report(second["flag"], "split-groups", message, hint, "warning")


def _ramped(step: StepBone) -> str | None:
    """The name of the flag that a rollout ramps, where it is written out."""
    name = text(keys(step.fields).get("flag"))
    return None if name is None or has_expr(name) else name


def _first_share(step: StepBone) -> float | None:
    """The first percentage of a ramp; None where everybody gets the flag at once, or an expression says how many."""
    phases = items(keys(step.fields).get("phases"))
    share = number(phases[0]) if phases else None
    return share if share is not None and share < 100 else None


def _group(rules: Rules, ramp: StepBone) -> str | None:
    """The group of the strategy that *ramp* ramps; None where the playbook does not make it, or changes it later."""
    flag, wanted = _ramped(ramp), text(keys(ramp.fields).get("strategy"))
    found = [node for node in _strategies(rules, flag) if wanted in (None, text(keys(node).get("title")))]
    if len(found) != 1:
        return None
    group = keys(found[0]).get("group")
    name = flag if group is None else text(group)
    return None if name is None or has_expr(name) else name


def _strategies(rules: Rules, flag: str | None) -> Iterator[Node]:
    """What the flag's own steps give it."""
    for step in rules.bones.steps.values():
        fields = keys(step.fields)
        if step.verb == "flag" and text(fields.get("name")) == flag:
            for part in ("strategies", "add"):
                yield from items(fields.get(part))
