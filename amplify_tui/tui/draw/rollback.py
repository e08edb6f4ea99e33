"""The rollback screen: the plan by bands, what each item waits for, and the chosen item with its way by hand."""

from __future__ import annotations

from itertools import groupby

from amplify_tui.run.commands import Rollback
from amplify_tui.run.exposure import exposed_span
from amplify_tui.run.select.blast import about, pace, radius
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.undo_lines import UndoRow, items_shown, rollback_state, touches, undo_rows
from amplify_tui.run.select.words import clock, day_clock, percent, safe, short
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items
from amplify_tui.run.undo_asks import fix_forward
from amplify_tui.tui.draw.frame import next_lines, who, whole
from amplify_tui.tui.draw.scene import Scene, window
from amplify_tui.tui.text import (
    BAD,
    CURSOR,
    DIM,
    GOOD,
    PLAIN,
    SIGN_STYLES,
    STRONG,
    WARN,
    Line,
    fit,
    sign,
    text,
    width,
    wrap,
)


def head(scene: Scene) -> list[Line]:
    """Where the rollback stands, what the two keys would do, what is touched."""
    state = scene.state
    plan = touches(state, items_shown(state))
    takes = pace(state, rollback_items(state))
    word = rollback_state(state)
    style = BAD if word.isupper() or word.startswith("BLOCKED") else STRONG
    left = who(scene)
    room = scene.width - width(left) - 12
    if len(word) > room:
        word = word.partition(" on ")[0]
    first = whole(scene, left, [("ROLLBACK: ", STRONG), (word, style)])
    keys: Line = [
        (" M Y", WARN),
        (f" mitigate only: bands 1-2, {about(takes.mitigate)}", PLAIN),
        ("   F", WARN),
        (f" full rollback, {about(takes.whole)}", PLAIN),
    ]
    if state.phase == "rolling_back":
        keys = [(" ⏎ decides on an item   r tries it now   w waives it   u settles   k by hand", DIM)]
    elif no := refusal_beforehand(state, Rollback(id="", actor=scene.view.actor, via="key"), scene.view.at):
        left_to_do = "nothing to take back yet" if state.phase == "draft" else "⏎ shows an item in full, k the card"
        keys = [(f" {no.why}: {left_to_do}", DIM)]
    share = percent(state.exposed_now) if state.exposure else "none"
    began = state.phase in ("rolling_back", "closed") or word == "MITIGATING"
    done = f"  {plan.tally}" if began and plan.tally.total else ""
    who_meets_it = radius(scene.view.board, scene.view.at) if state.exposed_now else ""
    share += f", {who_meets_it}" if who_meets_it else ""
    third: Line = [(f" Exposure {share}.", WARN if state.exposed_now else GOOD)]
    said: Line = [*third, text(f" Touches {plan.summary}.")]
    if width(said) + len(done) <= scene.width:  # else the line below says it, too
        said.append(text(done))
    return [first, keys, said, *next_lines(scene, begins="F")]


def chosen(scene: Scene) -> UndoRow | None:
    """The selected item; without a selection the first that is blocked or waits, else the first."""
    rows = undo_rows(scene.state, scene.view.at, scene.view.board)
    named = next((row for row in rows if row.id == scene.cursor), None)
    return named or next((row for row in rows if row.choosable), None) or next(iter(rows), None)


def plan(scene: Scene) -> list[Line]:
    """The items under their bands, each with its sign, change and word; then integrity."""
    rows = undo_rows(scene.state, scene.view.at, scene.view.board)
    pick = chosen(scene)
    lines: list[Line] = []
    at = 0
    for band, group in groupby(rows, key=lambda row: row.band):
        for first, row in enumerate(group):
            on = pick is not None and pick.id == row.id
            at = len(lines) if on else at
            lines += _item(scene, row, "" if first else f" {band} {row.band_name.upper()}", on=on)
    if not rows:
        lines.append([(" nothing to undo: this run has changed nothing that it could take back", DIM)])
    return window(lines + _foot(scene.state, scene), at, scene.height)


