"""A rollback without a journal: what a release must have done, derived from its playbook and the world as it is.

The flags that the playbook switches or ramps are to be off, and the instances that it deploys, and that do not report
the version to go back to, are to be reverted to it. Nothing of this was recorded, and each item says so: what a flag
was before the release nobody here knows, so it is only ever switched off. The rest (tags, commands, messages, data)
cannot be derived, and is named.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.adapters.flags.port import Off
from amplify_tui.adapters.poll import InstancePoller, targets
from amplify_tui.adapters.ports import AdapterError, FlagWrite
from amplify_tui.engine.board import Board
from amplify_tui.engine.facts import Facts, explain, lasting, locks_of, look, run_names, service_facts, titles_of
from amplify_tui.engine.world import LiveWorld
from amplify_tui.playbook.context import Context as Names
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.model import Step
from amplify_tui.playbook.resolve import Unresolved, resolve_fields, resolve_value
from amplify_tui.run.plan import draft_plan, resolved_plan
from amplify_tui.run.shapes import Exposure, StepPlan, Subject, Target, Undo
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.steps import rollout_service
from amplify_tui.steps.commands import TIMEOUT, late_argv
from amplify_tui.steps.flag import FlagFields
from amplify_tui.steps.flag_parts import by_hand_of, flag_id, state_of, undo_of
from amplify_tui.steps.instances import instances_of, names_of
from amplify_tui.steps.registry import specs
from amplify_tui.steps.rollout_fields import RolloutFields
from amplify_tui.steps.verb import Context
from amplify_tui.verdict.fleet import same_version
from amplify_tui.verdict.model import InstanceReading

DERIVED: Final = "derived, not recorded: "
_UNREAD: Final = {"exists": True, "enabled": True, "strategies": []}
_LEFT: Final = frozenset({"command", "http", "tag", "notify", "e2e"})


class Cold(Struct, frozen=True, kw_only=True):
    """The state of the release as it was derived, as if it were closed; and in words what was found on the way."""

    state: State
    notes: tuple[str, ...]


async def derive(document: Document, inputs: dict[str, Any], *, to: str, actor: str) -> Cold:
    """What to take back so that *to* is the version again. Raises AdapterError and Unresolved: no plan can be made."""
    known = _known(document, inputs, to, actor)
    facts = await look(document, known)
    world = LiveWorld(facts, Path(), Board())
    try:
        return await _Deriving(facts, world, known, to).whole()
    finally:
        await world.aclose()


def _known(document: Document, inputs: dict[str, Any], to: str, actor: str) -> State:
    """The run as far as its playbook alone tells."""
    known = State(
        plan=draft_plan(document.name, document.structure(), document.raw, document.inputs),
        inputs=inputs,
        starter=actor,
        playbook=str(Path(document.path).absolute()),
        bundle_sha=document.sha256,
        bundle_text=document.text,
    )
    return replace(known, subject=_subject(document, known, to))


def _subject(document: Document, known: State, to: str) -> Subject:
    names = {"inputs": {n: known.inputs.get(n, s.default) for n, s in document.inputs.items()}, "run": run_names(known)}
    release = resolve_value(document.raw["release"], Names(names))
    prefix, version = str(release.get("tag_prefix", "v")), str(release["version"])
    repo = (Path(document.path).parent / str(release.get("repo", "."))).resolve()
    root = next((one for one in (repo, *repo.parents) if (one / ".git").exists()), repo)
    return Subject(
        repo=str(root), sha="", version=version, tag=f"{prefix}{version}", previous=to, previous_tag=f"{prefix}{to}"
    )


class _Deriving:
    """One derivation: the steps of the playbook in their order, each with what it must have done."""

    def __init__(self, facts: Facts, world: LiveWorld, known: State, to: str) -> None:
        self._facts = facts
        self._world = world
        self._known = known
        self._to = to
        self._now = time.time()
        self._effects: dict[str, EffectState] = {}
        self._notes: list[str] = []
        self._fleet: dict[tuple[str, str], InstanceReading] = {}

    async def whole(self) -> Cold:
        await self._poll()
        for step, key, each in self._steps():
            await self._step(step, key, each)
        facts, playbook = self._facts, self._facts.playbook
        plan = resolved_plan(
            self._known.plan,
            facts.document.structure(),
            playbook,
            titles_of(playbook, facts.names),
            lasting(playbook, facts.names),
        )
        exposed = {e.exposure.flag: e.exposure.after for e in self._effects.values() if e.exposure is not None}
        state = replace(
            self._known,
            phase="closed",
            plan=plan,
            environment=playbook.release.environment,
            services=service_facts(playbook),
            integrity=tuple(s.id for s in playbook.rollback.integrity),
            locks=locks_of(playbook, facts.names),
            effects=self._effects,
            next_effect=len(self._effects) + 1,
            exposure=exposed,
            last_at=self._now,
        )
        return Cold(state=state, notes=tuple(dict.fromkeys(self._notes)))

    async def _poll(self) -> None:
        playbook = self._facts.playbook
        found = [target for name, service in playbook.services.items() for target in targets(name, service)]
        poller = InstancePoller(found, lambda _: None)
        try:
            self._fleet = {(r.service, r.instance): r for r in await poller.once()}
        finally:
            await poller.aclose()

    def _steps(self) -> Iterator[tuple[Step, str, dict[str, Any]]]:
        for stage in self._facts.playbook.stages:
            for step in stage.steps:
                each = self._known.plan.steps[step.id].each or {"": {}}
                for key, values in each.items():
                    yield step, key, values

    async def _step(self, step: Step, key: str, each: dict[str, Any]) -> None:
        if step.verb in _LEFT:
            self._notes.append(f"step {step.id} ({step.verb}) cannot be derived: look at it yourself")
        if step.verb not in ("flag", "rollout"):
            return
        names = {**self._facts.names, "run": run_names(self._known), "steps": {}, "each": each}
        try:
            fields = resolve_fields(self._facts.document, step, Names(names, self._now), specs())
            if isinstance(fields, FlagFields):
                await self._flag(step, key, fields.source, fields.name)
            elif isinstance(fields, RolloutFields) and fields.flag and fields.source:
                await self._flag(step, key, fields.source, fields.flag)
            elif isinstance(fields, RolloutFields):
                self._service(step, key, fields, names)
        except (AdapterError, Unresolved) as error:
            self._notes.append(f"step {step.id} cannot be derived: {explain(error)}")

    async def _flag(self, step: Step, key: str, source: str, flag: str) -> None:
        id_ = flag_id(source, flag)
        if any(effect.target.id == id_ for effect in self._effects.values()):
            return
        kind, spec = self._world.flag_kind(source), self._facts.playbook.sources[source]
        env = spec.environment or self._facts.playbook.release.environment
        try:
            now = await state_of(self._world.flags(source), flag)
        except AdapterError as silent:
            self._notes.append(f"{id_} cannot be read ({silent}): it is switched off unread")
            now = kind.rules.state(flag, env, dict(_UNREAD))
        if kind.rules.exposed(now.raw) == 0.0:
            self._notes.append(f"{id_} {'is off already' if now.exists else 'is not there'}")
            return
        off = kind.rules.plan(now, Off()).after
        made = FlagWrite(key=flag, env=env, before=off, after=now.raw, widens=True)
        undo = undo_of(kind, source, made, by_hand_of(kind, source, made, self._world), self._world.playbook)
        percent = kind.rules.exposed(now.raw)
        target = Target(kind="flag", id=id_, env=env)
        says = f"{flag} off, now at {percent:g} %"
        self._add(step, key, target, off, now.raw, undo, says, exposure=Exposure(flag=id_, before=0.0, after=percent))

    def _service(self, step: Step, key: str, fields: RolloutFields, names: dict[str, Any]) -> None:
        service = fields.service or ""
        ctx = self._context(step, key, names)
        for phase, wave in enumerate(rollout_service.waves_of(fields, ctx)):
            for unit in wave:
                if fields.revert is not None:
                    self._instance(step, key, (phase, service, unit), fields, ctx)

    def _instance(self, step: Step, key: str, at: tuple[int, str, str], fields: RolloutFields, ctx: Context) -> None:
        phase, service, unit = at
        reading = self._fleet.get((service, unit))
        version = reading.version if reading is not None and reading.ok is not None else None
        if version is not None and same_version(version, self._to):
            self._notes.append(f"{unit} reports {self._to} already")
            return
        assert fields.revert is not None
        instance = instances_of(service, self._facts.playbook)[unit]
        work = late_argv(fields.revert, ctx, instance=names_of(unit, instance, self._to))
        work = replace(work, timeout=ctx.plan.timeout or TIMEOUT)
        undo = rollout_service.undo_of(service, unit, self._to, work, ctx)
        target = Target(kind="instance", id=f"{service}/{unit}", env=self._facts.playbook.release.environment)
        before, after = {"version": self._to}, {"version": version}
        says = f"{unit} back to {self._to}, {f'it reports {version}' if version else 'it does not say what it runs'}"
        self._add(step, key, target, before, after, undo, says, phase=phase)

    def _context(self, step: Step, key: str, names: dict[str, Any]) -> Context:
        return Context(
            world=self._world,
            state=self._known,
            plan=StepPlan(id=step.id, stage="", verb=step.verb, timeout=step.timeout),
            step=StepState(step=step.id, key=key),
            names=names,
            now=lambda: self._now,
            log=lambda _: None,
        )

    def _add(
        self, step: Step, key: str, target: Target, before: Any, after: Any, undo: Undo, says: str, **more: Any
    ) -> None:
        number = len(self._effects) + 1
        self._effects[f"e{number}"] = EffectState(
            id=f"e{number}",
            seq=number,
            step=step.id,
            key=key,
            verb=step.verb,
            target=target,
            before=before,
            after=after,
            undo=replace(undo, says=f"{DERIVED}{says}"),
            idem="",
            deadline=self._now,
            at=self._now,
            ended_at=self._now,
            status="done",
            says=f"{DERIVED}{says}",
            **more,
        )
