"""The lines that frame every screen: identity, what happens next, and the small form of a tiny terminal."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from rich.cells import cell_len

from amplify_tui.run.select.gate import live_state
from amplify_tui.run.select.headline import Headline, headline
from amplify_tui.run.select.undo_lines import rollback_state
from amplify_tui.run.select.words import age, clock, percent, safe, zone
from amplify_tui.run.select.world import conductor_age, pinned_words
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
WIDE: Final = 110
# What gives way to the identity, in this order.
DROPS: Final = ("elapsed", "zone", "driver", "sha", "age", "clock", "conductor")


def mode_word(scene: Scene) -> tuple[str, str]:
    """LIVE, DRILL or DRY RUN; a sandbox says so, for nobody may mistake the one for the other."""
    state = scene.state
    if state.mode == "live":
        return ("SANDBOX", WARN) if state.sandbox else ("LIVE", BAD)
    return ("DRILL", WARN) if state.mode == "drill" else ("DRY RUN", ACTIVE)


def who(scene: Scene, *, sha: bool = False, name: str | None = None) -> Line:
    """Which run this is: mode, playbook, run, version, environment. Never cut; the playbook's name gives way last."""
    state = scene.state
    wide = scene.width >= WIDE
    called = state.plan.name or "no run yet"
    line: Line = [mode_word(scene), text(f" {called if name is None else name}", STRONG)]
    if state.run:
        line.append(text(f"  run {state.run[:8]}" if wide else f" {state.run[:8]}"))
    if state.subject is not None:
        subject = state.subject
        version = (subject.tag or subject.version) if wide else subject.version
        joint = (" @ " if wide else " ") + subject.sha[:7] if sha else ""
        line.append(text(f"  {version}{joint}" if wide else f" {version}{joint}", STRONG))
    if state.environment:
        line.append(text(f"  {state.environment.upper()}" if wide else f" {state.environment.upper()}", WARN))
    return line


def beside(scene: Scene, gone: frozenset[str]) -> Line:
    """Who drives, whether the conductor is there, what time it is; without what is *gone* for want of room."""
    view, state = scene.view, scene.state
    line: Line = []
    if state.starter and "driver" not in gone:
        line.append(text(f"driver {state.starter}  ", DIM))
    mark, words = conductor_age(state, view.board, view.at)
    if view.lost:
        mark, words = "unknown", f"NO CONDUCTOR {age(view.lost_at, view.at)}"
    if "age" in gone:
        words = "" if mark == "done" else words.rpartition(" ")[0]
    if "conductor" in gone:  # line 2 says it in words of its own
        words = ""
    if words or mark != "none":
        line.append(("● " if mark == "done" else "? ", GOOD if mark == "done" else WARN))
        line.append((f"{words}  " if words else "", PLAIN))
    if "clock" not in gone:
        line.append((clock(view.at, view.tz) if view.at else "--:--:--", PLAIN))
    if "zone" not in gone:
        line.append((f" {zone(view.at, view.tz)}", DIM))
    if state.started_at and "elapsed" not in gone:
        line.append((f"  elapsed {duration((state.closed_at or view.at) - state.started_at)}", DIM))
    return line


def identity(scene: Scene) -> list[Line]:
    """The first line: which run this is, whole, and beside it as much of the rest as there is room for."""
    for n in range(len(DROPS) + 1):
        gone = frozenset(DROPS[:n])
        left, right = who(scene, sha="sha" not in gone), beside(scene, gone)
        if width(left) + width(right) + 1 <= scene.width:
            break
    return [whole(scene, left, right)]


def whole(scene: Scene, left: Line, right: Line) -> Line:
    """*left* and *right* at the edges; where both do not fit, the playbook's name is the only thing that is cut."""
    over = width(left) + width(right) + 1 - scene.width
    if over <= 0:
        return spread(left, right, scene.width)
    room = max(4, cell_len(scene.state.plan.name) - over)
    return spread(who(scene, name=fit(scene.state.plan.name, room).rstrip()), right, scene.width)


def said(scene: Scene) -> Headline:
    view = scene.view
    found = headline(live_state(scene.state, view.board), view.at, view.lost, problem_of(scene), view.tz)
    pinned = pinned_words(scene.state, view.board)
    return replace(found, because=f"{found.because}; {pinned}") if pinned else found


def problem_of(scene: Scene) -> str:
    """What the conductor says that it cannot do; an old word of it no longer counts."""
    found = scene.view.board.get("problem")
    if not isinstance(found, dict) or scene.view.at - found.get("at", 0.0) > PROBLEM_S:
        return ""
    return str(found.get("what", ""))


def next_lines(scene: Scene, begins: str = "R") -> list[Line]:
    """Line 2 and its second half: the word and why, then what comes next. A long why runs on beside the next.

    *begins* is the key that begins a rollback where this is drawn.
    """
    words = said(scene)
    lead: Line = [sign(words.sign), (" ", PLAIN), (words.word.upper(), SIGN_STYLES[words.sign]), (" ", PLAIN)]
    because = safe(words.because)
    room = scene.width - width(lead)
    first = wrap(because, room, 2)[:1] or [""]
    rest = because[len(first[0]) :].strip()
    then = words.next.replace("R rolls back", f"{begins} rolls back")
    after: Line = [("Next: ", STRONG), (then, PLAIN)] if then else []
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
    longest = max(cell_len(safe(flag)) for flag in state.exposure)
    cells = max(6, min(24, scene.width - 18 - longest))  # `exposure 100 % `, and the bar gives way to the name
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
