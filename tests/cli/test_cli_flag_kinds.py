"""Releases on flags that no flag server holds: a file in the repository, and a kind that another package brings."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from amplify_tui.drill.demo import playbooks
from amplify_tui.drill.world import World
from tests.engine.crash_world import Said, amplify, committed, git, plain_playbook, step

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
FILE = "flags/production.json"


def with_flag_file(repo: Path) -> Path:
    """The sandbox's repository with an empty flag file that is pushed."""
    (repo / "flags").mkdir(exist_ok=True)
    (repo / FILE).write_text('{\n  "flags": {}\n}\n')
    git(repo, "add", FILE)
    git(repo, "commit", "--allow-empty", "-qm", "chore: no flags yet")
    git(repo, "push", "-q", "origin", "HEAD")
    return repo


def pushed(repo: Path, flag: str) -> dict[str, object]:
    git(repo, "fetch", "-q", "origin")
    held = json.loads(git(repo, "show", f"origin/main:{FILE}"))["flags"]
    return dict(held[flag])


def set_args(**values: str) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


def test_a_release_by_a_flag_file_ramps_and_its_rollback_switches_off(home: Path, tmp_path: Path, world: World) -> None:
    facts = world.facts()
    repo = with_flag_file(Path(facts["repo"]))
    quick = {"flag_poll": "1s", "phase_bake": "1s", "poll": "1s", "signal_window": "2s", "sustained": "2s"}
    given = set_args(
        version="2.9.5",
        repo=str(repo),
        checkout_urls=",".join(one["url"] for one in facts["services"]["checkout"]),
        support_url=f"{facts['sink']['http']}/support",
        min_samples="1",
        max_wait="60s",
        soak="5m",
        **quick,
    )
    text = (playbooks() / "config-flag.yaml").read_text(encoding="utf-8")
    asks = text.replace("      - id: soak\n", ASK + "      - id: soak\n")
    file = repo / "config-flag.yaml"
    file.write_text(asks, encoding="utf-8")
    committed(file)
    git(repo, "push", "-q", "origin", "HEAD")  # its trusted_ref is origin/main
    answers = tmp_path / "answers.yaml"
    answers.write_text("go: true\n", encoding="utf-8")
    said = amplify("run", str(file), "--headless", "--answers", str(answers), *given)
    assert said.returncode == 4, said.stdout + said.stderr  # it waits for the answer that nobody gave
    assert pushed(repo, "new-checkout")["state"] == "ENABLED"
    assert '["on", 100]' in json.dumps(pushed(repo, "new-checkout")["targeting"])
    run = json.loads(amplify("runs", "--json").stdout)[0]["run"]
    kept = tmp_path / "readings.jsonl"
    kept.write_text(amplify("show", run, "--readings").stdout, encoding="utf-8")
    tried = amplify("backtest", str(file), "--step", "ramp", "--data", str(kept), *given)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "errors" in tried.stdout
    assert amplify("mitigate", run).returncode == 0
    assert pushed(repo, "new-checkout")["state"] == "DISABLED"
    assert amplify("rollback", run, "--yes", "--reason", "a test").returncode == 3
    assert pushed(repo, "new-checkout")["state"] == "DISABLED"


ASK = "      - id: keep\n        confirm: {ask: 'Keep it?'}\n"


def of_a_package(*args: str) -> Said:
    return amplify(*args, PYTHONPATH=str(THIRD_PARTY))


def test_a_kind_of_another_package_is_checked_strictly_and_released_by(home: Path, tmp_path: Path, repo: Path) -> None:
    (repo / "own.json").write_text("{}")
    create = {"name": "beta", "source": "flags", "create": "release", "strategies": [{"title": "all", "rollout": 25}]}
    steps = [step("flag", "flag", {**create, "enabled": True})]
    file = tmp_path / "playbook.yaml"

    def written(**fields: str) -> str:
        held = yaml.safe_load(plain_playbook(repo, steps))
        file.write_text(yaml.safe_dump({**held, "sources": {"flags": {"use": "sample", "with": fields}}}))
        return str(file)

    wrong = of_a_package("check", written(pth="own.json"))
    assert wrong.returncode == 2
    assert "unknown-key" in wrong.stdout
    assert "path" in wrong.stdout
    assert "unknown-source-kind" in amplify("check", str(file)).stdout
    assert of_a_package("check", written(path="own.json")).returncode == 0
    assert '"sample.Fields"' in of_a_package("schema").stdout
    said = of_a_package("run", committed(file), "--headless")
    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads((repo / "own.json").read_text())["beta"]["enabled"] is True
