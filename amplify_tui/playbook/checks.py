"""The rules that types cannot say: references, order, and what is refused for safety."""

from __future__ import annotations

from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.skeleton import Skeleton
from amplify_tui.playbook.typed import Walker


def run(walker: Walker, bones: Skeleton, registry: Registry) -> None:
    """Adds the problems of the whole playbook to the walker's collector."""
