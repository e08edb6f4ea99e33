"""Running a team's own commands on behalf of a verb: environment, log, record, and what an ending proves.

| ending | outcome |
| --- | --- |
| an expected status | Done; the receipt holds exit, text and json |
| another status | Absent: the command says that it failed |
| could not be started | Absent |
| its time was up, or a signal ended it | Unknown: nobody can say how far it came |

A command that outlives its conductor is known by its record; while it runs, its effect is neither done nor absent. One
without a record never ran. The records lie in the run's own folder, beside the journal: who reads one has the other.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, quote_plus

from msgspec import Meta, Struct, field

from amplify_tui.adapters import pidfile, process
from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.jsontext import parse as parse_json
from amplify_tui.adapters.ports import Absent, AdapterError, Done, Invalid, NoSecret, Outcome, Probe, Unknown
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.context import defuse, secret_marker, secret_names
from amplify_tui.playbook.model import Base, Dur
from amplify_tui.playbook.resolve import Unresolved, resolve_argv
from amplify_tui.report.shell import line, within
from amplify_tui.report.shell import outputs as outputs_told
from amplify_tui.steps.verb import Context, World

TIMEOUT: Final = 600.0
PROBE_TIMEOUT: Final = 20.0
MARGIN: Final = process.GRACE + 3.0  # what ending a command may take beyond its own time
TEXT_KEPT: Final = 8 * 1024
_ABSENT: Final = 1
_SHORT: Final = 4  # bytes: the base64 of less is likely to be a part of something else
_SECRET: Final = re.compile(r"secrets\.([A-Za-z_][A-Za-z0-9_]*)")

LateArgv = Annotated[tuple[str, ...], Meta(extra={"late": "instance"})]
LateEnv = Annotated[dict[str, str], Meta(extra={"late": "instance"})]


class Argv(Base, frozen=True):
    """A command beside the main one: a probe, an undo, a cleanup."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    timeout: Dur | None = None
    allow_dash: bool = False


class LateCommand(Base, frozen=True):
    """A command for one instance of a wave; it is resolved when the instance's turn comes."""

    argv: LateArgv
    env: LateEnv = field(default_factory=dict)
    allow_dash: bool = False


class Work(Struct, frozen=True, kw_only=True):
    """One command, resolved, as plain data that a journal can hold. `env` holds secrets as markers only."""

    argv: tuple[str, ...] = ()
    shell: str = ""
    cwd: str = "."
    env: dict[str, str] = {}
    stdin: str | None = None
    timeout: float = TIMEOUT
    exits: tuple[int, ...] = (0,)
    parse: bool = False

    @property
    def shown(self) -> str:
        """The command as a line for people."""
        return clean(self.shell or " ".join(self.argv), 200)


def by_hand(work: Work, root: Path) -> str:
    """The line that runs *work* without us; *root* is the repository that its folder is named from."""
    command = line(["sh", "-c", work.shell]) if work.shell else line(work.argv)
    return within(str((root / work.cwd).absolute()), command, work.env)


async def perform(work: Work, ctx: Context, *, slot: str = "", outputs: Mapping[str, Any] | None = None) -> Outcome:
    """Runs *work* to its end and says what its ending proves. slot: tells its log apart from others of the step."""
    try:
        ended = await start(work, ctx, slot=slot, outputs=outputs)
    except AdapterError as error:
        return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)
    if ended.timed_out:
        return Unknown(cause=f"{work.shown} was ended after {work.timeout:g} s")
    record = pidfile.read(record_path(log_path(ctx, slot), ctx.effect))
    if record is not None and record.stopped:  # what it says on its way out is no proof of how far it came
        return Unknown(cause=f"{work.shown} was ended for the rollback")
    if ended.exit < 0:
        return Unknown(cause=f"{work.shown} was ended by signal {-ended.exit}")
    text = ended.text[-TEXT_KEPT:]
    if ended.exit not in work.exits:
        said = clean(text.rpartition("\n")[2], 300)
        reason = f"{work.shown} ended with {ended.exit}{f': {said}' if said else ''}"
        return Absent(reason=reason, retryable=False, error="Exit")
    receipt: dict[str, Any] = {"exit": ended.exit, "text": text}
    if work.parse:
        receipt["json"] = _parsed(ended)
    return Done(receipt=receipt, observed=ended.exit)


async def start(
    work: Work, ctx: Context, *, slot: str = "", outputs: Mapping[str, Any] | None = None
) -> process.Finished:
    """Runs *work* to its end. Raises AdapterError where it could not be started."""
    path = log_path(ctx, slot)
    env = {name: ctx.world.reveal(value) for name, value in work.env.items()}
    return await process.run(
        process.Shell(work.shell) if work.shell else work.argv,
        timeout=work.timeout,
        cwd=ctx.world.repo_path / work.cwd,
        env={**env, **_told(ctx, outputs or {})},
        stdin=work.stdin,
        log=path,
        record=record_path(path, ctx.effect),
        on_line=lambda _, line: ctx.log(line),
        redact=_redactor(work, ctx.world),
    )


