"""What strangers send as JSON is a value or a ValueError, however it is written."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.adapters.jsontext import DEEPEST, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_any_json_is_read_as_python_reads_it(value: Any, is_ascii: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    assert parse(text) == parse(text.encode()) == json.loads(text)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ 1a', max_size=200))
def test_anything_else_is_a_value_error(raw: bytes | str) -> None:
    with contextlib.suppress(ValueError):
        parse(raw)


@pytest.mark.parametrize(
    "raw", ["[" * 100_000, '{"a":' * 100_000, "[" * 500 + "]" * 500, '[{"a":' * 200 + "1" + "}]" * 200]
)
def test_what_nests_too_deep_is_no_json(raw: str) -> None:
    with pytest.raises(ValueError, match="deep"):
        parse(raw)


def test_as_deep_as_is_allowed_is_read() -> None:
    assert parse("[" * DEEPEST + "]" * DEEPEST)
    assert parse('["' + "[{" * 1000 + '"]') == ["[{" * 1000]
