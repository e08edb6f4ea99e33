"""Acts on the selected step: open it, answer it, sign it off, skip, retry, settle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amplify_tui.run import commands as c
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.stages import step_title
from amplify_tui.run.shapes import Await
from amplify_tui.run.state import EffectState, StepState
from amplify_tui.run.undo import items_under_way
from amplify_tui.tui.acts import go, run
from amplify_tui.tui.acts.forms import of_input, reason, refused, typed_values
from amplify_tui.tui.modals.form import Choice, Field, Filled, Form
from amplify_tui.tui.orders import no
from amplify_tui.tui.screens.gate import GateScreen
from amplify_tui.verdict.words import plural

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def open_selected(app: Cockpit) -> None:
    """⏎: what is asked comes first (start, a trigger's question, a drift), then the selected step's own form."""
    state = app.state
    if state.phase == "draft":
        run.draft(app)
        return
    if state.open_triggers:
        run.trigger(app, state.open_triggers[0])
        return
    drift = next((hold for hold in state.holds.values() if hold.kind == "drift"), None)
    if drift is not None:
        run.release(app, drift)
        return
    step = app.step()
    if step is None:
        app.say(no("there is no step to open", "the run has none yet"))
        return
    open_step(app, step)


def open_step(app: Cockpit, step: StepState) -> None:
    kinds = {waits.kind: waits for waits in step.awaits} if step.status == "awaiting" else {}
    if "sign_off" in kinds and not {"confirm", "input"} & set(kinds):
        sign_off(app, step)
    elif "input" in kinds:
        answer(app, step, kinds["input"])
    elif "confirm" in kinds:
        confirm(app, step, kinds["confirm"])
    elif step.status == "stuck" and step.cause in ("unknown", "drift"):
        settle(app)
    elif step.watch is not None:
        app.push_screen(GateScreen(step.ref))
    else:
        go.show_step(app, step.ref)


def confirm(app: Cockpit, step: StepState, waits: Await) -> None:
    lines = (waits.detail, *_guide(app, step), *_sign_off_words(step))

    def done(filled: Filled) -> None:
        accept = filled.choice == "go"
        why = filled.values["reason"]
        app.send(app.order(c.Answer, step=step.step, key=step.key, values={"accept": accept}, reason=why))

    choices = (Choice("go", waits.accept or "Go"), Choice("stop", waits.decline or "Stop", "error", free=True))
    app.ask(Form(step_title(app.state, step), lines, (reason("note", 0),), choices, danger=True), done)


def answer(app: Cockpit, step: StepState, waits: Await) -> None:
    fields = tuple(of_input(name, spec, step.answers.get(name)) for name, spec in waits.fields.items())

    def done(filled: Filled) -> None:
        values = typed_values(waits.fields, filled.values)
        app.send(app.order(c.Answer, step=step.step, key=step.key, values=values))

    lines = (waits.detail, *_guide(app, step))
    app.ask(Form(step_title(app.state, step), lines, fields, (Choice("ok", "Answer"),)), done)


def sign_off(app: Cockpit, step: StepState) -> None:
    """The preview that the signature is bound to, and the roles still open. In a sandbox one signs as any role."""
    open_roles = [w.role for w in step.awaits if w.kind == "sign_off"]
    if not app.state.sandbox and _may_sign_none(app, step, open_roles):
        return
    role = next((r for r in open_roles if app.actor in app.state.roles.get(r, ())), open_roles[0])
    lines = (*step.preview.splitlines()[:60], *_sign_off_words(step), *_guide(app, step))
    sha = step.preview_sha
    fields = [
        Field(
            "role", "sign as role", role, f"({', '.join(open_roles)})", lambda t: "" if t in open_roles else "not asked"
        ),
        reason("reason of a rejection", 0),
    ]
    if app.state.sandbox:
        holders = app.state.roles.get(role, ())
        name = app.actor if not holders or app.actor in holders else holders[0]
        fields.insert(1, Field("actor", "as (sandbox)", name, check=lambda t: "" if t else "it is needed"))

    def done(filled: Filled) -> None:
        actor = filled.values.get("actor", app.actor)
        kind = c.Approve if filled.choice == "approve" else c.Reject
        why, chosen = filled.values["reason"], filled.values["role"]
        order = app.order(kind, by=actor, step=step.step, key=step.key, role=chosen, expect=sha, reason=why)
        app.send(order)

    choices = (Choice("approve", "Approve"), Choice("reject", "Reject", "error"))
    app.ask(Form(f"Sign-off: {step_title(app.state, step)}", lines, tuple(fields), choices, danger=True), done)


def _may_sign_none(app: Cockpit, step: StepState, roles: list[str]) -> bool:
    """Whether the person at the keys can sign as no open role; says why not of the first."""
    where = {"step": step.step, "key": step.key, "expect": step.preview_sha}
    orders = [app.order(c.Approve, role=role, **where) for role in roles]
    if any(refusal_beforehand(app.state, order, app.now()) is None for order in orders):
        return False
    return refused(app, orders[0])


def _sign_off_words(step: StepState) -> tuple[str, ...]:
    words = []
    for waits in step.awaits:
        if waits.kind == "sign_off":
            have = [s.actor for s in step.signed if s.role == waits.role and s.preview_sha == step.preview_sha]
            by = f" ({', '.join(have)})" if have else ""
            words.append(f"sign-off of {waits.role}: {len(have)} of {waits.count}{by}")
    return tuple(words)


def _guide(app: Cockpit, step: StepState) -> tuple[str, ...]:
    guide = app.state.plan_of(step).guide
    return tuple(guide.splitlines()[:12])


def skip(app: Cockpit) -> None:
    step = app.step()
    if step is None:
        app.say(no("nothing is skipped", "no step is selected"))
        return
    if refused(app, app.order(c.Skip, step=step.step, key=step.key, expect=step.n)):
        return
    allowed = app.state.plan_of(step).skippable
    who = f"may be skipped by {', '.join(allowed)}" if isinstance(allowed, tuple) else ""

    def done(filled: Filled) -> None:
        why = filled.values["reason"]
        app.send(app.order(c.Skip, step=step.step, key=step.key, expect=step.n, reason=why))

    lines = (who,) if who else ()
    form = Form(f"Skip {step_title(app.state, step)}?", lines, (reason(),), (Choice("skip", "Skip", "error"),))
    app.ask(form, done)


def retry(app: Cockpit) -> None:
    """Ask, then try the step again; on the rollback screen it is the undo item that is tried again."""
    item = app.selected_item()
    if item and not items_under_way(app.state):  # `decide` would take the item's name for a step's
        app.say(no("nothing is retried", "nothing is being taken back", "it can be once M Y or F has begun"))
        return
    if item:
        app.send(app.order(c.Retry, step=item))
        return
    step = app.step()
    if step is None:
        app.say(no("nothing is retried", "no step is selected"))
        return
    if refused(app, app.order(c.Retry, step=step.step, key=step.key, expect=step.n)):
        return

    def done(filled: Filled) -> None:
        app.send(app.order(c.Retry, step=step.step, key=step.key, expect=step.n))

    lines = (step.detail or step.cause or "stuck", f"attempt {step.n + 1}")
    form = Form(f"Retry {step_title(app.state, step)}?", lines, (), (Choice("retry", "Retry"),), danger=True)
    app.ask(form, done)


def settle(app: Cockpit) -> None:
    """Say how an unknown effect ended; its id must be typed, for nobody can check the answer."""
    effect = _unknown(app)
    if effect is None:
        app.say(no("nothing is settled", "no effect is unknown or diverged", "it can be settled when one is"))
        return
    if refused(app, app.order(c.Settle, effect=effect.id, as_="absent", expect=effect.status)):
        return
    lines = (
        f"{effect.id}: {effect.says or effect.target.id} ({effect.status}, {plural(effect.probes, 'look')})",
        f"last known: {effect.reason or 'nothing'}",
        "Look at the target yourself before you answer: everything after builds on it.",
    )
    choices = (Choice("done", "It happened", "error"), Choice("absent", "It did not happen", "error"))

    def done(filled: Filled) -> None:
        why = filled.values["reason"]
        order = app.order(c.Settle, effect=effect.id, as_=filled.choice, expect=effect.status, reason=why)
        app.send(order)

    app.ask(Form("How did it end?", lines, (reason("how you know"),), choices, effect.id, danger=True), done)


def _unknown(app: Cockpit) -> EffectState | None:
    effects = [e for e in app.state.effects.values() if e.status in ("unknown", "diverged")]
    step = app.step()
    mine = [e for e in effects if step is not None and e.ref == step.ref]
    return next(iter(mine or effects), None)
