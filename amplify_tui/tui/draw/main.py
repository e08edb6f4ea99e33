"""The main screen: stages, the step in the middle, and the log."""

from __future__ import annotations

from amplify_tui.run.forecast import forecast, late_words
from amplify_tui.run.select.gate import (
    ConditionRow,
    condition_rows,
    gate_line,
    limit_of,
    live,
    live_state,
    phase_cells,
)
from amplify_tui.run.select.headline import OUTCOME_WORDS
from amplify_tui.run.select.monitors import monitor_rows
from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.select.stages import StageRow, stage_rows, step_sign, step_title, stuck_words, undo_ready
from amplify_tui.run.select.words import NO_VALUE, age, clock, day_clock, safe
from amplify_tui.run.state import StepState
from amplify_tui.tui.draw.detail import given, tests_and_output
from amplify_tui.tui.draw.frame import exposure_line
from amplify_tui.tui.draw.rollback import plan as undo_plan
from amplify_tui.tui.draw.scene import Scene, window
from amplify_tui.tui.text import (
    BAD,
    CURSOR,
    DIM,
    PLAIN,
    SIGN_STYLES,
    STRONG,
    WARN,
    Line,
    fit,
    sign,
    spread,
    text,
    width,
    wrap,
)
from amplify_tui.verdict.words import duration


def stages(scene: Scene) -> list[Line]:
    """All stages; the steps of the one that holds the selected step beneath it; the rollback lane last, always."""
    chosen = scene.step
    lines: list[Line] = []
    at = 0
    for row in stage_rows(live_state(scene.state, scene.view.board)):
        open_ = chosen is not None and any(step.ref == chosen.ref for step in row.steps)
        if open_:
            at = len(lines)
        lines.append(_stage(row, scene.width, strong=open_))
        if not open_:
            continue
        for step in row.steps:
            on = chosen is not None and step.ref == chosen.ref
            style = CURSOR if on else PLAIN
            left: Line = [("   ", PLAIN), sign(step.sign), (" ", PLAIN), (step.title, style)]
            if on:
                at = len(lines)
            lines.append(spread(left, [(step.note, SIGN_STYLES[step.sign]), (" ", PLAIN)], scene.width))
    lines.append(_rollback_lane(scene))
    return window(lines, at, scene.height)


def _stage(row: StageRow, cells: int, *, strong: bool) -> Line:
    left: Line = [(" ", PLAIN), sign(row.sign), (f" {row.n} ", DIM), (row.title, STRONG if strong else PLAIN)]
    return spread(left, [(row.note, SIGN_STYLES[row.sign]), (" ", PLAIN)], cells)


def _rollback_lane(scene: Scene) -> Line:
    ready = undo_ready(scene.state)
    words = f"ready {ready.ready}/{ready.total}" if ready.total else "nothing to undo"
    return spread([(" ", PLAIN), sign("undone"), (" Rollback", PLAIN)], [(words, DIM), (" ", PLAIN)], scene.width)


def stages_line(scene: Scene) -> list[Line]:
    """80 columns: all stages on one line, then the steps of the selected one's stage."""
    rows = stage_rows(live_state(scene.state, scene.view.board))
    chosen = scene.step
    ready = undo_ready(scene.state)
    tail: Line = [sign("undone"), (f" {ready.ready}/{ready.total}", DIM)]
    line: Line = []
    for names in (12, 8, 5, 4, 3, 0):
        line = []
        for row in rows:
            open_ = chosen is not None and any(step.ref == chosen.ref for step in row.steps)
            title = row.title.split(" ")[-1 if len(row.title.split(" ")[0]) < 3 else 0]
            shown = title.upper()[: max(8, names)] if open_ else title[:names] if names else str(row.n)
            line += [(" ", PLAIN), sign(row.sign), (f" {shown} ", STRONG if open_ else PLAIN)]
        if width(line) + width(tail) + 2 <= scene.width:
            break
    return [spread(line, tail, scene.width), _steps_line(scene, rows, chosen)]


