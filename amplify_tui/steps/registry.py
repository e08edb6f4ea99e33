"""All verbs by name. A verb's file is imported when somebody asks for it: a command-line call needs few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, cast

from amplify_tui.adapters.flags import kinds as flags
from amplify_tui.adapters.metrics import kinds as metrics
from amplify_tui.playbook.registry import Registry, VerbSpec
from amplify_tui.steps.verb import Verb

GROUP: Final = "amplify_tui.verbs"
_OURS: Final = {
    "confirm": "confirm:Confirm",
    "input": "input:AskInput",
    "scope": "scope:Scope",
    "window": "window:Window",
    "dependencies": "dependencies:Dependencies",
    "notify": "notify:Notify",
    "flag": "flag:Flag",
    "tag": "tag:Tag",
    "command": "command:Command",
    "http": "http:HttpStep",
    "verify": "verify:Verify",
    "rollout": "rollout:Rollout",
    "e2e": "e2e:E2e",
    "monitor": "monitor:Monitor",
    "wait": "wait:Wait",
}


class _Verbs(Mapping[str, Verb]):
    """Ours, then those of other packages; a foreign verb cannot take the name of one of ours."""

    def __getitem__(self, name: str) -> Verb:
        return verb(name)

    def __iter__(self) -> Iterator[str]:
        return iter({**_OURS, **dict.fromkeys(_foreign())})

    def __len__(self) -> int:
        return len({**_OURS, **dict.fromkeys(_foreign())})


@cache
def verb(name: str) -> Verb:
    """The verb called *name*. Raises KeyError."""
    if name in _OURS:
        module, _, word = _OURS[name].partition(":")
        return cast("Verb", getattr(import_module(f"amplify_tui.steps.{module}"), word)())
    if name in _foreign():
        return cast("Verb", next(iter(entry_points(group=GROUP, name=name))).load()())
    raise KeyError(name)


@cache
def specs() -> Registry:
    """What the playbook's checker needs of every verb, and of the kinds of source that other packages bring."""
    verbs = {name: _spec(found) for name, found in VERBS.items()}
    numbers = metrics.KINDS.fields()
    past = [name for name in numbers if metrics.knows_past(name)]
    return Registry(verbs, flags=flags.KINDS.fields(), numbers=numbers, past=past)


def _spec(found: Verb) -> VerbSpec:
    check = getattr(found, "check", None)
    return VerbSpec(name=found.name, fields=found.Fields, outputs=dict(found.outputs), check=check)


@cache
def _foreign() -> tuple[str, ...]:
    return tuple(point.name for point in entry_points(group=GROUP) if point.name not in _OURS)


VERBS: Final[Mapping[str, Verb]] = _Verbs()
