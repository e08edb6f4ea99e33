"""How often applications really ask for a flag, as their SDKs tell the server: hourly buckets of yes and no. Pure.

SDKs report once a minute by default, so a use shows up a minute late. Our own evaluations are none of these: they run
the engine itself, which reports to nobody. The server also lists pairs of application and environment that never met,
with 0 and 0.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import Invalid
from amplify_tui.verdict.model import FlagUse


def usage(answer: Any) -> tuple[FlagUse, ...]:
    """The buckets of `GET /api/admin/client-metrics/features/{flag}/raw`, the latest last.

    Raises Invalid where the answer has another shape.
    """
    try:
        found = [_use(one) for one in answer["data"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer holds no usage") from error
    return tuple(sorted(found, key=lambda use: (use.hour, use.app, use.env)))


def _use(raw: Any) -> FlagUse:
    hour = datetime.fromisoformat(str(raw["timestamp"])).timestamp()
    app, env = clean(str(raw["appName"]), 80), clean(str(raw["environment"]), 80)
    return FlagUse(app=app, hour=hour, yes=int(raw["yes"]), no=int(raw["no"]), env=env)


def last_seen(answer: Any) -> float | None:
    """The latest `lastSeen` of `GET /api/admin/metrics/instances/{app}/environment/{env}`; None where it lists none.

    Raises Invalid where the answer has another shape.
    """
    try:
        found = [datetime.fromisoformat(str(one["lastSeen"])).timestamp() for one in answer["instances"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer lists no instances") from error
    return max(found, default=None)
