"""What the home screen needs of the outside: the runs, what can be started, and clients of both."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from amplify_tui.cli.common import ensure_conductor, find_run, has_terminal, load_playbook, read_state
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.reader import client_of
from amplify_tui.engine import proc
from amplify_tui.engine.create import create_run, default_actor
from amplify_tui.engine.locks import list_runs
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.rundir import home as home_dir
from amplify_tui.run.select.headline import headline
from amplify_tui.run.state import State
from amplify_tui.tui.client import Client, HomeError, RunSummary, Startable

SHOWN = 30
PATTERNS = ("*.yaml", "*.yml", "ops/*.yaml", "ops/*.yml", "release/*.yaml", "playbooks/*.yaml")


class Runs:
    """The runs of this AMPLIFY_HOME, and the playbooks near the working directory."""

    def __init__(self, actor: str) -> None:
        self._actor = actor

    async def runs(self) -> list[RunSummary]:
        """The newest runs, those that need attention first."""
        return await asyncio.to_thread(_summaries)

    async def startable(self) -> list[Startable]:
        """The playbooks of this folder that can be read."""
        return await asyncio.to_thread(_playbooks)

    async def attach(self, run: str) -> Client:
        """A client of that run; an open one gets a conductor if it has none."""
        try:
            folder = find_run(run)
            if read_state(folder).phase not in ("closed", "none"):
                await ensure_conductor(folder)
        except (click.ClickException, OSError) as error:
            raise HomeError(str(error)) from error
        return client_of(folder)

    async def start(self, name: str) -> Client:
        """A draft run of the playbook at that path."""
        loaded = load_playbook(name)
        if loaded.document is None:
            raise HomeError(loaded.render())
        folder = create_run(home_dir(), loaded.document, {}, actor=self._actor, via="key")
        await ensure_conductor(folder)
        return client_of(folder)


def _summaries() -> list[RunSummary]:
    found = []
    for line in list_runs(home_dir())[:SHOWN]:
        folder = RunDir(home_dir() / "runs" / line.id)
        found.append(_summary(folder, read_state(folder)))
    return [s for s in found if s.run]


def _summary(folder: RunDir, state: State) -> RunSummary:
    said = folder.conductor()
    alive = said is not None and proc.lives(said.mark)
    words = headline(state, state.last_at)
    subject = state.subject
    open_ = state.phase not in ("closed", "none")
    return RunSummary(
        run=state.run,
        playbook=state.plan.name,
        version=subject.version if subject else str(state.inputs.get("version", "")),
        previous=(subject.previous or "") if subject else "",
        environment=state.environment,
        mode=state.mode,
        phase=state.phase,
        word=words.word,
        attention=open_,
        driver=state.starter,
        conductor=alive or not open_,
        exposure=state.exposed_now,
        started_at=state.started_at or state.created_at,
        ended_at=state.closed_at,
        detail=(str(words), *state.exceptions[:3]),
    )


def _playbooks() -> list[Startable]:
    found: list[Startable] = []
    for pattern in PATTERNS:
        for path in sorted(Path().glob(pattern)):
            try:
                is_ours = "apiVersion: amplify/" in path.read_text(encoding="utf-8")[:4000]
            except (OSError, UnicodeDecodeError):
                continue
            if is_ours:
                loaded = load_playbook(str(path))
                errors = sum(p.severity == "error" for p in loaded.problems)
                note = f"{errors} problems, see `amplify check {path}`" if errors else ""
                title = str(loaded.document.raw.get("title", "")) if loaded.document else ""
                found.append(Startable(name=str(path), kind="playbook", title=title, note=note))
    return found


def open_home() -> int:
    """The home screen. Its exit status."""
    if not has_terminal():
        raise Failure(
            "the home screen needs a terminal", next_="`amplify runs` lists the runs, --help the commands", code=2
        )
    from amplify_tui.cli.cockpit import is_ascii, launch, quick_start

    with quick_start():
        from amplify_tui.cli.doors import doors
        from amplify_tui.tui.app import Cockpit

        actor = default_actor()
        return launch(Cockpit(None, actor=actor, home=Runs(actor), doors=doors(), ascii_only=is_ascii()))
