"""`amplify check --live`: the repository, the services, the tokens and the locks, looked at before a release begins."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.adapters.flags.kinds import kind_name
from amplify_tui.adapters.git.repo import repository_problems
from amplify_tui.adapters.metrics.kinds import kind_name as gives_numbers
from amplify_tui.adapters.poll import InstancePoller, targets
from amplify_tui.adapters.ports import AdapterError, FlagProvider, Query, Surveys
from amplify_tui.adapters.ports import Problem as Found
from amplify_tui.cli.common import input_values
from amplify_tui.cli.vouching import refused
from amplify_tui.engine.board import Board
from amplify_tui.engine.create import default_actor
from amplify_tui.engine.facts import Facts, explain, locks_of, look
from amplify_tui.engine.locks import open_index
from amplify_tui.engine.queries import queries_of
from amplify_tui.engine.rundir import home
from amplify_tui.engine.tidy import untidy
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.problems import START, Problem
from amplify_tui.playbook.resolve import Unresolved
from amplify_tui.playbook.values import format_duration
from amplify_tui.run.inputs import missing
from amplify_tui.run.plan import draft_plan
from amplify_tui.run.state import State
from amplify_tui.steps.flag_needs import needs_of
from amplify_tui.steps.terms import pasts_of
from amplify_tui.verdict.model import InstanceReading
from amplify_tui.verdict.past import AGO_S


class Good(Struct, frozen=True, kw_only=True):
    """What is well, for people and for `--json`: of which source, in words."""

    source: str
    text: str


class Looked(Struct, frozen=True, kw_only=True):
    """What looking found: what would make a release fail, and what is as it should be."""

    problems: list[Problem]
    good: list[Good] = []


def look_live(document: Document, pairs: tuple[str, ...], *, untrusted: bool = False) -> Looked:
    """What would make a release fail, found by looking; and each source that is as it should be.

    Nothing is asked of what a playbook names that nobody vouches for, unless *untrusted* says that somebody read it.
    """
    inputs = input_values(document, pairs)
    plan = draft_plan(document.name, document.structure(), document.raw, document.inputs)
    lacking = missing(document.inputs, inputs)
    if lacking:
        what = f"no value for {', '.join(lacking)}: nothing live can be looked at"
        found = Found(what=what, where="inputs", fix="give each with --set NAME=VALUE")
        return Looked(problems=[_problem(document, found)])
    refusal = refused(document, inputs, untrusted=untrusted)
    if refusal is not None:
        found = Found(what=f"{refusal.what}: {refusal.why}", where="", fix=refusal.next)
        return Looked(problems=[replace(_problem(document, found), code="not-trusted")])
    state = State(run="check", plan=plan, inputs=inputs, starter=default_actor())
    problems, good = asyncio.run(_look(document, state))
    return Looked(problems=[_problem(document, found) for found in problems], good=good)


async def _look(document: Document, state: State) -> tuple[list[Found], list[Good]]:
    try:
        facts = await look(document, state)
    except (AdapterError, Unresolved) as error:
        return [Found(what=explain(error), where="release")], []
    world = LiveWorld(facts, Path.cwd(), Board())
    try:
        before = [*await _repository(facts), *await _services(facts)]
        problems, good = await _sources(facts, world)
        return [*before, *problems, *_locks(facts)], good
    finally:
        await world.aclose()


async def _repository(facts: Facts) -> list[Found]:
    return list(repository_problems(await facts.repo.facts()))


def _ignore(reading: InstanceReading) -> None:
    """The answer of `once` is enough."""


async def _services(facts: Facts) -> list[Found]:
    found = [t for name, service in facts.playbook.services.items() for t in targets(name, service)]
    poller = InstancePoller(found, _ignore)
    try:
        readings = await poller.once()
    finally:
        await poller.aclose()
    return [
        Found(what=f"{r.instance} is not healthy: {r.note or r.status}", where=r.url, fix="look at the service")
        for r in readings
        if r.status != "ok" or r.ok is not True
    ]


async def _sources(facts: Facts, world: LiveWorld) -> tuple[list[Found], list[Good]]:
    """Each source in the playbook's order, with what its signals ask; a line for every one without an error."""
    problems: list[Found] = []
    good: list[Good] = []
    signals, ago = facts.playbook.signals, {name: AGO_S[past] for name, past in pasts_of(facts.playbook).items()}
    for name, spec in facts.playbook.sources.items():
        words: tuple[str, ...] = ()
        try:
            if kind_name(spec):
                found, words = await _flag_server(facts, name, world.flags(name))
            elif gives_numbers(spec):
                asked = [
                    replace(query, past=ago.get(key, 0.0))
                    for key, one in signals.items()
                    if one.source == name
                    for query in queries_of(key, one)
                ]
                source = world.metrics(name)
                found = _once([*await source.check(asked), *_too_often(asked, source.abilities.min_every)])
            else:
                continue
        except AdapterError as error:
            found = [Found(what=error.what, where=error.where or f"sources.{name}", fix=error.fix)]
        problems += found
        if not any(one.severity == "error" for one in found):
            good.append(Good(source=name, text=", ".join(["ok", *words])))
    return problems, good


def _too_often(asked: list[Query], least: float) -> list[Found]:
    """Signals that are read more often than their source has anything new; reading twice is no second reading."""
    return [
        Found(
            what=f"it is read every {format_duration(one.every)}, and its source tells something new every "
            f"{format_duration(least)}",
            where=f"signals.{one.signal}",
            fix=f"write every: {format_duration(least)}",
            severity="warning",
        )
        for one in asked
        if one.every < least - 1e-9
    ]


def _once(found: list[Found]) -> list[Found]:
    """Both cohorts of a signal ask the same of the same place."""
    return list(dict.fromkeys(found))


async def _flag_server(facts: Facts, name: str, provider: FlagProvider) -> tuple[list[Found], tuple[str, ...]]:
    """What is wrong with a flag server for this playbook, and what is well."""
    if not isinstance(provider, Surveys):
        return await provider.check(), ()
    told = await provider.survey(needs_of(facts.playbook, name))
    found = list(told.problems)
    if not any(one.severity == "error" for one in found):  # who may not read flags has been told so
        wants = await untidy(facts, name, provider, time.time())
        found += [Found(what=one.what, where=f"sources.{name}", fix=one.fix, severity="warning") for one in wants]
    return found, told.good


def _locks(facts: Facts) -> list[Found]:
    index = open_index(home())
    try:
        held = index.holders(locks_of(facts.playbook, facts.names))
    finally:
        index.close()
    fix = "wait until that run is closed, or abort it"
    return [Found(what=f"{h.name} is locked by run {h.run}", where=h.host, fix=fix, severity="warning") for h in held]


def _problem(document: Document, found: Found) -> Any:
    span = document.place(found.where) or START
    return Problem(
        file=document.path,
        line=span.line,
        column=span.column,
        end_column=span.end_column if span is not START else 1,
        code="live",
        message=f"{found.what} ({found.where})" if found.where else found.what,
        hint=found.fix,
        severity=found.severity,
    )
