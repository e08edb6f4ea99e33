"""The two playbooks of the reference, as text."""

from __future__ import annotations

from pathlib import Path

_GOOD = Path(__file__).parent / "good"
WHOLE = (_GOOD / "reference_whole.yaml").read_text(encoding="utf-8")
SMALLEST = (_GOOD / "reference_smallest.yaml").read_text(encoding="utf-8")


def possible(text: str) -> str:
    """The whole playbook with what this version refuses taken out."""
    for old, new in (
        ("    - {slo: checkout, burn: 14.4, for: 2m, mode: ask, answer_within: 2m, then: hold}\n", ""),
        (", exposure, health", ", health"),
        (", {slo: checkout, burn: 2}]", "]"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text
