"""A flag file behind a real remote: refused pushes, lost answers, races, and the applications that read the file."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from amplify_tui.adapters.flagfile.provider import FlagfileProvider
from amplify_tui.adapters.flags.kinds import KINDS
from amplify_tui.adapters.flags.port import Expose, FlagSpec, StrategySpec
from amplify_tui.adapters.git.branch import RemoteFile
from amplify_tui.adapters.ports import Absent, Done, FlagWrite, NotFound, Unknown
from tests.adapters.git_world import ENV, commit, git, hook, with_remote

PATH = "ops/flags/production.json"
RULES = KINDS.called("flagfile").rules
CREATE = FlagSpec(create="release", enabled=True, strategies=(StrategySpec(title="ramp", rollout=25),))


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A working tree with a flag file that is pushed, and a neighbour of it that nobody may touch."""
    where = with_remote(tmp_path / "clone", tmp_path / "remote.git")
    (where / "ops/flags").mkdir(parents=True)
    (where / PATH).write_text('{\n  "flags": {}\n}\n')
    (where / "ops/run.sh").write_text("#!/bin/sh\n")
    (where / "ops/run.sh").chmod(0o755)
    git(where, "add", ".")
    git(where, "commit", "-qm", "feat: flags")
    git(where, "push", "--quiet", "origin", "main")
    return where


def provider(clone: Path, **more: object) -> FlagfileProvider:
    file = RemoteFile(clone, path=PATH, remote="origin", **{"timeout": 20.0, **more})  # type: ignore[arg-type]
    return FlagfileProvider(file, environment="production")


async def planned(flags: FlagfileProvider, wish: FlagSpec | Expose, key: str = "beta") -> FlagWrite:
    return RULES.plan((await flags.read([key]))[key], wish)


async def test_a_change_is_one_commit_of_one_file_and_leaves_the_working_tree_alone(clone: Path) -> None:
    (clone / PATH).write_text("somebody is at work here")
    was = git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD"), git(clone, "ls-files", "-s")
    flags = provider(clone)
    assert isinstance(await flags.apply(await planned(flags, CREATE)), Done)
    assert (git(clone, "status", "--porcelain"), git(clone, "rev-parse", "HEAD"), git(clone, "ls-files", "-s")) == was
    remote = clone.parent / "remote.git"
    assert git(remote, "diff", "--name-status", "main~1", "main") == f"M\t{PATH}"
    assert git(remote, "ls-tree", "main:ops", "run.sh").startswith("100755")
    assert git(remote, "log", "-1", "--format=%s", "main") == "Create beta, on"


async def test_a_branch_that_moved_on_elsewhere_is_no_conflict(clone: Path, tmp_path: Path) -> None:
    flags = provider(clone)
    write = await planned(flags, CREATE)
    # Between our read and our push somebody else pushes: the hook of the first push does it for them.
    git(tmp_path, "clone", "--quiet", (tmp_path / "remote.git").as_uri(), "other")
    commit(tmp_path / "other", "feat: unrelated")
    once = tmp_path / "once"
    once.touch()
    push = f"env -i PATH=$PATH git -C {tmp_path}/other push -q origin main"
    hook(tmp_path / "remote.git", f"test -e {once} && rm {once} || exit 0; {push}")
    outcome = await flags.apply(write)
    assert isinstance(outcome, Done), outcome
    remote = clone.parent / "remote.git"
    assert len(git(remote, "log", "--format=%H", "main").splitlines()) == 3
    assert (await flags.read(["beta"]))["beta"].enabled


async def test_a_protected_branch_refuses_in_its_own_words_and_nothing_has_changed(clone: Path, tmp_path: Path) -> None:
    flags = provider(clone)
    write = await planned(flags, CREATE)
    hook(tmp_path / "remote.git", "echo 'main is protected: open a pull request' >&2; exit 1")
    outcome = await flags.apply(write)
    assert isinstance(outcome, Absent)
    assert (outcome.error, outcome.retryable) == ("Forbidden", False)
    assert "open a pull request" in outcome.reason
    assert not (await flags.read(["beta"]))["beta"].exists


