"""The types of model.py and of the verbs in the form that the checker, the resolver and the schema walk.

`msgspec.inspect` tells what a Struct holds; this reduces it to seven shapes. Three structs are read in a form of their
own: a playbook has `apiVersion` and `kind`, a step has its verb as a key, and a trigger may be a built-in's bare name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from amplify_tui.playbook.model import Playbook, Step, Trigger
from amplify_tui.playbook.values import KINDS


@dataclass(frozen=True, slots=True)
class AnyShape:
    pass


@dataclass(frozen=True, slots=True)
class NullShape:
    pass


@dataclass(frozen=True, slots=True)
class ScalarShape:
    """`kind` is one of values.KINDS."""

    kind: str


@dataclass(frozen=True, slots=True)
class ChoiceShape:
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListShape:
    item: Shape


@dataclass(frozen=True, slots=True)
class MapShape:
    key: ScalarShape
    value: Shape


@dataclass(frozen=True, slots=True)
class StructShape:
    cls: type[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class UnionShape:
    options: tuple[Shape, ...]


Shape: TypeAlias = AnyShape | NullShape | ScalarShape | ChoiceShape | ListShape | MapShape | StructShape | UnionShape


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a struct. late: None, or the word of `Meta(extra={"late": …})`."""

    key: str
    attribute: str
    shape: Shape
    required: bool
    late: str | None = None


ANY: Final = AnyShape()
STEP: Final = StructShape(Step)
# What a step's own keys do not include: the loader sets them from the verb's key.
_NOT_WRITTEN: Final = {Step: ("verb", "fields"), Trigger: ("builtin",)}
_ROOT: Final = (
    Field("apiVersion", "", ChoiceShape(("amplify/v1",)), required=True),
    Field("kind", "", ChoiceShape(("Playbook", "Fragment", "Estate", "Drill")), required=True),
)


@cache
def fields_of(cls: type[msgspec.Struct]) -> dict[str, Field]:
    """The keys of a struct, as YAML writes them, in the order of the struct."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    left_out = _NOT_WRITTEN.get(cls, ())
    found = {field.key: field for field in _ROOT} if cls is Playbook else {}
    for field in info.fields:
        if field.name not in left_out:
            late = (
                field.type.extra.get("late") if isinstance(field.type, inspect.Metadata) and field.type.extra else None
            )
            found[field.encode_name] = Field(field.encode_name, field.name, _shape(field.type), field.required, late)
    return found


def _shape(info: Any, extra: dict[str, Any] | None = None) -> Shape:
    match info:
        case inspect.Metadata():
            return _shape(info.type, info.extra)
        case inspect.StructType():
            struct = StructShape(info.cls)
            return UnionShape((ScalarShape("gate"), struct)) if info.cls is Trigger else struct
        case inspect.UnionType():
            return UnionShape(tuple(_shape(option) for option in info.types))
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return ListShape(_shape(info.item_type))
        case inspect.DictType():
            key = _shape(info.key_type)
            return MapShape(key if isinstance(key, ScalarShape) else ScalarShape("str"), _shape(info.value_type))
        case inspect.LiteralType():
            return ChoiceShape(info.values)
        case inspect.NoneType():
            return NullShape()
    return _scalar(info, extra or {})


def _scalar(info: Any, extra: dict[str, Any]) -> Shape:
    kind = extra.get("kind")
    if kind is not None:
        if kind not in KINDS:
            raise TypeError(f"unknown kind {kind!r} in the Meta of a field")
        return ScalarShape(kind)
    match info:
        case inspect.StrType():
            return ScalarShape("str")
        case inspect.IntType():
            return ScalarShape("int")
        case inspect.FloatType():
            return ScalarShape("float")
        case inspect.BoolType():
            return ScalarShape("bool")
    return ANY


def options(shape: Shape) -> tuple[Shape, ...]:
    """The alternatives of a shape; of any other than a union, itself."""
    return shape.options if isinstance(shape, UnionShape) else (shape,)


_WANTED: Final = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dur": "a duration such as 90s",
    "pct": "a percentage",
    "share": "a number or a percentage",
    "bound": "a number, a percentage or a duration",
    "range": "a range of versions",
    "semver": "a version",
    "ref": "an id",
    "name": "a name",
    "gate": "a signal's or built-in's name",
    "url": "a URL",
    "secret": "a secret",
    "regex": "a regular expression",
    "expr": "a condition in ${{ }}",
}


def wanted(shape: Shape) -> str:
    """What a shape takes, for a message: `a list`, `a duration such as 90s`, `one of a, b`."""
    match shape:
        case AnyShape():
            return "a value"
        case NullShape():
            return "null"
        case ScalarShape():
            return _WANTED.get(shape.kind, "a text")
        case ChoiceShape():
            return "one of " + ", ".join(str(value).lower() if value is True else str(value) for value in shape.values)
        case ListShape():
            return "a list"
        case MapShape() | StructShape():
            return "a mapping"
        case UnionShape():
            said = [wanted(option) for option in shape.options if not isinstance(option, NullShape)]
            return " or ".join(dict.fromkeys(said)) or "null"
