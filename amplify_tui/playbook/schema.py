"""JSON Schema out of the same types that the checker walks: for editors, which complete keys and underline typos.

It is more lenient than `amplify check`: what needs the whole document (references, order, expressions' types) is not
expressible. A value may always be `${{ }}` where the checker allows one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from amplify_tui.playbook.model import Playbook, Source, Stage, Step
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import (
    AnyShape,
    ChoiceShape,
    Field,
    ListShape,
    MapShape,
    NullShape,
    ScalarShape,
    Shape,
    StructShape,
    UnionShape,
    fields_of,
)

_EXPR: Final = {"$ref": "#/$defs/expression"}
_TEXT: Final = {"type": "string"}
_PERCENTAGE: Final = r"^[0-9]+(\.[0-9]+)?%$"
_DURATION: Final = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+(\.[0-9]+)?s)?([0-9]+ms)?$"
# kind -> (schema of a literal, whether `${{ }}` may stand in its place)
_KINDS: Final[dict[str, tuple[dict[str, Any], bool]]] = {
    "str": (_TEXT, False),  # a text with an expression is a text
    "int": ({"type": "integer"}, True),
    "float": ({"type": "number"}, True),
    "bool": ({"type": "boolean"}, True),
    "dur": ({"type": "string", "pattern": _DURATION, "minLength": 2}, True),
    "pct": ({"type": "number", "minimum": 0, "maximum": 100}, True),
    "share": ({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _PERCENTAGE}]}, True),
    "bound": (
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": _PERCENTAGE},
                {"type": "string", "pattern": _DURATION, "minLength": 2},
            ]
        },
        True,
    ),
    "range": (_TEXT, False),
    "semver": (_TEXT, False),
    "ref": ({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}, False),
    "name": ({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}, False),
    "gate": ({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}, False),
    "url": ({"type": "string", "pattern": r"^https?://|\$\{\{"}, False),
    "secret": (_EXPR, False),
    "regex": ({"type": "string", "format": "regex"}, False),
    "expr": ({"type": "boolean"}, True),
}


def json_schema(registry: Registry) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a playbook with the verbs of *registry*."""
    defs: dict[str, Any] = {"expression": {"type": "string", "pattern": r"\$\{\{[\s\S]*\}\}"}}
    builder = _Schema(registry, defs)
    root = builder.struct_ref(Playbook)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Amplify playbook",
        **root,
        "$defs": dict(sorted(defs.items())),
    }


class _Schema:
    def __init__(self, registry: Registry, defs: dict[str, Any]) -> None:
        self._registry = registry
        self._defs = defs
        self._names: dict[type[msgspec.Struct], str] = {}

    def struct_ref(self, cls: type[msgspec.Struct], prefix: str = "") -> dict[str, Any]:
        """A reference to the definition of a struct, which is made at the first use."""
        if cls not in self._names:
            name = self._names[cls] = self._free_name(f"{prefix}{cls.__name__}")
            self._defs[name] = {}  # taken, should the struct hold itself
            made = self._step() if cls is Step else self._struct(fields_of(cls))
            if cls is Source and self._registry.kinds:
                kinds = self._registry.kinds.items()
                made["properties"]["with"] = {"anyOf": [self.struct_ref(one, f"{name}.") for name, one in kinds]}
            if cls is Stage:
                made["properties"]["when"] = {"anyOf": [{"type": "boolean"}, _EXPR]}
            self._defs[name] = made
        return {"$ref": f"#/$defs/{self._names[cls]}"}

    def _free_name(self, name: str) -> str:
        """*name*, or with a number where another verb's struct has it."""
        taken = [name, *(f"{name}{number}" for number in range(2, len(self._defs) + 3))]
        return next(free for free in taken if free not in self._defs)

    def _struct(self, fields: dict[str, Field]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "type": "object",
            "properties": {key: self._shape(field.shape) for key, field in fields.items()},
            "additionalProperties": False,
        }
        required = [key for key, field in fields.items() if field.required]
        return {**made, "required": required} if required else made

    def _step(self) -> dict[str, Any]:
        made = self._struct(fields_of(Step))
        verbs = {name: self.struct_ref(spec.fields, f"{name}.") for name, spec in self._registry.items()}
        made["properties"] |= {"when": {"anyOf": [{"type": "boolean"}, _EXPR]}, **verbs, "use": _TEXT, "with": {}}
        made["oneOf"] = [{"required": [name]} for name in (*verbs, "use")]
        return made

    def _shape(self, shape: Shape) -> dict[str, Any]:
        match shape:
            case AnyShape():
                return {}
            case NullShape():
                return {"type": "null"}
            case ScalarShape():
                schema, may_be_expr = _KINDS[shape.kind]
                return {"anyOf": [schema, _EXPR]} if may_be_expr else schema
            case ChoiceShape():
                return {"enum": list(shape.values)}
            case ListShape():
                return {"anyOf": [{"type": "array", "items": self._shape(shape.item)}, _EXPR]}
            case MapShape():
                value = self._shape(shape.value)
                key, _ = _KINDS[shape.key.kind]
                return {"type": "object", "propertyNames": key, "additionalProperties": value}
            case StructShape():
                return self.struct_ref(shape.cls)
            case UnionShape():
                return {"anyOf": [self._shape(option) for option in shape.options]}
