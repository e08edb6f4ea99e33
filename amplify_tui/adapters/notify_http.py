"""Messages by HTTP: any webhook, and Slack. What an answer, or none, proves is decided here once for both.

| what happens | outcome |
| --- | --- |
| no connection, a proxy that refuses | Absent, worth another try |
| 429, 500, 503 | Absent, worth another try |
| another 4xx, a redirect (never followed: the address is a secret) | Absent |
| 502, 504, silence or a break once the request was on its way | Unknown |

The address may be the secret itself: no message, log or exception holds more of it than the host.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import Absent, Announcement, Done, Invalid, Outcome, Unknown
from amplify_tui.playbook.hosts import is_bound

TIMEOUT: Final = 10.0
_CONNECT: Final = 5.0
_LARGEST_ANSWER: Final = 64 * 1024

# httpx logs each request's whole address at INFO. An address here may be a credential.
logging.getLogger("httpx").disabled = True

_RETRYABLE: Final = frozenset({408, 425, 429, 500, 503})
_UNCLEAR: Final = frozenset({502, 504})
_ERRORS: Final = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "NotFound",
    429: "RateLimited",
}


class Reply(Struct, frozen=True, kw_only=True):
    """An HTTP answer; `body` is None where it broke off before its end."""

    status: int
    body: bytes | None

    def json(self) -> dict[str, Any] | None:
        """The body as a JSON object, or None where it is none."""
        try:
            value = parse_json(self.body or b"")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


def allowed_host(url: str, hosts: tuple[str, ...]) -> str:
    """The host of *url*; raises Invalid, without the address, where it has none or *hosts* does not list it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise Invalid("the address is not a URL with a host", fix="check the secret it comes from")
    if hosts and not is_bound(parts.scheme, (host,), port, hosts):
        raise Invalid(f"the address points at {clean(host, 80)}, which `hosts` does not allow", fix="check the secret")
    return clean(host, 80)


async def post(
    url: str,
    payload: Mapping[str, Any],
    *,
    hosts: tuple[str, ...],
    headers: Mapping[str, str],
    timeout: float,  # noqa: ASYNC109 - its end is an outcome, not an exception
) -> Reply | Absent | Unknown:
    """The answer to *payload*, posted as JSON; or what can be said where there is none."""
    try:
        host = allowed_host(url, hosts)
        if urlsplit(url).scheme not in {"http", "https"}:
            raise Invalid(f"the address of {host} is neither http nor https")
    except Invalid as wrong:
        return Absent(reason=str(wrong), error="Invalid")
    limits = httpx.Timeout(timeout, connect=min(timeout / 2, _CONNECT))
    try:
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncClient(timeout=limits) as client,
            client.stream("POST", url, json=payload, headers=dict(headers)) as response,
        ):
            return Reply(status=response.status_code, body=await _body(response))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as closed:
        if "CERTIFICATE_VERIFY_FAILED" in str(closed):
            return Absent(reason=f"the certificate of {host} is not valid", error="Invalid")
        return Absent(reason=f"{host} does not answer", retryable=True, error="Unreachable")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        return Absent(reason=f"the request to {host} cannot be written", error="Invalid")
    except (TimeoutError, httpx.TimeoutException):
        return Unknown(cause=f"{host} took the message and gave no answer within {timeout:g} s")
    except httpx.TransportError as broken:
        return Unknown(cause=f"the connection to {host} broke before an answer ({type(broken).__name__})")


def refusal(reply: Reply, host: str) -> Outcome | None:
    """What a status that is not 2xx proves; None for 2xx."""
    status = reply.status
    if 200 <= status < 300:
        return None
    if status in _UNCLEAR:
        return Unknown(cause=f"a gateway before {host} answered {status}; the message may have passed it")
    if 300 <= status < 400:
        return Absent(reason=f"{host} answered with a redirect ({status}), which is not followed", error="Invalid")
    said = clean((reply.body or b"").decode("utf-8", "replace"), 160)
    reason = f"{host} answered {status}{f': {said}' if said else ''}"
    error = _ERRORS.get(status, "Unreachable" if status >= 500 else "Invalid")
    return Absent(reason=reason, retryable=status in _RETRYABLE, error=error)


