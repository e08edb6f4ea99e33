"""The metric half of the ports: what a kind of metric source is, and what it is opened with.

A `MetricSource` (ports.py) answers queries; a `MetricKind` makes one from a source of the playbook. What a query's
`value`, `count`, `bad` and `total` say is the kind's own language: PromQL, a selector, a path into an answer.

| who asks | what |
| --- | --- |
| engine/world.py | open, by the kind that metrics/kinds.py finds |
| engine/watchers.py | read: one poll of a signal |
| cli/live.py | check, with the queries of all signals of the source |
| steps/terms.py | abilities: how old its data is when fresh |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from msgspec import Struct

from amplify_tui.adapters.plugins import fields_of
from amplify_tui.adapters.poll import Target
from amplify_tui.adapters.ports import MetricAbilities, MetricSource
from amplify_tui.playbook.model import Source
from amplify_tui.verdict.model import InstanceReading

Fields = TypeVar("Fields", bound=Struct)
Listener = Callable[[InstanceReading], None]


class MetricOpening(Struct, frozen=True, kw_only=True):
    """What a source is opened with. `reveal` puts secrets in; `base` is where relative paths start.

    every: how often its signals are read, in seconds. timeout: of one call. targets: the instances of a service, by its
    name. listen: hands on each look at an instance that the board gets.
    """

    name: str
    source: Source
    reveal: Callable[[str], str]
    base: Path
    every: float
    timeout: float
    targets: Callable[[str], Sequence[Target]]
    listen: Callable[[Listener], None]

    def fields(self, of: type[Fields]) -> Fields:
        """What `with:` of the source holds, as *of*. Raises Invalid where it is none."""
        return fields_of(self.source, self.name, of)


class MetricKind(Protocol):
    """One kind of metric source; another package names an object of this shape as `amplify_tui.metrics`.

    Fields: what `with:` of a source may hold where the kind is chosen by `use:`; strict like the rest of a playbook.
    abilities: what its sources can do; one that is open may know better.
    """

    name: ClassVar[str]
    Fields: ClassVar[type[Struct]]
    abilities: ClassVar[MetricAbilities]

    def open(self, opening: MetricOpening) -> MetricSource:
        """The source; nothing is asked yet. Raises AdapterError: a secret has no value, the fields are nonsense."""
        ...
