"""Rules of order: ids are unique, needs name what exists, and somebody can go first."""

from __future__ import annotations

from amplify_tui.playbook.problems import listing, suggest
from amplify_tui.playbook.rules import Rules, items, keys, text
from amplify_tui.playbook.skeleton import ROLLBACK_LISTS, StageBone, StepBone
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Node, Scalar, Seq


def order(rules: Rules, visit: Visit) -> None:
    """All rules of order of one playbook."""
    _stages(rules, visit)
    seen: dict[str, Scalar] = {}
    stages: dict[str, Scalar] = {}
    for node in items(rules.bones.root.items.get("stages")):
        _unique(rules, node, stages, "stage")
        for step in items(keys(node).get("steps")):
            _unique(rules, step, seen, "step")
    for part in ROLLBACK_LISTS:
        for step in items(rules.bones.section("rollback").get(part)):
            _unique(rules, step, seen, "step")
    for stage in rules.bones.stages.values():
        _stage_needs(rules, stage)
        for bone in stage.steps:
            _step_needs(rules, bone)
    for bone in rules.bones.rollback.values():
        _rollback_needs(rules, bone)
    _cycle(rules)


def _stages(rules: Rules, visit: Visit) -> None:
    node = rules.bones.root.items.get("stages")
    if isinstance(node, Seq) and not node.items:
        rules.report(node, "empty-stages", "a playbook has at least one stage", "`amplify init` writes a first one")
    for stage in items(node):
        steps = keys(stage).get("steps")
        if isinstance(steps, Seq) and not steps.items:
            name = text(keys(stage).get("id")) or "?"
            rules.report(steps, "empty-stages", f'stage "{name}" has no steps', "give it one, or remove it")
    include = rules.bones.root.items.get("include")
    if items(include):
        rules.not_yet(items(include)[0], "include", "write the services, sources and signals into the playbook")


def _unique(rules: Rules, node: Node, seen: dict[str, Scalar], what: str) -> None:
    at = keys(node).get("id")
    name = text(at)
    if not isinstance(at, Scalar) or name is None:
        return
    if name in seen and seen[name] is not at:
        first = seen[name].span
        message = f'{what} "{name}" is there twice; first on line {first.line}, column {first.column}'
        rules.report(at, "duplicate-id", message, f"the ids of {what}s are unique in the whole playbook")
    seen.setdefault(name, at)


def _stage_needs(rules: Rules, stage: StageBone) -> None:
    for need in stage.needs or ():
        if need.value not in rules.bones.stages and not has_expr(need.value):
            hint = suggest(need.value, rules.bones.stages, "the stages are")
            if rules.bones.find(need.value):
                hint = "a stage needs stages; a step of another stage is needed by a step"
            rules.report(need, "unknown-step", f'stage "{stage.id}" needs "{need.value}", which is no stage', hint)


def _step_needs(rules: Rules, step: StepBone) -> None:
    for need in step.needs or ():
        if rules.bones.find(need.value) is None and not has_expr(need.value):
            hint = suggest(need.value, rules.bones.steps, "the steps are")
            rules.report(need, "unknown-step", f'step "{step.id}" needs "{need.value}", which is no step', hint)
    for other in items(step.node.items.get("undo_after")):
        _undo_after(rules, step, other)


def _undo_after(rules: Rules, step: StepBone, other: Node) -> None:
    name = text(other)
    if name is not None and rules.bones.find(name) is None and not has_expr(name):
        hint = suggest(name, rules.bones.steps, "the steps are")
        rules.report(other, "unknown-step", f'step "{step.id}" is undone after "{name}", which is no step', hint)


def _rollback_needs(rules: Rules, step: StepBone) -> None:
    for need in step.needs or ():
        if need.value not in rules.bones.rollback and not has_expr(need.value):
            hint = suggest(need.value, rules.bones.rollback, "the rollback's steps are")
            message = f'step "{step.id}" needs "{need.value}", which is no step of the rollback'
            rules.report(need, "unknown-step", message, hint)


def _cycle(rules: Rules) -> None:
    cycle = rules.bones.cycle
    if not cycle:
        return
    nodes = {
        name: bones[name].node for name in cycle for bones in (rules.bones.steps, rules.bones.stages) if name in bones
    }
    written = {name: node.items["needs"] for name, node in nodes.items() if "needs" in node.items}
    places: list[Node] = [*(written or nodes).values()]
    first = min((node.span for node in places), key=lambda span: (span.line, span.column))
    chain = " waits for ".join(f'"{name}"' for name in reversed(cycle))
    message = f"nothing here can go first: {chain}"
    rules.report(first, "needs-cycle", message, f"remove one of the needs of {listing(written or nodes)}")
