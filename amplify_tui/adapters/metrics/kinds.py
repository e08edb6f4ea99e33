"""The kinds of metric sources: ours by their key of a source, those of other packages by `use: NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amplify_tui.adapters.plugins import Kinds
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Source

if TYPE_CHECKING:
    from amplify_tui.adapters.metrics.port import MetricKind

KINDS: Final[Kinds[MetricKind]] = Kinds(
    "amplify_tui.metrics",
    "numbers",
    {
        "prometheus": "metrics.ours:PrometheusKind",
        "scrape": "metrics.ours:ScrapeKind",
        "probes": "metrics.ours:ProbesKind",
        "http": "metrics.ours:HttpKind",
    },
)


def kind_name(source: Source) -> str:
    """The name of the kind that gives a source's numbers; "" where it gives none."""
    return KINDS.own(source) or (source.use if source.use in KINDS.foreign else "") or ""


def kind_of(source: Source, name: str) -> MetricKind:
    """The kind of the source called *name*. Raises Invalid where it gives no numbers."""
    kind = kind_name(source)
    if not kind:
        fix = "name a source with `prometheus:`, `scrape:`, `probes:` or `http:`, or install the package of `use:`"
        raise Invalid(f"sources.{name} gives no numbers", fix=fix)
    return KINDS.called(kind)


def knows_past(name: str) -> bool:
    """Whether sources of the kind called *name* can be asked about their past. Raises NotFound for no kind."""
    abilities = getattr(KINDS.called(name), "abilities", None)  # of another package: it may lack what ours have
    return bool(getattr(abilities, "range", False))


def lag_of(source: Source) -> float:
    """How old a source's data is when fresh, in seconds: what the playbook says, else what its kind knows."""
    if source.lag or source.use not in KINDS.foreign:
        return source.lag
    return KINDS.called(source.use).abilities.lag
