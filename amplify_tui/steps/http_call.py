"""One HTTP request of a playbook, and what its answer proves. Shared by http and verify; no verb lives here.

| what happens to a request that writes | outcome |
| --- | --- |
| an expected answer | Done |
| an answer of another status, a redirect included | Absent where it says so (4xx), else Unknown |
| no connection | Absent, worth another try |
| silence, or a break, once it was on its way | Unknown |

A secret goes only to a host that the playbook writes; a request that would take one elsewhere is not sent.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import httpx
from msgspec import Struct, field

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import NeverSentError, sent_or_not, shown, transport_error
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import Absent, AdapterError, Done, Invalid, Outcome, Unknown
from amplify_tui.playbook.context import defuse, secret_names
from amplify_tui.playbook.hosts import is_bound
from amplify_tui.playbook.model import Base
from amplify_tui.steps.verb import World

TIMEOUT: Final = 8.0
MAX_BODY: Final = 1024 * 1024
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class ExpectAnswer(Base, frozen=True):
    """status: the codes that are fine (any 2xx where none is named). json: path (a.b.0.c) -> value."""

    status: tuple[int, ...] = ()
    json: dict[str, Any] = field(default_factory=dict)


class Call(Struct, frozen=True, kw_only=True):
    """One request, resolved, as plain data; secrets in url and headers are markers.

    hosts: where those secrets may go (playbook/hosts.py). None: journaled by a version that did not keep it.
    """

    method: str = "GET"
    url: str
    headers: dict[str, str] = {}
    json: Any = None
    body: str | None = None
    status: tuple[int, ...] = ()
    expect_json: dict[str, Any] = {}
    timeout: float = TIMEOUT
    hosts: tuple[str, ...] | None = None

    @property
    def shown(self) -> str:
        """Method and address for people: no credentials, no query, for a secret may stand in either."""
        return f"{self.method} {shown(self.url).partition('?')[0]}"


class Reply(Struct, frozen=True, kw_only=True):
    """An answer that came whole. `json` is None where there was none."""

    status: int
    json: Any = None


async def send(call: Call, world: World, headers: dict[str, str]) -> Reply | Absent | Unknown:
    """The answer to one request, or what is known where there is none. Redirects are never followed."""
    try:
        given = {name: world.reveal(value) for name, value in {**call.headers, **headers}.items()}
        url = world.reveal(call.url)
        bind(call, url)
    except AdapterError as error:  # a secret without a value, or one that would go astray
        return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)
    body = None if call.body is None else call.body.encode()
    try:
        async with (
            asyncio.timeout(call.timeout),
            httpx.AsyncClient(timeout=call.timeout, follow_redirects=False) as client,
            client.stream(call.method, url, headers=given, json=call.json, content=body) as response,
        ):
            raw = bytearray()
            async for chunk in response.aiter_bytes():
                raw += chunk
                if len(raw) > MAX_BODY:
                    return Unknown(cause=f"{call.shown} answered more than 1 MiB")
            return Reply(status=response.status_code, json=_json(bytes(raw)))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        known = transport_error(error, call.shown, call.timeout)
        if isinstance(sent_or_not(error), NeverSentError):
            return Absent(reason=str(known), retryable=known.retryable, error=type(known).__name__)
        return Unknown(cause=str(known))


def bind(call: Call, url: str) -> None:
    """Raises Invalid where *call* holds a secret, and *url*, to which it would be sent, is not where it may go."""
    if call.hosts is None or not any(secret_names(value) for value in (call.url, *call.headers.values())):
        return
    try:
        there = httpx.URL(url)
        name, ascii_name = there.host, there.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        name = ""
    if name and is_bound(there.scheme, (name, ascii_name), there.port, call.hosts):
        return
    host = "" if secret_names(call.url) else f" to {clean(name, 80)}" if name else ""
    raise Invalid(
        f"{call.method} was not sent: a secret would go{host}, and the playbook does not write that host",
        fix="write the host out in the url, or name it in hosts",
    )


def missed(call: Call, reply: Reply) -> str:
    """What of the expectation an answer does not meet, with the value found and the value wanted; "" if nothing."""
    if call.status:
        if reply.status not in call.status:
            return f"answered {reply.status}, expected {' or '.join(str(status) for status in call.status)}"
    elif not 200 <= reply.status < 300:
        return f"answered {reply.status}, expected 2xx"
    for path, wanted in call.expect_json.items():
        found = at_path(reply.json, path)
        if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            return f"has {clean(json.dumps(found), 80)} at {path}, expected {clean(json.dumps(wanted), 80)}"
    return ""


def outcome_of(call: Call, reply: Reply | Absent | Unknown) -> Outcome:
    """What an answer proves of a write."""
    if not isinstance(reply, Reply):
        return reply
    words = missed(call, reply)
    if not words:
        return Done(receipt={"status": reply.status, "json": reply.json}, observed=reply.status)
    if reply.status == 429:
        return Absent(reason=f"{call.shown} {words}", retryable=True, error="RateLimited")
    if 300 <= reply.status < 500:
        return Absent(reason=f"{call.shown} {words}", error="Invalid")
    return Unknown(cause=f"{call.shown} {words}")


def at_path(tree: Any, path: str) -> Any:
    """The value at `a.b.0.c`; None where there is none."""
    for part in path.split("."):
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list) and part.isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return None
    return tree


def _json(raw: bytes) -> Any:
    """The JSON of an answer, short enough to be kept; None where it is none or too long."""
    if len(raw) > 8 * 1024:
        return None
    try:
        return defuse(parse_json(raw))
    except ValueError:
        return None
