"""Looking at the world before a run starts: the playbook resolved, the subject pinned, the baseline read.

`look` is called for a draft (so that its panels live before Start) and again at Start, whose answer is journaled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amplify_tui.adapters.git.history import notes
from amplify_tui.adapters.git.repo import GitRepo
from amplify_tui.adapters.poll import targets
from amplify_tui.adapters.ports import AdapterError, Invalid, NotFound
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.document import Document, load
from amplify_tui.playbook.model import Playbook
from amplify_tui.playbook.resolve import Unresolved, resolve, resolve_value
from amplify_tui.playbook.values import BadValue, accept
from amplify_tui.run.plan import resolved_plan
from amplify_tui.run.shapes import OnBlindPlan, Plan, ServiceFacts, Subject
from amplify_tui.run.state import State
from amplify_tui.steps.registry import specs

MAX_COMMITS = 500


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look found: the typed playbook, the names that expressions may use, and the pinned subject.

    bundle: the hash of the text that the run went by at that moment.
    """

    document: Document
    playbook: Playbook
    names: dict[str, Any]
    repo: GitRepo
    root: Path
    subject: Subject
    commits: list[Any] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    bundle: str = ""


def document_of(state: State) -> Document:
    """The document that the run pinned. Raises Invalid where this version of amplify no longer accepts it."""
    loaded = load(state.bundle_text, path=state.playbook, registry=specs())
    if loaded.document is None:
        raise Invalid(f"the pinned playbook is not accepted by this version:\n{loaded.render()}")
    return loaded.document


def input_values(state: State) -> dict[str, Any]:
    """Every declared input: what was given, else its default, else null."""
    return {name: state.inputs.get(name, spec.default) for name, spec in state.plan.inputs.items()}


def run_names(state: State) -> dict[str, Any]:
    return {"id": state.run, "mode": state.mode, "actor": state.starter, "started_at": state.started_at}


async def look(document: Document, state: State) -> Facts:
    """Resolve the playbook; before the start also look at the repository. Raises AdapterError and Unresolved, in words.

    A run that has started needs no repository to be resolved: what was pinned is in its journal, so that it can be
    taken back even where the working tree is gone.
    """
    names: dict[str, Any] = {"inputs": input_values(state), "run": run_names(state)}
    release = resolve_value(document.raw["release"], Context(names))
    repo = GitRepo(Path(document.path).parent / str(release.get("repo", ".")))
    commits: list[Any] = []
    warnings: tuple[str, ...] = state.warnings
    subject = state.subject
    notes_text = state.release_notes
    if subject is None:
        subject, commits, warnings = await _pin(repo, release)
        notes_text = notes(commits)
    elif subject.previous_tag:
        with contextlib.suppress(AdapterError):
            commits = list(await repo.commits(subject.previous_tag, subject.sha))[:MAX_COMMITS]
    names["release"] = {
        "version": subject.version,
        "previous": subject.previous,
        "tag": subject.tag,
        "previous_tag": subject.previous_tag,
        "sha": subject.sha,
        "environment": str(release["environment"]),
        "notes": notes_text,
        "commits": len(commits),
    }
    services = resolve_value(document.raw.get("services") or {}, Context(names))
    names["services"] = {
        name: {"version": None, "instances": service.get("instances", []), "owner": service.get("owner", "")}
        for name, service in services.items()
    }
    playbook = await asyncio.to_thread(resolve, document, Context(names))
    return Facts(
        document, playbook, names, repo, Path(subject.repo), subject, commits, warnings, bundle=state.bundle_sha
    )


async def _pin(repo: GitRepo, release: Mapping[str, Any]) -> tuple[Subject, list[Any], tuple[str, ...]]:
    """The subject as the repository has it now, the commits since the release before, and what to be warned of."""
    found = await repo.facts()
    sha = await repo.resolve(str(release.get("ref", "HEAD")))
    version, prefix = str(release["version"]), str(release.get("tag_prefix", "v"))
    previous_tag = await _previous(repo, release.get("previous", "auto"), version, sha, prefix)
    commits = list(await repo.commits(previous_tag, sha) if previous_tag else [])[:MAX_COMMITS]
    subject = Subject(
        repo=str(found.root),
        sha=sha,
        version=version,
        tag=f"{prefix}{version}",
        previous=previous_tag.removeprefix(prefix) if previous_tag else None,
        previous_tag=previous_tag,
    )
    warnings = ("the working tree has changes that are not committed",) if found.dirty else ()
    return subject, commits, warnings


