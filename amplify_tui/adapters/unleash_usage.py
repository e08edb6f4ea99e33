"""How often applications really ask for a flag, as their SDKs tell the server: hourly buckets of yes and no. Pure.

SDKs report once a minute by default, so a use shows up a minute late. Our own evaluations are none of these: they run
the engine itself, which reports to nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import FlagUse, Invalid


def uses(answer: Any, env: str) -> tuple[FlagUse, ...]:
    """The buckets of `GET /api/admin/client-metrics/features/{flag}/raw` in *env*, the latest last.

    Raises Invalid where the answer has another shape.
    """
    try:
        found = [_use(one) for one in answer["data"] if one["environment"] == env]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer holds no usage") from error
    return tuple(sorted(found, key=lambda use: (use.hour, use.app)))


def _use(raw: Any) -> FlagUse:
    hour = datetime.fromisoformat(str(raw["timestamp"])).timestamp()
    return FlagUse(app=clean(str(raw["appName"]), 80), hour=hour, yes=int(raw["yes"]), no=int(raw["no"]))
