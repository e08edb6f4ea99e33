"""The readings of a gate's signals from their sources' own past, as a run would have had them then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amplify_tui.adapters.metrics.kinds import kind_of
from amplify_tui.adapters.metrics.port import MetricOpening
from amplify_tui.adapters.ports import AdapterError, Invalid
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.gates import Gate, names_of
from amplify_tui.engine.queries import queries_of
from amplify_tui.engine.secret_values import Secrets
from amplify_tui.playbook.context import reveal
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.model import Signal, Source
from amplify_tui.playbook.resolve import Unresolved, resolve_section
from amplify_tui.verdict.model import Reading

TIMEOUT_S = 30.0


def read_past(document: Document, gate: Gate, inputs: Mapping[str, Any], start: float, end: float) -> list[Reading]:
    """The readings of every signal of *gate* from *start* to *end*. Raises Failure (exit 2) where none can be had."""
    try:
        sources: dict[str, Source] = resolve_section(document, "sources", names_of(document, inputs))
        return asyncio.run(_read(gate, sources, start, end))
    except Unresolved as error:
        why = "; ".join(f"line {one.line}: {one.message}" for one in error.problems[:3])
        raise Failure("the sources are not known", why=why, next_="give it with --set", code=2) from error
    except AdapterError as error:
        next_ = error.fix or "look at the source, or give a file with --data"
        raise Failure(error.what, where=error.where, next_=next_, code=2) from error


async def _read(gate: Gate, sources: Mapping[str, Source], start: float, end: float) -> list[Reading]:
    found: list[Reading] = []
    for name in sorted(gate.asks):
        signal = gate.signals[name]
        found += await _one(name, signal, sources.get(signal.source), start, end)
    broken = next((one for one in found if one.status == "error"), None)
    if broken is not None and all(one.status == "error" for one in found):
        raise Invalid(f"no reading of {broken.signal}: {broken.note}", where=broken.source)
    return found


async def _one(name: str, signal: Signal, spec: Source | None, start: float, end: float) -> list[Reading]:
    if spec is None:
        raise Invalid(f"there is no source {signal.source}")
    secrets = Secrets()
    kind = kind_of(spec, signal.source)
    if not kind.abilities.range:
        fix = "give a file with --data: `amplify show RUN --readings` writes one"
        raise Invalid(f"source {signal.source} cannot be asked about its past", fix=fix)
    source = kind.open(
        MetricOpening(
            name=signal.source,
            source=spec,
            reveal=lambda text: reveal(text, secrets),
            base=Path.cwd(),
            every=signal.every,
            timeout=spec.timeout or TIMEOUT_S,
            targets=_nobody,
            listen=_nothing,
        )
    )
    try:
        series = await source.range(queries_of(name, signal), start, end, signal.every)
    finally:
        await source.aclose()
    return [reading for readings in series for reading in readings]


def _nobody(service: str) -> Any:
    raise Invalid(f"the instances of {service} cannot be asked about their past")


def _nothing(*args: Any) -> Any:
    """Who asks about the past is told of nothing new."""
