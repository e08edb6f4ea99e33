"""A run's state as JSON (the shape of `show --json`) and as text. Pure."""

from __future__ import annotations

from typing import Any

from amplify_tui.run.state import State, StepState
from amplify_tui.run.undo import SETTLED_ITEM, rollback_items


def run_json(state: State, conductor: dict[str, object], head: str) -> dict[str, Any]:
    """The stable shape: additive changes only."""
    subject = state.subject
    items = rollback_items(state)
    return {
        "run": state.run,
        "mode": state.mode,
        "phase": state.phase,
        "outcome": state.outcome,
        "holds": [
            {"id": h.id, "scope": h.scope, "kind": h.kind, "reason": h.reason, "auto_release": h.auto_release}
            for h in state.holds.values()
        ],
        "mitigated": bool(state.mitigation),
        "conductor": conductor,
        "release": {
            "version": subject.version if subject else state.inputs.get("version"),
            "previous": subject.previous if subject else None,
            "tag": subject.tag if subject else None,
            "sha": subject.sha if subject else None,
            "environment": state.environment,
        },
        "stages": [
            {
                "id": stage.id,
                "state": stage_state(state, stage.steps),
                "steps": [_step(state, s) for s in _of(state, stage.steps)],
            }
            for stage in state.plan.stages
        ],
        "undo": {
            "ready": sum(entry.item.cls != "none" for entry in items),
            "total": sum(entry.item.cls != "none" for entry in items),
            "items": [
                {
                    "effect": entry.item.effects[0],
                    "band": entry.item.band,
                    "target": entry.item.target.id,
                    "class": entry.item.cls,
                    "state": entry.status,
                    "decision": entry.decision,
                }
                for entry in items
            ],
        },
        "exposure": state.exposure,
        "seq": state.seq,
        "head": head,
    }


def _of(state: State, steps: tuple[str, ...]) -> list[StepState]:
    return [instance for step in steps for instance in state.steps_of(step)]


def _step(state: State, step: StepState) -> dict[str, Any]:
    return {
        "id": step.step,
        "key": step.key,
        "verb": state.plan_of(step).verb,
        "state": step.status,
        "cause": step.cause,
        "detail": step.detail,
        "phase": step.phase if step.watch else None,
        "verdict": step.verdict.answer if step.verdict else None,
    }


def stage_state(state: State, steps: tuple[str, ...]) -> str:
    """The fold of a stage's steps: not_reached, active, attention, done, done_with_exceptions, undone."""
    instances = _of(state, steps)
    statuses = {s.status for s in instances}
    held = any(h.scope in {s.ref for s in instances} for h in state.holds.values())
    if "stuck" in statuses or held:
        return "attention"
    if statuses <= {"pending"}:
        return "not_reached"
    if statuses <= {"succeeded", "skipped", "canceled"}:
        if state.rollback_plan and all(entry.status in SETTLED_ITEM for entry in rollback_items(state)):
            return "undone"
        exceptional = any(s.skipped_by in ("failed", "human") for s in instances) or "canceled" in statuses
        return "done_with_exceptions" if exceptional else "done"
    return "active"


def run_text(shown: dict[str, Any]) -> str:
    """The same for a reader of a terminal."""
    release = shown["release"]
    lines = [
        (
            f"run {shown['run']}  {shown['phase']}{' ' + shown['outcome'] if shown['outcome'] else ''}  "
            f"{release['version']} {release['environment']}  conductor {shown['conductor']['state']}"
        )
    ]
    lines += [f"  hold {h['id']} ({h['kind']}): {h['reason']}" for h in shown["holds"]]
    for stage in shown["stages"]:
        lines.append(f"  {stage['id']:16} {stage['state']}")
        for step in stage["steps"]:
            name = f"{step['id']}[{step['key']}]" if step["key"] else step["id"]
            cause = f" ({step['cause']}: {step['detail']})" if step["cause"] else ""
            lines.append(f"    {name:20} {step['state']}{cause}")
    for item in shown["undo"]["items"]:
        lines.append(f"  undo {item['band']} {item['target']:30} {item['state']}")
    for flag, percent in shown["exposure"].items():
        lines.append(f"  exposure {flag} {percent:g} %")
    return "\n".join(lines)
