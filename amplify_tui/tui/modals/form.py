"""The one dialog: a title, sentences, text fields and buttons. What each asks is data (`Form`), see acts/.

It is never confirmed by a held key: buttons that do something arm after 400 ms, the focus starts on Cancel or in a
field (where Enter presses nothing), and an Enter counts only when the one before it is longer ago than a key repeat
takes to begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, Literal, cast

from msgspec import Struct
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from amplify_tui.run.select.words import ascii_twin, safe

if TYPE_CHECKING:
    from amplify_tui.tui.app import Cockpit

ARM_AFTER: Final = 0.4
REPEAT_BEGINS: Final = 0.7  # the slowest first repeat measured is 0.66 s after the press (X11)
CANCEL: Final = "cancel"
BUTTON_ROOM: Final = 56  # beside Cancel, in a dialog of 72 cells: what 80 columns leave
NARROW: Final = 24  # the rest of those 80 columns: margins, border, Cancel


class Field(Struct, frozen=True):
    """A line to type in. `check` gives a complaint about what was typed, or an empty text."""

    name: str
    label: str
    value: str = ""
    help: str = ""
    check: Callable[[str], str] | None = None
    secret: bool = False


class Choice(Struct, frozen=True):
    """A button. `danger` ones are red and wait for `must_type`; `free` ones need no valid field (reject, stop)."""

    id: str
    label: str
    kind: Literal["primary", "default", "error"] = "primary"
    free: bool = False


class Form(Struct, frozen=True):
    """What a dialog asks. `must_type` is a word that somebody must type before any choice is armed. `default`: the
    choice that gets the focus once it is armed, where an Enter too many does no harm.
    """

    title: str
    lines: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    choices: tuple[Choice, ...] = (Choice("ok", "OK"),)
    must_type: str = ""
    danger: bool = False
    default: str = ""


class Filled(Struct, frozen=True):
    """What came back: the button and what was typed."""

    choice: str
    values: dict[str, str]


class ChoiceButton(Button):
    """A button that a held Enter cannot press."""

    def action_press(self) -> None:
        if cast(FormDialog, self.screen).counts_enter():
            super().action_press()


class FormDialog(ModalScreen[Filled | None]):
    """Shows a Form; dismissed with what was filled in, or None."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar = [
        ("escape", "dismiss(None)", "cancel"),
        ("x", "dismiss(None)", "cancel"),
        ("right", "app.focus_next", "next"),
        ("left", "app.focus_previous", "previous"),
        ("down", "app.focus_next", "next"),
        ("up", "app.focus_previous", "previous"),
    ]

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form
        self._armed = False
        self._last_enter = 0.0
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-high")]

    @property
    def cockpit(self) -> Cockpit:
        return cast("Cockpit", self.app)

    def _text(self, value: str, limit: int = 600) -> Content:
        shown = safe(value, limit)
        return Content(ascii_twin(shown) if self.cockpit.ascii_only else shown)

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(self._text(self.form.title), id="title", markup=False)
            with VerticalScroll(id="body", can_focus=False):
                for line in self.form.lines:
                    yield Static(self._text(line), classes="line", markup=False)
                for field in self.form.fields:
                    yield Static(self._text(f"{field.label}  {field.help}".rstrip()), classes="label", markup=False)
                    yield Input(value=field.value, id=f"field-{field.name}", password=field.secret, compact=True)
                if self.form.must_type:
                    ask = f"type {self.form.must_type} to go on"
                    yield Static(self._text(ask), classes="label", markup=False)
                    yield Input(id="must-type", compact=True)
            yield Static("", id="complaint", markup=False)
            cells = sum(max(8, len(choice.label) + 4) + 2 for choice in self.form.choices)
            room = min(BUTTON_ROOM, self.app.size.width - NARROW)
            with Horizontal(id="buttons", classes="-stacked" if cells > room else ""):
                yield Button(Content("Cancel"), id=CANCEL, compact=True)
                for choice in self.form.choices:
                    label = self._text(choice.label, 40)
                    variant = choice.kind
                    yield ChoiceButton(label, id=f"do-{choice.id}", variant=variant, disabled=True, compact=True)

    def on_mount(self) -> None:
        self._last_enter = self.cockpit.monotonic()
        self.set_timer(ARM_AFTER, self.arm)
        first = None if self.form.danger else next(iter(self.query(Input)), None)
        if self.form.must_type:  # what has to be typed, and an Enter in there presses nothing
            first = self.query_one("#must-type", Input)
        (first or self.query_one(f"#{CANCEL}", Button)).focus()

    def arm(self) -> None:
        """The first 400 ms are over: what opened the dialog cannot confirm it any more."""
        self._armed = True
        self._judge()
        if self.form.default and self.focused is self.query_one(f"#{CANCEL}", Button):
            self.query_one(f"#do-{self.form.default}", Button).focus()

    def counts_enter(self) -> bool:
        """Whether an Enter is a press of its own and not the repeat of a held key."""
        now = self.cockpit.monotonic()
        fresh = now - self._last_enter >= REPEAT_BEGINS
        self._last_enter = now
        return fresh

    @on(Input.Changed)
    def _judge(self) -> None:
        """Say what is wrong, and let only those buttons be pressed that may be."""
        complaint = self._complaint()
        self.query_one("#complaint", Static).update(self._text(complaint))
        typed = not self.form.must_type or self.query_one("#must-type", Input).value == self.form.must_type
        for choice in self.form.choices:
            button = self.query_one(f"#do-{choice.id}", Button)
            button.disabled = not (self._armed and typed and (choice.free or not complaint))

    def _complaint(self) -> str:
        values = self._values()
        checks = ((f, f.check(values[f.name])) for f in self.form.fields if f.check is not None)
        return next((f"{field.label}: {wrong}" for field, wrong in checks if wrong), "")

    def _values(self) -> dict[str, str]:
        return {f.name: self.query_one(f"#field-{f.name}", Input).value.strip() for f in self.form.fields}

    @on(Input.Submitted)
    def _submitted(self) -> None:
        """Enter in a field goes on to the next; it never presses a button."""
        self._last_enter = self.cockpit.monotonic()
        self.focus_next()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        name = event.button.id or CANCEL
        self.dismiss(None if name == CANCEL else Filled(name.removeprefix("do-"), self._values()))
