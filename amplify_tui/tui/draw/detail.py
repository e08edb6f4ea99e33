"""A step in full, the dependency tree, commits, outputs, test results: what does not fit beside the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.run.select.stages import step_note, step_sign, step_title
from amplify_tui.run.select.words import NO_VALUE, Sign, age, clock, safe, short
from amplify_tui.run.state import StepState
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.text import BAD, DIM, PLAIN, STRONG, WARN, Line, sign, text

CASE_SIGNS: Final[dict[str, Sign]] = {"passed": "done", "failed": "failed", "error": "failed", "skipped": "skipped"}


def step(scene: Scene) -> list[Line]:
    """Everything known of the step that `extra` names."""
    found = next((s for ref, s in scene.state.steps.items() if ref == scene.extra), None)
    if found is None:
        return [[("this run has no such step", DIM)]]
    plan = scene.state.plan_of(found)
    lines: list[Line] = [
        [sign(step_sign(scene.state, found)), text(f" {step_title(scene.state, found)}", STRONG)],
        [text(f"{plan.verb} {found.ref}  {found.status} {step_note(scene.state, found)}", DIM)],
    ]
    if found.detail:
        lines += [[], [text(found.detail, WARN)]]
    for part in (_effects, _answers, _preview, _guide):
        lines += part(scene, found)
    if plan.verb == "dependencies":
        lines += [[], *tree(scene)]
    if plan.verb == "scope":
        lines += [[], *commits(scene)]
    return lines + tests_and_output(scene, found)


def tests_and_output(scene: Scene, found: StepState) -> list[Line]:
    """The test cases and the last lines that the step left on the board."""
    return _tests(scene, found) + _output(scene, found)


def _effects(scene: Scene, found: StepState) -> list[Line]:
    lines: list[Line] = []
    for effect in scene.state.effects_of(found):
        mark: Sign = "done" if effect.status == "done" else "failed" if effect.status == "absent" else "unknown"
        lines.append([sign(mark), text(f" {effect.id} {effect.says or effect.target.id}: {effect.status}")])
        lines.append([text(f"     {short(effect.before)} → {short(effect.after)}  {effect.reason}", DIM)])
        if effect.undo is not None:
            undo = effect.undo
            lines.append([text(f"     undo ({undo.cls}): {undo.says or undo.verb}", DIM)])
    return [[], [("EFFECTS", STRONG)], *lines] if lines else []


def _answers(scene: Scene, found: StepState) -> list[Line]:
    lines: list[Line] = [[text(f"{name}  ", DIM), text(words)] for name, words in given(scene, found)]
    lines += [[sign("done"), text(f" {s.role} {s.actor}, {age(s.at, scene.view.at)} ago")] for s in found.signed]
    return [[], [("ANSWERS AND OUTPUTS", STRONG)], *lines] if lines else []


def given(scene: Scene, found: StepState) -> list[tuple[str, str]]:
    """The step's answers and outputs, each with its value in words."""
    values = found.answers | found.outputs
    if not isinstance(values.get("accept"), bool):
        return [(name, short(value, 300)) for name, value in values.items()]
    rest = [(name, short(value, 300)) for name, value in values.items() if name not in ("accept", "by", "at")]
    at = values.get("at")
    when = f" at {clock(float(at), scene.view.tz)}" if isinstance(at, (int, float)) else ""
    said = "yes" if values["accept"] else "no"
    return [("answer", f"{said}, by {short(values['by'])}{when}" if "by" in values else f"{said}{when}"), *rest]


def _preview(scene: Scene, found: StepState) -> list[Line]:
    if not found.preview:
        return []
    head: Line = [("PREVIEW ", STRONG), text(found.preview_sha[:8], DIM)]
    return [[], head, *([text(line)] for line in found.preview.splitlines()[:200])]


def _guide(scene: Scene, found: StepState) -> list[Line]:
    guide = scene.state.plan_of(found).guide
    return [[], [("GUIDE", STRONG)], *([text(line)] for line in guide.splitlines()[:60])] if guide else []


def _tests(scene: Scene, found: StepState) -> list[Line]:
    """Failed cases first, each with its message."""
    raw = scene.view.board.get(f"tests:{found.ref}")
    if not isinstance(raw, dict):
        return []
    cases = [case for case in raw.get("cases", ()) if isinstance(case, dict)]
    cases.sort(key=lambda case: case.get("status") == "passed")
    failed = raw.get("failed", NO_VALUE)
    head: Line = [
        ("TESTS  ", STRONG),
        text(f"{raw.get('passed', NO_VALUE)} passed, {failed} failed", BAD if failed else PLAIN),
    ]
    lines: list[Line] = [[], head]
    for case in cases[:300]:
        mark = CASE_SIGNS.get(str(case.get("status")), "unknown")
        lines.append([sign(mark), text(f" {case.get('name', NO_VALUE)}  {case.get('status', 'unknown')}")])
        if case.get("message"):
            lines.append([text(f"     {case['message']}", DIM)])
    return lines


def _output(scene: Scene, found: StepState) -> list[Line]:
    """The last lines that the step's command wrote."""
    raw = scene.view.board.get(f"output:{found.ref}")
    if not isinstance(raw, dict):
        return []
    at = raw.get("at")
    old = age(float(at), scene.view.at) if isinstance(at, (int, float)) else NO_VALUE
    written = raw.get("lines")
    return [
        [],
        [("OUTPUT  ", STRONG), (f"{old} ago", DIM)],
        *([text(line)] for line in (written if isinstance(written, list) else ())[-200:]),
    ]


