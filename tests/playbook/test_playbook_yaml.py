from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import REGISTRY

from amplify_tui.playbook import yaml
from amplify_tui.playbook.document import load
from amplify_tui.playbook.problems import Problems


def _read(source: str | bytes) -> tuple[object, list[str]]:
    text, _ = yaml.decode(source)
    problems = Problems("x.yaml", text)
    root = yaml.parse(source, problems, text)
    return (None if root is None else yaml.plain(root)), [problem.code for problem in problems.sorted()]


@pytest.mark.parametrize(
    "word", ["NO", "no", "on", "Off", "y", "22:30", "012", "0x1F", "0o17", "1_000", "+1", ".5", ".inf"]
)
def test_a_word_that_yaml_1_1_would_change_stays_what_was_written(word: str) -> None:
    assert _read(f"a: {word}\n") == ({"a": word}, [])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
    ],
)
def test_yaml_1_2_scalars_have_their_values(written: str, value: object) -> None:
    assert _read(f"a: {written}\n") == ({"a": value}, [])


def test_a_quoted_scalar_is_always_a_text() -> None:
    assert _read("""a: ["1", 'true', "null", ""]""") == ({"a": ["1", "true", "null", ""]}, [])


def test_a_number_of_more_digits_than_an_int_has_stays_a_text() -> None:
    assert _read(f"a: {'9' * 5000}\nb: 1e999\n") == ({"a": "9" * 5000, "b": "1e999"}, [])


def test_the_text_of_a_number_is_kept_as_it_was_written() -> None:
    problems = Problems("x", "a: 1.10")
    root = yaml.parse("a: 1.10", problems, "a: 1.10")
    assert isinstance(root, yaml.Map)
    node = root.items["a"]
    assert isinstance(node, yaml.Scalar)
    assert (node.value, node.text) == (1.1, "1.10")


def test_an_alias_repeats_what_its_anchor_holds() -> None:
    assert _read("a: &x {b: [1]}\nc: *x\n") == ({"a": {"b": [1]}, "c": {"b": [1]}}, [])


@pytest.mark.parametrize(
    "source", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\nb: 2\r\n", "\ufeffa: 1\n", b"%YAML 1.2\n---\na: 1\n"]
)
def test_a_byte_order_mark_crlf_and_a_directive_are_no_problem(source: str | bytes) -> None:
    value, codes = _read(source)
    assert isinstance(value, dict)
    assert value["a"] == 1
    assert codes == []


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("[" * 100_000, "too-deep"),
        ("{a: " * 100_000, "too-deep"),
        ("- " * 100_000 + "a", "too-deep"),
        ("a: |\n" + " x" * 5_000_000, "too-large"),
        (b"a: " + b"x" * 10_000_000, "too-large"),
        ("a: [" + "x," * 60_000 + "]", "alias-limit"),
        (
            "a: &a0 [x, x, x, x]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 20)),
            "alias-limit",
        ),
        ("a: &a0 [x]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100)), "too-deep"),
        ("{a: 1", "yaml-syntax"),
        ("a: b: c", "yaml-syntax"),
        ("\ta: 1", "yaml-syntax"),
        ("a: \x00", "yaml-syntax"),
        ("? [a]\n: b", "yaml-syntax"),
        ("a: !!python/object/apply:os.system [ls]", "yaml-syntax"),
        ("a: *a", "unknown-anchor"),
        ("a: &a [*a]", "unknown-anchor"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "source",
)
def test_a_hostile_text_is_one_problem_and_never_a_traceback(source: str | bytes, code: str) -> None:
    _, codes = _read(source)
    assert codes == [code]


@pytest.mark.parametrize("source", [b"a: \xff\n", b"\xff\xfea\x00", b"ok: 1\nb: \xc3\x28\n", b"a: \xed\xa0\x80"])
def test_what_is_not_utf8_has_a_place(source: bytes) -> None:
    problems = load(source, path="x", registry=REGISTRY).problems
    assert [problem.code for problem in problems] == ["not-utf8"]


def test_lone_surrogates_in_a_text_are_a_problem() -> None:
    assert _read("a: \ud800")[1] == ["yaml-syntax"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_problems_and_never_a_traceback(source: bytes) -> None:
    loaded = load(source, path="x", registry=REGISTRY)
    assert loaded.document is None
    assert loaded.problems
    assert loaded.render()


_SNIPPETS = [
    "a: ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&x ",
    "*x",
    "|\n",
    ">\n",
    "? ",
    ": ",
    "'",
    '"',
    "\\",
    "#",
    "\n",
    "  ",
    "\t",
    "é",
    "!",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_SNIPPETS), max_size=30).map("".join))
def test_any_yaml_like_text_gives_a_tree_or_problems(source: str) -> None:
    value, codes = _read(source)
    assert value is not None or codes or source.strip(" \n\t#-&x|>!é'\"") == "" or value is None
    assert all(codes)
