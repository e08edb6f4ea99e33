"""The strict walk: every node of a playbook against its shape, every expression against its scope.

Reports unknown and missing keys, wrong types, bad values and bad expressions, and remembers the structs it met, so that
the rules of checks.py can look at each `Condition` or `Signal` wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from amplify_tui.playbook import places
from amplify_tui.playbook.expr import ExprError, check
from amplify_tui.playbook.expr.kinds import Type
from amplify_tui.playbook.fit import fits, refusal
from amplify_tui.playbook.model import Playbook, Stage, Step
from amplify_tui.playbook.names import Names, Scope
from amplify_tui.playbook.problems import Problems, did_you_mean, listing, shorten
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import (
    AnyShape,
    Field,
    ListShape,
    MapShape,
    NullShape,
    ScalarShape,
    Shape,
    StructShape,
    fields_of,
    options,
    wanted,
)
from amplify_tui.playbook.skeleton import Skeleton, StepBone
from amplify_tui.playbook.templates import OPEN, has_expr, split
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq

Path = tuple[str | int, ...]

# Where an expression may not stand, because what stands there must be known before anything runs.
_FIXED_KINDS: Final = frozenset(("ref", "name", "gate"))
_FIXED_KEYS: Final = frozenset(("id", "needs", "undo_after", "use", "include", "each_key"))
_SECRET_KEYS: Final = frozenset(("url", "headers", "env", "token", "client_token"))
_VERSION_KEYS: Final = frozenset(
    ("version", "previous", "ref", "sha", "at", "since", "until", "planned", "expect_previous")
)


@dataclass(frozen=True, slots=True)
class Where:
    """What holds at a place: the names, the path, and the step it belongs to."""

    scope: Scope
    path: Path = ()
    step: StepBone | None = None
    rollback: bool = False

    def at(self, key: str | int) -> Where:
        return replace(self, path=(*self.path, key))


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A struct, or a gate's bare name, that the walk met."""

    cls: type[msgspec.Struct] | None
    node: Node
    where: Where


