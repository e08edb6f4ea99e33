"""The help: every key of the screen beneath, made from the bindings themselves, and what the signs mean."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import ActiveBinding

from amplify_tui.run.select.words import SIGNS
from amplify_tui.tui.draw.scene import Draw, Scene
from amplify_tui.tui.keys import KEY_NAMES
from amplify_tui.tui.text import DIM, PLAIN, STRONG, Line, fit, wrap

SIGN_WORDS = {
    "done": "done, passed, fresh",
    "active": "going on now",
    "held": "held, or waits for you",
    "failed": "failed",
    "unknown": "nobody knows: no data, or an outcome that was never seen",
    "later": "later",
    "undone": "taken back",
    "skipped": "skipped, waived or overridden",
    "kept": "kept: cannot be undone, or need not be",
    "note": "worth reading",
}


def keys(active: Iterable[ActiveBinding]) -> list[tuple[str, str, str]]:
    """Key, label and tooltip of each binding that would answer now, ours only, each once."""
    found: dict[str, tuple[str, str, str]] = {}
    for entry in active:
        binding = entry.binding
        if binding.id and binding.tooltip:
            found.setdefault(
                binding.id, (KEY_NAMES.get(binding.key, binding.key), binding.description, binding.tooltip)
            )
    return list(found.values())


def help_draw(active: Iterable[ActiveBinding]) -> Draw:
    """The help text for the bindings that were active when it was asked for."""
    rows = keys(active)

    def draw(scene: Scene) -> list[Line]:
        lines: list[Line] = [[("KEYS", STRONG)]]
        for key, label, tip in rows:
            lead: Line = [(fit(f" {key}", 6), STRONG), (fit(label, 16), PLAIN)]
            for part in wrap(tip, max(20, scene.width - 22), 4):
                lines.append([*lead, (part, DIM)])
                lead = [(" " * 22, PLAIN)]
        lines += [[(fit(" f9", 6), STRONG), ("mitigate from anywhere, closing any dialog", DIM)]]
        lines += [[(fit(" f10", 6), STRONG), ("the rollback screen from anywhere", DIM)]]
        lines += [
            [(fit(" ctrl+p", 7), STRONG), ("  palette: every action, run and panel", DIM)],
            [],
            [("SIGNS", STRONG)],
        ]
        lines += [[(f" {SIGNS[name]}  ", STRONG), (words, DIM)] for name, words in SIGN_WORDS.items()]  # type: ignore[index]
        lines += [
            [],
            [("To copy text with the mouse, use the terminal's own selection: the mouse is off by default.", DIM)],
        ]
        return lines

    return draw
