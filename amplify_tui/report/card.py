"""The break-glass card: how to take a release back by hand, from the journal alone. Pure.

It is Markdown whose fenced blocks are lines for `sh`, in the order in which they have to be run: what is pasted line by
line does what the run itself would do. Every word in a line was quoted where it was made (report/shell.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from amplify_tui.report import shell
from amplify_tui.run.select.undo_lines import kept_words, touches
from amplify_tui.run.select.words import safe
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, EXPOSURE_BAND, VERIFY_BAND, WORDS_BAND, UndoItem
from amplify_tui.run.state import State
from amplify_tui.run.undo import SETTLED_ITEM, ItemState, rollback_items
from amplify_tui.run.undo_asks import fix_forward

_TITLES: Final = {
    EXPOSURE_BAND: "1 Exposure: nobody gets the new path",
    CODE_BAND: "3 Code: only when every line of band 2 ends well",
    DATA_BAND: "4 Data: ask who knows the data first",
    WORDS_BAND: "5 Words and records: last",
}
_PROOFS: Final = {
    EXPOSURE_BAND: "2 Exposure verified: each line ends with 0, now and 30 s from now",
    CODE_BAND: "Code proved: each line ends with 0",
    DATA_BAND: "Data proved: each line ends with 0",
    WORDS_BAND: "Records proved: each line ends with 0",
}


def card_text(state: State) -> str:
    """What is not back yet, band by band: a line each that takes it back, and one that proves it."""
    planned = rollback_items(state)
    entries = [e for e in planned if e.status not in SETTLED_ITEM and not e.item.only_looks]
    unread = {e.item.target for e in planned if e.item.band == VERIFY_BAND and e.status not in SETTLED_ITEM}
    left = {entry.item.id for entry in entries}
    proved = [e for e in planned if e.item.id in left or (e.item.band == EXPOSURE_BAND and e.item.target in unread)]
    subject = state.subject
    title = f"{state.plan.name} {subject.version if subject else ''}, run {state.run}"
    at = datetime.fromtimestamp(state.last_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if state.last_at else "-"
    lines = [
        f"# Roll back by hand: {safe(title)}",
        "",
        f"{safe(state.environment or 'not started')}, as of event {state.seq}, {at}. {_where(state)}",
        "",
        "While a machine that can run amplify is at hand, this is quicker, and it knows what others changed:",
        f"`amplify mitigate {state.run}` (exposure off), `amplify rollback {state.run}` (everything).",
    ]
    if state.superseded_by:
        by = safe(state.superseded_by)
        lines[4:] = [
            f"SUPERSEDED by run {by}, which has taken all of this over: go by the card of that run, where it is."
        ]
    if state.reversed_by:
        by = safe(state.reversed_by)
        lines[4:] = [f"REVERSED by run {by}, which takes all of this back: go by the card of that run, where it is."]
    if not proved:
        lines += ["", "Nothing is left to take back."]
    lines += _needed(proved)
    for band in _TITLES:
        mine = in_turn([entry for entry in entries if entry.item.band == band])
        lines += _block(_TITLES[band], [part for entry in mine for part in _undo(state, entry)])
        proofs = [e.item.proof for e in proved if e.item.band == band and _is_line(e.item.proof)]
        lines += _block(_PROOFS[band], proofs)
    return "\n".join([*lines, *_last(state, planned)]) + "\n"


def in_turn(entries: list[ItemState]) -> list[ItemState]:
    """Items of one band so that each comes after those it waits for; else in the order of the plan."""
    left, done, found = list(entries), set[str](), list[ItemState]()
    names = {entry.item.id for entry in entries}
    while left:
        ready = next((e for e in left if set(e.item.needs) & names <= done), left[0])
        left.remove(ready)
        done.add(ready.item.id)
        found.append(ready)
    return found


def _where(state: State) -> str:
    match state.phase:
        case "closed":
            return f"The run is closed: {(state.outcome or '').replace('_', ' ')}."
        case "rolling_back":
            return "The run is rolling back: some of this may be done by now."
        case _:
            return f"Exposed: {max(state.exposure.values(), default=0.0):g} %."


def _needed(entries: Iterable[ItemState]) -> list[str]:
    names = shell.variables([part for entry in entries for part in (entry.item.by_hand, entry.item.proof)])
    if not names:
        return []
    return [
        "",
        f"Export these first, they are not written down here: {', '.join(f'`{name}`' for name in names)}",
        *_block("", [f': "${{{name}:?export {name} first}}"' for name in names]),
    ]


def _block(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return [*(["", f"## {title}"] if title else []), "", "```sh", *lines, "```"]


def _undo(state: State, entry: ItemState) -> list[str]:
    item = entry.item
    says = f"# {safe(f'{item.target.kind} {item.target.id}: {item.says}')}"
    stands = f"# {entry.status}: {safe(entry.detail)}" if entry.detail and entry.status != "planned" else ""
    line = (
        _told(state, item) if _is_line(item.by_hand) else f"# {safe(item.by_hand or 'no line is known').lstrip('# ')}"
    )
    if entry.status == "blocked" and item.band in (CODE_BAND, DATA_BAND):  # pasted as it is it might do harm
        line = f"# once that is decided: {line}"
    return [part for part in (says, stands, line) if part]


def _is_line(text: str) -> bool:
    """Whether it may be put on a line of its own: what somebody else's verb wrote might be more than one."""
    return bool(text) and text.isprintable()


def _told(state: State, item: UndoItem) -> str:
    """The line with what its command would be told by the run: which step, and what that step put out."""
    step = item.spec.get("step")
    if item.verb != "command" or not isinstance(step, str):
        return item.by_hand
    receipt: dict[str, Any] = item.spec.get("receipt") or {}
    known = {"AMPLIFY_RUN": state.run, "AMPLIFY_STEP": step, "AMPLIFY_IDEM": f"{state.run}/{step}/by-hand"}
    sets = " ".join(f"{name}={shell.quoted(value)}" for name, value in (known | shell.outputs(receipt)).items())
    return f"(export {sets} && {item.by_hand})"


def _last(state: State, planned: list[ItemState]) -> list[str]:
    """What stays whatever is done, and what proves the whole."""
    touched = touches(state, planned)
    kept = [entry for entry in planned if entry.status == "kept"]
    lines = ["", "## Cannot be undone", "", *(f"- {safe(kept_words(entry.item))}" for entry in kept)] if kept else []
    if touched.past_return:
        lines += ["", "Past the point of no return: a contract has run, and the code before may not fit the data."]
        lines += [f"Hold the run, and {fix_forward(state)}: that run takes its undo over."]
    if state.integrity:
        names = ", ".join(f"`{safe(name)}`" for name in state.integrity)
        lines += ["", f"The whole is proved by the integrity checks of the playbook: {names}."]
    return lines
