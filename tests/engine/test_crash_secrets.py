"""A secret's value reaches no file of ours, no log, no screen, no argv: not as it is, in base64 or as a URL has it."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from amplify_tui.drill.world import World
from tests.engine.crash_world import (
    Bench,
    Runs,
    Watched,
    amplify,
    checked,
    flag_steps,
    kill_commands,
    kill_conductor,
    leaks,
    playbook,
    step,
)

CANARY = "canary/7f3a+secret value=="
FORMS = {
    CANARY,
    quote(CANARY, safe=""),
    quote(CANARY),
    base64.b64encode(CANARY.encode()).decode(),
    base64.urlsafe_b64encode(CANARY.encode()).decode(),
}
SAYS = """
import base64, os, sys, urllib.parse
value = os.environ["TOKEN"]
for form in (value, base64.b64encode(value.encode()).decode(), urllib.parse.quote(value, safe="")):
    print("using", form)
    print("failed with", form, file=sys.stderr, flush=True)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("AMPLIFY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CANARY", CANARY)
    made = Runs(tmp_path / "home")
    yield made
    made.sweep()


def says(exit_: int, **more: object) -> dict[str, object]:
    argv = [sys.executable, "-c", SAYS, str(exit_)]
    return {"argv": argv, "env": {"TOKEN": "${{ secrets.CANARY }}"}, "undo": "none", **more}


async def test_a_canary_is_in_no_file_log_or_output(
    world: World, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = world.facts()["sink"]["http"] + "/hook?key=" + quote(CANARY, safe="")
    monkeypatch.setenv("HOOK", hook)
    support = {"via": "webhook", "url": "${{ secrets.HOOK }}", "hosts": ["127.0.0.1"]}
    gone = {"via": "webhook", "url": "${{ secrets.GONE }}", "hosts": ["127.0.0.1"]}
    monkeypatch.setenv("GONE", "http://127.0.0.1:9/" + quote(CANARY, safe=""))
    call = {
        "method": "POST",
        "url": world.facts()["sink"]["http"] + "/call",
        "headers": {"X-Token": "${{ secrets.CANARY }}"},
        "json": {},
        "undo": "none",
    }
    steps = [
        step("good", "command", says(0)),
        step("bad", "command", says(1), on_fail="continue"),
        step("json", "command", says(0, output="json"), on_fail="continue"),
        step("tell", "notify", {"to": ["support"], "subject": "It starts", "body": "now"}),
        step("lost", "notify", {"to": ["gone"], "subject": "It starts", "body": "now"}, on_fail="continue"),
        step("call", "http", call, on_fail="continue"),
        *flag_steps(),
    ]
    text = playbook(world.facts(), steps, stakeholders={"support": support, "gone": gone})
    folder = runs.create(checked(text, tmp_path / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.until(
            lambda s: s.phase == "closed" or s.steps["lost"].status in ("stuck", "skipped"), "the webhook is tried"
        )
        effects = [e for e in watched.state.effects.values() if e.status == "unknown"]
        for effect in effects:
            await watched.do("Settle", effect=effect.id, as_="absent", reason="nobody listens there")
        await watched.until(lambda s: s.phase == "closed" or s.steps["ramp"].status == "stuck", "it ends")
        seen = str(watched.board) + str(watched.events)
    forms = FORMS | {world.facts()["flags"]["admin_token"], world.facts()["flags"]["client_token"]}
    assert [form for form in forms if form in seen] == []
    shown = [amplify("show", folder.run), amplify("show", folder.run, "--json"), amplify("runs", "--json")]
    followed = amplify("attach", folder.run, "--headless")
    told = "".join(said.stdout + said.stderr for said in (*shown, followed))
    assert [form for form in forms if form in told] == []
    assert leaks(runs.home, forms) == []


async def test_the_raw_output_of_a_command_whose_conductor_was_killed_does_not_stay(
    world: World, tmp_path: Path, runs: Runs
) -> None:
    bench = Bench(tmp_path / "bench")
    bench.block("work", "after")
    fields = {"argv": bench.argv("work", *says(0)["argv"]), "env": {"TOKEN": "${{ secrets.CANARY }}"}, "undo": "none"}  # type: ignore[misc]
    fields["probe"] = {"argv": ["test", "-s", str(bench.folder / "work.did")]}
    folder = runs.create(checked(playbook(world.facts(), [step("work", "command", fields)]), tmp_path / "p.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await bench.reached("work", "after")
        argv = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert CANARY not in argv
        assert kill_conductor(folder)
        kill_commands(folder)
        assert amplify("resume", folder.run).returncode == 0
        assert await watched.closed() == "completed"
    assert leaks(runs.home, FORMS) == []


async def test_a_command_gets_the_secrets_that_it_names_and_no_other(
    world: World, tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER", "canary-of-another-step")
    kept = tmp_path / "environment"
    fields = {"argv": ["sh", "-c", 'env > "$1"', "sh", str(kept)], "env": {"TOKEN": "${{ secrets.CANARY }}"}}
    first = step("first", "command", {**fields, "undo": "none"})
    other = step("other", "command", {"argv": ["true"], "env": {"IT": "${{ secrets.OTHER }}"}, "undo": "none"})
    folder = runs.create(checked(playbook(world.facts(), [other, first]), tmp_path / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        assert await watched.closed() == "completed"
    seen = kept.read_text(encoding="utf-8")
    assert f"TOKEN={CANARY}\n" in seen
    assert "canary-of-another-step" not in seen
    assert world.facts()["flags"]["admin_token"] not in seen
