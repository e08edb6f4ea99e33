"""Webhooks, Slack and apprise against a real server that answers, stalls, breaks off and refuses."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from amplify_tui.adapters.notify import open_notifier
from amplify_tui.adapters.notify_apprise import AppriseNotifier
from amplify_tui.adapters.notify_http import Slack, Webhook
from amplify_tui.adapters.ports import Absent, Announcement, Done, Invalid, Unknown
from amplify_tui.playbook.model import Stakeholder

MESSAGE = Announcement(
    event="start", run="r1", subject="Checkout 3 starts", body="<!channel> a & b", idem="r1/announce/support"
)
SECRET = "T0/hunter2"


def http(status: int, body: bytes | str | dict[str, Any] = b"", *, more: str = "", length: int | None = None) -> bytes:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    size = len(raw) if length is None else length
    return f"HTTP/1.1 {status} X\r\nContent-Length: {size}\r\nConnection: close\r\n{more}\r\n".encode() + raw


class Server:
    """Keeps each request and gives the next answer; None is silence, b"" hangs up."""

    def __init__(self) -> None:
        self.answer: bytes | None = http(200)
        self.heads: list[str] = []
        self.bodies: list[Any] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(size)))
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


async def test_a_webhook_gets_the_message_and_its_key(server: Server) -> None:
    server.answer = http(201, {"id": "m-7"})
    outcome = await Webhook(server.url, token="s3cret").send(MESSAGE)
    assert outcome == Done(receipt={"ref": "m-7"}, observed=201)
    assert "idempotency-key: r1/announce/support" in server.heads[0].lower()
    assert "authorization: bearer s3cret" in server.heads[0].lower()
    assert server.bodies[0]["body"] == MESSAGE.body


@pytest.mark.parametrize(
    ("answer", "kind", "error", "retryable"),
    [
        (http(204), Done, "", False),
        (http(200, "half", length=100), Done, "", False),
        (http(302, more="Location: http://127.0.0.1:1/elsewhere\r\n"), Absent, "Invalid", False),
        (http(400, "no \x1b[31msuch field"), Absent, "Invalid", False),
        (http(401), Absent, "Unauthorized", False),
        (http(403), Absent, "Forbidden", False),
        (http(404), Absent, "NotFound", False),
        (http(429, more="Retry-After: 9\r\n"), Absent, "RateLimited", True),
        (http(500), Absent, "Unreachable", True),
        (http(503), Absent, "Unreachable", True),
        (http(502), Unknown, "", False),
        (http(504), Unknown, "", False),
        (b"", Unknown, "", False),
        (b"HTTP/1.1 20", Unknown, "", False),
        (b"not http at all\r\n\r\n", Unknown, "", False),
        (None, Unknown, "", False),
    ],
)
async def test_each_answer_proves_what_it_proves_and_no_more(
    server: Server, answer: bytes | None, kind: type, error: str, retryable: bool
) -> None:
    server.answer = answer
    outcome = await Webhook(server.url, timeout=2.0 if answer is not None else 0.5).send(MESSAGE)
    assert isinstance(outcome, kind)
    if isinstance(outcome, Absent):
        assert (outcome.error, outcome.retryable) == (error, retryable)
    assert "hunter2" not in repr(outcome)
    assert "\x1b" not in repr(outcome).replace("\\x1b", "\x1b")


async def test_an_answer_that_drips_for_ever_ends_at_the_limit_as_unknown() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-Slow: 1\r\n")
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0.05)

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    assert isinstance(await Webhook(f"http://127.0.0.1:{port}/", timeout=0.6).send(MESSAGE), Unknown)
    listening.close()


async def test_a_closed_port_is_absent_and_worth_another_try(unused_tcp_port: int) -> None:
    outcome = await Webhook(f"http://127.0.0.1:{unused_tcp_port}/{SECRET}").send(MESSAGE)
    assert outcome == Absent(reason="127.0.0.1 does not answer", retryable=True, error="Unreachable")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://127.0.0.1:9/hunter2", ("hooks.slack.com",)),
        ("hunter2", ()),
        ("ftp://127.0.0.1/hunter2", ()),
        ("http://[hunter2/", ()),
        ("http://hooks.slack.com@127.0.0.1/hunter2", ("hooks.slack.com",)),
        ("http://127.0.0.1\r\nX: hunter2/", ()),
    ],
)
async def test_an_address_outside_its_hosts_is_refused_without_being_shown(url: str, hosts: tuple[str, ...]) -> None:
    outcome = await Webhook(url, hosts=hosts).send(MESSAGE)
    assert isinstance(outcome, Absent)
    assert outcome.error == "Invalid"
    assert "hunter2" not in repr(outcome)


async def test_no_log_ever_holds_the_address(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "apprise", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    await Webhook(server.url, token="s3cret-token").send(MESSAGE)
    server.answer = http(500)
    await AppriseNotifier(f"json://captain:hunter2@127.0.0.1:{server.port}/hunter2").send(MESSAGE)
    await AppriseNotifier("nonsense://captain:hunter2@127.0.0.1/T0").send(MESSAGE)
    assert "hunter2" not in caplog.text
    assert "s3cret-token" not in caplog.text


async def test_slack_threads_and_cannot_be_made_to_mention(server: Server) -> None:
    server.answer = http(200, {"ok": True, "ts": "171.002", "channel": "C1"})
    slack = Slack(token="xoxb-hunter2", channel="#rel", api=f"http://127.0.0.1:{server.port}/api")
    outcome = await slack.send(Announcement(**{**_fields(), "parent": "171.001"}))
    assert outcome == Done(receipt={"ref": "171.002", "channel": "C1"}, observed=True)
    sent = server.bodies[0]
    assert server.heads[0].startswith("POST /api/chat.postMessage ")
    assert (sent["channel"], sent["thread_ts"]) == ("#rel", "171.001")
    assert sent["text"] == "*Checkout 3 starts*\n&lt;!channel&gt; a &amp; b"
    assert sent["metadata"]["event_payload"]["idem"] == MESSAGE.idem


@pytest.mark.parametrize(
    ("body", "kind", "error", "retryable"),
    [
        ({"ok": False, "error": "invalid_auth"}, Absent, "Unauthorized", False),
        ({"ok": False, "error": "channel_not_found"}, Absent, "NotFound", False),
        ({"ok": False, "error": "missing_scope"}, Absent, "Forbidden", False),
        ({"ok": False, "error": "ratelimited"}, Absent, "RateLimited", True),
        ({"ok": False, "error": "fatal_error"}, Unknown, "", False),
        ({"ok": "true"}, Unknown, "", False),
        ("<html>proxy</html>", Unknown, "", False),
        ("[]", Unknown, "", False),
    ],
)
async def test_slack_says_in_the_body_what_it_did(
    server: Server, body: Any, kind: type, error: str, retryable: bool
) -> None:
    server.answer = http(200, body)
    outcome = await Slack(token="x", channel="C1", api=f"http://127.0.0.1:{server.port}").send(MESSAGE)
    assert isinstance(outcome, kind)
    if isinstance(outcome, Absent):
        assert (outcome.error, outcome.retryable) == (error, retryable)


async def test_a_slack_webhook_gets_escaped_text_only(server: Server) -> None:
    server.answer = http(200, "ok")
    assert isinstance(await Slack(url=server.url, hosts=("127.0.0.1",)).send(MESSAGE), Done)
    assert server.bodies[0] == {"text": "*Checkout 3 starts*\n&lt;!channel&gt; a &amp; b"}


async def test_apprise_is_done_absent_or_unknown_by_what_it_heard(server: Server, unused_tcp_port: int) -> None:
    url = f"json://127.0.0.1:{server.port}/hook"
    assert await AppriseNotifier(url).send(MESSAGE) == Done(receipt={"ref": MESSAGE.idem}, observed="sent")
    assert server.bodies[0]["title"] == MESSAGE.subject
    server.answer = http(500)
    down = await AppriseNotifier(url).send(MESSAGE)
    assert isinstance(down, Absent)
    assert down.retryable
    server.answer = None
    assert isinstance(await AppriseNotifier(url, timeout=0.5).send(MESSAGE), Unknown)
    assert isinstance(await AppriseNotifier(f"json://127.0.0.1:{unused_tcp_port}/").send(MESSAGE), Unknown)
    wrong = await AppriseNotifier("nonsense://hunter2").send(MESSAGE)
    assert wrong == Absent(reason="apprise does not know an address like this (nonsense://…)", error="Invalid")
    refused = await AppriseNotifier(url, hosts=("mail.example",)).send(MESSAGE)
    assert isinstance(refused, Absent)


def _fields() -> dict[str, Any]:
    return {name: getattr(MESSAGE, name) for name in MESSAGE.__struct_fields__}


@pytest.mark.parametrize(
    ("stakeholder", "missing"),
    [
        (Stakeholder(via="webhook"), "`url`"),
        (Stakeholder(via="slack"), "a token and a channel"),
        (Stakeholder(via="smtp", from_="a@example.org", to="b@example.org"), "`server`"),
        (Stakeholder(via="smtp", server="h:25", to="b@example.org"), "`from`"),
        (Stakeholder(via="smtp", server="h:port", from_="a@example.org", to="b@example.org"), "no address"),
        (Stakeholder(via="smtp", server="h:25", from_="a@example.org", to="nobody"), "`to` holds no mail address"),
        (Stakeholder(via="apprise"), "`url`"),
        (Stakeholder(via="file"), "`url`"),
        (Stakeholder(via="command"), "argv"),
    ],
)
def test_a_channel_that_lacks_something_says_what(stakeholder: Stakeholder, missing: str) -> None:
    with pytest.raises(Invalid, match=missing):
        open_notifier(stakeholder)


def test_every_kind_of_channel_opens() -> None:
    kinds: dict[str, Callable[[], Stakeholder]] = {
        "Webhook": lambda: Stakeholder(via="webhook"),
        "Slack": lambda: Stakeholder(via="slack"),
        "Smtp": lambda: Stakeholder(via="smtp", server="h", from_="a@example.org", to="b@example.org"),
        "AppriseNotifier": lambda: Stakeholder(via="apprise"),
        "File": lambda: Stakeholder(via="file"),
        "Command": lambda: Stakeholder(via="command", argv=("true",)),
    }
    for name, made in kinds.items():
        assert type(open_notifier(made(), url="http://127.0.0.1/x")).__name__ == name
