"""An expression that may never end is refused before it meets a stranger's text; one that people write passes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from amplify_tui.playbook.regexes import endless

ENDS = (
    r"CHG-\d+", r"[A-Z]+-\d+", r"[A-Z][A-Z0-9]{1,9}-[0-9]{1,9}", r"(CHG|INC|TASK)-\d{1,8}", r"\d+(\.\d+)*", r"v?\d+\.\d+\.\d+",
    r"[a-z]+(-[a-z0-9]+)*", r"\w+@\w+\.\w+", r".*", r".*foo.*", r"\s*[a-z]+\s*", r"(?i)shop-\d+", r"(?<![\w&/])#\d+\b",
    r"[^,]+(,[^,]+)*", r"", r"a?b?c?", r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", r"https?://[^/\s]+/.*", r"(feat|fix)(\(\w+\))?!?: .+",
    r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[a-z]{2,}$", r"checkout-(eu|us|ap)-\d", r"5..", r"GET|POST", r"[\w.]+", r"(^|\s)shop-\d+($|\b)",
)  # fmt: skip
ENDLESS = (
    r"(a+)+", r"(a*)*b", r"(a|a)*$", r"(a|ab?)*c", r"(\w+\s?)*$", r"([A-Z]+-?)+\d", r"(.*a){12}", r"(a|b|ab)*c", r"(a?){40}a{40}",
    r"(\d+|\w+)*!", r"^(([a-z])+.)+[A-Z]([a-z])+$", r".*a.*b.*c", r"(x+x+)+y", r"(?:\s*\w*)*:", r"(?=(a+)+$)a", r"(a)\1*",
    r"([a-zA-Z0-9]+)*@",
)  # fmt: skip


@pytest.mark.parametrize("pattern", ENDS)
def test_what_people_write_passes(pattern: str) -> None:
    assert endless(pattern) == ""


@pytest.mark.parametrize("pattern", ENDLESS)
def test_what_may_never_end_is_refused_in_words(pattern: str) -> None:
    re.compile(pattern)
    assert endless(pattern)


TRY = """
import re, sys
text = sys.argv[2] * 1000
for n in range(0, 1000, 7):
    re.fullmatch(sys.argv[1], text[:n] + "\\x00")
"""


@pytest.mark.parametrize("unit", ["a", "aA1-", "1", "1.", "a ", "ab", "foo", "A-1", "x@x."])
def test_what_passes_ends_on_texts_that_fail_at_their_last_letter(unit: str) -> None:
    """In a process of its own, since a match that does not end cannot be interrupted."""
    for pattern in ENDS:
        subprocess.run([sys.executable, "-c", TRY, pattern, unit], check=True, timeout=60)
