"""A world for verbs, on real things: a repository with a remote, the sandbox's flag server, services and sink.

`Bench` does with one verb what the conductor does (intend, act, keep the effect), without a journal: its state is made
of the same structs that the fold makes.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.adapters.flags.kills import Kills
from amplify_tui.adapters.flags.kinds import kind_of
from amplify_tui.adapters.flags.port import FlagKind
from amplify_tui.adapters.git import GitRepo
from amplify_tui.adapters.notify import open_notifier
from amplify_tui.adapters.ports import Absent, Done, FlagProvider, NoSecret, Notifier, Outcome, Probe, Unknown
from amplify_tui.adapters.unleash.provider import UnleashProvider
from amplify_tui.playbook.context import reveal
from amplify_tui.playbook.model import Instance, Playbook, Release, Service, Source, Stakeholder
from amplify_tui.run.shapes import Plan, ServiceFacts, StepPlan, Subject, UndoItem, ref_of
from amplify_tui.run.state import EffectState, State, StepState
from amplify_tui.run.undo import undo_plan
from amplify_tui.steps.instances import instances_of
from amplify_tui.steps.registry import verb
from amplify_tui.steps.verb import Context, Draft, Finished, Task
from amplify_tui.verdict.model import Evidence, InstanceReading

VERSION = "3.0.0"
SHA = "0" * 40


def playbook(facts: dict[str, Any] | None = None, **more: Any) -> Playbook:
    """A playbook with the services, the flag server and the sink of the sandbox, where there is one."""
    given: dict[str, Any] = {"name": "steps", "release": Release(repo=".", version=VERSION, environment="production")}
    if facts is not None:
        given["services"] = {
            name: Service(instances=tuple(Instance(url=one["url"], id=one["id"]) for one in seats))
            for name, seats in facts["services"].items()
        }
        given["sources"] = {"flags": Source(unleash=facts["flags"]["url"], poll=1.0)}
        given["stakeholders"] = {"support": Stakeholder(via="webhook", url=f"{facts['sink']['http']}/support")}
    return Playbook(**{"stages": (), **given, **more})


class RealWorld:
    """`steps.verb.World` on real adapters; every instance is asked when it is refreshed."""

    def __init__(self, book: Playbook, root: Path, run_dir: Path, *, token: str = "") -> None:
        self.playbook = book
        self.repo_path = root
        self.run_dir = run_dir
        self.playbook_dir = root
        self.secrets: dict[str, str] = {}
        self.token = token
        self.kinds: dict[str, FlagKind] = {}  # by source, where it is of a package of its own
        self._repo = GitRepo(root)
        self._fleet: list[InstanceReading] = []
        self._providers: dict[str, UnleashProvider] = {}

    def flags(self, source: str) -> FlagProvider:
        if source not in self._providers:
            url = self.playbook.sources[source].unleash or ""
            self._providers[source] = UnleashProvider(url, self.token, environment="production", timeout=3)
        return self._providers[source]

    async def kill(self, source: str, flag: str) -> Outcome:
        return await Kills(self.flags(source)).kill(flag)

    def flag_kind(self, source: str) -> FlagKind:
        return self.kinds.get(source) or kind_of(self.playbook.sources[source], source)

    def notifier(self, stakeholder: str) -> Notifier:
        spec = self.playbook.stakeholders[stakeholder]
        return open_notifier(spec, url=self.reveal(spec.url or ""), timeout=2)

    def git(self) -> GitRepo:
        return self._repo

    def evidence(self) -> Evidence:
        return Evidence(fleet=tuple(self._fleet))

    def reveal(self, text: str) -> str:
        return reveal(text, self._secret)

    def _secret(self, name: str) -> str:
        if name not in self.secrets:
            raise NoSecret(name)
        return self.secrets[name]

    async def refresh(self) -> None:
        async with httpx.AsyncClient(timeout=1) as client:
            asked = [self._ask(client, service, unit, one.url) for service, unit, one in self._instances()]
            self._fleet += await asyncio.gather(*asked)

    def _instances(self) -> list[tuple[str, str, Instance]]:
        return [
            (service, unit, one)
            for service in self.playbook.services
            for unit, one in instances_of(service, self.playbook).items()
        ]

    async def _ask(self, client: httpx.AsyncClient, service: str, unit: str, url: str) -> InstanceReading:
        said: dict[str, Any] = {}
        try:
            said = (await client.get(f"{url}/version")).json()
        except httpx.HTTPError as error:
            said = {"note": type(error).__name__}
        now = time.time()
        return InstanceReading(
            service=service,
            instance=unit,
            url=url,
            status="ok" if "version" in said else "error",
            data_at=now,
            received_at=now,
            ok=True if "version" in said else None,
            version=said.get("version"),
            schema=str(said["schema"]) if "schema" in said else None,
            note=said.get("note", ""),
        )

    async def aclose(self) -> None:
        for provider in self._providers.values():
            await provider.aclose()


class Made(Struct, frozen=True):
    """What one task led to; `draft` None: nothing was to do."""

    draft: Draft | None
    outcome: Outcome | None
    effect: EffectState | None


class Bench:
    """One step of one run, worked as the conductor works it."""

    def __init__(self, world: RealWorld, name: str, *, step: str = "it", timeout: float | None = None) -> None:
        self.world = world
        self.verb = verb(name)
        self.log: list[str] = []
        plan = StepPlan(id=step, stage="s", verb=name, timeout=timeout)
        self.state = State(
            run="r1",
            phase="forward",
            environment="production",
            plan=Plan(name="steps", steps={step: plan}),
            subject=Subject(repo=".", sha=SHA, version=VERSION, previous="2.9.4"),
            steps={ref_of(step): StepState(step=step, status="running", n=1)},
            services={
                name: ServiceFacts(instances=tuple(instances_of(name, world.playbook)))
                for name in world.playbook.services
            },
            created_at=time.time(),
            started_at=time.time(),
        )
        self.names: dict[str, Any] = {"release": {"version": VERSION}, "run": {"id": "r1"}}
        self._step = step

    @property
    def step(self) -> StepState:
        return self.state.steps[ref_of(self._step)]

    def change(self, **fields: Any) -> None:
        """Changes the step, as the fold of an event would."""
        self.state = replace(self.state, steps=self.state.steps | {self.step.ref: replace(self.step, **fields)})

    def ctx(self, effect: str = "", *, now: float | None = None) -> Context:
        return Context(
            world=self.world,
            state=self.state,
            plan=self.state.plan.steps[self._step],
            step=self.step,
            names=self.names,
            now=time.time if now is None else lambda: now,
            log=self.log.append,
            effect=effect,
        )

    async def drive(self, fields: Any, phase: int = 0) -> list[Made]:
        """All tasks of a phase, in order; stops at the first that is not done."""
        made: list[Made] = []
        for group in await self.verb.tasks(fields, self.ctx(), phase):
            made += [await self.perform(task) for task in group if not self._has(task)]
            if any(one.outcome is not None and not isinstance(one.outcome, Done) for one in made):
                break
        return made

    def _has(self, task: Task) -> bool:
        return any(e.idem.endswith(f"/{task.ordinal}") and e.status != "absent" for e in self.state.effects.values())

    async def perform(self, task: Task, *, undoes: str = "") -> Made:
        draft = await self.verb.intend(task, self.ctx())
        if draft is None:
            return Made(None, None, None)
        effect = self.keep(draft, task.ordinal, undoes=undoes)
        outcome = await self.verb.act(draft, self.ctx(effect.id))
        return Made(draft, outcome, self.settle(effect, outcome))

    def keep(self, draft: Draft, ordinal: str, *, undoes: str = "") -> EffectState:
        """The intent, as the fold keeps it."""
        number = self.state.next_effect
        effect = EffectState(
            id=f"e{number}",
            seq=number,
            step="rollback" if undoes else self._step,
            key="",
            verb=self.verb.name,
            target=draft.target,
            before=draft.before,
            after=draft.after,
            undo=draft.undo,
            idem=f"r1/{self._step}//{ordinal}",
            deadline=time.time() + draft.timeout,
            at=time.time(),
            n=self.step.n,
            says=draft.says,
            undoes=undoes,
            exposure=draft.exposure,
        )
        tries = self.state.tries
        if undoes:
            tries = tries | {undoes: (*tries.get(undoes, ()), effect.id)}
        effects = self.state.effects | {effect.id: effect}
        self.state = replace(self.state, effects=effects, tries=tries, next_effect=number + 1)
        return effect

    def settle(self, effect: EffectState, outcome: Outcome) -> EffectState:
        match outcome:
            case Done(receipt=receipt, observed=observed):
                effect = replace(effect, status="done", receipt=receipt, observed=observed, ended_at=time.time())
            case Absent(reason=reason, retryable=retryable, observed=observed):
                effect = replace(effect, status="absent", reason=reason, retryable=retryable, observed=observed)
            case Unknown(cause=cause):
                effect = replace(effect, status="unknown", reason=cause)
        self.state = replace(self.state, effects=self.state.effects | {effect.id: effect})
        return effect

    async def probe(self, effect: EffectState) -> Probe:
        return await self.verb.probe(effect, self.ctx(effect.id))

    async def finish(self, fields: Any) -> Finished:
        return await self.verb.finish(fields, self.ctx())

    def plan(self) -> list[UndoItem]:
        return list(undo_plan(self.state))

    async def take_back(self, item: UndoItem) -> Made:
        """One item of the undo plan, by its own verb."""
        self.verb = verb(item.verb)
        return await self.perform(await self.verb.undo(item, self.ctx()), undoes=item.id)

    async def take_all_back(self) -> list[Made]:
        self.state = replace(self.state, phase="rolling_back", rollback_plan=tuple(self.plan()))
        return [await self.take_back(item) for item in self.plan() if item.cls != "none"]
