"""The shape of an expression: its nodes, its errors, and the parser. What an expression means lives
elsewhere.

The parser climbs precedences, so its depth is the nesting of brackets and not the length of a chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from amplify_tui.playbook.expr.tokens import ExprError, Token, tokens

MAX_CHARS: Final = 1000
MAX_LEVELS: Final = 50

_PRECEDENCE: Final = {
    "||": 2,
    "&&": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}
_TERNARY: Final = 1
_UNARY: Final = 7
_RESERVED: Final = frozenset(
    [
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("namespace", "package", "return", "var", "void", "while"),
    ]
)
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """Where a node stands in its text, and how many levels it has below it, itself included."""

    start: int
    end: int
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lit(_At):
    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLit(_At):
    items: tuple[Ast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(_At):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(_At):
    of: Ast
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(_At):
    of: Ast
    key: Ast


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(_At):
    """`f(x, y)`, or `x.f(y)`, which is the same."""

    function: str
    args: tuple[Ast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(_At):
    op: str
    of: Ast


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(_At):
    op: str
    left: Ast
    right: Ast


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic(_At):
    """A whole chain of `&&`, or of `||`: flat, since a long list of alternatives is no depth."""

    op: str
    items: tuple[Ast, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cond(_At):
    test: Ast
    then: Ast
    other: Ast


Ast: TypeAlias = Lit | ListLit | Name | Select | Index | Call | Unary | Binary | Logic | Cond


@dataclass(frozen=True, slots=True)
class Expr:
    """A parsed expression."""

    text: str
    root: Ast


def parse(text: str) -> Expr:
    """The expression in *text*, which is what stands between `${{` and `}}`.

    Raises ExprError, with the offset of what is wrong.
    """
    if len(text) > MAX_CHARS:
        message = f"an expression has at most {MAX_CHARS:,} characters; this one has {len(text):,}"
        raise ExprError(message, 0, hint="put parts of it into inputs or outputs")
    parser = _Parser(tokens(text))
    root = parser.expression(0, 0)
    parser.expect("end")
    return Expr(text, root)


class _Parser:
    def __init__(self, stream: list[Token]) -> None:
        self._stream = stream
        self._next = 0

    def expect(self, kind: str) -> Token:
        token = self._stream[self._next]
        if token.kind != kind:
            raise ExprError(f"{token.said} stands where {_SAID.get(kind, kind)} should", token.start, token.end)
        self._next += 1
        return token

    def expression(self, binding: int, depth: int) -> Ast:
        """Reads operators that bind tighter than *binding*."""
        left = self._operand(depth)
        while True:
            token = self._stream[self._next]
            if token.kind == "?" and binding < _TERNARY:
                left = self._ternary(left, depth)
            elif (power := _PRECEDENCE.get(token.kind, 0)) > binding:
                self._next += 1
                right = self.expression(power, depth + 1)
                left = _join(token.kind, left, right)
            else:
                return left

    def _ternary(self, test: Ast, depth: int) -> Ast:
        self.expect("?")
        then = self.expression(_TERNARY, depth + 1)  # as in CEL: `a ? b : c ? d : e`, but no bare `?` in the middle
        self.expect(":")
        other = self.expression(0, depth + 1)
        level = _over(test, then, other)
        return Cond(start=test.start, end=other.end, level=level, test=test, then=then, other=other)

    def _operand(self, depth: int) -> Ast:
        token = self._stream[self._next]
        if depth >= MAX_LEVELS:
            raise _too_deep(token.start, token.end)
        if token.kind in ("!", "-"):
            return self._unary(token, depth)
        return self._suffixes(self._atom(depth), depth)

    def _unary(self, token: Token, depth: int) -> Ast:
        self._next += 1
        following = self._stream[self._next]
        if following.kind == token.kind == "-":
            raise ExprError("two signs stand together", following.start, following.end, hint="write -(-x)")
        of = self.expression(_UNARY, depth + 1)
        if (
            token.kind == "-"
            and isinstance(of, Lit)
            and isinstance(of.value, int | float)
            and following.kind == "number"
        ):
            return Lit(start=token.start, end=of.end, value=-of.value)
        return Unary(start=token.start, end=of.end, level=_over(of), op=token.kind, of=of)

    def _suffixes(self, node: Ast, depth: int) -> Ast:
        while True:
            token = self._stream[self._next]
            if token.kind == ".":
                self._next += 1
                name = self.expect("name")
                if self._stream[self._next].kind == "(":
                    args = (node, *self._arguments("(", ")", depth))
                    node = Call(start=node.start, end=self._last(), level=_over(*args), function=name.text, args=args)
                else:
                    node = Select(start=node.start, end=name.end, level=_over(node), of=node, field=name.text)
            elif token.kind == "[":
                self._next += 1
                key = self.expression(0, depth + 1)
                end = self.expect("]").end
                node = Index(start=node.start, end=end, level=_over(node, key), of=node, key=key)
            else:
                return node

    def _atom(self, depth: int) -> Ast:
        token = self._stream[self._next]
        match token.kind:
            case "number" | "string":
                self._next += 1
                return Lit(start=token.start, end=token.end, value=token.value)
            case "name":
                return self._name(token, depth)
            case "(":
                self._next += 1
                inner = self.expression(0, depth + 1)
                self.expect(")")
                return inner
            case "[":
                items = self._arguments("[", "]", depth)
                return ListLit(start=token.start, end=self._last(), level=_over(*items), items=items)
        raise ExprError(f"{token.said} stands where a value should", token.start, token.end)

    def _name(self, token: Token, depth: int) -> Ast:
        self._next += 1
        if token.text in _CONSTANTS:
            return Lit(start=token.start, end=token.end, value=_CONSTANTS[token.text])
        if token.text in _RESERVED:
            raise ExprError(f'"{token.text}" is a reserved word of CEL', token.start, token.end, hint='write x["…"]')
        if self._stream[self._next].kind == "(":
            args = self._arguments("(", ")", depth)
            return Call(start=token.start, end=self._last(), level=_over(*args), function=token.text, args=args)
        return Name(start=token.start, end=token.end, name=token.text)

    def _arguments(self, opening: str, closing: str, depth: int) -> tuple[Ast, ...]:
        self.expect(opening)
        found: list[Ast] = []
        while self._stream[self._next].kind != closing:
            if found:
                self.expect(",")
            found.append(self.expression(0, depth + 1))
        self.expect(closing)
        return tuple(found)

    def _last(self) -> int:
        return self._stream[self._next - 1].end


_SAID: Final = {"end": "the end of the expression", "name": "a name"}


def _join(op: str, left: Ast, right: Ast) -> Ast:
    if op in ("&&", "||"):
        before = left.items if isinstance(left, Logic) and left.op == op else (left,)
        return Logic(start=left.start, end=right.end, level=_over(*before, right), op=op, items=(*before, right))
    return Binary(start=left.start, end=right.end, level=_over(left, right), op=op, left=left, right=right)


def _over(*nodes: Ast) -> int:
    level = 1 + max((node.level for node in nodes), default=0)
    if level > MAX_LEVELS:
        raise _too_deep(nodes[-1].start, nodes[-1].end)
    return level


def _too_deep(start: int, end: int) -> ExprError:
    return ExprError(f"an expression nests at most {MAX_LEVELS} levels", start, end, hint="split it")


__all__ = [
    "MAX_CHARS",
    "MAX_LEVELS",
    "Ast",
    "Binary",
    "Call",
    "Cond",
    "Expr",
    "ExprError",
    "Index",
    "ListLit",
    "Lit",
    "Logic",
    "Name",
    "Select",
    "Unary",
    "parse",
]
