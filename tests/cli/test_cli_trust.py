"""What may start: what a commit vouches for. Anything else shows what it would run, and needs a person's reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.cli.common import replay
from amplify_tui.engine.rundir import RunDir
from tests.cli.test_cli_runs import GO, only_run
from tests.engine.crash_world import (
    Bench,
    Said,
    amplify,
    assert_clear,
    committed,
    git,
    plain_playbook,
    plain_repo,
    step,
)

WHY = ("--untrusted", "--reason", "the repository is down")


class Place:
    """A repository with a playbook that runs one command, and a remote that has its main branch."""

    def __init__(self, folder: Path, bench: Bench) -> None:
        self.bench = bench
        self.repo = plain_repo(folder / "shop")
        self.file = self.repo / "release.yaml"
        git(folder, "clone", "-q", "--bare", str(self.repo), str(folder / "shop.git"))
        git(self.repo, "remote", "add", "origin", str(folder / "shop.git"))
        self.write()
        committed(self.file)
        self.push()

    def write(self, *more: dict[str, Any], ref: str | None = None, **fields: Any) -> None:
        release = {"trusted_ref": ref} if ref else {}
        steps = [step("work", "command", self.bench.command("work")), *more]
        self.file.write_text(plain_playbook(self.repo, steps, release=release, **fields), encoding="utf-8")

    def push(self) -> None:
        git(self.repo, "push", "-q", "origin", "main")

    def run(self, *args: str) -> Said:
        return amplify("run", str(self.file), "--headless", *args)

    def did(self) -> int:
        return len(self.bench.did("work"))


@pytest.fixture
def place(tmp_path: Path, bench: Bench) -> Place:
    return Place(tmp_path / "place", bench)


def newest(home: Path) -> RunDir:
    runs = json.loads(amplify("runs", "--json").stdout)
    return RunDir.find(home, max(runs, key=lambda run: run["started_at"] or 0)["run"])


def test_a_committed_playbook_starts_without_a_question(home: Path, place: Place) -> None:
    assert place.run().returncode == 0
    assert place.did() == 1
    trust = replay(only_run(home)).trust
    assert trust is not None
    assert (trust.doubts, trust.barred, trust.is_new) == ((), "", True)


@pytest.mark.parametrize("kind", ["changed", "never added", "no repository", "link", "staged", "behind a link"])
def test_what_no_commit_vouches_for_does_not_start_and_says_what_it_would_run(
    home: Path, tmp_path: Path, place: Place, kind: str
) -> None:
    match kind:
        case "changed":
            place.write(GO)
        case "staged":
            place.write(GO)
            git(place.repo, "add", "release.yaml")
        case "never added":
            place.file = place.file.rename(place.repo / "other.yaml")
        case "no repository":
            place.file = place.file.rename(tmp_path / "release.yaml")
        case "link":
            target = place.file.rename(tmp_path / "elsewhere.yaml")
            place.file.symlink_to(target)
            committed(place.file)
        case "behind a link":
            other = tmp_path / "other"
            other.mkdir()
            place.file.rename(other / "release.yaml")
            (place.repo / "ops").symlink_to(other)
            git(place.repo, "add", "-A")
            git(place.repo, "commit", "-qm", "a link")
            place.file = place.repo / "ops" / "release.yaml"
    said = place.run()
    assert said.returncode == 4
    assert "its playbook is not trusted" in said.stderr
    assert "--untrusted --reason" in said.stderr
    assert f"runs {' '.join(place.bench.argv('work'))}" in said.stderr
    assert place.did() == 0
    assert replay(only_run(home)).phase == "draft"


def test_a_reason_starts_it_and_stays_in_the_journal(home: Path, place: Place) -> None:
    place.write(GO)
    assert_clear(place.run("--untrusted"), "reason", code=2)
    assert list(RunDir.all(home)) == []
    assert place.run(*WHY).returncode == 4  # where it asks whether to go on
    state = replay(only_run(home))
    assert (state.phase, state.untrusted, place.did()) == ("forward", WHY[2], 1)
    assert WHY[2] in amplify("show", state.run).stdout


def test_do_starts_a_draft_that_was_refused(home: Path, place: Place) -> None:
    place.write(GO)
    assert place.run().returncode == 4
    run = only_run(home).run
    assert_clear(amplify("do", run, "start"), "not trusted", "--untrusted", code=1)
    assert_clear(amplify("do", run, "start", "--untrusted"), "no reason", code=1)
    stale = amplify("do", run, "start", *WHY, "--expect", "f" * 64)
    assert_clear(stale, "another than what was shown", code=1)
    assert amplify("do", run, "start", *WHY).returncode == 0


def test_a_commit_made_after_the_draft_vouches_for_it_if_it_holds_what_was_pinned(home: Path, place: Place) -> None:
    place.write(GO)
    assert place.run().returncode == 4
    run = only_run(home).run
    pinned = place.file.read_text()
    place.write(GO, GO | {"id": "more"})
    committed(place.file)
    assert_clear(amplify("do", run, "start"), "not trusted", code=1)
    place.file.write_text(pinned)
    committed(place.file)
    assert amplify("do", run, "start").returncode == 0


# --- trusted_ref ------------------------------------------------------------------------------------------------------


def test_what_has_to_be_on_a_branch_starts_from_there_only_and_no_reason_helps(home: Path, place: Place) -> None:
    place.write(ref="origin/main")
    committed(place.file)
    for said in (place.run(), place.run(*WHY)):
        assert said.returncode == 4
        assert "is not on origin/main" in said.stderr
        assert "merge it to origin/main and fetch" in said.stderr
    assert place.did() == 0
    place.push()
    assert place.run().returncode == 0
    assert place.did() == 1


def test_a_change_that_is_not_committed_is_not_on_the_branch_though_its_last_commit_is(
    home: Path, place: Place
) -> None:
    place.write(ref="origin/main")
    committed(place.file)
    place.push()
    place.write(GO, ref="origin/main")
    said = place.run(*WHY)
    assert (said.returncode, "is not on origin/main" in said.stderr, place.did()) == (4, True, 0)


def test_an_older_version_that_was_on_the_branch_starts(home: Path, place: Place) -> None:
    place.write(ref="origin/main")
    committed(place.file)
    old = git(place.repo, "rev-parse", "HEAD")
    place.write(GO, ref="origin/main")
    committed(place.file)
    place.push()
    git(place.repo, "checkout", "-q", old)
    assert place.run().returncode == 0


def test_a_branch_that_is_not_there_bars_the_start_and_is_named(home: Path, place: Place) -> None:
    place.write(ref="origin/production")
    committed(place.file)
    said = place.run(*WHY)
    assert (said.returncode, "origin/production" in said.stderr, place.did()) == (4, True, 0)


def test_a_local_branch_of_the_same_name_is_not_taken_for_the_remotes(home: Path, place: Place) -> None:
    place.write(ref="origin/main")
    committed(place.file)
    git(place.repo, "branch", "origin/main")
    said = place.run(*WHY)
    assert (said.returncode, place.did()) == (4, 0)
    assert "both a branch and a tag" in said.stderr or "is not on origin/main" in said.stderr


def test_leaving_the_branch_out_needs_a_word_unless_the_branch_has_that_version(home: Path, place: Place) -> None:
    place.write(ref="origin/main")
    committed(place.file)
    place.push()
    assert place.run().returncode == 0
    place.write()
    committed(place.file)
    said = place.run()
    assert said.returncode == 4
    assert "it had to be on origin/main" in said.stderr
    place.push()
    assert place.run().returncode == 0


# --- what is new ------------------------------------------------------------------------------------------------------


def test_the_first_start_of_a_bundle_shows_what_is_another_than_in_the_last(home: Path, place: Place) -> None:
    first = place.run()
    assert "it never ran here before, nor did another of its name" in first.stderr
    again = place.run()
    assert "never ran here before" not in again.stderr
    hook = {"method": "POST", "url": "https://cdn.example.com/purge?a=1", "headers": {"X-Key": "${{ secrets.CDN }}"}}
    purge = step("purge", "http", {**hook, "undo": "none"}, when="${{ release.version == '9.9.9' }}")
    place.write(purge, step("extra", "command", {"argv": ["touch", "a b", "${{ release.tag }}"], "undo": "none"}))
    committed(place.file)
    new = place.run()
    last = sorted(RunDir.all(home), key=lambda run: replay(run).created_at)[-2].run
    assert f"against run {last}:" in new.stderr
    shown = [line.strip() for line in new.stderr.splitlines() if line.strip().startswith(("+", "-"))]
    assert shown == [
        "+ runs touch 'a b' ${{ release.tag }}",
        "+ reaches cdn.example.com",
        "+ uses the secret CDN",
    ]
    trust = replay(newest(home)).trust
    assert trust is not None
    assert list(trust.changes) == shown


# --- nothing is asked of a world that a stranger wrote down ------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that a playbook may name, and the headers of each request that it got."""
    got: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_draft_that_nobody_vouches_for_sends_no_token_to_the_hosts_that_it_names(
    home: Path, place: Place, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, list[dict[str, str]]]
) -> None:
    url, got = asked
    monkeypatch.setenv("PROM_TOKEN", "canary-7f31")
    more = {
        "services": {"shop": {"instances": [url], "health": {"every": "100ms"}}},
        "sources": {"prom": {"prometheus": url, "token": "${{ secrets.PROM_TOKEN }}"}},
        "signals": {"e": {"golden": "errors", "source": "prom", "bad": "rate(b[1m])", "total": "rate(t[1m])"}},
    }
    place.write(GO, **more)
    said = place.run()
    assert said.returncode == 4
    assert f"reaches {url.removeprefix('http://')}" in said.stderr
    assert "uses the secret PROM_TOKEN" in said.stderr
    assert got == []
    amplify("do", only_run(home).run, "start", *WHY)
    assert any("canary-7f31" in value for headers in got for value in headers.values())


