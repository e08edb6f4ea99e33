"""The kinds of metric sources: ours by their key of a source, those of other packages by `use: NAME`.

A kind's module is imported when a source asks for it.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, cast

from msgspec import Struct

from amplify_tui.adapters.ports import Invalid, NotFound
from amplify_tui.playbook.model import Source

if TYPE_CHECKING:
    from amplify_tui.adapters.metrics.port import MetricKind

_log = logging.getLogger(__name__)

GROUP: Final = "amplify_tui.metrics"
OURS: Final = ("prometheus", "scrape", "probes", "http")


def kind_name(source: Source) -> str:
    """The name of the kind that gives a source's numbers; "" where it gives none."""
    ours = next((name for name in OURS if getattr(source, name) is not None), "")
    return ours or (source.use if source.use in foreign() else "") or ""


def kind_of(source: Source, name: str) -> MetricKind:
    """The kind of the source called *name*. Raises Invalid where it gives no numbers."""
    kind = kind_name(source)
    if not kind:
        fix = "name a source with `prometheus:`, `scrape:`, `probes:` or `http:`, or install the package of `use:`"
        raise Invalid(f"sources.{name} gives no numbers", fix=fix)
    return kind_called(kind)


@cache
def kind_called(kind: str) -> MetricKind:
    """The kind of that name. Raises NotFound."""
    if kind in OURS:
        from amplify_tui.adapters.metrics import ours

        return ours.KINDS[kind]()
    if kind in foreign():
        return cast("MetricKind", next(iter(entry_points(group=GROUP, name=kind))).load()())
    known = ", ".join([*OURS, *foreign()])
    raise NotFound(
        f"no package brings numbers of kind {kind}", fix=f"known are {known}; install the package that has it"
    )


@cache
def foreign() -> tuple[str, ...]:
    """The names that other packages contribute; none of them can take the name of one of ours."""
    return tuple(point.name for point in entry_points(group=GROUP) if point.name not in OURS)


def foreign_fields() -> dict[str, type[Struct]]:
    """What `with:` may hold, by the kind that `use:` names. A package that does not load brings nothing."""
    found = {}
    for name in foreign():
        try:
            found[name] = kind_called(name).Fields
        except (ImportError, AttributeError, SyntaxError, TypeError) as error:
            _log.warning("numbers of kind %s do not load: %s", name, error)
    return found


def lag_of(source: Source) -> float:
    """How old a source's data is when fresh, in seconds: what the playbook says, else what its kind knows."""
    if source.lag or source.use not in foreign():
        return source.lag
    return kind_called(source.use).abilities.lag
