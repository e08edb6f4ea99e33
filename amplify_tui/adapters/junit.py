"""Test results in JUnit XML, read strictly: what cannot be read is an error in words, never a run without failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from xml.parsers import expat

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase, TestSuite
from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid, NotFound

LARGEST: Final = 32 * 1024 * 1024

CaseStatus = Literal["passed", "failed", "error", "skipped"]


class Case(Struct, frozen=True, kw_only=True):
    """One test: its name, how it ended, and the first words of why."""

    name: str
    status: CaseStatus
    message: str = ""
    seconds: float = 0.0


class Results(Struct, frozen=True, kw_only=True):
    """All tests of one report. Nothing in it is no proof of anything: look at `total`."""

    cases: tuple[Case, ...] = ()

    def count(self, status: CaseStatus) -> int:
        return sum(case.status == status for case in self.cases)

    @property
    def total(self) -> int:
        return len(self.cases)

    @property
    def bad(self) -> tuple[Case, ...]:
        """What failed or broke."""
        return tuple(case for case in self.cases if case.status in {"failed", "error"})


def read_junit(path: Path) -> Results:
    """The results in *path*. Raises NotFound where there is no file, Invalid where it is not a whole JUnit report.

    A suite that declares failures without listing them (a crash in set-up) becomes a case of its own with
    that error.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError as missing:
        raise NotFound(
            "the tests left no report", where=str(path), fix="check `junit`, and what the command printed"
        ) from missing
    if raw is None:
        raise Invalid(f"the report is larger than {LARGEST >> 20} MiB", where=str(path), fix="split it by suite")
    try:
        _refuse_entities(raw)
        report: object = JUnitXml.fromstring(raw)  # a TestSuite, where that is the root
        suites = list(report) if isinstance(report, JUnitXml) else [report]
        return Results(cases=tuple(case for suite in suites if isinstance(suite, TestSuite) for case in _cases(suite)))
    except (expat.ExpatError, JUnitXmlError, SyntaxError, ValueError) as broken:
        raise Invalid(
            f"the report is no JUnit XML: {clean(str(broken), 160)}", where=str(path), fix="was the run cut off?"
        ) from broken


def _refuse_entities(raw: bytes) -> None:
    """A report has no document type. One that does may hold entities that grow to gigabytes or name local files."""

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type, which may hide an entity bomb")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(raw, True)


def _cases(suite: TestSuite) -> Iterator[Case]:
    listed = [_case(case) for case in suite]
    nested: list[TestSuite] = list(suite.testsuites())  # type: ignore[no-untyped-call]
    inner = [case for one in nested for case in _cases(one)]
    yield from listed
    yield from inner
    declared = (suite.failures or 0) + (suite.errors or 0)
    found = sum(case.status in {"failed", "error"} for case in (*listed, *inner))
    if declared > found:
        missing = f"the suite declares {declared} failures and errors, and lists {found}"
        yield Case(name=clean(suite.name or "suite", 200), status="error", message=missing)


def _case(case: TestCase) -> Case:
    status: CaseStatus = "passed"
    message = ""
    for result in case.result:
        found: CaseStatus | None = None
        if isinstance(result, Error):
            found = "error"
        elif isinstance(result, Failure):
            found = "failed"
        elif isinstance(result, Skipped):
            found = "skipped"
        if found is not None and _WORSE[found] > _WORSE[status]:
            status, message = found, clean(result.message or result.text or "", 300)
    name = ".".join(part for part in (case.classname, case.name) if part)
    return Case(
        name=clean(name or "a test without a name", 200), status=status, message=message, seconds=case.time or 0.0
    )


_WORSE: Final[dict[CaseStatus, int]] = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}
