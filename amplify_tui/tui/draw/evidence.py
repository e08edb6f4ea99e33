"""The evidence of one condition: its numbers, then the readings behind them, whatever kind they are of."""

from __future__ import annotations

from statistics import quantiles
from typing import Final

from amplify_tui.run.select.flags import flags_panel
from amplify_tui.run.select.gate import ConditionRow
from amplify_tui.run.select.seen import seen_lines
from amplify_tui.run.select.signals import Point, points, samples, spark, unit_of, units_of
from amplify_tui.run.select.words import NO_VALUE, age, clock, safe, since
from amplify_tui.run.select.world import STATUS_WORDS, read, readings
from amplify_tui.run.state import StepState
from amplify_tui.tui.draw import detail
from amplify_tui.tui.draw.gate import chosen_row, gate_step
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import BAD, DIM, PLAIN, STRONG, WARN, Line, Piece, fit, sign, text, wrap
from amplify_tui.verdict import words
from amplify_tui.verdict.budget import windows_of
from amplify_tui.verdict.conditions import Rule
from amplify_tui.verdict.model import BudgetReading, PastReading, Reading, Term
from amplify_tui.verdict.past import ENOUGH
from amplify_tui.verdict.promises import PAST_WORDS, Promise, compared_with, promise_of, shown_rule
from amplify_tui.verdict.words import Unit, count, decimal, duration, quantity

COLUMN: Final = 10
WIDE: Final = 60  # cells in which the requests of both cohorts have room


def evidence(scene: Scene) -> list[Line]:
    """The chosen condition in numbers, then the course of its signal and as many of its readings as there is room for.

    extra: the step; cursor: the condition, none: the worst one.
    """
    step, row = gate_step(scene), chosen_row(scene)
    if step is None or row is None:
        return [[("no condition", DIM)]]
    term = next((one for one in step.watch.gate if one.id == row.id), None) if step.watch else None
    rule = shown_rule(term) if term is not None else None
    lines: list[Line] = [[("CONDITION ", STRONG), (row.id, STRONG)], [sign(row.sign), (f" {row.word}", PLAIN)]]
    lines += [[(fit(name, 10), DIM), (value, PLAIN)] for name, value in _facts(step, row, rule)]
    lines += [[(part, PLAIN)] for part in wrap(row.reason, scene.width, 4)]
    lines += [[(part, PLAIN)] for part in wrap(f"who: {row.who}", scene.width, 2)] if row.who else []
    if term is not None:
        lines += behind(scene, term, rule)
    return lines[: scene.height]


def _facts(step: StepState, row: ConditionRow, rule: Rule | None) -> list[tuple[str, str]]:
    said = next((t for t in step.verdict.terms if t.id == row.id), None) if step.verdict else None
    facts = [("value", row.value), ("control", row.control), ("limit", row.limit or NO_VALUE), ("samples", row.n)]
    if said is None:
        return facts
    wanted = f" of {since(rule.for_)}" if rule is not None and rule.for_ else ""
    limit = f" (at most {duration(rule.max_age)})" if rule is not None else ""
    facts += [("bad for", f"{since(said.bad_for)}{wanted}"), ("good for", f"{since(said.good_for)}{wanted}")]
    facts.append(("age", f"{duration(said.age)}{limit}" if said.age is not None else NO_VALUE))
    return facts


def behind(scene: Scene, term: Term, rule: Rule | None) -> list[Line]:
    """The readings that *term* is judged by, newest first."""
    condition = term.condition
    if condition is not None and condition.slo:
        return _budgets(scene, term, condition.slo)
    if condition is not None and condition.signal:
        limited = "" if rule is None or compared_with(term) else rule.cohort or "value"
        then = _then(scene, term, rule) if rule is not None else []
        course = then + _course(scene, condition.signal)
        return course + _by_instance(scene, condition.signal, rule) + _readings(scene, condition.signal, rule, limited)
    match term.builtin:
        case "dependencies":
            return [[], *detail.tree(scene)]
        case "exposure":
            return [[], *_exposure(scene)]
        case "drift":
            rows = flags_panel(scene.state, scene.view.board, scene.view.at).rows
            return [[], *([sign(row.sign), text(f" {row.name}  {row.text}  {row.extra}")] for row in rows)]
        case _:
            return [[], *detail.instances(scene)]


def _then(scene: Scene, term: Term, rule: Rule) -> list[Line]:
    """What the same hour of the past was like, of a term that compares with it; nothing of another."""
    past = promise_of(term) if compared_with(term) else None
    if not isinstance(past, Promise) or past.past is None:
        return []
    when = PAST_WORDS[past.past]
    one = read(scene.view.board, f"past:{rule.signal}:{past.past}", PastReading)
    if one is None:
        return [[], [(f"{when}: not read yet", DIM)]]
    asked = f"read {age(one.received_at, scene.view.at)} ago"
    if one.status != "ok" or len(one.levels) < ENOUGH:
        said = STATUS_WORDS.get(one.status, one.status) if one.status != "ok" else f"{len(one.levels)} blocks"
        return [[], [(f"{when}  {said}, {asked}  ", WARN), text(one.note)]]
    tenth, *_, ninth = (quantity(level, rule.unit) for level in quantiles(one.levels, n=10))
    said = f"{words.plural(len(one.levels), 'block')}, most from {tenth} to {ninth}"
    return [[], [(fit(when, COLUMN), DIM), (f" {said}", PLAIN)], [(f"{' ' * COLUMN} {asked}", DIM)]]


