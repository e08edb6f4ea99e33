"""The outline of a playbook: its stages and steps as written, for what must show a plan before anything has a value."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from amplify_tui.playbook.skeleton import (
    ROLLBACK_LISTS,
    Skeleton,
    StageBone,
    StepBone,
    stage_waits_for,
    waits_for,
)
from amplify_tui.playbook.values import BadValue, parse_duration
from amplify_tui.playbook.yaml import Map, Seq, plain


class StepOutline(Struct, frozen=True, kw_only=True):
    """A step before resolution. Values are as written; an expression is its text.

    needs: as written, None where the key is not given. after: the ids of the steps it directly waits for, the default
    of `needs` applied. timeout: seconds, or the text of an expression.
    """

    id: str
    stage: str
    verb: str
    title: str = ""
    needs: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    each: dict[str, Any] = {}
    max_parallel: Any = 1
    fail_fast: Any = True
    skippable: Any = False
    on_fail: str = "stop"
    timeout: float | str | None = None
    retries: Any = 0
    sign_off: dict[str, Any] | None = None
    undo_after: tuple[str, ...] = ()
    guide: str = ""
    when: Any = True


class StageOutline(Struct, frozen=True, kw_only=True):
    """A stage. after: the ids of the stages it waits for, the default applied."""

    id: str
    steps: tuple[StepOutline, ...]
    title: str = ""
    needs: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    when: Any = True


class Structure(Struct, frozen=True, kw_only=True):
    """stages in file order; rollback: its steps by list (before, after, integrity, reconcile)."""

    stages: tuple[StageOutline, ...]
    rollback: dict[str, tuple[StepOutline, ...]] = {}


def structure(bones: Skeleton) -> Structure:
    """The outline of a playbook that has been checked."""
    rollback = bones.section("rollback")
    by_node = {id(step.node): step for step in bones.rollback.values()}
    lists = {}
    for part in ROLLBACK_LISTS:
        node = rollback.get(part)
        items = node.items if isinstance(node, Seq) else []
        lists[part] = tuple(_step(bones, by_node[id(item)]) for item in items if id(item) in by_node)
    return Structure(stages=tuple(_stage(bones, stage) for stage in bones.stages.values()), rollback=lists)


def _stage(bones: Skeleton, stage: StageBone) -> StageOutline:
    raw = {key: plain(node) for key, node in stage.node.items.items() if key != "steps"}
    return StageOutline(
        id=stage.id,
        steps=tuple(_step(bones, step) for step in stage.steps),
        title=raw.get("title", ""),
        needs=_tuple(raw.get("needs")),
        after=stage_waits_for(bones, stage),
        when=raw.get("when", True),
    )


def _step(bones: Skeleton, step: StepBone) -> StepOutline:
    raw = _common(step.node)
    known = {key: raw[key] for key in StepOutline.__struct_fields__ if key in raw}
    known |= {"needs": _tuple(raw.get("needs")), "undo_after": _tuple(raw.get("undo_after")) or ()}
    if isinstance(raw.get("timeout"), str):
        known["timeout"] = _seconds(raw["timeout"])
    known |= {"id": step.id, "stage": step.stage, "verb": step.verb or "", "after": waits_for(bones, step)}
    return StepOutline(**known)


def _common(node: Map) -> dict[str, Any]:
    common = {*StepOutline.__struct_fields__} - {"id", "stage", "verb", "after"}
    return {key: plain(value) for key, value in node.items.items() if key in common}


def _tuple(value: Any) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) else None


def _seconds(text: str) -> float | str:
    try:
        return parse_duration(text)
    except BadValue:
        return text
