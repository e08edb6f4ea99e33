"""The example run's skeleton: its plan, gate and verdicts, and the Story that events are told to. No story here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from amplify_tui.playbook.model import Cohorts, Condition, Input, Limit, Signal
from amplify_tui.run.envelope import enclose, encode
from amplify_tui.run.events import EventData, Via
from amplify_tui.run.evolve import evolve
from amplify_tui.run.shapes import (
    PhasePlan,
    Plan,
    SignOffPlan,
    StagePlan,
    StepPlan,
    Watch,
)
from amplify_tui.run.state import State
from amplify_tui.verdict.model import Term, TermVerdict, Verdict

BEGIN: Final = datetime(2026, 3, 4, 13, 49, 0, tzinfo=UTC).timestamp()
SHA: Final = "1c9e0ab7d2f4486b9f3c5e1a7b8d90c2e4f60a1b"
FLAG: Final = "checkout-v3"
FLAG_ID: Final = f"unleash/{FLAG}"


class Story:
    """Events one after another: the bodies a client would send, and the state they fold to."""

    def __init__(self) -> None:
        self.at = BEGIN
        self.state = State()
        self.bodies: list[bytes] = []

    def tell(self, data: EventData, after: float = 1.0, actor: str = "", via: Via = "engine") -> Story:
        """One event, *after* seconds later."""
        self.at += after
        actor = actor or ("cap" if via in ("key", "cli") else "conductor")
        made = enclose(data, seq=self.state.seq + 1, run="7f3a", epoch=1, at=self.at, actor=actor, via=via)
        self.bodies.append(encode(made))
        self.state = evolve(self.state, made)
        return self


def _signal(golden: Any, **fields: Any) -> Signal:
    return Signal(golden=golden, source="prom", cohorts=Cohorts(treatment="on", control="off"), **fields)


GATE: Final = (
    Term(
        id="errors",
        condition=Condition(signal="errors"),
        signal=_signal("errors", bad="b", total="t", limit=Limit(above=0.01, for_=60.0)),
    ),
    Term(
        id="latency",
        condition=Condition(signal="latency"),
        signal=_signal("latency", value="v", count="c", limit=Limit(above=0.378, for_=120.0)),
    ),
    Term(id="exposure", builtin="exposure"),
    Term(id="health", builtin="health"),
    Term(id="fleet", builtin="fleet"),
)
SHARES: Final = (1.0, 5.0, 25.0, 50.0, 100.0)
RAMP: Final = Watch(
    phases=tuple(
        PhasePlan(target=f"{s:g} %", bake=b, percent=s)
        for s, b in zip(SHARES, (600, 600, 900, 1200, 1800), strict=True)
    ),
    gate=GATE,
    settle=135.0,
    max_wait=3600.0,
    service="checkout",
    flag=FLAG_ID,
)

SOAK: Final = Watch(
    phases=(PhasePlan(target="watched for 2h", bake=7200.0),),
    gate=GATE,
    max_wait=21600.0,
    on_fail="ask",
    summed=True,
    background=True,
)


def _step(id_: str, stage: str, verb: str, title: str = "", **fields: Any) -> StepPlan:
    return StepPlan(id=id_, stage=stage, verb=verb, title=title, **fields)


STEPS: Final = (
    _step("scope", "plan", "scope", "What is in it"),
    _step("go", "plan", "confirm", "Go or no go", sign_off=SignOffPlan(roles={"captain": 1, "product": 1})),
    _step("graph", "deps", "dependencies", "Dependencies hold"),
    _step("announce", "comms", "notify", "Tell support", skippable=True),
    _step("prepare", "flags", "flag", "Flag exists, off"),
    _step("expand", "rollout", "command", "Expand the schema"),
    _step("tag", "rollout", "tag", "Tag v3.0.0"),
    _step(
        "ramp", "rollout", "rollout", "Ramp", guide="Hold if support reports double charges, whatever the numbers say."
    ),
    _step("buy", "e2e", "e2e", "Buy something", keys=("checkout", "pricing"), retries=1),
    _step("soak", "monitor", "monitor", "Soak for 2 h"),
    _step("contract", "finish", "command", "Contract the schema", sign_off=SignOffPlan(roles={"dba": 1})),
)
STAGES: Final = (
    ("plan", "Plan"),
    ("deps", "Dependencies"),
    ("comms", "Stakeholders"),
    ("flags", "Flag"),
    ("rollout", "Phased rollout"),
    ("e2e", "Production E2E"),
    ("monitor", "Monitoring"),
    ("finish", "Point of no return"),
)


def plan() -> Plan:
    """The skeleton: eight stages, each step after the one before it."""
    steps: dict[str, StepPlan] = {}
    for step in STEPS:
        previous = next(reversed(steps), None)
        steps[step.id] = StepPlan(
            **{f: getattr(step, f) for f in step.__struct_fields__} | {"needs": (previous,) if previous else ()}
        )
    return Plan(
        name="checkout-v3",
        title="Checkout 3 behind checkout-v3",
        stages=tuple(StagePlan(i, t, tuple(s.id for s in STEPS if s.stage == i)) for i, t in STAGES),
        steps=steps,
        inputs={
            "version": Input(type="semver", help="The version to release, without the v"),
            "canary_users": Input(type="list", of="string", default=["u-internal-1", "u-internal-2"]),
        },
        roles={"captain": ("cap",), "product": ("pm",), "dba": (), "oncall": ("sre",)},
    )


def term(id_: str, answer: Any, reason: str, **numbers: Any) -> TermVerdict:
    return TermVerdict(id=id_, answer=answer, reason=reason, **numbers)


GOOD_TERMS: Final = (
    term(
        "errors",
        "pass",
        "0.11 % of 5 210 requests, limit 1 %",
        value=0.0011,
        control=0.001,
        limit=0.01,
        n=5210,
        n_needed=300,
        age=2.0,
    ),
    term("latency", "pass", "322 ms, limit 378 ms", value=0.322, control=0.315, limit=0.378, n=5210, age=2.0),
    term("exposure", "pass", "24.8 % seen, 25 ± 2 % wanted"),
    term("health", "pass", "8 of 8 instances are well"),
    term("fleet", "pass", "checkout 4 of 4 at 3.0.0"),
)
SLOW: Final = term(
    "latency", "fail", "412 ms against 315 ms of control, limit 378 ms, for 2m10s",
    need="2m of readings at or below 378 ms",
    value=0.412, control=0.315, limit=0.378, n=5210, age=2.0, bad_for=130.0,
)  # fmt: skip
PASS: Final = Verdict(answer="pass", reason="all 5 conditions pass", terms=GOOD_TERMS)
FAIL: Final = Verdict(
    answer="fail",
    reason="latency: 412 ms against 315 ms",
    need="2m of good readings",
    terms=(GOOD_TERMS[0], SLOW, *GOOD_TERMS[2:]),
)
BLIND: Final = Verdict(
    answer="blind",
    reason="errors: no data for 2m30s",
    terms=(
        term("errors", "blind", "no data for 2m30s, prom does not answer", need="a reading", age=150.0),
        *GOOD_TERMS[1:],
    ),
)
