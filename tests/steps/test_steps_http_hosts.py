"""The secrets of a request go to hosts that the playbook writes, whatever a value makes of its address."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from amplify_tui.adapters.ports import Absent, Done, Invalid
from amplify_tui.playbook.context import Context, secret_marker
from amplify_tui.playbook.document import Document, load
from amplify_tui.playbook.hosts import bound_hosts, is_bound, written_origin
from amplify_tui.playbook.model import Playbook, Stage, Step
from amplify_tui.playbook.resolve import resolve, resolve_fields
from amplify_tui.run.lacking import NO_SECRET
from amplify_tui.steps.http import HttpFields
from amplify_tui.steps.http_call import Call, Reply, send
from amplify_tui.steps.registry import specs
from tests.steps.steps_world import Bench, RealWorld
from tests.steps.test_steps_words import Server, serving

KEY = {"X-Key": "Bearer ${{ secrets.KEY }}"}
CANARY = "canary-51c7"
BOOK = """
apiVersion: amplify/v1
kind: Playbook
name: hosts
release: {{repo: ., version: 3.0.0, environment: production}}
stages:
  - id: one
    steps:
      - {{id: look, command: {{argv: [look], undo: none}}}}
      - {{id: it, {verb}: {fields}}}
"""


class Case:
    """One step of a playbook that `check` accepts, after a step that put *said* out."""

    def __init__(self, world: RealWorld, fields: dict[str, Any], said: str, verb: str = "http") -> None:
        text = BOOK.format(verb=verb, fields=repr(fields))
        loaded = load(text.encode(), path="hosts.yaml", registry=specs())
        assert loaded.document is not None, loaded.render()
        self.document: Document = loaded.document
        self.names = Context({"steps": {"look": {"outputs": {"text": said}}}, "release": {"version": "3.0.0"}})
        world.playbook = resolve(self.document, self.names)
        world.secrets["KEY"] = CANARY
        self.bench = Bench(world, verb)

    @property
    def fields(self) -> Any:
        step = next(step for stage in self.bench.world.playbook.stages for step in stage.steps if step.id == "it")
        return resolve_fields(self.document, step, self.names, specs())


def got(server: Server) -> bool:
    """Whether the secret came there."""
    return CANARY in str(server.seen)


async def test_a_secret_goes_to_the_host_that_the_url_writes_whatever_path_a_value_gives(bare_world: RealWorld) -> None:
    async with serving() as server:
        url = f"{server.url}/purge/${{{{ steps.look.outputs.text }}}}"
        case = Case(bare_world, {"url": url, "method": "POST", "headers": KEY, "undo": "none"}, "//@evil.example/x")
        [made] = await case.bench.drive(case.fields)
        assert isinstance(made.outcome, Done)
        assert got(server)


async def test_a_host_that_a_value_gives_gets_the_secret_only_where_the_playbook_lists_it(
    bare_world: RealWorld,
) -> None:
    async with serving() as ours, serving() as evil:
        port = ours.url.rpartition(":")[2]
        fields = {"url": "${{ steps.look.outputs.text }}", "hosts": [f"127.0.0.1:{port}"], "headers": KEY}
        case = Case(bare_world, fields, ours.url)
        assert (await case.bench.finish(case.fields)).ok
        assert got(ours)
        case = Case(bare_world, fields, evil.url)
        with pytest.raises(Invalid, match=r"a secret would go to 127.0.0.1, and the playbook does not write that host"):
            await case.bench.finish(case.fields)
        assert evil.seen == []


@pytest.mark.parametrize("verb", ["http", "verify"])
async def test_a_value_before_the_host_cannot_make_another_one_of_it(bare_world: RealWorld, verb: str) -> None:
    async with serving() as ours, serving() as evil:
        there = ours.url.removeprefix("http://")
        url = f"http://${{{{ steps.look.outputs.text }}}}@{there}/"
        request = {"url": url, "headers": KEY}
        fields: dict[str, Any] = request if verb == "http" else {"http": [request], "max_wait": "1s"}
        for said in (f"{evil.url.removeprefix('http://')}/", f"{evil.url.removeprefix('http://')}?"):
            case = Case(bare_world, fields, said, verb)
            with pytest.raises(Invalid, match="a secret would go"):
                await case.bench.finish(case.fields)
        assert (evil.seen, ours.seen) == ([], [])
        case = Case(bare_world, fields, "somebody:x", verb)
        assert (await case.bench.finish(case.fields)).ok
        assert got(ours)


async def test_a_secret_address_that_leads_elsewhere_is_not_asked_and_not_shown(bare_world: RealWorld) -> None:
    async with serving() as evil:
        fields = {"url": "${{ secrets.HOOK }}", "method": "POST", "hosts": ["cdn.example.com"], "undo": "none"}
        case = Case(bare_world, fields, "")
        bare_world.secrets["HOOK"] = f"{evil.url}/{CANARY}"
        [made] = await case.bench.drive(case.fields)
        assert isinstance(made.outcome, Absent)
        assert "the playbook does not write that host" in made.outcome.reason
        assert CANARY not in f"{made}"
        assert "127.0.0.1" not in made.outcome.reason
        assert evil.seen == []


async def test_what_check_never_saw_is_refused_before_anything_is_sent_or_written_on_the_card(
    bare_world: RealWorld,
) -> None:
    async with serving() as evil:
        raw = {"url": "${{ steps.look.outputs.text }}", "headers": KEY}
        steps = (Step(id="it", verb="http", fields=raw),)
        book = bare_world.playbook
        bare_world.playbook = replace(book, stages=(Stage(id="one", steps=steps),))
        assert isinstance(bare_world.playbook, Playbook)
        bare_world.secrets["KEY"] = CANARY
        fields = HttpFields(url=evil.url, method="POST", headers={"X-Key": "\u27e6secret:KEY\u27e7"}, undo="none")
        for bench in (Bench(bare_world, "http"), Bench(bare_world, "http", step="nowhere")):
            with pytest.raises(Invalid, match="a secret would go"):
                await bench.drive(fields)
        assert evil.seen == []


async def test_a_probe_and_an_undo_are_bound_by_their_own_urls_also_for_a_later_conductor(
    bare_world: RealWorld,
) -> None:
    async with serving() as ours, serving() as other:
        undo = {"url": f"{other.url}/back", "method": "DELETE", "headers": KEY}
        fields = {"url": f"{ours.url}/on", "method": "POST", "headers": KEY, "undo": undo}
        case = Case(bare_world, fields, "")
        await case.bench.drive(case.fields)
        bare_world.playbook = replace(bare_world.playbook, stages=())  # the journal alone says where it may go
        [made] = await case.bench.take_all_back()
        assert isinstance(made.outcome, Done)
        assert [one[0] for one in other.seen] == ["DELETE /back"]
        assert got(other)


async def test_an_undo_that_an_earlier_version_journaled_without_hosts_is_still_sent(bare_world: RealWorld) -> None:
    bare_world.secrets["KEY"] = CANARY
    async with serving() as ours:
        kept = {"method": "DELETE", "url": f"{ours.url}/on", "headers": {"X-Key": secret_marker("KEY")}}
        assert await send(convert(kept, Call), bare_world, {}) == Reply(status=200, json={})
        assert got(ours)


async def test_a_redirect_gets_neither_the_secret_nor_a_request(bare_world: RealWorld) -> None:
    async with serving() as ours, serving() as evil:
        ours.location = f"{evil.url}/"
        ours.answers["POST /on"] = (307, {})
        case = Case(bare_world, {"url": f"{ours.url}/on", "method": "POST", "headers": KEY, "undo": "none"}, "")
        [made] = await case.bench.drive(case.fields)
        assert isinstance(made.outcome, Absent)
        assert got(ours)
        assert evil.seen == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://CDN.example.com:8443/x", "https://cdn.example.com:8443"),
        ("https://a.example?x=${{ release.version }}", "https://a.example"),
        ("https://a.example#${{ release.version }}", "https://a.example"),
        ("https://${{ secrets.USER }}:${{ secrets.PASS }}@a.example/x@b", "https://a.example"),
        ("https://[::1]:80/${{ release.version }}", "https://[::1]:80"),
        ("https://a.example${{ release.version }}", ""),
        ("https://a.example:${{ release.version }}/", ""),
        ("https://a.example@${{ release.version }}/", ""),
        ("https://${{ release.version }}.a.example/", ""),
        ("${{ release.version }}https://a.example/", ""),
        ("${{ release.version }}", ""),
        ("ftp://a.example/", ""),
        ("https:///x", ""),
    ],
)
def test_the_origin_is_what_the_text_alone_says(url: str, origin: str) -> None:
    assert written_origin(url) == origin
    assert bound_hosts({"url": url}) == ((origin,) if origin else ())


@pytest.mark.parametrize(
    ("scheme", "host", "port", "hosts", "answer"),
    [
        ("https", "a.example", None, ("https://a.example",), True),
        ("https", "A.example", 443, ("https://a.example",), True),
        ("https", "a.example", None, ("https://a.example:443",), True),
        ("https", "a.example", 8443, ("https://a.example",), False),
        ("http", "a.example", None, ("https://a.example",), False),
        ("http", "a.example", 81, ("a.example",), True),
        ("http", "a.example", 81, ("a.example:81",), True),
        ("http", "a.example", None, ("a.example:81",), False),
        ("https", "b.a.example", None, ("a.example",), False),
        ("https", "::1", None, ("[::1]",), True),
        ("https", "a.example", None, ("a.example:port", "*"), False),
        ("https", "a.example", None, (), False),
    ],
)
def test_an_address_is_bound_by_scheme_host_and_port(
    scheme: str, host: str, port: int | None, hosts: tuple[str, ...], answer: bool
) -> None:
    assert is_bound(scheme, (host,), port, hosts) is answer


async def test_a_request_whose_secret_has_no_value_is_not_sent_may_be_tried_again_and_names_it(
    bare_world: RealWorld,
) -> None:
    async with serving() as server:
        call = Call(method="POST", url=server.url, headers={"X-Key": secret_marker("GONE")}, timeout=5.0)
        said = await send(call, bare_world, {})
        assert isinstance(said, Absent)
        assert (said.error, said.retryable) == (NO_SECRET, True)
        assert "$GONE" in said.reason
        assert not server.seen
