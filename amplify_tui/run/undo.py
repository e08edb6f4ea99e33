"""The undo plan: a fold of the undo data that was journaled with each intent. Pure data, no verb's code, no playbook.

Effects on one target collapse into one item that goes back to the before-image of the first. Items stand in bands:
1 exposure, 2 exposure verified, 3 code, 4 data, 5 words (states.md 6.1).
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.shapes import (
    CODE_BAND,
    DATA_BAND,
    EXPOSURE_BAND,
    VERIFY_BAND,
    WORDS_BAND,
    Target,
    UndoItem,
)
from amplify_tui.run.state import IN_FLIGHT, Decision, EffectState, State
from amplify_tui.run.undo_asks import INSTANCE, asks_first, ran_half, service_of, to_judge
from amplify_tui.run.undo_fleet import all_waived, came_back, fleet_item, redeployed_at, with_fleets
from amplify_tui.run.undo_order import with_edges

ItemStatus = Literal["planned", "running", "waiting", "blocked", "done", "waived", "kept", "manual"]

BAND_NAMES: Final = {
    EXPOSURE_BAND: "exposure",
    VERIFY_BAND: "verify",
    CODE_BAND: "code",
    DATA_BAND: "data",
    WORDS_BAND: "words",
}
ROLLBACK: Final = "rollback"
LANDS_WITHIN: Final = 30.0  # seconds after its deadline in which a write without an answer may land (unleash.md 1.6)
PROBES_LIKELY: Final = 7  # 0, 1, 2, 4 ... 30 s: about two minutes of looking
LOOKS: Final = (f"u{VERIFY_BAND}:", fleet_item(""))  # what the ids of items begin with that only look
SETTLED_ITEM: Final[frozenset[ItemStatus]] = frozenset({"done", "waived", "kept"})


class ItemState(Struct, frozen=True):
    """An item with where it stands. `detail` says what it waits for or why it is blocked.

    looks_again: it was blocked by a look at the world, and another one may say otherwise.
    """

    item: UndoItem
    status: ItemStatus
    detail: str = ""
    not_before: float = 0.0
    effect: EffectState | None = None
    tries: int = 0
    decision: str = ""
    looks_again: bool = False

    @property
    def never_happened(self) -> bool:
        """Whether there was nothing to take back: it counts as done, and no try was made."""
        return self.status == "done" and self.effect is None


def _touched(effect: EffectState, now: float) -> bool:
    """Done, or perhaps done: both are taken back.

    So is a write of exposure that had no answer, whatever its probe said since, for as long as it may still land. A
    deploy that proved absent is among it, and counts as back at once: it may land late, and then it is reverted.
    """
    if effect.undo is None or effect.undoes:
        return False
    if effect.target.kind == INSTANCE and effect.undo.band == CODE_BAND:
        return True
    return effect.status != "absent" or _may_land(effect, now) or ran_half(effect)


def _may_land(effect: EffectState, now: float) -> bool:
    is_of_flag = effect.exposure is not None or effect.target.kind == "flag"
    late = is_of_flag and effect.unknown_since > 0 and not effect.human
    return late and now < effect.deadline + LANDS_WITHIN


def is_late(effect: EffectState, now: float) -> bool:
    """Whether a write to a flag that goes forward and had no answer may yet be carried out, though no look saw it.

    It was on its way when its answer was given up; a server that stood still, or a gateway, hands it on later.
    """
    is_forward = effect.target.kind == "flag" and not effect.undoes and not effect.human
    return is_forward and effect.unknown_since > 0 and now < effect.unknown_since + LANDS_WITHIN


def item_id(target: Target, band: int) -> str:
    return f"u{band}:{target.kind}:{target.id}"


def is_verification(effect: EffectState) -> bool:
    """Whether *effect* is only a look at what another took back: no state of the target proves that it was taken."""
    return effect.undoes.startswith(LOOKS)


def undo_plan(state: State) -> tuple[UndoItem, ...]:
    """The items, in the order in which they would be worked off; what proved absent is not among them.

    What a mitigation took back is: there may be more to restore than exposure, and else it only reads back.
    """
    items: dict[str, UndoItem] = {}
    for effect in state.effects.values():
        if not _touched(effect, state.last_at) or effect.undo is None:
            continue
        name = item_id(effect.target, effect.undo.band)
        first = items.get(name)
        if first is None:
            items[name] = UndoItem(
                id=name,
                band=effect.undo.band,
                verb=effect.undo.verb,
                target=effect.target,
                effects=(effect.id,),
                spec=effect.undo.spec | {"receipt": effect.receipt},
                cls=effect.undo.cls,
                says=effect.undo.says,
                by_hand=effect.undo.by_hand,
                proof=effect.undo.proof,
                before=effect.before,
                after=effect.after,
            )
        else:
            items[name] = replace(first, effects=(*first.effects, effect.id), after=effect.after)
    _fold_mitigation(state, items)
    return tuple(_verification(with_fleets(with_edges(state, _in_order(items)))))


def _number(effect: str) -> int:
    return int(effect[1:])


def _fold_mitigation(state: State, items: dict[str, UndoItem]) -> None:
    """What a mitigation wrote is our own latest after-image of that flag: a later rollback must know it as ours."""
    for effect in state.effects.values():
        item = items.get(effect.undoes)
        if item is None or effect.status != "done" or _number(effect.id) < max(map(_number, item.effects)):
            continue
        items[item.id] = replace(item, after=effect.observed if effect.observed is not None else effect.after)


def _in_order(items: dict[str, UndoItem]) -> list[UndoItem]:
    """By band; inside a band the latest effect first, so that what was built last is taken down first."""

    def latest(item: UndoItem) -> int:
        return max(map(_number, item.effects))

    return sorted(items.values(), key=lambda item: (item.band, -latest(item)))


def _verification(items: list[UndoItem]) -> list[UndoItem]:
    """Each exposure item is followed by one that reads it back: code is not touched before that holds."""
    checks = [
        UndoItem(
            id=item_id(item.target, VERIFY_BAND),
            band=VERIFY_BAND,
            verb=item.verb,
            target=item.target,
            effects=item.effects,
            spec=item.spec | {"verify": True},
            cls="safe",
            says=f"{item.target.id} is read back, and stays as it was",
            before=item.before,
            after=item.after,
            needs=(item.id,),
        )
        for item in items
        if item.band == EXPOSURE_BAND
    ]
    return sorted([*items, *checks], key=lambda item: item.band)


def mitigation_label(state: State) -> str:
    """What the effects of the mitigation under way carry as their step."""
    return f"mitigation-{state.mitigations}"


def item_state(state: State, item: UndoItem, label: str) -> ItemState:
    """Where *item* stands, given the undo effects made under *label*: the rollback, or one mitigation."""
    decision = state.decisions.get(item.id)
    choice = decision.choice if decision else ""
    waiver = _waiver(state, item)
    if waiver is not None:
        return ItemState(item, "waived", waiver.reason, decision="waive")
    if item.cls == "none":
        return ItemState(item, "kept", _why_kept(state, item), decision=choice)
    attempts = [e for e in state.tries_of(item.id) if e.step == label]
    tries = len(attempts)
    if item.id in state.touched and not choice and not attempts:
        return ItemState(item, "blocked", state.touched[item.id])
    if not attempts:
        if redeployed_at(state, item):
            return ItemState(item, "planned", "its deploy landed late", decision=choice)
        if _never_happened(state, item, label):
            return ItemState(item, "done", "it never happened: nothing to take back", decision=choice)
        return ItemState(item, "planned", held_up_by(state, item), decision=choice)
    last = attempts[-1]
    match last.status:
        case "done" if _came_back(state, item) > last.seq:
            return ItemState(item, "planned", "it came on again: taken back once more", 0.0, last, tries, choice)
        case "done" if redeployed_at(state, item) > last.seq:
            return ItemState(item, "planned", "it is on the new version again: once more", 0.0, last, tries, choice)
        case "done" if left := _still_met(state, item, last):
            return ItemState(item, "waiting", left, effect=last, tries=tries, decision=choice)
        case "done":
            return ItemState(item, "done", last.reason, effect=last, tries=tries, decision=choice)
        case "intended" | "accepted":
            return ItemState(item, "running", last.reason, effect=last, tries=tries, decision=choice)
        case "unknown":
            return ItemState(item, "waiting", f"no answer, reading back: {last.reason}", 0.0, last, tries, choice)
        case "absent" if decision is not None and decision.seq > last.seq:
            return ItemState(item, "waiting", last.reason, 0.0, last, tries, choice)
        case "absent" if last.retryable:
            # Who has reverted what a look found looks at once; the reverts themselves are waited for by `needs`.
            not_before = 0.0 if came_back(last) else last.not_before
            return ItemState(item, "waiting", last.reason, not_before, last, tries, choice)
        case "absent" | "diverged":
            return ItemState(item, "blocked", last.reason, effect=last, tries=tries, decision=choice)


def _still_met(state: State, item: UndoItem, look: EffectState) -> str:
    """Why a flag that was read as off does not count as gone yet, in words: its requests may not have ended.

    Only where a signal counts them, this run had exposed it, and the look found nobody left who may have it.
    """
    if not item.spec.get("verify") or "traffic" not in item.spec or look.receipt.get("exposed", 0.0) > 0:
        return ""
    exposed = (e.exposure for e in state.effects.values() if e.target == item.target and not e.undoes)
    if not any(one is not None and max(one.before, one.after) > 0 for one in exposed):
        return ""
    said = state.traffic.get(look.id)
    if said is None:
        return "off, read back; waits until no request gets it any more"
    return said.detail if said.verdict == "fail" else ""


def undrained(items: list[ItemState]) -> list[ItemState]:
    """The verifications of *items* whose flag is off, and whose requests have not been seen to end."""
    seen = (entry for entry in items if entry.item.band == VERIFY_BAND and entry.status == "waiting")
    return [entry for entry in seen if entry.effect is not None and entry.effect.status == "done"]


def _why_kept(state: State, item: UndoItem) -> str:
    """Why it stays, and of a migration that failed that it may have run half."""
    last = state.effects[item.effects[-1]]
    half = (
        f"{item.target.id} may have run half: {last.reason or 'nobody knows how it ended'}; look, and mend it forward"
    )
    return half if ran_half(last) else item.says or "declared as not undoable"


def _never_happened(state: State, item: UndoItem, label: str) -> bool:
    """Whether there is nothing to take back. What was written under *label* is read back, whatever it had to undo."""
    written = any((e.step, e.status) == (label, "done") for need in item.needs for e in state.tries_of(need))
    effects = [state.effects[name] for name in item.effects]
    absent = all(
        effect.status == "absent" and not _may_land(effect, state.last_at) and not ran_half(effect)
        for effect in effects
    )
    return absent and not (item.band == VERIFY_BAND and written) and not _try_under_way(state, item.id)


def _came_back(state: State, item: UndoItem) -> int:
    """The event at which a later look found users exposed by what *item* took back; 0 where none did."""
    if item.band not in (EXPOSURE_BAND, VERIFY_BAND):
        return 0
    found = (look.lost for name, look in state.rereads.items() if state.effects[name].target == item.target)
    return max(found, default=0)


def _waiver(state: State, item: UndoItem) -> Decision | None:
    """The decision that waives *item*. What nobody takes back is not read back either, so a verification follows."""
    follows = item.band == VERIFY_BAND or (item.only_looks and all_waived(state, item.needs))
    names = (item.id, *item.needs) if follows else (item.id,)
    decisions = [state.decisions[name] for name in names if name in state.decisions]
    return next((decision for decision in decisions if decision.choice == "waive"), None)


def _try_under_way(state: State, item: str) -> bool:
    """Whether any undo of *item* is being made now, also one of a mitigation before this rollback."""
    return any(effect.status in IN_FLIGHT for effect in state.tries_of(item))


def may_answer(effect: EffectState) -> bool:
    """Whether the probe of an unknown *effect* is likely to say yet how it ended."""
    return effect.status == "unknown" and (effect.at_work or effect.probes < PROBES_LIKELY)


def held_up_by(state: State, item: UndoItem) -> str:
    """What has to end before *item* is begun, in words; "" where nothing has.

    Exposure waits for nothing. Reading back, and code and data, wait for an effect on its way; code and data also
    for the probe of an unknown one, as long as it is likely to answer or says that it is still at work. No code and no
    data goes back under a migration that runs, whatever it has to do with the item.
    """
    if item.band > state.until_band:
        return "waits until somebody orders the whole rollback"
    if item.band == EXPOSURE_BAND:
        return ""
    if item.band in (CODE_BAND, DATA_BAND):
        for effect in state.open_effects:
            if effect.on_rollback == "wait" and (effect.status in IN_FLIGHT or may_answer(effect)):
                return _waits_for(effect)
    if item.band == CODE_BAND and service_of(item) in to_judge(state, (item,)) and state.phase == "rolling_back":
        return "waits for a look at the schema: does the code before accept it?"
    if item.band == VERIFY_BAND and any(_try_under_way(state, name) for name in item.needs):
        return "waits for an earlier try to take exposure away"
    for effect in (state.effects[name] for name in item.effects):
        if effect.status in IN_FLIGHT or (item.band != VERIFY_BAND and may_answer(effect)):
            return _waits_for(effect)
    return ""


def _waits_for(effect: EffectState) -> str:
    if effect.at_work:
        return f"waits for {effect.id}: {effect.reason}"
    return f"waits for the {'outcome' if effect.status in IN_FLIGHT else 'probe'} of {effect.id}"


def rollback_items(state: State) -> list[ItemState]:
    """The rollback under way (or the plan of one that might start now) with the state of each item."""
    if state.phase == "rolling_back" or (state.phase == "closed" and state.rollback_plan):
        items = [item_state(state, item, ROLLBACK) for item in state.rollback_plan]
        band = unfinished_band([entry for entry in items if entry.item.band != WORDS_BAND])
        return [_asking(state, entry) if entry.item.band == band else entry for entry in items]
    return [item_state(state, item, "") for item in undo_plan(state)]


def _asking(state: State, entry: ItemState) -> ItemState:
    """An item whose turn has come: blocked where only a person can say that it is begun."""
    if entry.status != "planned" or entry.detail:
        return entry
    why = asks_first(state, entry.item)
    judged = state.backwards.get(service_of(entry.item))
    again = judged is not None and judged.verdict == "fail"
    return replace(entry, status="blocked", detail=why, looks_again=again) if why else entry


def waits_after(state: State) -> str:
    """In words, that a rollback has done what it may do, and waits to be let further; "" where it does not."""
    items = rollback_items(state) if state.phase == "rolling_back" else []
    left = unfinished_band(items)
    if left is None or left <= state.until_band:
        return ""
    return f"bands 1 to {state.until_band} are done; `amplify rollback {state.run}` does the rest"


def mitigation_items(state: State) -> list[ItemState]:
    """The exposure and verification items of the mitigation under way."""
    return [item_state(state, item, mitigation_label(state)) for item in state.mitigation_plan]


def plan_under_way(state: State) -> tuple[tuple[UndoItem, ...], str]:
    """What is being taken back now, of the rollback or of a mitigation, and what its effects carry as their step."""
    if state.phase == "rolling_back":
        return state.rollback_plan, ROLLBACK
    return (state.mitigation_plan if state.mitigation == "running" else ()), mitigation_label(state)


def items_under_way(state: State) -> list[ItemState]:
    """The items that are being taken back now: of the rollback, or of a mitigation."""
    if state.phase == "rolling_back":
        return rollback_items(state)
    return mitigation_items(state) if state.mitigation == "running" else []


def is_item(state: State, name: str) -> bool:
    """Whether an undo item of that id is planned, under way or not."""
    return any(item.id == name for item in undo_plan(state))


def is_retriable(entry: ItemState) -> bool:
    """Whether another try would make sense now: it is stuck, or did not happen and waits for its backoff."""
    failed = entry.effect is not None and entry.effect.status == "absent"
    tried = entry.status == "blocked" and (entry.effect is not None or entry.looks_again)  # else a decision helps
    return tried or (entry.status == "waiting" and failed and entry.not_before > 0)


def exposure_plan(state: State) -> tuple[UndoItem, ...]:
    """Bands 1 and 2 of the plan: what a mitigation does."""
    return tuple(item for item in undo_plan(state) if item.band in (EXPOSURE_BAND, VERIFY_BAND))


def unfinished_band(items: list[ItemState]) -> int | None:
    """The lowest band that still has something to do; None when all is settled."""
    return min((i.item.band for i in items if i.status not in SETTLED_ITEM), default=None)
