"""Services that mean harm, or are broken as if they did: every client of ours ends soon, stays small and goes nowhere else.

One table of clients, one of misdeeds. The servers are real ones, on real sockets.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.adapters.http import Http
from amplify_tui.adapters.notify_apprise import AppriseNotifier
from amplify_tui.adapters.notify_http import Slack, Webhook
from amplify_tui.adapters.ports import Absent, AdapterError, Announcement, Done, Unknown
from amplify_tui.adapters.wire import Wire
from amplify_tui.steps.http_call import Call, Reply, missed, send

WITHIN = 2.0  # seconds that each client is given; where it does not end, the test's own limit does
SMALL = 40 * 2**20  # what a server may get rid of before it is hung up on: our limit, and what the kernel buffers
MESSAGE = Announcement(event="start", run="r1", subject="It starts", body="now", idem="r1/tell")
TOKEN = "canary-token"


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """The logs that apprise's adapter silences are as before: pytest listens to a silenced one all the more."""
    yield
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).propagate = True


class World:
    """All that a request needs of its world: a secret."""

    def reveal(self, text: str) -> str:
        return text.replace("TOKEN", TOKEN)


async def by_http(url: str) -> str:
    client = Http(url, headers={"Authorization": TOKEN}, timeout=WITHIN)
    try:
        return str((await client.read("GET", "/")).status)
    finally:
        await client.aclose()


async def by_write(url: str) -> str:
    client = Http(url, headers={"Authorization": TOKEN}, timeout=WITHIN)
    try:
        return _words(await client.write("POST", "/", {}))
    finally:
        await client.aclose()


async def by_wire(url: str) -> str:
    client = Wire(url)
    try:
        answer = await client.get("/health", WITHIN)
        return f"status {answer.status}"
    finally:
        await client.aclose()


async def by_step(url: str) -> str:
    call = Call(method="POST", url=url, headers={"Authorization": "TOKEN"}, timeout=WITHIN)
    reply = await send(call, World(), {})  # type: ignore[arg-type]  # it asks for nothing but secrets
    return missed(call, reply) if isinstance(reply, Reply) else _words(reply)


async def by_webhook(url: str) -> str:
    return _words(await Webhook(url, hosts=("127.0.0.1",), token=TOKEN, timeout=WITHIN).send(MESSAGE))


async def by_slack(url: str) -> str:
    return _words(await Slack(url=url, hosts=("127.0.0.1",), timeout=WITHIN).send(MESSAGE))


async def by_apprise(url: str) -> str:
    scheme = {"http": "json", "https": "jsons"}[url.partition(":")[0]]
    address = f"{scheme}{url[url.index(':') :]}/?+X-Token={TOKEN}"
    return _words(await AppriseNotifier(address, hosts=("127.0.0.1",), timeout=WITHIN).send(MESSAGE))


def _words(outcome: Any) -> str:
    match outcome:
        case Absent(reason=reason):
            return f"absent: {reason}"
        case Unknown(cause=cause):
            return f"unknown: {cause}"
        case Done():
            return "done"
    return f"status {outcome.status}"


Client = Callable[[str], Awaitable[str]]
CLIENTS: dict[str, Client] = {
    "reads": by_http, "writes": by_write, "polls": by_wire, "http step": by_step, "webhook": by_webhook,
    "slack": by_slack, "apprise": by_apprise,
}  # fmt: skip
BOUNDED = {name: client for name, client in CLIENTS.items() if name != "apprise"}  # its library reads bodies whole


class Harm:
    """What a server sent, and who asked it for what."""

    def __init__(self) -> None:
        self.sent = 0
        self.heads: list[bytes] = []
        self.url = ""


Deed = Callable[[asyncio.StreamWriter, Harm], Awaitable[None]]


@asynccontextmanager
async def doing(deed: Deed, tls: ssl.SSLContext | None = None) -> AsyncIterator[Harm]:
    harm = Harm()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            harm.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await deed(writer, harm)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    harm.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield harm
    finally:
        server.close()


async def _pour(writer: asyncio.StreamWriter, harm: Harm, piece: bytes, most: int) -> None:
    while harm.sent < most:
        writer.write(piece)
        await writer.drain()
        harm.sent += len(piece)


async def hundred_megabytes(writer: asyncio.StreamWriter, harm: Harm) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n")
    await _pour(writer, harm, b"[" * 65536, 104857600)


async def endless_headers(writer: asyncio.StreamWriter, harm: Harm) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _pour(writer, harm, b"x-more: " + b"y" * 1000 + b"\r\n", 104857600)


async def endless_continues(writer: asyncio.StreamWriter, harm: Harm) -> None:
    await _pour(writer, harm, b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 10 * SMALL)


async def run(client: Client, url: str) -> str:
    """What came of it, in words."""
    try:
        return await client(url)
    except AdapterError as error:
        return f"error: {error}"


@pytest.mark.parametrize("client", BOUNDED.values(), ids=BOUNDED)
@pytest.mark.parametrize("deed", [hundred_megabytes, endless_headers])
async def test_an_answer_without_an_end_is_given_up_before_it_fills_the_memory(client: Client, deed: Deed) -> None:
    async with doing(deed) as harm:
        said = await run(client, harm.url)
    assert "status 200" not in said
    assert harm.sent < SMALL
    assert len(said) < 1000


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_headers_that_never_end_end_the_call(client: Client) -> None:
    async with doing(endless_headers) as harm:
        assert "done" not in await run(client, harm.url)
    assert harm.sent < SMALL


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_not_followed_and_no_secret_goes_there(client: Client, status: int) -> None:
    async def say_ok(writer: asyncio.StreamWriter, harm: Harm) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with doing(say_ok) as elsewhere:

        async def redirect(writer: asyncio.StreamWriter, harm: Harm) -> None:
            place = elsewhere.url.replace("127.0.0.1", "localhost")
            writer.write(f"HTTP/1.1 {status} Go\r\nlocation: {place}/\r\ncontent-length: 0\r\n\r\n".encode())

        async with doing(redirect) as harm:
            said = await run(client, harm.url)
        assert elsewhere.heads == []
    assert harm.heads
    assert "done" not in said


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=stranger"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_a_certificate_that_nobody_vouches_for_gets_no_request(client: Client, tls: ssl.SSLContext) -> None:
    async with doing(endless_headers, tls) as harm:
        said = await run(client, harm.url)
    assert harm.heads == []
    assert "done" not in said
    if client is not by_apprise:  # it says that it failed, not why
        assert "certificate" in said


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_interim_answers_without_an_end_end_with_the_clients_time(client: Client) -> None:
    async with doing(endless_continues) as harm:
        assert "done" not in await run(client, harm.url)
