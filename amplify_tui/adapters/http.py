"""HTTP for systems that are few and rich (flag server, Prometheus): one exchange, bounded, with its errors mapped here.

Nothing above this module sees httpx. Two ways out of a failure, by what was asked:

    a read   raises the AdapterError of ports.py
    a write  answers Absent where it provably did not happen, Unknown where nobody can say; it never raises

    what happened                                   read raises              write answers
    no connection (refused, DNS, TLS, proxy)        Unreachable              Absent(retryable)
    connected, then silence or a broken stream      Unreachable              Unknown
    401 / 403 / 404 / 409 / other 4xx               Unauthorized / Forbidden / NotFound / Conflict / Invalid    Absent
    429                                             RateLimited(retry_after) Absent(retryable)
    3xx                                             Invalid (never followed) Absent
    5xx                                             Unreachable              Unknown
    more than 8 MiB, HTML where JSON should be      Invalid                  Unknown

Headers never appear in a message: they hold the tokens. Proxies of the environment are used, except towards loopback
(a company's HTTP_PROXY would otherwise swallow the sandbox). Polling of many instances is not done here: see wire.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final

import httpx
from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
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

MAX_BODY: Final = 8 * 1024 * 1024
RETRY_AFTER: Final = 60.0  # where a 429 does not say; Unleash's own limits are per minute


class Answer(Struct, frozen=True, kw_only=True):
    """A complete answer. Header names are lower case; `at` is when it had arrived."""

    status: int
    headers: dict[str, str]
    body: bytes
    where: str
    at: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises Invalid where it is none: a login page, a proxy's page, half an answer."""
        try:
            return parse_json(self.body)
        except ValueError:
            pass
        start = self.text.lstrip()[:200]
        if start.lower().startswith(("<!doctype", "<html")):
            raise Invalid(
                "answered a web page where JSON should be",
                where=self.where,
                fix="check that the URL is the server's own and not a login page's or a proxy's",
            )
        raise Invalid(f"answered what is no JSON: {clean(start, 80) or 'nothing'}", where=self.where)


class NeverSentError(Exception):
    """Marks, as the cause of an AdapterError, that no byte of the request left: the effect cannot have happened."""