# --- the same before a look that has no run ---------------------------------------------------------------------------


@pytest.fixture
def canary(place: Place, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, list[dict[str, str]]]) -> dict[str, Any]:
    """Sections of a playbook that send a token to the server, and a gate that asks it."""
    monkeypatch.setenv("PROM_TOKEN", "canary-7f31")
    return {
        "services": {"shop": {"instances": [asked[0]]}},
        "sources": {"prom": {"prometheus": asked[0], "token": "${{ secrets.PROM_TOKEN }}"}},
        "signals": {
            "e": {"golden": "errors", "source": "prom", "bad": "rate(b[1m])", "total": "rate(t[1m])", "limit": LIMIT}
        },
    }


LIMIT = {"above": "1%", "for": "10s"}
WATCH = step("watch", "monitor", {"for": "1m", "gate": ["e"]})


def looked(place: Place, look: str, *more: str) -> Said:
    if look == "check":
        return amplify("check", str(place.file), "--live", *more)
    return amplify("backtest", str(place.file), "--step", "watch", "--last", "1m", *more)


def tokens(got: list[dict[str, str]]) -> int:
    return sum("canary-7f31" in value for headers in got for value in headers.values())


@pytest.mark.parametrize("look", ["check", "backtest"])
@pytest.mark.parametrize("kind", ["changed", "not on its branch", "the branch was left out"])
def test_a_look_at_what_nobody_vouches_for_asks_nothing_until_somebody_says_that_it_was_read(
    home: Path,
    place: Place,
    asked: tuple[str, list[dict[str, str]]],
    canary: dict[str, Any],
    look: str,
    kind: str,
) -> None:
    url, got = asked
    if kind == "the branch was left out":
        place.write(ref="origin/main")
        committed(place.file)
        place.push()
        assert place.run().returncode == 0
    place.write(WATCH, ref="origin/main" if kind == "not on its branch" else None, **canary)
    if kind != "changed":
        committed(place.file)
    said = looked(place, look)
    told = said.stdout if look == "check" else said.stderr
    assert said.returncode == (2 if look == "check" else 4)
    assert "nothing was asked of what it names" in told
    assert "its playbook is not trusted" in told
    assert "commit it, or give `--untrusted` once you have read what it would reach" in told
    assert f"reaches {url.removeprefix('http://')}" in said.stderr
    assert "uses the secret PROM_TOKEN" in said.stderr
    assert got == []
    looked(place, look, "--untrusted")
    assert tokens(got) > 0


@pytest.mark.parametrize("look", ["check", "backtest"])
def test_a_look_at_a_committed_playbook_needs_no_word(
    home: Path, place: Place, asked: tuple[str, list[dict[str, str]]], canary: dict[str, Any], look: str
) -> None:
    place.write(WATCH, **canary)
    committed(place.file)
    assert "not trusted" not in (said := looked(place, look)).stdout + said.stderr
    assert tokens(asked[1]) > 0


def test_check_says_as_json_that_it_did_not_look(
    home: Path, place: Place, asked: tuple[str, list[dict[str, str]]], canary: dict[str, Any]
) -> None:
    place.write(WATCH, **canary)
    said = looked(place, "check", "--json")
    problems = json.loads(said.stdout)["problems"]
    assert [(one["code"], one["severity"]) for one in problems if one["severity"] == "error"] == [
        ("not-trusted", "error")
    ]
    assert asked[1] == []
    assert amplify("check", str(place.file)).returncode == 0  # without --live nothing is asked, and nobody need vouch
