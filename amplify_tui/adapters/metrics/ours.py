"""Our kinds of metric sources: what each makes of a source of the playbook. Their modules are imported when opened."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from amplify_tui.adapters.metrics.port import MetricOpening
from amplify_tui.adapters.ports import MetricAbilities, MetricSource
from amplify_tui.playbook.model import Base


class NoFields(Base, frozen=True):
    """Ours are chosen by their own key; their fields stand in the source itself."""


def _headers(opening: MetricOpening) -> dict[str, str]:
    return {key: opening.reveal(value) for key, value in opening.source.headers.items()}


class PrometheusKind:
    name: ClassVar[str] = "prometheus"
    Fields: ClassVar[type[Struct]] = NoFields
    abilities: ClassVar[MetricAbilities] = MetricAbilities(range=True)

    def open(self, opening: MetricOpening) -> MetricSource:
        from amplify_tui.adapters.prometheus import Prometheus

        spec = opening.source
        return Prometheus(
            opening.reveal(spec.prometheus or ""),
            source=opening.name,
            headers=_headers(opening),
            token=opening.reveal(spec.token or ""),
            timeout=opening.timeout,
            lag=spec.lag,
        )


class ScrapeKind:
    name: ClassVar[str] = "scrape"
    Fields: ClassVar[type[Struct]] = NoFields
    abilities: ClassVar[MetricAbilities] = MetricAbilities(batch=True)

    def open(self, opening: MetricOpening) -> MetricSource:
        from amplify_tui.adapters.scrape import ScrapeSource

        spec = opening.source
        return ScrapeSource(
            opening.targets(spec.scrape or ""),
            source=opening.name,
            every=spec.every or opening.every,
            path=spec.path or "/metrics",
            timeout=opening.timeout,
        )


class ProbesKind:
    name: ClassVar[str] = "probes"
    Fields: ClassVar[type[Struct]] = NoFields
    abilities: ClassVar[MetricAbilities] = MetricAbilities(batch=True)

    def open(self, opening: MetricOpening) -> MetricSource:
        from amplify_tui.adapters.probes import ProbesSource

        source = ProbesSource(opening.targets(opening.source.probes or ""), source=opening.name)
        opening.listen(source.see)
        return source


class HttpKind:
    name: ClassVar[str] = "http"
    Fields: ClassVar[type[Struct]] = NoFields
    abilities: ClassVar[MetricAbilities] = MetricAbilities(batch=True)

    def open(self, opening: MetricOpening) -> MetricSource:
        from amplify_tui.adapters.endpoint import EndpointSource

        spec = opening.source
        return EndpointSource(
            opening.reveal(spec.http or ""),
            source=opening.name,
            path=spec.path or "",
            at=spec.at or "",
            headers=_headers(opening),
            token=opening.reveal(spec.token or ""),
            timeout=opening.timeout,
            lag=spec.lag,
            every=spec.every or opening.every,
        )
