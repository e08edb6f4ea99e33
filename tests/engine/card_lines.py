"""The lines of a card that a shell can run."""

from __future__ import annotations


def lines_of(text: str, title: str = "") -> list[str]:
    """What stands in its `sh` blocks, comments left out; only below headings that hold *title*."""
    found, heading, inside = [], "", False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```sh"
        elif line.startswith("## "):
            heading = line
        elif inside and title in heading and not line.startswith("#"):
            found.append(line)
    return found
