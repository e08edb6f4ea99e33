"""Nothing that a stranger wrote may move the cursor, run backwards, hide, or flood the screen."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.adapters.clean import clean, clean_lines

HOSTILE = st.lists(
    st.one_of(
        st.text(),
        st.sampled_from(
            ["\x1b", "\x1b[", "\x1b]", "\x1b\\", "\x07", "\x9b", "\x9c", "\x9d", "\u202e", "\u200b", "\r\n", "31m"]
        ),
        st.integers(0xD800, 0xDFFF).map(chr),
    )
).map("".join)


def _is_dangerous(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(text=HOSTILE, limit=st.integers(1, 60))
def test_what_comes_out_is_one_short_line_without_controls(text: str, limit: int) -> None:
    out = clean(text, limit)
    assert len(out) <= limit
    assert not any(_is_dangerous(char) for char in out)
    out.encode()


@given(text=HOSTILE, limit=st.integers(1, 60))
def test_cleaning_twice_changes_nothing(text: str, limit: int) -> None:
    assert clean(clean(text, limit), limit) == clean(text, limit)


@given(text=HOSTILE, limit=st.integers(1, 60), lines=st.integers(1, 5))
def test_lines_stay_lines_and_each_is_clean(text: str, limit: int, lines: int) -> None:
    out = clean_lines(text, limit, lines).split("\n")
    assert len(out) <= lines
    assert not any(_is_dangerous(char) for line in out for char in line)


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u115f\u1160\u3164\uffa0")))
def test_plain_text_of_any_script_passes_unchanged(text: str) -> None:
    assert clean(text, 10_000) == text


def test_no_format_or_control_character_of_this_unicode_passes() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if _is_dangerous(char):
            assert clean(f"a{char}1") in {"a1", "a 1", "a\ufffd1"}, hex(code)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07ok", "ok"),
        ("\x9b31mred", "red"),
        ("\x1b]0;never ended: the order is void", "]0;never ended: the order is void"),
        ("a\tb\r\nc\u2028d", "a b c d"),
        ("\u202eevil\u2066", "evil"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("[/] [@click=app.quit]x[/]", "[/] [@click=app.quit]x[/]"),
    ],
)
def test_sequences_go_and_words_stay(text: str, wanted: str) -> None:
    assert clean(text) == wanted


def test_a_cut_is_shown() -> None:
    assert clean("x" * 1_000_000, 10) == "x" * 9 + "…"
    assert clean("\x1b" + "é" * 1_000_000, 10) == "é" * 9 + "…"
    assert clean_lines("a\nb\nc\nd", lines=2) == "a\n… 3 more lines"
