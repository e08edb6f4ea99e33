"""Acts on the phase of a watched step: advance, retreat, override. `expect` is the phase that was on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amplify_tui.run import commands as c
from amplify_tui.run.select.gate import failing, gate_line, lower_phases, next_phase, observed
from amplify_tui.run.select.words import percent
from amplify_tui.run.state import StepState
from amplify_tui.tui.acts.forms import OVERRIDE_REASON, reason, refused
from amplify_tui.tui.modals.form import Choice, Field, Filled, Form
from amplify_tui.tui.orders import no

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit


def _watched(app: Cockpit, what: str) -> StepState | None:
    step = app.step()
    if step is None or step.watch is None:
        step = observed(app.state)
    if step is None or step.watch is None:
        app.say(no(what, "no step of this run is watched yet", "it can be done during a rollout"))
        return None
    return step


def _percent(step: StepState) -> float | None:
    return step.phase_plan.percent if step.phase_plan is not None else None


def _typed_percent(wanted: float | None) -> tuple[Field, ...]:
    if wanted is None:
        return ()

    def check(typed: str) -> str:
        try:
            return "" if float(typed.rstrip(" %")) == wanted else f"type {wanted:g}"
        except ValueError:
            return f"type {wanted:g}"

    return (Field("percent", f"the percentage, {wanted:g}", check=check),)


def advance(app: Cockpit) -> None:
    step = _watched(app, "nothing advances")
    if step is None or refused(app, app.order(c.Advance, step=step.step, key=step.key)):
        return
    after = next_phase(step)
    lines = [gate_line(step, app.now()), "The gate is judged again at this moment; the rest of the bake is waived."]
    if failing(step):
        bad = failing(step)[0].id
        lines.append(f"As it stands it would be refused: {bad} does not pass. o overrides, b goes back.")

    def done(filled: Filled) -> None:
        why = filled.values["reason"]
        app.send(app.order(c.Advance, step=step.step, key=step.key, expect=step.phase, reason=why))

    title = f"Advance {step.ref} to {after}?" if after else f"End the watch of {step.ref}?"
    app.ask(Form(title, tuple(lines), (reason(),), (Choice("ok", "Advance", "error"),)), done)


def retreat(app: Cockpit) -> None:
    step = _watched(app, "nothing goes back")
    if step is None:
        return
    lower = lower_phases(step)
    first = lower[0] if lower else 0.0
    if refused(app, app.order(c.Retreat, step=step.step, key=step.key, percent=first)):
        return
    choices = tuple(Choice(f"{i}", percent(share), "primary" if i == 0 else "default") for i, share in enumerate(lower))

    def done(filled: Filled) -> None:
        share = lower[int(filled.choice)]
        order = app.order(
            c.Retreat, step=step.step, key=step.key, percent=share, expect=step.phase, reason=filled.values["reason"]
        )
        app.send(order)

    lines = (f"now {percent(_percent(step))}; back at once and without a gate, then held until a person goes on",)
    app.ask(Form(f"{step.ref}: back to which phase?", lines, (reason(least=0),), choices[:6], danger=True), done)


def override(app: Cockpit) -> None:
    step = _watched(app, "nothing is overridden")
    if step is None or step.watch is None:
        return
    bad = failing(step)
    named = tuple(term.id for term in bad or step.watch.gate)
    where: dict[str, Any] = {"step": step.step, "key": step.key, "percent": _percent(step), "expect": step.phase}
    if refused(app, app.order(c.Override, conditions=named, **where)):
        return
    if not bad:
        why = f"no condition of {step.ref} keeps it from passing"
        app.say(no("nothing is overridden", why, "wait for the bake, or a advances"))
        return
    roles = " or ".join(app.state.plan.override_roles)
    lines = [f"✗ {term.id}: {term.reason}" for term in bad]
    lines.append(f"needs the role {roles}; for this phase only; triggers stay armed; red in the report")
    fields = (*_typed_percent(_percent(step)), reason(least=OVERRIDE_REASON))
    if "fleet" in named:
        fields = (*fields, Field("instances", "instances", help="(each that fails, by name; a second person does it)"))

    def done(filled: Filled) -> None:
        odd = tuple(filled.values.get("instances", "").replace(",", " ").split())
        app.send(app.order(c.Override, conditions=named, reason=filled.values["reason"], instances=odd, **where))

    app.ask(Form(f"Override the gate of {step.ref}?", tuple(lines), fields, (Choice("ok", "Override", "error"),)), done)
