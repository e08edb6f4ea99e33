"""The lines that frame every screen: identity, what happens next, and the small form of a tiny terminal."""

from __future__ import annotations

from typing import Final

from amplify_tui.run.select.headline import Headline, headline
from amplify_tui.run.select.undo_lines import rollback_state
from amplify_tui.run.select.words import age, clock, percent, safe, zone
from amplify_tui.run.select.world import conductor_age
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import (
    ACTIVE,
    BAD,
    DIM,
    GOOD,
    PLAIN,
    SIGN_STYLES,
    STRONG,
    WARN,
    Line,
    fit,
    rule,
    sign,
    spread,
    text,
    width,
    wrap,
)
from amplify_tui.verdict.words import duration

PROBLEM_S: Final = 15.0


def mode_word(scene: Scene) -> tuple[str, str]:
    """LIVE, DRILL or DRY RUN; a sandbox says so, for nobody may mistake the one for the other."""
    state = scene.state
    if state.mode == "live":
        return ("SANDBOX", WARN) if state.sandbox else ("LIVE", BAD)
    return ("DRILL", WARN) if state.mode == "drill" else ("DRY RUN", ACTIVE)


def identity(scene: Scene) -> list[Line]:
    """Mode, run, what is released where, who drives, the conductor, the time."""
    view, state = scene.view, scene.state
    name = state.plan.name or "no run yet"
    left: Line = [mode_word(scene), (" ", PLAIN), text(name, STRONG), (" ", PLAIN)]
    wide = scene.width >= 110
    if state.run:
        left.append(text(f" run {state.run[:8]} " if wide else f"{state.run[:8]} "))
    if state.subject is not None:
        subject = state.subject
        joint = (
            f" {subject.tag or subject.version} @ {subject.sha[:7]} "
            if wide
            else f"{subject.version} {subject.sha[:7]} "
        )
        left.append(text(joint, STRONG))
    if state.environment:
        left.append(text(f" {state.environment.upper()}" if wide else state.environment.upper(), WARN))
    right: Line = []
    if wide and state.starter:
        right += [text(f"driver {state.starter}  ", DIM)]
    mark, words = conductor_age(state, view.board, view.at)
    if view.lost:
        mark, words = "unknown", f"NO CONDUCTOR {age(view.lost_at, view.at)}"
    if words:
        right += [("● " if mark == "done" else "? ", GOOD if mark == "done" else WARN), (f"{words}  ", PLAIN)]
    right.append((clock(view.at, view.tz) if view.at else "--:--:--", PLAIN))
    if wide:
        right.append((f" {zone(view.at, view.tz)}", DIM))
        if state.started_at:
            end = state.closed_at or view.at
            right.append((f"  elapsed {duration(end - state.started_at)}", DIM))
    return [spread(left, right, scene.width)]


def said(scene: Scene) -> Headline:
    return headline(scene.state, scene.view.at, scene.view.lost, problem_of(scene))


def problem_of(scene: Scene) -> str:
    """What the conductor says that it cannot do; an old word of it no longer counts."""
    found = scene.view.board.get("problem")
    if not isinstance(found, dict) or scene.view.at - found.get("at", 0.0) > PROBLEM_S:
        return ""
    return str(found.get("what", ""))


def next_lines(scene: Scene) -> list[Line]:
    """Line 2 and its second half: the word and why, then what comes next. A long why runs on beside the next."""
    words = said(scene)
    lead: Line = [sign(words.sign), (" ", PLAIN), (words.word.upper(), SIGN_STYLES[words.sign]), (" ", PLAIN)]
    because = safe(words.because)
    room = scene.width - width(lead)
    first = wrap(because, room, 2)[:1] or [""]
    rest = because[len(first[0]) :].strip()
    after: Line = [("Next: ", STRONG), (words.next, PLAIN)] if words.next else []
    left = scene.width - width(after) - 4
    if not rest or left < min(len(rest), 16):
        return [[*lead, (fit(because, room).rstrip(), PLAIN)], [("  ", PLAIN), *after]]
    return [
        [*lead, (first[0], PLAIN)],
        [("  ", PLAIN), (fit(rest, min(len(rest), left)), PLAIN), ("  ", PLAIN), *after],
    ]


def separator(scene: Scene) -> list[Line]:
    return [rule(scene.width)]


def message(scene: Scene) -> list[Line]:
    """The answer to the last key: a refusal in its own words, or what was done."""
    if not scene.extra:
        return []
    mark, _, words = scene.extra.partition(" ")
    lines = wrap(safe(words, 1000), scene.width - 2, 3)
    style = {"✗": WARN, "?": WARN, "!": WARN}.get(mark, GOOD)
    return [[(mark if i == 0 else " ", style), (" ", PLAIN), (part, PLAIN)] for i, part in enumerate(lines)]


def exposure_line(scene: Scene) -> Line:
    """`exposure 25 %  ██████░░░░` of every flag; with a word where nobody is exposed."""
    state = scene.state
    if not state.exposure:
        return [("exposure ", STRONG), ("none", DIM), (" (this run has not exposed anybody)", DIM)]
    line: Line = [("exposure ", STRONG)]
    cells = max(6, min(24, scene.width - 30))
    for flag, share in state.exposure.items():
        full = round(share / 100 * cells)
        line += [(f"{percent(share)} ", STRONG), ("█" * full, WARN), ("░" * (cells - full), DIM)]
        line.append(text(f" {flag}  ", DIM))
    return line


def small(scene: Scene) -> list[Line]:
    """Below 80x24: what happens next, exposure, the undo; the keys follow on their own line."""
    words = said(scene)
    lines: list[Line] = [[sign(words.sign), (" ", PLAIN), (words.word.upper(), SIGN_STYLES[words.sign])]]
    room = max(1, scene.height - 4)
    lines += [[(part, PLAIN)] for part in wrap(safe(words.because), scene.width, room)]
    if words.next:
        lines.append([("Next: ", STRONG), (words.next, PLAIN)])
    lines.append([("exposure ", STRONG), (percent(scene.state.exposed_now) if scene.state.exposure else "none", PLAIN)])
    lines.append([("rollback ", STRONG), (rollback_state(scene.state), PLAIN)])
    return lines
