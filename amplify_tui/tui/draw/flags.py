"""The flags screen: a row for each flag of the release, the chosen one beneath, and one in full with its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from amplify_tui.run.drift import drift_hold, left_by
from amplify_tui.run.select.flags import DIFFERS, DRIFTED, UNSEEN, FlagRow, flag_rows, poll_problems, story_of
from amplify_tui.run.select.seen import seen_lines
from amplify_tui.run.select.tidy import tidy_lines
from amplify_tui.run.select.words import NO_VALUE, age, clock, day_clock, percent, safe
from amplify_tui.run.shapes import Drift
from amplify_tui.tui.draw.scene import Scene, first_shown
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
    wrap,
)
from amplify_tui.verdict.flag_words import clause_words, rule_words
from amplify_tui.verdict.flags import FlagEvent, FlagRule, FlagStory
from amplify_tui.verdict.words import decimal, plural

STATE, SHARE, AGE = 8, 6, 5
WIDE: Final = 110
VALUES_IN_FULL: Final = 20


class Columns:
    """How wide each column is in a line of *cells*: as wide as it needs, up to a share; the rules get the rest.

    Where the line is narrow who changed a flag is told of the chosen one only, beneath the list.
    """

    def __init__(self, rows: Sequence[FlagRow], cells: int) -> None:
        wide = cells >= WIDE
        self.name = max(4, min(_longest([row.name for row in rows]), cells // 4))
        self.drift = max(5, min(_longest([row.drift for row in rows]), 13 if wide else 11))
        self.changed = max(10, min(_longest([row.by for row in rows]) + 7, 25)) if wide else 0
        taken = 3 + STATE + self.name + 1 + SHARE + 2 + self.drift + 1 + self.changed + bool(self.changed) + AGE
        self.says = max(8, cells - taken - 1)


def _longest(values: Sequence[str]) -> int:
    return max((cell_len(value) for value in values), default=0)


def counts(rows: Sequence[FlagRow], shown: int, find: str) -> Line:
    """`3 flags, 1 drifted, 2 on`: what there is; while something is looked for, how much of it is shown comes first."""
    if not rows:
        return [("FLAGS ", STRONG), ("none", DIM)]
    style = WARN if rows[0].rank <= DIFFERS else PLAIN
    parts = [plural(len(rows), "flag")]
    missing = sum(row.word == "missing" for row in rows)
    ranks = [row.rank for row in rows]
    for n, word in (
        (ranks.count(DRIFTED), "drifted"),
        (ranks.count(UNSEEN) - missing, "not readable"),
        (missing, "missing"),
        (ranks.count(DIFFERS), "other than the run says"),
    ):
        parts += [f"{n} {word}"] if n > 0 else []
    parts.append(f"{sum(row.enabled is True for row in rows)} on")
    line: Line = [("FLAGS ", STRONG)]
    if find:
        line += [(f"{shown} of ", PLAIN), (parts.pop(0), PLAIN), ("   find: ", DIM), text(find, STRONG)]
        line += [(", esc ends it   ", DIM)]
    return [*line, (", ".join(parts), style)]


def head(rows: Sequence[FlagRow], cells: int) -> Line:
    """What each column is."""
    room = Columns(rows, cells)
    parts = [fit("who gets it", room.says), fit("drift", room.drift)]
    parts += [fit("changed by", room.changed)] if room.changed else []
    lead = f"   {fit('state', STATE)}{fit('flag', room.name)} {'share':>{SHARE}}  "
    return [(f"{lead}{' '.join(parts)} {'age':>{AGE}}", DIM)]


def table(rows: Sequence[FlagRow], chosen: str, cells: int, height: int) -> list[Line]:
    """The rows that fit into *height*, the chosen one among them; no other is drawn."""
    room = Columns(rows, cells)
    at = next((i for i, row in enumerate(rows) if row.id == chosen), 0)
    first = first_shown(len(rows), at, height)
    return [_row(row, room, on=row.id == chosen) for row in rows[first : first + height]]


def _row(row: FlagRow, room: Columns, *, on: bool) -> Line:
    drift = WARN if row.rank in (DRIFTED, DIFFERS) else DIM
    line: Line = [
        ("›" if on else " ", STRONG),
        sign(row.sign),
        (" ", PLAIN),
        (fit(row.word, STATE), SIGN_STYLES[row.sign]),
        (fit(row.name, room.name), CURSOR if on else PLAIN),
        (f" {row.share:>{SHARE}}  ", STRONG if row.enabled else PLAIN),
        (fit(row.says, room.says), WARN if row.rank == UNSEEN else PLAIN),
        (" ", PLAIN),
        (fit(row.drift, room.drift), drift),
        (" ", PLAIN),
    ]
    if room.changed:
        line.append((f"{_changed(row, room.changed)} ", DIM))
    line.append((f"{row.age:>{AGE}}", WARN if row.rank == UNSEEN else DIM))
    return line


def _changed(row: FlagRow, cells: int) -> str:
    """`outside@example.com 2m`: who and how long ago, the name giving way."""
    if not row.by:
        return fit(NO_VALUE, cells)
    name = min(cell_len(row.by), cells - len(row.changed) - 1)
    return fit(f"{fit(row.by, name)} {row.changed}", cells)


def empty(scene: Scene, find: str) -> list[Line]:
    """Why there is nothing to list, and what would change that."""
    if find:
        return [[("nothing contains ", DIM), text(find, STRONG), (": esc ends the find", DIM)]]
    problems = poll_problems(scene.view.board)
    if problems:
        said: list[Line] = [[sign("unknown"), (" the flags cannot be read", STRONG)]]
        for name, note in problems:
            said += [[(part, WARN)] for part in wrap(f"source {name}: {note}", scene.width, 4)]
        return said
    verbs = {plan.verb for plan in scene.state.plan.steps.values()}
    if not scene.state.run:
        words = "no run has been read yet"
    elif verbs & {"flag", "rollout"}:
        words = "no flag has been read yet: those that the `flag` and `rollout` steps name come here as they are read"
    else:
        words = "this release changes no flag: no step of its playbook is a `flag` or a `rollout` of one"
    return [[(part, DIM)] for part in wrap(words, scene.width, 3)]


def peek(scene: Scene, row: FlagRow | None) -> list[Line]:
    """What there is no room for in the row: the whole sentence, who changed it last and how, and why it is not read."""
    if row is None:
        return []
    story = story_of(scene.view.board, row.id)
    lines: list[Line] = [[text(row.name, STRONG), text(f"  {row.source}", DIM)]]
    lines += [[(part, PLAIN)] for part in wrap(row.says, scene.width, 2)]
    drift = _drift(scene, row.id)
    if drift is not None:
        for i, part in enumerate(wrap(safe(drift_line(drift)), scene.width - 2, 2)):
            lines.append([sign("held") if not i else (" ", PLAIN), (" ", PLAIN), (part, WARN)])
    lines += _last(scene, story)
    return lines[: scene.height]


def drift_line(drift: Drift) -> str:
    return f"{drift.by or 'somebody else'} changed it: {drift.what}. ⏎ ⏎ answers: ours, accept or kill"


def _last(scene: Scene, story: FlagStory | None) -> list[Line]:
    if story is None:
        return [[("its history has not been asked for yet", DIM)]]
    if story.last is None:
        return [[(part, WARN if story.note else DIM)] for part in wrap(_no_history(story), scene.width, 2)]
    when = f"changed {age(story.last.at, scene.view.at)} ago by {story.last.by}: {_what(story.last)}"
    lines: list[Line] = [[(part, DIM)] for part in wrap(safe(when), scene.width, 2)]
    return lines + [[(part, WARN)] for part in (wrap(_no_history(story), scene.width, 1) if story.note else ())]


def _what(event: FlagEvent) -> str:
    """What was done, in the source's own words, without the name that stands beside them anyway."""
    return (event.what or event.kind).removeprefix(f"{event.by} ")