class Walker:
    """Walks one playbook. The visits are in file order."""

    def __init__(self, problems: Problems, registry: Registry, bones: Skeleton, names: Names) -> None:
        self.problems = problems
        self.visits: list[Visit] = []
        self._registry = registry
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
        self.problems.add(node.span, "wrong-type", f"{self._name(where)} wants {wanted(shape)}, not {found}")

    def _free(self, node: Node, where: Where) -> None:
        """Whatever stands where anything may: only its expressions are judged."""
        if isinstance(node, Scalar):
            if has_expr(node.value):
                self._template(node, AnyShape(), where)
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
                self._accept(node.keys[key], ScalarShape(shape.key.kind), where, key)
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
        for key, field in self._keys(node, fields_of(cls), self._name(where)):
            item = node.items[key]
            inner = where.at(key)
            if cls is Stage and key == "when":
                self._when(item, inner)
            elif field.late == "instance":
                self.value(item, field.shape, replace(inner, scope=self._late(where)))
            else:
                self.value(item, field.shape, inner)

    def _late(self, where: Where) -> Scope:
        return self._names.step(where.step, rollback=where.rollback, late=True)

    def _step(self, node: Map, where: Where) -> None:
        rollback = where.path[:1] == ("rollback",)
        bone = self._steps.get(id(node))
        scope = self._names.step(bone, rollback=rollback)
        here = replace(where, scope=scope, step=bone, rollback=rollback)
        self.visits.append(Visit(Step, node, here))
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
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return
        lone = None
        if isinstance(node, Scalar) and has_expr(node.value):
            try:
                lone = split(node.value).lone
            except ExprError as error:
                self._expr_problem(node, error, 0)
                return
        if not isinstance(node, Scalar) or lone is None:
            self.problems.add(
                node.span, "when-not-bool", "`when` is true, false or exactly one ${{ }}", "no text around it"
            )
            return
        found = self._template(node, None, where)
        if found is not None and found.name not in ("bool", "any"):
            message = f"`when` is a condition; this is {_article(found)}"
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
        if has_expr(node.value):
            if not self._fixed(node, shape, where):
                self._template(node, shape, where)
            return
        choices = options(shape)
        gate = next((o for o in choices if isinstance(o, ScalarShape) and o.kind == "gate"), None)
        if gate is not None and isinstance(node.value, str):
            self.visits.append(Visit(None, node, where))
        if any(isinstance(o, AnyShape) for o in choices) or (
            node.value is None and any(isinstance(o, NullShape) for o in choices)
        ):
            return
        self._accept(node, shape, where, self._name(where))

    def _accept(self, node: Scalar, shape: Shape, where: Where, name: str) -> None:
        bad = refusal(node.value, shape)
        if bad is None:
            return
        code, message, hint = bad.code, bad.message, bad.hint
        number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if number and code == "wrong-type" and self._is_version(shape, where):
            code, message = "version-unquoted", f"{node.text} is a number to YAML, not a version"
            hint = f'quote it: "{node.text}"'
        elif code == "wrong-type":
            message = f"{name} wants {wanted(shape)}; {message}"
        elif code == "literal-secret":
            self.problems.mask(node.span)
        self.problems.add(node.span, code, message, hint)

    def _is_version(self, shape: Shape, where: Where) -> bool:
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)}
        named = any(key in _VERSION_KEYS for key in where.path[-2:])
        return bool(kinds & {"semver", "range"}) or (named and "str" in kinds)

    def _fixed(self, node: Scalar, shape: Shape, where: Where) -> bool:
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)}
        keys = {key for key in where.path[-2:] if isinstance(key, str)}
        if kinds & _FIXED_KINDS or (keys & _FIXED_KEYS and "str" in kinds):
            message = f"{self._name(where)} must be written out: ${{{{ }}}} cannot stand in ids and references"
            self.problems.add(self._span(node), "expr-in-key", message, "the plan is known before anything runs")
        elif "regex" in kinds:
            message = "a regular expression must be written out"
            self.problems.add(self._span(node), "expr-in-key", message, "no pattern comes from a value")
        elif where.path[:1] == ("inputs",) or "apiVersion" in keys:
            self.problems.add(
                self._span(node), "expr-in-key", "no ${{ }} can stand here", "inputs are declared literally"
            )
        else:
            return False
        return True

    def _span(self, node: Scalar) -> Any:
        return places.of_piece(self.problems.lines, node, 0)

    def _template(self, node: Scalar, shape: Shape | None, where: Where) -> Type | None:
        """Checks the expressions of a text; the type of a lone one, else None. shape None: the caller judges it."""
        try:
            template = split(node.value)
        except ExprError as error:
            self._expr_problem(node, error, 0)
            return None
        lone = template.lone
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)} if shape else set()
        for piece in template.pieces:
            checked = check(piece.expr, where.scope)
            for mistake in checked.errors:
                self._expr_problem(node, mistake, piece.offset)
            if checked.errors:
                lone = None
            elif checked.type.name == "secret" and not (
                _SECRET_KEYS & set(map(str, where.path)) or kinds & {"url", "secret"}
            ):
                span = places.of_piece(self.problems.lines, node, piece.ordinal)
                hint = f"only in {listing(sorted(_SECRET_KEYS))}: a secret never reaches an argv, a text or a screen"
                self.problems.add(span, "secret-out-of-place", "a secret cannot stand here", hint)
                lone = None
            elif piece is lone and shape is None:
                return checked.type
            else:
                self._fits(node, piece.ordinal, checked.type, shape, alone=piece is lone)
        return None

    def _fits(self, node: Scalar, ordinal: int, found: Type, shape: Shape | None, *, alone: bool) -> None:
        span = places.of_piece(self.problems.lines, node, ordinal)
        if not alone:
            if found.name in ("list", "map"):
                message = f"{_article(found)} cannot stand inside a text"
                self.problems.add(span, "expr-type", message, 'join(list, ", ") makes a text of a list')
            elif shape is not None and not fits(Type("string"), shape):
                self.problems.add(
                    span, "expr-type", f"{wanted(shape)} is wanted; this gives a text", "leave only the ${{ }}"
                )
        elif shape is not None and not fits(found, shape):
            hint = "string(x) makes a text" if fits(Type("string"), shape) else ""
            self.problems.add(span, "expr-type", f"{wanted(shape)} is wanted; this gives {_article(found)}", hint)

    def _expr_problem(self, node: Scalar, error: ExprError, offset: int) -> None:
        span = places.of_text(self.problems.lines, node, error.offset + offset, error.end + offset)
        self.problems.add(span, error.code, error.message, error.hint)

    def _name(self, where: Where) -> str:
        words = [key for key in where.path if isinstance(key, str)]
        return ".".join(words[-2:]) if words else "a playbook"


_USE: Final = {
    "use": Field("use", "", ScalarShape("str"), required=False),
    "with": Field("with", "", AnyShape(), required=False),
}


def _article(found: Type) -> str:
    return "null" if found.name == "null" else f"an {found}" if found.name in ("int", "any") else f"a {found}"