async def test_a_push_whose_answer_is_lost_is_unknown_and_the_branch_settles_it(clone: Path, tmp_path: Path) -> None:
    taken, go = tmp_path / "taken", tmp_path / "go"
    waits = f"touch {taken}; while ! test -e {go}; do sleep 0.05; done"
    hook(tmp_path / "remote.git", waits, name="post-receive")
    flags = provider(clone, timeout=2.0)
    write = await planned(flags, CREATE)
    outcome = await flags.apply(write)
    go.touch()
    assert isinstance(outcome, Unknown), outcome
    assert taken.exists()
    assert RULES.same((await flags.read(["beta"]))["beta"].raw, write.after)


async def test_a_kill_outruns_a_write_that_is_still_on_its_way(clone: Path, tmp_path: Path) -> None:
    flags = provider(clone)
    assert isinstance(await flags.apply(await planned(flags, CREATE)), Done)
    go, began = tmp_path / "go", tmp_path / "began"
    hook(tmp_path / "remote.git", f"test -e {go} || {{ touch {began}; while ! test -e {go}; do sleep 0.05; done; }}")
    late = asyncio.create_task(provider(clone).apply(await planned(flags, Expose(percent=100))))
    while not began.exists():
        await asyncio.sleep(0.02)
    hook(tmp_path / "remote.git", "exit 0")
    killed = (await provider(clone).kill(["beta"]))["beta"]
    go.touch()
    assert isinstance(killed, Done), killed
    outcome = await late
    assert isinstance(outcome, Absent), outcome
    assert not (await flags.read(["beta"]))["beta"].enabled


async def test_who_changed_a_flag_and_how_is_read_from_the_history(clone: Path) -> None:
    flags, began = provider(clone), time.time() - 5
    assert isinstance(await flags.apply(await planned(flags, CREATE)), Done)
    assert isinstance(await flags.apply(await planned(flags, CREATE, "other")), Done)
    assert isinstance(await flags.apply(await planned(flags, Expose(percent=50))), Done)
    changes = await flags.changes("beta", began)
    assert [change.by for change in changes] == ["captain", "captain"]
    assert "25 % to 50 %" in changes[-1].what
    assert await flags.exposed_since("beta") == changes[-1].at


@pytest.mark.parametrize(("path", "branch", "error"), [("gone.json", "", NotFound), (PATH, "no-such-branch", NotFound)])
async def test_what_is_not_there_is_named(clone: Path, path: str, branch: str, error: type[Exception]) -> None:
    file = RemoteFile(clone, path=path, remote="origin", branch=branch)
    flags = FlagfileProvider(file, environment="production")
    with pytest.raises(error):
        await flags.read(["beta"])
    [problem] = await flags.check()
    assert problem.fix


async def test_a_broken_file_stops_reads_and_writes_and_is_not_repaired(clone: Path) -> None:
    flags = provider(clone)
    write = await planned(flags, CREATE)
    (clone / PATH).write_text('{"flags": {')
    git(clone, "commit", "-qam", "oops")
    git(clone, "push", "-q", "origin", "main")
    for outcome in (await flags.apply(write), (await flags.kill(["beta"]))["beta"]):
        assert isinstance(outcome, Absent)
        assert "no JSON" in outcome.reason
    assert git(clone.parent / "remote.git", "show", f"main:{PATH}") == '{"flags": {'


async def test_an_application_on_the_official_provider_gets_what_we_say_it_gets(clone: Path, tmp_path: Path) -> None:
    from openfeature import api
    from openfeature.contrib.provider.flagd import FlagdProvider
    from openfeature.contrib.provider.flagd.config import ResolverType
    from openfeature.evaluation_context import EvaluationContext

    flags = provider(clone)
    assert isinstance(await flags.apply(await planned(flags, CREATE)), Done)
    state = (await flags.read(["beta"]))["beta"]
    deployed = tmp_path / "flags.json"
    deployed.write_text(git(clone.parent / "remote.git", "show", f"main:{PATH}"))
    assert json.loads(deployed.read_text())["flags"]["beta"]["state"] == "ENABLED"
    api.set_provider_and_wait(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(deployed)))
    try:
        client = api.get_client()
        users = [{"userId": f"user-{n}"} for n in range(10_000)]
        seen = {
            at
            for at, user in enumerate(users)
            if client.get_boolean_value("beta", False, EvaluationContext(targeting_key=user["userId"]))
        }
    finally:
        api.shutdown()
    assert seen == RULES.evaluator([state]).users("beta", users)
    assert abs(len(seen) - 2_500) < 130  # three sigma of 10,000 draws
