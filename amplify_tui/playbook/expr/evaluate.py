"""The value of an expression. Strict at run time, too: what static types could not know is judged here by the
same rules.

Values are plain JSON: null, bool, int, float, str, list, dict; a semver stands only inside an expression and
leaves it as text. `&&` and `||` answer as CEL's do: a side that fails does not matter where the other
decides.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from semver import Version

from amplify_tui.playbook.expr.functions import FUNCTIONS
from amplify_tui.playbook.expr.syntax import (
    Ast,
    Binary,
    Call,
    Cond,
    Expr,
    ExprError,
    Index,
    ListLit,
    Lit,
    Logic,
    Name,
    Select,
    Unary,
)
from amplify_tui.playbook.expr.tokens import INT_MAX
from amplify_tui.playbook.problems import suggest


@dataclass(frozen=True, slots=True)
class Context:
    """The values that names have.

    names: inputs, release, services, steps, run, each, instance, rollback, as far as they exist; `secrets`
    needs no value. now: what now() answers, Unix seconds; without it now() is an error.
    """

    names: Mapping[str, Any] = field(default_factory=dict)
    now: float | None = None

    def with_names(self, **more: Any) -> Context:
        """The same with further names, such as each=… or instance=…."""
        return replace(self, names={**self.names, **more})


def evaluate(expr: Expr, context: Context) -> Any:
    """The plain value of *expr*. Raises ExprError, with the place of what failed."""
    value = _Evaluator(context).value(expr.root)
    return _leave(value)


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED: Final = ("int", "double", "string", "semver")


class _Evaluator:
    def __init__(self, context: Context) -> None:
        self._context = context

    def value(self, node: Ast) -> Any:
        match node:
            case Lit():
                return node.value
            case ListLit():
                return self._list(node)
            case Name():
                return self._name(node)
            case Select():
                return _get(self.value(node.of), node.field, node)
            case Index():
                return self._index(node)
            case Call():
                return self._call(node)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Logic():
                return self._logic(node)
            case Cond():
                return self.value(node.then if self._bool(node.test) else node.other)

    def _name(self, node: Name) -> Any:
        if node.name not in self._context.names:
            hint = suggest(node.name, self._context.names, "the names here are")
            raise _error(node, f'"{node.name}" has no value here', hint, code="unknown-name", missing=True)
        return self._context.names[node.name]

    def _index(self, node: Index) -> Any:
        of, key = self.value(node.of), self.value(node.key)
        if isinstance(of, list) and type(key) is int:
            if not 0 <= key < len(of):
                raise _error(node, f"index {key} of a list of {len(of)}", missing=True)
            return of[key]
        if isinstance(of, Mapping | None) and isinstance(key, str):
            return _get(of, key, node)
        raise _error(node, f"{kind_of(of)} cannot be indexed by {kind_of(key)}")

    def _list(self, node: ListLit) -> list[Any]:
        items = [self.value(item) for item in node.items]
        for item, value in zip(node.items, items, strict=True):
            if kind_of(value) != kind_of(items[0]):
                raise _error(item, f"this list mixes {kind_of(items[0])} and {kind_of(value)}")
        return items

    def _bool(self, node: Ast) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise _error(node, f"this must be a bool; it is {kind_of(value)}")
        return value

    def _unary(self, node: Unary) -> Any:
        if node.op == "!":
            return not self._bool(node.of)
        value = self.value(node.of)
        if kind_of(value) not in ("int", "double"):
            raise _error(node, f"- negates a number; this is {kind_of(value)}")
        return _in_range(-value, node)

    def _logic(self, node: Logic) -> bool:
        decides = node.op == "||"
        failed: ExprError | None = None
        for item in node.items:
            try:
                if self._bool(item) is decides:
                    return decides
            except ExprError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return not decides

    def _binary(self, node: Binary) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        kinds = (kind_of(left), kind_of(right))
        if node.op in ("==", "!="):
            return _equal(left, right, node) is (node.op == "==")
        if node.op == "in":
            return _contained(left, right, node)
        if kinds[0] != kinds[1]:
            raise _error(node, f"{node.op} cannot mix {kinds[0]} and {kinds[1]}", "convert one of them")
        if node.op in _COMPARE:
            if kinds[0] not in _ORDERED:
                raise _error(node, f"{kinds[0]} has no order")
            return _COMPARE[node.op](left, right)
        return _calculate(node, left, right, kinds[0])

    def _call(self, node: Call) -> Any:
        function = FUNCTIONS.get(node.function)
        if function is None or len(node.args) not in function.counts:
            usage = suggest(node.function, FUNCTIONS, "the functions are") if function is None else function.usage
            message = f'no function "{node.function}" with {len(node.args)} arguments'
            raise _error(node, message, usage, code="unknown-name")
        if node.function == "now":
            if self._context.now is None:
                raise _error(node, "now() has no value here")
            return float(self._context.now)
        if node.function == "default":
            return self._default(node)
        args = [self.value(arg) for arg in node.args]
        for arg, value, allowed in zip(node.args, args, function.takes, strict=False):
            if kind_of(value) not in allowed and "any" not in allowed:
                raise _error(arg, f"{function.usage} takes {' or '.join(allowed)} here; this is {kind_of(value)}")
        try:
            return function.run(*args)
        except ValueError as error:
            raise _error(node, str(error)) from None

    def _default(self, node: Call) -> Any:
        try:
            value = self.value(node.args[0])
        except ExprError as error:
            if not error.missing:
                raise
            value = None
        return self.value(node.args[1]) if value is None else value


def kind_of(value: Any) -> str:
    """The name of a value's type, as messages say it."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case Version():
            return "semver"
        case list() | tuple():
            return "list"
        case Mapping():
            return "map"
    return type(value).__name__


