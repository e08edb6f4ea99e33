"""Acts on the whole run: start, pause, note, trigger answers, mitigate, roll back, roles, abandoning it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from amplify_tui.run import commands as c
from amplify_tui.run.inputs import missing, written
from amplify_tui.run.select.blast import about, pace, radius
from amplify_tui.run.select.undo_lines import mitigation_preview, touches
from amplify_tui.run.select.words import percent
from amplify_tui.run.shapes import Hold, Trust
from amplify_tui.run.state import RUN_SCOPE, State, TriggerState, to_disarm
from amplify_tui.run.trust import trust_lines
from amplify_tui.run.undo import rollback_items
from amplify_tui.tui.acts.forms import OVERRIDE_REASON, of_input, reason, refused, type_to_confirm, typed_values
from amplify_tui.tui.modals.arm import ArmMitigate
from amplify_tui.tui.modals.form import Choice, Field, Filled, Form
from amplify_tui.tui.orders import no
from amplify_tui.tui.screens.home import HomeScreen
from amplify_tui.verdict.words import plural

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

MIGRATION_LINES: Final = 8


def draft(app: Cockpit) -> None:
    """⏎ on a draft: the inputs while some are missing, else the start."""
    if missing(app.state.plan.inputs, app.state.inputs):
        inputs(app)
    else:
        start(app)


def inputs(app: Cockpit) -> None:
    if refused(app, app.order(c.Answer, step="", values={})):
        return
    specs = {name: spec for name, spec in app.state.plan.inputs.items() if spec.ask == "start"}
    fields = tuple(of_input(name, spec, app.state.inputs.get(name)) for name, spec in specs.items())
    form = Form(f"Inputs of {app.state.plan.name}", (), fields, (Choice("save", "Save"),))

    def done(filled: Filled) -> None:
        app.send(app.order(c.Answer, step="", values=typed_values(specs, filled.values)))

    app.ask(form, done)


def start(app: Cockpit) -> None:
    state, specs = app.state, app.state.plan.inputs
    given = tuple(f"{name} = {written(specs[name], v)}" for name, v in state.inputs.items() if name in specs)
    where = "in a sandbox" if state.sandbox else f"mode {state.mode}"
    steps = f"{plural(len(state.steps), 'step')} in {plural(len(state.plan.stages), 'stage')}, {where}"
    choices = (Choice("start", "Start"), Choice("inputs", "Change inputs", "default"))
    title = f"Start {state.plan.title or state.plan.name}?"
    over = (f"Run {state.supersedes} ends with that, and its locks and its undo are this run's.",)
    given = (*over, *given) if state.supersedes else given
    trust = bundle(app)
    if trust is not None and trust.doubts and not trust.barred:
        choices = (Choice("start", "Start it untrusted", "error"), choices[1])
        lines = ("Its playbook is not trusted.", *trust_lines(trust), steps, *given)
        form = Form(title, lines, (reason("why should it start?", least=3),), choices, danger=True)
    else:
        # Starting can be taken back, so Enter, Enter is allowed to do it; the end of another run cannot.
        default = "" if state.supersedes else "start"
        form = Form(title, (steps, *given, *(trust_lines(trust) if trust else ())), (), choices, default=default)

    def done(filled: Filled) -> None:
        if filled.choice == "inputs":
            inputs(app)
            return
        why = filled.values.get("reason", "")
        app.send(app.order(c.Start, untrusted=bool(why), reason=why, expect=trust.sha if trust is not None else ""))

    app.ask(form, done)


def bundle(app: Cockpit) -> Trust | None:
    """What the conductor found of the draft's playbook; None in a sandbox, and before it has looked."""
    found = app.view.board.get("bundle")
    return msgspec.convert(found, Trust) if found is not None else None


def pause(app: Cockpit) -> None:
    """Hold at once (it stops forward work only), or ask before going on; a hold of the run is released first."""
    holds = app.state.holds.values()
    held = [h for h in holds if h.kind not in ("gate", "blind", "drift") or (h.scope, h.kind) == (RUN_SCOPE, "blind")]
    if not held:
        app.send(app.order(c.PlaceHold))
        return
    release(app, min(held, key=lambda hold: hold.scope != RUN_SCOPE))


