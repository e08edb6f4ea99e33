"""What a token of Unleash may do, against what a release needs: by the names that the server gives its rights. Pure."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.ports import FlagAct

ADMIN: Final = "ADMIN"
# Observed on Unleash 8.2. An undo adds, changes and removes strategies, whatever the release itself does of these; and
# what archived a flag is undone by reviving it, which is an update.
RIGHTS: Final[dict[FlagAct, tuple[str, tuple[str, ...]]]] = {
    "create": ("create flags", ("CREATE_FEATURE",)),
    "tags": ("tag flags", ("UPDATE_FEATURE",)),
    "context": ("define context fields", ("CREATE_CONTEXT_FIELD",)),
    "strategies": (
        "change strategies",
        ("CREATE_FEATURE_STRATEGY", "UPDATE_FEATURE_STRATEGY", "DELETE_FEATURE_STRATEGY"),
    ),
    "switch": ("switch flags", ("UPDATE_FEATURE_ENVIRONMENT",)),
    "archive": ("archive and revive flags", ("DELETE_FEATURE", "UPDATE_FEATURE")),
}


def rights(answer: Any, project: str, env: str) -> tuple[frozenset[str], str]:
    """The rights of `GET /api/admin/user` that hold for *project* and *env*, and whose they are.

    Raises KeyError, TypeError or ValueError where the answer has another shape.
    """
    held = {
        str(one.get("permission"))
        for one in map(dict, answer["permissions"])
        if one.get("project") in (None, "", "*", project) and one.get("environment") in (None, "", "*", env)
    }
    user = answer.get("user") or {}
    return frozenset(held), clean(str(user.get("username") or user.get("name") or "the token"), 80)


def may(acts: Set[FlagAct], held: Set[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Which of *acts* these rights allow, in words, and for each other one the rights that it lacks."""
    allowed: list[str] = []
    lacking: dict[str, tuple[str, ...]] = {}
    for act, (words, needed) in RIGHTS.items():
        if act not in acts:
            continue
        gone = () if ADMIN in held else tuple(right for right in needed if right not in held)
        if gone:
            lacking[words] = gone
        else:
            allowed.append(words)
    return allowed, lacking
