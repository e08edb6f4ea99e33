"""What the ops scripts share: where this world is, and how to ask it. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

ABSENT, UNREACHABLE = 1, 2  # a probe's exit status: 0 is done, 1 is not done, anything else cannot say


def fail(words: str, status: int = UNREACHABLE) -> NoReturn:
    """End with one line on standard error."""
    sys.stderr.write(words + "\n")
    raise SystemExit(status)


def world() -> dict[str, Any]:
    """The addresses of this world; the file is written when it starts and is no part of the repository."""
    path = Path(os.environ.get("AMPLIFY_SANDBOX_WORLD") or Path(__file__).with_name("world.json"))
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        fail(f"no world at {path}: is the sandbox running?")
    return found


def ask(url: str, method: str = "GET", body: Any = None, token: str = "") -> tuple[int, bytes]:
    """Status and body of one request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=8)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"content-type": "application/json"} | ({"authorization": token} if token else {})
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError as problem:
        fail(f"{url}: {problem}")
    finally:
        connection.close()


def door(method: str, path: str, body: Any = None, *, instance: str = "") -> Any:
    """One request to the admin door behind *instance*, or to the first there is."""
    here = world()
    url = here["admin"].get(instance) if instance else next(iter(here["admin"].values()))
    if url is None:
        fail(f"no instance {instance!r}; there are: {', '.join(sorted(here['admin']))}")
    status, answer = ask(url + path, method, body, here["token"])
    if status >= 300:
        fail(f"{method} {path}: {status} {answer.decode(errors='replace')}")
    return json.loads(answer)
