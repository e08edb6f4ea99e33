"""Releases that are judged without a Prometheus: by health checks, a JSON endpoint, and numbers of another package."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from amplify_tui.drill.world import World
from tests.cli.test_cli_world import answering
from tests.engine.crash_world import Said, amplify, committed, plain_playbook, playbook, step

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
GO = step("go", "confirm", {"ask": "Go?"})
PACE: dict[str, Any] = {"window": "2s", "every": "500ms", "min_samples": 1, "limit": {"above": "20%", "for": "1s"}}


def signal(source: str, bad: str, total: str, **more: Any) -> dict[str, Any]:
    return {"golden": "errors", "source": source, "bad": bad, "total": total, **PACE, **more}


def of_a_package(*args: str) -> Said:
    return amplify(*args, PYTHONPATH=str(THIRD_PARTY))


def test_health_checks_a_json_endpoint_and_another_packages_numbers_pass_a_gate(
    home: Path, tmp_path: Path, world: World
) -> None:
    facts = world.facts()
    numbers = Path(facts["repo"]) / "numbers.json"
    numbers.write_text(json.dumps({"at": time.time() + 30, "errors": 1, "requests": 100}))
    with answering(200, b'{"shop": {"errors": 1, "requests": 100}}', "application/json") as url:
        sources = {
            "checks": {"probes": "checkout"},
            "stats": {"http": url, "path": "/stats"},
            "nightly": {"use": "numbers", "with": {"path": "numbers.json"}},
        }
        signals = {
            "failing": signal("checks", "failed", "probes"),
            "slow": {**PACE, "golden": "latency", "source": "checks", "value": "p90 of latency", "limit": {"above": 5}},
            "errors": signal("stats", "shop.errors", "shop.requests"),
            "reported": signal("nightly", "errors", "requests", max_age="5m"),
        }
        verify = step("verify", "verify", {"conditions": list(signals), "max_wait": "60s"})
        file = tmp_path / "playbook.yaml"
        file.write_text(playbook(facts, [verify], sources=sources, signals=signals))
        looked = of_a_package("check", str(file), "--live", "--untrusted")
        assert "signals." not in looked.stdout, looked.stdout
        for source in sources:
            assert f"{source}: ok" in looked.stdout, looked.stdout
        said = of_a_package("run", committed(file), "--headless")
    assert said.returncode == 0, said.stdout + said.stderr


def test_what_a_package_brings_is_checked_strictly_and_serves_only_what_it_serves(
    home: Path, tmp_path: Path, repo: Path
) -> None:
    file = tmp_path / "playbook.yaml"

    def checked(use: str, **fields: str) -> str:
        held = yaml.safe_load(plain_playbook(repo, [GO]))
        source = {"use": use, "with": fields}
        file.write_text(yaml.safe_dump({**held, "sources": {"own": source}, "signals": {"e": signal("own", "b", "t")}}))
        return of_a_package("check", str(file)).stdout

    assert "unknown-key" in checked("numbers", pth="numbers.json")
    assert "wrong-source" in checked("sample", path="flags.json")  # it serves flags
    assert "no errors" in checked("numbers", path="numbers.json")
    held = yaml.safe_load(file.read_text())
    held["signals"]["e"]["limit"] = {"worse_than": "yesterday"}
    file.write_text(yaml.safe_dump(held))
    assert "past-shape" in of_a_package("check", str(file)).stdout  # its kind does not know its past
    checked("numbers", path="numbers.json")
    flags = yaml.safe_load(file.read_text())
    flags["stages"][0]["steps"] = [step("f", "flag", {"name": "beta", "source": "own", "enabled": False})]
    file.write_text(yaml.safe_dump(flags))
    assert "flag-source" in of_a_package("check", str(file)).stdout
    assert '"numbers.Fields"' in of_a_package("schema").stdout


def test_a_signal_that_is_read_more_often_than_its_source_has_news_is_warned_of(
    home: Path, tmp_path: Path, repo: Path
) -> None:
    with answering(200, b'{"b": 1, "t": 100}', "application/json") as url:
        file = tmp_path / "playbook.yaml"
        sources = {"own": {"http": url, "every": "2s"}}
        file.write_text(plain_playbook(repo, [GO], sources=sources, signals={"e": signal("own", "b", "t")}))
        said = amplify("check", str(file), "--live", "--untrusted")
    assert "warning: it is read every 0.5s, and its source tells something new every 2s (signals.e)" in said.stdout
    assert "write every: 2s" in said.stdout
    assert "own: ok" in said.stdout