def release(app: Cockpit, hold: Hold) -> None:
    """Go on after a hold; a drift asks whose flag it is to be."""
    lines = (f"{hold.id} ({hold.kind}) by {hold.by or 'the conductor'}: {hold.reason}",)
    blind = (hold.scope, hold.kind) == (RUN_SCOPE, "blind")
    choices: tuple[Choice, ...] = (Choice("", "Go on"),)
    if hold.scope != RUN_SCOPE:
        choices = (*choices, Choice("hold", "Hold the whole run", "default"))
    if hold.kind == "drift":
        choices = (
            Choice("ours", "Ours: write our state again"),
            Choice("accept", "Accept theirs", "default"),
            Choice("kill", "Kill: switch it off", "error"),
        )
    ends = app.order(c.Release, hold=hold.id, choice=choices[0].id, reason="as will be said" if blind else "")
    if hold.scope == RUN_SCOPE and refused(app, ends):
        return

    def done(filled: Filled) -> None:
        why = filled.values["reason"]
        if filled.choice == "hold":
            app.send(app.order(c.PlaceHold, reason=why))
        else:
            app.send(app.order(c.Release, hold=hold.id, choice=filled.choice, reason=why))

    # After a mitigation nobody explained the reason is asked here: not while it burned, but before the run goes on.
    why = reason("why was exposure taken away?", least=3) if app.state.unexplained else reason(least=3 if blind else 0)
    asked = "Whose flag is it to be?" if hold.kind == "drift" else "Release the hold?"
    app.ask(Form(asked, lines, (why,), choices, danger=True), done)


def note(app: Cockpit) -> None:
    def done(filled: Filled) -> None:
        app.send(app.order(c.Note, text=filled.values["reason"]))

    app.ask(Form("A note for the journal", (), (reason("note"),), (Choice("ok", "Write it"),)), done)


def trigger(app: Cockpit, open_: TriggerState) -> None:
    """Answer the question of a trigger that fired."""
    spec = open_.spec
    lines = (f"{spec.id}: {open_.evidence}", f"without an answer: {spec.then}")
    choices = (
        Choice("mitigate", "Mitigate: exposure off", "error"),
        Choice("rollback", "Roll back", "error"),
        Choice("hold", "Hold and look"),
        Choice("ignore", "Ignore", "default"),
    )

    def done(filled: Filled) -> None:
        app.send(app.order(c.AnswerTrigger, trigger=spec.id, answer=filled.choice))

    app.ask(Form(f"Trigger {spec.id} fired", lines, (), choices, danger=True), done)


def mitigate(app: Cockpit) -> None:
    """Show what would go to 0 and arm; Y does it. Works from anywhere and closes any dialog."""
    app.close_dialogs()
    if isinstance(app.screen, HomeScreen):
        app.say(no("nothing is taken away", "no run is open", "⏎ opens the selected run, then M Y"))
        return
    if refused(app, app.order(c.Mitigate)):
        return

    def done(yes: bool | None) -> None:
        if yes:
            app.send(app.order(c.Mitigate))
        else:
            app.say("! mitigate disarmed: nothing was done")

    preview = mitigation_preview(app.state)
    if preview:
        takes = about(pace(app.state, rollback_items(app.state)).mitigate)
        meets = radius(app.view.board, app.now())
        preview = (*preview, f"{takes}, read back{f'; {meets} now' if meets else ''}")
    app.push_screen(ArmMitigate(preview), done)


def full(app: Cockpit) -> None:
    """F on the rollback screen: everything back, in bands."""
    state = app.state
    if refused(app, app.order(c.Rollback)):
        return
    plan = touches(state)
    takes = about(pace(state, rollback_items(state)).whole)
    lines = [f"exposure now {percent(state.exposed_now)}; touches {plan.summary}; {takes}"]
    if plan.cannot:
        lines.append(f"stays as it is, for it cannot be undone: {'; '.join(plan.cannot)}")
    lines.append("the run never goes forward again; M Y only takes exposure away and can go on")
    form = Form(
        "Roll everything back?",
        tuple(lines),
        (reason(least=0),),
        (Choice("ok", "Roll back", "error"),),
        must_type=type_to_confirm(state),
        danger=True,
    )

    def done(filled: Filled) -> None:
        app.send(app.order(c.Rollback, reason=filled.values["reason"]))

    app.ask(form, done)


def take_role(app: Cockpit) -> None:
    if refused(app, app.order(c.TakeRole, role="")):
        return
    roles = ", ".join(app.state.roles) or "none is named"

    def done(filled: Filled) -> None:
        app.send(app.order(c.TakeRole, role=filled.values["role"]))

    known = Field("role", "role", help=f"({roles})", check=lambda typed: "" if typed else "it is needed")
    app.ask(Form("Take a role", (), (known,), (Choice("ok", "Take it"),)), done)