def _item(scene: Scene, row: UndoRow, lead: str, *, on: bool) -> list[Line]:
    line: Line = [(fit(lead, 13), STRONG), sign(row.sign), (" ", PLAIN), (row.target, CURSOR if on else PLAIN)]
    line += [("  ", PLAIN), (row.word, SIGN_STYLES[row.sign])]
    whole_change: Line = [*line, (f"  {row.change}", PLAIN)]
    lines = [whole_change]
    if width(whole_change) > scene.width:
        parts = wrap(row.change, max(20, scene.width - 16), 2)
        lines = [line, *([(" " * 15, PLAIN), (part, PLAIN)] for part in parts)]
    if row.note and row.note != row.change:
        style = DIM if row.sign in ("later", "undone", "kept", "skipped") else WARN
        lines += [[(" " * 15, PLAIN), (part, style)] for part in wrap(row.note, max(20, scene.width - 16), 2)]
    return lines


def _foot(state: State, scene: Scene) -> list[Line]:
    lines: list[Line] = []
    for check in state.integrity:
        before = state.integrity_baseline.get(check, "not judged")
        after = state.integrity_after.get(check, "")
        mark = sign("done" if after == "pass" else "failed" if after in ("fail", "error") else "later")
        lines.append(
            [
                (" INTEGRITY   ", STRONG),
                mark,
                text(f" {check}  before: {before}" + (f", after: {after}" if after else "")),
            ]
        )
    since, until = exposed_span(state)
    if since is not None:
        when = day_clock(since, scene.view.at, scene.view.tz)
        to = f" to {day_clock(until, scene.view.at, scene.view.tz)}" if until is not None else ""
        offers = [s for s in state.steps.values() if state.plan_of(s).lane == "reconcile"]
        by = f" by {', '.join(safe(s.ref, 24) for s in offers)}" if offers else ""
        words = f" written by the new path since {when}{to}: reconcile after{by}"
        lines.append([(" " * 13, PLAIN), sign("note"), (words, DIM)])
    cannot = touches(state)
    words = "; ".join(cannot.cannot) or "nothing"
    past = ("yes", BAD) if cannot.past_return else ("no", PLAIN)
    lines.append([(" cannot undo: ", STRONG), (words, BAD if cannot.cannot else PLAIN)])
    lines.append([(" past the point of no return: ", STRONG), past])
    if cannot.past_return:
        said = wrap(fix_forward(state), max(20, scene.width - 14), 3)
        lines += [[(" " * 13, PLAIN), (part, BAD)] for part in said]
    return lines


def log(scene: Scene) -> list[Line]:
    lines = [line for line in reversed(scene.view.log) if not line.minor or line.sign in ("unknown", "failed")]
    return [
        [(f" {clock(line.at, scene.view.tz)} ", DIM), sign(line.sign), (f" {line.text}", PLAIN)]
        for line in lines[: scene.height]
    ]


def item(scene: Scene) -> list[Line]:
    """The chosen item in full: before, after, choices, retries, and what to type when nothing else works."""
    row = chosen(scene)
    if row is None:
        return [[("ITEM  ", STRONG), ("none", DIM)]]
    entry = next((e for e in items_shown(scene.state) if e.item.id == row.id), None)
    lines: list[Line] = [[("ITEM ", STRONG), (row.target, STRONG)]]
    facts = [("class", row.cls), ("state", row.word)]
    if entry is not None:
        facts += [("before", short(entry.item.before)), ("after", short(entry.item.after))]
        if entry.effect is not None and entry.effect.observed is not None:
            facts.append(("now", short(entry.effect.observed)))
        facts += [("effects", ", ".join(entry.item.effects)), ("tries", str(entry.tries))]
    lines += [[(fit(name, 9), DIM), (safe(value, 200), PLAIN)] for name, value in facts]
    if row.choosable and scene.state.phase == "rolling_back":
        lines += [[], [("⏎ ", STRONG), ("decides how  ", PLAIN), ("r ", STRONG), ("tries now", PLAIN)]]
    lines += [[], [("by hand", STRONG)]]
    lines += [[(part, PLAIN)] for part in wrap(row.by_hand or "nothing is written down for this one", scene.width, 8)]
    if row.note:
        lines += [[], *([(part, DIM)] for part in wrap(row.note, scene.width, 4))]
    return lines[: scene.height]
