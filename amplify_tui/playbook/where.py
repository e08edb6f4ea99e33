"""A place in a playbook as the checker sees it: its path, its names, and the step that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amplify_tui.playbook.names import Scope
from amplify_tui.playbook.skeleton import StepBone

Path = tuple[str | int, ...]

_SECRET_KEYS: Final = frozenset(("url", "token", "client_token"))
_SECRET_MAPS: Final = frozenset(("headers", "env"))


@dataclass(frozen=True, slots=True)
class Where:
    """What holds at a place: the names, the path, and the step it belongs to."""

    scope: Scope
    path: Path = ()
    step: StepBone | None = None
    rollback: bool = False

    def at(self, key: str | int) -> Where:
        return replace(self, path=(*self.path, key))

    @property
    def name(self) -> str:
        """The last two keys of the path, for messages."""
        words = [key for key in self.path if isinstance(key, str)]
        return ".".join(words[-2:]) if words else "a playbook"

    @property
    def takes_secrets(self) -> bool:
        """Whether a secret may stand here. A section's and an entry's own names do not count: they are free."""
        keys = self.path[2:]
        return bool(keys) and (keys[-1] in _SECRET_KEYS or (len(keys) > 1 and keys[-2] in _SECRET_MAPS))
