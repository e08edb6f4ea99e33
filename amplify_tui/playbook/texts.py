"""The scalars of a playbook: literals against their kind, `${{ }}` against its scope and the type that is wanted."""

from __future__ import annotations

from typing import Final

from amplify_tui.playbook import places
from amplify_tui.playbook.expr import ExprError, check
from amplify_tui.playbook.expr.kinds import Type, article
from amplify_tui.playbook.fit import fits, refusal
from amplify_tui.playbook.problems import Problems, Span
from amplify_tui.playbook.shapes import AnyShape, NullShape, ScalarShape, Shape, options, wanted
from amplify_tui.playbook.templates import has_expr, split
from amplify_tui.playbook.where import Where
from amplify_tui.playbook.yaml import Scalar

# Where an expression may not stand, because what stands there must be known before anything runs.
_FIXED_KINDS: Final = frozenset(("ref", "name", "gate"))
_FIXED_KEYS: Final = frozenset(("id", "needs", "undo_after", "use", "include", "each_key"))
_VERSION_KEYS: Final = frozenset(
    ("version", "previous", "ref", "sha", "at", "since", "until", "planned", "expect_previous")
)


class Texts:
    """Checks scalars; what is wrong goes to the collector."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def scalar(self, node: Scalar, shape: Shape, where: Where) -> None:
        """A scalar against its shape."""
        if has_expr(node.value):
            if not self._fixed(node, shape, where):
                self.template(node, shape, where)
            return
        choices = options(shape)
        if any(isinstance(o, AnyShape) for o in choices) or (
            node.value is None and any(isinstance(o, NullShape) for o in choices)
        ):
            return
        self.accept(node, shape, where, where.name)

    def accept(self, node: Scalar, shape: Shape, where: Where, name: str) -> None:
        """A literal against its shape; *name* is what messages call it."""
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
            self.problems.mask_span(node.span)
        self.problems.add(node.span, code, message, hint)

    def _is_version(self, shape: Shape, where: Where) -> bool:
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)}
        named = any(key in _VERSION_KEYS for key in where.path[-2:])
        return bool(kinds & {"semver", "range"}) or (named and "str" in kinds)

    def _fixed(self, node: Scalar, shape: Shape, where: Where) -> bool:
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)}
        keys = {key for key in where.path[-2:] if isinstance(key, str)}
        if kinds & _FIXED_KINDS or (keys & _FIXED_KEYS and "str" in kinds):
            message = f"{where.name} must be written out: ${{{{ }}}} cannot stand in ids and references"
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

    def _span(self, node: Scalar) -> Span:
        return places.of_piece(self.problems.lines, node, 0)

    def template(self, node: Scalar, shape: Shape | None, where: Where) -> Type | None:
        """Checks the expressions of a text; the type of a lone one, else None. shape None: the caller judges it."""
        try:
            template = split(node.value)
        except ExprError as error:
            self.expr_problem(node, error, 0)
            return None
        lone = template.lone
        kinds = {o.kind for o in options(shape) if isinstance(o, ScalarShape)} if shape else set()
        for piece in template.pieces:
            checked = check(piece.expr, where.scope)
            for mistake in checked.errors:
                self.expr_problem(node, mistake, piece.offset)
            if checked.errors:
                lone = None
            elif checked.type.name == "secret" and not (where.takes_secrets or kinds & {"url", "secret"}):
                span = places.of_piece(self.problems.lines, node, piece.ordinal)
                hint = "only in url, headers, env, token, client_token: a secret never reaches an argv or a text"
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
                message = f"{article(found)} cannot stand inside a text"
                self.problems.add(span, "expr-type", message, 'join(list, ", ") makes a text of a list')
            elif shape is not None and not fits(Type("string"), shape):
                self.problems.add(
                    span, "expr-type", f"{wanted(shape)} is wanted; this gives a text", "leave only the ${{ }}"
                )
        elif shape is not None and not fits(found, shape):
            hint = "string(x) makes a text" if ScalarShape("str") in options(shape) else ""
            self.problems.add(span, "expr-type", f"{wanted(shape)} is wanted; this gives {article(found)}", hint)

    def expr_problem(self, node: Scalar, error: ExprError, offset: int) -> None:
        span = places.of_text(self.problems.lines, node, error.offset + offset, error.end + offset)
        self.problems.add(span, error.code, error.message, error.hint)
