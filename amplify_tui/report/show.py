"""A run's state as JSON (the shape of `show --json`) and as text. Pure."""

from __future__ import annotations

from typing import Any

from amplify_tui.run.forecast import Forecast, forecast, forecast_words
from amplify_tui.run.secret_words import not_set, where_set
from amplify_tui.run.select.headline import headline
from amplify_tui.run.select.stages import undo_ready
from amplify_tui.run.state import State, StepState, TriggerState
from amplify_tui.run.undo import SETTLED_ITEM, rollback_items
from amplify_tui.run.watching import condition_words, outputs_of
from amplify_tui.verdict.words import duration


def run_json(state: State, conductor: dict[str, object], head: str, now: float | None = None) -> dict[str, Any]:
    """The stable shape: additive changes only. *now*: what a forecast counts from; by default the last event."""
    now = state.last_at if now is None else now
    items, ready = rollback_items(state), undo_ready(state)
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
        "release": _release(state),
        "stages": [
            {
                "id": stage.id,
                "state": stage_state(state, stage.steps),
                "steps": [_step(state, s, now) for s in _of(state, stage.steps)],
            }
            for stage in state.plan.stages
        ],
        "undo": {
            "ready": ready.ready,
            "total": ready.total,
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
        "rollback": _rollback(state),
        "supersedes": state.supersedes or None,
        "superseded_by": state.superseded_by or None,
        "reverses": state.reverses or None,
        "reversed_by": state.reversed_by or None,
        "exposure": state.exposure,
        "says": _says(state, conductor, now),
        "triggers": [_trigger(trigger, now) for trigger in state.triggers.values()],
        "seq": state.seq,
        "head": head,
    }


def _says(state: State, conductor: dict[str, object], now: float) -> dict[str, str]:
    """Line 2 of the cockpit: how it stands in a word, why, and what happens next."""
    said = headline(state, now, "its conductor is gone" if conductor.get("state") == "lost" else "")
    return {"word": said.word, "because": said.because, "next": said.next}


def _trigger(trigger: TriggerState, now: float) -> dict[str, Any]:
    """open: it has fired, and nobody answered. disarmed_until: Unix seconds; None where it guards."""
    return {
        "id": trigger.spec.id,
        "fired": trigger.fired,
        "open": trigger.is_open,
        "evidence": trigger.evidence,
        "blind": trigger.blind,
        "disarmed_until": trigger.disarmed_until if now < trigger.disarmed_until else None,
    }


def _release(state: State) -> dict[str, Any]:
    subject = state.subject
    return {
        "version": subject.version if subject else state.inputs.get("version"),
        "previous": subject.previous if subject else None,
        "tag": subject.tag if subject else None,
        "sha": subject.sha if subject else None,
        "environment": state.environment,
        "trusted_ref": state.plan.trusted_ref or None,
        "untrusted": state.untrusted or None,
    }


def _rollback(state: State) -> dict[str, Any] | None:
    """When the rollback began, how long it took to take everything back, and how long the playbook hoped for."""
    if state.rollback_at is None:
        return None
    items = rollback_items(state)
    ends = [entry.effect.ended_at for entry in items if entry.effect is not None and entry.effect.ended_at is not None]
    is_over = all(entry.status in SETTLED_ITEM for entry in items)
    took = max(ends, default=state.rollback_at) - state.rollback_at if is_over else None
    wanted = state.plan.complete_within
    in_time = None if took is None or wanted is None else took <= wanted
    return {"started_at": state.rollback_at, "took": took, "complete_within": wanted, "in_time": in_time}


def _of(state: State, steps: tuple[str, ...]) -> list[StepState]:
    return [instance for step in steps for instance in state.steps_of(step)]


def _step(state: State, step: StepState, now: float) -> dict[str, Any]:
    ends = forecast(state, step, now)
    return {
        "id": step.step,
        "key": step.key,
        "verb": state.plan_of(step).verb,
        "state": step.status,
        "cause": step.cause,
        "detail": step.detail,
        "phase": step.phase if step.watch else None,
        "verdict": step.verdict.answer if step.verdict else None,
        **({"watch": _watch(step)} if step.watch is not None and step.watch.summed else {}),
        **({"forecast": _forecast(ends)} if ends is not None else {}),
    }


def _forecast(ends: Forecast) -> dict[str, Any]:
    """When a monitor ends at the earliest (begun: False where it only would, begun now), and how late (seconds)."""
    closing = ends.closing
    return {
        "ends_at": ends.ends,
        "begun": ends.begun,
        "clock_stands": ends.stands,
        "window_closes_at": closing.at if closing else None,
        "freeze": closing.freeze or None if closing else None,
        "late_by": ends.late,
        "says": forecast_words(ends),
    }


