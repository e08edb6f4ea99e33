"""The types of expressions. Shapes and the two questions asked of them; what operators do with them is
check.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """A type. `name` is one of null bool int double number string semver duration secret list map any.

    item: of a list, and of a map whose keys are not known. fields: of a map whose keys are known. absent: why
    the value may be missing, in words; such a value must go through `default()`. hidden: the name exists but
    must not be used here: (code, message, hint).
    """

    name: str
    item: Type | None = None
    fields: Mapping[str, Type] | None = None
    absent: str = ""
    hidden: tuple[str, str, str] | None = None

    def present(self) -> Type:
        return replace(self, absent="") if self.absent else self

    def __str__(self) -> str:
        if self.name == "list" and self.item is not None and self.item.name != "any":
            return f"list of {self.item}"
        return self.name


NULL: Final = Type("null")
BOOL: Final = Type("bool")
INT: Final = Type("int")
DOUBLE: Final = Type("double")
NUMBER: Final = Type("number")  # int or double, known only when it is there
STRING: Final = Type("string")
SEMVER: Final = Type("semver")
DURATION: Final = Type("duration")
SECRET: Final = Type("secret")
ANY: Final = Type("any")
LIST: Final = Type("list", item=ANY)
MAP: Final = Type("map", item=ANY)

BY_NAME: Final[dict[str, Type]] = {
    **{t.name: t for t in (NULL, BOOL, INT, DOUBLE, NUMBER, STRING, SEMVER, DURATION, SECRET, ANY, LIST, MAP)},
    "choice": STRING,
}


def list_of(item: Type) -> Type:
    return Type("list", item=item)


def record(fields: Mapping[str, Type]) -> Type:
    """A map whose keys are all known."""
    return Type("map", fields=fields)


def same(left: Type, right: Type) -> bool:
    """Whether values of the two may be compared for equality, or stand for one another."""
    if "any" in (left.name, right.name):
        return True
    if left.name != right.name or left.name == "number":
        return False
    if left.name == "list":
        return same(left.item or ANY, right.item or ANY)
    return True


def join(left: Type, right: Type) -> Type:
    """The type of a value that is one or the other; only for types that are `same`, or null."""
    absent = left.absent or right.absent
    if left.name == "null":
        return right
    if right.name == "null" or left.name == right.name:
        return replace(left, absent=absent) if absent else left
    return replace(ANY, absent=absent)


def article(found: Type) -> str:
    """`a string`, `an int`, `null`."""
    return "null" if found.name == "null" else f"{'an' if found.name in ('int', 'any') else 'a'} {found}"