async def ask(work: Work, ctx: Context) -> bool | str:
    """What a probe says: True done, False absent, else in words why it cannot say."""
    try:
        ended = await process.run(
            work.argv,
            timeout=work.timeout,
            cwd=ctx.world.repo_path / work.cwd,
            env={**{name: ctx.world.reveal(value) for name, value in work.env.items()}, **_told(ctx, {})},
            redact=_redactor(work, ctx.world),
        )
    except AdapterError as error:
        return str(error)
    if ended.timed_out:
        return f"the probe {work.shown} gave no answer within {work.timeout:g} s"
    if ended.exit in (0, _ABSENT):
        return ended.exit == 0
    said = clean(ended.text.rpartition("\n")[2], 200)
    return f"the probe {work.shown} ended with {ended.exit}{f': {said}' if said else ''}"


def at_work(ctx: Context, slot: str = "") -> str:
    """In words, that the command of an earlier conductor still runs, or may; "" where it surely does not.

    What it printed unwatched is then put into its log, without secrets, and its raw output is removed.
    """
    log = log_path(ctx, slot)
    record = pidfile.read(record_path(log, ctx.effect))
    if record is not None and not record.is_of_this_host:
        over = record.deadline is not None and ctx.now() > record.deadline
        return "" if over else f"it was started on {record.host}, and may still run there"
    if record is not None and record.is_running():
        return f"it still runs, as process {record.pid}"
    named = _SECRET.findall("\n".join((ctx.state.bundle_text, *ctx.state.earlier_texts)))
    process.left_output(log, _redacted(set(named), ctx.world))
    return ""


def left_off(work: Work, ctx: Context, slot: str = "") -> Probe | None:
    """What the record alone proves of a command that no longer runs; None where it proves nothing.

    Ask `at_work` first. What never ran is refused from here on: a conductor that was only asleep starts nothing.
    """
    path = record_path(log_path(ctx, slot), ctx.effect)
    try:
        if ctx.effect and pidfile.refuse(path):
            return Probe(result="absent", detail="it was never started: its conductor died before")
    except OSError as full:
        return Probe(result="unreachable", detail=f"its record cannot be written: {full.strerror}")
    record = pidfile.read(path)
    if record is None or record.exit is None or record.exit < 0 or record.stopped:
        return None
    result: Literal["done", "absent"] = "done" if record.exit in work.exits else "absent"
    return Probe(result=result, observed=record.exit, detail=f"it ended with {record.exit}")


async def stop(ctx: Context, slot: str = "") -> bool:
    """Ends the command of this effect with its group, whoever started it; whether there was one to end here."""
    return await pidfile.end(record_path(log_path(ctx, slot), ctx.effect)) == "ended"


def log_path(ctx: Context, slot: str = "") -> Path:
    """Where the lines of a command are kept: the run's log folder, a file for each step, key and slot."""
    folder = ctx.world.run_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in (ctx.step.step, ctx.step.key, slot) if part]
    return folder / (re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(parts))[:120] + ".log")


def record_path(log: Path, effect: str = "") -> Path:
    """The record of the command of one effect; its log is that of all tries of the step."""
    return log.with_suffix(f".{effect}.pid" if effect else ".pid")


def late_argv(command: LateCommand, ctx: Context, **more: Any) -> Work:
    """The command of a wave with its expressions resolved by the step's names and *more*. Raises Invalid, in words."""
    names = Names({**ctx.names, **more}, ctx.now())
    try:
        argv = resolve_argv(command.argv, names, allow_dash=command.allow_dash)
        env = {name: str(ctx.resolve(value, **more)) for name, value in command.env.items()}
    except Unresolved as wrong:
        raise Invalid("; ".join(problem.message for problem in wrong.problems)) from wrong
    return Work(argv=argv, env=env)


def idem(ctx: Context) -> str:
    """The key under which this effect may be done once: the journal's, else one of the step."""
    effect = ctx.state.effects.get(ctx.effect)
    return effect.idem if effect else f"{ctx.state.run}/{ctx.step.step}/{ctx.step.key}"


def _told(ctx: Context, outputs: Mapping[str, Any]) -> dict[str, str]:
    """What every command may know: run, step, key of idempotency, and outputs as AMPLIFY_OUT_NAME."""
    told = {"AMPLIFY_RUN": ctx.state.run, "AMPLIFY_STEP": str(ctx.step.ref), "AMPLIFY_IDEM": idem(ctx)}
    return told | outputs_told(outputs)


def _redactor(work: Work, world: World) -> Callable[[str], str]:
    """Puts the marker back in place of every secret that the command was given."""
    return _redacted({name for value in work.env.values() for name in secret_names(value)}, world)


def _redacted(names: Iterable[str], world: World) -> Callable[[str], str]:
    """As `_redactor`, for secrets by name. One that has no value here has none to hide."""
    known: list[tuple[str, str]] = []
    for name in names:
        marker = secret_marker(name)
        with contextlib.suppress(NoSecret):
            known += [(form, marker) for form in _forms(world.reveal(marker))]
    known.sort(key=lambda pair: -len(pair[0]))

    def redact(text: str) -> str:
        for form, marker in known:
            text = text.replace(form, marker)
        return text

    return redact


def _forms(value: str) -> set[str]:
    """A secret as programs print it: as it is, as a part of a URL, in base64."""
    raw = value.encode()
    coded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    bare = {form.rstrip("=") for form in coded if len(raw) > _SHORT}
    return {form for form in {value, quote(value), quote(value, safe=""), quote_plus(value), *coded, *bare} if form}


def _parsed(ended: process.Finished) -> Any:
    """The JSON that a command printed; None where it printed none, which `finish` reports."""
    if not ended.is_stdout_whole:
        return None
    try:
        return defuse(parse_json(ended.stdout))
    except ValueError:
        return None
