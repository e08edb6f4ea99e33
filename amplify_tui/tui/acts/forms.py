"""Small parts that several dialogs share: reasons, typed values, and what must be typed before production changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from amplify_tui.playbook.model import Input
from amplify_tui.run import commands as c
from amplify_tui.run.inputs import complaint, read_value, written
from amplify_tui.run.select.possible import refusal_beforehand
from amplify_tui.run.select.words import short
from amplify_tui.run.state import State
from amplify_tui.tui.modals.form import Field
from amplify_tui.tui.orders import no

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

OVERRIDE_REASON: Final = 10


def refused(app: Cockpit, order: c.Person) -> bool:
    """Whether *order* would be refused whatever is filled in; says so in the words of the refusal.

    Of a run whose conductor is lost the cockpit may know too little: then nobody is stopped here.
    """
    why = None if app.view.lost else refusal_beforehand(app.state, order, app.now())
    if why is not None:
        app.say(no(why.what, why.why, why.next))
    return why is not None


def reason(label: str = "reason", least: int = 1) -> Field:
    """A reason of at least *least* characters; 0 makes it optional."""

    def check(typed: str) -> str:
        if len(typed) >= least:
            return ""
        return "it is needed" if least == 1 else f"at least {least} characters, {len(typed)} so far"

    return Field("reason", label, help="" if least else "(may stay empty)", check=check)


def of_input(name: str, spec: Input, given: Any) -> Field:
    """The field for a declared input, checked as `decide` will check it."""

    def check(typed: str) -> str:
        if not typed:
            return "" if spec.default is not None else "it is needed"
        try:
            value = read_value(spec, typed)
        except ValueError as error:
            return str(error)
        return complaint(spec, value)

    value = spec.default if given is None else given
    kind = " | ".join(spec.choices) if spec.choices else spec.type
    return Field(name, name, written(spec, value), f"({kind}) {spec.help}".strip(), check)


def typed_values(specs: dict[str, Input], typed: dict[str, str]) -> dict[str, Any]:
    """The values as their types; an empty field keeps its default and is left out."""
    return {name: read_value(specs[name], text) for name, text in typed.items() if text and name in specs}


def type_to_confirm(state: State) -> str:
    """What somebody types to change production: the environment, else the run's name."""
    return short(state.environment or state.plan.name or state.run)
