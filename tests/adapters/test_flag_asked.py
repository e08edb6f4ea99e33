"""The share that a flag's rules ask for, and when they choose other users than before."""

from __future__ import annotations

from typing import Any

import pytest

from amplify_tui.adapters.flags.asked import asked, regrouped
from amplify_tui.verdict.model import Asked


def rollout(percent: object, **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": more.pop("stickiness", "default")}
    parameters["groupId"] = more.pop("group", "new")
    return {"name": "flexibleRollout", "title": "ramp", "parameters": parameters} | more


def state(*strategies: dict[str, Any], enabled: bool = True, exists: bool = True) -> dict[str, Any]:
    return {"exists": exists, "enabled": enabled, "strategies": list(strategies)}


SOME = {"constraints": [{"contextName": "userId", "operator": "IN", "values": ["u1"]}]}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (state(rollout(25)), Asked(0.25, 0.25)),
        (state(rollout(25), enabled=False), Asked(0, 0)),
        (state(exists=False), Asked(0, 0)),
        (state(), Asked(1, 1)),  # on without a rule is on for everybody
        (state(rollout(100, disabled=True)), Asked(1, 1)),
        (state({"name": "default"}), Asked(1, 1)),
        (state(rollout(25), rollout(10)), Asked(0.25, 0.25)),  # of one group: the same users
        (state(rollout(25), rollout(10, group="other")), Asked(0.25, 0.35)),
        (state(rollout(60), rollout(60, group="other")), Asked(0.6, 1.0)),
        (state(rollout(25), rollout(100, **SOME)), Asked(0.25, 1.0)),
        (state(rollout(25), rollout(0, **SOME)), Asked(0.25, 0.25)),
        (state(rollout(50, segments=[1])), Asked(0, 1.0)),
        (state(rollout("12.5")), Asked(0, 1.0)),  # SDKs do not agree on it
        (state(rollout(0), rollout(100, **SOME)), Asked(0, 1.0)),
        (state(rollout(25, stickiness="tenantId")), Asked(0.25, 0.25, ("tenantId",))),
        (state(rollout(25, stickiness="random")), Asked(0.25, 0.25)),
        (state(rollout(0, stickiness="tenantId"), rollout(5, group="b")), Asked(0.05, 0.05)),
    ],
)
def test_the_share_that_is_asked_for(raw: dict[str, Any], wanted: Asked) -> None:
    assert asked(raw) == wanted


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (state(rollout(50)), ""),
        (state(rollout(25, group="b")), "group new became b"),
        (state(rollout(25, stickiness="tenantId")), "stickiness default became tenantId"),
        (state(rollout(25, title="internal"), rollout(25)), ""),  # found by its title
        (state(rollout(25, group="b", title="internal")), ""),
        (state(), ""),
        (state(rollout(25, group="b\u202e[/]")), "group new became b[/]"),  # a stranger's text is cleaned
    ],
)
def test_another_group_or_field_is_another_choice_of_users(now: dict[str, Any], words: str) -> None:
    assert regrouped(state(rollout(25)), now) == words
