"""`amplify backtest`: what a gate would have said on recorded series, and what other limits would have made of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from amplify_tui.adapters.ports import Invalid
from amplify_tui.adapters.recorded import moment as moment_of
from amplify_tui.adapters.recorded import recorded
from amplify_tui.cli.common import WAITS, good_playbook, input_values
from amplify_tui.cli.errors import Failure
from amplify_tui.cli.gates import Gate, gate_of
from amplify_tui.cli.past import read_past
from amplify_tui.cli.sweep import tell, variations
from amplify_tui.cli.vouching import refused
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.values import BadValue, parse_duration
from amplify_tui.verdict.backtest import Moment, Outcome, outcome, replay
from amplify_tui.verdict.model import Reading
from amplify_tui.verdict.words import count, duration, plural


@click.command("backtest")
@click.argument("playbook")
@click.option("--step", "step_id", required=True, help="The step whose gate is asked: a rollout, monitor or verify.")
@click.option("--data", metavar="FILE", help="Recorded readings: CSV or JSON lines; - reads standard input.")
@click.option("--last", metavar="SPAN", help="In place of --data: the sources' own past, like 6h.")
@click.option("--until", metavar="TIME", help="With --last: where it ends; now without it.")
@click.option("--untrusted", is_flag=True, help="With --last: although the playbook is not committed.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="The value of an input.")
@click.option("--sweep", multiple=True, metavar="KEY=A,B,…", help="Also with other values of limit, for or bake.")
@click.option("--onset", metavar="TIME", help="When the trouble began: fails before it are false ones.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: a line a reading, or a line a variation.")
def command(
    playbook: str,
    step_id: str,
    data: str | None,
    last: str | None,
    until: str | None,
    untrusted: bool,
    pairs: tuple[str, ...],
    sweep: tuple[str, ...],
    onset: str | None,
    as_json: bool,
) -> None:
    """Ask the gate of a step of PLAYBOOK about recorded readings.

    Exit 0 where it ends in pass or undecided, 1 where it ends in anything else; a sweep always exits 0. With --last, 4
    where nobody vouches for the playbook: its sources would get your tokens.
    """
    document = good_playbook(playbook)
    inputs = input_values(document, pairs)
    gate = gate_of(document, step_id, inputs)
    if (data is None) == (last is None):
        raise Failure("a backtest needs readings", next_="give either --data FILE or --last SPAN", code=2)
    if data is not None:
        readings = _of_file(data, gate)
    else:
        end = time.time() if until is None else _time(until, "--until")
        _vouched(document, inputs, untrusted=untrusted)
        readings = read_past(document, gate, inputs, end - _span(last or ""), end)
    gate = gate.told_by({reading.signal for reading in readings})
    if not gate.terms:
        missing = ", ".join(gate.left_out)
        raise Failure(f"{data or last} holds no reading of {missing}", next_="look at the signals' source", code=2)
    readings = [reading for reading in readings if reading.signal in gate.asks]
    began = _time(onset, "--onset") if onset is not None else None
    if sweep:
        tell(gate, readings, variations(sweep), began, as_json=as_json)
        return
    moments = list(replay(gate.terms, readings, bake=gate.bake))
    if as_json:
        for moment in moments:
            click.echo(json.dumps(_line(moment)))
    else:
        _tell(gate, moments, outcome(moments, bake=gate.bake, onset=began), len(readings), began)
    raise SystemExit(0 if moments[-1].verdict.answer in ("pass", "undecided") else 1)


def _vouched(document: Document, inputs: Mapping[str, Any], *, untrusted: bool) -> None:
    """Raises Failure where the sources may not be asked: they would get the user's tokens."""
    refusal = refused(document, inputs, untrusted=untrusted)
    if refusal is not None:
        raise Failure(refusal.what, why=refusal.why, next_=refusal.next, code=WAITS)


def _of_file(data: str, gate: Gate) -> list[Reading]:
    try:
        return recorded(_text(data), gate.signals, name=data)
    except Invalid as error:
        raise Failure(error.what, where=error.where, next_=error.fix or "mend the file", code=2) from error


def _span(text: str) -> float:
    try:
        return parse_duration(text)
    except BadValue as error:
        raise Failure(f"--last {text} is refused", why=error.message, next_=error.hint, code=2) from error


def _text(data: str) -> str:
    """The file's text. Raises Failure where it cannot be read."""
    if data == "-":
        return sys.stdin.read()
    try:
        return Path(data).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or "" if isinstance(error, OSError) else "it is no UTF-8 text"
        raise Failure(f"{data} cannot be read", why=why, next_="check the path", code=2) from error


def _line(moment: Moment) -> dict[str, Any]:
    conditions = [
        {"id": one.id, "verdict": one.answer, "value": one.value, "n": one.n, "need": one.need}
        for one in moment.verdict.terms
    ]
    return {"at": moment.at, "verdict": moment.verdict.answer, "conditions": conditions}


def _tell(gate: Gate, moments: Sequence[Moment], found: Outcome, read: int, began: float | None) -> None:
    """The verdict each time that it changes, and what it came to."""
    if gate.left_out:
        click.echo(f"left out, since no recorded series tells it: {', '.join(gate.left_out)}")
    said = None
    for moment in moments:
        answer = moment.verdict.answer
        if answer != said:
            need = f"; {moment.verdict.need}" if moment.verdict.need else ""
            click.echo(f"{_clock(moment.at)}  {answer:<9}  {moment.verdict.reason}{need}")
        said = answer
    lasted = duration(moments[-1].at - moments[0].at)
    click.echo(f"{plural(read, 'reading')} in {lasted}: {_summary(gate.bake, found, moments[0].at, began)}")


def _summary(bake: float, found: Outcome, start: float, began: float | None) -> str:
    parts = [f"ends in {found.last}"]
    if found.passed_at is not None:
        parts.append(f"would have gone on at {_clock(found.passed_at)}, after {duration(found.passed_at - start)}")
    elif bake:
        parts.append(f"would not have gone on: it bakes {duration(bake)}")
    if began is None:
        parts.append(f"{plural(len(found.fails), 'fail')}" if found.fails else "no fail")
    else:
        parts.append(f"{count(found.false)} false before {_clock(began)}")
        parts.append("not noticed" if found.noticed is None else f"noticed after {duration(found.noticed)}")
    return "; ".join(parts)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str, option: str) -> float:
    try:
        return moment_of(text, option)
    except Invalid as error:
        raise Failure(error.what, where=error.where, next_=error.fix, code=2) from error
