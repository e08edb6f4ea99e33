"""scope, tag, notify and http: a real repository with a remote, a real sink and real servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.ports import Absent, Done, Invalid, NotFound, Unknown
from amplify_tui.drill import plainhttp
from amplify_tui.drill.world import World
from amplify_tui.playbook.model import Stakeholder
from amplify_tui.run.shapes import WORDS_BAND, Subject
from amplify_tui.run.undo import LANDS_WITHIN
from amplify_tui.steps.http import HttpFields, Request
from amplify_tui.steps.http_call import ExpectAnswer
from amplify_tui.steps.notify import NotifyFields
from amplify_tui.steps.scope import ScopeFields
from amplify_tui.steps.tag import TagFields
from tests.adapters.git_world import ENV, commit, git, hook, with_remote
from tests.steps.steps_world import VERSION, Bench, RealWorld, playbook


@pytest.fixture
def repo_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealWorld:
    """A repository with three commits since v2.9.4, and a bare remote called origin."""
    for name, value in ENV.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)
    root = with_remote(tmp_path / "work", tmp_path / "origin.git")
    commit(root, "chore: start", at=1_700_000_000)
    git(root, "tag", "-a", "-m", "2.9.4", "v2.9.4")
    commit(root, "feat(cart): coupons SHOP-1", at=1_700_000_100)
    commit(root, "fix!: rounding SHOP-2", at=1_700_000_200)
    commit(root, "docs: readme", at=1_700_000_300)
    git(root, "push", "--quiet", "origin", "main", "v2.9.4")
    return RealWorld(playbook(), root, tmp_path / "run")


def bench_of(world: RealWorld, verb: str) -> Bench:
    bench = Bench(world, verb)
    sha = git(world.repo_path, "rev-parse", "HEAD")
    subject = Subject(repo=".", sha=sha, version=VERSION, tag="v3.0.0", previous="2.9.4", previous_tag="v2.9.4")
    bench.state = replace(bench.state, subject=subject)
    return bench


# --- scope ----------------------------------------------------------------------------------------------------------


async def test_the_scope_is_what_came_since_the_release_before(repo_world: RealWorld) -> None:
    bench = bench_of(repo_world, "scope")
    ended = await bench.finish(ScopeFields(require_ticket="warn"))
    assert ended.ok
    assert (ended.outputs["count"], ended.outputs["breaking"]) == (3, True)
    assert ended.outputs["tickets"] == ["SHOP-2", "SHOP-1"]
    assert "coupons" in ended.outputs["notes"]
    assert "1 commits name no ticket" in ended.reason
    assert not (await bench.finish(ScopeFields(require_ticket=True))).ok


async def test_a_broken_pattern_is_said_and_not_raised_as_a_bug(repo_world: RealWorld) -> None:
    with pytest.raises(Invalid, match="regular expression"):
        await bench_of(repo_world, "scope").finish(ScopeFields(tickets="("))


# --- tag ------------------------------------------------------------------------------------------------------------

TAG = TagFields(name="v3.0.0", message="Release 3.0.0", push="origin")


def at_remote(world: RealWorld, name: str) -> str:
    return git(world.repo_path, "ls-remote", "origin", f"refs/tags/{name}")


async def test_a_tag_is_made_then_pushed_and_a_second_time_nothing_is_done(repo_world: RealWorld) -> None:
    bench = bench_of(repo_world, "tag")
    made = await bench.drive(TAG)
    assert [type(one.outcome) for one in made] == [Done, Done]
    assert at_remote(repo_world, "v3.0.0")
    again = bench_of(repo_world, "tag")
    assert [one.draft for one in await again.drive(TAG)] == [None, None]
    for effect in bench.state.effects.values():
        assert (await bench.probe(effect)).result == "done"


async def test_a_tag_that_is_out_is_withdrawn_and_never_deleted(repo_world: RealWorld) -> None:
    bench = bench_of(repo_world, "tag")
    await bench.drive(TAG)
    assert {item.band for item in bench.plan()} == {WORDS_BAND}
    made = await bench.take_all_back()
    assert [type(one.outcome) for one in made] == [Done, Done]
    assert at_remote(repo_world, "v3.0.0")
    assert at_remote(repo_world, "withdrawn/v3.0.0")
    words = git(repo_world.repo_path, "tag", "-l", "-n9", "withdrawn/v3.0.0")
    assert "Use 2.9.4 instead" in words
    assert git(repo_world.repo_path, "tag", "-l", "v3.0.0") == "v3.0.0"  # the remote has it: it stays here too


async def test_a_tag_that_never_left_is_deleted(repo_world: RealWorld) -> None:
    bench = bench_of(repo_world, "tag")
    await bench.drive(replace(TAG, push=False))
    [made] = await bench.take_all_back()
    assert isinstance(made.outcome, Done)
    assert git(repo_world.repo_path, "tag", "-l", "v3.0.0") == ""


async def test_a_refused_push_says_why_in_the_server_s_words(repo_world: RealWorld) -> None:
    hook(repo_world.repo_path.parent / "origin.git", "echo 'tags are frozen' >&2; exit 1")
    bench = bench_of(repo_world, "tag")
    made = await bench.drive(TAG)
    assert isinstance(made[-1].outcome, Absent)
    assert "tags are frozen" in made[-1].outcome.reason


async def test_a_push_without_an_answer_is_settled_by_the_remote(repo_world: RealWorld) -> None:
    hook(repo_world.repo_path.parent / "origin.git", "sleep 30")
    bench = bench_of(repo_world, "tag")
    bench.state = replace(
        bench.state,
        plan=replace(bench.state.plan, steps={"it": replace(bench.state.plan.steps["it"], timeout=0.5)}),
    )
    made = await bench.drive(TAG)
    assert isinstance(made[-1].outcome, Unknown)
    assert made[-1].effect is not None
    assert (await bench.probe(made[-1].effect)).result == "absent"


async def test_a_tag_on_another_commit_is_never_moved(repo_world: RealWorld) -> None:
    bench = bench_of(repo_world, "tag")
    await bench.drive(TAG)
    first = next(iter(bench.state.effects.values()))
    commit(repo_world.repo_path, "feat: later", at=1_700_000_400)
    with pytest.raises(Invalid, match="already"):
        await bench_of(repo_world, "tag").drive(TAG)
    git(repo_world.repo_path, "tag", "-f", "v3.0.0")
    assert (await bench.probe(first)).result == "diverged"


async def test_a_push_to_a_remote_that_is_not_there_is_refused_before_the_tag_is_made(repo_world: RealWorld) -> None:
    bench = Bench(repo_world, "tag")
    assert (await bench.verb.prepare(replace(TAG, push=True), bench.ctx())).preview  # true means origin
    with pytest.raises(NotFound, match="no remote nowhere"):
        await bench.verb.prepare(replace(TAG, push="nowhere"), bench.ctx())


async def test_an_unexpected_release_before_stops_the_tag(repo_world: RealWorld) -> None:
    with pytest.raises(Invalid, match=r"v2\.9\.4, expected v2\.9\.3"):
        await bench_of(repo_world, "tag").drive(replace(TAG, expect_previous="v2.9.3"))


# --- notify ---------------------------------------------------------------------------------------------------------

TOLD = NotifyFields(to=("support",), subject="3.0.0 starts", body="now")


def messages(sandbox: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plainhttp.call(f"{sandbox.facts()['sink']['http']}/messages")
    return found


async def test_a_message_arrives_and_its_correction_follows_it(sandbox: World, sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "notify")
    [made] = await bench.drive(TOLD)
    assert isinstance(made.outcome, Done)
    assert (await bench.finish(TOLD)).reason == ""
    [item] = bench.plan()
    assert item.band == WORDS_BAND
    await bench.take_back(item)
    mine = [one["body"] for one in messages(sandbox) if one["to"] == "/support"][-2:]
    assert [one["subject"] for one in mine] == ["3.0.0 starts", "Correction: 3.0.0 starts"]
    assert "2.9.4 is live again" in mine[1]["body"]
    assert mine[1]["parent"]


async def test_the_card_and_the_report_go_with_the_message(sandbox: World, sandbox_world: RealWorld) -> None:
    book = sandbox_world.playbook
    told = sandbox_world.repo_path.parent / "told.jsonl"
    sandbox_world.playbook = replace(
        book, stakeholders=book.stakeholders | {"oncall": Stakeholder(via="file", url=str(told))}
    )
    bench = Bench(sandbox_world, "notify")
    fields = replace(TOLD, to=("support", "oncall"), attach=("card", "report"))
    assert (await bench.verb.prepare(fields, bench.ctx())).preview.endswith("with card.txt\nwith report.txt")
    assert [type(one.outcome) for one in await bench.drive(fields)] == [Done, Done]
    posted = [one["body"] for one in messages(sandbox) if one["to"] == "/support"][-1]
    written = json.loads(told.read_text().splitlines()[-1])
    for message in (posted, written):
        assert message["body"] == "now"
        files = {file["name"]: file["text"] for file in message["files"]}
        assert set(files) == {"card.txt", "report.txt"}
        assert "# Roll back by hand" in files["card.txt"]
        assert "run r1  forward" in files["report.txt"]


async def test_a_message_that_fails_is_told_and_holds_up_nobody(sandbox_world: RealWorld) -> None:
    dead = Stakeholder(via="webhook", url="http://127.0.0.1:9/x")
    book = sandbox_world.playbook
    sandbox_world.playbook = replace(book, stakeholders=book.stakeholders | {"oncall": dead})
    bench = Bench(sandbox_world, "notify")
    fields = replace(TOLD, to=("support", "oncall"))
    made = await bench.drive(fields)
    assert [type(one.outcome) for one in made] == [Done, Done]
    ended = await bench.finish(fields)
    assert ended.ok
    assert ended.reason.startswith("not told: oncall: ")
    item = next(item for item in bench.plan() if item.spec["stakeholder"] == "oncall")
    never = await bench.take_back(item)
    assert isinstance(never.outcome, Done)
    assert never.outcome.observed == {"sent": "no", "why": "the message never went out"}


async def test_a_message_that_must_arrive_fails_its_step(sandbox_world: RealWorld) -> None:
    dead = Stakeholder(via="webhook", url="http://127.0.0.1:9/x")
    sandbox_world.playbook = replace(sandbox_world.playbook, stakeholders={"support": dead})
    [made] = await Bench(sandbox_world, "notify").drive(replace(TOLD, wait=True))
    assert isinstance(made.outcome, Absent)


async def test_a_message_without_an_answer_cannot_be_probed(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "notify")
    [made] = await bench.drive(TOLD)
    assert made.effect is not None
    assert (await bench.probe(made.effect)).result == "unreachable"


# --- http -----------------------------------------------------------------------------------------------------------


class Server:
    """Answers each request with what it was told to, or with silence."""

    def __init__(self) -> None:
        self.url = ""
        self.location = ""  # where its redirects lead
        self.answers: dict[str, tuple[int, Any] | None] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.split("\r\n")
            headers = dict(one.lower().split(": ", 1) for one in rest if ": " in one)
            await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = line.split(" ")
            self.seen.append((f"{method} {path}", headers))
            answer = self.answers.get(f"{method} {path}", (200, {}))
            if answer is not None:
                body = json.dumps(answer[1]).encode()
                writer.write(f"HTTP/1.1 {answer[0]} x\r\nContent-Length: {len(body)}\r\n".encode())
                if self.location:
                    writer.write(f"Location: {self.location}\r\n".encode())
                writer.write(b"Connection: close\r\n\r\n" + body)
                await writer.drain()
            else:
                await reader.read()  # until the other side gives up
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield server


async def test_a_read_has_no_effect_and_is_judged_by_what_it_answers(bare_world: RealWorld) -> None:
    async with serving() as server:
        server.answers["GET /"] = (200, {"deep": [{"state": "up"}]})
        bench = Bench(bare_world, "http")
        fields = HttpFields(url=f"{server.url}/", expect=ExpectAnswer(json={"deep.0.state": "up"}))
        assert await bench.drive(fields) == []
        assert (await bench.finish(fields)).ok
        wrong = await bench.finish(replace(fields, expect=ExpectAnswer(json={"deep.0.state": "down"})))
        assert 'has "up" at deep.0.state, expected "down"' in wrong.reason


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((202, {}), Done),
        ((404, {}), Absent),
        ((302, {}), Absent),
        ((429, {}), Absent),
        ((500, {}), Unknown),
        (None, Unknown),
    ],
)
async def test_what_an_answer_to_a_write_proves(
    bare_world: RealWorld, answer: tuple[int, Any] | None, outcome: type
) -> None:
    async with serving() as server:
        server.answers["POST /purge"] = answer
        bench = Bench(bare_world, "http", timeout=0.5)
        fields = HttpFields(
            method="POST", url=f"{server.url}/purge", undo="none", json={"all": True}, idempotency_header="X-Key"
        )
        [made] = await bench.drive(fields)
        assert type(made.outcome) is outcome
        assert server.seen[0][1]["x-key"] == "r1/it//0"


async def test_a_write_to_nobody_was_not_done(bare_world: RealWorld) -> None:
    [made] = await Bench(bare_world, "http").drive(HttpFields(method="POST", url="http://127.0.0.1:9/", undo="none"))
    assert isinstance(made.outcome, Absent)
    assert made.outcome.retryable


async def test_the_probe_of_a_request_tells_done_from_absent(bare_world: RealWorld) -> None:
    async with serving() as server:
        server.answers["POST /silence"] = None
        bench = Bench(bare_world, "http", timeout=2.0)
        fields = HttpFields(
            method="POST", url=f"{server.url}/silence", undo="none", probe=Request(url=f"{server.url}/state")
        )
        [made] = await bench.drive(fields)
        assert made.effect is not None
        for status, result in ((200, "done"), (404, "absent"), (500, "unreachable")):
            server.answers["GET /state"] = (status, {})
            assert (await bench.probe(made.effect)).result == result


@pytest.mark.parametrize("header", [None, "Idempotency-Key"])
async def test_a_request_that_may_land_late_is_not_sent_again_unless_the_other_side_knows_it_by_its_key(
    bare_world: RealWorld, header: str | None
) -> None:
    async with serving() as server:
        server.answers["POST /silence"] = None
        server.answers["GET /state"] = (404, {})
        bench = Bench(bare_world, "http", timeout=0.5)
        fields = HttpFields(
            method="POST",
            url=f"{server.url}/silence",
            undo="none",
            probe=Request(url=f"{server.url}/state"),
            idempotency_header=header,
        )
        [made] = await bench.drive(fields)
        assert made.effect is not None
        now = time.time()
        fresh = await bench.probe(replace(made.effect, unknown_since=now))
        assert fresh.result == ("absent" if header else "unreachable")
        assert ("a request without an answer may land late" in fresh.detail) == (header is None)
        assert (await bench.probe(replace(made.effect, unknown_since=now - LANDS_WITHIN))).result == "absent"


async def test_the_undo_of_a_request_is_a_request(bare_world: RealWorld) -> None:
    async with serving() as server:
        bench = Bench(bare_world, "http")
        undo = Request(method="DELETE", url=f"{server.url}/thing")
        await bench.drive(HttpFields(method="POST", url=f"{server.url}/thing", undo=undo))
        [made] = await bench.take_all_back()
        assert isinstance(made.outcome, Done)
        assert [one[0] for one in server.seen] == ["POST /thing", "DELETE /thing"]


async def test_a_secret_in_an_address_is_sent_and_never_told(bare_world: RealWorld) -> None:
    bare_world.secrets["KEY"] = "s3cr3t"
    async with serving() as server:
        bench = Bench(bare_world, "http")
        fields = HttpFields(
            method="POST", url=f"{server.url}/x?key=\u27e6secret:KEY\u27e7", hosts=("127.0.0.1",), undo="none"
        )
        server.answers["POST /x?key=s3cr3t"] = (400, {})
        [made] = await bench.drive(fields)
        assert server.seen[0][0] == "POST /x?key=s3cr3t"
        assert "s3cr3t" not in f"{made}"
