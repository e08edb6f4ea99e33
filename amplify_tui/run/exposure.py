"""How far a flag may be exposed, from what its effects did: a book per flag, kept up from event to event.

A run may have hundreds of effects on one flag, and each of their events asks. So the book knows the newest finished
effect and the open ones; only where it cannot tell are the effects of the run read through again.
"""

from __future__ import annotations

from collections.abc import Mapping

from amplify_tui.run.marks import FlagBook
from amplify_tui.run.shapes import CODE_BAND, VERIFY_BAND, Exposure
from amplify_tui.run.state import EffectState, State
from amplify_tui.run.undo import is_verification

NEVER = (-1.0, -1)
_ENDINGS = (f"u{VERIFY_BAND}:", f"u{CODE_BAND}:instance:")


def kept_up(book: FlagBook | None, effects: Mapping[str, EffectState], effect: EffectState) -> FlagBook:
    """The book of the flag that *effect* exposes, after *effect* became what it is now in *effects*.

    Without a *book*, or where the newest finished effect is no longer finished, it is made from *effects* anew.
    """
    exposure = effect.exposure
    assert exposure is not None
    ended = _ended(effect)
    if book is None or (effect.id == book.by and ended < book.last):
        return _read_through(effects, exposure.flag)
    opened = tuple(name for name in book.opened if name != effect.id)
    if effect.is_open:
        opened = (*opened, effect.id)
    if ended > book.last or effect.id == book.by:
        return FlagBook(known=_left(effect, exposure), last=ended, by=effect.id, opened=opened)
    return FlagBook(known=book.known, last=book.last, by=book.by, opened=opened)


def exposed(book: FlagBook, effects: Mapping[str, EffectState]) -> float:
    """What the last effect that is done left, or more where one is open: never reported lower than it may be."""
    percent = max(book.known, 0.0)
    for name in book.opened:
        effect = effects[name]
        exposure = effect.exposure
        assert exposure is not None
        if not is_verification(effect):
            percent = max(percent, exposure.before, exposure.after)
        elif effect.seq > book.last[1]:
            # A look that began before what is known now cannot have seen anything newer.
            percent = max(percent, exposure.before)
    return percent


def _read_through(effects: Mapping[str, EffectState], flag: str) -> FlagBook:
    known, last, by = None, NEVER, ""
    opened: list[str] = []
    for effect in effects.values():
        exposure = effect.exposure
        if exposure is None or exposure.flag != flag:
            continue
        if known is None:
            known = exposure.before
        if effect.is_open:
            opened.append(effect.id)
        elif (ended := _ended(effect)) > last:
            known, last, by = _left(effect, exposure), ended, effect.id
    return FlagBook(known=known or 0.0, last=last, by=by, opened=tuple(opened))


def _ended(effect: EffectState) -> tuple[float, int]:
    """The event at which a finished effect ended, and its own; before everything where it is not finished."""
    return (effect.ended_seq, effect.seq) if effect.status == "done" else NEVER


def _left(effect: EffectState, exposure: Exposure) -> float:
    """What was read back counts more than what was intended: a verification may have found, and mended, more."""
    return float(effect.receipt.get("exposed", exposure.after))


def exposed_span(state: State) -> tuple[float | None, float | None]:
    """From when to when users may have met the new code (Unix seconds): what it wrote, it wrote then.

    From the first exposure, or the first instance deployed, to the last look or undo of a rollback that ended it. None:
    not yet.
    """
    ends = [
        effect.ended_at
        for effect in state.effects.values()
        if effect.status == "done" and effect.ended_at is not None and effect.undoes.startswith(_ENDINGS)
    ]
    return state.armed_since, max(ends) if ends and state.exposed_now <= 0 else None
