"""The table is node-semver's own reading (test/fixtures/range-include.js and range-exclude.js, semver 7)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from amplify_tui.playbook.ranges import parse_range, satisfies

INCLUDED = """
1.0.0 - 2.0.0|1.2.3     ^1.2.3+build|1.2.3       ^1.2.3+build|1.3.0        1.2.3-pre+asdf - 2.4.3-pre+asdf|1.2.3
1.2.3-pre+asdf - 2.4.3-pre+asdf|1.2.3-pre.2      1.2.3-pre+asdf - 2.4.3-pre+asdf|2.4.3-alpha     1.0.0|1.0.0
>=*|0.2.4               |1.0.0                   *|1.2.3                   >=1.0.0|1.0.0           >=1.0.0|1.1.0
>1.0.0|1.1.0            <=2.0.0|2.0.0            <=2.0.0|0.2.9             <2.0.0|1.9999.9999      >= 1.0.0|1.0.1
>=  1.0.0|1.1.0         <=   2.0.0|0.2.9         0.1.20 || 1.2.4|1.2.4     >=0.2.3 || <0.0.1|0.0.0 ||1.3.4
2.x.x|2.1.3             1.2.x|1.2.3              1.2.x || 2.x|2.1.3        x|1.2.3                 2.*.*|2.1.3
2|2.1.2                 2.3|2.3.1                ~0.0.1|0.0.2              ~x|0.0.9                ~2|2.0.9
~2.4|2.4.5              ~>3.2.1|3.2.2            ~1|1.2.3                  ~>1|1.2.3               ~> 1|1.2.3
~1.0|1.0.2              ~ 1.0.3|1.0.12           >=1|1.0.0                 <1.2|1.1.1              ~v0.5.4-pre|0.5.5
=0.7.x|0.7.2            <=0.7.x|0.6.2            ~1.2.1 >=1.2.3|1.2.3      ~1.2.1 =1.2.3 >=1.2.3|1.2.3
^0|0.2.3                ^1.2.3|1.8.1             ^0.1.2|0.1.2              ^0.0.1|0.0.1            ^1.2|1.4.2
^1.2 ^1|1.4.2           ^1.2.3-alpha|1.2.3-pre   ^1.2.0-alpha|1.2.0-pre    ^0.0.1-alpha|0.0.1-beta ^0.0.1-alpha|0.0.1
^0.1.1-alpha|0.1.1-beta ^x|1.2.3                 x - 1.0.0|0.9.7           x - 1.x|0.9.7           1.0.0 - x|1.9.7
1.x - x|1.9.7           <=7.x|7.9.9              2.3 - 3|3.9.1             >1.2|1.3.0              <=7.1|7.1.9
~1.2.3-beta.2|1.2.3-beta.4                       ^1.2.3-beta.2|1.2.4       >=1.2.3-beta.2 <2|1.2.3-rc.1
"""
EXCLUDED = """
1.0.0 - 2.0.0|2.2.3     1.2.3+asdf - 2.4.3+asdf|1.2.3-pre.2                ^1.2.3+build|2.0.0      ^1.2.3+build|1.2.0
^1.2.3|1.2.3-pre        ^1.2|1.2.0-pre           >1.2|1.3.0-beta           <=1.2.3|1.2.3-beta      =0.7.x|0.7.0-asdf
>=0.7.x|0.7.0-asdf      <=0.7.x|0.7.0-asdf       1.0.0|1.0.1               >=1.0.0|0.1.0           >1.0.0|0.0.1
<=2.0.0|3.0.0           <2.0.0|2.9999.9999       0.1.20 || 1.2.4|1.2.3     >=0.2.3 || <0.0.1|0.0.3 2.x.x|1.1.3
1.2.x|1.3.3             1.2.x || 2.x|3.1.3       2|1.1.2                   2.3|2.4.1               ~0.0.1|0.1.0-alpha
~0.0.1|0.1.0            ~2.4|2.5.0               ~>3.2.1|3.3.2             ~1|0.2.3                ~1.0|1.1.0
<1|1.0.0                >=1.2|1.1.1              ~v0.5.4-beta|0.5.4-alpha  <1|1.0.0-beta           ^0.0.1|0.0.2-alpha
^0.0.1|0.0.2            ^1.2.3|2.0.0-alpha       ^1.2.3|1.2.2              ^1.2|1.1.9              *|1.2.3-foo
^1.0.0|2.0.0-rc1        1 - 2|3.0.0-pre          1 - 2|2.0.0-pre           1 - 2|1.0.0-pre         1.0 - 2|1.0.0-pre
1.x|1.0.0-a             1.x|2.0.0-a              >=1.0.0 <1.1.0|1.1.0      >=1.0.0 <1.1.0-pre|1.1.0-pre
<x|1.0.0                >x|1.0.0                 >1.2|1.2.8                ~1.2.3-beta.2|1.2.4-beta.2
"""


def _cases(table: str) -> list[tuple[str, str]]:
    found = []
    for line in table.strip().splitlines():
        for match in re.finditer(r"(?P<range>(?:[^|]|\|\|)*?)\|(?P<version>\d[\w.+-]*)(?:\s+|$)", line.strip()):
            found.append((match["range"].strip(), match["version"]))
    return found


@pytest.mark.parametrize(("wanted", "version"), _cases(INCLUDED))
def test_a_version_inside_a_range_satisfies_it(wanted: str, version: str) -> None:
    assert satisfies(version, wanted)


@pytest.mark.parametrize(("wanted", "version"), _cases(EXCLUDED))
def test_a_version_outside_a_range_does_not_satisfy_it(wanted: str, version: str) -> None:
    assert not satisfies(version, wanted)


@pytest.mark.parametrize(
    "text", ["blerg", ">=", "1.2.y", "^", "1.2.3.4", "01.2.3", "1 -- 2", "~>=1", "1.2.3-01", "x" * 501, "- 2"]
)
def test_a_text_that_is_no_range_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_range(text)


_VERSIONS = st.builds(Version, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


@given(_VERSIONS, _VERSIONS)
def test_a_caret_range_holds_its_base_and_never_the_next_breaking_version(base: Version, other: Version) -> None:
    inside = satisfies(str(other), f"^{base}")
    same_left = (other.major == base.major) if base.major else (other.major == 0 and other.minor == base.minor)
    if not base.major and not base.minor:
        same_left = other == base
    assert inside == (same_left and other >= base)


@given(st.text(alphabet="0123x*.-^~<>=| v", max_size=20))
def test_any_text_is_a_range_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        said = str(parse_range(text).admits(Version(1, 2, 3)))
    except ValueError as refused:
        said = str(refused)
    assert said
