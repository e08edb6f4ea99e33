"""Resolving: a checked document and the values of its names become the typed playbook, and a verb's typed fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from amplify_tui.playbook.build import Builder
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.evaluation import starts_with_expr, tree_value
from amplify_tui.playbook.expr import ExprError
from amplify_tui.playbook.expr.functions import text_of
from amplify_tui.playbook.model import Playbook, Step
from amplify_tui.playbook.problems import Problem, Problems, render
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import StructShape, fields_of
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq

__all__ = ["Unresolved", "resolve", "resolve_argv", "resolve_fields", "resolve_section", "resolve_value"]


class Unresolved(Exception):
    """Values that the document asks for and the context does not have, or not as they are wanted; with places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


def resolve(document: Document, context: Context) -> Playbook:
    """The typed playbook. Needs the names inputs, release, run and services, as far as the document uses them.

    Of a step, `fields`, `title`, `when` and `guide` stay as written: they may speak of steps that have not run. Use
    `resolve_fields` and `resolve_value` for them when the step comes up. Raises Unresolved.
    """
    problems = Problems(document.path, document.text)
    builder = Builder(context, problems)
    root = document.bones.root
    fields = fields_of(Playbook)
    given = {}
    for key, node in root.items.items():
        field = fields[key]
        if field.attribute:
            given[field.attribute] = builder.value(node, field.shape)
    _raise(problems)
    return Playbook(**given)


def resolve_section(document: Document, key: str, context: Context) -> Any:
    """One section of the document alone, typed: `signals` as a dict of Signal. Its default where it is not written.

    For who needs no release: the names that other sections use need not be there. Raises Unresolved.
    """
    field = fields_of(Playbook)[key]
    node = document.bones.root.items.get(key)
    if node is None:
        return {}
    problems = Problems(document.path, document.text)
    found = Builder(context, problems).value(node, field.shape)
    _raise(problems)
    return found


def resolve_fields(document: Document, step: Step, context: Context, registry: Registry) -> Any:
    """The verb's Fields of *step*, every value resolved but those of late fields, which stay as written.

    The step must be the document's own. Raises Unresolved.
    """
    bone = document.bones.steps.get(step.id) or document.bones.rollback.get(step.id)
    spec = registry[step.verb]
    if bone is None or bone.fields is None:
        raise KeyError(f"no step {step.id} in {document.path}")
    problems = Problems(document.path, document.text)
    built = Builder(context, problems).value(bone.fields, StructShape(spec.fields))
    _dashes(bone.fields, built, problems)
    _raise(problems)
    return built


def resolve_value(tree: Any, context: Context) -> Any:
    """*tree* (text, list, dict or Struct) with every `${{ }}` resolved. Raises Unresolved; its place is in the text."""
    try:
        return tree_value(tree, context)
    except ExprError as error:
        raise Unresolved([_placeless(error)]) from None


def resolve_argv(argv: Sequence[str], context: Context, *, allow_dash: bool = False) -> tuple[str, ...]:
    """The arguments of a command. An element that starts with an expression must not become an option ("-…").

    Raises Unresolved.
    """
    found = []
    for element in argv:
        value = resolve_value(element, context)
        if not isinstance(value, str):
            value = _word(element, value)
        if not allow_dash and value.startswith("-") and starts_with_expr(element):
            raise Unresolved([_placeless(_dash(element, value))])
        found.append(value)
    return tuple(found)


def _word(element: str, value: Any) -> str:
    try:
        return text_of(value)
    except ValueError as error:
        raise Unresolved([_placeless(ExprError(f'"{element}": {error}', 0, code="expr-type"))]) from None


def _raise(problems: Problems) -> None:
    if problems.has_errors():
        raise Unresolved(problems.sorted())


def _dash(element: str, value: str) -> ExprError:
    message = f'"{element}" gives "{value[:40]}", which a command reads as an option'
    return ExprError(message, 0, code="dash-from-expression", hint="set allow_dash: true where that is meant")


def _placeless(error: ExprError) -> Problem:
    return Problem(
        file="",
        line=1,
        column=error.offset + 1,
        end_column=error.end + 1,
        code=error.code,
        message=error.message,
        hint=error.hint,
    )


def _dashes(node: Node, built: Any, problems: Problems) -> None:
    """The rule of resolve_argv for every `argv` of a verb's fields that has been resolved."""
    if not isinstance(node, Map) or not isinstance(built, msgspec.Struct):
        return
    fields = fields_of(type(built))
    for key, item in node.items.items():
        value = getattr(built, fields[key].attribute, None) if key in fields else None
        if key == "argv" and isinstance(item, Seq) and isinstance(value, tuple):
            if fields[key].late is None and not getattr(built, "allow_dash", False):
                _dash_elements(item, value, problems)
        else:
            _dashes(item, value, problems)


def _dash_elements(node: Seq, values: tuple[Any, ...], problems: Problems) -> None:
    for item, value in zip(node.items, values, strict=False):
        dashed = isinstance(item, Scalar) and isinstance(item.value, str) and str(value).startswith("-")
        if isinstance(item, Scalar) and dashed and starts_with_expr(item.value):
            error = _dash(item.value, str(value))
            problems.add(item.span, error.code, error.message, error.hint)
