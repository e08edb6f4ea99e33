"""Recorded series: what a line says becomes the reading that a source would have given, or its place is named."""

from __future__ import annotations

import json

import pytest

from amplify_tui.adapters.ports import Invalid
from amplify_tui.adapters.recorded import line_of, recorded
from amplify_tui.playbook.model import Cohorts, Signal
from amplify_tui.verdict.model import Reading

SIGNALS = {
    "errors": Signal(
        golden="errors", source="prom", bad="b", total="t", cohorts=Cohorts(treatment="on", control="off"), window=30.0
    ),
    "latency": Signal(golden="latency", source="prom", value="v", count="c"),
    "jobs": Signal(golden="errors", source="prom", bad="b", total="t", as_="increase", every=10.0),
}


def read(*lines: str) -> list[Reading]:
    return recorded("\n".join(lines), SIGNALS, name="data")


def test_csv_and_json_lines_of_the_same_series_give_the_same_readings() -> None:
    table = read(
        "at,signal,cohort,bad,total,value,n", "1700000000,errors,treatment,0.5,10,,", "1700000005,latency,,,,0.31,420"
    )
    lines = read(
        '{"at": "2023-11-14T22:13:20Z", "signal": "errors", "cohort": "treatment", "bad": 0.5, "total": 10}',
        "",
        '{"at": 1700000005, "signal": "latency", "value": 0.31, "n": 420}',
    )
    assert table == lines
    errors, latency = table
    assert (errors.status, errors.cohort, errors.value, errors.n) == ("ok", "treatment", 0.05, 300.0)
    assert (errors.data_at, errors.window_from) == (1_700_000_000.0, 1_699_999_970.0)
    assert (latency.status, latency.value, latency.n) == ("ok", 0.31, 420.0)


def test_counts_over_a_poll_are_not_multiplied_by_a_window() -> None:
    (jobs,) = read('{"at": 1, "signal": "jobs", "bad": 1, "total": 40}')
    assert (jobs.value, jobs.n) == (0.025, 40.0)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('{"at": 1, "signal": "jobs", "bad": null, "total": 40}', "ok"),  # nobody failed yet: there is no such series
        ('{"at": 1, "signal": "jobs", "bad": 0, "total": 0}', "nodata"),
        ('{"at": 1, "signal": "jobs", "bad": null, "total": null}', "nodata"),
        ('{"at": 1, "signal": "latency", "value": NaN, "n": 4}', "nodata"),
        ('{"at": 1, "signal": "latency", "value": "NaN", "n": 4}', "nodata"),
        ('{"at": 1, "signal": "latency", "value": null, "status": "error", "note": "503"}', "error"),
    ],
)
def test_an_answer_without_a_sample_is_no_number(line: str, status: str) -> None:
    (reading,) = read(line)
    assert reading.status == status
    assert (reading.value is None) == (status != "ok")


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        (["at,signal", "1,absent"], "data:2", "no signal 'absent'"),
        (["at,signal,value", "soon,latency,1"], "data:2", "'soon' is no time"),
        (["at,signal,value", "2023-11-14T22:13:20,latency,1"], "data:2", "is no time with a zone"),
        (["at,signal,value", "1700000000000,latency,1"], "data:2", "no time in Unix seconds"),
        (["at,signal,value", "nan,latency,1"], "data:2", "no time in Unix seconds"),
        (["at,signal,value", "1,latency,fast"], "data:2", "'fast' is no number"),
        (["at,signal,cohort", "1,errors,"], "data:2", "has cohorts, and this line none"),
        (["at,signal,cohort", "1,latency,control"], "data:2", "has no cohort 'control'"),
        (["at,value", "1,1"], "data", "no column signal"),
        (['{"at": 1, "signal": "latency"', "}"], "data:1", "no JSON"),
        (['{"at": 1, "signal": "latency", "value": 1, "status": "fine"}'], "data:1", "'fine' is no status"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(lines: list[str], where: str, what: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(*lines)
    assert refused.value.where == where
    assert what in refused.value.what


def test_what_is_written_of_a_reading_is_read_as_the_same() -> None:
    readings = read(
        '{"at": 1700000000.25, "signal": "errors", "cohort": "control", "bad": 0.5, "total": 10}',
        '{"at": 1700000005, "signal": "latency", "value": 0.31, "n": 420}',
        '{"at": 1700000005, "signal": "latency", "value": null, "status": "stale", "note": "429"}',
    )
    assert read(*(json.dumps(line_of(one)) for one in readings)) == readings
