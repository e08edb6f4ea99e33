"""The gate screen: each condition with its sentence and need, what could be done, and what it said before."""

from __future__ import annotations

from amplify_tui.run.select.gate import (
    ConditionRow,
    choices,
    condition_rows,
    gate_line,
    live,
    observed,
    phase_progress,
)
from amplify_tui.run.select.words import NO_VALUE, age, clock, percent, safe
from amplify_tui.run.state import StepState
from amplify_tui.tui.draw.scene import Scene, window
from amplify_tui.tui.text import CURSOR, DIM, PLAIN, SIGN_STYLES, STRONG, WARN, Line, fit, sign, text, wrap
from amplify_tui.verdict.words import duration


def gate_step(scene: Scene) -> StepState | None:
    """The step that `extra` names, with the verdict of the last tick."""
    step = observed(scene.state, scene.extra)
    return live(step, scene.view.board) if step is not None else None


def head(scene: Scene) -> list[Line]:
    """Which gate, its verdict and for how long, then settle, bake and what is left of the wait."""
    step = gate_step(scene)
    if step is None:
        return [[("GATE  ", STRONG), ("no step of this run is watched", DIM)], []]
    plan = step.phase_plan
    where = percent(plan.percent) if plan and plan.percent is not None else safe(plan.target, 24) if plan else NO_VALUE
    seen = f"judged {age(step.judged_at, scene.view.at)} ago" if step.judged_at else "not judged yet"
    first: Line = [("GATE ", STRONG), text(f"{step.ref}, {where}   ", STRONG), text(gate_line(step, scene.view.at))]
    second: Line = [(f" bake {phase_progress(scene.state, step)}", PLAIN), (f"   {seen}", DIM)]
    if step.status == "observing" and step.watch is not None and step.watch.max_wait and step.phase_at is not None:
        left = step.phase_at + step.watch.max_wait - scene.view.at
        second.append((f"   asks a person in {duration(left)}" if left > 0 else "   has waited too long", DIM))
    return [first, second]


def chosen_row(scene: Scene) -> ConditionRow | None:
    step = gate_step(scene)
    rows = condition_rows(step) if step is not None else ()
    named = next((row for row in rows if row.id == scene.cursor), None)
    worst = next((row for row in rows if row.sign not in ("done", "skipped")), None)
    return named or worst or next(iter(rows), None)


def conditions(scene: Scene) -> list[Line]:
    """Every condition: sign, name, its sentence; beneath it what would make it pass."""
    step = gate_step(scene)
    if step is None:
        return [[("Nothing is watched. A rollout, a monitor or a verify step has a gate.", DIM)]]
    chosen = chosen_row(scene)
    lines: list[Line] = []
    at = 0
    rows = condition_rows(step)
    name = max((len(row.id) for row in rows), default=6)
    for row in rows:
        on = chosen is not None and row.id == chosen.id
        at = len(lines) if on else at
        words = row.reason or row.word
        lead: Line = [(" ", PLAIN), sign(row.sign), (" ", PLAIN), (fit(row.id, name), CURSOR if on else PLAIN)]
        lead.append((f" {fit(row.word, max(9, len(row.word)))} ", SIGN_STYLES[row.sign]))
        room = scene.width - name - max(9, len(row.word)) - 6
        parts = wrap(words, room, 2) or [""]
        lines.append([*lead, (parts[0], PLAIN)])
        lines += [[(" " * (scene.width - room), PLAIN), (part, PLAIN)] for part in parts[1:]]
        if row.need:
            lines.append([(f"   {' ' * name}", PLAIN), (f" needs {row.need.removeprefix('needs ')}", DIM)])
        if row.who and row.sign != "done":
            lines.append([(f"   {' ' * name}", PLAIN), (f" who   {row.who}", PLAIN)])
    if not rows:
        lines.append([(" no conditions: only the bake counts", DIM)])
    choices_ = _choices(scene, step)
    if len(lines) + len(choices_) <= scene.height:
        return lines + choices_
    # What can be done now is never out of sight, however many conditions are bad.
    return [*window(lines, at, max(1, scene.height - 1)), choices_[1]]


def _choices(scene: Scene, step: StepState) -> list[Line]:
    possible = [choice for choice in choices(scene.state, step) if not choice.refused]
    refused = [choice for choice in choices(scene.state, step) if choice.refused]
    short = [c for c in possible if len(c.text) < 30]
    line: Line = [(" You can:  ", STRONG)]
    for i, choice in enumerate(short):
        line += [(" · " if i else "", DIM), (f"{choice.key} " if choice.key else "", WARN), (choice.text, PLAIN)]
    lines: list[Line] = [[], line]
    lines += [[(" " * 11, PLAIN), (f"{c.key} ", WARN), (c.text, PLAIN)] for c in possible if c not in short]
    lines += [[(" " * 11, PLAIN), (f"{c.key} ", DIM), (f"{c.text}: not now, {c.refused}", DIM)] for c in refused]
    return lines


def history(scene: Scene) -> list[Line]:
    """What the gate said before, newest first."""
    step = gate_step(scene)
    lines = [line for line in reversed(scene.view.log) if step is not None and line.ref == step.ref]
    return [
        [(f" {clock(line.at, scene.view.tz)} ", DIM), sign(line.sign), (f" {line.text}", PLAIN)]
        for line in lines[: scene.height]
    ]
