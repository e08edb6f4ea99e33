"""`run`, `show`, `runs`, `do`: a run from a shell, its exit statuses, and what each repository makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from amplify_tui.cli.common import replay
from amplify_tui.engine.rundir import RunDir
from tests.engine.crash_world import Bench, Said, amplify, assert_clear, committed, git, plain_playbook, step, tag_step

GO = step("go", "confirm", {"ask": "Go?"})


def playbook(folder: Path, repo: Path, steps: list[dict[str, object]], **more: object) -> str:
    path = folder / "playbook.yaml"
    path.write_text(plain_playbook(repo, steps, **more), encoding="utf-8")
    return committed(path)


def answers(folder: Path, given: dict[str, object]) -> str:
    path = folder / "answers.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return str(path)


def only_run(home: Path) -> RunDir:
    (found,) = RunDir.all(home)
    return found


def test_0_completed_with_answers_from_a_file(home: Path, tmp_path: Path, repo: Path, bench: Bench) -> None:
    form = step("form", "input", {"fields": {"ticket": {"type": "string", "pattern": "CHG-\\d+"}}})
    signed = step("sure", "confirm", {"ask": "Sure?"}, sign_off={"roles": {"captain": 1}})
    file = playbook(tmp_path, repo, [GO, form, signed, step("work", "command", bench.command("work"))])
    sheet = {"go": True, "form": {"ticket": "CHG-1"}, "sure": {"accept": True, "sign_off": {"captain": "captain"}}}
    said = amplify("run", file, "--headless", "--answers", answers(tmp_path, sheet))
    assert said.returncode == 0, said.stderr
    assert len(bench.did("work")) == 1
    assert replay(only_run(home)).steps["form"].answers == {"ticket": "CHG-1"}


def test_4_stops_where_only_a_person_can_go_on_and_do_answers_it_later(
    home: Path, tmp_path: Path, repo: Path, bench: Bench
) -> None:
    file = playbook(tmp_path, repo, [GO, step("work", "command", bench.command("work"))])
    said = amplify("run", file, "--headless")
    assert said.returncode == 4
    assert "go" in said.stderr
    run = only_run(home).run
    assert amplify("do", run, "answer", "go", "accept=true").returncode == 0
    assert amplify("attach", run, "--headless").returncode == 0


def test_1_a_declined_run_that_is_aborted(home: Path, tmp_path: Path, repo: Path) -> None:
    file = playbook(tmp_path, repo, [GO])
    said = amplify("run", file, "--headless", "--answers", answers(tmp_path, {"go": False}))
    assert said.returncode == 4
    run = only_run(home).run
    assert amplify("do", run, "abort", "--reason", "declined").returncode == 0
    assert amplify("attach", run, "--headless").returncode == 1


def test_3_rolled_back(home: Path, tmp_path: Path, repo: Path, bench: Bench) -> None:
    file = playbook(tmp_path, repo, [step("work", "command", bench.command("work")), GO])
    assert amplify("run", file, "--headless").returncode == 4
    run = only_run(home).run
    assert amplify("rollback", run, "--yes", "--reason", "a test").returncode == 3
    assert len(bench.did("undo_work")) == 1
    assert amplify("attach", run, "--headless").returncode == 3
    assert_clear(amplify("rollback", run, "--yes"), "nothing of it is left")
    assert_clear(amplify("mitigate", run), "nothing of it is left")


def test_1_a_refused_order_with_its_reason(home: Path, tmp_path: Path, repo: Path) -> None:
    file = playbook(tmp_path, repo, [GO])
    assert amplify("run", file, "--headless").returncode == 4
    run = only_run(home).run
    assert_clear(amplify("do", run, "retry", "go"), code=1)
    shown = amplify("do", run, "retry", "go", "--json")
    assert shown.returncode == 1
    assert set(json.loads(shown.stdout)) >= {"what", "why", "next"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--set", "nothing=1"], "nothing"),
        (["--set", "version"], "NAME=VALUE"),
        (["--set", "version=three"], "version"),
        (["--set", "count=many"], "whole number"),
        (["--set", "pause=soon"], "duration"),
        (["--set", "note=\u27e6secret:UNLEASH_TOKEN\u27e7"], "secret"),
        (["--answers", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
)
def test_2_bad_usage_starts_nothing(home: Path, tmp_path: Path, repo: Path, args: list[str], words: str) -> None:
    inputs = {
        "version": {"type": "semver", "default": "3.0.0"},
        "count": {"type": "int", "default": 1},
        "pause": {"type": "duration", "default": "1s"},
        "note": {"type": "string", "default": ""},
    }
    file = playbook(tmp_path, repo, [GO], inputs=inputs)
    assert_clear(amplify("run", file, "--headless", *args), words, code=2)
    assert list(RunDir.all(home)) == []


def test_an_input_that_has_no_value_is_named_and_can_be_given_later(home: Path, tmp_path: Path, repo: Path) -> None:
    file = playbook(tmp_path, repo, [GO], inputs={"version": {"type": "semver"}})
    said = amplify("run", file, "--headless")
    assert (said.returncode, "version" in said.stderr) == (4, True)
    run = only_run(home).run
    assert amplify("do", run, "answer", "inputs", "version=3.1.0").returncode == 0
    assert amplify("do", run, "start").returncode == 0


def test_autopilot_is_refused_outside_the_sandbox_unless_the_playbook_allows_it(
    home: Path, tmp_path: Path, repo: Path
) -> None:
    assert_clear(amplify("run", playbook(tmp_path, repo, [GO]), "--headless", "--autopilot"), "autopilot")
    assert list(RunDir.all(home)) == []
    allowed = playbook(tmp_path, repo, [GO], release={"autopilot": True})
    assert amplify("run", allowed, "--headless", "--autopilot").returncode == 0


def test_show_and_runs_have_the_shapes_of_the_reference(home: Path, tmp_path: Path, repo: Path, bench: Bench) -> None:
    file = playbook(tmp_path, repo, [step("work", "command", bench.command("work")), GO])
    amplify("run", file, "--headless")
    run = only_run(home).run
    shown = json.loads(amplify("show", run, "--json").stdout)
    keys = ["run", "mode", "phase", "outcome", "holds", "mitigated", "conductor", "release", "stages", "undo"]
    assert list(shown)[:10] == keys
    assert {"exposure", "seq", "head"} <= set(shown)
    assert set(shown["conductor"]) >= {"state", "host", "pid", "epoch"}
    assert set(shown["release"]) >= {"version", "previous", "tag", "sha", "environment"}
    (stage,) = shown["stages"]
    assert [(s["id"], s["verb"], s["state"]) for s in stage["steps"]] == [
        ("work", "command", "succeeded"),
        ("go", "confirm", "awaiting"),
    ]
    assert set(stage["steps"][0]) >= {"id", "key", "verb", "state", "cause", "phase", "verdict"}
    (item,) = shown["undo"]["items"]
    assert set(item) >= {"effect", "band", "target", "class", "state", "decision"}
    (row,) = json.loads(amplify("runs", "--json").stdout)
    assert (row["run"], row["phase"], row["mode"]) == (run, "forward", "live")
    assert {"started_at", "ended_at", "actor", "playbook", "outcome"} <= set(row)


def test_show_at_an_event_is_the_fold_up_to_it(home: Path, tmp_path: Path, repo: Path) -> None:
    amplify("run", playbook(tmp_path, repo, [GO]), "--headless", "--answers", answers(tmp_path, {"go": True}))
    folder = only_run(home)
    last = replay(folder).seq
    assert last > 5
    for seq in (1, 2, 3, last - 1, last):
        shown = json.loads(amplify("show", folder.run, "--at", str(seq), "--json").stdout)
        assert (shown["seq"], shown["phase"]) == (seq, replay(folder, seq).phase)


def test_headless_json_is_one_envelope_a_line(home: Path, tmp_path: Path, repo: Path) -> None:
    file = playbook(tmp_path, repo, [GO])
    said = amplify("run", file, "--headless", "--json", "--answers", answers(tmp_path, {"go": True}))
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    keys = {"seq", "run", "epoch", "at", "type", "v", "actor", "via", "cmd", "prev", "data"}
    assert all(set(e) == keys for e in events)
    assert events[-1]["type"] == "RunClosed"


def test_a_dry_run_changes_nothing_and_ends_by_itself(home: Path, tmp_path: Path, repo: Path, bench: Bench) -> None:
    file = playbook(tmp_path, repo, [GO, step("work", "command", bench.command("work"))])
    said = amplify("run", file, "--headless", "--dry-run", "--answers", answers(tmp_path, {"go": True}))
    assert said.returncode == 0, said.stderr
    assert bench.did("work") == []


# --- repositories -----------------------------------------------------------------------------------------------------


def with_remote(tmp_path: Path, repo: Path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "remote.git")
    git(repo, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(repo, "fetch", "-q", "origin")
    return tmp_path / "remote.git"


TAGGED = [GO, tag_step()]


def release(tmp_path: Path, repo: Path, **more: object) -> Said:
    file = playbook(tmp_path, repo, TAGGED, **more)
    return amplify("run", file, "--headless", "--answers", answers(tmp_path, {"go": True}))


def test_a_repository_without_a_commit_is_said_in_words(home: Path, tmp_path: Path) -> None:
    bare = tmp_path / "new"
    bare.mkdir()
    git(bare, "init", "-q")
    said = release(tmp_path, bare)
    assert said.returncode == 4
    assert "commit" in said.stderr or "HEAD" in said.stderr


def test_no_repository_at_all_is_said_in_words(home: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in ("folder", "nowhere"):
        said = release(tmp_path, tmp_path / place)
        assert said.returncode == 4
        assert "repository" in said.stderr or "directory" in said.stderr


def test_a_push_without_a_remote_is_said_in_words(home: Path, tmp_path: Path, repo: Path) -> None:
    said = release(tmp_path, repo)
    assert said.returncode == 4
    assert "remote" in said.stderr
    assert "v3.0.0" not in git(repo, "tag", "-l")


@pytest.mark.parametrize("kind", ["plain", "detached", "hostile branch", "shallow"])
def test_a_tag_is_pushed_from_any_sound_repository(home: Path, tmp_path: Path, repo: Path, kind: str) -> None:
    remote = with_remote(tmp_path, repo)
    match kind:
        case "detached":
            git(repo, "checkout", "-q", "--detach")
        case "hostile branch":
            git(repo, "update-ref", "refs/heads/--upload-pack=x", "HEAD")
            git(repo, "symbolic-ref", "HEAD", "refs/heads/--upload-pack=x")
        case "shallow":
            (repo / "more").write_text("x", encoding="utf-8")
            git(repo, "add", "more")
            git(repo, "commit", "-q", "-m", "more")
            git(repo, "push", "-q", "origin", "main")
            shutil.rmtree(repo)
            git(tmp_path, "clone", "-q", "--depth", "1", f"file://{remote}", "repo")
            git(repo, "config", "user.email", "sandbox@example.com")
            git(repo, "config", "user.name", "Sandbox")
    said = release(tmp_path, repo)
    assert said.returncode == 0, said.stderr + said.stdout
    assert git(remote, "tag", "-l") == "v3.0.0"


def test_a_branch_that_looks_like_an_option_is_no_option(home: Path, tmp_path: Path, repo: Path) -> None:
    said = release(tmp_path, repo, release={"ref": "--upload-pack=touch x"})
    assert said.returncode in (2, 4)
    assert "upload-pack" in said.stderr + said.stdout
    assert not (repo / "x").exists()


def test_a_bare_repository_is_tagged_or_said_in_words(home: Path, tmp_path: Path, repo: Path) -> None:
    remote = with_remote(tmp_path, repo)
    git(tmp_path, "clone", "-q", "--bare", str(remote), "bare.git")
    git(tmp_path / "bare.git", "config", "user.email", "sandbox@example.com")
    git(tmp_path / "bare.git", "config", "user.name", "Sandbox")
    said = release(tmp_path, tmp_path / "bare.git")
    assert said.returncode in (0, 4), said.stderr
    if said.returncode == 4:
        assert "bare" in said.stderr


def test_a_version_that_is_tagged_on_another_commit_is_said_in_words(home: Path, tmp_path: Path, repo: Path) -> None:
    remote = with_remote(tmp_path, repo)
    git(repo, "tag", "-a", "-m", "x", "v3.0.0")
    git(repo, "push", "-q", "origin", "v3.0.0")
    before = git(remote, "rev-parse", "v3.0.0^{}")
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    said = release(tmp_path, repo)
    assert said.returncode == 4
    assert "v3.0.0" in said.stderr
    assert git(remote, "rev-parse", "v3.0.0^{}") == before
