"""What names mean while a run is under way, and secrets, which never are values here.

`${{ secrets.N }}` resolves to a marker, `⟦secret:N⟧`. Adapters put the value in at the last moment with `reveal`; the
journal, logs, reports and screens only ever hold the marker.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from amplify_tui.playbook.expr import Context

__all__ = ["Context", "defuse", "reveal", "secret_marker", "secret_names"]

_OPEN: Final = "\u27e6"
_MARKER: Final = re.compile("\u27e6secret:([^\u27e6\u27e7]{1,200})\u27e7")


def secret_marker(name: str) -> str:
    """The text that stands for the secret *name*."""
    return f"\u27e6secret:{name}\u27e7"


def secret_names(text: str) -> set[str]:
    """The names of the secrets whose markers *text* holds."""
    return set(_MARKER.findall(text))


def reveal(text: str, lookup: Callable[[str], str]) -> str:
    """*text* with every marker replaced by what *lookup* answers for its name.

    One pass: a value that itself looks like a marker stays what it is. What *lookup* raises passes through. The result
    must reach nothing but the outside system that the secret is for.
    """
    return _MARKER.sub(lambda match: lookup(match.group(1)), text)


def defuse(value: Any) -> Any:
    """*value* with nothing in it that `reveal` would take for a marker.

    Everything that did not come from a `${{ secrets.N }}` of the playbook passes through here: otherwise a commit
    message or an HTTP answer could write a marker and have a secret sent along with it.
    """
    match value:
        case str():
            return value.replace(_OPEN + "secret:", "[secret:") if _OPEN in value else value
        case list() | tuple():
            return [defuse(item) for item in value]
        case dict():
            return {defuse(key): defuse(item) for key, item in value.items()}
    return value
