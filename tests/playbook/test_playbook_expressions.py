from __future__ import annotations

import math
from typing import Any

import celpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.playbook.expr import Context, Expr, ExprError, check, evaluate, parse
from amplify_tui.playbook.expr.kinds import ANY, BOOL, DOUBLE, DURATION, INT, NUMBER, SECRET, STRING, list_of, record
from amplify_tui.playbook.expr.tokens import tokens

NAMES: dict[str, Any] = {
    "n": 7,
    "x": 2.5,
    "s": "shop",
    "b": True,
    "l": [1, 2, 3],
    "w": ["a", "b"],
    "m": {"k": "v", "n": 1},
}
SCOPE = {
    "n": INT,
    "x": DOUBLE,
    "s": STRING,
    "b": BOOL,
    "l": list_of(INT),
    "w": list_of(STRING),
    "m": record({"k": STRING, "n": INT}),
}


def value(text: str, **names: Any) -> Any:
    return evaluate(parse(text), Context({**NAMES, **names}, now=1_700_000_000.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / -2", -3),
        ("-7 % 3", -1),
        ("'a' + \"b\"", "ab"),
        ("[1] + [2, 3]", [1, 2, 3]),
        ("l[1]", 2),
        ("m.k", "v"),
        ("m['k']", "v"),
        ("2 in l && !('z' in w)", True),
        ("'k' in m", True),
        ("n > 5 ? 'big' : 'small'", "big"),
        ("false ? 1 : true ? 2 : 3", 2),
        ("1 / 0 == 1 || true", True),
        ("false && 1 / 0 == 1", False),
        ("s.startsWith('sh') && contains(s, 'ho')", True),
        ("size('é') + l.size()", 4),
        ("lower('ÄB') + upper('c')", "äbC"),
        ("join(w, ', ')", "a, b"),
        ("semver('1.10.0') > semver('1.9.0')", True),
        ("semver('1.0.0-rc.1') < semver('1.0.0')", True),
        ("satisfies('2.3.1', '>=2.3.0 <3')", True),
        ("bump('1.2.3', 'minor')", "1.3.0"),
        ("semver('1.2.3')", "1.2.3"),
        ("default(nothing.at.all, 'y')", "y"),
        ("default(m.missing, 1)", 1),
        ("default(null, 1)", 1),
        ("default(n, 1)", 7),
        ("n == null", False),
        ("null == null", True),
        ("int('12') + int(2.9)", 14),
        ("double(n) / 2.0", 3.5),
        ("string(1.5) + string(true)", "1.5true"),
        ("date(0, '%Y-%m-%d %H:%M')", "1970-01-01 00:00"),
        ("date('2026-01-02T03:04:05Z', '%d.%m.')", "02.01."),
        ("date(now(), '%Y')", "2023"),
        (r"'\u00e9\n\'' ", "é\n'"),
    ],
)
def test_an_expression_has_its_value(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "1 == 1.0",
        "1 < 2.0",
        "1 + 1.0",
        "'1' == 1",
        "'a' + 1",
        "true + true",
        "b < true",
        "[1, 'a']",
        "1 in w",
        "!n",
        "n && b",
        "n ? 1 : 2",
        "'a' - 'b'",
        "1.5 % 2.0",
        "-s",
        "m == m",
        "s.k",
        "l['k']",
        "m[0]",
        "lower(n)",
        "size(n)",
        "join(n, '')",
        "semver('1.0.0') == '1.0.0'",
        "b ? 1 : 'a'",
        "default(n, 'a')",
        "bump(n, 'minor')",
    ],
)
def test_mixed_types_are_an_error_when_checked_and_when_evaluated(text: str) -> None:
    expr = parse(text)
    assert [error.code for error in check(expr, SCOPE).errors] == ["expr-type"]
    if "?" not in text and "default" not in text:
        with pytest.raises(ExprError) as caught:
            evaluate(expr, Context(NAMES))
        assert caught.value.code == "expr-type"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", "int"),
        ("1.0", "double"),
        ("'a'", "string"),
        ("null", "null"),
        ("[1]", "list"),
        ("n == 1", "bool"),
        ("l[0]", "int"),
        ("m.k", "string"),
        ("b ? n : 2", "int"),
        ("b ? null : s", "string"),
        ("semver(s)", "semver"),
        ("default(s, '')", "string"),
        ("now()", "double"),
        ("[1] + []", "list"),
        ("size(s) > 0", "bool"),
    ],
)
def test_an_expression_has_its_type(text: str, kind: str) -> None:
    checked = check(parse(text), SCOPE)
    assert checked.errors == ()
    assert checked.type.name == kind


