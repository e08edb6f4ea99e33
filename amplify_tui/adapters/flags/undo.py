"""Taking a flag back to where it was, when somebody else may have touched it meanwhile. Pure, no I/O.

Three states decide (states.md 6.3): before and after the effect, and the one the flag is in now.

    now = after     restore: the exact state before, planned from what is there
    now = before    Already: nothing to write
    else            Diverged: the differences, and a plan for each choice a person has

The rule behind the choices: `ours` takes back what we made and never touches what others made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amplify_tui.adapters.flags.plan import switch_off, widens
from amplify_tui.adapters.flags.port import Already, Diverged, State
from amplify_tui.adapters.flags.state import active, identity, rule, same
from amplify_tui.adapters.ports import FlagState, FlagWrite


def restore(before: State, after: State, current: FlagState) -> FlagWrite | Already | Diverged:
    """How to bring *current* back to *before*, given that our effect made it *after*.

    after: best what was read back when the effect was done (it holds the new ids), else what was planned.
    A flag that we created is switched off and kept: its name stays taken anyway, and code may ask for it.
    """
    wanted = undone(before, after)
    now = current.raw
    if same(now, before) or same(now, wanted) or (not before["exists"] and not now["enabled"]):
        return Already(observed=now)
    exact = _plan(current, _with_ids(wanted, now["strategies"]))
    if same(now, after):
        return exact
    return Diverged(
        ours=_plan(current, _ours_taken_back(before, after, now)),
        restore=exact,
        kill=switch_off(current),
        differences=differences(after, now),
    )


def undone(before: State, after: State) -> State:
    """The state an undo aims at: *before*, or for a flag that we created the same flag, off."""
    if before["exists"]:
        return before
    return {**after, "exists": True, "enabled": False}


def differences(expected: State, now: State) -> tuple[str, ...]:
    """In words, what is not as *expected*."""
    lines = []
    if expected["exists"] != now["exists"]:
        lines.append("the flag is gone or archived" if expected["exists"] else "the flag is there again")
    if expected["enabled"] != now["enabled"]:
        lines.append(f"the environment is {'on' if now['enabled'] else 'off'}")
    pairs, gone, new = matched(expected["strategies"], now["strategies"])
    for old, found in pairs:
        if identity(old) != identity(found):
            lines.append(f"strategy {_name(found)}: {rule(found)}, expected {rule(old)}")
    lines.extend(f"strategy {_name(one)} is gone" for one in gone)
    lines.extend(f"strategy {_name(one)} is new: {rule(one)}" for one in new)
    return tuple(lines)


Raws = Sequence[dict[str, Any]]


def matched(old: Raws, new: Raws) -> tuple[list[tuple[dict[str, Any], dict[str, Any]]], Raws, Raws]:
    """The strategies of two states that are the same one, by id, by equality, or by name and title; and the rest.

    A re-created strategy has a new id, and one that we planned had none yet.
    """
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    left, right = list(old), list(new)
    for alike in (_same_id, _equal, _same_title):
        for one in list(left):
            found = next((other for other in right if alike(one, other)), None)
            if found is not None:
                pairs.append((one, found))
                left.remove(one)
                right.remove(found)
    return pairs, left, right


def _same_id(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one.get("id")) and one.get("id") == other.get("id")


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return identity(one) == identity(other)


def _same_title(one: dict[str, Any], other: dict[str, Any]) -> bool:
    # Two known, different ids are two strategies whatever they are called; without a title nothing tells them apart.
    ids = {one.get("id"), other.get("id")} - {None, ""}
    title = one.get("title")
    return bool(title) and len(ids) < 2 and (one["name"], title) == (other["name"], other.get("title"))


def without_id(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name != "id"}


def _name(raw: dict[str, Any]) -> str:
    return repr(raw.get("title") or raw["name"])


def _plan(current: FlagState, after: State) -> FlagWrite:
    """A plan that may end without an active strategy: then the environment goes off with it, as the server does it."""
    if after["exists"] and after["enabled"] and not active(after):
        after = {**after, "enabled": False}
    now = current.raw
    if after["exists"] and not current.exists:  # its name is taken as long as it is in the archive
        after = {**after, "revive": True}
    return FlagWrite(key=current.key, env=current.env, before=now, after=after, widens=widens(now, after))


def _with_ids(wanted: State, now: Raws) -> State:
    """*wanted* with its strategies under the ids they have now, and without an id where they must be made anew."""
    pairs, gone, _ = matched(wanted["strategies"], now)
    known = {id(old): found.get("id") for old, found in pairs}
    known |= {id(one): None for one in gone}
    strategies = []
    for one in wanted["strategies"]:
        rest = without_id(one)
        strategies.append({**rest, "id": known[id(one)]} if known[id(one)] else rest)
    return {**wanted, "strategies": strategies}


def _ours_taken_back(before: State, after: State, now: State) -> State:
    """*now* without what our effect did: our strategies gone, those we changed back, foreign ones byte by byte."""
    changed = [(old, new) for old, new in matched(before["strategies"], after["strategies"])[0] if not _equal(old, new)]
    made = matched(before["strategies"], after["strategies"])[2]
    removed = matched(before["strategies"], after["strategies"])[1]
    strategies = []
    for one in now["strategies"]:
        if matched(made, [one])[0]:
            continue
        ours = next((old for old, new in changed if matched([new], [one])[0]), None)
        # What somebody changed since is theirs only in part: our fields go back, the rest of theirs stays.
        strategies.append(_fields_back(ours, next(n for o, n in changed if o is ours), one) if ours else one)
    present = [identity(one) for one in strategies]
    strategies.extend(without_id(one) for one in removed if identity(one) not in present)
    enabled = now["enabled"]
    if before["enabled"] != after["enabled"] and now["enabled"] == after["enabled"]:
        enabled = before["enabled"]
    return {**now, "enabled": enabled, "strategies": strategies}


def _fields_back(old: dict[str, Any], new: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """*now* with every field that our effect changed from *old* to *new* set back."""
    result = dict(now)
    for name in ("title", "disabled", "constraints", "segments", "variants"):
        if old.get(name) != new.get(name):
            result[name] = old.get(name)
    parameters = dict(now.get("parameters") or {})
    mine, was = new.get("parameters") or {}, old.get("parameters") or {}
    for name in {*mine, *was}:
        if mine.get(name) != was.get(name):
            if name in was:
                parameters[name] = was[name]
            else:
                parameters.pop(name, None)
    return {**result, "parameters": parameters}
