"""Whether a literal, or the value that an expression will have, fits a shape."""

from __future__ import annotations

from typing import Any, Final

from amplify_tui.playbook.expr.kinds import Type
from amplify_tui.playbook.problems import shorten
from amplify_tui.playbook.shapes import (
    AnyShape,
    ChoiceShape,
    ListShape,
    MapShape,
    NullShape,
    ScalarShape,
    Shape,
    StructShape,
    UnionShape,
    options,
)
from amplify_tui.playbook.values import BadValue, accept, accept_choice


def refusal(value: Any, shape: Shape) -> BadValue | None:
    """Why a literal scalar does not fit *shape*; None where one of its alternatives takes it."""
    refused: list[BadValue] = []
    for option in options(shape):
        try:
            if isinstance(option, ScalarShape):
                accept(value, option.kind)
            elif isinstance(option, ChoiceShape):
                accept_choice(value, option.values)
            else:
                continue
        except BadValue as bad:
            refused.append(bad)
        else:
            return None
    if len(refused) == 1 or (refused and len({bad.code for bad in refused}) == 1 and refused[0].code != "wrong-type"):
        return refused[0]
    told = "nothing stands here" if value is None else f"this is {shorten(value)}"
    return BadValue("wrong-type" if not any(b.code == "bad-choice" for b in refused) else "bad-choice", told, "")


def fits(found: Type, shape: Shape) -> bool:
    """Whether an expression's value may stand where *shape* is wanted; what only the value can tell passes."""
    return any(_fits_one(found.name, found, option) for option in options(shape))


_FITS: Final[dict[str, frozenset[str]]] = {
    "int": frozenset(("int", "number")),
    "float": frozenset(("int", "double", "number")),
    "pct": frozenset(("int", "double", "number")),
    "share": frozenset(("int", "double", "number", "string")),
    "bound": frozenset(("int", "double", "number", "string", "duration")),
    "dur": frozenset(("duration", "string")),
    "bool": frozenset(("bool",)),
    "expr": frozenset(("bool",)),
    "secret": frozenset(("secret",)),
    "url": frozenset(("string", "secret")),
}
_TEXTS: Final = frozenset(("string", "semver", "duration", "secret"))


def _fits_one(name: str, found: Type, option: Shape) -> bool:
    match option:
        case UnionShape():
            return fits(found, option)
        case AnyShape():
            return True
        case NullShape():
            return name == "null"
        case ScalarShape():
            return name == "any" or name in _FITS.get(option.kind, _TEXTS)
        case ChoiceShape():
            kinds = {
                "bool" if isinstance(v, bool) else "string" if isinstance(v, str) else "int" for v in option.values
            }
            return name == "any" or name in kinds
        case ListShape():
            return name == "any" or (name == "list" and (found.item is None or fits(found.item, option.item)))
        case MapShape() | StructShape():
            return name in ("any", "map")
