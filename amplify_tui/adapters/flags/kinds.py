"""The kinds of flag providers: ours by their key of a source, those of other packages by `use: NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amplify_tui.adapters.metrics import kinds as metrics
from amplify_tui.adapters.plugins import Kinds
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Source

if TYPE_CHECKING:
    from amplify_tui.adapters.flags.port import FlagKind

KINDS: Final[Kinds[FlagKind]] = Kinds(
    "amplify_tui.flags", "flags", {"unleash": "unleash.kind:UnleashKind", "flagfile": "flagfile.kind:FlagfileKind"}
)


def kind_name(source: Source) -> str:
    """The name of the kind that serves a source's flags; "" where it serves none, as what only gives numbers."""
    used = source.use or ""
    if used not in KINDS.foreign and used in metrics.KINDS.foreign:
        used = ""
    return KINDS.own(source) or used


def kind_of(source: Source, name: str) -> FlagKind:
    """The kind of the source called *name*. Raises Invalid where it serves no flags, NotFound: not installed."""
    kind = kind_name(source)
    if not kind:
        raise Invalid(f"sources.{name} serves no flags", fix="name a source with `unleash:`, `flagfile:` or `use:`")
    return KINDS.called(kind)