class Http:
    """One system behind one base URL. Every call ends within `timeout` and reads at most 8 MiB.

    A client may be handed in (its owner closes it); else one is made at the first call and closed by `aclose`.
    at_once: how many reads may be under way; one that waits for its turn is not timed yet. Writes wait for nobody.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        client: httpx.AsyncClient | None = None,
        at_once: int | None = None,
    ) -> None:
        self.base = base.rstrip("/")
        self.name = shown(self.base)
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._client = client
        self._owned = client is None
        self._turns = asyncio.Semaphore(at_once) if at_once else contextlib.nullcontext()

    async def aclose(self) -> None:
        if self._client is not None and self._owned:
            await self._client.aclose()
            self._client = None

    async def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """The answer, of status 2xx or 304. Raises the AdapterError of the table above."""
        async with self._turns:
            answer = await self._exchange(method, path, params=params, headers=headers, form=form, body=body)
        if 200 <= answer.status < 300 or answer.status == 304:
            return answer
        raise status_error(answer)

    async def write(self, method: str, path: str, body: Any = None) -> Answer | Absent | Unknown:
        """The answer of status 2xx, or what is known about a write that has none."""
        try:
            answer = await self._exchange(method, path, body=body)
        except AdapterError as error:
            if isinstance(error.__cause__, NeverSentError):
                return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)
            return Unknown(cause=str(error))
        if 200 <= answer.status < 300:
            return answer
        refusal = status_error(answer)
        if answer.status >= 500:
            return Unknown(cause=str(refusal))
        return Absent(reason=str(refusal), retryable=refusal.retryable, error=type(refusal).__name__)

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        where = f"{method} {self.name}{path}"
        try:
            client = self._open()
            # httpx bounds each read; the outer limit also ends a server that sends one byte every few seconds.
            async with (
                asyncio.timeout(self._timeout),
                client.stream(
                    method,
                    self.base + path,
                    params=params,
                    headers={**self._headers, **(headers or {})},
                    data=form,
                    json=body,
                    timeout=httpx.Timeout(self._timeout, connect=self._timeout / 2),
                    follow_redirects=False,
                ) as response,
            ):
                received = await _bounded(response, where)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise transport_error(error, where, self._timeout) from sent_or_not(error)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=names, body=received, where=where, at=time())

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(verify=_trusted(), trust_env=not is_loopback(self.base))
        return self._client


def _trusted() -> ssl.SSLContext | bool:
    """SSL_CERT_FILE counts towards loopback too, where httpx is told to leave the environment (its proxies) alone."""
    try:
        named = os.environ.get("SSL_CERT_FILE")
        return ssl.create_default_context(cafile=named) if named else True
    except OSError as error:
        what = f"SSL_CERT_FILE cannot be used: {clean(str(error), 120)}"
        raise Invalid(what, fix="name a file of certificates in PEM") from NeverSentError(what)


async def _bounded(response: httpx.Response, where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_BODY:
            raise Invalid(f"answered more than {MAX_BODY // 2**20} MiB", where=where, fix="narrow the question")
        parts.append(part)
    return b"".join(parts)


def sent_or_not(error: Exception) -> Exception:
    """*error*, as NeverSentError where the request provably did not leave."""
    never = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    if isinstance(error, (*never, httpx.ProxyError, httpx.InvalidURL)):
        return NeverSentError(str(error))
    return error


def transport_error(error: Exception, where: str, timeout: float) -> AdapterError:
    """The AdapterError for a call that got no complete answer."""
    match error:
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return Invalid("the URL cannot be used", where=where, fix="write it as http://host:port")
        case httpx.ConnectTimeout():
            fix = "check the network and the host"
            return Unreachable(f"no connection within {timeout / 2:g}s", where=where, fix=fix)
        case httpx.PoolTimeout():
            return Unreachable("too many calls are under way", where=where)
        case httpx.ProxyError():
            return Unreachable(
                f"the proxy refused: {clean(str(error), 120)}", where=where, fix="check HTTP_PROXY and NO_PROXY"
            )
        case httpx.ConnectError():
            return _no_connection(error, where)
        case httpx.TimeoutException() | TimeoutError():
            return Unreachable(f"no answer within {timeout:g}s", where=where)
        case httpx.DecodingError():
            return Invalid("the answer's compression is broken", where=where)
        case httpx.RemoteProtocolError():
            return Unreachable(f"the answer broke off: {clean(str(error), 120)}", where=where)
    return Unreachable(f"the connection was lost: {clean(str(error), 120) or type(error).__name__}", where=where)


def _no_connection(error: httpx.ConnectError, where: str) -> AdapterError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            fix = "check the host's name and its certificate; SSL_CERT_FILE names an authority of your own"
            return Invalid(f"its certificate is not trusted: {clean(cause.verify_message, 120)}", where=where, fix=fix)
        cause = cause.__cause__ or cause.__context__
    words = clean(str(error), 120)
    return Unreachable(f"no connection: {words or 'refused'}", where=where, fix="is it running, and is the URL right?")


def status_error(answer: Answer) -> AdapterError:
    """The AdapterError for an answer whose status is not 2xx, in the server's own words where it has some."""
    words = server_words(answer)
    said = f"{answer.status}: {words}" if words else f"answered {answer.status}"
    where = answer.where
    match answer.status:
        case 401:
            return Unauthorized(said, where=where, fix="the token is missing, wrong or expired")
        case 403:
            return Forbidden(said, where=where, fix="the token is known but lacks this right, or is of another type")
        case 404:
            return NotFound(said, where=where)
        case 409:
            return Conflict(said, where=where)
        case 429:
            wait = retry_after(answer)
            after = RETRY_AFTER if wait is None else wait
            return RateLimited(said, retry_after=after, is_told=wait is not None, where=where)
        case status if 300 <= status < 400:
            target = clean(answer.headers.get("location", "elsewhere"), 120)
            return Invalid(f"redirects to {target}", where=where, fix="write the final URL; none is followed")
        case status if status >= 500:
            return Unreachable(said, where=where, fix="the server is there and failing; see its own log")
    return Invalid(said, where=where)


def server_words(answer: Answer) -> str:
    """What the server said about itself: the message of a JSON error, else its plain text; never a web page."""
    try:
        data = parse_json(answer.body)
    except ValueError:
        text = answer.text.strip()
        return "" if text.startswith("<") else clean(text, 200)
    if not isinstance(data, dict):
        return clean(str(data), 200)
    details = data.get("details")
    if isinstance(details, list) and details and isinstance(details[0], dict):
        return clean(str(details[0].get("message") or data.get("message", "")), 200)
    return clean(str(data.get("message") or data.get("error") or ""), 200)


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait, from a Retry-After in seconds or as a date; None where it is missing or unreadable."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdecimal():
        return float(given)
    moment = date_of(given)
    return None if moment is None else max(moment - answer.at, 0.0)


def date_of(text: str) -> float | None:
    """The Unix seconds of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def skew(answer: Answer) -> float | None:
    """How many seconds the server's clock is ahead of ours, by its Date header (which has whole seconds)."""
    moment = date_of(answer.headers.get("date", ""))
    return None if moment is None else moment - answer.at


def shown(url: str) -> str:
    """*url* without user and password, for messages."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return clean(f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}", 200)


def is_loopback(url: str) -> bool:
    host = httpx.URL(url).host if "://" in url else ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