def _steps_line(scene: Scene, rows: tuple[StageRow, ...], chosen: StepState | None) -> Line:
    if chosen is None:
        return []
    steps = next((row.steps for row in rows if any(step.ref == chosen.ref for step in row.steps)), ())
    at = next((i for i, step in enumerate(steps) if step.ref == chosen.ref), 0)
    line: Line = []
    for step in steps[max(0, at - 2) :]:
        style = CURSOR if step.ref == chosen.ref else PLAIN
        line += [("  ", PLAIN), sign(step.sign), (" ", PLAIN), (fit(step.title, min(18, len(step.title))), style)]
        line += [(f" {step.note}", DIM)] if step.ref == chosen.ref and step.note else []
    return line


def centre(scene: Scene) -> list[Line]:
    """The selected step: its phases and gate where it is watched, else what it waits for, did and answered.

    While the run is being undone, or is over, that comes first; a selected step still shows.
    """
    state = scene.state
    if scene.cursor not in state.steps:
        if state.phase == "rolling_back" or state.mitigation == "running" or (state.outcome or "").startswith("rolled"):
            return undo_plan(scene)
        if state.phase == "closed":
            return _over(scene)
    step = scene.step
    if step is None:
        return [[("no step yet", DIM)]]
    plan = scene.state.plan_of(step)
    head = spread(
        [sign(step_sign(scene.state, step)), (" ", PLAIN), (step_title(scene.state, step), STRONG)],
        [text(f"{plan.verb} {step.ref}", DIM)],
        scene.width,
    )
    body = _watched(scene, step) if step.watch is not None else _plain_step(scene, step)
    lines = [head, *_monitors(scene, step), *body, *_trouble(scene, step), *tests_and_output(scene, step)]
    room = scene.height - len(lines)
    if plan.guide and room > 0:
        parts = wrap(safe(plan.guide, 600), scene.width - 9, min(room, 3))
        lines += [[("guide    " if i == 0 else " " * 9, DIM), (part, PLAIN)] for i, part in enumerate(parts)]
    return lines[: scene.height]


def _monitors(scene: Scene, step: StepState) -> list[Line]:
    """What watches in the background while *step* is shown: they must not be forgotten."""
    state = live_state(scene.state, scene.view.board)
    lines: list[Line] = []
    for row in monitor_rows(state, scene.view.at, step.ref):
        line: Line = [sign(row.sign), (f" {row.ref} ", PLAIN), (row.word, SIGN_STYLES[row.sign])]
        if row.ends is not None:
            till = day_clock(row.ends, scene.view.at, scene.view.tz)
            line += [(f"  {row.progress}  ", DIM), (f"ends {till} or later", PLAIN)]
        lines += _late(line, row.late, scene.width, 2)
    return lines


def _late(line: Line, late: str, cells: int, indent: int) -> list[Line]:
    """*line*, and how much too late that is: beside it, or beneath it where there is no room."""
    if not late:
        return [line]
    beside: Line = [*line, (f", {late}", WARN)]
    if width(beside) <= cells:
        return [beside]
    parts = wrap(f"that is {late}", cells - indent, 2)
    return [line, *([(" " * indent, PLAIN), (part, WARN)] for part in parts)]


def _ends(scene: Scene, step: StepState) -> list[Line]:
    """When a monitor ends, at the earliest; of one that has not begun only where it would be too late."""
    said = forecast(scene.state, step, scene.view.at)
    if said is None:
        return []
    late = late_words(said)
    if late and said.closing is not None:
        late = safe(f"{late} ({day_clock(said.closing.at, scene.view.at, scene.view.tz)})")
    till = day_clock(said.ends, scene.view.at, scene.view.tz)
    line: Line = [("lasts ", DIM), (f"{duration(said.lasts)}: begun now it would end {till}", PLAIN)]
    if said.begun:
        line = [("ends ", DIM), (f"{till} at the earliest, in {duration(said.lasts)}", PLAIN)]
    stands: list[Line] = [[("     ", PLAIN), ("its clock stands still: no good evidence", WARN)]] if said.stands else []
    return [*_late(line, late, scene.width, 5), *stands]


