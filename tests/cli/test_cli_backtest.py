"""`backtest`: a gate of a playbook, asked about a file of recorded readings from the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.conftest import real_prometheus
from tests.engine.crash_world import amplify

PLAYBOOK = """
apiVersion: amplify/v1
kind: Playbook
name: checkout
inputs: {version: {type: semver}, most: {type: number, default: 0.01}, url: {type: string}}
release: {repo: ., version: "${{ inputs.version }}", environment: production}
services: {shop: {instances: ["http://a:1", "http://b:1"]}}
sources: {prom: {prometheus: "${{ inputs.url }}"}}
signals:
  errors:
    {golden: errors, source: prom, bad: "rate(b[30s])", total: "rate(a[30s])", limit: {above: "${{ inputs.most }}", for: 30s}}
  latency: {golden: latency, source: prom, value: "max(l[30s])", count: "rate(a[30s])", limit: {above: 400ms}}
stages:
  - id: one
    steps:
      - {id: go, confirm: {ask: "Go?"}}
      - id: deploy
        rollout:
          {service: shop, waves: [1, all], bake: 2m, gate: [health, errors, latency], deploy: {argv: [d]}, revert: {argv: [r]}}
"""
BAD_FROM = 60


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "checkout.yaml"
    path.write_text(PLAYBOOK, encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five minutes of good readings, five of bad ones."""
    path = tmp_path / "data.csv"
    rows = [f"{1_700_000_000 + poll * 5},errors,{0.01 if poll < BAD_FROM else 1},20" for poll in range(120)]
    path.write_text("\n".join(["at,signal,bad,total", *rows]), encoding="utf-8")
    return path


def test_it_tells_the_verdicts_as_they_change_and_ends_in_1_on_a_fail(home: Path, playbook: Path, data: Path) -> None:
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data))
    assert said.returncode == 1, said.stderr
    lines = said.stdout.splitlines()
    assert "health" in lines[0]
    assert "latency" in lines[0]  # no line of the file tells it
    assert [line.split()[1] for line in lines[1:-1]] == ["undecided", "pass", "undecided", "fail"]
    assert "would have gone on" in lines[-1]


def test_with_json_it_is_a_line_a_reading(home: Path, playbook: Path, data: Path) -> None:
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data), "--json")
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(rows) == 120
    assert rows[-1]["verdict"] == "fail"
    (condition,) = rows[-1]["conditions"]
    assert (condition["id"], condition["verdict"], condition["value"]) == ("errors", "fail", 0.05)


def test_another_input_is_another_limit(home: Path, playbook: Path, data: Path) -> None:
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data), "--set", "most=0.2")
    assert said.returncode == 0, said.stdout


def test_a_comparison_with_the_past_is_left_out_and_named(home: Path, playbook: Path, data: Path) -> None:
    compared = PLAYBOOK.replace("errors, latency]", "errors, {signal: errors, worse_than: last_week, by: 20%}]")
    playbook.write_text(compared, encoding="utf-8")
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data))
    assert said.returncode == 1, said.stderr
    first = said.stdout.splitlines()[0]
    assert "left out" in first
    assert "errors vs last week" in first
    limit = "limit: {above: 400ms}}"
    inherited = PLAYBOOK.replace(limit, "limit: {worse_than: yesterday}}")
    playbook.write_text(inherited, encoding="utf-8")
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data))
    assert "latency (compares with yesterday)" in said.stdout.splitlines()[0]


def test_a_sweep_shows_false_fails_and_how_soon_it_was_noticed(home: Path, playbook: Path, data: Path) -> None:
    onset = str(1_700_000_000 + BAD_FROM * 5)
    asked = ["--sweep", "limit=1%,10%", "--sweep", "for=30s,1m", "--onset", onset]
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data), *asked, "--json")
    assert said.returncode == 0, said.stderr
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert [(row["limit"], row["for"], row["false"], row["noticed"]) for row in rows] == [
        (0.01, 30.0, 0, 30.0),
        (0.01, 60.0, 0, 60.0),
        (0.1, 30.0, 0, None),
        (0.1, 60.0, 0, None),
    ]
    table = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data), *asked).stdout.splitlines()
    assert len(table) == 5
    assert table[0].split() == ["limit", "for", "false", "fails", "noticed", "after", "goes", "on", "after"]
    assert len({len(line) for line in table}) == 1


def test_a_fail_before_the_onset_is_a_false_one(home: Path, playbook: Path, data: Path) -> None:
    onset = "2023-11-14T22:22:20Z"
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(data), "--onset", onset)
    assert f"1 false before {onset}; not noticed" in said.stdout


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--step", "absent"], "steps with a gate: deploy"),
        (["--step", "go"], "it is a confirm"),
        (["--step", "deploy", "--sweep", "width=1"], "known are limit, for, bake"),
        (["--step", "deploy", "--sweep", "for=soon"], "is no duration"),
        (["--step", "deploy", "--onset", "noon"], "no time with a zone"),
    ],
)
def test_what_cannot_be_asked_is_said_and_ends_with_2(
    home: Path, playbook: Path, data: Path, asked: list[str], told: str
) -> None:
    said = amplify("backtest", str(playbook), *asked, "--data", str(data))
    assert said.returncode == 2
    assert told in said.stderr


def test_a_file_that_is_not_there_or_tells_nothing_is_named(home: Path, playbook: Path, tmp_path: Path) -> None:
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(tmp_path / "none.csv"))
    assert (said.returncode, "cannot be read" in said.stderr) == (2, True)
    (tmp_path / "empty.csv").write_text("at,signal\n", encoding="utf-8")
    said = amplify("backtest", str(playbook), "--step", "deploy", "--data", str(tmp_path / "empty.csv"))
    assert (said.returncode, "holds no reading of errors, latency" in said.stderr) == (2, True)


def history(now: int) -> str:
    """Twenty minutes of 20 requests a second, of which one in ten fails in the last five."""
    lines = ["# TYPE a counter", *(f"a_total {20 * (at - now + 1200)} {at}" for at in range(now - 1200, now + 1, 10))]
    lines += [
        "# TYPE b counter",
        *(f"b_total {max(0, 2 * (at - now + 300))} {at}" for at in range(now - 1200, now + 1, 10)),
    ]
    return "\n".join([*lines, "# EOF\n"])


@pytest.mark.real
def test_it_asks_a_prometheus_about_its_past_where_nothing_was_recorded(home: Path, tmp_path: Path) -> None:
    written = PLAYBOOK.replace("rate(a[", "rate(a_total[").replace("rate(b[", "rate(b_total[")
    playbook = tmp_path / "checkout.yaml"
    playbook.write_text(written.replace("gate: [health, errors, latency]", "gate: [health, errors]"), encoding="utf-8")
    now = int(time.time())
    with real_prometheus(openmetrics=history(now)) as server:
        asked = ["backtest", str(playbook), "--step", "deploy", "--last", "15m", "--until", str(now), "--untrusted"]
        said = amplify(*asked, "--set", f"url={server.url}", "--onset", str(now - 300))
        wrong = amplify(*asked, "--set", f"url={server.url}", "--data", "x.csv")
    assert said.returncode == 1, said.stdout + said.stderr
    assert "0 false before" in said.stdout
    assert "noticed after" in said.stdout
    assert (wrong.returncode, "give either" in wrong.stderr) == (2, True)
    down = amplify(*asked, "--set", "url=http://127.0.0.1:9")
    assert (down.returncode, "no connection" in down.stderr) == (2, True)
    unset = amplify(*asked)
    assert (unset.returncode, "--set" in unset.stderr) == (2, True)