def _no_history(story: FlagStory) -> str:
    if story.note:
        return f"who changed it cannot be told: {story.note}"
    return "its source knows of no change" if story.asked_at is not None else "its history is being asked for"


# --- one flag in full -------------------------------------------------------------------------------------------------


def detail(scene: Scene) -> list[Line]:
    """The flag that `extra` names: its strategies in full, what we left where it drifted, and who changed it when."""
    row = next((row for row in flag_rows(scene.state, scene.view.board, scene.view.at) if row.id == scene.extra), None)
    if row is None:
        return [[("this release has no such flag any more", DIM)]]
    story = story_of(scene.view.board, row.id)
    right: Line = [(f"read {row.age} ago" if row.age != NO_VALUE else "never read", DIM)]
    state: Line = [sign(row.sign), (f" {row.word}", SIGN_STYLES[row.sign]), (f"  {row.share}  ", STRONG)]
    lines: list[Line] = [spread([*state, text(row.name, STRONG), text(f"  {row.source}", DIM)], right, scene.width)]
    lines += [[(part, PLAIN)] for part in wrap(row.says, scene.width, 4)]
    if row.note and row.note != row.says:
        lines += [[(part, WARN)] for part in wrap(row.note, scene.width, 4)]
    if story is not None and story.description:
        lines += [[(part, DIM)] for part in wrap(safe(story.description), scene.width, 3)]
    for part in (_ours(scene, row), _seen(scene, row), _tidy(scene, row), _strategies(scene, row, story)):
        lines += [[], *part] if part else []
    lines += [[], *_history(scene, story)]
    return lines