def _error(node: Ast, message: str, hint: str = "", code: str = "expr-type", *, missing: bool = False) -> ExprError:
    return ExprError(message, node.start, node.end, code=code, hint=hint, missing=missing)


def _get(of: Any, key: str, node: Ast) -> Any:
    if of is None:
        raise _error(node, f'"{key}" is asked of something that has no value', "use default(…, x)", missing=True)
    if not isinstance(of, Mapping):
        raise _error(node, f'{kind_of(of)} has no field "{key}"')
    if key not in of:
        hint = suggest(key, (str(name) for name in of), "there are")
        raise _error(node, f'"{key}" has no value', hint, code="unknown-name", missing=True)
    value = of[key]
    return list(value) if isinstance(value, tuple) else value


def _equal(left: Any, right: Any, node: Ast) -> bool:
    if left is None or right is None:
        return left is right
    kinds = (kind_of(left), kind_of(right))
    if kinds[0] != kinds[1] or "map" in kinds:
        raise _error(node, f"{kinds[0]} and {kinds[1]} are not compared", "convert one of them")
    if isinstance(left, list):
        pairs = [_equal(a, b, node) for a, b in zip(left, right, strict=False)]
        return len(left) == len(right) and all(pairs)
    return bool(left == right)


def _contained(item: Any, of: Any, node: Ast) -> bool:
    if isinstance(of, Mapping) and isinstance(item, str):
        return item in of
    if isinstance(of, list):
        return any(_equal(item, other, node) for other in of)
    raise _error(node, f"in cannot look for {kind_of(item)} in {kind_of(of)}")


def _calculate(node: Binary, left: Any, right: Any, kind: str) -> Any:
    op = node.op
    if op == "+" and kind in ("string", "list"):
        return left + right
    if kind not in ("int", "double") or (op == "%" and kind == "double"):
        raise _error(node, f"{op} does not take {kind}")
    if op in ("/", "%") and right == 0:
        raise _error(node, "division by zero")
    if op in ("/", "%") and kind == "int":
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)  # towards zero, as CEL
        return _in_range(quotient if op == "/" else left - quotient * right, node)
    try:
        return _in_range(_OPERATORS[op](left, right), node)
    except OverflowError:
        raise _error(node, "the result is too large") from None


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _in_range(value: Any, node: Ast) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _error(node, "the result is too large")
    elif not -INT_MAX - 1 <= value <= INT_MAX:
        raise _error(node, "the result has more than 64 bits")
    return value


def _leave(value: Any) -> Any:
    if isinstance(value, Version):
        return str(value)
    if isinstance(value, list | tuple):
        return [_leave(item) for item in value]
    return value
