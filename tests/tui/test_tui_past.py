"""A comparison with yesterday on the gate screen: what the same hour was like, or why nobody knows."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.run.select.gate import condition_rows
from amplify_tui.tui.draw.evidence import evidence
from amplify_tui.tui.draw.main import gate_table
from amplify_tui.tui.draw.scene import Scene
from amplify_tui.tui.example import stories
from amplify_tui.tui.example.board import board_of
from amplify_tui.tui.view import View
from amplify_tui.verdict.model import PastReading, Term, TermVerdict, Verdict

PAST = PastReading(
    source="prom",
    signal="latency",
    when="last_week",
    status="ok",
    data_at=0.0,
    received_at=0.0,
    levels=tuple(0.2 + 0.001 * number for number in range(60)),
)
SAID = TermVerdict(
    id="latency vs last week",
    answer="fail",
    reason="latency 412 ms against 229 ms last week: shown worse by 8 blocks beside 60",
    value=0.412,
    control=0.229,
    baseline="last week",
    n=8.0,
)


def seen(past: PastReading | None) -> Scene:
    story = stories.held()
    step = next(one for one in story.state.steps.values() if one.watch is not None and one.verdict is not None)
    assert step.watch is not None
    signal = next(one.signal for one in step.watch.gate if one.id == "latency")
    assert signal is not None
    condition = Condition(signal="latency", worse_than="last_week", by=0.2)
    term = Term(id=SAID.id, condition=condition, signal=replace(signal, cohorts=None, limit=None))
    watch = replace(step.watch, gate=(term,))
    said = Verdict(answer="fail", reason=SAID.reason, terms=(SAID,))
    state = replace(story.state, steps=story.state.steps | {step.ref: replace(step, watch=watch, verdict=said)})
    board: dict[str, Any] = {key: value for key, value in board_of(story).items() if not key.startswith("gate:")}
    if past is not None:
        board["past:latency:last_week"] = msgspec.to_builtins(replace(past, received_at=story.at - 120.0))
    return Scene(View(state=state, board=board, at=story.at), 80, 40, SAID.id, step.ref)


def drawn(scene: Scene) -> str:
    return "\n".join("".join(part for part, _ in line) for line in evidence(scene))


def test_the_evidence_shows_what_the_same_hour_was_like_and_when_it_was_read() -> None:
    shown = drawn(seen(PAST))
    assert "229 ms last week" in shown
    assert "≤ +20 %" in shown
    assert "last week  60 blocks, most from 205 ms to 254 ms" in shown
    assert "read 2m ago" in shown


def test_a_past_that_is_missing_poor_or_out_of_reach_is_said() -> None:
    assert "last week: not read yet" in drawn(seen(None))
    assert "last week  12 blocks" in drawn(seen(replace(PAST, levels=PAST.levels[:12])))
    lost = drawn(seen(replace(PAST, status="error", levels=(), note="no \x1b[31mconnection [b]to prom")))
    assert "connection [b]to prom" in lost
    assert "\x1b" not in lost


def test_the_table_of_the_gate_names_whose_the_other_number_is() -> None:
    scene = seen(PAST)
    step = scene.state.steps[scene.extra]
    table = "\n".join("".join(part for part, _ in line) for line in gate_table(condition_rows(step), 80))
    assert "latency vs last week" in table
    assert "412 ms  229 ms last week  ≤ +20 %" in table
