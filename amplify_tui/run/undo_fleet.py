"""The last item of each service whose instances go back: all of them are read back together. Pure.

One server of eight on other code than the rest is how a release ends a company. So the code of a service counts as back
only when a look at the whole fleet finds nobody on the version that was taken back: not an instance whose deploy was
given up and landed after its revert, and not one that somebody else deployed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from amplify_tui.run.shapes import CODE_BAND, Target, UndoItem
from amplify_tui.run.state import EffectState, State
from amplify_tui.run.undo_asks import INSTANCE

FLEET: Final = "fleet"


def fleet_item(service: str) -> str:
    """The id of the item that reads the fleet of *service* back."""
    return f"u{CODE_BAND}:{FLEET}:{service}"


def with_fleets(items: Sequence[UndoItem]) -> list[UndoItem]:
    """The same items, and at the end of the code's band one for each service that has instances among them."""
    by_service: dict[str, list[UndoItem]] = {}
    for item in items:
        if item.target.kind == INSTANCE and item.band == CODE_BAND and item.cls != "none" and _has_version(item):
            by_service.setdefault(item.target.id.partition("/")[0], []).append(item)
    fleets = [_fleet(service, mine) for service, mine in by_service.items()]
    return sorted([*items, *fleets], key=lambda item: item.band)


def _has_version(item: UndoItem) -> bool:
    """Whether it says which version it goes back to: what another verb deploys may have none."""
    return all(isinstance(image, dict) and "version" in image for image in (item.before, item.after))


def _fleet(service: str, mine: Sequence[UndoItem]) -> UndoItem:
    return UndoItem(
        id=fleet_item(service),
        band=CODE_BAND,
        verb=mine[0].verb,
        target=Target(kind=FLEET, id=service, env=mine[0].target.env),
        effects=tuple(dict.fromkeys(name for item in mine for name in item.effects)),
        spec={"verify": True},
        cls="safe",
        says=f"every instance of {service} is read back",
        before={unit_of(item.target): item.before["version"] for item in mine},
        after={unit_of(item.target): item.after["version"] for item in mine},
        needs=tuple(item.id for item in mine),
    )


def unit_of(target: Target) -> str:
    """The instance's own name: `checkout-1` of `checkout/checkout-1`."""
    return target.id.partition("/")[2]


def came_back(look: EffectState) -> tuple[str, ...]:
    """Those of `found_on_new` that are to be reverted again.

    A look that is not tried again by itself asks for nothing: a person has to say what is to be done.
    """
    return found_on_new(look) if look.retryable else ()


def found_on_new(look: EffectState) -> tuple[str, ...]:
    """The instances that a look at a fleet found on the version that they had gone back from; none of another try."""
    if look.target.kind != FLEET or look.status != "absent" or not isinstance(look.observed, dict):
        return ()
    return tuple(unit for unit, version in look.observed.items() if version == look.before.get(unit, ""))


def redeployed_at(state: State, item: UndoItem) -> int:
    """The event of the latest look at the fleet that found this instance back on the new version; 0 where none did."""
    if item.target.kind != INSTANCE:
        return 0
    looks = state.tries_of(fleet_item(item.target.id.partition("/")[0]))
    return max((look.seq for look in looks if unit_of(item.target) in came_back(look)), default=0)


def all_waived(state: State, names: Iterable[str]) -> bool:
    """Whether a person has waived each of those items: then nobody minds how their fleet looks."""
    decisions = [state.decisions.get(name) for name in names]
    return bool(decisions) and all(one is not None and one.choice == "waive" for one in decisions)