def test_a_number_of_unknown_kind_must_be_converted() -> None:
    scope = {"p": NUMBER}
    assert check(parse("p > 5"), scope).errors
    assert not check(parse("double(p) > 5.0 && int(p) > 5 && string(p) == '5'"), scope).errors


def test_a_secret_and_a_duration_take_no_operators() -> None:
    scope = {"t": SECRET, "d": DURATION}
    for text in ("t + 'a'", "t == t", "string(t)", "d + 'a'", "size(t)"):
        assert check(parse(text), scope).errors, text


def test_a_value_of_any_type_is_judged_when_it_is_there() -> None:
    expr = parse("j.count > 5 && j.name == 'x'")
    assert not check(expr, {"j": ANY}).errors
    assert evaluate(expr, Context({"j": {"count": 6, "name": "x"}})) is True
    with pytest.raises(ExprError):
        evaluate(expr, Context({"j": {"count": 6.0, "name": "x"}}))


def test_all_errors_of_an_expression_are_reported_at_their_places() -> None:
    errors = check(parse("nn + 1 > m.kk && lowr(s)"), SCOPE).errors
    assert [(error.offset, error.code, error.hint) for error in errors] == [
        (0, "unknown-name", 'did you mean "n"?'),
        (9, "unknown-name", 'did you mean "k"?'),
        (17, "unknown-name", 'did you mean "lower"?'),
    ]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("1 +", 3),
        ("(1", 2),
        ("1)", 1),
        ("a = b", 2),
        ("'x", 0),
        ("a.", 2),
        ("f(,)", 2),
        ("1 2", 2),
        ("012", 0),
        ("1x", 0),
        ("a & b", 2),
        ("[1,]x", 3),
        ("a ? b", 5),
        ("9223372036854775808", 0),
        ("--1", 1),
        ("for", 0),
        (r"'\q'", 1),
        ("x.{a}", 2),
        ("`a`", 0),
        ("a\x00", 1),
        ("1.", 2),
        (r"'\ud800'", 1),
        ("$x", 0),
        ("{'a': 1}", 0),
        ("1e999", 0),
    ],
)
def test_a_syntax_error_has_an_offset(text: str, offset: int) -> None:
    with pytest.raises(ExprError) as caught:
        parse(text)
    assert (caught.value.offset, caught.value.code) == (offset, "expr-syntax")


def test_limits_hold_without_recursion() -> None:
    for text in (
        "(" * 400 + "1" + ")" * 400,
        "!" * 900 + "b",
        "[" * 900,
        "f(" * 400,
        "a" + "[0]" * 300,
        "1" + "+1" * 300,
    ):
        with pytest.raises(ExprError):
            parse(text)
    with pytest.raises(ExprError):
        parse("1" * 1001)
    assert value("(" * 49 + "1" + ")" * 49) == 1
    assert value("1" + "+1" * 49) == 50
    assert value(" || ".join(["n == 1"] * 90)) is False


def test_an_int_stays_within_64_bits_and_a_double_finite() -> None:
    for text in ("9223372036854775807 + 1", "9223372036854775807 * 2", "1e308 * 10.0", "1 / 0", "1.0 / 0.0", "1 % 0"):
        with pytest.raises(ExprError):
            value(text)


def test_a_missing_value_is_told_apart_from_a_wrong_one() -> None:
    with pytest.raises(ExprError) as caught:
        value("m.missing")
    assert caught.value.missing
    with pytest.raises(ExprError) as caught:
        value("default(1 + 1.0, 2)")
    assert not caught.value.missing


def _offset_of_failure(expr: Expr) -> list[int]:
    try:
        evaluate(expr, Context(NAMES))
    except ExprError as failed:
        return [failed.offset]
    return []


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab1.0 +-*/%()[]<>=!&|?:,'\"\\", max_size=40))
def test_any_text_parses_or_is_refused_with_a_place_inside_it(text: str) -> None:
    try:
        expr = parse(text)
    except ExprError as refused:
        offsets = [refused.offset]
    else:
        offsets = [error.offset for error in check(expr, SCOPE).errors] + _offset_of_failure(expr)
    assert all(0 <= offset <= len(text) for offset in offsets)


