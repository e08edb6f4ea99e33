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
        declared = _declared_bad(raw)
        suites = list(JUnitXml.fromstring(raw))
        cases = [case for suite, bad in zip(suites, declared, strict=True) for case in _cases(suite, bad)]
    except (expat.ExpatError, JUnitXmlError, SyntaxError, ValueError) as broken:
        raise Invalid(
            f"the report is no JUnit XML: {clean(str(broken), 160)}", where=str(path), fix="was the run cut off?"
        ) from broken
    return Results(cases=tuple(cases))


def _declared_bad(raw: bytes) -> list[int]:
    """How many failures and errors each outermost suite declares; junitparser overwrites that with what it counts.

    Raises ValueError for a document type: a report has none, and one that does may hold entities that grow to
    gigabytes or name local files.
    """
    declared: list[int] = []
    depth = 0

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type, which may hide an entity bomb")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if tag == "testsuite":
            depth += 1
            if depth == 1:
                declared.append(sum(int(attributes.get(name) or 0) for name in ("failures", "errors")))

    def end(tag: str) -> None:
        nonlocal depth
        depth -= tag == "testsuite"

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.Parse(raw, True)
    return declared


def _cases(suite: TestSuite, declared: int) -> Iterator[Case]:
    listed = [_case(case) for case in suite]  # those of inner suites as well
    yield from listed
    found = sum(case.status in {"failed", "error"} for case in listed)
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
