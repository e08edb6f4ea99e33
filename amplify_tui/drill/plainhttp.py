"""One JSON request with the standard library: for the world's own errands, where httpx would cost a start's 200 ms."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


class CallError(Exception):
    """The other side answered, but not with what was asked for."""


def call(
    url: str, method: str = "GET", body: Any = None, *, token: str = "", timeout: float = 5.0,
    missing_is_none: bool = False,
) -> Any:  # fmt: skip
    """The answer's JSON, or None where it has no body.

    Raises OSError when nobody answers and CallError on a status of 300 or more. With *missing_is_none* an unreachable
    server and a 404 are None too.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    headers = {"content-type": "application/json"} | ({"authorization": token} if token else {})
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        if missing_is_none:
            return None
        raise OSError(f"{method} {url}: {problem}") from problem
    finally:
        connection.close()
    if missing_is_none and answer.status == 404:
        return None
    if answer.status >= 300:
        raise CallError(f"{method} {url}: {answer.status} {raw.decode(errors='replace')[:200]}")
    return json.loads(raw) if raw else None
