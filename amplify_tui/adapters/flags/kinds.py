"""The kinds of flag providers: ours by their key of a source, those of other packages by `use: NAME`.

A kind's module is imported when a source asks for it.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, cast

from msgspec import Struct

from amplify_tui.adapters.flags.port import FlagKind
from amplify_tui.adapters.metrics import kinds as metrics
from amplify_tui.adapters.ports import Invalid, NotFound
from amplify_tui.playbook.model import Source

_log = logging.getLogger(__name__)

GROUP: Final = "amplify_tui.flags"
_OURS: Final = {"unleash": "unleash.kind:UnleashKind", "flagfile": "flagfile.kind:FlagfileKind"}


def kind_name(source: Source) -> str:
    """The name of the kind that serves a source's flags; "" where it serves none, as what only gives numbers."""
    used = source.use or ""
    if used not in foreign() and used in metrics.foreign():
        used = ""
    return next((name for name in _OURS if getattr(source, name) is not None), used)


def kind_of(source: Source, name: str) -> FlagKind:
    """The kind of the source called *name*. Raises Invalid where it serves no flags, NotFound: not installed."""
    kind = kind_name(source)
    if not kind:
        raise Invalid(f"sources.{name} serves no flags", fix="name a source with `unleash:`, `flagfile:` or `use:`")
    return kind_called(kind)


@cache
def kind_called(kind: str) -> FlagKind:
    """The kind of that name. Raises NotFound."""
    if kind in _OURS:
        module, _, word = _OURS[kind].partition(":")
        return cast("FlagKind", getattr(import_module(f"amplify_tui.adapters.{module}"), word)())
    if kind in foreign():
        return cast("FlagKind", next(iter(entry_points(group=GROUP, name=kind))).load()())
    known = ", ".join([*_OURS, *foreign()])
    raise NotFound(f"no package brings flags of kind {kind}", fix=f"known are {known}; install the package that has it")


@cache
def foreign() -> tuple[str, ...]:
    """The names that other packages contribute; none of them can take the name of one of ours."""
    return tuple(point.name for point in entry_points(group=GROUP) if point.name not in _OURS)


def foreign_fields() -> dict[str, type[Struct]]:
    """What `with:` may hold, by the kind that `use:` names. A package that does not load brings nothing."""
    found = {}
    for name in foreign():
        try:
            found[name] = kind_called(name).Fields
        except (ImportError, AttributeError, SyntaxError, TypeError) as error:
            _log.warning("flags of kind %s do not load: %s", name, error)
    return found
