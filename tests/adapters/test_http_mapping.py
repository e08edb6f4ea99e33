"""What becomes of an HTTP call that goes wrong, on real sockets: words for a read, the truth for a write."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from amplify_tui.adapters.http import MAX_BODY, Answer, Http, shown
from amplify_tui.adapters.ports import (
    Absent,
    AdapterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Unauthorized,
    Unknown,
    Unreachable,
)
from tests.adapters.raw_server import raw_server, reply

STATUSES: list[tuple[str, type[AdapterError]]] = [
    ("401 Unauthorized", Unauthorized),
    ("403 Forbidden", Forbidden),
    ("404 Not Found", NotFound),
    ("409 Conflict", Conflict),
    ("400 Bad Request", Invalid),
    ("301 Moved Permanently", Invalid),
    ("429 Too Many Requests", RateLimited),
    ("503 Service Unavailable", Unreachable),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_each_status_has_its_error_in_the_servers_own_words(status: str, kind: type[AdapterError]) -> None:
    async with raw_server(reply('{"message": "the reason\\u001b[31m"}', status)) as server:
        http = Http(server.url)
        with pytest.raises(kind) as caught:
            await http.read("GET", "/x")
        await http.aclose()
    if kind is not Invalid or status.startswith("400"):
        assert caught.value.what == f"{status[:3]}: the reason"
    assert caught.value.where == f"GET {server.url}/x"


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_a_write_refused_below_500_is_absent_and_from_500_on_unknown(
    status: str, kind: type[AdapterError]
) -> None:
    async with raw_server(reply("", status)) as server:
        http = Http(server.url)
        outcome = await http.write("POST", "/x", {})
        await http.aclose()
    if status.startswith("5"):
        assert isinstance(outcome, Unknown)
    else:
        assert isinstance(outcome, Absent)
        assert outcome.error == kind.__name__
        assert outcome.retryable == (kind is RateLimited)


async def test_a_refused_connection_proves_that_a_write_did_not_happen() -> None:
    http = Http("http://127.0.0.1:9")
    outcome = await http.write("POST", "/x", {})
    assert isinstance(outcome, Absent)
    assert outcome.retryable
    with pytest.raises(Unreachable, match="no connection"):
        await http.read("GET", "/x")
    await http.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["silence", "hang-up", "half a body", "half a chunk", "another protocol"],
)
async def test_whatever_breaks_after_the_request_left_leaves_a_write_unknown(answer: bytes | None) -> None:
    async with raw_server(answer, close_after=answer is not None) as server:
        http = Http(server.url, timeout=0.3)
        assert isinstance(await http.write("POST", "/x", {}), Unknown)
        with pytest.raises(Unreachable):
            await http.read("GET", "/x")
        await http.aclose()


async def test_a_url_that_is_none_is_said_to_be_none_and_sends_nothing() -> None:
    for url in ("flags:4242", "ftp://flags", "http://[::1"):
        http = Http(url)
        outcome = await http.write("POST", "/x")
        assert isinstance(outcome, Absent)
        assert not outcome.retryable
        assert "write it as http://host:port" in outcome.reason
        await http.aclose()


async def test_a_web_page_where_json_should_be_names_the_likely_reason() -> None:
    async with raw_server(reply("<!doctype html><title>Sign in</title>")) as server:
        http = Http(server.url)
        answer = await http.read("GET", "/x")
        await http.aclose()
    with pytest.raises(Invalid, match="web page where JSON should be"):
        answer.json()


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_off() -> None:
    bomb = gzip.compress(b"0" * (MAX_BODY + 1))
    async with raw_server(reply(bomb, "200 OK", "content-encoding: gzip")) as server:
        http = Http(server.url)
        with pytest.raises(Invalid, match="more than 8 MiB"):
            await http.read("GET", "/x")
        await http.aclose()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("retry-after: 7", 7), ("retry-after: Thu, 01 Jan 1970 00:00:00 GMT", 0), ("retry-after: soon", 60), ("x: y", 60)],
)
async def test_a_rate_limit_says_for_how_long(header: str, seconds: float) -> None:
    async with raw_server(reply("Too many requests, please try again later.", "429 Too Many", header)) as server:
        http = Http(server.url)
        with pytest.raises(RateLimited, match="please try again later") as caught:
            await http.read("GET", "/x")
        await http.aclose()
    assert caught.value.retry_after == seconds


async def test_neither_tokens_nor_passwords_are_in_a_message() -> None:
    async with raw_server(reply("no", "401 Unauthorized")) as server:
        url = server.url.replace("http://", "http://captain:hunter2@")
        http = Http(url, headers={"Authorization": "s3cret"})
        outcome = await http.write("POST", "/x")
        await http.aclose()
    assert "hunter2" not in str(outcome)
    assert "s3cret" not in str(outcome)
    assert "hunter2" not in shown(url)


def test_an_answer_that_is_no_json_is_shown_cleaned_and_short() -> None:
    answer = Answer(status=200, headers={}, body=b"\x1b[2J" + b"x" * 5000, where="GET /", at=0.0)
    with pytest.raises(Invalid) as caught:
        answer.json()
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


async def test_reads_that_wait_for_their_turn_are_not_timed_and_a_write_waits_for_none() -> None:
    holds = asyncio.Event()
    async with raw_server(lambda path: None if path == "/held" else reply("{}")) as server:
        http = Http(server.url, timeout=1.0, at_once=2)
        held = [asyncio.create_task(_held(http, holds)) for _ in range(2)]
        await holds.wait()
        behind = asyncio.create_task(http.read("GET", "/behind"))
        written = await http.write("POST", "/write", {})
        lost = await asyncio.gather(*held)
        answer = await behind  # its time began when the first of the others had used up all of its own
        await http.aclose()
    assert isinstance(written, Answer)
    assert server.paths.index("/write") < server.paths.index("/behind")
    assert answer.status == 200
    assert all(isinstance(error, Unreachable) for error in lost)


async def _held(http: Http, holds: asyncio.Event) -> AdapterError:
    reading = asyncio.create_task(http.read("GET", "/held"))
    await asyncio.sleep(0)
    holds.set()
    with pytest.raises(AdapterError) as caught:
        await reading
    return caught.value
