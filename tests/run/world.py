"""A run to play with: States are made only by decide, envelope and evolve, as the conductor makes them.

Also a plan that has one of each: a sign-off, a command, a flag rollout of two phases behind a gate, an undo for every
effect, a step of the rollback section, an integrity check and a trigger. No time passes unless a test says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from amplify_tui.playbook.model import Condition, Input, Signal
from amplify_tui.run import commands as c
from amplify_tui.run import events as ev
from amplify_tui.run.agenda import unproven
from amplify_tui.run.decide import decide
from amplify_tui.run.drift import left_by
from amplify_tui.run.envelope import GENESIS, body_hash, decode, enclose, encode
from amplify_tui.run.evolve import evolve
from amplify_tui.run.shapes import (
    CODE_BAND,
    EXPOSURE_BAND,
    Await,
    Bundle,
    Drift,
    Exposure,
    Mode,
    OnBlindPlan,
    PhasePlan,
    Plan,
    Refusal,
    SignOffPlan,
    StagePlan,
    StepPlan,
    Subject,
    Target,
    TriggerSpec,
    Trust,
    Undo,
    Watch,
)
from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.model import Evidence, Reading, Term

T0 = 1_700_000_000.0
SERVED = Signal(golden="errors", source="prom", bad="b", total="t", window=5.0, min_samples=0)
ERRORS = Term(id="errors", condition=Condition(signal="errors", above=0.01, for_=10.0), signal=SERVED)
FLAG = Target(kind="flag", id="unleash/checkout", env="production")
DEPLOY = Target(kind="command", id="deploy")
PHASES = (PhasePlan(target="5 %", bake=30.0, percent=5.0), PhasePlan(target="100 %", bake=30.0, percent=100.0))
WATCH = Watch(phases=PHASES, gate=(ERRORS,), max_wait=600.0, flag=FLAG.id)
TRIGGER = TriggerSpec(id="errors", term=ERRORS, answer_within=30.0)
CONFIRM = Await(kind="confirm", detail="a yes")
SHA = "preview-1"

ON_BLIND = OnBlindPlan(after=20.0)

STEPS = {
    "agree": StepPlan(id="agree", stage="go", verb="confirm", sign_off=SignOffPlan(roles={"qa": 1})),
    "deploy": StepPlan(id="deploy", stage="go", verb="command", needs=("agree",), skippable=True),
    "ramp": StepPlan(id="ramp", stage="go", verb="rollout", needs=("deploy",), skippable=True),
    "tell": StepPlan(id="tell", stage="rollback", verb="notify", lane="after"),
}
PLAN = Plan(
    name="release",
    stages=(StagePlan(id="go", title="Go", steps=("agree", "deploy", "ramp")),),
    steps=STEPS,
    inputs={"ticket": Input(type="string", default="none")},
)


@lru_cache(maxsize=64)
def readings(kind: str, now: float, *, signal: str = "errors", lasting: float = 50.0) -> Evidence:
    """A history of polls up to *now*: `good`, `bad`, or `missing` (nothing at all)."""
    share = {"good": 0.001, "bad": 0.5, "slightly": 0.02, "worse": 0.03}.get(kind)
    if share is None:
        return Evidence()
    polls = int(lasting // 5)
    return Evidence(signals=tuple(_poll(now - 5.0 * i, share, signal) for i in range(polls, -1, -1)))


def _poll(at: float, share: float, signal: str) -> Reading:
    return Reading(
        signal=signal,
        source="prom",
        status="ok",
        data_at=at,
        received_at=at,
        window_from=at - 5.0,
        window_to=at,
        bad=share * 100.0,
        total=100.0,
        value=share,
        n=500.0,
    )


def a_plan(**changes: StepPlan) -> Plan:
    """The plan with some of its steps replaced or added."""
    return replace(PLAN, steps=STEPS | changes)


def changed(run: Run, percent: float = 50.0, by: str = "outside@example.com", effect: str = "") -> Drift:
    """Somebody set the flag to *percent*, seen against what our last effect on it left."""
    left = left_by(run.state, FLAG.id)
    was = run.live()
    return Drift(
        flag=FLAG.id,
        effect=effect or (left.id if left else "e0"),
        observed={"percent": percent, "theirs": True},
        fingerprint=f"at {percent:g}",
        percent=percent,
        left_percent=was,
        widens=percent > was,
        what=f"strategy ramp: {percent:g}%",
        by=by,
        changed_at=run.now,
    )


def mend(run: Run, hold: str, **more: Any) -> c.Intend:
    """The intent to make the flag ours again for which *hold* was answered."""
    drift = run.state.holds[hold].drift
    assert drift is not None
    was = run.live()
    intent: c.Intend = run.make(
        c.Intend,
        verb="flag",
        target=FLAG,
        before=drift.observed,
        after={"percent": was},
        undo=flag_undo(),
        ordinal=str(sum(e.step == f"drift-{hold}" for e in run.state.effects.values())),
        deadline=run.now + 13.0,
        mends=hold,
        exposure=Exposure(flag=FLAG.id, before=drift.percent, after=was),
        **more,
    )
    return intent


def flag_undo() -> Undo:
    return Undo(band=EXPOSURE_BAND, verb="flag", spec={"flag": "checkout"}, says="checkout off")


def deploy_undo() -> Undo:
    return Undo(band=CODE_BAND, verb="command", spec={"argv": ["undeploy"]}, cls="manual", says="undeployed")


class Run:
    """One run, and a clock that a test moves. `do` gives what `decide` gave; the state has moved on by then."""

    def __init__(
        self,
        plan: Plan = PLAN,
        *,
        triggers: tuple[TriggerSpec, ...] = (TRIGGER,),
        on_blind: OnBlindPlan = ON_BLIND,
        integrity: tuple[str, ...] = ("orders",),
        started: bool = True,
        mode: Mode = "live",
        state: State | None = None,
        now: float = T0,
        name: str = "r1",
        supersedes: str = "",
    ) -> None:
        self.now = now
        self.name = name
        self.state = state or State()
        self.journal: list[bytes] = []
        self.keeps_journal = True
        self.ids = 0
        if state is not None:
            return
        bundle = Bundle(sha256="0" * 64, files=())
        self.fold(
            ev.RunCreated(
                mode=mode, plan=plan, bundle=bundle, engine="0.1", playbook="release.yaml", supersedes=supersedes
            )
        )
        self.lease()
        if started:
            self.ok(c.Start, facts=self.facts(triggers, on_blind, integrity))

    def facts(
        self,
        triggers: tuple[TriggerSpec, ...] = (TRIGGER,),
        on_blind: OnBlindPlan = ON_BLIND,
        integrity: tuple[str, ...] = ("orders",),
    ) -> ev.RunStarted:
        return ev.RunStarted(
            environment="production",
            subject=Subject(repo="shop", sha="a" * 40, version="3.0.0"),
            plan=self.state.plan,
            triggers=triggers,
            on_blind=on_blind,
            integrity=integrity,
            trust=Trust(),
        )

    def fork(self) -> Run:
        """Another run at the same point, to try something from here. It keeps no journal."""
        other = Run(state=self.state, now=self.now, name=self.name)
        other.keeps_journal = False
        other.ids = self.ids
        return other

    def fold(self, *events: Any, actor: str = "captain", via: ev.Via = "key", cmd: str = "") -> None:
        for data in events:
            prev = body_hash(self.journal[-1]) if self.journal else GENESIS
            env = enclose(
                data,
                seq=self.state.seq + 1,
                run=self.name,
                epoch=self.state.conductor.epoch,
                at=self.now,
                actor=actor,
                via=via,
                cmd=cmd,
                prev=prev,
            )
            if self.keeps_journal:
                self.journal.append(encode(env))
                env = decode(self.journal[-1])
            self.state = evolve(self.state, env)

    def make(self, kind: type[Any], **fields: Any) -> Any:
        self.ids += 1
        person = kind in c.PERSON_COMMANDS
        base = {"id": f"c{self.ids}", "actor": "captain" if person else "conductor", "via": "key" if person else None}
        base["via"] = base["via"] or ("trigger" if kind is c.Sense else "engine")
        return kind(**(base | fields))

    def do(self, command: c.Command) -> tuple[ev.EventData, ...] | Refusal:
        result = decide(self.state, command, self.now)
        if not isinstance(result, Refusal):
            self.fold(*result, actor=command.actor, via=command.via, cmd=command.id)
        return result

    def take(self, command: c.Command) -> tuple[ev.EventData, ...]:
        """As `do`, for what has to be taken."""
        result = self.do(command)
        assert not isinstance(result, Refusal), str(result)
        return result

    def order(self, kind: type[Any], **fields: Any) -> tuple[ev.EventData, ...] | Refusal:
        return self.do(self.make(kind, **fields))

    def ok(self, kind: type[Any], **fields: Any) -> tuple[ev.EventData, ...]:
        result = self.order(kind, **fields)
        assert not isinstance(result, Refusal), str(result)
        return result

    def refused(self, kind: type[Any], **fields: Any) -> Refusal:
        before = self.state
        result = self.order(kind, **fields)
        assert isinstance(result, Refusal), result
        assert result.what
        assert result.why
        assert self.state is before
        return result

    def wait(self, seconds: float) -> Run:
        self.now += seconds
        return self

    def step(self, name: str) -> StepState:
        found = self.state.step(name)
        assert found is not None
        return found

    def effect(self, name: str = "") -> Any:
        return self.state.effects[name] if name else next(reversed(self.state.effects.values()))

    def lease(self) -> None:
        """A conductor takes over; the one before may have died in the middle of anything."""
        self.ok(c.TakeLease, host="box", pid=7, lease=self.state.conductor.epoch + 1)

    # --- what the conductor does with the steps of PLAN ---------------------------------------------------------------

    def begin(self, step: str, **more: Any) -> tuple[ev.EventData, ...] | Refusal:
        fields: dict[str, Any] = {"step": step, "preview": "what it does", "preview_sha": SHA}
        if self.state.plan.steps[step].verb == "rollout":
            fields["watch"] = WATCH
            self.take_baseline()
        if self.state.plan.steps[step].verb == "confirm":
            fields["awaits"] = (CONFIRM,)
        return self.order(c.Begin, **(fields | more))

    def take_baseline(self) -> None:
        """The integrity checks, as they are before the rollout: all well."""
        for check in unproven(self.state):
            self.ok(c.Judged, check=check, verdict="pass", when="baseline")

    def intend(self, step: str, **more: Any) -> tuple[ev.EventData, ...] | Refusal:
        return self.do(self.intent(step, **more))

    def intent(self, step: str, **more: Any) -> c.Intend:
        state = self.step(step)
        fields: dict[str, Any] = {"step": step, "deadline": self.now + 30.0, "verb": self.state.plan.steps[step].verb}
        if fields["verb"] == "rollout":
            phase = state.phase_plan
            assert phase is not None
            assert phase.percent is not None
            was = self.live()
            fields |= {"target": FLAG, "before": {"percent": was}, "after": {"percent": phase.percent}}
            fields |= {"undo": flag_undo(), "ordinal": f"{state.ramp}.{state.phase}", "phase": state.phase}
            fields["exposure"] = Exposure(flag=FLAG.id, before=was, after=phase.percent)
        else:
            fields |= {"target": replace(DEPLOY, id=step), "before": None, "after": None}
            fields |= {"undo": deploy_undo(), "ordinal": "0", "on_rollback": "term"}
        intent: c.Intend = self.make(c.Intend, **(fields | more))
        return intent

    def live(self) -> float:
        """What the flag server would answer now: the percentage of the last write that is known to have arrived."""
        done = [e for e in self.state.effects.values() if e.exposure is not None and e.status == "done"]
        if not done:
            return 0.0
        last = max(done, key=lambda e: (e.ended_at or 0.0, e.seq))
        assert last.exposure is not None
        return last.exposure.after

    def undo_intent(self, item: str) -> c.Intend:
        plan = (*self.state.rollback_plan, *self.state.mitigation_plan)
        found = next(i for i in plan if i.id == item)
        exposure = None
        if found.target.kind == "flag":
            was = self.live()
            # Reading back changes nothing; taking back ends at nobody.
            exposure = Exposure(flag=FLAG.id, before=was, after=was if found.spec.get("verify") else 0.0)
        intent: c.Intend = self.make(
            c.Intend,
            undoes=item,
            verb=found.verb,
            target=found.target,
            before=found.after,
            after=found.before,
            undo=None,
            ordinal=f"{item}#{sum(e.undoes == item for e in self.state.effects.values())}",
            deadline=self.now + 30.0,
            exposure=exposure,
        )
        return intent

    def undo(self, item: str, result: str = "done", **more: Any) -> None:
        taken = self.do(self.undo_intent(item))
        assert not isinstance(taken, Refusal), str(taken)
        self.outcome(result, **more)

    def outcome(self, result: str = "done", **more: Any) -> tuple[ev.EventData, ...]:
        """The outcome of the newest effect. Reading back says what it saw."""
        effect = self.effect()
        if result == "done" and effect.undoes.startswith("u2:"):
            more = {"receipt": {"exposed": 0.0}} | more
        return self.ok(c.Outcome, effect=effect.id, result=result, **more)

    def observe(self, kind: str = "good", *, step: str = "ramp", accrued: float = 1e6) -> tuple[ev.EventData, ...]:
        return self.ok(c.Observe, step=step, evidence=readings(kind, self.now), accrued=accrued)

    def sense(self, kind: str = "bad") -> tuple[ev.EventData, ...]:
        return self.ok(c.Sense, evidence=readings(kind, self.now))

    # --- places to start from -----------------------------------------------------------------------------------------

    def agreed(self) -> Run:
        self.begin("agree")
        self.ok(c.Answer, step="agree", values={"accept": True})
        self.ok(c.Approve, step="agree", role="qa", expect=SHA)
        self.begin("agree")
        self.ok(c.Finish, step="agree", outcome="succeeded")
        return self

    def deployed(self) -> Run:
        self.agreed().begin("deploy")
        self.intend("deploy")
        self.outcome()
        self.ok(c.Finish, step="deploy", outcome="succeeded")
        return self

    def ramping(self) -> Run:
        """At 5 %, its gate open."""
        self.deployed().begin("ramp")
        self.intend("ramp")
        self.outcome()
        self.ok(c.Enter, step="ramp")
        return self

    def at_full(self) -> Run:
        """At 100 %, its gate open."""
        self.ramping().wait(60.0).observe()
        self.intend("ramp")
        self.outcome()
        self.ok(c.Enter, step="ramp")
        return self

    def gate_failed(self) -> Run:
        self.ramping().wait(60.0).observe("bad")
        assert self.step("ramp").cause == "gate"
        return self
