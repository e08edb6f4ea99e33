"""rollout of a service, dependencies and verify, on real instances that a real deploy command restarts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from amplify_tui.adapters import pidfile
from amplify_tui.adapters.ports import Absent, Accepted, Done, Invalid, Outcome, Unknown, Unreachable
from amplify_tui.adapters.unleash.kind import UnleashKind
from amplify_tui.drill import plainhttp
from amplify_tui.drill.world import World
from amplify_tui.playbook.model import Playbook, Service, Stage, Step
from amplify_tui.run.shapes import StepPlan
from amplify_tui.run.state import Decision, EffectState, StepState
from amplify_tui.run.undo import LANDS_WITHIN
from amplify_tui.steps.commands import LateCommand, log_path, record_path
from amplify_tui.steps.dependencies import DependenciesFields
from amplify_tui.steps.http import Request
from amplify_tui.steps.http_call import ExpectAnswer
from amplify_tui.steps.instances import live
from amplify_tui.steps.monitor import MonitorFields
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.rollout_fields import RolloutFields
from amplify_tui.steps.verb import Context, Finished, Preparation, poll, stop, watched
from amplify_tui.steps.verify import VerifyFields
from amplify_tui.verdict.model import TermVerdict, Verdict
from amplify_tui.verdict.seen import looked
from tests.steps.steps_world import VERSION, Bench, RealWorld


def waved(**more: Any) -> RolloutFields:
    return RolloutFields(
        **{
            "service": "checkout",
            "waves": (1, 3),
            "bake": 2.0,
            "deploy": LateCommand(argv=("ops/deploy", "--host", "${{ instance.id }}", "--version", VERSION)),
            "revert": LateCommand(
                argv=("ops/deploy", "--host", "${{ instance.id }}", "--version", "${{ instance.before }}")
            ),
            **more,
        }
    )


def door(sandbox: World, method: str, path: str, body: Any = None) -> Any:
    here = sandbox.facts()["inject"]
    return plainhttp.call(f"{here['admin']['checkout-1']}{path}", method, body, token=here["token"])


@pytest.fixture(autouse=True)
def old_versions(sandbox: World) -> Iterator[None]:
    """Every test finds the versions from before the release, and leaves no fault behind."""
    yield
    for fault in door(sandbox, "GET", "/state")["faults"]:
        door(sandbox, "DELETE", f"/faults/{fault['id']}")
    for unit in ("checkout-1", "checkout-2", "checkout-3"):
        door(sandbox, "POST", "/deploy", {"instance": unit, "version": "2.9.4"})


async def versions(world: RealWorld) -> list[str | None]:
    return [(await live(world, "checkout", f"checkout-{n}")).version for n in (1, 2, 3)]


async def test_waves_are_cumulative_and_name_their_instances(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    prepared = await bench.verb.prepare(waved(), bench.ctx())
    assert prepared.watch is not None
    assert [(phase.target, phase.units) for phase in prepared.watch.phases] == [
        ("1 of 3", ("checkout-1",)),
        ("3 of 3", ("checkout-2", "checkout-3")),
    ]
    assert prepared.watch.max_wait == prepared.watch.settle + 6.0
    shares = await bench.verb.prepare(waved(waves=("34%", "100%")), bench.ctx())
    assert shares.watch is not None
    assert [len(phase.units) for phase in shares.watch.phases] == [2, 1]
    for waves in ((), (2, 1), (4,), (1, 2), ("x",)):
        with pytest.raises(Invalid):
            await bench.verb.prepare(waved(waves=waves), bench.ctx())


async def test_a_wave_is_deployed_and_taken_back_by_what_the_instances_report(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    for phase in (0, 1):
        made = await bench.drive(waved(), phase)
        assert [type(one.outcome) for one in made] == [Done] * (phase + 1), made
    assert await versions(sandbox_world) == [VERSION] * 3
    items = bench.plan()
    assert [str(item.target.id) for item in items] == [*(f"checkout/checkout-{n}" for n in (3, 2, 1)), "checkout"]
    assert items[0].spec["argv"] == ["ops/deploy", "--host", "checkout-3", "--version", "2.9.4"]
    made = await bench.take_all_back()
    assert [type(one.outcome) for one in made] == [Done] * 4
    assert await versions(sandbox_world) == ["2.9.4"] * 3


async def test_an_instance_that_runs_the_version_is_left_alone(sandbox: World, sandbox_world: RealWorld) -> None:
    door(sandbox, "POST", "/deploy", {"instance": "checkout-1", "version": VERSION})
    bench = Bench(sandbox_world, "rollout")
    [made] = await bench.drive(waved())
    assert made.draft is None


async def test_a_deploy_that_says_done_and_did_nothing_is_absent(sandbox: World, sandbox_world: RealWorld) -> None:
    door(sandbox, "POST", "/faults", {"kind": "stuck_version", "instance": "checkout-1"})
    [made] = await Bench(sandbox_world, "rollout", timeout=4.0).drive(waved())
    assert isinstance(made.outcome, Absent)
    assert "still reports 2.9.4" in made.outcome.reason


async def test_a_deploy_that_failed_is_believed_only_if_the_instance_agrees(sandbox_world: RealWorld) -> None:
    deploy = LateCommand(argv=("sh", "-c", f"ops/deploy --host $0 --version {VERSION}; exit 4", "${{ instance.id }}"))
    [made] = await Bench(sandbox_world, "rollout").drive(waved(deploy=deploy))
    assert isinstance(made.outcome, Done)  # it runs the new version, whatever its deployer says
    bench = Bench(sandbox_world, "rollout")
    fails = waved(deploy=LateCommand(argv=("false",)))
    for made in await bench.drive(fails, 1):
        assert isinstance(made.outcome, Absent)


async def test_an_instance_that_is_silent_before_its_deploy_stops_the_wave(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    door(sandbox, "POST", "/faults", {"kind": "hang", "instance": "checkout-1"})
    with pytest.raises(Unreachable, match="checkout-1"):
        await Bench(sandbox_world, "rollout").drive(waved())


async def test_the_probe_of_a_deploy_asks_the_instance(sandbox: World, sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    [made] = await bench.drive(waved())
    assert made.effect is not None
    assert (await bench.probe(made.effect)).result == "done"
    for version, result in (("2.9.4", "absent"), ("2.8.0", "diverged")):
        door(sandbox, "POST", "/deploy", {"instance": "checkout-1", "version": version})
        assert (await bench.probe(made.effect)).result == result
    door(sandbox, "POST", "/faults", {"kind": "hang", "instance": "checkout-1"})
    assert (await bench.probe(made.effect)).result == "unreachable"


async def test_a_deploy_that_outlives_its_conductor_can_be_ended(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    [[task]] = await bench.verb.tasks(waved(), bench.ctx(), 0)
    draft = await bench.verb.intend(task, bench.ctx())
    assert draft is not None
    effect = bench.keep(draft, task.ordinal)
    deploy = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        pidfile.remember(record_path(log_path(bench.ctx(), "checkout-1"), effect.id), deploy.pid, None)
        assert (await bench.probe(effect)).result == "running"
        assert await stop(bench.verb, effect, bench.ctx(effect.id))
        assert await deploy.wait() == -signal.SIGTERM
    finally:
        if deploy.returncode is None:
            deploy.kill()
            await deploy.wait()
    assert (await bench.probe(effect)).result == "absent"


async def test_an_instance_that_somebody_else_deployed_is_not_reverted(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    bench = Bench(sandbox_world, "rollout")
    await bench.drive(waved())
    door(sandbox, "POST", "/deploy", {"instance": "checkout-1", "version": "3.1.0"})
    made, look = await bench.take_all_back()
    assert isinstance(made.outcome, Absent)
    assert not made.outcome.retryable
    assert isinstance(look.outcome, Absent), "a fleet with a third version is not what it was"
    assert (await versions(sandbox_world))[0] == "3.1.0"
    for choice, left in (("retry", "3.1.0"), ("restore", "2.9.4")):  # another try is no leave to overwrite
        item, _ = bench.plan()
        decided = Decision(choice=choice, reason="looked", actor="sre")
        bench.state = replace(bench.state, decisions={item.id: decided})
        await bench.take_back(item)
        assert (await versions(sandbox_world))[0] == left, choice


async def looked_at(bench: Bench) -> Outcome:
    """What the last item of the way back finds: the look at the whole fleet."""
    made = await bench.take_back(bench.state.rollback_plan[-1])
    assert made.outcome is not None
    return made.outcome


async def test_an_instance_that_came_back_to_the_new_version_is_found_and_after_three_times_a_person_is_asked(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    bench = Bench(sandbox_world, "rollout")
    await bench.drive(waved())
    await bench.drive(waved(), 1)
    assert isinstance((await bench.take_all_back())[-1].outcome, Done)
    door(sandbox, "POST", "/deploy", {"instance": "checkout-2", "version": VERSION})
    for again in (True, True, False):
        found = await looked_at(bench)
        assert isinstance(found, Absent)
        assert (found.retryable, found.observed) == (again, {"checkout-2": VERSION})
    bench.state = replace(
        bench.state, decisions={"u3:fleet:checkout": Decision(choice="retry", reason="x", actor="sre", seq=1000)}
    )
    found = await looked_at(bench)
    assert isinstance(found, Absent)
    assert found.retryable, "who asked for another try has ended what kept deploying it"


async def test_a_deploy_that_had_no_answer_is_looked_for_until_it_cannot_land_any_more(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    bench = Bench(sandbox_world, "rollout")
    await bench.drive(waved())
    deploy = next(effect for effect in bench.state.effects.values() if effect.target.id == "checkout/checkout-1")
    given_up = replace(deploy, unknown_since=bench.ctx().now() - LANDS_WITHIN + 3.0)
    bench.state = replace(bench.state, effects=bench.state.effects | {deploy.id: given_up}, phase="rolling_back")
    bench.state = replace(bench.state, rollback_plan=tuple(bench.plan()))
    await bench.take_back(bench.state.rollback_plan[0])
    look = asyncio.create_task(looked_at(bench))
    await asyncio.to_thread(door, sandbox, "POST", "/deploy", {"instance": "checkout-1", "version": VERSION})
    found = await look
    assert isinstance(found, Absent)
    assert (found.retryable, found.observed) == (True, {"checkout-1": VERSION})


async def test_no_instance_of_a_service_is_left_on_the_new_version_also_where_this_run_did_not_deploy_it(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    bench = Bench(sandbox_world, "rollout")
    await bench.drive(waved(waves=(1,), partial=True))
    door(sandbox, "POST", "/deploy", {"instance": "checkout-3", "version": VERSION})
    _, look = await bench.take_all_back()
    assert isinstance(look.outcome, Absent)
    assert look.outcome.retryable
    assert look.outcome.observed == {"checkout-3": VERSION}
    assert (await versions(sandbox_world))[2] == VERSION, "it is not ours to revert"
    door(sandbox, "POST", "/deploy", {"instance": "checkout-3", "version": "2.9.4"})
    assert isinstance(await looked_at(bench), Done)


async def test_a_silent_instance_is_not_counted_as_back_and_a_waived_one_may_stay_as_it_is(
    sandbox: World, sandbox_world: RealWorld
) -> None:
    bench = Bench(sandbox_world, "rollout")
    await bench.drive(waved())
    await bench.take_all_back()
    door(sandbox, "POST", "/faults", {"kind": "hang", "instance": "checkout-1"})
    found = await looked_at(bench)
    assert isinstance(found, Absent)
    assert (found.retryable, found.error, found.observed) == (True, "Unreachable", {})
    unit = bench.state.rollback_plan[0]
    decisions = {unit.id: Decision(choice="waive", reason="it is being repaired", actor="sre")}
    bench.state = replace(bench.state, decisions=decisions)
    assert isinstance(await looked_at(bench), Done)


# --- dependencies ---------------------------------------------------------------------------------------------------


def needing(book: Playbook, wanted: str) -> Playbook:
    checkout = replace(book.services["checkout"], requires={"ledger": wanted})
    return replace(book, services=book.services | {"checkout": checkout})


async def test_dependencies_are_judged_on_what_runs_now(sandbox_world: RealWorld) -> None:
    sandbox_world.playbook = needing(sandbox_world.playbook, ">=2.3.0 <3")
    bench = Bench(sandbox_world, "dependencies")
    fields = DependenciesFields(planned={"checkout": VERSION})
    ended = await bench.finish(fields)
    assert (ended.ok, ended.outputs["order"][0]) == (True, "ledger")
    preview = (await bench.verb.prepare(fields, bench.ctx())).preview
    assert "checkout 2.9.4 -> 3.0.0" in preview
    assert "needs ledger >=2.3.0 <3: ok" in preview


async def test_a_violation_stops_and_names_both_versions(sandbox_world: RealWorld) -> None:
    sandbox_world.playbook = needing(sandbox_world.playbook, "^3")
    ended = await Bench(sandbox_world, "dependencies").finish(DependenciesFields())
    assert not ended.ok
    assert "checkout needs ledger ^3, ledger-1 runs 2.3.4" in ended.reason


async def test_a_silent_instance_is_no_fit(sandbox_world: RealWorld) -> None:
    book = needing(sandbox_world.playbook, ">=2")
    sandbox_world.playbook = replace(
        book, services=book.services | {"ledger": Service(instances=("http://127.0.0.1:9",))}
    )
    ended = await Bench(sandbox_world, "dependencies").finish(DependenciesFields())
    assert (ended.ok, "unknown" in ended.reason) == (False, True)
    assert (await Bench(sandbox_world, "dependencies").finish(DependenciesFields(on_unknown="continue"))).ok


# --- verify and monitor ---------------------------------------------------------------------------------------------


async def test_verify_asks_urls_and_versions_and_says_what_is_wrong(sandbox: World, sandbox_world: RealWorld) -> None:
    url = sandbox.facts()["services"]["ledger"][0]["url"]
    bench = Bench(sandbox_world, "verify")
    good = VerifyFields(http=(Request(url=f"{url}/health", expect=ExpectAnswer(json={"status": "ok"})),), max_wait=0.0)
    assert (await bench.finish(good)).ok
    bad = VerifyFields(http=(Request(url=f"{url}/version", expect=ExpectAnswer(json={"version": "9"})),), max_wait=0.0)
    assert 'has "2.3.4" at version, expected "9"' in (await bench.finish(bad)).reason
    assert (await bench.finish(VerifyFields(versions={"ledger": "^2.3"}, max_wait=0.0))).ok
    wrong = await bench.finish(VerifyFields(versions={"ledger": "^3"}, max_wait=0.0))
    assert "ledger-1 runs 2.3.4, expected ^3" in wrong.reason


async def test_conditions_are_watched_and_their_verdict_is_the_step_s(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "verify")
    fields = VerifyFields(conditions=("health", "fleet"), for_=5.0)
    watch = (await bench.verb.prepare(fields, bench.ctx())).watch
    assert watch is not None
    assert ([term.id for term in watch.gate], watch.phases[0].bake) == (["health", "fleet"], 5.0)
    assert not (await bench.finish(fields)).ok  # nobody has judged it
    bench.change(verdict=Verdict(answer="pass", reason="2 of 2 conditions pass"))
    assert (await bench.finish(fields)).ok


def steps_of(*steps: Step) -> tuple[Stage, ...]:
    return (Stage(id="s", steps=steps),)


async def test_a_rollback_is_ready_only_where_every_later_effect_has_an_undo(sandbox_world: RealWorld) -> None:
    deploy = Step(
        id="deploy", verb="rollout", fields={"service": "checkout", "waves": [3], "revert": {"argv": ["git"]}}
    )
    expand = Step(id="expand", verb="command", fields={"argv": ["x"], "undo": "none"})
    bare = Step(id="bare", verb="command", fields={"argv": ["x"]})
    flag = Step(id="flag", verb="flag", fields={"name": "f", "source": "flags"})
    bench = Bench(sandbox_world, "verify")
    fields = VerifyFields(rollback="ready")
    sandbox_world.playbook = replace(sandbox_world.playbook, stages=steps_of(deploy, expand, flag))
    ended = await bench.finish(fields)
    assert (ended.ok, ended.reason) == (True, "ready 2/2, 1 declared as not undoable")
    sandbox_world.playbook = replace(sandbox_world.playbook, stages=steps_of(deploy, bare, flag))
    ended = await bench.finish(fields)
    assert not ended.ok
    assert "ready 2/3" in ended.reason
    assert "bare has no undo" in ended.reason


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-script", "./README.md"])
async def test_a_rollback_is_not_ready_where_its_program_cannot_be_started(
    sandbox_world: RealWorld, program: str
) -> None:
    deploy = Step(
        id="deploy", verb="rollout", fields={"service": "checkout", "waves": [3], "revert": {"argv": [program]}}
    )
    sandbox_world.playbook = replace(sandbox_world.playbook, stages=steps_of(deploy))
    ended = await Bench(sandbox_world, "verify").finish(VerifyFields(rollback="ready"))
    assert not ended.ok
    assert program in ended.reason


class ByApproval(UnleashKind):
    """A kind of another package: each write waits for somebody."""

    abilities = replace(UnleashKind.abilities, approval=True)


class HaltOnly(UnleashKind):
    """A kind of another package: a share never goes down."""

    abilities = replace(UnleashKind.abilities, lower="halt_only")


@pytest.mark.parametrize(("kind", "ready"), [(UnleashKind, True), (ByApproval, False), (HaltOnly, False)])
async def test_a_rollback_is_not_ready_where_a_flag_needs_an_approval_or_cannot_go_down(
    sandbox_world: RealWorld, kind: type[UnleashKind], ready: bool
) -> None:
    flag = Step(id="flag", verb="flag", fields={"name": "f", "source": "flags"})
    sandbox_world.playbook = replace(sandbox_world.playbook, stages=steps_of(flag))
    sandbox_world.kinds["flags"] = kind()
    assert (await Bench(sandbox_world, "verify").finish(VerifyFields(rollback="ready"))).ok is ready


async def test_what_is_over_is_no_longer_walked(sandbox_world: RealWorld) -> None:
    bare = Step(id="bare", verb="command", fields={"argv": ["x"]})
    sandbox_world.playbook = replace(sandbox_world.playbook, stages=steps_of(bare))
    bench = Bench(sandbox_world, "verify")
    plan = bench.state.plan
    bench.state = replace(
        bench.state,
        plan=replace(plan, steps=plan.steps | {"bare": StepPlan(id="bare", stage="s", verb="command")}),
        steps=bench.state.steps | {"bare": StepState(step="bare", status="succeeded")},
    )
    assert (await bench.finish(VerifyFields(rollback="ready"))).ok


async def test_a_monitor_ends_with_a_sentence_and_the_worst_that_it_saw(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "monitor")
    fields = MonitorFields(gate=("health", "fleet"), for_=7200.0)
    watch = (await bench.verb.prepare(fields, bench.ctx())).watch
    assert watch is not None
    assert (watch.phases[0].bake, watch.on_fail) == (7200.0, "ask")
    near = TermVerdict(id="errors", answer="pass", reason="errors 0.9 %, limit 1 %", value=0.009, limit=0.01)
    far = TermVerdict(id="latency", answer="pass", reason="latency 100 ms, limit 800 ms", value=0.1, limit=0.8)
    passed = Verdict(answer="pass", reason="2 of 2 conditions pass", terms=(far, near))
    bench.change(watch=watch, verdict=Verdict(answer="undecided", reason="too early"))
    assert not (await bench.finish(fields)).ok
    assert watched(bench.verb, bench.step, passed) == {
        "verdict": "pass",
        "summary": "2h: 2 of 2 conditions pass",
        "worst": "",
    }
    seen = looked((), passed, watch.gate, 5.0, 1_700_000_000.0)
    bench.change(overridden=("latency",), seen=seen)
    assert watched(bench.verb, bench.step, passed)["worst"] == "errors 0.009, limit 0.01, at 2023-11-14 22:13:20 UTC"
    bench.change(seen=())
    assert watched(bench.verb, bench.step, passed)["summary"].endswith("; overridden: latency")


async def test_a_rollout_tells_its_phase_and_its_waves_when_its_gate_ends_it(sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    bench.change(watch=(await bench.verb.prepare(waved(), bench.ctx())).watch, phase=1)
    passed = Verdict(answer="pass", reason="all pass", terms=())
    assert watched(bench.verb, bench.step, passed) == {"phase": 2, "percent": None, "waves": 2}
    assert set(watched(bench.verb, bench.step, passed)) == set(bench.verb.outputs)


# --- accepted -------------------------------------------------------------------------------------------------------


class Pipeline(Quiet):
    """A verb of another package: its effects are done when a file that the pipeline writes says so."""

    name = "pipeline"
    Fields = MonitorFields
    outputs: ClassVar[dict[str, str]] = {}

    def __init__(self, said: Path) -> None:
        self._said = said

    async def poll(self, effect: EffectState, ctx: Context) -> Outcome:
        if not self._said.exists():
            return Accepted(handle=effect.handle, waits_for="the build")
        return Done(receipt={"build": self._said.read_text()})

    async def prepare(self, fields: MonitorFields, ctx: Context) -> Preparation:
        return Preparation()

    async def finish(self, fields: MonitorFields, ctx: Context) -> Finished:
        return Finished(ok=True)


async def test_what_was_accepted_is_asked_by_its_handle_until_it_ends(sandbox_world: RealWorld, tmp_path: Path) -> None:
    bench = Bench(sandbox_world, "rollout")
    [made] = await bench.drive(waved())
    assert made.effect is not None
    accepted = replace(made.effect, status="accepted", handle="build-7", reason="the build")
    word = Pipeline(tmp_path / "said")
    waits = Accepted(handle="build-7", waits_for="the build")
    assert await poll(word, accepted, bench.ctx(accepted.id)) == waits
    (tmp_path / "said").write_text("7")
    assert await poll(word, accepted, bench.ctx(accepted.id)) == Done(receipt={"build": "7"})


async def test_a_verb_without_a_poll_is_asked_by_its_probe(sandbox: World, sandbox_world: RealWorld) -> None:
    bench = Bench(sandbox_world, "rollout")
    [made] = await bench.drive(waved())
    assert made.effect is not None
    accepted = replace(made.effect, status="accepted", handle="build-7", reason="the build")
    answers = {VERSION: Done, "2.9.4": Absent, "2.8.0": Unknown}
    for version, kind in answers.items():
        door(sandbox, "POST", "/deploy", {"instance": "checkout-1", "version": version})
        assert isinstance(await poll(bench.verb, accepted, bench.ctx(accepted.id)), kind)
    door(sandbox, "POST", "/faults", {"kind": "hang", "instance": "checkout-1"})
    silent = await poll(bench.verb, accepted, bench.ctx(accepted.id))
    assert silent == Accepted(handle="build-7", waits_for="the build")
