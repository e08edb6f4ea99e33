"""What the verbs tell the playbook about themselves: shapes only.

The verbs live in steps/ and reach this package as an argument; nothing here may know one by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from msgspec import Struct


class CheckContext(Protocol):
    """What a verb's own check may look at and say.

    fields: the verb's part of the step, as written. step: the whole step. document: the whole playbook. All
    are plain trees (dict, list, scalars) with expressions unresolved. The step has passed the types; the
    rest of the document may be wrong in ways that are reported elsewhere.
    """

    @property
    def fields(self) -> Mapping[str, Any]: ...

    @property
    def step(self) -> Mapping[str, Any]: ...

    @property
    def document(self) -> Mapping[str, Any]: ...

    def report(
        self, path: tuple[str | int, ...], code: str, message: str, hint: str = "", severity: str = "error"
    ) -> None:
        """Adds a problem at *path* below the verb's fields; where the path ends early, at its deepest part
        that exists.
        """


class VerbSpec(Struct, frozen=True, kw_only=True):
    """One verb: its fields, and what its outputs are.

    fields: a msgspec Struct; kinds of strings and numbers are the aliases of model.py. A field whose type is annotated
    with `Meta(extra={"late": "instance"})` is checked (with the names of a wave) but stays as written when the fields
    are resolved: the verb resolves it itself with `resolve_value` or `resolve_argv`. Any other word than "instance"
    adds no names and only defers.
    outputs: name -> type of an expression: string, int, double, number, bool, list, map or any. The name "*" stands for
    any further name.
    check: what types cannot say; called only where nothing else is wrong with the step.
    """

    name: str
    fields: type[Struct]
    outputs: dict[str, str] = {}
    check: Callable[[Mapping[str, Any], CheckContext], None] | None = None


class Registry(dict[str, VerbSpec]):
    """The verbs by name; and the kinds of source of other packages: the fields of `with:` by the name of `use:`.

    flags, numbers: what each of those kinds serves; a name may be in both. past: those that know their past.
    """

    def __init__(
        self,
        verbs: Mapping[str, VerbSpec],
        flags: Mapping[str, type[Struct]] | None = None,
        numbers: Mapping[str, type[Struct]] | None = None,
        past: Iterable[str] = (),
    ) -> None:
        super().__init__(verbs)
        self.flags = frozenset(flags or ())
        self.numbers = frozenset(numbers or ())
        self.past = frozenset(past)
        self.kinds: Mapping[str, type[Struct]] = {**(flags or {}), **(numbers or {})}
