"""Stakeholders' channels: which kind a playbook asks for, and the two that need no network, a file and a command.

| via | class | threads | a second try of the same key | files |
| --- | --- | --- | --- | --- |
| webhook | notify_http.Webhook | by `parent` in the body | `Idempotency-Key` | `files` in the body |
| slack | notify_http.Slack | yes, with a token | marked in the message's metadata | below the text |
| smtp | notify_mail.Smtp | yes | the same Message-ID | attached |
| apprise | notify_apprise.AppriseNotifier | no | a second message | below the text |
| file | File | by `parent` in the line | one line | `files` in the line |
| command | Command | by `AMPLIFY_PARENT` | `AMPLIFY_IDEM` | `files` in the JSON |
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, assert_never
from urllib.parse import unquote, urlsplit

from msgspec import to_builtins

from amplify_tui.adapters import process
from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.notify_apprise import AppriseNotifier
from amplify_tui.adapters.notify_http import Slack, Webhook
from amplify_tui.adapters.notify_mail import Smtp
from amplify_tui.adapters.ports import Absent, AdapterError, Announcement, Done, Invalid, Notifier, Outcome, Unknown
from amplify_tui.playbook.model import Stakeholder

TIMEOUT: Final = 10.0
_TRY_LATER: Final = 75  # EX_TEMPFAIL of sysexits.h


def open_notifier(
    stakeholder: Stakeholder,
    *,
    url: str = "",
    token: str = "",
    base: Path = Path(),
    timeout: float = TIMEOUT,
) -> Notifier:
    """The channel that *stakeholder* asks for. url and token: its secrets, resolved just now. base: for relative paths.

    Raises Invalid, naming the field, where one is missing.
    """
    match stakeholder.via:
        case "webhook":
            return Webhook(_needed(url, "url"), hosts=stakeholder.hosts, token=token, timeout=timeout)
        case "slack":
            channel = stakeholder.channel or ""
            return Slack(url=url, token=token, channel=channel, hosts=stakeholder.hosts, timeout=timeout)
        case "smtp":
            server = _needed(stakeholder.server or url, "server")
            sender, to = _needed(stakeholder.from_, "from"), _needed(stakeholder.to, "to")
            return Smtp(server, sender=sender, to=to, password=token, timeout=timeout)
        case "apprise":
            return AppriseNotifier(_needed(url, "url"), hosts=stakeholder.hosts, timeout=timeout)
        case "file":
            address = _needed(url, "url")
            path = unquote(urlsplit(address).path) if address.startswith("file://") else address
            return File(base / path)
        case "command":
            return Command(stakeholder.argv, cwd=base, timeout=timeout)
    assert_never(stakeholder.via)


class File:
    """Appends each message to a file, a line of JSON each; a key that is there already is not written twice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, message: Announcement) -> Outcome:
        """Done once the line is on the disk."""
        return await asyncio.to_thread(self._append, message)

    def _append(self, message: Announcement) -> Outcome:
        done = Done(receipt={"ref": message.idem})
        line = json.dumps({"at": time.time(), **to_builtins(message)}, ensure_ascii=False) + "\n"
        raw = line.encode("utf-8", "replace")
        is_written = False
        if self._path.exists() and not self._path.is_file():  # a pipe or a device could be read for ever
            return Absent(reason=f"{self._path} is not a regular file", error="Invalid")
        try:
            with self._path.open("a+b", buffering=0) as file:
                file.seek(0)
                if any(_idem_of(earlier) == message.idem for earlier in file):
                    return done
                is_written = True
                if file.write(raw) != len(raw):
                    return Unknown(cause=f"{self._path.name} took only a part of the line")
                os.fsync(file.fileno())
        except OSError as refused:
            why = os.strerror(refused.errno) if refused.errno else "it cannot be written"
            if is_written:
                return Unknown(cause=f"{self._path}: {why}")
            return Absent(reason=f"{self._path}: {why}", error="Invalid")
        return done


class Command:
    """Runs a command for each message: the text as JSON on its standard input, key and event in its environment."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path = Path(),
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        if not argv:
            raise Invalid("a stakeholder reached by command needs argv")
        self._argv = tuple(argv)
        self._cwd = cwd
        self._env = dict(env or {})
        self._timeout = timeout

    async def send(self, message: Announcement) -> Outcome:
        """Exit 0 is done (`ref`: the first line it printed), 75 is worth another try, any other one a refusal."""
        env = {
            **self._env,
            "AMPLIFY_EVENT": message.event,
            "AMPLIFY_RUN": message.run,
            "AMPLIFY_IDEM": message.idem,
            "AMPLIFY_PARENT": message.parent,
        }
        text = json.dumps(to_builtins(message), ensure_ascii=False)
        try:
            finished = await process.run(self._argv, timeout=self._timeout, cwd=self._cwd, env=env, stdin=text)
        except AdapterError as wrong:
            return Absent(reason=str(wrong), error=type(wrong).__name__)
        name = clean(self._argv[0], 80)
        if finished.timed_out or finished.exit < 0:
            return Unknown(cause=f"{name} was ended before it said how it went")
        first = next((line for line in finished.stdout.splitlines() if line.strip()), "")
        if finished.exit == 0:
            return Done(receipt={"ref": clean(first, 200) or message.idem}, observed=0)
        said = clean(finished.text.rpartition("\n")[2], 200)
        reason = f"{name} ended with {finished.exit}{f': {said}' if said else ''}"
        return Absent(reason=reason, retryable=finished.exit == _TRY_LATER, error="Invalid")


def _needed(value: str | None, field: str) -> str:
    if not value:
        raise Invalid(f"the stakeholder has no `{field}`", fix=f"add `{field}` to it, or set its secret")
    return value


def _idem_of(line: bytes) -> str | None:
    try:
        earlier = parse_json(line)
    except ValueError:  # somebody else's line
        return None
    return str(earlier.get("idem")) if isinstance(earlier, dict) else None
