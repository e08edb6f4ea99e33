"""Which undos of code and data wait for a person's word, and why: what is there now may not suit what goes back.

| item | waits for a person where |
| --- | --- |
| an instance | the code before does not accept the schema that is there now |
| code from before a `contract` | that has been done, or may have been: only fixing forward is safe |
| the undo of a `data:` command | always: no data goes back by itself |

`DecideUndo` with `restore` is the word.
"""

from __future__ import annotations

from typing import Final

from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, UndoItem
from amplify_tui.run.state import EffectState, State

INSTANCE: Final = "instance"


def asks_first(state: State, item: UndoItem) -> str:
    """Why *item* is not begun without a person's word, in words; "" where nothing stands against it."""
    decision = state.decisions.get(item.id)
    if decision is not None and decision.choice == "restore":
        return ""
    if item.band == DATA_BAND and item.spec.get("data"):
        return f"it takes back a {item.spec['data']}: it runs only when a person says so"
    if item.band != CODE_BAND or item.only_looks:
        return ""
    said = state.backwards.get(service_of(item))
    if said is not None and said.verdict == "fail":
        return said.detail
    if said is not None and said.verdict == "pass":
        return ""
    if gone := contracted(state, item):
        return f"{gone} is past the point of no return: {fix_forward(state)}, or decide that it goes back all the same"
    return ""


def fix_forward(state: State) -> str:
    """How to mend the release by another one, where going back is not safe: the words for a screen and a card."""
    return f"fix forward with `amplify run HOTFIX.yaml --supersedes {state.run}`"


def service_of(item: UndoItem) -> str:
    """The service of an instance's undo; "" of any other."""
    return item.target.id.partition("/")[0] if item.target.kind == INSTANCE else ""


def contracted(state: State, item: UndoItem) -> str:
    """The step of a `contract` that came after the code to which *item* goes back; "" where none did, or may have."""
    made = min(_number(name) for name in item.effects)
    return next((str(e.ref) for e in contracts(state) if _number(e.id) > made), "")


def _number(effect: str) -> int:
    """Effects are numbered as they are made; a run that reverses another one has only these numbers of them."""
    return int(effect[1:])


def contracts(state: State) -> list[EffectState]:
    """The contracts of the run that are done, or that nobody can say did not happen."""
    return [
        effect
        for effect in state.effects.values()
        if not effect.undoes
        and effect.status != "absent"
        and effect.undo
        and effect.undo.spec.get("data") == "contract"
    ]


def ran_half(effect: EffectState) -> bool:
    """Whether a migration failed, or ended without a word, and may have changed some of what it was to change."""
    is_data = effect.undo is not None and bool(effect.undo.spec.get("data"))
    began = effect.error == "Exit" or effect.unknown_since > 0
    return is_data and effect.status == "absent" and began and not effect.human


def to_judge(state: State, items: tuple[UndoItem, ...]) -> tuple[str, ...]:
    """The services of *items* whose schema has to be held against what the code before accepts, and was not yet."""
    names = dict.fromkeys(service_of(item) for item in items if item.band == CODE_BAND and service_of(item))
    facts = ((name, state.services.get(name)) for name in names)
    return tuple(
        name for name, one in facts if one and one.schema_field and one.previous_accepts and name not in state.backwards
    )
