"""What Unleash answers, as our values: a flag with its parents, a segment. Pure: parsed JSON comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.flags.port import State
from amplify_tui.adapters.flags.state import flag_state
from amplify_tui.adapters.ports import FlagState, Invalid, Parent


def parse(feature: Any, env: str) -> FlagState:
    """The flag of a `GET .../features/{name}` answer in *env*. Raises Invalid where the answer has another shape."""
    try:
        found = next(one for one in feature["environments"] if one["name"] == env)
        state: State = {
            "exists": True,
            "enabled": bool(found["enabled"]),
            "type": str(feature.get("type") or ""),
            "description": str(feature.get("description") or ""),
            "impression_data": bool(feature.get("impressionData")),
            "strategies": [dict(one) for one in found["strategies"]],
        }
        known = flag_state(str(feature["name"]), env, state)
        parents = tuple(_parent(one) for one in feature.get("dependencies") or ())
        return replace(known, stale=bool(feature.get("stale")), parents=parents)
    except StopIteration:
        raise Invalid(f"the flag has no environment {env!r}", fix="check `environment` of the source") from None
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"the flag server's answer is no flag: {type(error).__name__}") from error


def _parent(raw: Mapping[str, Any]) -> Parent:
    names = tuple(clean(str(one), 80) for one in raw.get("variants") or ())
    return Parent(key=str(raw["feature"]), enabled=bool(raw.get("enabled", True)), variants=names)


def segment_rules(answer: Any) -> list[dict[str, Any]]:
    """The constraints that a segment holds. Raises Invalid where the answer is none."""
    try:
        return [dict(one) for one in answer["constraints"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the flag server's answer is no segment") from error


def segment_name(answer: Any) -> str:
    """What a segment is called; empty where the answer does not tell."""
    return clean(str(answer.get("name") or ""), 80) if isinstance(answer, Mapping) else ""
