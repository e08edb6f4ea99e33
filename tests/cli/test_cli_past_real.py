"""A run whose gate compares with yesterday, from the command line: a real conductor, asking a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import real_prometheus
from tests.engine.crash_world import Said, amplify, committed, plain_playbook, step
from tests.real import services

pytestmark = pytest.mark.real
ALWAYS = "timestamp(vector(1))"  # the time of the query, of the past too


@pytest.fixture(scope="module")
def server() -> Iterator[services.Prometheus]:
    with real_prometheus(retention="15d") as running:
        yield running


def went(home: Path, repo: Path, file: Path, url: str, value: str) -> Said:
    """A release whose only step looks at a latency: is it worse than yesterday?"""
    slow: dict[str, Any] = {"golden": "latency", "source": "prom", "value": value, "count": f"{ALWAYS} * 0 + 100"}
    slow |= {"window": "1s", "block": "1s", "every": "500ms", "limit": {"worse_than": "yesterday", "by": "10%"}}
    alarm = {**slow, "limit": {"above": "10s"}, "min_samples": 0}
    look = step("look", "verify", {"conditions": ["slow", "alarm"], "max_wait": "60s"})
    more = {"sources": {"prom": {"prometheus": url}}, "signals": {"slow": slow, "alarm": alarm}}
    file.write_text(plain_playbook(repo, [look], **more))
    return amplify("run", committed(file), "--headless")


def test_a_service_as_it_was_yesterday_goes_on(
    home: Path, tmp_path: Path, repo: Path, server: services.Prometheus
) -> None:
    said = went(home, repo, tmp_path / "playbook.yaml", server.url, f"{ALWAYS} * 0 + 0.2")
    assert said.returncode == 0, said.stdout + said.stderr


def test_one_that_is_twice_as_slow_today_is_stopped_with_both_numbers(
    home: Path, tmp_path: Path, repo: Path, server: services.Prometheus
) -> None:
    value = f"({ALWAYS} > bool {time.time() - 3600:.0f}) * 0.2 + 0.2"
    said = went(home, repo, tmp_path / "playbook.yaml", server.url, value)
    assert said.returncode != 0, said.stdout + said.stderr
    assert "400 ms against 200 ms yesterday: shown worse by" in said.stdout + said.stderr
