"""Reading a run's playbook again: what its file says now, beside what the run pinned. Nothing is decided here.

The conductor's desk does it for a Migrate; the command line and the cockpit do it to show the difference first.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from amplify_tui.adapters.ports import AdapterError
from amplify_tui.engine.create import bundle_of
from amplify_tui.engine.facts import checks_of, document_of, explain, locks_of, look, on_blind_of, plan_of
from amplify_tui.engine.trust import examine
from amplify_tui.playbook.document import Document, load
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.run.migration import Proposal, Text
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.shapes import Course
from amplify_tui.run.state import State
from amplify_tui.steps.registry import specs
from amplify_tui.steps.terms import triggers_of

LARGEST: Final = 2 * 1024 * 1024
TOLD: Final = 3
ENTRIES: Final = {
    "inputs": "input",
    "roles": "role",
    "services": "service",
    "sources": "source",
    "signals": "signal",
    "slos": "slo",
    "stakeholders": "stakeholder",
}
FLAG_SERVERS: Final = ("unleash", "flagfile", "use")  # `use` may be one: who cannot tell keeps it
LANES: Final = ("before", "reconcile", "after")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_INPUT: Final = re.compile(r"inputs\.[A-Za-z0-9_]+")


class Unread(Exception):
    """The file cannot be what a run goes by; the sentence says why."""


async def propose(state: State, home: Path) -> Proposal:
    """What the playbook's file says now, resolved for this run; *home* has the runs before. Raises Unread in words."""
    try:
        return await _propose(state, home)
    except (AdapterError, Unresolved) as error:
        raise Unread(explain(error)) from error


async def _propose(state: State, home: Path) -> Proposal:
    document = await asyncio.to_thread(read, state.playbook)
    plan = draft_plan(document.name, document.structure(), document.raw, document.inputs)
    proposal = Proposal(
        pinned=state.bundle_sha,
        course=Course(bundle=bundle_of(document, state.playbook), plan=plan),
        was=text_of(await asyncio.to_thread(document_of, state)),
        now=text_of(document),
    )
    if state.phase == "draft":
        return proposal
    facts = await look(document, replace(state, plan=plan))
    course = replace(
        proposal.course,
        plan=plan_of(facts, plan),
        triggers=triggers_of(facts.playbook),
        on_blind=on_blind_of(facts.playbook),
        integrity=checks_of(facts.playbook),
        locks=() if state.sandbox else locks_of(facts.playbook, facts.names),
    )
    if state.sandbox:
        return replace(proposal, course=course)
    text = course.bundle.files[0].text
    trust = await examine(facts, replace(state, bundle_text=text, bundle_sha=course.bundle.sha256), home)
    return replace(proposal, course=course, trust=trust)


def read(path: str) -> Document:
    """The file, checked. Raises Unread."""
    data = _bytes(path)
    loaded = load(data, path=path, registry=specs())
    if loaded.document is None:
        errors = [p for p in loaded.problems if p.severity == "error"]
        more = f"; and {len(errors) - TOLD} more" if len(errors) > TOLD else ""
        raise Unread("; ".join(f"line {p.line}: {p.message}" for p in errors[:TOLD]) + more)
    return loaded.document


def sha_of(path: str) -> str:
    """The hash of the file as it is now; "" where it cannot be read."""
    try:
        return hashlib.sha256(_bytes(path)).hexdigest()
    except Unread:
        return ""


def _bytes(path: str) -> bytes:
    file = Path(path)
    try:
        if not file.is_file():
            raise Unread(f"{path} is gone, or no file")
        with file.open("rb") as handle:
            return handle.read(LARGEST)
    except OSError as error:
        raise Unread(f"{path} cannot be read: {error.strerror}") from error


# --- a text as hashes -------------------------------------------------------------------------------------------------


def text_of(document: Document) -> Text:
    """What the document says, as hashes of its parts."""
    raw = document.raw
    values = {
        f"{word} {name}": value for section, word in ENTRIES.items() for name, value in (raw.get(section) or {}).items()
    }
    back = raw.get("rollback") or {}
    verbs = {s.id: s.verb for stage in document.structure().stages for s in stage.steps}
    verbs |= {s.id: s.verb for steps in document.structure().rollback.values() for s in steps}
    entries = {name: _hash(value) for name, value in values.items()}
    entries |= {"name": _hash(raw["name"]), "release": _hash(raw["release"])}
    entries |= {"rollback.complete_within": _hash(back.get("complete_within"))}

    def parts(step: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, str]:
        named = {entry: entries[entry] for entry in _named(step, values)}
        return _parts(step, verbs[step["id"]]) | {name: _hash(value) for name, value in around.items()} | named

    return Text(
        steps={
            step["id"]: parts(step, {"stage.when": stage["when"]} if "when" in stage else {})
            for stage in raw["stages"]
            for step in stage["steps"]
        }
        | {step["id"]: parts(step, {}) for lane in LANES for step in back.get(lane) or ()},
        checks={step["id"]: parts(step, {}) for step in back.get("integrity") or ()},
        entries=entries,
        flags=tuple(n for n, one in (raw.get("sources") or {}).items() if any(kind in one for kind in FLAG_SERVERS)),
    )


def _parts(step: Mapping[str, Any], verb: str) -> dict[str, str]:
    """`command.argv` for a field of the verb, `sign_off` for what every step may have."""
    found = {key: _hash(value) for key, value in step.items() if key != verb}
    fields = step.get(verb)
    if not isinstance(fields, Mapping):
        return found | {verb: _hash(fields)}
    return found | {f"{verb}.{key}": _hash(value) for key, value in fields.items()}


def _named(value: Any, values: Mapping[str, Any]) -> list[str]:
    """The entries that *value* speaks of, and those that these speak of. Any word that is a name counts as one.

    Rather too many than too few: what a step means may not change behind its back.
    """
    found: list[str] = []
    left = [value]
    while left:
        words = set(_words(left.pop()))
        fresh = [entry for entry in values if _called(entry) in words and entry not in found]
        found += fresh
        left += [values[entry] for entry in fresh]
    return sorted(found)


def _called(entry: str) -> str:
    """An entry as a step speaks of it: an input only by `inputs.NAME`, the others by their name alone."""
    word, _, name = entry.partition(" ")
    return f"inputs.{name}" if word == "input" else name


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _WORD.findall(value)
        yield from _INPUT.findall(value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _WORD.findall(str(key))
            yield from _words(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)


def _hash(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:16]
