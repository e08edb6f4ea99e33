"""The two playbooks of the reference, as text."""

from __future__ import annotations

from pathlib import Path

_GOOD = Path(__file__).parent / "good"
WHOLE = (_GOOD / "reference_whole.yaml").read_text(encoding="utf-8")
SMALLEST = (_GOOD / "reference_smallest.yaml").read_text(encoding="utf-8")