def _over(scene: Scene) -> list[Line]:
    """The end: what it came to, what was out of the ordinary, what is left to do."""
    state = scene.state
    took = duration((state.closed_at or scene.view.at) - (state.started_at or state.created_at))
    words = OUTCOME_WORDS[state.outcome] if state.outcome else "closed"
    lines: list[Line] = [[(f"{words}, after {took}", STRONG)], exposure_line(scene)]
    for title, entries in (("exceptions", state.exceptions), ("to do", state.follow_ups)):
        for i, entry in enumerate(entries):
            lines.append(
                [(fit(title if not i else "", 11), DIM), text(entry, WARN if title == "exceptions" else PLAIN)]
            )
    return lines[: scene.height]


def _watched(scene: Scene, step: StepState) -> list[Line]:
    step = live(step, scene.view.board)
    lines = [*phases(scene, step), *_ends(scene, step)]
    lines.append(exposure_line(scene))
    rows = condition_rows(step)
    if rows:
        lines += gate_table(rows, scene.width)
    verdict = gate_line(step, scene.view.at)
    seen = f"judged {age(step.judged_at, scene.view.at)} ago" if step.judged_at else ""
    parts = wrap(verdict, scene.width - 5, 3)
    said: list[Line] = [[("gate " if i == 0 else "     ", DIM), text(part)] for i, part in enumerate(parts)]
    if seen and width(said[-1]) + len(seen) + 2 > scene.width:
        said.append([("     ", DIM)])
    lines += [*said[:-1], [*said[-1], (f"  {seen}" if seen else "", DIM)]]
    lines += _armed(scene)
    return lines


def phases(scene: Scene, step: StepState) -> list[Line]:
    """`1 ✓ 10:04  5 ✓ 10:02  25 ◆ 04:51/15:00  50 ·  100 ·`, broken where it does not fit."""
    lines: list[Line] = [[]]
    for cell in phase_cells(scene.state, step):
        live = cell.sign not in ("done", "later")
        piece: Line = [(f"{cell.label} ", STRONG if live else PLAIN), sign(cell.sign), (f" {cell.text}  ", DIM)]
        if lines[-1] and width(lines[-1]) + width(piece) > scene.width:
            lines.append([])
        lines[-1] += piece
    return lines


def gate_table(rows: tuple[ConditionRow, ...], cells: int, cursor: str = "") -> list[Line]:
    """A line per condition: sign, name, value, control, limit, word. The name gives way first."""
    joined = [row for row in rows if row.sign in ("done", "later") and row.value == NO_VALUE and row.id != cursor]
    rows = tuple(row for row in rows if row not in joined)
    if not rows:
        return _joined(joined)
    value = max(6, *(len(row.value) for row in rows))
    control = max(7, *(len(row.control) for row in rows))
    limit = max(5, *(len(row.limit) for row in rows))
    name = max(6, min(max(len(row.id) for row in rows), cells - value - control - limit - 19))
    head: Line = [(fit("  gate", name + 2), DIM), (f" {'value'.rjust(value)}", DIM)]
    head += [(f"  {'control'.rjust(control)}", DIM), (f"  {fit('limit', limit)}  state", DIM)]
    lines: list[Line] = [head]
    for row in rows:
        style = CURSOR if row.id == cursor else PLAIN
        line: Line = [sign(row.sign), (" ", PLAIN), (fit(row.id, name), style), (f" {row.value.rjust(value)}", STRONG)]
        line += [(f"  {row.control.rjust(control)}", PLAIN), (f"  {fit(row.limit, limit)}  ", PLAIN)]
        line.append((row.word, SIGN_STYLES[row.sign]))
        lines.append(line)
    return [*lines, *_joined(joined)]


def _joined(rows: list[ConditionRow]) -> list[Line]:
    """Conditions that have no number to show, on one line for each word that they have in common."""
    words = dict.fromkeys((row.sign, row.word) for row in rows)
    return [
        [sign(mark), (f" {', '.join(r.id for r in rows if r.word == word)}  ", PLAIN), (word, SIGN_STYLES[mark])]
        for mark, word in words
    ]


