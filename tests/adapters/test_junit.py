"""A test report is read whole or refused in words; nothing unreadable ever counts as passed."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplify_tui.adapters.junit import Results, read_junit
from amplify_tui.adapters.ports import Invalid, NotFound

SUITE = """<?xml version="1.0"?>
<testsuite name="buy" tests="5" failures="1" errors="1">
  <testcase classname="cart" name="adds" time="0.5"/>
  <testcase classname="cart" name="pays"><failure message="&#27;card &#x202e;declined">trace</failure></testcase>
  <testcase classname="cart" name="ships"><error>no depot</error></testcase>
  <testcase classname="cart" name="gifts"><skipped message="off"/></testcase>
  <testcase><system-out>hello</system-out></testcase>
</testsuite>"""


def read(tmp_path: Path, text: str | bytes) -> Results:
    path = tmp_path / "out.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_junit(path)


@pytest.mark.parametrize(
    "wrap", ["{}", "<testsuites>{}</testsuites>", "<testsuites><testsuite>{}</testsuite></testsuites>"]
)
def test_each_case_keeps_its_name_status_and_reason(tmp_path: Path, wrap: str) -> None:
    body = SUITE.partition("?>")[2].replace("&#27;", "")
    results = read(tmp_path, wrap.format(body))
    assert [(case.name, case.status, case.message) for case in results.cases] == [
        ("cart.adds", "passed", ""),
        ("cart.pays", "failed", "card declined"),
        ("cart.ships", "error", "no depot"),
        ("cart.gifts", "skipped", "off"),
        ("a test without a name", "passed", ""),
    ]
    assert (results.total, results.count("passed"), len(results.bad)) == (5, 2, 2)
    assert results.cases[0].seconds == 0.5


def test_a_failure_that_is_only_declared_still_counts(tmp_path: Path) -> None:
    results = read(tmp_path, '<testsuite name="db" tests="9" errors="2"><testcase name="a"/></testsuite>')
    assert [(case.name, case.status) for case in results.bad] == [("db", "error")]


def test_an_empty_report_has_nothing_in_it(tmp_path: Path) -> None:
    assert read(tmp_path, "<testsuites/>").total == 0


@pytest.mark.parametrize(
    "text",
    ["", "no xml", SUITE[:200], "<html><body>502</body></html>", b"\xff\xfe\x00", SUITE.replace("5", "many"), SUITE],
)
def test_what_is_no_report_is_refused_in_words(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(Invalid, match="no JUnit XML"):
        read(tmp_path, text)


def test_an_entity_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>'
    with pytest.raises(Invalid, match="document type"):
        read(tmp_path, bomb)


def test_a_missing_report_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="left no report"):
        read_junit(tmp_path / "none.xml")