def tree(scene: Scene) -> list[Line]:
    """Every service with its versions, and under it what it requires and whether that holds."""
    raw = scene.view.board.get("graph")
    services = raw.get("services") if isinstance(raw, dict) else None
    if not isinstance(services, dict):
        return _planned_tree(scene)
    order = raw.get("order") if isinstance(raw, dict) else None
    names = [n for n in order if n in services] if isinstance(order, list) else sorted(services)
    lines: list[Line] = [[("DEPENDENCIES  ", STRONG), text(f"order: {' → '.join(str(n) for n in names)}", DIM)]]
    for name in names:
        lines += _service(str(name), services[name] if isinstance(services[name], dict) else {})
    return lines


def _service(name: str, facts: Mapping[str, Any]) -> list[Line]:
    versions = facts.get("versions")
    shown = (
        ", ".join(f"{unit} {v or NO_VALUE}" for unit, v in versions.items()) if isinstance(versions, dict) else NO_VALUE
    )
    lines: list[Line] = [[text(f" {name}", STRONG), text(f"  {shown}")]]
    requires = facts.get("requires")
    for needed, asks in requires.items() if isinstance(requires, dict) else ():
        ok = asks.get("ok") if isinstance(asks, dict) else None
        mark: Sign = "done" if ok is True else "failed" if ok is False else "unknown"
        word = {"done": "holds", "failed": "VIOLATED", "unknown": "not known"}[mark]
        wanted = asks.get("range", NO_VALUE) if isinstance(asks, dict) else NO_VALUE
        lines.append([("   └ ", DIM), sign(mark), text(f" {needed} {wanted}  {word}")])
    return lines


def _planned_tree(scene: Scene) -> list[Line]:
    """Without the conductor's graph: what the playbook requires, and that nobody has judged it."""
    services = scene.state.services
    if not services:
        return [[("DEPENDENCIES  ", STRONG), ("nothing is known of them yet", DIM)]]
    lines: list[Line] = [[("DEPENDENCIES  ", STRONG), ("as the playbook asks; not judged yet", DIM)]]
    for name, facts in services.items():
        lines.append([text(f" {name}", STRONG), (f"  {len(facts.instances)} instances", DIM)])
        lines += [[("   └ ", DIM), sign("unknown"), text(f" {n} {r}  not known")] for n, r in facts.requires.items()]
    return lines


def commits(scene: Scene) -> list[Line]:
    """What is released: commits, tickets, authors, and the notes made of them."""
    raw = scene.view.board.get("commits")
    if not isinstance(raw, dict):
        return [[("COMMITS  ", STRONG), ("not read yet", DIM)]]
    lines: list[Line] = [[("COMMITS  ", STRONG), text(f"{raw.get('count', NO_VALUE)}")]]
    for name in ("tickets", "authors"):
        values = raw.get(name)
        if isinstance(values, list) and values:
            lines.append([text(f"{name}  ", DIM), text(", ".join(safe(v, 60) for v in values[:30]))])
    items = raw.get("items")
    lines += [[("  ", PLAIN), text(_commit(entry))] for entry in (items if isinstance(items, list) else ())[:300]]
    notes = raw.get("notes")
    if isinstance(notes, str) and notes:
        lines += [[], [("NOTES", STRONG)], *([text(line)] for line in notes.splitlines()[:200])]
    return lines


def _commit(entry: object) -> str:
    if not isinstance(entry, dict):
        return safe(entry, 200)
    sha = str(entry.get("sha", ""))[:7]
    subject = entry.get("subject") or entry.get("title") or entry.get("message") or ""
    return f"{sha} {subject}  {entry.get('author', '')}".strip()


def git(scene: Scene) -> list[Line]:
    """The newest tags beside the commits."""
    raw = scene.view.board.get("git")
    tags = raw.get("tags") if isinstance(raw, dict) else None
    lines = commits(scene)
    for tag in (tags if isinstance(tags, list) else ())[:20]:
        if isinstance(tag, dict):
            lines.append([text(f"tag {tag.get('name', NO_VALUE)}  {str(tag.get('sha', ''))[:7]}")])
    return lines


def instances(scene: Scene) -> list[Line]:
    """Every instance with its version, age and what it said."""
    lines: list[Line] = []
    for key in sorted(k for k in scene.view.board if k.startswith("health:")):
        raw = scene.view.board[key]
        if not isinstance(raw, dict):
            continue
        ok = raw.get("ok")
        mark: Sign = "done" if ok is True and raw.get("status") == "ok" else "failed" if ok is False else "unknown"
        at = raw.get("data_at")
        old = age(float(at), scene.view.at) if isinstance(at, (int, float)) else NO_VALUE
        word = {"done": "ok", "failed": "NOT OK"}.get(mark, "silent or old")
        shown = f" {raw.get('instance', key)}  {raw.get('version') or NO_VALUE}  {word}  {old}  {raw.get('note', '')}"
        lines.append([sign(mark), text(shown)])
    return lines or [[("no instance has been read yet", DIM)]]
