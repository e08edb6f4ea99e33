"""A rollout of a service in waves: each instance is deployed by the team's command, and believed by its own /version.

| the command says | the instance says | outcome |
| --- | --- | --- |
| done | the new version, in time | Done |
| done | the old one, until the time is up | Absent: the deploy did nothing |
| failed | the old one | Absent |
| anything | the new version | Done: the instance knows best |
| anything | nothing, or a third version | Unknown: the probe goes on asking |
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from amplify_tui.adapters.ports import Absent, Done, Invalid, Outcome, Probe, Unknown, Unreachable
from amplify_tui.report import shell
from amplify_tui.run.shapes import CODE_BAND, PhasePlan, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps.commands import MARGIN, TIMEOUT, Work, at_work, by_hand, late_argv, perform
from amplify_tui.steps.instances import Live, instances_of, live, names_of
from amplify_tui.steps.rollout_fields import RolloutFields, bakes, preview_of, watch_of
from amplify_tui.steps.verb import Context, Draft, Preparation, Task
from amplify_tui.verdict.fleet import same_version

SETTLE: Final = 2.0
READY_WITHIN: Final = 30.0  # from the end of a deploy command to the first answer of the new version
_POLL: Final = 0.25


async def prepare(fields: RolloutFields, ctx: Context) -> Preparation:
    service = _service(fields)
    groups = waves_of(fields, ctx)
    total = sum(len(group) for group in groups)
    done = 0
    phases = []
    for group, bake in zip(groups, bakes(fields, len(groups)), strict=True):
        done += len(group)
        phases.append(PhasePlan(target=f"{done} of {total}", bake=bake, units=group))
    settle = SETTLE if fields.settle is None else fields.settle
    watch = watch_of(fields, tuple(phases), ctx.world.playbook, settle, service=service)
    return Preparation(preview=preview_of(watch, f"{service} to {_version(ctx)}"), watch=watch)


def waves_of(fields: RolloutFields, ctx: Context) -> list[tuple[str, ...]]:
    """The instances of each wave. Waves are cumulative counts, or percents of the instances, rounded up."""
    ids = tuple(instances_of(_service(fields), ctx.world.playbook))
    counts = [_count(wave, len(ids)) for wave in fields.waves]
    if not counts or any(later <= earlier for earlier, later in zip([0, *counts], counts, strict=False)):
        raise Invalid(f"waves {list(fields.waves)} do not rise", fix="they are cumulative, like [1, 2, 4]")
    if counts[-1] > len(ids):
        raise Invalid(f"wave {counts[-1]} is more than the {len(ids)} instances of {fields.service}")
    if counts[-1] < len(ids) and not fields.partial:
        raise Invalid(
            f"the last wave leaves {len(ids) - counts[-1]} of {len(ids)} instances of {fields.service} as they are",
            fix=f"add {len(ids)}, or say partial: true",
        )
    return [ids[start:end] for start, end in zip([0, *counts], counts, strict=False)]


def tasks(fields: RolloutFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
    """The instances of the wave, at once."""
    return [
        [
            Task(
                ordinal=f"{ctx.step.ramp}.{phase}.{unit}",
                data={"fields": fields, "unit": unit},
                label=f"{unit} to {_version(ctx)}",
            )
            for unit in waves_of(fields, ctx)[phase]
        ]
    ]


async def intend(task: Task, ctx: Context) -> Draft | None:
    """None where the instance runs the version already. Raises Unreachable where it does not say what it runs:
    without a version before there is nothing to go back to."""
    fields: RolloutFields = task.data["fields"]
    service, unit, version = _service(fields), task.data["unit"], _version(ctx)
    if fields.deploy is None or fields.revert is None:
        raise Invalid("a rollout in waves has deploy and revert")
    now = await live(ctx.world, service, unit)
    if now.version is None:
        raise Unreachable(f"{now.note}: the version to go back to is not known", fix="mend it, or take it out")
    if same_version(now.version, version):
        return None
    names = names_of(unit, instances_of(service, ctx.world.playbook)[unit], now.version)
    timeout = ctx.plan.timeout or TIMEOUT
    deploy, revert = (
        msgspec.structs.replace(late_argv(command, ctx, instance=names), timeout=timeout)
        for command in (fields.deploy, fields.revert)
    )
    return Draft(
        target=Target(kind="instance", id=f"{service}/{unit}", env=ctx.state.environment),
        before={"version": now.version},
        after={"version": version},
        timeout=timeout + MARGIN + READY_WITHIN,
        says=f"{unit} from {now.version} to {version}",
        data={"work": deploy, "slot": unit},
        undo=undo_of(service, unit, now.version, revert, ctx),
    )


def undo_of(service: str, unit: str, version: str, revert: Work, ctx: Context) -> Undo:
    """How an instance gets back to *version*: by *revert*, which was resolved for it."""
    return Undo(
        band=CODE_BAND,
        verb="rollout",
        spec={
            "argv": list(revert.argv),
            "work": msgspec.to_builtins(revert),
            "service": service,
            "instance": unit,
            "version": version,
        },
        cls="guarded",
        says=f"{unit} back to {version}",
        by_hand=by_hand(revert, ctx.world.repo_path),
        proof=_proof(service, unit, version, ctx),
    )


def _proof(service: str, unit: str, version: str, ctx: Context) -> str:
    """The line that ends with 0 where the instance reports *version*."""
    spec = ctx.world.playbook.services[service].version
    url = instances_of(service, ctx.world.playbook)[unit].url.rstrip("/") + spec.path
    return f"{shell.curl('GET', url)} | grep -Fq -e {shell.quoted(json.dumps(version))}"


async def act(draft: Draft, ctx: Context) -> Outcome:
    """Runs the command, then asks the instance; an undo that has nothing to do is done."""
    if draft.data.get("already"):
        return Done(observed=draft.after)
    if "refused" in draft.data:
        return Absent(reason=draft.data["refused"], error="Conflict")
    work: Work = draft.data["work"]
    said = await perform(work, ctx, slot=draft.data["slot"])
    patience = min(READY_WITHIN, work.timeout) if isinstance(said, Done) else 0.0
    now = await _wait_for(draft, ctx, patience)
    wanted, before = draft.after["version"], draft.before.get("version")
    if now.version is not None and same_version(now.version, wanted):
        return Done(receipt=said.receipt if isinstance(said, Done) else {}, observed={"version": now.version})
    if isinstance(said, Unknown):
        return said
    words = said.reason if isinstance(said, Absent) else "its command ended well"
    unit = draft.target.id.partition("/")[2]
    if now.version is None:
        return Unknown(cause=f"{words}, and {now.note}")
    if before is None or not same_version(now.version, before):
        return Unknown(cause=f"{words}, and {unit} reports {now.version}, not {wanted}")
    late = f" after {patience:g} s" if patience else ""
    error = said.error if isinstance(said, Absent) else "Conflict"
    return Absent(reason=f"{words}, and {unit} still reports {now.version}{late}", retryable=True, error=error)


async def _wait_for(draft: Draft, ctx: Context, patience: float) -> Live:
    service, _, unit = draft.target.id.partition("/")
    asked = asyncio.get_running_loop().time()
    while True:
        now = await live(ctx.world, service, unit)
        if now.version is not None and same_version(now.version, draft.after["version"]):
            return now
        if asyncio.get_running_loop().time() - asked >= patience:
            return now
        await asyncio.sleep(_POLL)


async def probe(effect: EffectState, ctx: Context) -> Probe:
    """By what the instance itself reports; while the command of an earlier conductor runs, nobody can say."""
    service, _, unit = effect.target.id.partition("/")
    if running := at_work(ctx, slot_of(effect)):
        return Probe(result="running", detail=f"the deploy of {unit}: {running}")
    now = await live(ctx.world, service, unit)
    if now.version is None:
        return Probe(result="unreachable", detail=now.note)
    observed = {"version": now.version}
    if same_version(now.version, effect.after["version"]):
        return Probe(result="done", observed=observed)
    if same_version(now.version, str(effect.before.get("version"))):
        return Probe(result="absent", observed=observed, detail=f"{unit} reports {now.version}")
    return Probe(result="diverged", observed=observed, detail=f"{unit} reports {now.version}, neither of the two")


def slot_of(effect: EffectState) -> str:
    """The slot of the effect's log and record: the instance's name."""
    return effect.target.id.partition("/")[2]


async def undoing(item: UndoItem, ctx: Context) -> Draft:
    """The way back of one instance, from journaled data alone.

    An instance that runs a third version is somebody else's by now: a person decides. One that does not answer is
    reverted all the same: a version that does not come up is what one goes back from.
    """
    spec: dict[str, Any] = item.spec
    unit, before = spec["instance"], spec["version"]
    ours = str(item.after["version"])
    now = await live(ctx.world, spec["service"], unit)
    work = msgspec.convert(spec["work"], Work)
    data: dict[str, Any] = {"work": work, "slot": unit}
    says = f"{unit} back to {before}"
    decision = ctx.state.decisions.get(item.id)
    overwrites = decision is not None and decision.choice == "restore"  # `retry` only asks for another try
    if now.version is not None and same_version(now.version, before):
        data, says = {"already": True}, f"{unit} runs {before} already"
    elif now.version is not None and not same_version(now.version, ours) and not overwrites:
        data = {"refused": f"{unit} runs {now.version}, neither {ours} nor {before}: somebody else deployed it"}
    return Draft(
        target=item.target,
        before={"version": now.version},
        after={"version": before},
        timeout=work.timeout + MARGIN + READY_WITHIN,
        says=says,
        data=data,
    )


def _count(wave: int | str, total: int) -> int:
    if isinstance(wave, int):
        return wave
    try:
        share = float(wave.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not wave.endswith("%") or not 0 < share <= 100:
        raise Invalid(f"{wave!r} is no wave", fix="write a count, or a percentage like 25%")
    return math.ceil(total * share / 100)


def _service(fields: RolloutFields) -> str:
    if not fields.service:
        raise Invalid("a rollout in waves names a service")
    return fields.service


def _version(ctx: Context) -> str:
    if ctx.state.subject is not None:
        return ctx.state.subject.version
    return str(ctx.names.get("release", {}).get("version", ""))
