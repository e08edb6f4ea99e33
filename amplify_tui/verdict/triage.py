"""Which of several answers counts: the first of fail, error, blind, undecided that anybody gives, else pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from amplify_tui.verdict.model import Answer

Finding: TypeAlias = tuple[Answer, str]

RANK: Final[tuple[Answer, ...]] = ("fail", "error", "blind", "undecided", "pass")


def worst_of(findings: Sequence[Finding]) -> Finding:
    """The finding that decides; of equal ones the first. Needs at least one."""
    return min(findings, key=lambda finding: RANK.index(finding[0]))
