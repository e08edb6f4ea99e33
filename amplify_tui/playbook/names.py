"""Which names exist at which place of a playbook, and their types: the scopes that expressions are checked in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from amplify_tui.playbook.expr.kinds import (
    ANY,
    BOOL,
    BY_NAME,
    DOUBLE,
    LIST,
    SECRET,
    STRING,
    Type,
    list_of,
    record,
)
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.skeleton import Skeleton, StepBone
from amplify_tui.playbook.yaml import Map, Node, Scalar, plain

Scope = Mapping[str, Type]

_RELEASE: Final = record(
    {
        **dict.fromkeys(("version", "previous", "tag", "previous_tag", "sha", "environment", "notes"), STRING),
        "commits": LIST,
    }
)
_SERVICE: Final = record({"version": STRING, "instances": LIST, "owner": STRING})
_RUN: Final = record({"id": STRING, "mode": STRING, "actor": STRING, "started_at": DOUBLE})
_INSTANCE: Final = record(dict.fromkeys(("id", "url", "host", "port", "zone", "before"), ANY))
_ROLLBACK: Final = record(dict.fromkeys(("reason", "scope", "exposed_from", "exposed_until"), STRING))
_SECRETS: Final = Type("map", item=SECRET)
_INPUT_TYPES: Final = {"number": DOUBLE, "semver": STRING}


class Names:
    """The scopes of one playbook."""

    def __init__(self, bones: Skeleton, registry: Registry) -> None:
        self._bones = bones
        self._registry = registry
        self._outputs: dict[str, Type] = {}
        inputs = record({name: input_type(node) for name, node in bones.section("inputs").items()})
        services = record(dict.fromkeys(bones.section("services"), _SERVICE))
        self.start: Scope = {"inputs": inputs, "run": _RUN}
        self.sections: Scope = {**self.start, "release": _RELEASE, "secrets": _SECRETS}
        self.plan: Scope = {**self.sections, "services": services}

    def step(self, step: StepBone | None, *, rollback: bool, late: bool = False) -> Scope:
        """The names inside a step; late: with `instance`, as the argv of a wave have."""
        scope = dict(self.plan)
        if step is not None:
            scope["steps"] = record(_Steps(self, self._bones, step, rollback=rollback))
            if step.each:
                scope["each"] = record({name: _of_values(values) for name, values in step.each.items()})
        if rollback:
            scope["rollback"] = _ROLLBACK
        if late:
            scope["instance"] = _INSTANCE
        return scope

    def outputs(self, step: StepBone) -> Type:
        """The type of `steps.ID` for one step, whatever its place."""
        if step.id not in self._outputs:
            self._outputs[step.id] = self._describe(step)
        return self._outputs[step.id]

    def _describe(self, step: StepBone) -> Type:
        spec = self._registry.get(step.verb or "")
        given = dict(spec.outputs) if spec else {"*": "any"}
        outputs: dict[str, Type] = {name: BY_NAME.get(kind, ANY) for name, kind in given.items() if name != "*"}
        if step.verb == "input" and isinstance(step.fields, Map):
            asked = step.fields.items.get("fields")
            if isinstance(asked, Map):
                outputs |= {name: input_type(node) for name, node in asked.items.items()}
        elif "*" in given:
            return _state(Type("map", item=BY_NAME.get(given["*"], ANY)))
        return _state(record(outputs))

    def skippable(self, step: StepBone) -> str:
        """Why a step may have no outputs, in words; empty where it always has them."""
        items = step.node.items
        stage = self._bones.stages.get(step.stage)
        if "when" in items and plain(items["when"]) is not True:
            return f'step "{step.id}" is skipped where its `when` is false'
        if stage is not None and "when" in stage.node.items and plain(stage.node.items["when"]) is not True:
            return f'stage "{stage.id}" is skipped where its `when` is false'
        if "skippable" in items and plain(items["skippable"]) is not False:
            return f'step "{step.id}" may be skipped by a person'
        if "on_fail" in items and plain(items["on_fail"]) in ("continue", "ask"):
            return f'step "{step.id}" may fail and be passed over'
        return ""


def _state(outputs: Type) -> Type:
    return record({"status": STRING, "skipped": BOOL, "outputs": outputs})


def _absent(state: Type, why: str) -> Type:
    """The same step, its outputs marked as possibly missing."""
    assert state.fields is not None
    outputs = state.fields["outputs"]
    marked = Type("map", item=outputs.item, fields=outputs.fields, absent=why)
    return record({**state.fields, "outputs": marked})


class _Steps(Mapping[str, Type]):
    """`steps` as one step sees it: what is surely before it has outputs. Computed on demand: plans are long."""

    def __init__(self, names: Names, bones: Skeleton, step: StepBone, *, rollback: bool) -> None:
        self._names = names
        self._bones = bones
        self._step = step
        self._rollback = rollback

    def __len__(self) -> int:
        return len(self._bones.steps)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bones.steps)

    def __getitem__(self, name: str) -> Type:
        step = self._bones.steps.get(name) or (self._bones.rollback.get(name) if self._rollback else None)
        if step is None:
            raise KeyError(name)
        if not self._rollback and not self._bones.is_before(step, self._step) and not self._bones.cycle:
            return Type("any", hidden=_forward(step, self._step))
        why = self._names.skippable(step)
        if self._rollback and not why:
            why = f'a rollback may start before step "{step.id}" has run'
        state = self._names.outputs(step)
        state = _absent(state, why) if why else state
        return _keyed(step, state) if step.each else state


def _forward(step: StepBone, here: StepBone) -> tuple[str, str, str]:
    if step is here:
        return ("forward-reference", f'step "{step.id}" asks for its own outputs', "")
    if step.in_background:
        hint = f'it watches in the background: add "{step.id}" to the needs'
        return ("forward-reference", f'step "{step.id}" may not be over when "{here.id}" begins', hint)
    hint = f'steps with a list of needs run side by side; add "{step.id}" to the needs, or move this step behind it'
    return ("forward-reference", f'step "{step.id}" is not sure to have run before "{here.id}"', hint)


def _keyed(step: StepBone, state: Type) -> Type:
    values = list(step.each.values())
    if any(v is None or len(v) > 100 or any("${{" in str(x) for x in v) for v in values):
        return Type("map", item=state)
    known = [v for v in values if v is not None]
    keys = [",".join(str(x) for x in key) for key in product(*known)] if len(known) <= 3 else []
    return record(dict.fromkeys(keys, state)) if 0 < len(keys) <= 1000 else Type("map", item=state)


def _of_values(values: list[Any] | None) -> Type:
    kinds = {type(value) for value in values or ()}
    if values is None or len(kinds) != 1 or any("${{" in str(value) for value in values):
        return ANY
    return {str: STRING, int: BY_NAME["int"], float: DOUBLE, bool: BOOL}.get(kinds.pop(), ANY)


def input_type(node: Node) -> Type:
    """The type of `inputs.N` by its declaration; any where the declaration is malformed."""
    if not isinstance(node, Map):
        return ANY
    kind = _word(node.items.get("type"))
    if kind == "list":
        return list_of(_named(_word(node.items.get("of")) or "string"))
    return _named(kind)


def _named(kind: str) -> Type:
    return _INPUT_TYPES.get(kind) or BY_NAME.get(kind, ANY)


def _word(node: Node | None) -> str:
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