def _watch(step: StepState) -> dict[str, Any]:
    """What a monitor has shown so far, or to its end: in words, and each condition in numbers (seconds, fractions)."""
    said = outputs_of(step, step.verdict)
    return {
        **said,
        "background": step.watch is not None and step.watch.background,
        "accrued": step.accrued,
        "need": step.need,
        "conditions": [
            {
                "id": one.id,
                "worst": one.worst,
                "limit": one.limit,
                "at": one.at or None,
                "answer": one.answer,
                "good": one.good,
                "bad": one.bad,
                "blind": one.blind,
                "undecided": one.undecided,
                "budget_spent": one.spent,
                "says": condition_words(step, one),
            }
            for one in step.seen
        ],
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
    if lacks := shown["conductor"].get("lacks"):
        lines.append(f"  {not_set(*lacks)} where the conductor runs:")
        lines.append(f"  type `amplify resume {shown['run']}` {where_set(*lacks)}")
    says = shown["says"]
    lines.append(f"  {says['word'].upper()}: {says['because']}")
    if says["next"] and shown["phase"] != "closed":
        lines.append(f"  next: {says['next']}")
    if shown["supersedes"]:
        lines.append(f"  supersedes run {shown['supersedes']}: an undo goes back to the state before that one")
    if shown["superseded_by"]:
        lines.append(f"  superseded by run {shown['superseded_by']}, which has taken its undo over")
    if shown["reverses"]:
        lines.append(f"  reverses run {shown['reverses']}")
    if shown["reversed_by"]:
        lines.append(f"  reversed by run {shown['reversed_by']}, which takes back what this one left")
    if release["trusted_ref"]:
        lines.append(f"  its playbook has to be on {release['trusted_ref']}")
    if release["untrusted"]:
        lines.append(f"  started although nobody vouches for its playbook: {release['untrusted']}")
    lines += [f"  hold {h['id']} ({h['kind']}): {h['reason']}" for h in shown["holds"]]
    for stage in shown["stages"]:
        lines.append(f"  {stage['id']:16} {stage['state']}")
        for step in stage["steps"]:
            name = f"{step['id']}[{step['key']}]" if step["key"] else step["id"]
            cause = f" ({step['cause']}: {step['detail']})" if step["cause"] else ""
            lines.append(f"    {name:20} {step['state']}{cause}")
            if (ends := step.get("forecast")) and (ends["begun"] or ends["late_by"] >= 60.0):
                lines.append(
                    f"      {'in the background; ' if step.get('watch', {}).get('background') else ''}{ends['says']}"
                )
            if watch := step.get("watch"):
                lines += _watch_lines(watch, step["state"])
    for item in shown["undo"]["items"]:
        lines.append(f"  undo {item['band']} {item['target']:30} {item['state']}")
    if shown["rollback"]:
        lines.append(f"  {_took(shown['rollback'])}")
    for flag, percent in shown["exposure"].items():
        lines.append(f"  exposure {flag} {percent:g} %")
    if card := shown.get("card"):
        lines.append(f"  by hand: {card}")
    return "\n".join(lines)


def _watch_lines(watch: dict[str, Any], state: str) -> list[str]:
    """A paragraph for a monitor: its verdict, then a line per condition; none before it was judged."""
    if not watch["conditions"]:
        return []
    said = f"{watch['verdict']}, watched {duration(watch['accrued'])} of {duration(watch['need'])}"
    if state == "pending":
        said = "ended, since exposure was taken away; it begins anew. It had seen:"
    lines = [f"      {said}"]
    name = max(len(one["id"]) for one in watch["conditions"])
    lines += [f"      {one['id']:{name}}  {one['says']}" for one in watch["conditions"]]
    return lines


def _took(rollback: dict[str, Any]) -> str:
    wanted = rollback["complete_within"]
    goal = f", complete_within {duration(wanted)}" if wanted is not None else ""
    if rollback["took"] is None:
        return f"rollback: not complete yet{goal}"
    late = ": LATE" if rollback["in_time"] is False else ""
    return f"rollback: complete after {duration(rollback['took'])}{goal}{late}"


def report_text(state: State) -> str:
    """The run so far for somebody who does not sit at it: `run_text` as of this moment, by a live conductor."""
    return run_text(run_json(state, {"state": "live"}, ""))
