"""The keys that the format holds and this version does not act on: refused as `not-yet`, never ignored.

A key may stand where its value asks for nothing, such as its default written out. What is refused beside a rule of its
own (sources, slos) is not here.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from amplify_tui.playbook.model import Input, Release, Stakeholder
from amplify_tui.playbook.problems import shorten
from amplify_tui.playbook.rules import Rules, value
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq


class Reserved(Struct, frozen=True):
    """One key: the values that ask for nothing, and what to write instead."""

    harmless: tuple[Any, ...]
    instead: str


_KEYS: Final[dict[Any, dict[str, Reserved]]] = {
    Release: {"people": Reserved(("team",), "leave it out: sign-offs ask for as many people as they name")},
    Input: {"ask": Reserved(("start",), "ask for it in an `input` step")},
    Stakeholder: {"locale": Reserved(("en",), "messages are sent as you write them")},
}


def struct(rules: Rules, visit: Visit) -> None:
    """The reserved keys of one part of the document."""
    _refuse(rules, visit.node, _KEYS[visit.cls])


def _refuse(rules: Rules, node: Node, reserved: dict[str, Reserved]) -> None:
    if not isinstance(node, Map):
        return
    for key, found in reserved.items():
        at = node.items.get(key)
        if at is None or value(at) in found.harmless or (isinstance(at, Seq) and not at.items):
            continue
        rules.not_yet(node.keys[key], f"{key}: {shorten(at.text)}" if isinstance(at, Scalar) else key, found.instead)
