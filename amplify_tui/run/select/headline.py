"""Line 2 of every screen: one word first, then what happens next and what it waits for. The order below is urgency."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.forecast import forecast, forecast_words
from amplify_tui.run.inputs import missing
from amplify_tui.run.rereads import late_writes, looks_left
from amplify_tui.run.select.gate import gate_line, next_phase
from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.select.stages import current, in_order, outlived_by, step_title, stuck_words, watches_behind
from amplify_tui.run.select.undo_lines import asked, begins, tally
from amplify_tui.run.select.words import Sign, clock, percent, safe, since
from amplify_tui.run.shapes import Hold
from amplify_tui.run.state import RUN_SCOPE, EffectState, State, StepState, Unwatched, to_disarm
from amplify_tui.run.undo import (
    BAND_NAMES,
    ItemState,
    mitigation_items,
    rollback_items,
    unfinished_band,
    waits_after,
)
from amplify_tui.verdict.words import duration

Word = Literal[
    "going", "waiting for you", "waiting", "held because", "undoing", "no conductor", "cannot go on", "done", "over"
]

OUTCOME_WORDS: Final = {
    "completed": "completed",
    "completed_with_exceptions": "completed, with exceptions",
    "abandoned": "abandoned: its effects stay",
    "rolled_back": "rolled back",
    "rolled_back_partly": "rolled back in part: something is left to do",
    "canceled": "canceled before it began",
}


class Headline(Struct, frozen=True):
    """*word* for everybody, *because* for the one who asks, *next* for the one who acts."""

    word: Word
    sign: Sign
    because: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.because}" + (f"  Next: {self.next}" if self.next else "")


def headline(state: State, now: float, lost: str = "", problem: str = "", tz: tzinfo | None = None) -> Headline:
    """What happens next. *lost* says why the conductor does not answer; then nothing happens, and that comes first.

    *problem* says what the conductor cannot do at the moment; it tries again by itself. *tz* is the zone of its times.
    """
    said = _run(state, now)
    if state.unwatched is not None and state.phase in ("forward", "rolling_back"):
        said = replace(said, because=f"{unwatched_words(state.unwatched, tz)}; {said.because}")
    if lost and state.phase not in ("closed", "none"):
        at = f" at {percent(state.exposed_now)}" if state.exposed_now else ""
        return Headline(
            "no conductor", "unknown", f"nobody watches{at} ({safe(lost)}); last known: {said.word}: {said.because}",
            f"`amplify resume {state.run}`; M Y and R still work",
        )  # fmt: skip
    if problem and state.phase != "closed" and safe(problem, 400) not in said.because:  # one outage is said once
        return Headline(
            "cannot go on", "unknown", f"{safe(problem, 400)}; last known: {said.word}: {said.because}", said.next
        )
    return said


def unwatched_words(gap: Unwatched, tz: tzinfo | None) -> str:
    """`no watch from 03:02:10 to 03:09:44 at 25 %`: the first thing to know after a crash."""
    return f"no watch from {clock(gap.since, tz)} to {clock(gap.until, tz)} at {percent(gap.percent)}"


def _run(state: State, now: float) -> Headline:
    match state.phase:
        case "none":
            return Headline("waiting", "later", "nothing is known of this run yet", "the first event")
        case "draft":
            return _draft(state)
        case "rolling_back":
            return _undoing(state, rollback_items(state), "rolling back", now)
        case "closed":
            word = closed_words(state)
            good = state.outcome in ("completed", "completed_with_exceptions")
            left = "; ".join(state.follow_ups[:2])
            because = f"{word}; {safe(left)}" if left else word
            return Headline("done" if good else "over", "done" if good else "undone", because, "v report")
        case "forward":
            return _forward(state, now)


def closed_words(state: State) -> str:
    """How a closed run ended, and which run has what it left."""
    word = OUTCOME_WORDS[state.outcome] if state.outcome else "closed"
    if state.superseded_by:
        return f"superseded by run {state.superseded_by}, which has taken its undo over"
    return f"{word}; reversed by run {state.reversed_by}" if state.reversed_by else word


def _draft(state: State) -> Headline:
    lacking = missing(state.plan.inputs, state.inputs)
    if lacking:
        return Headline("waiting for you", "held", f"a draft without {', '.join(lacking)}", "⏎ fills in the inputs")
    instead = f" that is to supersede run {state.supersedes}" if state.supersedes else ""
    return Headline("waiting for you", "held", f"a draft{instead}: nothing has been done yet", "⏎ starts the run")


def _forward(state: State, now: float) -> Headline:
    for find in (_trigger, _mitigating, _hold, _stuck, _awaiting, _observing, _running):
        said = find(state, now)
        if said is not None:
            more = said.because + _unseen(state, said)
            if said.word != "undoing":  # while exposure is taken away nothing else counts
                more = _disarmed(state, now) + more + _wishes(state, now)
            return replace(said, because=more)
    return Headline("going", "active", "all steps are over", "the run closes")


def _unseen(state: State, said: Headline) -> str:
    """`; soak is blind`: a monitor in the background without evidence, where another step is what is told of."""
    blind = [s for s in in_order(state) if watches_behind(s) and s.verdict and s.verdict.answer in ("blind", "error")]
    told = "".join(f"; {step.ref} is {step.verdict.answer}" for step in blind if step.verdict is not None)
    if not any(hold.kind == "blind" for hold in state.holds.values()):
        told += "".join(f"; trigger {name} sees nothing" for name, one in state.triggers.items() if one.blind)
    return "" if said.sign == "unknown" else told


def _disarmed(state: State, now: float) -> str:
    """`errors is DISARMED for 12m; `: what protects nobody now comes first, for the end of a line may be cut off."""
    resting = ((name, one.disarmed_until - now) for name, one in state.triggers.items() if now < one.disarmed_until)
    return "".join(f"{name} is DISARMED for {duration(left)}; " for name, left in resting)


def _wishes(state: State, now: float) -> str:
    """`; ana wants to disarm errors, a second person has to`."""
    asked = ((name, state.requests.get(to_disarm(name))) for name in state.triggers)
    return "".join(
        f"; {safe(first.by, 30)} wants to disarm {name}, a second person has to"
        for name, first in asked
        if first is not None and now <= first.until
    )


def _trigger(state: State, now: float) -> Headline | None:
    open_ = state.open_triggers
    if not open_:
        return None
    first = open_[0]
    left = f" within {duration(first.answer_by - now)}" if first.answer_by is not None else ""
    return Headline(
        "waiting for you", "failed", f"trigger {first.spec.id} fired: {safe(first.evidence)}",
        f"⏎ answers it{left}, else {first.spec.then}; M Y takes exposure away now",
    )  # fmt: skip


def _mitigating(state: State, now: float) -> Headline | None:
    if state.mitigation != "running":
        return None
    return _undoing(state, mitigation_items(state), "taking exposure away", now)


def _undoing(state: State, items: list[ItemState], what: str, now: float) -> Headline:
    counted = tally(items)
    text = f"{what}, {counted}"
    band = unfinished_band(items)
    blocked = next((entry for entry in items if entry.status == "blocked"), None)
    if blocked is not None:
        why = safe(blocked.detail) or "it cannot be undone by itself"
        return Headline("undoing", "failed", f"{blocked.item.target.id} is blocked: {why}; {text}", "⏎ chooses for it")
    at_work = next((entry for entry in items if entry.status == "waiting"), None)
    at_work = at_work or next((entry for entry in items if entry.status == "running"), None)
    if at_work is not None and at_work.effect is not None:
        doing = f"{at_work.item.target.id}: {asked(at_work, now)}; {text}"
        sign: Sign = "unknown" if at_work.status == "waiting" else "undone"
        return Headline("undoing", sign, doing, _after_try(state, at_work))
    if waits := waits_after(state):
        return Headline("undoing", "unknown", f"{waits}; {text}", "F does the rest")
    if band is None:
        return Headline("undoing", "undone", text, _before_close(state, now))
    for entry in (item for item in items if item.item.band == band and item.status == "planned"):
        if entry.detail:
            return Headline(
                "undoing", "unknown", f"{entry.item.target.id} {safe(entry.detail)}; {text}", "it goes on by itself"
            )
        if waits := begins(state, entry, now):
            after = "without an answer it is taken back unread"
            return Headline("undoing", "unknown", f"{entry.item.target.id}: {waits}; {text}", after)
    return Headline("undoing", "undone", text, f"band {band}, {BAND_NAMES[band]}")


def _after_try(state: State, entry: ItemState) -> str:
    """What follows a try without an answer, and a try that did not happen."""
    match entry.effect.status if entry.effect is not None else "":
        case "unknown":
            return f"try {entry.tries + 1} unless it happened; u settles it"
        case "absent":
            return f"try {entry.tries + 1}; r tries now"
        case "done" if entry.effect is not None and entry.effect.id in state.traffic:
            waives = "w waives the wait" if state.phase == "rolling_back" else "R rolls back, where w waives the wait"
            return f"an application may not have heard: look at it; {waives}"
        case "done":
            return "readings from after it was off say so"
        case _:
            return "without an answer it is read back"


def _before_close(state: State, now: float) -> str:
    """What still keeps a rollback open whose items are all settled."""
    offered = next(
        (s for s in state.steps.values() if s.status == "awaiting" and state.plan_of(s).lane != "forward"), None
    )
    if offered is not None:
        asked = "; ".join(safe(wait.detail) or wait.kind for wait in offered.awaits)
        return f"⏎ answers {step_title(state, offered)}: {asked}"
    if left := [check for check in state.integrity if check not in state.integrity_after]:
        return f"integrity: {', '.join(left)}"
    if late := {look.id: look for look in late_writes(state, now)}:
        flag, at = next((look.target.id, at) for look, at in looks_left(state, now) if look.id in late)
        return f"{flag} is read again in {duration(max(0.0, at - now))}: a write had no answer and may land late"
    return "the run closes"


_RELEASES: Final[dict[str, str]] = {
    "human": "p goes on",
    "gate": "releases once after good data; or o / b / R",
    "blind": "releases when data is back; or o / b / R",
    "unknown": "reading back by itself; u settles it",
    "drift": "⏎ chooses: ours, accept or kill",
    "lock": "waits for the lock",
    "clock": "p goes on",
}


def _hold(state: State, now: float) -> Headline | None:
    """A hold of the run comes first, then one of a step."""
    if not state.holds:
        return None
    hold = min(state.holds.values(), key=lambda h: h.scope != RUN_SCOPE)
    where = _where(state, hold)
    after = _RELEASES[hold.kind]
    if (hold.scope, hold.kind) == (RUN_SCOPE, "blind"):
        after = "releases when data is back; p goes on without it, M Y or R"
    if hold.choice == "ours":
        after = "what we left is being written again"
    if hold.kind == "gate" and not hold.auto_release:
        after = "a person releases it: o / b / R"
    if hold.scope == RUN_SCOPE and any(s.status == "stuck" and s.cause == "undo" for s in state.steps.values()):
        where, after = "exposure is off; ", f"p releases it, then {_AFTER_STUCK['undo']}"
    more = f" (and {len(state.holds) - 1} more)" if len(state.holds) > 1 else ""
    text = f"{where}{safe(collapsed(hold.reason))}, for {duration(max(0.0, now - hold.at))}{more}"
    return Headline("held because", "held", text, after)


def _where(state: State, hold: Hold) -> str:
    step = state.steps.get(hold.scope)  # type: ignore[call-overload]  # a scope is "run" or a step's ref
    if step is None or step.phase_plan is None:
        return ""
    plan = step.phase_plan
    return f"{percent(plan.percent)}: " if plan.percent is not None else f"{safe(plan.target, 24)}: "


_AFTER_STUCK: Final[dict[str, str]] = {
    "failed": "r retries, R rolls back",
    "unknown": "reading back by itself; u settles it",
    "gate": "o overrides, b goes back, R rolls back",
    "timeout": "o overrides, b goes back, R rolls back",
    "drift": "⏎ chooses: ours, accept or kill",
    "undo": "r starts again at the first phase, R rolls back",
}


def _end_of(effect: EffectState, now: float) -> str:
    """What follows while a command goes on that has outlived its conductor."""
    left = effect.deadline - now
    return f"{f'ended in {duration(left)} if it still runs' if left > 0 else 'it is being ended'}; u settles it"


def _stuck(state: State, now: float) -> Headline | None:
    step = _first(state, "stuck")
    if step is None:
        return None
    cause = step.cause or "failed"
    unknown = cause == "unknown"
    if (outlived := outlived_by(state, step)) is not None:
        return Headline(
            "held because", "unknown", f"{step_title(state, step)}: {stuck_words(state, step)}", _end_of(outlived, now)
        )
    why = stuck_words(state, step)
    lead = "nobody knows how it ended: " if unknown else ""
    text = f"{step_title(state, step)}: {lead}{why}"
    if step.not_before > now:
        return Headline("waiting", "failed", text, f"tries again in {duration(step.not_before - now)}")
    word: Word = "held because" if unknown else "waiting for you"
    skips = cause == "failed" and state.plan_of(step).skippable is not False
    after = "r retries, s skips, R rolls back" if skips else _AFTER_STUCK[cause]
    return Headline(word, "unknown" if unknown else "failed", text, after)


def _awaiting(state: State, now: float) -> Headline | None:
    step = _first(state, "awaiting")
    if step is None:
        return None
    parts = []
    for waits in step.awaits:
        match waits.kind:
            case "confirm":
                parts.append(safe(waits.detail) or "a yes or a no")
            case "input":
                parts.append(f"values: {', '.join(waits.fields) or safe(waits.detail)}")
            case "sign_off":
                have = sum(s.role == waits.role and s.preview_sha == step.preview_sha for s in step.signed)
                parts.append(f"sign-off of {waits.role} ({have} of {waits.count})")
            case "window" | "lock" | "fleet" | "integrity":
                opens = f", opens in {duration(waits.opens_at - now)}" if waits.opens_at else ""
                parts.append(f"{waits.kind} {safe(waits.detail)}{opens}")
    human = any(waits.kind in ("confirm", "input", "sign_off") for waits in step.awaits)
    text = f"{step_title(state, step)}: {'; '.join(parts) or 'its turn'}"
    return Headline(
        "waiting for you" if human else "waiting", "held", text, "⏎ opens it" if human else "it goes on by itself"
    )


def _observing(state: State, now: float) -> Headline | None:
    """What is watched in front; a monitor in the background only while nothing else goes on."""
    observing = [step for step in in_order(state) if step.status == "observing"]
    step = next((step for step in observing if not watches_behind(step)), None)
    if step is None and _first(state, "running") is None:
        step = next(iter(observing), None)
    if step is None or step.watch is None:
        return None
    plan = step.phase_plan
    where = percent(plan.percent) if plan and plan.percent is not None else safe(plan.target if plan else step.step, 24)
    ends = forecast(state, step, now)
    after = next_phase(step) or (forecast_words(ends) if ends is not None else "the step is done")
    if step.verdict is not None and step.verdict.answer in ("blind", "error"):
        return Headline(
            "going", "unknown", f"{where}, but without evidence: {gate_line(step, now)}",
            f"no advance before data{_if_still_blind(state, step, now)}",
        )  # fmt: skip
    if step.settle_until > now:
        return Headline(
            "going", "active", f"{where} settles for {duration(step.settle_until - now)} more", f"bake, then {after}"
        )
    bake = f"{where} bakes, {since(step.accrued)} of {since(step.need)}" if step.need else f"{where} is watched"
    if step.verdict is None:
        return Headline("going", "active", f"{bake}; not judged yet", after)
    if step.verdict.answer != "pass":
        needs = safe(_once(step.verdict.need)) or safe(step.verdict.reason)
        return Headline("going", "active", f"{bake}; {step.verdict.answer}: {needs}", after)
    return Headline("going", "active", f"{bake}, all pass", after)


def _if_still_blind(state: State, step: StepState, now: float) -> str:
    """`; holds in 1m40s if still blind`: when `on_blind` acts, counted from the change to blind as `decide` does."""
    left = step.verdict_at + state.on_blind.after - now
    if left <= 0 or not step.verdict_at:
        return ""
    rolls = state.on_blind.do == "rollback" and state.is_armed and not state.automatic_rollbacks
    does = "rolls back" if rolls else "holds and asks" if state.on_blind.do == "ask" else "holds"
    return f"; {does} in {duration(left)} if still blind"


def _once(listed: str) -> str:
    """Two conditions that need the same say it once."""
    return "; ".join(dict.fromkeys(listed.split("; ")))


def _running(state: State, now: float) -> Headline | None:
    step = _first(state, "running")
    if step is None:
        pending = current(state)
        if pending is None or pending.status != "pending":
            return None
        return Headline("going", "active", f"{step_title(state, pending)} is next", "it begins by itself")
    at_work = [effect for effect in state.effects_of(step) if effect.is_open]
    doing = safe(at_work[-1].says) or at_work[-1].target.id if at_work else "at work"
    took = f", {duration(max(0.0, now - step.started_at))}" if step.started_at else ""
    return Headline("going", "active", f"{step_title(state, step)}: {doing}{took}", "it goes on by itself; p holds it")


def _first(state: State, status: str) -> StepState | None:
    return next((step for step in in_order(state) if step.status == status), None)
