"""Kinds of adapters by name: ours, and those that other packages contribute by an entry point.

A kind's module is imported when a source asks for it. No other package can take the name of one of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import ClassVar, Generic, Protocol, TypeVar, cast

from msgspec import Struct, ValidationError, convert

from amplify_tui.adapters.ports import Invalid, NotFound
from amplify_tui.playbook.model import Source

_log = logging.getLogger(__name__)


class Kind(Protocol):
    """What every kind has. Fields: what `with:` of a source may hold where the kind is chosen by `use:`."""

    Fields: ClassVar[type[Struct]]


K = TypeVar("K", bound=Kind)
F = TypeVar("F", bound=Struct)


class Kinds(Generic[K]):
    """All kinds of one group of entry points."""

    def __init__(self, group: str, what: str, ours: Mapping[str, str]) -> None:
        """group: of the entry points. what: kinds of it, in words. ours: key of a source -> `module:Class` of here."""
        self._group = group
        self._what = what
        self._ours = ours
        self._made: dict[str, K] = {}

    @cached_property
    def foreign(self) -> tuple[str, ...]:
        """The names that other packages contribute."""
        return tuple(point.name for point in entry_points(group=self._group) if point.name not in self._ours)

    def own(self, source: Source) -> str:
        """The name of the kind of ours whose key *source* has; "" where it has none."""
        return next((name for name in self._ours if getattr(source, name) is not None), "")

    def called(self, name: str) -> K:
        """The kind of that name. Raises NotFound; what a broken package raises at its import comes through."""
        if name not in self._made:
            self._made[name] = self._load(name)
        return self._made[name]

    def _load(self, name: str) -> K:
        if name in self._ours:
            module, _, word = self._ours[name].partition(":")
            return cast("K", getattr(import_module(f"amplify_tui.adapters.{module}"), word)())
        if name in self.foreign:
            return cast("K", next(iter(entry_points(group=self._group, name=name))).load()())
        known = ", ".join([*self._ours, *self.foreign])
        message = f"no package brings {self._what} of kind {name}"
        raise NotFound(message, fix=f"known are {known}; install the package that has it")

    def fields(self) -> dict[str, type[Struct]]:
        """What `with:` may hold, by the kind that `use:` names. A package that does not load brings nothing."""
        found = {}
        for name in self.foreign:
            try:
                found[name] = self.called(name).Fields
            except (ImportError, AttributeError, SyntaxError, TypeError) as error:
                _log.warning("%s of kind %s do not load: %s", self._what, name, error)
        return found

    def forget(self) -> None:
        """Look for packages anew."""
        self._made.clear()
        self.__dict__.pop("foreign", None)


def fields_of(source: Source, name: str, of: type[F]) -> F:
    """What `with:` of the source called *name* holds, as *of*. Raises Invalid where it is none."""
    try:
        return convert(source.with_, of)
    except ValidationError as error:
        raise Invalid(f"`with:` of sources.{name}: {error}", fix="see what its package documents") from error