def abort(app: Cockpit) -> None:
    """Stop the run and leave its effects as they are."""
    if refused(app, app.order(c.Abort)):
        return
    lines = ("Its effects stay as they are. To take them back: esc, then R.",)
    form = Form(
        "Abandon the run?",
        lines,
        (reason(),),
        (Choice("abort", "Abandon", "error"),),
        must_type="" if app.state.phase == "draft" else type_to_confirm(app.state),
        danger=True,
    )

    def done(filled: Filled) -> None:
        app.send(app.order(c.Abort, reason=filled.values["reason"]))

    app.ask(form, done)


def disarm(app: Cockpit) -> None:
    """Switch a trigger off for a while; `decide` asks for two people. What somebody asked for is filled in already."""
    asked = open_request(app.state, app.now())
    armed = [name for name, one in app.state.triggers.items() if app.now() >= one.disarmed_until]
    some = asked or next(iter(armed), next(iter(app.state.triggers), ""))
    if refused(app, app.order(c.Disarm, trigger=some, until=app.now() + 60)):
        return
    names = ", ".join(armed)
    first = app.state.requests.get(to_disarm(asked))
    lines = (f"{first.by} asks for it: {first.reason}",) if first is not None else ()

    def done(filled: Filled) -> None:
        until = app.now() + float(filled.values["minutes"]) * 60
        why = filled.values["reason"]
        app.send(app.order(c.Disarm, trigger=filled.values["trigger"], until=until, reason=why))

    fields = (
        Field(
            "trigger",
            "trigger",
            some,
            help=f"({names})",
            check=lambda t: "" if t in app.state.triggers else "no such trigger",
        ),
        Field("minutes", "minutes", "15", check=lambda t: "" if t.isdigit() and 0 < int(t) <= 60 else "1 to 60"),
        reason(least=OVERRIDE_REASON),
    )
    app.ask(
        Form(
            "Disarm a trigger",
            (*lines, "It takes two people; the run says so as long as it lasts."),
            fields,
            (Choice("ok", "Disarm", "error"),),
            danger=True,
        ),
        done,
    )


def open_request(state: State, now: float) -> str:
    """The trigger that a first person wants disarmed; "" where nobody does."""
    return next((n for n in state.triggers if (r := state.requests.get(to_disarm(n))) and now <= r.until), "")


def arm(app: Cockpit) -> None:
    """Arm a disarmed trigger again: at once, by one person."""
    now = app.now()
    resting = [name for name, one in app.state.triggers.items() if now < one.disarmed_until]
    some = next(iter(resting), open_request(app.state, now)) or next(iter(app.state.triggers), "")
    app.send(app.order(c.Arm, trigger=some))


def migrate(app: Cockpit) -> None:
    """Show what the playbook's file would change, and go by it. The order names the hash of what was shown."""
    opened, run = app.doors.migration, app.state.run
    shell = f"`amplify do {run or 'RUN'} migrate` shows it"
    if opened is None or not run or isinstance(app.screen, HomeScreen):
        why = (
            "no run is open" if not run or isinstance(app.screen, HomeScreen) else "this cockpit was opened without it"
        )
        app.say(no("there is nothing to migrate here", why, shell))
        return

    here = app.screen

    async def show() -> None:
        found = await opened(run)
        if app.screen is not here:  # somebody went on meanwhile: no dialog opens over what they do
            return
        if not found.sha256 or found.refusal:
            app.say(no(found.refusal or "there is nothing to migrate: the file is as it was pinned"))
            return
        more = len(found.lines) - MIGRATION_LINES
        lines = (*found.lines[:MIGRATION_LINES], *((f"and {more} more: D shows all",) if more > 0 else ()))
        title = f"Go by the file as it is now ({found.sha256[:4]})?"
        kept = "What has begun stays as it was, and so does every undo."
        form = Form(title, (*lines, kept), (reason(),), (Choice("ok", "Migrate", "error"),), danger=True)
        app.ask(form, done(found.sha256))

    def done(sha256: str) -> Callable[[Filled], None]:
        return lambda filled: app.send(app.order(c.Migrate, sha256=sha256, reason=filled.values["reason"]))

    app.work(show(), "migrate")
