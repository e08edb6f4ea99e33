"""Where the values of secrets come from, and which of a run's secrets have one here."""

from __future__ import annotations

import os
from collections.abc import Iterable

from amplify_tui.adapters.ports import NoSecret


class Secrets:
    """Values of `secrets.N`: the environment, then the system's keyring. Asked at each use, never kept.

    run: whose conductor this process is; "" for none. A variable that is set to nothing counts as not set.
    """

    def __init__(self, run: str = "") -> None:
        self._run = run

    def __call__(self, name: str) -> str:
        """The value. Raises NoSecret, which says where it is missing and what to do."""
        found = self._value(name)
        if not found:
            raise NoSecret(name, self._run)
        return found

    def held(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of *names* that have a value here."""
        return tuple(name for name in names if self._value(name))

    def _value(self, name: str) -> str | None:
        return os.environ.get(name) or self._keyring(name)

    def _keyring(self, name: str) -> str | None:
        import keyring

        try:
            return keyring.get_password("amplify", name)
        except Exception:  # noqa: BLE001  # a backend of somebody else's may raise anything: it gives no value
            return None