def _armed(scene: Scene) -> list[Line]:
    """The triggers: armed from the first exposure on, with what each does when it fires."""
    triggers = scene.state.triggers
    if not triggers:
        return []
    word = "armed    " if scene.state.is_armed else "triggers "
    line: Line = [(word, DIM)]
    for name, trigger in triggers.items():
        style = BAD if trigger.is_open else PLAIN
        words = f"{safe(name, 30)}{limit_of(trigger.spec.term, name)} "
        if scene.view.at < trigger.disarmed_until:
            left = duration(trigger.disarmed_until - scene.view.at)
            line.append((f"{words}DISARMED {left} by {safe(trigger.disarmed_by, 60)}  ", WARN))
            continue
        line.append((words + (trigger.spec.mode.upper() if trigger.spec.mode == "auto" else "ask") + "  ", style))
    return [line]


def _plain_step(scene: Scene, step: StepState) -> list[Line]:
    """A step without a gate: what it waits for, its effects, its answers and outputs."""
    lines: list[Line] = []
    for waits in step.awaits:
        opens = f", opens in {duration(waits.opens_at - scene.view.at)}" if waits.opens_at else ""
        have = sum(s.role == waits.role and s.preview_sha == step.preview_sha for s in step.signed)
        who = f"{waits.role} {have} of {waits.count}" if waits.kind == "sign_off" else ", ".join(waits.fields)
        parts = [waits.kind.replace("_", "-"), who, f"{waits.detail}{opens}"]
        lines.append([("waits for ", WARN), text(": ".join(part for part in parts if part))])
    for effect in scene.state.effects_of(step):
        mark = {"done": "done", "absent": "failed", "unknown": "unknown", "diverged": "unknown"}.get(
            effect.status, "active"
        )
        says = effect.says or f"{effect.target.kind} {effect.target.id}"
        took = age(effect.at, effect.ended_at or scene.view.at)
        lines.append([sign(mark), text(f" {effect.id} {says}  {effect.status} {took}")])  # type: ignore[arg-type]
    now = scene.view.at
    lines += [[sign("done"), text(f" {s.role} {s.actor}, {age(s.at, now)} ago")] for s in step.signed]
    lines += [[text(f"{name} ", DIM), text(words)] for name, words in given(scene, step)]
    if not lines and step.status == "pending":
        needs = ", ".join(scene.state.plan_of(step).needs)
        lines.append([(f"later{f', after {safe(needs)}' if needs else ''}", DIM)])
        lines += _ends(scene, step)
    return lines


def _trouble(scene: Scene, step: StepState) -> list[Line]:
    lines: list[Line] = []
    if step.status == "stuck":
        for part in wrap(stuck_words(scene.state, step), scene.width - 2, 3):
            lines.append([sign("failed" if not lines else "none"), (f" {part}", PLAIN)])
    for hold in scene.state.holds_on(step.ref):
        by = f" by {safe(hold.by, 30)}" if hold.by else ""
        words = f"{hold.id} {hold.kind}{by}, {age(hold.at, scene.view.at)}: {collapsed(hold.reason)}"
        parts = wrap(safe(words), scene.width - 2, 3)
        lines += [[sign("none" if i else "held"), (f" {part}", PLAIN)] for i, part in enumerate(parts)]
    return lines


def log(scene: Scene) -> list[Line]:
    """The newest lines first; *extra* filters; minor ones only where there is room."""
    lines = [line for line in reversed(scene.view.log) if not scene.extra or scene.extra.lower() in line.text.lower()]
    if scene.height < 8 and not scene.extra:
        lines = [line for line in lines if not line.minor]
    head: list[Line] = []
    if scene.height >= 8 or scene.extra:
        words = f"find: {scene.extra}, esc ends it" if scene.extra else "/ find, newest first"
        head = [[(" LOG  ", STRONG), (words, DIM)]]
    drawn: list[Line] = [
        [(f" {clock(line.at, scene.view.tz)} ", DIM), sign(line.sign), (f" {line.text}", PLAIN)]
        for line in lines[: max(0, scene.height - len(head))]
    ]
    return head + (drawn or [[(" nothing has happened yet" if not scene.extra else " nothing matches", DIM)]])
