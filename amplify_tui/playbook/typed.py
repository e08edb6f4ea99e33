"""The strict walk: every node of a playbook against its shape, every expression against its scope.

Reports unknown and missing keys, wrong types, bad values and bad expressions, and remembers the structs it met, so that
the rules of checks.py can look at each `Condition` or `Signal` wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from amplify_tui.playbook.expr import ExprError
from amplify_tui.playbook.expr.kinds import article
from amplify_tui.playbook.model import Playbook, Source, Stage, Step
from amplify_tui.playbook.names import Names, Scope
from amplify_tui.playbook.problems import Problems, did_you_mean, listing, shorten
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import (
    AnyShape,
    Field,
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    StructShape,
    fields_of,
    options,
    wanted,
)
from amplify_tui.playbook.skeleton import Skeleton
from amplify_tui.playbook.templates import OPEN, has_expr, split
from amplify_tui.playbook.texts import Texts
from amplify_tui.playbook.where import Where
from amplify_tui.playbook.yaml import BROKEN, Map, Node, Scalar, Seq

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A struct, or a gate's bare name, that the walk met. clean: of a step, nothing is wrong with it so far."""

    cls: type[msgspec.Struct] | None
    node: Node
    where: Where
    clean: bool = True


class Walker:
    """Walks one playbook. The visits are in file order."""

    def __init__(self, problems: Problems, registry: Registry, bones: Skeleton, names: Names) -> None:
        self.problems = problems
        self.visits: list[Visit] = []
        self._registry = registry
        self._texts = Texts(problems)
        self._names = names
        self._steps = {id(step.node): step for step in (*bones.steps.values(), *bones.rollback.values())}

    def playbook(self, root: Map) -> None:
        """Walks the whole document."""
        scopes = {"release": self._names.start, "inputs": {}, "stages": self._names.plan}
        fields = fields_of(Playbook)
        self.visits.append(Visit(Playbook, root, Where({})))
        for key, field in self._keys(root, fields, "a playbook"):
            self.value(root.items[key], field.shape, Where(scopes.get(key, self._names.sections), (key,)))

    def value(self, node: Node, shape: Shape, where: Where) -> None:
        """Walks *node*, which should have *shape*."""
        if isinstance(node, Scalar):
            if node.value is not BROKEN:
                self._scalar(node, shape, where)
            return
        for option in options(shape):
            match option, node:
                case AnyShape(), _:
                    self._free(node, where)
                    return
                case ListShape(), Seq():
                    for index, item in enumerate(node.items):
                        self.value(item, option.item, where.at(index))
                    return
                case MapShape(), Map():
                    self._map(node, option, where)
                    return
                case StructShape(), Map():
                    self._struct(node, option.cls, where)
                    return
        found = "a list" if isinstance(node, Seq) else "a mapping"
        self.problems.add(node.span, "wrong-type", f"{where.name} wants {wanted(shape)}, not {found}")

    def _free(self, node: Node, where: Where) -> None:
        """Whatever stands where anything may: only its expressions are judged."""
        if isinstance(node, Scalar):
            if has_expr(node.value):
                self._texts.template(node, AnyShape(), where)
        elif isinstance(node, Seq):
            for index, item in enumerate(node.items):
                self._free(item, where.at(index))
        else:
            for key, item in node.items.items():
                self._plain_key(node.keys[key])
                self._free(item, where.at(key))

    def _map(self, node: Map, shape: MapShape, where: Where) -> None:
        for key, item in node.items.items():
            if self._plain_key(node.keys[key]):
                as_text = replace(node.keys[key], value=key)  # a key is a text, whatever a value of its look would be
                self._texts.accept(as_text, shape.key, where, key)
            self.value(item, shape.value, where.at(key))

    def _plain_key(self, key: Scalar) -> bool:
        if OPEN in key.text:
            self.problems.add(key.span, "expr-in-key", "${{ }} cannot stand in a key", "expressions stand in values")
            return False
        return True

    def _struct(self, node: Map, cls: type[msgspec.Struct], where: Where) -> None:
        if cls is Step:
            self._step(node, where)
            return
        self.visits.append(Visit(cls, node, where))
        for key, field in self._keys(node, fields_of(cls), where.name):
            item = node.items[key]
            inner = where.at(key)
            if cls is Stage and key == "when":
                self._when(item, inner)
            elif cls is Source and key == "with":
                self.value(item, self._with_of(node) or field.shape, inner)
            elif field.late == "instance":
                self.value(item, field.shape, replace(inner, scope=self._late(where)))
            else:
                self.value(item, field.shape, inner)

    def _with_of(self, source: Map) -> Shape | None:
        """The shape of `with:` beside a `use:` that is known; the rules tell of one that is not."""
        used = source.items.get("use")
        fields = self._registry.kinds.get(str(used.value)) if isinstance(used, Scalar) else None
        return StructShape(fields) if fields is not None else None

    def _late(self, where: Where) -> Scope:
        return self._names.step(where.step, rollback=where.rollback, late=True)

    def _step(self, node: Map, where: Where) -> None:
        rollback = where.path[:1] == ("rollback",)
        bone = self._steps.get(id(node))
        scope = self._names.step(bone, rollback=rollback)
        here = replace(where, scope=scope, step=bone, rollback=rollback)
        errors = self.problems.errors
        known = {**fields_of(Step), **self._verbs(), **_USE}
        name = f'step "{bone.id}"' if bone else "a step"
        for key, field in self._keys(node, known, name, verbs=True):
            if key == "when":
                self._when(node.items[key], here.at(key))
            elif key == "each":
                self.value(node.items[key], field.shape, replace(here.at(key), scope=self._names.plan))
            else:
                self.value(node.items[key], field.shape, here.at(key))
        self._one_verb(node, name)
        self.visits.append(Visit(Step, node, here, clean=self.problems.errors == errors))

    def _verbs(self) -> dict[str, Field]:
        return {
            name: Field(name, name, StructShape(spec.fields), required=False) for name, spec in self._registry.items()
        }

    def _one_verb(self, node: Map, name: str) -> None:
        verbs = [key for key in node.items if key in self._registry or key == "use"]
        if len(verbs) > 1:
            message = f"{name} has two verbs, {verbs[0]} and {verbs[1]}"
            self.problems.add(node.keys[verbs[1]].span, "two-verbs", message, "make it two steps")
        known = {*fields_of(Step), *_USE}
        if not verbs and all(key in known for key in node.items):
            hint = f"a step has exactly one of {listing(self._registry, 20)}"
            self.problems.add(node.span, "no-verb", f"{name} does nothing: it has no verb", hint)

    def _when(self, node: Node, where: Where) -> None:
        """`when` is a boolean, or exactly one `${{ }}` that gives one."""
        if isinstance(node, Scalar) and (isinstance(node.value, bool) or node.value is BROKEN):
            return
        lone = None
        if isinstance(node, Scalar) and has_expr(node.value):
            try:
                lone = split(node.value).lone
            except ExprError as error:
                self._texts.expr_problem(node, error, 0)
                return
        if not isinstance(node, Scalar) or lone is None:
            self.problems.add(
                node.span, "when-not-bool", "`when` is true, false or exactly one ${{ }}", "no text around it"
            )
            return
        found = self._texts.template(node, None, where)
        if found is not None and found.name not in ("bool", "any"):
            message = f"`when` is a condition; this is {article(found)}"
            self.problems.add(node.span, "when-not-bool", message, "nothing is truthy: compare it")

    def _keys(self, node: Map, fields: dict[str, Field], name: str, *, verbs: bool = False) -> list[tuple[str, Field]]:
        """The known keys of a struct; the unknown and the missing ones are reported."""
        found = []
        for key in node.items:
            if key in fields:
                found.append((key, fields[key]))
            elif self._plain_key(node.keys[key]):
                self._unknown(node.keys[key], fields, name, verbs=verbs)
        for key, field in fields.items():
            if field.required and key not in node.items:
                self.problems.add(
                    node.span, "missing-key", f"{name} lacks the key {key}", f"add {key}: {wanted(field.shape)}"
                )
        return found

    def _unknown(self, key: Scalar, fields: dict[str, Field], name: str, *, verbs: bool) -> None:
        near = did_you_mean(key.text, fields)
        if verbs and (near[14:-2] in self._registry or not near):
            hint = f"{near} a step has exactly one verb: {listing(self._registry, 20)}".strip()
            self.problems.add(key.span, "unknown-verb", f"unknown verb {shorten(key.text)} in {name}", hint)
            return
        hint = near or f"its keys are {listing(fields, 24)}"
        self.problems.add(key.span, "unknown-key", f"unknown key {shorten(key.text)} in {name}", hint)

    def _scalar(self, node: Scalar, shape: Shape, where: Where) -> None:
        gate = any(isinstance(o, ScalarShape) and o.kind == "gate" for o in options(shape))
        if gate and isinstance(node.value, str) and not has_expr(node.value):
            self.visits.append(Visit(None, node, where))
        self._texts.scalar(node, shape, where)


_USE: Final = {
    "use": Field("use", "", ScalarShape("str"), required=False),
    "with": Field("with", "", AnyShape(), required=False),
}
