"""What SDKs see of the flag server: the client payload with its revision, and the engine's own answer.

The payload must say `version`: without it the Python engine answers everybody "off" and says nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from amplify_tui.drill.flagsegments import Segments
from amplify_tui.drill.flagstore import PROJECT, Flag, FlagStore


def payload(
    store: FlagStore, segments: Segments, environment: str, *, prefix: str = "", inline: bool = False
) -> dict[str, Any]:
    """`GET /api/client/features` for one environment; *inline* puts a segment's constraints into its strategies."""
    by_id = {segment["id"]: segment for segment in segments.all()}
    query: dict[str, Any] = {"project": [PROJECT]} | ({"namePrefix": prefix} if prefix else {})
    query |= {"environment": environment, "inlineSegmentConstraints": inline}
    features = [_feature(flag, environment, by_id, inline) for flag in store.live() if flag.name.startswith(prefix)]
    used = {key for f in features for s in f["strategies"] for key in s.get("segments", [])}
    answer: dict[str, Any] = {"version": 2, "features": features, "query": query}
    if not inline:
        answer["segments"] = [
            {field: by_id[key][field] for field in ("id", "name", "constraints")} for key in sorted(used)
        ]
    digest = hashlib.sha256(json.dumps(query).encode()).hexdigest()[:8]
    revision = store.log.revision(environment)
    answer["meta"] = {"revisionId": revision, "etag": f'"{digest}:{revision}:v1"', "queryHash": digest}
    return answer


def _feature(flag: Flag, environment: str, segments: dict[int, dict[str, Any]], inline: bool) -> dict[str, Any]:
    env = flag.envs[environment]
    return {
        "name": flag.name,
        "type": flag.type,
        "enabled": env.enabled,
        "project": PROJECT,
        "stale": flag.stale,
        "strategies": [_strategy(one, segments, inline) for one in env.strategies if not one["disabled"]],
        "variants": [],
        "description": flag.description,
        "impressionData": flag.impression_data,
    }


def _strategy(strategy: dict[str, Any], segments: dict[int, dict[str, Any]], inline: bool) -> dict[str, Any]:
    kept = {key: strategy[key] for key in ("name", "constraints", "parameters", "variants")}
    if strategy["segments"] and inline:
        more = [rule for key in strategy["segments"] for rule in segments[key]["constraints"]]
        kept["constraints"] = kept["constraints"] + more
    elif strategy["segments"]:
        kept["segments"] = strategy["segments"]
    return kept


def evaluate(answer: dict[str, Any], context: dict[str, Any]) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Each flag's answer and variant for a context, by the engine that the SDKs use."""
    from yggdrasil_engine.engine import UnleashEngine

    engine = UnleashEngine()
    engine.take_state(json.dumps(answer))
    plain = {key: value for key, value in context.items() if key != "properties"}
    asked = plain | {"properties": {key: str(value) for key, value in context.get("properties", {}).items()}}
    result = {}
    for name in (feature["name"] for feature in answer["features"]):
        is_on = bool(engine.is_enabled(name, asked).is_enabled)
        found = engine.get_variant(name, asked).variant
        variant = {"name": found.name, "enabled": found.enabled} if found else {"name": "disabled", "enabled": False}
        result[name] = (is_on, variant | {"feature_enabled": is_on})
    return result
