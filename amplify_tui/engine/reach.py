"""What a playbook would run, reach and change: read from its text, for people who decide whether it may start.

Commands and flags are shown as they are written, so that a new version number is no difference; addresses are resolved
as far as they can be before the start. Nothing is asked of the world here.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from amplify_tui.adapters.clean import clean
from amplify_tui.playbook.context import Context, secret_names
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.model import Playbook, Stakeholder
from amplify_tui.playbook.resolve import Unresolved, resolve_section, resolve_value
from amplify_tui.run.shapes import Reach

LONGEST: Final = 400  # what is longer is shown by its beginning and a hash, so that no change of its end is hidden
_SECRET: Final = re.compile(r"\bsecrets(?:\.([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])")
_ADDRESS: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://([^/?#\s\"'<>]+)")
_TEMPLATE: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_PROSE: Final = frozenset({"title", "description", "help", "guide", "ask", "subject", "body", "correction", "message"})
_REMOTES: Final = ("push", "remote")


def reach_of(document: Document, playbook: Playbook, names: Mapping[str, Any]) -> Reach:
    """All of it. *names*: what expressions may use before the start."""
    sections = [playbook.services, playbook.sources, playbook.stakeholders]
    return _reach(document, [msgspec.to_builtins(part) for part in sections], playbook.stakeholders, names)


def reach_written(document: Document, names: Mapping[str, Any]) -> Reach:
    """As `reach_of`, for a playbook whose release is not known: what *names* do not tell stays as it is written."""
    sections = [document.raw.get(key) or {} for key in ("services", "sources", "stakeholders")]
    try:
        stakeholders = resolve_section(document, "stakeholders", Context(dict(names)))
    except Unresolved:
        stakeholders = {}
    return _reach(document, sections, stakeholders, names)


def _reach(
    document: Document, sections: list[Any], stakeholders: Mapping[str, Stakeholder], names: Mapping[str, Any]
) -> Reach:
    context = Context(dict(names))
    steps = [*_steps(document.raw)]
    hosts = [host for part in sections for host in _hosts(part, context)]
    hosts += [host for step in steps for host in _hosts(step, context)]
    hosts += [host for one in stakeholders.values() for host in _told(one)]
    return Reach(
        commands=_unique(shown(one) for one in _commands(document.raw)),
        hosts=_unique(sorted(shown(one) for one in hosts)),
        flags=_unique(shown(one) for step in steps for one in _flags(step, context)),
        secrets=_unique(sorted(shown(one) for one in secrets_named(document.raw))),
    )


def shown(text: str) -> str:
    """*text* on one safe line; of a long one its beginning, and a hash of all of it."""
    line = clean(text, max(LONGEST, len(text)))
    if len(line) <= LONGEST:
        return line
    return f"{line[:LONGEST]}… ({len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"


def _unique(found: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _steps(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for stage in raw.get("stages") or ():
        yield from stage.get("steps") or ()
    for lane in ("before", "after", "integrity", "reconcile"):
        yield from (raw.get("rollback") or {}).get(lane) or ()


def _commands(tree: Any) -> Iterator[str]:
    """Each `argv` and `shell` below *tree*, wherever it stands: of a step, an undo, a probe, a stakeholder."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == "argv" and isinstance(value, list):
                yield " ".join(_word(str(one)) for one in value)
            elif key == "shell" and isinstance(value, str):
                yield f"sh -c {shlex.quote(value)}"
            else:
                yield from _commands(value)
    elif isinstance(tree, list):
        for one in tree:
            yield from _commands(one)


def _word(text: str) -> str:
    """One argument; an expression is left as it is written, without quotes of ours."""
    return text if "${{" in text else shlex.quote(text)


def _hosts(tree: Any, context: Context) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key in _PROSE:
                continue
            if key in _REMOTES and isinstance(value, str):
                yield f"the git remote {value}"
            else:
                yield from _hosts(value, context)
    elif isinstance(tree, list | tuple):
        for one in tree:
            yield from _hosts(one, context)
    elif isinstance(tree, str):
        yield from (_host(found) for found in _ADDRESS.findall(_tight(_resolved(tree, context))))


def _host(authority: str) -> str:
    """The host and port of an address, without a user and a password."""
    return authority.rpartition("@")[2].lower()


def _resolved(text: str, context: Context) -> str:
    if "${{" not in text:
        return text
    try:
        value = resolve_value(text, context)
    except Unresolved:
        return text
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _tight(text: str) -> str:
    """Expressions without spaces, so that an address which holds one is read as one."""
    return _TEMPLATE.sub(lambda found: "${{" + re.sub(r"\s+", "", found[1]) + "}}", text)


def _told(one: Stakeholder) -> Iterator[str]:
    """Where a stakeholder's messages go, where that is no address of its own: a mail server, a file, a secret."""
    if one.server:
        yield one.server.lower()
    if one.via == "file" and one.url:
        yield f"the file {one.url}"
    for name in sorted(secret_names(one.url or "")):
        yield from one.hosts or (f"wherever the secret {name} leads",)


def _flags(step: Mapping[str, Any], context: Context) -> Iterator[str]:
    for verb, key in (("rollout", "flag"), ("flag", "name")):
        fields = step.get(verb)
        if isinstance(fields, Mapping) and isinstance(fields.get(key), str):
            source = fields.get("source")
            yield _resolved(fields[key], context) + (f" of {source}" if source else "")


def secrets_named(tree: Any) -> Iterator[str]:
    """The name of each secret in the expressions of a playbook as it is written, as often as it stands there."""
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            yield from secrets_named(one)
    elif isinstance(tree, str):
        yield from (plain or quoted for plain, quoted in _SECRET.findall(tree))
