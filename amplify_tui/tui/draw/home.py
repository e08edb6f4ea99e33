"""The home screen: what needs attention, what can be started or rehearsed, what happened lately."""

from __future__ import annotations

from collections.abc import Sequence

from amplify_tui.run.select.words import age, percent, safe
from amplify_tui.tui.client import RunSummary, Startable
from amplify_tui.tui.text import ACTIVE, BAD, CURSOR, DIM, PLAIN, STRONG, WARN, Line, sign, spread, text, wrap
from amplify_tui.verdict.words import duration

RECENT = 8


def run_key(run: RunSummary) -> str:
    return f"run:{run.run}"


def start_key(item: Startable) -> str:
    return f"{item.kind}:{item.name}"


def ordered(runs: Sequence[RunSummary]) -> tuple[list[RunSummary], list[RunSummary]]:
    """Those that are open (attention first), and the latest closed ones."""
    open_ = [run for run in runs if run.phase != "closed"]
    open_.sort(key=lambda run: (not run.attention, run.conductor, -(run.started_at or 0)))
    closed = sorted((r for r in runs if r.phase == "closed"), key=lambda r: -(r.ended_at or r.started_at or 0))
    return open_, closed[:RECENT]


def targets(runs: Sequence[RunSummary], startable: Sequence[Startable]) -> list[str]:
    open_, recent = ordered(runs)
    return [*map(run_key, open_), *map(start_key, startable), *map(run_key, recent)]


def body(
    runs: Sequence[RunSummary], startable: Sequence[Startable], cursor: str, now: float, cells: int
) -> tuple[list[Line], int]:
    """The lines, and which of them holds the selection."""
    open_, recent = ordered(runs)
    lines: list[Line] = [[(" ATTENTION" if any(r.attention for r in open_) else " RUNS", STRONG)]]
    at = 0
    for run in open_:
        at = len(lines) if run_key(run) == cursor else at
        lines.append(_run(run, cursor, now, cells))
    if not open_:
        lines.append([("   no run is under way", DIM)])
    for kind, title in (("playbook", " START"), ("drill", " REHEARSE")):
        lines.append([(title, STRONG)])
        for item in (s for s in startable if s.kind == kind):
            on = start_key(item) == cursor
            at = len(lines) if on else at
            line: Line = [("   ", PLAIN), text(item.name, CURSOR if on else PLAIN), text(f"  {item.title}", DIM)]
            lines.append(spread(line, [text(item.note, WARN), (" ", PLAIN)], cells))
        if not any(s.kind == kind for s in startable):
            lines.append(
                [("   none here; `amplify init` writes a first playbook" if kind == "playbook" else "   none", DIM)]
            )
    lines.append([(" RECENT", STRONG)])
    for run in recent:
        at = len(lines) if run_key(run) == cursor else at
        lines.append(_run(run, cursor, now, cells))
    if not recent:
        lines.append([("   none yet", DIM)])
    return lines, at


def _run(run: RunSummary, cursor: str, now: float, cells: int) -> Line:
    style = CURSOR if run_key(run) == cursor else PLAIN
    mark = sign("unknown" if not run.conductor and run.phase != "closed" else "held" if run.attention else "none")
    name = f"{run.run[:8]} {run.playbook} {run.version} {run.environment}".strip()
    left: Line = [
        (" ", PLAIN),
        mark,
        (" ", PLAIN),
        text(name, style),
        text(f"  {run.word}", WARN if run.attention else DIM),
    ]
    right: Line = []
    if not run.conductor and run.phase != "closed":
        right.append(("NO CONDUCTOR ", BAD))
    when = run.ended_at or run.started_at
    right.append((f"{age(when, now)} " if when else "", DIM))
    return spread(left, right, cells)


def aside(run: RunSummary | None, item: Startable | None, cells: int, now: float) -> list[Line]:
    """What is known of the selection."""
    if run is not None:
        lines: list[Line] = [[text(f"{run.run[:8]} {run.playbook}", STRONG)]]
        step = f"{run.previous} → {run.version}" if run.previous else run.version
        lines += [[text(step)], [text(", ".join(part for part in (run.mode, run.environment) if part), DIM)]]
        if run.started_at:
            lines.append([text(f"started {duration(now - run.started_at)} ago by {run.driver or 'nobody known'}")])
        lines.append([text(run.word), text(f", exposure {percent(run.exposure)}" if run.exposure else "", ACTIVE)])
        return lines + [[(part, PLAIN)] for words in run.detail for part in wrap(safe(words), cells, 3)]
    if item is not None:
        lines = [[text(item.name, STRONG)], [text(item.kind, DIM)]]
        return lines + [[(part, PLAIN)] for part in wrap(safe(f"{item.title} {item.note}".strip()), cells, 6)]
    return [[("nothing is selected", DIM)]]
