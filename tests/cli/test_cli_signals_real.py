"""`check --live` looks at the queries of signals, and says where in the file they stand."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import real_prometheus
from tests.engine.crash_world import amplify, committed, plain_playbook, step
from tests.real import services

pytestmark = pytest.mark.real

GO = step("go", "confirm", {"ask": "Go?"})


@pytest.fixture
def server() -> Iterator[services.Prometheus]:
    with real_prometheus("global: {scrape_interval: 1s}\n") as running:
        yield running


def test_each_query_of_a_signal_is_asked_once_and_named_by_its_place(
    home: Path, tmp_path: Path, repo: Path, server: services.Prometheus
) -> None:
    wrong = {"golden": "errors", "source": "prom", "bad": "sum(rate(b[1m])", "total": "sum(rate(gone_total[1m]))"}
    cohorts = {"treatment": "on", "control": "off"}
    fine = {"golden": "traffic", "source": "prom", "bad": "timestamp(vector(1))", "total": "timestamp(vector(1))"}
    file = tmp_path / "playbook.yaml"
    more = {
        "sources": {"prom": {"prometheus": server.url}},
        "signals": {"errors": {**wrong, "cohorts": cohorts}, "ok": fine},
    }
    file.write_text(plain_playbook(repo, [GO], **more))
    said = amplify("check", str(file), "--live", "--untrusted", "--json")
    assert said.returncode == 2, said.stdout
    live = [one for one in json.loads(said.stdout)["problems"] if "signals." in one["message"]]
    assert [(one["severity"], one["code"]) for one in live] == [("error", "live"), ("warning", "live")], said.stdout
    syntax, gone = live
    assert "parse error" in syntax["message"]
    assert "there is no metric gone_total (signals.errors.total)" in gone["message"]
    lines = file.read_text().splitlines()
    assert '"bad":' in lines[syntax["line"] - 1]
    assert '"total":' in lines[gone["line"] - 1]
    assert f"{file}:{gone['line']}:" in amplify("check", str(file), "--live", "--untrusted").stdout


def test_a_comparison_with_a_week_that_the_server_does_not_keep_is_told_before_the_release(
    home: Path, tmp_path: Path, repo: Path
) -> None:
    now = "timestamp(vector(1))"
    slow = {"golden": "latency", "source": "prom", "value": now, "count": now, "limit": {"above": "10s"}}
    worse = {"signal": "slow", "worse_than": "last_week", "by": "10%"}
    file = tmp_path / "playbook.yaml"
    steps = [GO, step("look", "verify", {"conditions": ["slow", worse]})]
    with real_prometheus("global: {scrape_interval: 1s}\n", retention="2d") as server:
        file.write_text(
            plain_playbook(repo, steps, sources={"prom": {"prometheus": server.url}}, signals={"slow": slow})
        )
        said = amplify("check", str(file), "--live", "--untrusted")
    assert said.returncode == 2, said.stdout
    told = "it is compared with the hour around 7d ago, and the server keeps 2d (signals.slow) [live]"
    assert told in said.stdout, said.stdout


def test_an_alert_whose_rule_is_not_there_is_named_before_the_release(
    home: Path, tmp_path: Path, repo: Path, server: services.Prometheus
) -> None:
    hot = {"golden": "errors", "source": "prom", "state": {"alert": "Hot", "severity": "page"}}
    source = {"prometheus": server.url, "headers": {"Authorization": "Basic ${{ secrets.PROM }}"}}
    file = tmp_path / "playbook.yaml"
    steps = [GO, step("look", "verify", {"conditions": ["hot"]})]
    file.write_text(plain_playbook(repo, steps, sources={"prom": source}, signals={"hot": hot}))
    assert amplify("check", str(file)).returncode == 0
    said = amplify("check", str(file), "--live", "--untrusted", PROM="YTpi")
    assert said.returncode == 2
    assert "there is no alerting rule Hot (signals.hot.state) [live]" in said.stdout
    without = amplify("check", str(file), "--live", "--untrusted")
    assert "PROM" in without.stdout
    assert "alerting rule" not in without.stdout


RULES = """
groups:
- name: shop
  interval: 300ms
  rules:
  - {alert: Quiet, expr: vector(0) > 1}
  - {alert: Burning, expr: vector(1)}
"""


def test_a_release_passes_an_alert_that_was_red_before_it_began(home: Path, tmp_path: Path, repo: Path) -> None:
    file = tmp_path / "playbook.yaml"
    with real_prometheus("rule_files: [RULES]\n", rules=RULES) as server:
        signals = {
            name.lower(): {"golden": "errors", "source": "prom", "every": "500ms", "state": {"alert": name}}
            for name in ("Quiet", "Burning")
        }
        verify = step("look", "verify", {"conditions": list(signals), "max_wait": "60s"})
        burns = alight(server)
        file.write_text(plain_playbook(repo, [verify], sources={"prom": {"prometheus": server.url}}, signals=signals))
        said = amplify("run", committed(file), "--headless")
    assert burns
    assert said.returncode == 0, said.stdout + said.stderr


def alight(server: services.Prometheus) -> bool:
    """Once the alert Burning fires."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{server.url}/api/v1/alerts") as answer:
            if any(one["state"] == "firing" for one in json.load(answer)["data"]["alerts"]):
                return True
        time.sleep(0.05)
    return False