def _course(scene: Scene, name: str) -> list[Line]:
    """The signal as the board has it, each cohort with its last value, age and course."""
    lines: list[Line] = [[]]
    units = units_of(scene.state)
    for cohort in (None, "treatment", "control"):
        reading = read(scene.view.board, f"signal:{name}:{cohort}" if cohort else f"signal:{name}", Reading)
        if reading is None:
            continue
        course = spark(points(scene.view.board, name, cohort), max(8, min(60, scene.width - 22)))
        known = reading.value is not None and reading.status == "ok"
        value = quantity(reading.value or 0.0, unit_of(reading, units)) if known else NO_VALUE
        lines.append([text(fit(cohort or name, 10), DIM), (f"{value}  ", PLAIN), (course, PLAIN)])
        old = f"{STATUS_WORDS.get(reading.status, reading.status)}, {age(reading.data_at, scene.view.at)} old"
        lines.append([(f"{' ' * 10}{old}  ", DIM), text(reading.note)])
    return lines if len(lines) > 1 else [[], [(f"no reading of {safe(name, 30)} on the board", DIM)]]


def _by_instance(scene: Scene, name: str, rule: Rule | None) -> list[Line]:
    """What each instance of the treatment had in the newest reading, the highest first, as many in a line as fit."""
    cohort = (rule.cohort if rule is not None else None) or ""
    reading = read(scene.view.board, f"signal:{name}:{cohort}" if cohort else f"signal:{name}", Reading)
    if reading is None or not reading.parts:
        return []
    unit = unit_of(reading, units_of(scene.state))
    cells = [f"{safe(part.instance, 30)} {quantity(part.value, unit)}" for part in reading.parts]
    width = max(map(len, cells)) + 2
    row = max(1, scene.width // width)
    rows = [cells[at : at + row] for at in range(0, len(cells), row)]
    return [[], *([("".join(fit(cell, width) for cell in part), PLAIN)] for part in rows)]


def _readings(scene: Scene, name: str, rule: Rule | None, limited: str) -> list[Line]:
    """A line a poll: its time, what each cohort said, and of how many requests.

    limited: the column that the rule's limit is for; "" where it is no plain limit.
    """
    polls = samples(scene.view.board, name)
    if not polls:
        return []
    unit = rule.unit if rule is not None else units_of(scene.state).get(name, "number")
    heads = ("treatment", "control") if any(poll.control is not None for poll in polls) else ("value",)
    lines: list[Line] = [[], [(fit("time", COLUMN) + "".join(fit(head, COLUMN) for head in heads) + "n", DIM)]]
    for poll in polls:
        said = dict(zip(heads, (poll.mine, poll.control), strict=False))
        line: Line = [(fit(clock(poll.at, scene.view.tz), COLUMN), DIM)]
        for head, point in said.items():
            line.append(_shown(point, unit, rule if head in ("value", limited) and limited else None))
        counted = [count(one.n) for one in said.values() if one is not None and one.n is not None]
        counted = counted if scene.width >= WIDE else counted[:1]
        lines.append([*line, (" / ".join(counted), DIM)])
    return lines


def _shown(point: Point | None, unit: Unit, rule: Rule | None) -> Piece:
    """What a reading said, red where it is over the limit."""
    if point is None:
        return fit(NO_VALUE, COLUMN), DIM
    if point.status != "ok" or point.value is None:
        return fit(STATUS_WORDS.get(point.status, point.status), COLUMN), WARN
    return fit(quantity(point.value, unit), COLUMN), BAD if rule is not None and rule.is_bad(point.value) else PLAIN


def _budgets(scene: Scene, term: Term, slo: str) -> list[Line]:
    """What the two windows spent of the error budget, and what is left of it."""
    windows = windows_of(term)
    found = readings(scene.view.board, f"budget:{slo}:", BudgetReading)
    one = next((one for one in found if one.windows == windows), None)
    if one is None:
        return [[], [(f"no reading of the budget of {safe(slo, 30)} yet", DIM)]]
    at = age(one.data_at, scene.view.at)
    if one.status != "ok":
        return [[], [(f"{STATUS_WORDS.get(one.status, one.status)}, {at} old  ", WARN), text(one.note)]]
    lines: list[Line] = [[]]
    for seconds, spent in zip(one.windows, (one.long, one.short), strict=True):
        allowed = (1.0 - term.slo.objective) * spent.total if term.slo is not None else 0.0
        burn = f"{decimal(spent.bad / allowed)}x" if allowed > 0.0 else NO_VALUE
        said = f"{count(spent.bad)} bad of {count(spent.total)}, in {words.plural(spent.minutes, 'minute')}"
        lines.append([(fit(f"last {duration(seconds)}", COLUMN), DIM), (fit(burn, COLUMN), PLAIN), (said, PLAIN)])
    left = NO_VALUE if one.left is None else quantity(one.left, "share")
    return [*lines, [(fit("budget", COLUMN), DIM), (f"{left} left, read {at} ago", PLAIN)]]


def _exposure(scene: Scene) -> list[Line]:
    """What applications evaluate of each flag that is looked at, by each origin that counts it."""
    seen = {key.removeprefix("seen:").rpartition(":")[0] for key in scene.view.board if key.startswith("seen:")}
    lines: list[Line] = []
    for flag in sorted(seen):
        lines.append([text(flag, STRONG)])
        found = seen_lines(scene.view.board, flag, scene.view.at, all_=True)
        lines += [[(" ", PLAIN), sign(one.sign), text(f" {one.text}  {one.extra}".rstrip())] for one in found]
    return lines or [[("nobody counts what applications evaluate", DIM)]]
