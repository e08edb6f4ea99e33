"""Targets that are down, slow, or answer nonsense; a dry run on a real world; two demos at once."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amplify_tui.drill import plainhttp
from amplify_tui.drill.demo import demo_env
from amplify_tui.drill.world import World, start_world
from amplify_tui.engine import proc
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import (
    Bench,
    amplify,
    committed,
    deploy_step,
    flag_events,
    flag_steps,
    pid_of,
    playbook,
    remote_tags,
    step,
    tag_step,
    versions,
)

GO = step("go", "confirm", {"ask": "Go?"})


@contextmanager
def answering(status: int, body: bytes, kind: str) -> Iterator[str]:
    """A server that answers everything the same way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what went wrong."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def written(folder: Path, facts: dict[str, object], steps: list[dict[str, object]], **more: object) -> str:
    path = folder / "playbook.yaml"
    path.write_text(playbook(facts, steps, **more), encoding="utf-8")
    return committed(path)


def yes(folder: Path) -> str:
    (folder / "answers.yaml").write_text("go: true\n", encoding="utf-8")
    return str(folder / "answers.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["down", "slow", "html", "wrong token", "no token"])
def test_a_flag_server_that_cannot_be_used_is_said_in_words(
    home: Path, world: World, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.loads(json.dumps(world.facts()))
    words = {
        "down": "checkout-v3|connect|refused",
        "slow": "no answer",
        "html": "answer",
        "wrong token": "token",
        "no token": "UNLEASH_TOKEN",
    }[kind]
    with answering(200, b"<html>Welcome to the proxy</html>", "text/html") as html:
        match kind:
            case "down":
                facts["flags"]["url"] = "http://127.0.0.1:9"
            case "slow":
                os.kill(pid_of(world, "flagserver"), signal.SIGSTOP)
            case "html":
                facts["flags"]["url"] = html
            case "wrong token":
                monkeypatch.setenv("UNLEASH_TOKEN", "user:guess")
            case "no token":
                monkeypatch.delenv("UNLEASH_TOKEN")
        file = written(tmp_path, facts, flag_steps())
        checked = amplify("check", file, "--live", "--untrusted")
        assert checked.returncode == 2
        assert any(word in checked.stdout for word in words.split("|")), checked.stdout
        assert "no errors" not in checked.stdout
        assert "flags: ok" not in checked.stdout
        said = amplify("run", file, "--headless")
        assert said.returncode == 4
        assert any(word in said.stderr for word in words.split("|")), said.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["down", "nonsense", "html", "error"])
def test_a_service_that_cannot_be_read_is_never_deployed_to_on_trust(
    home: Path, world: World, tmp_path: Path, bench: Bench, kind: str
) -> None:
    facts = json.loads(json.dumps(world.facts()))
    status, body, mime = {
        "down": (200, b"", "text/plain"),
        "nonsense": (200, b'{"version": {"a": [1]}}', "application/json"),
        "html": (200, b"<html>hello</html>", "text/html"),
        "error": (500, b"oops", "text/plain"),
    }[kind]
    with answering(status, body, mime) as url:
        facts["services"]["checkout"][1]["url"] = "http://127.0.0.1:9" if kind == "down" else url
        steps = [step("ready", "verify", {"conditions": ["health", "fleet"], "max_wait": "2s"}), *flag_steps()]
        file = written(tmp_path, facts, steps)
        checked = amplify("check", file, "--live", "--untrusted")
        if kind in ("down", "error"):
            assert checked.returncode == 2
            assert "checkout-2" in checked.stdout
        said = amplify("run", file, "--headless")
        assert said.returncode == 4
        assert "ready" in said.stderr
    assert flag_events(world) == []


def test_check_live_on_a_sound_world_finds_nothing(home: Path, world: World, tmp_path: Path, bench: Bench) -> None:
    file = written(tmp_path, world.facts(), [GO, deploy_step(bench), *flag_steps()])
    said = amplify("check", file, "--live", "--untrusted")
    assert said.returncode == 0, said.stdout
    [line] = [line for line in said.stdout.splitlines() if ": flags: " in line]
    where = f"at {world.facts()['flags']['url']}, project default, environment production"
    assert line.startswith(f"{file}: flags: ok, Unleash 8.2.0 {where}, ")
    assert " may create flags, change strategies, switch flags, " in line
    as_json = json.loads(amplify("check", file, "--live", "--untrusted", "--json").stdout)
    assert as_json["ok"] is True
    assert "flags" in [one["source"] for one in as_json["good"]]


def test_check_live_names_a_flag_that_the_released_code_does_not_hold_and_lets_it_pass(
    home: Path, world: World, tmp_path: Path
) -> None:
    made = {"name": "nobody-asks", "source": "flags", "create": "release", "enabled": False}
    file = written(tmp_path, world.facts(), [step("make", "flag", made)])
    said = amplify("check", file, "--live", "--untrusted")
    assert said.returncode == 0, said.stdout
    lines = Path(file).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"flags": {' in text)
    assert f"{file}:{line}:{lines[line - 1].index('{') + 1}: warning: the code at " in said.stdout
    assert "does not hold the flag nobody-asks (sources.flags) [live]" in said.stdout
    assert f"{file}: no errors" in said.stdout


def test_a_dry_run_of_a_whole_release_changes_nothing_in_the_world(
    home: Path, world: World, tmp_path: Path, bench: Bench
) -> None:
    steps = [GO, step("work", "command", bench.command("work")), deploy_step(bench), tag_step(), *flag_steps()]
    file = written(tmp_path, world.facts(), steps)
    tags, local = remote_tags(world), (Path(world.facts()["repo"]) / ".git" / "packed-refs").exists()
    said = amplify("run", file, "--headless", "--dry-run", "--answers", yes(tmp_path))
    assert said.returncode in (0, 4), said.stderr
    assert flag_events(world) == []
    assert (remote_tags(world), (Path(world.facts()["repo"]) / ".git" / "packed-refs").exists()) == (tags, local)
    assert versions(world) == ["2.9.4", "2.9.4"]
    assert (bench.did("work"), bench.did("deploy")) == ([], [])
    assert plainhttp.call(world.facts()["sink"]["http"] + "/messages") == []
    assert said.returncode == 0, said.stderr


def test_a_dry_run_of_the_shipped_release_goes_through_and_changes_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_world() as world:
        for name, value in demo_env(world.facts()).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "answers.yaml").write_text("go: true\nsure: true\n", encoding="utf-8")
        sheet = str(tmp_path / "answers.yaml")
        said = amplify("run", world.facts()["playbook"], "--headless", "--dry-run", "--answers", sheet)
        assert said.returncode == 0, said.stderr
        assert flag_events(world) == []
        assert "v3.0.0" not in remote_tags(world)
        assert set(versions(world)) == {"2.9.4"}
        assert plainhttp.call(world.facts()["sink"]["http"] + "/messages") == []


def test_two_demos_at_once_do_not_meet(home: Path) -> None:
    """Both are let run until their first users are exposed; then both are interrupted and leave nothing behind."""
    argv = [sys.executable, "-m", "amplify_tui", "demo", "--headless", "--json"]
    demos = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(2)
    ]
    try:
        for demo in demos:
            assert demo.stdout is not None
            types = []
            for line in demo.stdout:
                types.append(json.loads(line)["type"])
                if types[-1] == "PhaseEntered":
                    break
            assert "RunStarted" in types
            assert types[-1] == "PhaseEntered"
    finally:
        for demo in demos:
            demo.send_signal(signal.SIGINT)
        for demo in demos:
            _, err = demo.communicate(timeout=180)
            assert "Traceback" not in err
    assert [demo.returncode for demo in demos] == [130, 130]
    assert len(list(RunDir.all(home))) == 2
    deadline = time.monotonic() + 20
    for folder in RunDir.all(home):
        said = folder.conductor()
        assert said is not None
        while proc.lives(said.mark):
            assert time.monotonic() < deadline
            time.sleep(0.02)
