"""notify: tells stakeholders, one effect a recipient. A message that fails is told, and holds up nobody.

Unless `wait` is set, a message that is refused or unanswered still ends its effect: the receipt says that it was not,
or perhaps not, sent. A correction later goes to everybody whom the message reached or may have reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from msgspec.structs import replace

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import (
    Absent,
    AdapterError,
    Announcement,
    Attachment,
    Done,
    Notifier,
    Outcome,
    Probe,
    Unknown,
)
from amplify_tui.playbook.model import Base, Name
from amplify_tui.report.card import card_text
from amplify_tui.report.show import report_text
from amplify_tui.run.shapes import WORDS_BAND, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState, State
from amplify_tui.steps.commands import idem
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task

TIMEOUT: Final = 30.0
CORRECTION_TRIES: Final = 3
_EVENTS: Final = {"forward": "phase", "rolling_back": "rollback"}


class NotifyFields(Base, frozen=True):
    to: tuple[Name, ...]
    subject: str
    body: str
    attach: tuple[Literal["notes", "card", "report"], ...] = ()
    correction: str | None = None
    wait: bool = False
    dedupe: str | None = None


class Notify:
    name: ClassVar[str] = "notify"
    Fields: ClassVar[type[NotifyFields]] = NotifyFields
    outputs: ClassVar[dict[str, str]] = {"receipts": "map"}

    async def prepare(self, fields: NotifyFields, ctx: Context) -> Preparation:
        files = [f"with {file.name}" for file in _files(fields, ctx.state)]
        return Preparation(
            preview="\n".join([f"to {', '.join(fields.to)}", fields.subject, "", _body(fields, ctx), *files])
        )

    async def tasks(self, fields: NotifyFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        """Everybody at once. The ordinal is the recipient: who was told is not told again by a retry."""
        return [[Task(ordinal=to, data={"fields": fields, "to": to}, label=f"tell {to}") for to in fields.to]]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "item" in task.data:
            return _correcting(task.data["item"], ctx)
        fields: NotifyFields = task.data["fields"]
        to = task.data["to"]
        if fields.dedupe is not None and _was_told(fields.dedupe, to, ctx):
            return None
        told = {"subject": fields.subject, "body": _body(fields, ctx), "dedupe": fields.dedupe}
        return Draft(
            target=Target(kind="message", id=f"{to}/{ctx.step.ref}"),
            before=None,
            after={"to": to, **told},
            timeout=ctx.plan.timeout or TIMEOUT,
            says=f"tells {to}: {clean(fields.subject, 120)}",
            data={
                "to": to,
                **told,
                "must": fields.wait,
                "event": _EVENTS.get(ctx.state.phase, "phase"),
                "files": _files(fields, ctx.state),
            },
            undo=Undo(
                band=WORDS_BAND,
                verb="notify",
                spec={"stakeholder": to, "subject": fields.subject, "body": _correction(fields, ctx.state)},
                cls="safe",
                says=f"correction to {to}",
                by_hand=f"# tell {to} that the release was taken back",
            ),
        )

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        data = draft.data
        if data.get("nothing"):
            return Done(observed={"sent": "no", "why": data["nothing"]})
        message = Announcement(
            event=data["event"],
            run=ctx.state.run,
            subject=data["subject"],
            body=data["body"],
            idem=idem(ctx),
            parent=data.get("parent", ""),
            files=data.get("files", ()),
        )
        outcome = await _send(data["to"], message, ctx)
        if isinstance(outcome, Done):
            return replace(outcome, observed={"sent": "yes"})
        may_try_again = isinstance(outcome, Absent) and outcome.retryable and data.get("tries_left", 0) > 0
        if data["must"] or may_try_again:
            return outcome
        sent, why = ("maybe", outcome.cause) if isinstance(outcome, Unknown) else ("no", _reason(outcome))
        ctx.log(f"{data['to']} was {'perhaps ' if sent == 'maybe' else ''}not told: {why}")
        return Done(receipt={"sent": sent, "why": why}, observed={"sent": sent, "why": why})

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        """Whether a message arrived only its reader knows."""
        return Probe(result="unreachable", detail=f"ask {effect.after.get('to', 'them')}, then settle it")

    async def finish(self, fields: NotifyFields, ctx: Context) -> Finished:
        receipts = {effect.after["to"]: effect.receipt for effect in ctx.done()}
        failed = [f"{to}: {receipt['why']}" for to, receipt in receipts.items() if "why" in receipt]
        reason = f"not told: {'; '.join(failed)}" if failed else ""
        return Finished(ok=True, reason=reason, outputs={"receipts": receipts})

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return Task(ordinal=item.id, data={"item": item}, label=item.says)


async def _send(to: str, message: Announcement, ctx: Context) -> Outcome:
    try:
        channel: Notifier = ctx.world.notifier(to)
        return await channel.send(message)
    except AdapterError as error:  # a channel that cannot even be opened: a secret without a value
        return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)


def _body(fields: NotifyFields, ctx: Context) -> str:
    """The body, with the release notes below where they are attached."""
    notes = ctx.state.release_notes if "notes" in fields.attach else ""
    return f"{fields.body}\n\n{notes}" if notes else fields.body


def _files(fields: NotifyFields, state: State) -> tuple[Attachment, ...]:
    """The card and the report as they are at this moment."""
    made = {"card": card_text, "report": report_text}
    wanted = [name for name in dict.fromkeys(fields.attach) if name in made]
    return tuple(Attachment(f"{name}.txt", made[name](state)) for name in wanted)


def _was_told(dedupe: str, to: str, ctx: Context) -> bool:
    return any(
        effect.verb == "notify" and effect.status == "done" and isinstance(effect.after, dict)
        and effect.after.get("to") == to and effect.after.get("dedupe") == dedupe
        for effect in ctx.state.effects.values()
    )  # fmt: skip


def _correction(fields: NotifyFields, state: State) -> str:
    if fields.correction is not None:
        return fields.correction
    version = state.subject.version if state.subject else "the release"
    previous = state.subject.previous if state.subject else None
    return f"Correction: {version} was rolled back{f'; {previous} is live again' if previous else ''}."


def _correcting(item: UndoItem, ctx: Context) -> Draft:
    """The correction, as a reply. Who was surely never told gets none; after some tries it is let go, and said so."""
    spec: dict[str, Any] = item.spec
    receipt: dict[str, Any] = spec.get("receipt") or {}
    tries = sum(effect.undoes == item.id for effect in ctx.state.effects.values())
    nothing = "the message never went out" if receipt.get("sent") == "no" else ""
    return Draft(
        target=item.target,
        before=None,
        after={"to": spec["stakeholder"], "subject": f"Correction: {spec['subject']}", "body": spec["body"]},
        timeout=TIMEOUT,
        says=item.says,
        data={
            "to": spec["stakeholder"],
            "subject": f"Correction: {spec['subject']}",
            "body": spec["body"],
            "event": "rollback",
            "parent": str(receipt.get("ref", "")),
            "must": False,
            "nothing": nothing,
            "tries_left": max(0, CORRECTION_TRIES - tries),
        },
    )


def _reason(outcome: Outcome) -> str:
    match outcome:
        case Absent(reason=reason):
            return reason
        case Unknown(cause=cause):
            return cause
    return "it waits for somebody"
