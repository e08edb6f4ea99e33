"""Static types: what an expression's value will be, or every reason why it cannot have one.

The rules are CEL's made stricter: nothing mixes, nothing is truthy. A type `any` (an HTTP answer's JSON)
passes here and is judged when the value is there, by the same rules (evaluate.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from amplify_tui.playbook.expr.functions import FUNCTIONS
from amplify_tui.playbook.expr.kinds import ANY, BOOL, INT, NULL, STRING, Type, article, join, list_of, same
from amplify_tui.playbook.expr.kinds import BY_NAME as KINDS
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
from amplify_tui.playbook.problems import listing, suggest


@dataclass(frozen=True, slots=True)
class Checked:
    """The type of an expression, and its errors, in the order they were met. With errors the type is a guess."""

    type: Type
    errors: tuple[ExprError, ...]


def check(expr: Expr, scope: Mapping[str, Type]) -> Checked:
    """The type of *expr* where the names of *scope* exist; never raises."""
    checker = _Checker(scope)
    found = checker.type_of(expr.root)
    if found.absent:
        checker.absent(expr.root, found)
    return Checked(found.present(), tuple(checker.errors))


_ARITHMETIC = {
    "+": ("int", "double", "string", "list"),
    "-": ("int", "double"),
    "*": ("int", "double"),
    "/": ("int", "double"),
    "%": ("int",),
}
_ORDERED = ("int", "double", "string", "semver")
_CONVERT = {"int": "int(x)", "double": "double(x)", "string": "string(x)", "semver": "semver(x)"}


class _Checker:
    def __init__(self, scope: Mapping[str, Type]) -> None:
        self._scope = scope
        self.errors: list[ExprError] = []

    def fail(self, node: Ast, message: str, hint: str = "", code: str = "expr-type") -> Type:
        self.errors.append(ExprError(message, node.start, node.end, code=code, hint=hint))
        return ANY

    def absent(self, node: Ast, found: Type) -> None:
        self.fail(node, f"this may have no value: {found.absent}", "write default(…, x)", "may-be-skipped")

    def value(self, node: Ast) -> Type:
        """The type of a node whose value is used: it must be there."""
        found = self.type_of(node)
        if found.absent:
            self.absent(node, found)
        return found.present()

    def type_of(self, node: Ast) -> Type:
        match node:
            case Lit():
                return _literal(node)
            case ListLit():
                return self._list(node)
            case Name():
                return self._known(self._scope, node.name, node, "name", "the names here are")
            case Select():
                return self._field(node, self.type_of(node.of), node.field)
            case Index():
                return self._index(node)
            case Call():
                return self._call(node)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Logic():
                for item in node.items:
                    self._bool(item, f"{node.op} joins booleans")
                return BOOL
            case Cond():
                return self._cond(node)

    def _known(self, names: Mapping[str, Type], name: str, node: Ast, what: str, there_are: str) -> Type:
        found = names.get(name)
        if found is None:
            hint = suggest(name, names, there_are) or f"there is no {what} here"
            return self.fail(node, f'unknown {what} "{name}"', hint, "unknown-name")
        if found.hidden is not None:
            code, message, hint = found.hidden
            return self.fail(node, message, hint, code)
        return found

    def _field(self, node: Ast, of: Type, name: str) -> Type:
        if of.name == "any":
            return of
        if of.name != "map":
            return self.fail(node, f'{article(of)} has no field "{name}"', "only maps have fields")
        found = of.item or ANY if of.fields is None else self._known(of.fields, name, node, "name", "there are")
        return replace(found, absent=of.absent) if of.absent and not found.absent else found

    def _index(self, node: Index) -> Type:
        of = self.type_of(node.of)
        key = self.value(node.key)
        if of.name == "any":
            return of
        if of.name == "list":
            if key.name not in ("int", "any"):
                return self.fail(node.key, f"a list is indexed by an int, not by {article(key)}")
            item = of.item or ANY
            return replace(item, absent=of.absent) if of.absent else item
        if of.name != "map":
            return self.fail(node, f"{article(of)} cannot be indexed", "only lists and maps can")
        if key.name not in ("string", "any"):
            return self.fail(node.key, f"a map is indexed by a string, not by {article(key)}")
        if isinstance(node.key, Lit):
            return self._field(node, of, str(node.key.value))
        return of.item or ANY

    def _list(self, node: ListLit) -> Type:
        items = [self.value(item) for item in node.items]
        for item, found in zip(node.items[1:], items[1:], strict=True):
            if not same(items[0], found):
                return self.fail(item, f"this list mixes {items[0]} and {found}", _convert(items[0]))
        return list_of(items[0] if items else ANY)

    def _bool(self, node: Ast, why: str) -> None:
        found = self.value(node)
        if found.name not in ("bool", "any"):
            self.fail(node, f"{why}; this is {article(found)}", "nothing is truthy: compare it")

    def _unary(self, node: Unary) -> Type:
        if node.op == "!":
            self._bool(node.of, "! negates a boolean")
            return BOOL
        found = self.value(node.of)
        if found.name not in ("int", "double", "any"):
            return self.fail(node.of, f"- negates a number; this is {article(found)}", _number_hint(found))
        return found

    def _cond(self, node: Cond) -> Type:
        self._bool(node.test, "the test of ? : is a boolean")
        then, other = self.type_of(node.then), self.type_of(node.other)
        if "null" not in (then.name, other.name) and not same(then, other):
            return self.fail(node, f"? : answers {then} or {other}", "both sides have one type")
        return join(then, other)

    def _binary(self, node: Binary) -> Type:
        if node.op in ("==", "!="):
            return self._equality(node)
        left, right = self.value(node.left), self.value(node.right)
        if node.op == "in":
            return self._in(node, left, right)
        allowed = _ARITHMETIC.get(node.op, _ORDERED)
        for side, found in ((node.left, left), (node.right, right)):
            if found.name not in allowed and found.name != "any":
                return self.fail(side, f"{node.op} takes {_or(allowed)}; this is {article(found)}", _number_hint(found))
        if not same(left, right):
            return self._mixed(node, left, right)
        if node.op not in _ARITHMETIC:
            return BOOL
        return join(left, right)

    def _equality(self, node: Binary) -> Type:
        left, right = self.type_of(node.left), self.type_of(node.right)
        if "null" in (left.name, right.name):
            return BOOL  # the one comparison that a missing value answers
        for side, found in ((node.left, left), (node.right, right)):
            if found.absent:
                self.absent(side, found)
            if found.name in ("secret", "map"):
                return self.fail(side, f"a {found.name} is not compared", "compare one of its fields")
        if not same(left, right):
            return self._mixed(node, left, right)
        return BOOL

    def _mixed(self, node: Binary, left: Type, right: Type) -> Type:
        convert = (
            _convert(right) if right.name in _CONVERT and left.name not in ("number", "semver") else _convert(left)
        )
        return self.fail(node, f"{node.op} cannot mix {left} and {right}", convert)

    def _in(self, node: Binary, left: Type, right: Type) -> Type:
        if right.name == "map":
            if left.name not in ("string", "any"):
                self.fail(node.left, f"the keys of a map are strings; this is {article(left)}")
        elif right.name == "list":
            if not same(left, right.item or ANY):
                self._mixed(node, left, right.item or ANY)
        elif right.name != "any":
            self.fail(
                node.right,
                f"in looks into a list or a map; this is {article(right)}",
                "contains(text, part) looks into a string",
            )
        return BOOL

    def _call(self, node: Call) -> Type:
        function = FUNCTIONS.get(node.function)
        if function is None:
            hint = suggest(node.function, FUNCTIONS, "the functions are")
            return self.fail(node, f'unknown function "{node.function}"', hint, "unknown-name")
        if node.function == "default":
            return self._default(node)
        args = [self.value(arg) for arg in node.args]
        if len(args) not in function.counts:
            return self.fail(node, f"{node.function} takes {function.usage}", f"write {function.usage}")
        for arg, found, allowed in zip(node.args, args, function.takes, strict=False):
            if found.name not in allowed and found.name != "any" and "any" not in allowed:
                hint = _convert(KINDS[allowed[0]]) if allowed[0] in _CONVERT else ""
                message = f"{function.usage} takes {_or(allowed)} here; this is {article(found)}"
                return self.fail(arg, message, hint)
        return KINDS[function.gives]

    def _default(self, node: Call) -> Type:
        if len(node.args) != 2:
            return self.fail(node, "default takes default(x, y)", "y is used where x has no value")
        found, other = self.type_of(node.args[0]), self.value(node.args[1])
        if "null" not in (found.name, other.name) and not same(found, other) and found.name != "number":
            return self.fail(node, f"default answers {found} or {other}", "both have one type")
        return join(found.present(), other)


def _literal(node: Lit) -> Type:
    match node.value:
        case None:
            return NULL
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return KINDS["double"]
        case str():
            return STRING


def _or(names: tuple[str, ...]) -> str:
    return listing(names) if len(names) < 2 else f"{listing(names[:-1])} or {names[-1]}"


def _convert(wanted: Type) -> str:
    if wanted.name == "number":
        return "convert with double(x) or int(x)"
    return f"convert with {_CONVERT[wanted.name]}" if wanted.name in _CONVERT else ""


def _number_hint(found: Type) -> str:
    return "convert with double(x) or int(x)" if found.name in ("number", "string") else ""
