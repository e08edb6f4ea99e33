"""What several commands share: finding a run, reading a playbook, sending one command and printing its answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from amplify_tui.cli.errors import Failure
from amplify_tui.engine.client import Queued, RunClient
from amplify_tui.engine.rundir import NoRun, RunDir, home
from amplify_tui.engine.wire import Answer
from amplify_tui.run.state import State

if TYPE_CHECKING:  # the YAML reader and every check: only what reads a playbook pays for them
    from amplify_tui.playbook.document import Document, Loaded

EXIT: Final = {
    "completed": 0,
    "completed_with_exceptions": 0,
    "abandoned": 1,
    "canceled": 1,
    "rolled_back": 3,
    "rolled_back_partly": 5,
}
WAITS: Final = 4
STRICT: Final = 6


def find_run(name: str | None) -> RunDir:
    """The run of that id or unique beginning; without a name the newest one that is open. Raises Failure."""
    place = home()
    runs = list(RunDir.all(place))
    if name:
        found = [r for r in runs if r.run == name] or [r for r in runs if r.run.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(r.run for r in found)
            raise Failure(f"{name} is the beginning of several runs", why=names, next_="give more of its id", code=2)
        raise NoRun(f"there is no run {name} under {place}", "`amplify runs` lists the runs that are there")
    states = {r.run: (r, read_state(r)) for r in runs}
    open_runs = [(r, state) for r, state in states.values() if state.phase not in ("closed", "none")]
    if len(open_runs) == 1:
        return open_runs[0][0]
    if not open_runs:
        raise Failure("no run is open", next_="name one: `amplify runs` lists them", code=2)
    names = "; ".join(told(state) for _, state in sorted(open_runs, key=lambda one: -one[1].exposed_now))
    raise Failure("several runs are open", why=names, next_="name one of them", code=2)


def told(state: State) -> str:
    """`7f3a12cd checkout-v3 3.0.0, at 25 %`: a run, for who is in a hurry."""
    version = f" {state.subject.version}" if state.subject else ""
    return f"{state.run} {state.plan.name}{version}, " + (f"at {state.exposed_now:g} %" if state.exposed_now else "off")


def read_state(folder: RunDir, at: int | None = None) -> State:
    """The state that the journal tells, up to event *at*; an unreadable journal gives an empty state."""
    from amplify_tui.engine.journal import JournalError

    try:
        return replay(folder, at)
    except JournalError:
        return State()


def replay(folder: RunDir, at: int | None = None) -> State:
    """As `read_state`, but raises JournalError."""
    from amplify_tui.engine.replay import state_of

    return state_of(folder, at)


def load_playbook(path: str) -> Loaded:
    """Read and check a file. Raises Failure where it is no readable file."""
    from amplify_tui.playbook.document import load
    from amplify_tui.steps.registry import specs

    file = Path(path)
    if file.is_dir():
        raise Failure(f"{path} is a directory", next_="name the playbook's file", code=2)
    try:
        with file.open("rb") as handle:
            data = handle.read(2 * 1024 * 1024)
    except OSError as error:
        raise Failure(f"{path} cannot be read", why=error.strerror or "", next_="check the path", code=2) from error
    return load(data, path=path, registry=specs())


def good_playbook(path: str) -> Document:
    """The checked document; its problems go to stderr, warnings too. Raises Failure (exit 2) where there are errors."""
    loaded = load_playbook(path)
    if loaded.problems and loaded.document is not None:
        click.echo(loaded.render(), err=True)
    return sound_playbook(path, loaded)


def sound_playbook(path: str, loaded: Loaded) -> Document:
    """The document, whatever it is warned of. Raises Failure (exit 2) with its problems where there are errors."""
    if loaded.document is None:
        click.echo(loaded.render(), err=True)
        errors = sum(p.severity == "error" for p in loaded.problems)
        raise Failure(
            f"{path} has {errors} problem{'s' * (errors != 1)}", next_="mend them; nothing was started", code=2
        )
    return loaded.document


def input_values(document: Document, pairs: tuple[str, ...]) -> dict[str, Any]:
    """`--set NAME=VALUE` as typed values. Raises Failure (exit 2)."""
    from amplify_tui.run.inputs import complaint, read_value

    values: dict[str, Any] = {}
    for pair in pairs:
        name, sep, text = pair.partition("=")
        spec = document.inputs.get(name)
        if not sep or spec is None:
            known = ", ".join(document.inputs) or "none"
            raise Failure(f"--set {pair} names no input", why=f"inputs: {known}", next_="write NAME=VALUE", code=2)
        try:
            values[name] = read_value(spec, text)
        except ValueError as error:
            raise Failure(f"--set {name} is refused", why=str(error), next_=spec.help, code=2) from error
        if wrong := complaint(spec, values[name]):
            raise Failure(f"--set {name} is refused", why=f"{name} {wrong}", next_=spec.help, code=2)
    return values


async def ensure_conductor(folder: RunDir, *, with_ours: bool = True) -> str:
    """Give the run a conductor if none answers. A closed run needs none.

    with_ours: also in the place of one that lives and lacks a secret which has a value here. What is to be said of
    that, "" for nothing.
    """
    from amplify_tui.cli.handover import with_secrets
    from amplify_tui.engine.client import UnreachableError
    from amplify_tui.engine.create import start_conductor
    from amplify_tui.engine.spawn import wait_ready

    client = RunClient(folder.path)
    try:
        await client.connect()
    except UnreachableError:
        await wait_ready(folder.path, start_conductor(folder), within=20.0)
        return ""
    finally:
        await client.close()
    return await with_secrets(folder) if with_ours else ""


def give_conductor(folder: RunDir) -> None:
    """`ensure_conductor` for a command of its own; what is to be said goes to stderr."""
    if words := asyncio.run(ensure_conductor(folder)):
        click.echo(words, err=True)


async def send(folder: RunDir, command: dict[str, Any]) -> Answer | Queued:
    client = RunClient(folder.path, within=30.0)
    try:
        return await client.submit(command, at=time.time())
    finally:
        await client.close()


def order(folder: RunDir, command: dict[str, Any], *, as_json: bool = False) -> None:
    """Send one command and print the answer. Exit 1 with the Refusal where it is refused."""
    answer = asyncio.run(send(folder, command))
    if isinstance(answer, Queued):
        click.echo(json.dumps({"queued": answer.id}) if as_json else f"waits: {answer.reason}")
        return
    if answer.refusal is not None:
        refusal = answer.refusal
        if as_json:
            click.echo(json.dumps({"ok": False, "what": refusal.what, "why": refusal.why, "next": refusal.next}))
            raise SystemExit(1)
        raise Failure(refusal.what, why=refusal.why, next_=refusal.next)
    click.echo(json.dumps({"ok": True, "seq": answer.seq}) if as_json else f"done (event {answer.seq})")


def has_terminal() -> bool:
    """Whether a cockpit can be shown here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