def _drift(scene: Scene, flag: str) -> Drift | None:
    hold = drift_hold(scene.state, flag)
    return hold.drift if hold is not None else None


def _ours(scene: Scene, row: FlagRow) -> list[Line]:
    """Before, ours and now where it drifted, with what may be answered; else whether it is as we left it."""
    drift, left = _drift(scene, row.id), left_by(scene.state, row.id)
    if drift is not None:
        when = f", {day_clock(drift.changed_at, scene.view.at, scene.view.tz)}" if drift.changed_at else ""
        who = f"{drift.by or 'somebody else'}{when}"
        facts = [
            ("before", drift.before_says or NO_VALUE),
            ("ours", drift.left_says or percent(drift.left_percent)),
            ("now", f"{drift.now_says or percent(drift.percent)}  ({who})"),
            ("what", drift.what),
        ]
        lines: list[Line] = [[("DRIFT  ", STRONG), ("somebody else changed it; it may reach ", PLAIN)]]
        lines[0].append(
            (
                "users who did not have it" if drift.widens else "fewer users, and nobody new",
                BAD if drift.widens else WARN,
            )
        )
        for name, words in facts:
            lines += _fact(name, words, scene.width)
        return [*lines, [("⏎ ", STRONG), ("answers it: ours, accept or kill", PLAIN)]]
    if row.rank == DIFFERS:
        words = f"the run says {percent(scene.state.exposure[row.id])}, the flag server says {row.share}"
        return [[("DRIFT  ", STRONG), sign("note"), (f" {words}", WARN)]]
    if left is None:
        return [[("DRIFT  ", STRONG), ("nothing to compare with: this run has not left it in any state", DIM)]]
    at = clock(left.ended_at or left.at, scene.view.tz)
    if row.rank == UNSEEN:
        return [[("DRIFT  ", STRONG), text(f"not known: {left.id} left it at {at}, and it cannot be read now", WARN)]]
    return [[("DRIFT  ", STRONG), text(f"none: as {left.id} left it at {at}")]]


def _seen(scene: Scene, row: FlagRow) -> list[Line]:
    """What applications really evaluate, by every origin that tells; nothing where the flag reaches nobody."""
    seen = seen_lines(scene.view.board, row.id, scene.view.at, all_=True)
    lines: list[Line] = [[("APPLICATIONS  ", STRONG), ("what they really evaluate", DIM)]] if seen else []
    for one in seen:
        for i, part in enumerate(wrap(f"{one.text}  {one.extra}".rstrip(), scene.width - 4, 5)):
            lines.append([("  ", PLAIN), sign(one.sign) if not i else (" ", PLAIN), (" ", PLAIN), (part, PLAIN)])
    return lines


