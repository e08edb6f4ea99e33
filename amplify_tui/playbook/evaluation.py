"""Values of texts and trees with `${{ }}` in them. Places are the callers' business: errors carry offsets."""

from __future__ import annotations

from typing import Any

import msgspec

from amplify_tui.playbook.context import Context, defuse, secret_marker, secret_names
from amplify_tui.playbook.expr import Expr, ExprError, evaluate
from amplify_tui.playbook.expr.functions import text_of
from amplify_tui.playbook.expr.syntax import Ast, Index, Lit, Name, Select
from amplify_tui.playbook.templates import Piece, Template, has_expr, split


def text_value(text: str, context: Context) -> Any:
    """The value of a text: a lone `${{ }}` keeps its type. Raises ExprError, offsets counted from the text's start."""
    template = split(text)
    lone = template.lone
    if lone is not None:
        return _piece(lone, context)
    return "".join(_part(part, context) for part in template.parts)


def _part(part: str | Piece, context: Context) -> str:
    if isinstance(part, str):
        return str(defuse(part))
    try:
        return text_of(_piece(part, context))
    except ValueError as error:
        raise ExprError(str(error), part.offset, code="expr-type") from None


def _piece(piece: Piece, context: Context) -> Any:
    secret = _secret_of(piece.expr, context)
    if secret is not None:
        return secret_marker(secret)
    try:
        return defuse(evaluate(piece.expr, context))
    except ExprError as error:
        raise ExprError(
            error.message,
            error.offset + piece.offset,
            error.end + piece.offset,
            code=error.code,
            hint=error.hint,
            missing=error.missing,
        ) from None


def _secret_of(expr: Expr, context: Context) -> str | None:
    """The secret's name, where an expression is exactly `secrets.N`, or an input whose whole value is a marker."""
    of, key = _member(expr.root)
    if of == "secrets" and key is not None:
        return key
    if of == "inputs" and key is not None:
        inputs = context.names.get("inputs")
        value = inputs.get(key) if isinstance(inputs, dict) else None
        if isinstance(value, str) and len(names := secret_names(value)) == 1:
            name = names.pop()
            return name if value == secret_marker(name) else None
    return None


def _member(node: Ast) -> tuple[str, str | None]:
    match node:
        case Select(of=Name(name=name), field=key):
            return name, key
        case Index(of=Name(name=name), key=Lit(value=str() as key)):
            return name, key
    return "", None


def tree_value(tree: Any, context: Context) -> Any:
    """*tree* with every text resolved; dicts, lists, tuples and Structs keep their kind. Raises ExprError."""
    match tree:
        case str():
            return text_value(tree, context) if has_expr(tree) else defuse(tree)
        case list():
            return [tree_value(item, context) for item in tree]
        case tuple():
            return tuple(tree_value(item, context) for item in tree)
        case dict():
            return {key: tree_value(item, context) for key, item in tree.items()}
        case msgspec.Struct():
            names = tree.__struct_fields__
            return msgspec.structs.replace(tree, **{n: tree_value(getattr(tree, n), context) for n in names})
    return tree


def starts_with_expr(text: str) -> bool:
    """Whether a text's first character comes out of an expression."""
    template: Template = split(text)
    return bool(template.parts) and isinstance(template.parts[0], Piece)
