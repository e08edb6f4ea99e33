"""The one door: `decide(state, command, now)` allows or refuses everything that ever happens in a run.

Keys, the command line, timers, triggers and a resumed conductor all pass here. A command is taken (its events, perhaps
none) or answered with a Refusal that says what, why, and what would make it possible. First a table: which command is
heard in which phase; then one function per command.

| file         | commands of                                                    |
| ------------ | -------------------------------------------------------------- |
| people.py    | a person, on the run and its steps                             |
| gates.py     | a person, on a phase: Advance, Override, Retreat               |
| arming.py    | two people, on a trigger: Disarm; one: Arm                     |
| reverse.py   | Reverse: a run that takes a closed one back; LeaveUndo to it   |
| supersede.py | Supersede: a run that another one takes over                   |
| handover.py  | the conductor: it comes, goes, makes way; its clock jumps      |
| migrate.py   | a person, on the playbook: Migrate                             |
| takeback.py  | Mitigate, Rollback, DecideUndo and the triggers                |
| work.py      | the conductor: beginning steps, effects and their outcomes     |
| observe.py   | the conductor: ticks of gates and triggers                     |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from amplify_tui.run import commands as c
from amplify_tui.run.decide import (
    arming,
    drift,
    gates,
    handover,
    migrate,
    observe,
    people,
    reverse,
    supersede,
    takeback,
    work,
)
from amplify_tui.run.decide.guards import Result, refuse
from amplify_tui.run.events import EventData
from amplify_tui.run.shapes import Refusal
from amplify_tui.run.state import RunPhase, State

Handler = Callable[[State, Any, float], Result]

DRAFT, FORWARD, BACK, CLOSED = "draft", "forward", "rolling_back", "closed"

ACCEPTS: Final[dict[type, frozenset[RunPhase]]] = {
    c.Start: frozenset({"draft"}),
    c.Answer: frozenset({"draft", "forward", "rolling_back"}),
    c.Approve: frozenset({"forward", "rolling_back"}),
    c.Reject: frozenset({"forward", "rolling_back"}),
    c.Skip: frozenset({"forward", "rolling_back"}),
    c.Retry: frozenset({"forward", "rolling_back"}),
    c.Settle: frozenset({"forward", "rolling_back"}),
    c.PlaceHold: frozenset({"forward"}),
    c.Release: frozenset({"forward"}),
    c.Advance: frozenset({"forward"}),
    c.Override: frozenset({"forward"}),
    c.Retreat: frozenset({"forward"}),
    c.Mitigate: frozenset({"forward", "rolling_back"}),
    c.Rollback: frozenset({"forward", "rolling_back"}),
    c.Reverse: frozenset({"none"}),
    c.DecideUndo: frozenset({"rolling_back"}),
    c.Disarm: frozenset({"forward"}),
    c.Arm: frozenset({"forward"}),
    c.Abort: frozenset({"draft", "forward"}),
    c.Supersede: frozenset({"forward", "rolling_back", "closed"}),
    c.HandOver: frozenset({"draft", "forward", "rolling_back"}),
    c.LeaveUndo: frozenset({"closed"}),
    c.Migrate: frozenset({"draft", "forward"}),
    c.AnswerTrigger: frozenset({"forward"}),
    c.Note: frozenset({"draft", "forward", "rolling_back", "closed"}),
    c.TakeRole: frozenset({"draft", "forward", "rolling_back"}),
    c.TakeLease: frozenset({"draft", "forward", "rolling_back"}),
    c.LetGo: frozenset({"draft", "forward", "rolling_back", "closed"}),
    c.Begin: frozenset({"forward", "rolling_back"}),
    c.Intend: frozenset({"forward", "rolling_back"}),
    c.Outcome: frozenset({"forward", "rolling_back"}),
    c.Probed: frozenset({"forward", "rolling_back"}),
    c.Reread: frozenset({"forward", "rolling_back"}),
    c.Finish: frozenset({"forward", "rolling_back"}),
    c.Enter: frozenset({"forward", "rolling_back"}),
    c.Observe: frozenset({"forward", "rolling_back"}),
    c.Sense: frozenset({"forward"}),
    c.Drifted: frozenset({"forward"}),
    c.Unmended: frozenset({"forward"}),
    c.TailLost: frozenset({"forward"}),
    c.Expire: frozenset({"forward"}),
    c.Jump: frozenset({"draft", "forward", "rolling_back"}),
    c.Judged: frozenset({"forward", "rolling_back"}),
    c.Mitigated: frozenset({"forward"}),
    c.Close: frozenset({"forward", "rolling_back"}),
}

HANDLERS: Final[dict[type, Handler]] = {
    c.Start: people.start,
    c.Answer: people.answer,
    c.Approve: people.approve,
    c.Reject: people.reject,
    c.Skip: people.skip,
    c.Retry: people.retry,
    c.Settle: people.settle,
    c.PlaceHold: people.place_hold,
    c.Release: people.release,
    c.Abort: people.abort,
    c.Supersede: supersede.supersede,
    c.HandOver: handover.hand_over,
    c.LeaveUndo: reverse.leave_undo,
    c.Note: people.note,
    c.TakeRole: people.take_role,
    c.Advance: gates.advance,
    c.Override: gates.override,
    c.Retreat: gates.retreat,
    c.Mitigate: takeback.mitigate,
    c.Rollback: takeback.rollback,
    c.Reverse: reverse.reverse,
    c.DecideUndo: takeback.decide_undo,
    c.AnswerTrigger: takeback.answer_trigger,
    c.Expire: takeback.expire,
    c.Mitigated: takeback.mitigated,
    c.Reread: takeback.reread,
    c.Judged: takeback.judged,
    c.Disarm: arming.disarm,
    c.Arm: arming.arm,
    c.Migrate: migrate.migrate,
    c.TakeLease: handover.take_lease,
    c.LetGo: handover.let_go,
    c.Begin: work.begin,
    c.Intend: work.intend,
    c.Outcome: work.outcome,
    c.Probed: work.probed,
    c.Finish: work.finish,
    c.Enter: work.enter,
    c.Jump: handover.jump,
    c.Close: work.close,
    c.Observe: observe.observe,
    c.Sense: observe.sense,
    c.Drifted: drift.drifted,
    c.Unmended: drift.unmended,
    c.TailLost: drift.tail_lost,
}

PHASE_WORDS: Final[dict[RunPhase, str]] = {
    "none": "the run does not exist yet",
    "draft": "the run has not started",
    "forward": "the run is under way",
    "rolling_back": "the run is rolling back",
    "closed": "the run is closed",
}


def decide(state: State, command: c.Command, now: float) -> tuple[EventData, ...] | Refusal:
    """The events that *command* causes at *now* (Unix seconds), perhaps none, or why it is refused."""
    kind = type(command)
    name = command.__struct_config__.tag or kind.__name__
    if state.phase not in ACCEPTS[kind]:
        heard = " or ".join(PHASE_WORDS[p].removeprefix("the run ") for p in sorted(ACCEPTS[kind]))
        return refuse(f"{name} is refused", PHASE_WORDS[state.phase], f"it is heard while the run {heard}")
    return HANDLERS[kind](state, command, now)
