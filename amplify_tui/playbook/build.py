"""Builds typed values: a node (or an expression's value) and a shape become what model.py says.

Used once the checker has passed the document, so what fails here is a value that only the context brought.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from amplify_tui.playbook import places
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.evaluation import text_value
from amplify_tui.playbook.expr import ExprError
from amplify_tui.playbook.fit import refusal
from amplify_tui.playbook.model import Step, Trigger
from amplify_tui.playbook.problems import Problems
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import (
    AnyShape,
    ChoiceShape,
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
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.values import BadValue, accept, accept_choice
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq, plain

# A step's keys that are read when the step comes up, because they may speak of steps before it.
_RAW: Final = frozenset(("title", "when", "guide"))


class Builder:
    """Builds with the names of one context; what cannot be built becomes a problem, and a None in the result."""

    def __init__(self, context: Context, problems: Problems, registry: Registry | None = None) -> None:
        self._context = context
        self._problems = problems
        self._registry = registry or Registry({})

    def value(self, node: Node, shape: Shape, *, late: bool = False) -> Any:
        """The value of *node* in *shape*. late: expressions stay the texts they are."""
        if isinstance(node, Scalar):
            return self._scalar(node, shape, late=late)
        for option in options(shape):
            match option, node:
                case AnyShape(), _:
                    return plain(node) if late else self._free(node)
                case ListShape(), Seq():
                    return tuple(self.value(item, option.item, late=late) for item in node.items)
                case MapShape(), Map():
                    return {key: self.value(item, option.value, late=late) for key, item in node.items.items()}
                case StructShape(), Map():
                    return self._struct(node, option.cls, late=late)
        return self._bad(node, BadValue("wrong-type", f"{wanted(shape)} is wanted"))

    def _free(self, node: Node) -> Any:
        """What may be anything: a plain tree, its texts resolved."""
        if isinstance(node, Seq):
            return [self._free(item) for item in node.items]
        if isinstance(node, Map):
            return {key: self._free(item) for key, item in node.items.items()}
        return self._evaluate(node) if has_expr(node.value) else node.value

    def _scalar(self, node: Scalar, shape: Shape, *, late: bool) -> Any:
        if late and has_expr(node.value):
            return node.value
        value = self._evaluate(node) if has_expr(node.value) else node.value
        return None if value is _FAILED else self._fit(value, shape, node)

    def _evaluate(self, node: Scalar) -> Any:
        try:
            return text_value(node.value, self._context)
        except ExprError as error:
            span = places.of_text(self._problems.lines, node, error.offset, error.end)
            self._problems.add(span, error.code, error.message, error.hint)
            return _FAILED

    def _fit(self, value: Any, shape: Shape, node: Node) -> Any:
        """A plain value in *shape*; *node* is where it comes from."""
        for option in options(shape):
            match option, value:
                case AnyShape(), _:
                    return value
                case NullShape(), None:
                    return None
                case ListShape(), list() | tuple():
                    return tuple(self._fit(item, option.item, node) for item in value)
                case MapShape(), dict():
                    return {key: self._fit(item, option.value, node) for key, item in value.items()}
                case StructShape(), dict():
                    return self._fit_struct(value, option.cls, node)
        return self._fit_scalar(value, shape, node)

    def _fit_scalar(self, value: Any, shape: Shape, node: Node) -> Any:
        seconds = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if seconds and ScalarShape("dur") in options(shape):
            return float(value)  # an input of type duration has its value in seconds
        bad = refusal(value, shape)
        if bad is not None:
            return self._bad(node, bad)
        for option in options(shape):
            try:
                if isinstance(option, ScalarShape):
                    found = accept(value, option.kind)
                    return Trigger(builtin=found) if StructShape(Trigger) in options(shape) else found
                if isinstance(option, ChoiceShape):
                    return accept_choice(value, option.values)
            except BadValue:
                continue
        return self._bad(node, BadValue("wrong-type", f"{wanted(shape)} is wanted"))

    def _fit_struct(self, value: dict[str, Any], cls: type[msgspec.Struct], node: Node) -> Any:
        fields = fields_of(cls)
        unknown = [key for key in value if key not in fields]
        missing = [key for key, field in fields.items() if field.required and key not in value]
        if unknown or missing:
            what = f"unknown key {unknown[0]}" if unknown else f"the key {missing[0]} is missing"
            return self._bad(node, BadValue("unknown-key" if unknown else "missing-key", f"in this value: {what}"))
        given = {fields[key].attribute: self._fit(item, fields[key].shape, node) for key, item in value.items()}
        return cls(**given)

    def _struct(self, node: Map, cls: type[msgspec.Struct], *, late: bool) -> Any:
        if cls is Step:
            return self._step(node)
        return cls(**self._given(node, fields_of(cls), late=late))

    def _given(self, node: Map, fields: dict[str, Field], *, late: bool = False) -> dict[str, Any]:
        given = {}
        for key, item in node.items.items():
            field = fields.get(key)
            if field is None:
                self._bad(item, BadValue("unknown-key", f"unknown key {key}"))
            elif field.attribute:
                given[field.attribute] = self.value(item, field.shape, late=late or field.late is not None)
        return given

    def _step(self, node: Map) -> Step:
        """A step's common part; its verb's fields, and what may speak of other steps, stay as written."""
        known = fields_of(Step)
        common = Map(node.span, {k: v for k, v in node.items.items() if k in known and k not in _RAW}, node.keys)
        raw = {key: plain(node.items[key]) for key in _RAW if key in node.items}
        verb = next((key for key in node.items if key not in known), "")
        fields = plain(node.items[verb]) if verb else None
        return Step(verb=verb, fields=fields, **self._given(common, known), **raw)

    def _bad(self, node: Node, bad: BadValue) -> None:
        span = node.span
        if isinstance(node, Scalar) and has_expr(node.value):
            span = places.of_piece(self._problems.lines, node, 0)
        self._problems.add(span, bad.code, bad.message, bad.hint)


class _Failed:
    """Stands for a value whose problem is recorded."""


_FAILED: Final = _Failed()
