"""`amplify show`: the state of a run, now or at an event; and whether its journal is sound."""

from __future__ import annotations

import json
import time

import click

from amplify_tui.cli.common import find_run, replay
from amplify_tui.cli.errors import Failure
from amplify_tui.engine import proc
from amplify_tui.engine.journal import Head, JournalError, Verification, tail_problem
from amplify_tui.engine.locks import open_index
from amplify_tui.engine.readings import kept
from amplify_tui.engine.rundir import RunDir
from amplify_tui.engine.sqlite_journal import SqliteReader
from amplify_tui.engine.takers import standing
from amplify_tui.report.show import run_json, run_text
from amplify_tui.run.state import State


@click.command("show")
@click.argument("run")
@click.option("--verify", is_flag=True, help="Check the journal's chain, and its end against the head kept outside.")
@click.option("--at", type=int, metavar="SEQ", help="As it was after event SEQ.")
@click.option("--readings", is_flag=True, help="What its signals said, as JSON lines, for `amplify backtest`.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(run: str, verify: bool, at: int | None, readings: bool, as_json: bool) -> None:
    """Show RUN."""
    folder = find_run(run)
    if readings:
        for line in kept(folder.readings):
            click.echo(line)
        return
    if verify:
        _verify(folder, as_json=as_json)
        return
    state = replay(folder, at)
    if at is None:
        state = standing(folder.home, state)
    head = _head(folder)
    shown = run_json(state, _conductor(folder, state), head, None if at is not None else time.time())
    if folder.card.exists():
        shown["card"] = str(folder.card)
    click.echo(json.dumps(shown) if as_json else run_text(shown))


def _verify(folder: RunDir, *, as_json: bool) -> None:
    reader = SqliteReader.open(folder.journal)
    try:
        found = reader.verify(folder.head.read())
        told = tail_problem(reader, _listed(folder)) if found.ok else None
    finally:
        reader.close()
    if told is not None:
        found = Verification(False, found.seq, told)
    if as_json:
        click.echo(json.dumps({"ok": found.ok, "seq": found.seq, "problem": found.problem}))
    elif found.ok:
        click.echo(f"the chain is sound: {found.seq} events")
    if not found.ok:
        if as_json:
            raise SystemExit(1)
        raise Failure(
            f"the journal of run {folder.run} is not sound",
            where=f"after event {found.seq}",
            why=found.problem or "",
            next_="treat what was done since as unknown, and look at the targets themselves",
        )


def _listed(folder: RunDir) -> Head | None:
    """The head that the shared index keeps: older than the one in the run's directory, and not lost with it."""
    try:
        index = open_index(folder.home)
    except (JournalError, OSError):
        return None  # it can be rebuilt from the journals, so it proves nothing that it cannot be read
    try:
        return index.head(folder.run)
    finally:
        index.close()


def _head(folder: RunDir) -> str:
    reader = SqliteReader.open(folder.journal)
    try:
        return reader.head().sha
    finally:
        reader.close()


def _conductor(folder: RunDir, state: State) -> dict[str, object]:
    said = folder.conductor()
    alive = said is not None and proc.lives(said.mark) and state.conductor.attached
    return {
        "state": "live" if alive else "lost" if state.phase != "closed" else "none",
        "host": state.conductor.host,
        "pid": state.conductor.pid,
        "epoch": state.conductor.epoch,
        "lacks": list(said.lacks) if alive and said is not None else [],
    }
