"""Polling instances on real sockets: what a sick, slow, lying or silent one looks like in its reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from amplify_tui.adapters.poll import InstancePoller, InstanceProbe, Target, targets
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Discover, Expect, Health, Instance, SchemaRange, Service, Started, VersionProbe
from amplify_tui.verdict.model import InstanceReading
from tests.adapters.raw_server import raw_server, reply

VERSION = '{"version": "3.0.0", "schema": 42, "started": "2026-01-01T00:00:00Z", "build": {"sha": "abc"}}'


def routes(health: bytes | None, version: bytes | None = None) -> Callable[[str], bytes | None]:
    return lambda path: health if path == "/health" else version if version is not None else reply(VERSION)


def target(url: str, **more: object) -> Target:
    base: dict[str, object] = {"service": "shop", "instance": "shop-1", "url": url, "health": Health(timeout=1.5)}
    return Target(**(base | more))  # type: ignore[arg-type]


async def look(url: str, **more: object) -> InstanceReading:
    probe = InstanceProbe(target(url, **more))
    reading = await probe.look()
    await probe.aclose()
    return reading


async def test_a_healthy_instance_tells_health_version_schema_and_start() -> None:
    async with raw_server(routes(reply("ok"))) as server:
        reading = await look(
            server.url, schema=SchemaRange(field="schema", accepts=">=42"), started=Started(field="started")
        )
    assert (reading.status, reading.ok, reading.version, reading.schema) == ("ok", True, "3.0.0", "42")
    assert reading.started == 1767225600.0
    assert reading.data_at == pytest.approx(time.time(), abs=60)
    assert reading.latency is not None
    assert reading.note == ""


async def test_a_sick_instance_still_tells_its_version() -> None:
    async with raw_server(routes(reply("no", "503 Service Unavailable"))) as server:
        reading = await look(server.url)
    assert (reading.status, reading.ok, reading.version) == ("ok", False, "3.0.0")
    assert reading.note == "health: answers 503, expected 200"


async def test_the_playbook_decides_which_status_is_healthy() -> None:
    async with raw_server(routes(reply("", "204 No Content"))) as server:
        assert (await look(server.url, health=Health(expect=Expect(status=204)))).ok is True


async def test_a_redirect_is_not_followed_and_says_where_it_leads() -> None:
    async with raw_server(routes(reply("", "302 Found", "location: /login"))) as server:
        reading = await look(server.url)
    assert reading.ok is False
    assert reading.note == "health: redirects to /login; write the final path"


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (None, "health: no answer within 1.5s"),
        (b"", "health: the connection closed before an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "health: no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "health: the answer broke off"),
        (reply(b"x" * 300_000), "health: answered more than 262144 bytes"),
    ],
    ids=["silence", "hang-up", "another protocol", "half an answer", "far too long"],
)
async def test_an_instance_that_does_not_answer_properly_has_no_health(answer: bytes | None, note: str) -> None:
    async with raw_server(routes(answer), close_after=answer is not None) as server:
        reading = await look(server.url)
    assert (reading.status, reading.ok, reading.version, reading.data_at) == ("error", None, None, 0.0)
    assert reading.note.startswith(note)


async def test_nothing_listening_and_a_name_nobody_knows_are_told_apart() -> None:
    assert (await look("http://127.0.0.1:9")).note == "health: nothing listens there (connection refused)"
    assert (await look("http://nowhere.invalid", health=Health(timeout=5))).note == "health: its host name is not known"
    assert (await look("nowhere")).note == "health: 'nowhere' is no URL"


@pytest.mark.parametrize(
    ("version", "note"),
    [
        (reply("<html>", "200 OK"), "version: a web page where JSON should be"),
        (reply("{", "200 OK"), "version: no JSON"),
        (reply("{}", "200 OK"), "version: no field 'version' in the answer"),
        (reply('{"version": null}', "200 OK"), "version: no field 'version' in the answer"),
        (reply("gone", "404 Not Found"), "version: answers 404"),
    ],
)
async def test_a_version_that_cannot_be_read_is_unknown_and_never_the_one_before(version: bytes, note: str) -> None:
    answers = [reply(VERSION), version]
    async with raw_server(lambda path: reply("ok") if path == "/health" else answers.pop(0)) as server:
        probe = InstanceProbe(target(server.url))
        before, after = await probe.look(), await probe.look()
        await probe.aclose()
    assert before.version == "3.0.0"
    assert (after.status, after.ok, after.version, after.note) == ("ok", True, None, note)


async def test_a_field_may_lie_deeper_and_hostile_text_comes_out_clean() -> None:
    async with raw_server(routes(reply("ok"), reply('{"build": {"sha": "a\\u001b[31mb"}}'))) as server:
        reading = await look(server.url, version=VersionProbe(field="build.sha"))
    assert reading.version == "ab"


async def test_health_and_version_on_one_path_are_one_call() -> None:
    async with raw_server(reply(VERSION)) as server:
        reading = await look(server.url, version=VersionProbe(path="/health"))
        assert server.paths == ["/health"]
    assert reading.version == "3.0.0"


async def test_one_connection_is_kept_and_opened_again_when_the_instance_restarts() -> None:
    async with raw_server(routes(reply("ok"))) as server:
        probe = InstanceProbe(target(server.url))
        await probe.look()
        await probe.look()
        assert server.connections == 1
        server.hang_up()
        reading = await probe.look()
        await probe.aclose()
        assert server.connections == 2
    assert (reading.status, reading.note) == ("ok", "")


async def test_when_it_last_answered_is_kept_while_it_is_silent() -> None:
    answers: list[bytes | None] = [reply("ok"), None]
    async with raw_server(lambda path: answers.pop(0) if path == "/health" else reply(VERSION)) as server:
        probe = InstanceProbe(target(server.url))
        before, after = await probe.look(), await probe.look()
        await probe.aclose()
    assert after.status == "error"
    assert 0 < after.data_at <= before.received_at < after.received_at


async def test_every_instance_is_polled_again_and_again_until_cancelled() -> None:
    readings: asyncio.Queue[InstanceReading] = asyncio.Queue()
    async with raw_server(routes(reply("ok"))) as server:
        pace = Health(every=0.02, timeout=1.5)
        poller = InstancePoller(
            [target(server.url, instance=f"shop-{n}", health=pace) for n in range(5)], readings.put_nowait
        )
        running = asyncio.create_task(poller.run())
        seen: dict[str, int] = {}
        async with asyncio.timeout(20):
            while len(seen) < 5 or min(seen.values()) < 3:
                reading = await readings.get()
                seen[reading.instance] = seen.get(reading.instance, 0) + 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert server.connections == 5


async def test_one_silent_instance_holds_no_other_back() -> None:
    async with raw_server(routes(None)) as silent, raw_server(routes(reply("ok"))) as good:
        poller = InstancePoller([target(silent.url), target(good.url, instance="shop-2")], lambda reading: None)
        one, two = await poller.once()
        await poller.aclose()
    assert (one.ok, two.ok) == (None, True)


def test_ids_are_given_or_counted_and_discovery_is_not_guessed() -> None:
    service = Service(instances=("http://a", Instance(url="http://b", id="eu")))
    assert [(one.instance, one.url) for one in targets("shop", service)] == [("shop-1", "http://a"), ("eu", "http://b")]
    with pytest.raises(Invalid, match="discover"):
        targets("shop", Service(instances=Discover(discover={"dns": "x"})))