async def _previous(repo: GitRepo, wanted: Any, version: str, sha: str, prefix: str) -> str | None:
    """The tag of the release before; None at a first release."""
    if wanted is None:
        return None
    if wanted != "auto":
        name = wanted if str(wanted).startswith(prefix) else f"{prefix}{wanted}"
        if await repo.local_tag(name) is None:
            raise NotFound(f"release.previous is {wanted}, and there is no tag {name}", fix="correct it, or write auto")
        return str(name)
    found = await repo.previous_tag(version, sha, prefix)
    return found.name if found else None


def service_facts(playbook: Playbook) -> dict[str, ServiceFacts]:
    """What the judging needs to know of each service, as it is journaled at the start."""
    return {
        name: ServiceFacts(
            instances=tuple(t.instance for t in targets(name, service)),
            requires=dict(service.requires),
            schema_field=service.schema.field if service.schema else "",
            schema_accepts=service.schema.accepts if service.schema else "",
            previous_accepts=(service.schema.previous_accepts or "") if service.schema else "",
            owner=service.owner,
            max_age=3 * service.health.every + service.health.timeout,
        )
        for name, service in playbook.services.items()
    }


def locks_of(playbook: Playbook, names: Mapping[str, Any]) -> tuple[str, ...]:
    """What a run keeps others from touching: each service that it deploys and each flag that it changes.

    names: what expressions may use. One that depends on what has not run yet stays as it is written.
    """
    written = playbook.release.locks
    if isinstance(written, (list, tuple)):
        return tuple(str(name) for name in written)
    env = playbook.release.environment
    found = []
    for stage in playbook.stages:
        for step in stage.steps:
            fields = step.fields if isinstance(step.fields, Mapping) else {}
            if step.verb == "rollout" and "service" in fields:
                found.append(f"{env}/service/{_known(fields['service'], names)}")
            if step.verb in ("rollout", "flag") and (flag := fields.get("flag") or fields.get("name")):
                found.append(f"{env}/flag/{_known(flag, names)}")
    return tuple(dict.fromkeys(found))


def _known(text: Any, names: Mapping[str, Any]) -> str:
    try:
        return str(resolve_value(text, Context(names)))
    except Unresolved:
        return str(text)


def on_blind_of(playbook: Playbook) -> OnBlindPlan:
    """What becomes of a phase without evidence."""
    return OnBlindPlan(after=playbook.rollback.on_blind.after, do=playbook.rollback.on_blind.do)


def checks_of(playbook: Playbook) -> tuple[str, ...]:
    """The ids of the integrity checks, in order."""
    return tuple(step.id for step in playbook.rollback.integrity)


def plan_of(facts: Facts, draft: Plan) -> Plan:
    """The plan *draft* with all that is known by now."""
    titles = titles_of(facts.playbook, facts.names)
    return resolved_plan(
        draft, facts.document.structure(), facts.playbook, titles, lasting(facts.playbook, facts.names)
    )


def titles_of(playbook: Playbook, names: Mapping[str, Any]) -> dict[str, str]:
    """The titles of steps, resolved; one that speaks of what has not run yet stays out."""
    titles = {}
    steps = [s for stage in playbook.stages for s in stage.steps]
    for step in (*steps, *playbook.rollback.before, *playbook.rollback.reconcile, *playbook.rollback.after):
        if step.title:
            try:
                titles[step.id] = str(resolve_value(step.title, Context(names)))
            except Unresolved:
                continue
    return titles


def lasting(playbook: Playbook, names: Mapping[str, Any]) -> dict[str, float]:
    """For how many seconds each monitor watches; one whose time depends on what has not run yet stays out."""
    found = {}
    for step in (step for stage in playbook.stages for step in stage.steps if step.verb == "monitor"):
        try:
            value = resolve_value(step.fields["for"], Context(names)) if isinstance(step.fields, Mapping) else None
            found[step.id] = float(accept(value, "dur"))
        except (Unresolved, BadValue, KeyError):
            continue
    return found


def explain(error: AdapterError | Unresolved) -> str:
    """One sentence for the screen."""
    if isinstance(error, Unresolved):
        return "; ".join(f"line {p.line}: {p.message}" for p in error.problems[:3])
    return str(error)


def plan_problems(plan: Plan) -> list[str]:
    """What a plan cannot start with."""
    return [] if plan.steps else ["the playbook has no steps"]