class Webhook:
    """Posts each message as JSON, all fields of it; `Idempotency-Key` holds the key too."""

    def __init__(self, url: str, *, hosts: tuple[str, ...] = (), token: str = "", timeout: float = TIMEOUT) -> None:
        self._url = url
        self._hosts = hosts
        self._token = token
        self._timeout = timeout

    async def send(self, message: Announcement) -> Outcome:
        """Done on 2xx; `ref` is the answer's `id` or `ref`, else our own key."""
        headers = {"Idempotency-Key": message.idem}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        payload = {
            "event": message.event,
            "run": message.run,
            "subject": message.subject,
            "body": message.body,
            "idem": message.idem,
            "parent": message.parent or None,
            "files": [{"name": file.name, "text": file.text} for file in message.files],
        }
        reply = await post(self._url, payload, hosts=self._hosts, headers=headers, timeout=self._timeout)
        if not isinstance(reply, Reply):
            return reply
        refused = refusal(reply, allowed_host(self._url, self._hosts))
        if refused is not None:
            return refused
        answered = reply.json() or {}
        ref = answered.get("id") or answered.get("ref") or message.idem
        return Done(receipt={"ref": clean(str(ref), 200)}, observed=reply.status)


class Slack:
    """Slack: `chat.postMessage` with a token and a channel (it can thread), or an incoming webhook (it cannot).

    *text* is escaped, so that a commit message cannot call `<!channel>`.
    """

    def __init__(
        self,
        *,
        url: str = "",
        token: str = "",
        channel: str = "",
        hosts: tuple[str, ...] = (),
        timeout: float = TIMEOUT,
        api: str = "https://slack.com/api",
    ) -> None:
        if not url and not (token and channel):
            raise Invalid("Slack needs a token and a channel, or the url of an incoming webhook")
        self._url = url
        self._token = token
        self._channel = channel
        self._hosts = hosts
        self._timeout = timeout
        self._api = api

    async def send(self, message: Announcement) -> Outcome:
        """Done with `ref`, the message's `ts`: the parent of what answers it. A webhook's `ref` is our own key."""
        text = _escaped(f"*{message.subject}*\n{message.whole_body}")
        if self._url:
            return await self._by_webhook(text, message)
        payload: dict[str, Any] = {
            "channel": self._channel,
            "text": text,
            "metadata": {
                "event_type": "amplify_message",
                "event_payload": {"idem": message.idem, "run": message.run, "event": message.event},
            },
        }
        if message.parent:
            payload["thread_ts"] = message.parent
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": message.idem}
        url = f"{self._api}/chat.postMessage"
        reply = await post(url, payload, hosts=self._hosts, headers=headers, timeout=self._timeout)
        if not isinstance(reply, Reply):
            return reply
        return refusal(reply, "Slack") or _slack_outcome(reply.json())

    async def _by_webhook(self, text: str, message: Announcement) -> Outcome:
        headers = {"Idempotency-Key": message.idem}
        reply = await post(self._url, {"text": text}, hosts=self._hosts, headers=headers, timeout=self._timeout)
        if not isinstance(reply, Reply):
            return reply
        return refusal(reply, "Slack") or Done(receipt={"ref": message.idem}, observed=reply.status)


_SLACK_TEXT: Final = 12_000
# api.slack.com/methods/chat.postMessage: of the first two it says that the message may have been posted all
# the same.
_SLACK_UNCLEAR: Final = frozenset({"fatal_error", "internal_error", "request_timeout"})
_SLACK_RETRYABLE: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
_SLACK_UNAUTHORIZED: Final = frozenset(
    {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked", "two_factor_setup_required"}
)
_SLACK_NOT_FOUND: Final = frozenset({"channel_not_found", "is_archived", "thread_not_found"})


def _slack_outcome(answered: dict[str, Any] | None) -> Outcome:
    """What Slack's own verdict proves; it answers 200 to nearly everything and says in the body what it did."""
    if answered is None or not isinstance(answered.get("ok"), bool):
        return Unknown(cause="Slack answered 200 without saying whether it posted the message")
    if answered["ok"]:
        ref = clean(str(answered.get("ts") or ""), 40)
        return Done(receipt={"ref": ref, "channel": clean(str(answered.get("channel") or ""), 40)}, observed=True)
    why = clean(str(answered.get("error") or "no reason given"), 80)
    if why in _SLACK_UNCLEAR:
        return Unknown(cause=f"Slack answered {why}: the message may have been posted")
    error = "Unauthorized" if why in _SLACK_UNAUTHORIZED else "NotFound" if why in _SLACK_NOT_FOUND else "Forbidden"
    is_retryable = why in _SLACK_RETRYABLE
    return Absent(
        reason=f"Slack refused: {why}", retryable=is_retryable, error="RateLimited" if is_retryable else error
    )


def _escaped(text: str) -> str:
    """Slack's three characters, as its formatting guide asks; nothing in the text can then mention or link."""
    cut = text if len(text) <= _SLACK_TEXT else f"{text[: _SLACK_TEXT - 1]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _body(response: httpx.Response) -> bytes | None:
    """At most `_LARGEST_ANSWER` of the answer; None where it broke off, for its status is known by then."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= _LARGEST_ANSWER:
                break
    except (httpx.TransportError, httpx.DecodingError):
        return None
    return bytes(body[:_LARGEST_ANSWER])