# Expressions of every type, as text. Division by a literal zero and other errors are wanted: both sides must refuse.
_INTS = st.integers(-1000, 1000).map(lambda n: f"({n})" if n < 0 else str(n)) | st.sampled_from(
    ["n", "m.n", "l[0]", "size(s)"]
)
_DOUBLES = st.sampled_from(["0.5", "2.25", "x", "10.0", "double(n)", "(-1.5)", "0.0"])
_TEXTS = st.sampled_from(["s", "'a'", '"é"', "m.k", "w[1]", "string(n)", r"'q\"\\\n'", "''", r"'\u00e9'"])


def _grow(children: tuple[st.SearchStrategy[str], ...]) -> tuple[st.SearchStrategy[str], ...]:
    ints, doubles, texts, bools, lists = children

    def two(left: st.SearchStrategy[str], ops: list[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(left, st.sampled_from(ops), right).map(lambda t: f"({t[0]} {t[1]} {t[2]})")

    def flat(left: st.SearchStrategy[str], ops: list[str], right: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(left, st.sampled_from(ops), right).map(" ".join)

    def cond(side: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(bools, side, side).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})")

    order, equal = ["<", "<=", ">", ">="], ["==", "!="]
    return (
        ints
        | two(ints, ["+", "-", "*", "/", "%"], ints)
        | cond(ints)
        | flat(ints, ["*", "+"], ints).map("({})".format),
        doubles | two(doubles, ["+", "-", "*", "/"], doubles) | cond(doubles),
        texts | two(texts, ["+"], texts) | cond(texts),
        bools
        | two(ints, order + equal, ints)
        | two(doubles, order + equal, doubles)
        | two(texts, order + equal, texts)
        | two(bools, ["&&", "||"], bools)
        | flat(bools, ["&&", "||"], bools).map("({})".format)
        | bools.map("!{}".format)
        | two(ints, ["in"], lists)
        | two(lists, equal, lists)
        | st.tuples(texts, st.sampled_from(["contains", "startsWith"]), texts).map(lambda t: f"{t[0]}.{t[1]}({t[2]})"),
        lists
        | two(lists, ["+"], lists)
        | st.lists(ints, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    )


def _expressions() -> st.SearchStrategy[str]:
    level = (_INTS, _DOUBLES, _TEXTS, st.sampled_from(["true", "false", "b"]), st.sampled_from(["l", "[1, 2]"]))
    for _ in range(3):
        level = _grow(level)
    return st.one_of(*level).filter(lambda text: len(text) <= 900)


_ENV = celpy.Environment()
_CEL_NAMES = {name: celpy.json_to_cel(item) for name, item in NAMES.items()}


def _cel(text: str) -> tuple[bool, Any]:
    """What the oracle says: whether it has a value, and the value as plain JSON."""
    try:
        found = _ENV.program(_ENV.compile(text)).evaluate(_CEL_NAMES)
    except (celpy.CELEvalError, celpy.CELParseError):
        return False, None
    return True, _plain(found)


def _plain(found: Any) -> Any:
    if isinstance(found, celpy.celtypes.BoolType):
        return bool(found)
    for kind in (int, float, str):
        if isinstance(found, kind):
            return kind(found)
    return [_plain(item) for item in found] if isinstance(found, list) else found


@settings(max_examples=300, deadline=None)
@given(_expressions())
def test_where_cel_has_a_value_ours_is_the_same(text: str) -> None:
    """Where CEL has a value ours has the same. The exceptions are doubles that CEL lets become infinite. (The oracle
    refuses a little more than CEL: it forgets that the sum of two strings is a string.)"""
    has, expected = _cel(text)
    checked = check(parse(text), SCOPE)
    assert checked.errors == ()
    try:
        found = value(text)
    except ExprError as error:
        infinite = error.message in ("division by zero", "the result is too large")
        assert infinite or not has, f"CEL has the value {expected}"
        return
    if not has:
        return
    assert found == expected or (isinstance(found, float) and math.isclose(found, expected))
    assert type(found) is type(expected)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_a_string_literal_is_read_as_cel_reads_it(content: str) -> None:
    escaped = "".join(c if c.isprintable() and c not in "\\'" and ord(c) < 0xFFFF else _escape(c) for c in content)
    text = f"'{escaped}'"
    if any(0xD800 <= ord(c) < 0xE000 or ord(c) > 0xFFFF for c in content):
        return
    found = evaluate(parse(text), Context())
    assert found == content
    assert _cel(text) == (True, content)


def _escape(char: str) -> str:
    return {"\\": "\\\\", "'": "\\'", "\n": "\\n"}.get(char, f"\\u{ord(char) & 0xFFFF:04x}")


def test_the_last_token_is_always_the_end() -> None:
    assert [token.kind for token in tokens("a in b")] == ["name", "in", "name", "end"]