def _tidy(scene: Scene, row: FlagRow) -> list[Line]:
    """What wants tidying up, with what to do."""
    found = tidy_lines(scene.view.board, row.id)
    lines: list[Line] = [[("TIDY UP", STRONG)]] if found else []
    for one in found:
        for i, part in enumerate(wrap(f"{one.what}: {one.fix}", scene.width - 4, 4)):
            lines.append([("  ", PLAIN), sign("note") if not i else (" ", PLAIN), (" ", PLAIN), (part, PLAIN)])
    return lines


def _fact(name: str, words: str, cells: int) -> list[Line]:
    parts = wrap(safe(words), max(10, cells - 10), 4) or [NO_VALUE]
    return [[(fit(f"  {name}" if not i else "", 10), DIM), (part, PLAIN)] for i, part in enumerate(parts)]


def _strategies(scene: Scene, row: FlagRow, story: FlagStory | None) -> list[Line]:
    """Every strategy with all its conditions; any of them is enough to get the flag."""
    if story is None or not story.rules:
        gone = row.word == "missing"
        words = "not told yet" if story is None else "none" if gone else "none: switched on, everybody gets it"
        return [[("STRATEGIES  ", STRONG), (words, DIM)]]
    old = "  as last read" if row.rank == UNSEEN else ""
    lines: list[Line] = [[("STRATEGIES  ", STRONG), (f"{len(story.rules)}, any one is enough{old}", DIM)]]
    for rule in story.rules:
        lines += _strategy(rule, scene.width)
    return lines


def _strategy(rule: FlagRule, cells: int) -> list[Line]:
    mark = sign("skipped" if rule.disabled else "done" if rule.percent else "later")
    name = f"{rule.title} ({rule.name})" if rule.title else rule.name
    words = rule_words(rule) + ("  DISABLED" if rule.disabled else "")
    lines: list[Line] = [[("  ", PLAIN), mark, text(f" {name}", STRONG)]]
    lines += [[("      ", PLAIN), (part, PLAIN)] for part in wrap(safe(words), cells - 6, 3)]
    facts = [f"if {clause_words(one, VALUES_IN_FULL)}" for one in rule.clauses]
    facts += [f"and {plural(rule.more, 'more condition')}"] if rule.more else []
    facts += [f"segment: {clause_words(one, VALUES_IN_FULL)}" for one in rule.within]
    if rule.stickiness or rule.group:
        facts.append(f"sticks to {rule.stickiness or 'default'}, group {rule.group or '(the name of the flag)'}")
    if rule.variants:
        facts.append("variants: " + ", ".join(f"{name} {decimal(share, 3)} %" for name, share in rule.variants))
    for fact in facts:
        lines += [[("      ", PLAIN), (part, DIM)] for part in wrap(safe(fact), cells - 6, 6)]
    return lines


def _history(scene: Scene, story: FlagStory | None) -> list[Line]:
    """Who changed it when, and what, in the source's own words; the newest first."""
    if story is None:
        return [[("HISTORY  ", STRONG), ("not asked for yet", DIM)]]
    old = f"as of {age(story.asked_at, scene.view.at)} ago" if story.asked_at else ""
    lines: list[Line] = [[("HISTORY  ", STRONG), (f"{old}, newest first" if story.events else old, DIM)]]
    if story.note or not story.events:
        style = WARN if story.note else DIM
        lines += [[("  ", PLAIN), (part, style)] for part in wrap(_no_history(story), scene.width - 2, 3)]
    for event in story.events:
        day = day_clock(event.at, scene.view.at, scene.view.tz)
        when = day if " " in day else clock(event.at, scene.view.tz)
        lead = f"  {when}  {safe(event.by, 40)}  "
        room = max(20, scene.width - cell_len(lead))
        if cell_len(lead) + 30 > scene.width:
            lines.append([(lead, DIM)])
            lead, room = "    ", scene.width - 4
        for i, part in enumerate(wrap(safe(_what(event)), room, 3)):
            lines.append([(lead if not i else " " * cell_len(lead), DIM), (part, PLAIN)])
    return lines


def plain(lines: Sequence[Line]) -> str:
    """*lines* as text, to copy."""
    return "\n".join("".join(part for part, _ in line) for line in lines)
