"""One line for each event: the log of the cockpit, the plain follower and the headless run all read these.

A function per kind of event, in a table, given the state *before* the event (an effect's words live in its intent).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope
from amplify_tui.run.evolve_conductor import BARELY_S
from amplify_tui.run.reversal import Reversal
from amplify_tui.run.select.headline import OUTCOME_WORDS
from amplify_tui.run.select.outage import collapsed
from amplify_tui.run.select.undo_lines import brief
from amplify_tui.run.select.words import Sign, percent, safe, short
from amplify_tui.run.shapes import ref_of
from amplify_tui.run.state import State
from amplify_tui.verdict.words import duration, plural


class LogLine(Struct, frozen=True):
    """An event in words. `minor` ones are left out where there is room for a few lines only."""

    seq: int
    at: float
    sign: Sign
    text: str
    ref: str = ""
    minor: bool = False


Said = tuple[Sign, str]
Sayer = Callable[[State, Any, Envelope], Said]


def log_line(before: State, envelope: Envelope) -> LogLine:
    """The line for *envelope*, which happened to *before*."""
    data = envelope.data
    sign, text = SAYERS[type(data)](before, data, envelope)
    step = getattr(data, "step", "")
    ref = ref_of(step, getattr(data, "key", "")) if step else ""
    return LogLine(envelope.seq, envelope.at_s, sign, safe(text), safe(ref, 80), type(data) in MINOR)


MINOR: Final = frozenset(
    {ev.BakeAccrued, ev.EffectIntended, ev.AttemptStarted, ev.GateJudged, ev.TrialsAdvanced, ev.EffectProbed}
)


def _ref(data: Any) -> str:
    return ref_of(data.step, data.key)


def _by(env: Envelope) -> str:
    return f" by {env.actor}" if env.via in ("key", "cli") else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _effect(state: State, effect: str) -> str:
    """`effect e19 flag checkout-v3`, with what it does where the intent said so."""
    known = state.effects.get(effect)
    if known is None:
        return f"effect {effect}"
    return f"effect {effect} {brief(known.says) or f'{known.target.kind} {known.target.id}'}"


def _attached(state: State, data: ev.ConductorAttached, env: Envelope) -> Said:
    gap = env.at_s - (env.at_s if data.watched_until is None else data.watched_until)
    who = f"conductor on {data.host} (pid {data.pid}, lease {data.lease})"
    if gap < BARELY_S or state.exposed_now <= 0:
        return "note", who
    return "unknown", f"{who}; no watch for {duration(gap)} at {percent(state.exposed_now)}"


def _created(state: State, data: ev.RunCreated, env: Envelope) -> Said:
    if (back := data.reversal) is not None:
        what = f"ROLLBACK of run {back.run}" if back.run else "ROLLBACK derived from the playbook and the world"
        return "undone", f"{what} by {env.actor} via {env.via}, {_items(back)}{_because(back.reason)}"
    return "note", f"draft of {data.plan.name} made by {env.actor}, mode {data.mode}, bundle {data.bundle.sha256[:4]}"


def _started(state: State, data: ev.RunStarted, env: Envelope) -> Said:
    warned = f", {len(data.warnings)} warnings" if data.warnings else ""
    subject = data.subject
    risk = f", untrusted: {data.untrusted}" if data.untrusted else ""
    where = f"{subject.version} at {subject.sha[:7]} to {data.environment}"
    over = f", instead of run {data.supersedes}, whose undo it takes over" if data.supersedes else ""
    return "active", f"started by {env.actor}: {where}{over}{warned}{risk}"


def _awaiting(state: State, data: ev.StepAwaiting, env: Envelope) -> Said:
    waits = "; ".join(w.detail or (f"sign-off of {w.role}" if w.role else w.kind) for w in data.what)
    return "held", f"{_ref(data)} waits{_because(waits)}"


def _input(state: State, data: ev.InputGiven, env: Envelope) -> Said:
    values = ", ".join(f"{name} = {short(value)}" for name, value in data.values.items())
    return "done", f"{_ref(data) if data.step else 'inputs'}: {values}{_by(env)}"


def _ended(state: State, data: ev.AttemptEnded, env: Envelope) -> Said:
    if data.outcome == "succeeded":
        return "done", f"{_ref(data)} attempt {data.n} succeeded"
    again = f", again in {duration(data.not_before - env.at_s)}" if data.not_before else ""
    return "failed", f"{_ref(data)} attempt {data.n} failed{_because(data.reason)}{again}"


def _intended(state: State, data: ev.EffectIntended, env: Envelope) -> Said:
    if data.says:  # a verb's own words already say from what to what
        return "active", f"effect {data.effect} {data.says}"
    return "active", f"effect {data.effect} {data.target.kind} {data.target.id}: {_change(data)}"


def _change(data: ev.EffectIntended) -> str:
    return f"{short(data.before)} → {short(data.after)}"


def _done(state: State, data: ev.EffectDone, env: Envelope) -> Said:
    """A message that was taken and never answered is done for the run, and nobody may read that as delivered."""
    if data.receipt.get("sent") == "maybe":
        return "unknown", f"{_effect(state, data.effect)} PERHAPS SENT{_because(str(data.receipt.get('why', '')))}"
    if meanwhile := data.receipt.get("meanwhile"):
        return "unknown", f"{_effect(state, data.effect)} done; meanwhile {collapsed(str(meanwhile))}"
    if unaudited := data.receipt.get("unaudited"):
        words = f"who else wrote is not known: {collapsed(str(unaudited))}"
        return "done", f"{_effect(state, data.effect)} done; {words}"
    return "done", f"{_effect(state, data.effect)} done"


def _probed(state: State, data: ev.EffectProbed, env: Envelope) -> Said:
    sign: Sign = "done" if data.result in ("done", "absent") else "unknown"
    return sign, f"{_effect(state, data.effect)} read back: {data.result}{_because(data.detail)}"


def _phase(state: State, data: ev.PhaseEntered, env: Envelope) -> Said:
    settle = duration(max(0.0, data.settle_until - env.at_s))
    return "active", f"{_ref(data)} phase {data.target} is set; settles {settle}, bakes {duration(data.need)}"


def _target(state: State, data: Any, i: int) -> str:
    step = state.steps.get(ref_of(data.step, data.key))
    if step is None or step.watch is None or not 0 <= i < len(step.watch.phases):
        return f"phase {i + 1}"
    phase = step.watch.phases[i]
    return percent(phase.percent) if phase.percent is not None else phase.target


def _judged(state: State, data: ev.GateJudged, env: Envelope) -> Said:
    step = state.steps.get(ref_of(data.step, data.key))
    was = step.verdict.answer if step is not None and step.verdict is not None else ""
    now = data.verdict.answer
    sign: Sign = {"pass": "done", "fail": "failed", "undecided": "active"}.get(now, "unknown")  # type: ignore[assignment]
    moved = f"{was} → {now}" if was and was != now else now
    return sign, f"{_ref(data)} gate {moved}: {collapsed(data.verdict.reason)}"


def _tested(state: State, data: ev.TrialsAdvanced, env: Envelope) -> Said:
    fired = [key for key, trial in data.trials.items() if trial.fired_at is not None]
    before = [key for key in fired if (known := state.trials.get(key)) is not None and known.fired_at is not None]
    new = [key for key in fired if key not in before]
    what = f"; shown worse: {', '.join(new)}" if new else ""
    return "failed" if new else "active", f"a block closed for {', '.join(data.trials)}{what}"


def _moved(word: str) -> Sayer:
    def say(state: State, data: Any, env: Envelope) -> Said:
        there = f"{_target(state, data, data.from_)} → {_target(state, data, data.to)}"
        return "active", f"{_ref(data)} {word} {there}{_by(env)}{_because(data.why)}"

    return say


def _hold(state: State, data: ev.HoldPlaced, env: Envelope) -> Said:
    itself = " (releases itself once)" if data.auto_release else ""
    return "held", f"hold {data.hold} ({data.kind}) on {data.scope}{_by(env)}: {collapsed(data.reason)}{itself}"


def _disarmed(state: State, data: ev.TriggerDisarmed, env: Envelope) -> Said:
    lasting = duration(data.until - env.at_s)
    return "held", f"trigger {data.trigger} DISARMED for {lasting} by {data.by}{_because(data.reason)}"


def _fired(state: State, data: ev.TriggerFired, env: Envelope) -> Said:
    within = f", answer within {duration(data.answer_by - env.at_s)}" if data.answer_by else ""
    return "failed", f"trigger {data.trigger} fired ({data.mode}){within}: {data.evidence}"


def _skipped(state: State, data: ev.StepSkipped, env: Envelope) -> Said:
    return "skipped", f"{_ref(data)} skipped ({data.by}){_by(env)}{_because(data.reason)}"


def _stuck(state: State, data: ev.StepStuck, env: Envelope) -> Said:
    sign: Sign = "unknown" if data.cause in ("unknown", "drift") else "failed"
    return sign, f"{_ref(data)} is stuck ({data.cause}){_because(collapsed(data.detail))}"


def _overridden(state: State, data: ev.Overridden, env: Envelope) -> Said:
    return "note", f"{_ref(data)} OVERRIDDEN {', '.join(data.conditions)} by {env.actor}: {data.reason}"


def _reread(state: State, data: ev.ExposureReread, env: Envelope) -> Said:
    effect = state.effects.get(data.effect)
    flag = effect.target.id if effect else data.effect
    if data.agrees:
        return "undone", (f"{flag} read back again: it stays as it was left")
    return "failed", (f"{flag} came back to {data.percent:g} %: taken back once more{_because(data.detail)}")


def _items(data: ev.RollbackStarted | ev.MitigationStarted | Reversal) -> str:
    """`10 items, 1 kept`: counted as every screen counts them."""
    kept = sum(item.cls == "none" for item in data.plan)
    return plural(len(data.plan) - kept, "item") + (f", {kept} kept" if kept else "")


def _integrity(state: State, data: ev.IntegrityJudged, env: Envelope) -> Said:
    if data.when == "traffic":
        said = "requests have ended" if data.verdict == "pass" else data.detail
        return "done" if data.verdict == "pass" else "unknown", f"{_effect(state, data.check)}: {said}"
    if data.when == "backwards":
        good = f"the code before accepts the schema of {data.check}"
        return "done" if data.verdict == "pass" else "failed", good if data.verdict == "pass" else data.detail
    return "done" if data.verdict == "pass" else "failed", (
        f"integrity {data.check} ({data.when}): {data.verdict}{_because(data.detail)}"
    )


def _closed(state: State, data: ev.RunClosed, env: Envelope) -> Said:
    good = data.outcome.startswith("completed")
    return "done" if good else "undone", f"closed: {OUTCOME_WORDS[data.outcome]}{_because(data.reason)}"


def _says(sign: Sign, text: Callable[[State, Any, Envelope], str]) -> Sayer:
    return lambda state, data, env: (sign, text(state, data, env))


SAYERS: Final[dict[type, Sayer]] = {
    ev.RunCreated: _created,
    ev.RunStarted: _started,
    ev.ConductorAttached: _attached,
    ev.ConductorDetached: _says("unknown", lambda _s, d, _e: f"conductor gone{_because(d.reason)}"),
    ev.ClockJumped: _says("unknown", lambda _s, d, _e: f"the clock jumped by {duration(abs(d.delta))}"),
    ev.StepAwaiting: _awaiting,
    ev.InputGiven: _input,
    ev.SignedOff: _says("done", lambda _s, d, e: f"{_ref(d)} signed off: {d.role} {e.actor}"),
    ev.SignOffRejected: _says("failed", lambda _s, d, e: f"{_ref(d)} rejected: {d.role} {e.actor}{_because(d.reason)}"),
    ev.StepSkipped: _skipped,
    ev.AttemptStarted: _says("active", lambda _s, d, e: f"{_ref(d)} attempt {d.n} begins{_by(e)}"),
    ev.AttemptEnded: _ended,
    ev.EffectIntended: _intended,
    ev.EffectDone: _done,
    ev.EffectAccepted: _says("active", lambda s, d, _e: f"{_effect(s, d.effect)} accepted, waits for {d.waits_for}"),
    ev.EffectFailed: _says("failed", lambda s, d, _e: f"{_effect(s, d.effect)} did not happen: {d.reason}"),
    ev.EffectUnknown: _says("unknown", lambda s, d, _e: f"{_effect(s, d.effect)} UNKNOWN: {d.cause}"),
    ev.EffectProbed: _probed,
    ev.EffectSettled: _says("note", lambda s, d, e: f"{_effect(s, d.effect)} settled as {d.as_}{_by(e)}: {d.reason}"),
    ev.PhaseEntered: _phase,
    ev.BakeAccrued: _says(
        "active",
        lambda _s, d, _e: (
            f"{_ref(d)} baked {duration(d.accrued)}" + (f", broken by {d.broken_by}" if d.broken_by else "")
        ),
    ),
    ev.PhaseAdvanced: _moved("phase"),
    ev.PhaseRetreated: _moved("BACK"),
    ev.GateJudged: _judged,
    ev.TrialsAdvanced: _tested,
    ev.StepSucceeded: _says("done", lambda _s, d, _e: f"{_ref(d)} done"),
    ev.StepStuck: _stuck,
    ev.HoldPlaced: _hold,
    ev.HoldReleased: _says(
        "active", lambda _s, d, _e: f"hold {d.hold} released: {d.why}" + (f" ({d.choice})" if d.choice else "")
    ),
    ev.DriftAnswered: _says(
        "note",
        lambda _s, d, e: (
            f"drift {d.hold}: {d.choice} chosen{_by(e)}" if d.choice else f"drift {d.hold} is asked again: {d.reason}"
        ),
    ),
    ev.Overridden: _overridden,
    ev.TriggerFired: _fired,
    ev.TriggerAnswered: _says("note", lambda _s, d, e: f"trigger {d.trigger} answered: {d.answer}{_by(e)}"),
    ev.TriggerDisarmed: _disarmed,
    ev.TriggerArmed: _says("note", lambda _s, d, e: f"trigger {d.trigger} armed again{_by(e)}"),
    ev.TriggerSight: lambda _s, d, _e: (
        ("unknown", f"trigger {d.trigger} sees nothing: {d.blind}")
        if d.blind
        else ("note", f"trigger {d.trigger} sees again")
    ),
    ev.RollbackStarted: _says(
        "undone", lambda _s, d, e: f"ROLLBACK by {e.actor} via {e.via}, {_items(d)}{_because(d.reason)}"
    ),
    ev.UndoDecided: _says("undone", lambda _s, d, e: f"undo of {d.effect}: {d.choice}{_by(e)}{_because(d.reason)}"),
    ev.Superseded: _says("undone", lambda _s, d, _e: f"superseded by run {d.by}: what there is to take back is its"),
    ev.Reversed: _says("undone", lambda _s, d, _e: f"run {d.by} takes back what this one left"),
    ev.ExposureReread: _reread,
    ev.MitigationStarted: _says(
        "undone", lambda _s, d, e: f"MITIGATE by {e.actor} via {e.via}, {_items(d)}{_because(d.reason)}"
    ),
    ev.MitigationDone: _says("undone", lambda _s, _d, _e: "exposure is off, verified"),
    ev.IntegrityJudged: _integrity,
    ev.PlaybookMigrated: _says(
        "note", lambda _s, d, e: f"playbook migrated {d.from_[:4]} → {d.to[:4]}{_by(e)}: {d.diff}"
    ),
    ev.NoteAdded: _says("note", lambda _s, d, e: f"note{_by(e)}: {d.text}"),
    ev.RoleTaken: _says("note", lambda _s, d, e: f"{e.actor} takes the role {d.role}"),
    ev.Requested: _says(
        "note", lambda _s, d, _e: f"{d.by} asks: {d.command}{_because(d.reason)}; a second person has to want it, too"
    ),
    ev.RunClosed: _closed,
}
