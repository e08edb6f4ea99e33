"""An application with the official Python SDK that evaluates flags for whoever asks on its standard input: see apps.py.

One line of JSON in, one line of JSON out; the first line in says where the flags are.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from UnleashClient import UnleashClient  # type: ignore[attr-defined]

from amplify_tui.drill.flagsdk import MemoryCache


def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    heard: list[str] = []
    logging.getLogger("UnleashClient").addHandler(_Heard(heard))
    client = UnleashClient(
        url=f"{wanted['url']}/api",
        app_name=wanted["app"],
        instance_id=wanted["instance"],
        environment=wanted["environment"],
        custom_headers={"Authorization": wanted["token"]},
        refresh_interval=1,
        metrics_interval=1,
        cache=MemoryCache(),
    )
    client.initialize_client()
    _say({"problem": "; ".join(heard)})
    for line in sys.stdin:
        asked = json.loads(line)
        ask = _variant if asked["variants"] else UnleashClient.is_enabled
        _say([[ask(client, flag, user) for user in asked["users"]] for flag in asked["flags"]])
    client.destroy()


def _variant(client: UnleashClient, flag: str, user: dict[str, Any]) -> list[Any]:
    found = client.get_variant(flag, user)
    payload = found.get("payload") or {}
    return [found["name"], found["enabled"], found["feature_enabled"], payload.get("value")]


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


class _Heard(logging.Handler):
    """The SDK raises nothing: what went wrong is in its log alone."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())


if __name__ == "__main__":
    main()
