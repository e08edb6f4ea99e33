"""What a bundle would run, reach and change, against the last one: what a person is shown before the start."""

from __future__ import annotations

from typing import Final

from amplify_tui.run.shapes import Reach, Trust

# Of each kind: how one of it is called, in the order in which they are shown.
KINDS: Final = (
    ("commands", "runs"),
    ("hosts", "reaches"),
    ("flags", "changes the flag"),
    ("secrets", "uses the secret"),
)


def difference(then: Reach, now: Reach) -> tuple[str, ...]:
    """What is new (`+`) and what is gone (`-`), a line each; empty where all is as it was."""
    lines = []
    for kind, verb in KINDS:
        before, after = getattr(then, kind), getattr(now, kind)
        lines += [f"+ {verb} {one}" for one in after if one not in before]
        lines += [f"- {verb} {one}" for one in before if one not in after]
    return tuple(lines)


def reach_lines(reach: Reach) -> tuple[str, ...]:
    """Everything of it, a line each."""
    found = tuple(f"{verb} {one}" for kind, verb in KINDS for one in getattr(reach, kind))
    return found or ("runs no command, reaches no host, changes no flag",)


def trust_lines(trust: Trust) -> tuple[str, ...]:
    """What to show before the start: all of what nobody vouches for; of a new bundle what is another than the last.

    Empty for a bundle that is trusted and has run here before.
    """
    if trust.barred:
        return (trust.barred, *((trust.fix,) if trust.fix else ()))
    lines: list[str] = list(trust.doubts)
    if trust.is_new and trust.last:
        changes = trust.changes or ("the same commands, hosts and flags",)
        lines += [f"it never ran here before; against run {trust.last}:", *changes]
    elif trust.is_new and not trust.doubts:
        lines += ["it never ran here before, nor did another of its name:", *reach_lines(trust.reach)]
    if trust.doubts:
        lines += ["all that it would do:", *reach_lines(trust.reach)]
    return tuple(lines)
