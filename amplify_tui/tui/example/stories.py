"""The stories: one release of a checkout service behind a flag, each going on from the one before it."""

from __future__ import annotations

from typing import Any, Final

from amplify_tui.run import events as ev
from amplify_tui.run.shapes import (
    Await,
    Bundle,
    Drift,
    Exposure,
    File,
    ServiceFacts,
    Subject,
    Target,
    TriggerSpec,
    Undo,
)
from amplify_tui.run.undo import undo_plan
from amplify_tui.tui.example.script import BLIND, FAIL, FLAG, FLAG_ID, GATE, PASS, RAMP, SHA, SHARES, SOAK, Story, plan


def draft(*, sandbox: bool = False, mode: Any = "live") -> Story:
    """A run that was made and not started; its version is missing."""
    bundle = Bundle(sha256="3f2a" + "0" * 60, files=(File("major-release.yaml", "3f2a", "name: checkout-v3\n"),))
    made = ev.RunCreated(
        mode=mode, plan=plan(), bundle=bundle, engine="0.1.0", playbook="major-release.yaml", sandbox=sandbox
    )
    return Story().tell(made, 0.0, via="cli").tell(ev.ConductorAttached(host="bastion", pid=4711, lease=1))


def started(**how: Any) -> Story:
    """Started with its version; the commits are read, the first question is next."""
    story = draft(**how)
    story.tell(ev.InputGiven(step="", values={"version": "3.0.0"}), 5, via="key")
    story.tell(
        ev.RunStarted(
            environment="production",
            subject=Subject(repo=".", sha=SHA, version="3.0.0", tag="v3.0.0", previous="2.9.4", previous_tag="v2.9.4"),
            plan=plan(),
            services={
                "ledger": ServiceFacts(instances=("ledger-1", "ledger-2")),
                "pricing": ServiceFacts(instances=("pricing-1", "pricing-2"), requires={"ledger": ">=2.3.0 <3"}),
                "checkout": ServiceFacts(
                    instances=tuple(f"checkout-{i}" for i in (1, 2, 3, 4)),
                    requires={"ledger": ">=2.3.0 <3", "pricing": "^5.1"},
                ),
            },
            triggers=(
                TriggerSpec(id="errors>5%", term=GATE[0], mode="auto"),
                TriggerSpec(id="latency+100%", term=GATE[1], mode="ask", then="hold"),
            ),
            integrity=("orphans",),
        ),
        3,
        via="key",
    )
    return quick(story, "scope", outputs={"commits": 14, "tickets": "CHG-12, CHG-19"})


def quick(story: Story, step: str, key: str = "", outputs: dict[str, Any] | None = None) -> Story:
    """A step without effects that succeeds at its first attempt."""
    story.tell(ev.AttemptStarted(step=step, key=key, n=1))
    story.tell(ev.AttemptEnded(step=step, key=key, n=1, outcome="succeeded", outputs=outputs or {}))
    return story.tell(ev.StepSucceeded(step=step, key=key, outputs=outputs or {}))


PREVIEW: Final = "To: support, oncall\nSubject: Checkout 3.0.0 starts\n\n14 commits, two tickets: CHG-12, CHG-19."


def awaiting(**how: Any) -> Story:
    """The question before everything: a yes or a no, and two signatures."""
    story = started(**how)
    waits = (
        Await(kind="confirm", detail="Is support staffed until 16:00?"),
        Await(kind="sign_off", role="captain", detail="sign-off of captain"),
        Await(kind="sign_off", role="product", detail="sign-off of product"),
    )
    return story.tell(ev.StepAwaiting(step="go", what=waits, preview=PREVIEW, preview_sha="ab" * 32))


def signing(**how: Any) -> Story:
    """The yes is given, one signature too; the other is missing."""
    story = awaiting(**how)
    story.tell(ev.InputGiven(step="go", values={"accept": True}), via="key")
    story.tell(ev.SignedOff(step="go", role="captain", preview_sha="ab" * 32), via="key")
    waits = (Await(kind="sign_off", role="product", detail="sign-off of product"),)
    return story.tell(ev.StepAwaiting(step="go", what=waits, preview=PREVIEW, preview_sha="ab" * 32))


def effect(
    story: Story, name: str, step: str, target: Target, before: Any, after: Any, undo: Undo | None, **more: Any
) -> Story:
    """An intent; its outcome is for the caller to tell."""
    intent = ev.EffectIntended(
        effect=name, step=step, verb=story.state.plan.steps[step].verb, target=target, before=before, after=after,
        undo=undo, idem=f"7f3a/{step}//{name}", deadline=story.at + 60, **more,
    )  # fmt: skip
    return story.tell(intent)


def flag_effect(story: Story, name: str, step: str, before: float, after: float) -> Story:
    """The flag goes from one percentage to another; the way back is off."""
    undo = Undo(
        band=1,
        verb="flag",
        spec={"flag": FLAG},
        says=f"{FLAG} off",
        by_hand=f"curl -X POST …/features/{FLAG}/environments/production/off",
    )
    return effect(
        story, name, step, Target("flag", FLAG_ID, "production"),
        {"enabled": before > 0, "percent": before}, {"enabled": True, "percent": after}, undo,
        says=f"flag {FLAG} {before:g} % → {after:g} %", exposure=Exposure(FLAG_ID, before, after),
    )  # fmt: skip


def at_ramp(**how: Any) -> Story:
    """Everything before the ramp is done."""
    story = signing(**how)
    story.tell(ev.SignedOff(step="go", role="product", preview_sha="ab" * 32), actor="pm", via="cli")
    quick(story, "go")
    quick(story, "graph")
    story.tell(ev.AttemptStarted(step="announce", n=1))
    words = Undo(band=5, verb="notify", spec={}, says="correction to support, oncall")
    effect(
        story,
        "e1",
        "announce",
        Target("message", "support"),
        None,
        {"sent": 2},
        words,
        says="message to support, oncall",
    )
    story.tell(ev.EffectDone(effect="e1"))
    story.tell(ev.StepSucceeded(step="announce"))
    quick(story, "prepare")
    story.tell(ev.AttemptStarted(step="expand", n=1))
    none = Undo(band=4, verb="command", spec={"data": "expand"}, cls="none", says="expand 42 is kept: 2.9.4 accepts it")
    effect(story, "e2", "expand", Target("schema", "42"), 41, 42, none, says="migrate to 42")
    story.tell(ev.EffectDone(effect="e2"), 40)
    story.tell(ev.StepSucceeded(step="expand"))
    story.tell(ev.AttemptStarted(step="tag", n=1))
    back = Undo(band=5, verb="tag", spec={"name": "v3.0.0"}, says="withdrawn/v3.0.0 is pushed; v3.0.0 is never deleted")
    effect(story, "e3", "tag", Target("tag", "v3.0.0"), None, {"sha": SHA}, back, says="tag v3.0.0 to origin")
    story.tell(ev.EffectDone(effect="e3"), 4)
    story.tell(ev.StepSucceeded(step="tag"))
    return story.tell(ev.AttemptStarted(step="ramp", n=1, watch=RAMP))


def phase(story: Story, i: int, name: str) -> Story:
    """The flag is set to phase *i*, which settles."""
    before = SHARES[i - 1] if i else 0.0
    flag_effect(story, name, "ramp", before, SHARES[i])
    story.tell(ev.EffectDone(effect=name), 0.4)
    plan_ = RAMP.phases[i]
    entered = ev.PhaseEntered(step="ramp", i=i, target=plan_.target, settle_until=story.at + 135, need=plan_.bake)
    return story.tell(entered)


def running(**how: Any) -> Story:
    """25 %, baking, all pass."""
    story = at_ramp(**how)
    for i, bake in enumerate((604.0, 602.0)):
        phase(story, i, f"e{4 + i}")
        story.tell(ev.GateJudged(step="ramp", i=i, verdict=PASS), 200)
        story.tell(ev.BakeAccrued(step="ramp", i=i, accrued=bake), 540)
        story.tell(ev.PhaseAdvanced(step="ramp", from_=i, to=i + 1, why="the gate passes, the bake is full"))
    phase(story, 2, "e6")
    story.tell(ev.GateJudged(step="ramp", i=2, verdict=PASS), 150)
    return story.tell(ev.BakeAccrued(step="ramp", i=2, accrued=291.0), 291)


def held(**how: Any) -> Story:
    """25 %, held by its gate: latency."""
    story = running(**how)
    story.tell(ev.GateJudged(step="ramp", i=2, verdict=FAIL))
    story.tell(ev.StepStuck(step="ramp", cause="gate", detail=FAIL.reason))
    hold = ev.HoldPlaced(
        hold="h1", scope="ramp", kind="gate", reason="latency p99 +31 % vs control, limit 378 ms", auto_release=True
    )
    return story.tell(hold, 0.1)


def drifted(**how: Any) -> Story:
    """25 %, and somebody else sets the flag to 80 %."""
    story = running(**how)
    last = max(story.state.effects.values(), key=lambda effect: (effect.target.id == FLAG_ID, effect.seq))
    drift = Drift(
        flag=FLAG_ID, effect=last.id, observed={"enabled": True, "percent": 80.0}, fingerprint="80", percent=80.0,
        left_percent=25.0, widens=True, what="strategy 'ramp': 80%, expected 25%", by="outside@example.com",
        changed_at=story.at - 2, before_says="5 % of users, plus 2 internal",
        left_says="25 % of users, plus 2 internal", now_says="80 % of users, plus 2 internal",
    )  # fmt: skip
    reason = f"{drift.by} changed {FLAG}: 25 % to 80 %, {drift.what}"
    return story.tell(ev.HoldPlaced(hold="h1", scope="run", kind="drift", reason=reason, drift=drift), 0.1)


def blind(**how: Any) -> Story:
    """25 %, and the metrics stopped."""
    return running(**how).tell(ev.GateJudged(step="ramp", i=2, verdict=BLIND), 200)


def asked(**how: Any) -> Story:
    """A trigger fired and asks."""
    story = running(**how)
    fired = ev.TriggerFired(
        trigger="latency+100%", evidence="690 ms of 630 ms for 1m", mode="ask", answer_by=story.at + 121
    )
    return story.tell(fired)


def unknown(**how: Any) -> Story:
    """The flag server did not answer while the flag went to 25 %."""
    story = at_ramp(**how)
    flag_effect(story, "e4", "ramp", 0.0, 25.0)
    story.tell(ev.EffectUnknown(effect="e4", cause="ReadTimeout after 8 s"), 8)
    story.tell(ev.StepStuck(step="ramp", cause="unknown", detail="e4: ReadTimeout after 8 s"))
    return story.tell(ev.EffectProbed(effect="e4", result="unreachable", detail="no answer in 2 s"), 2)


def stuck(**how: Any) -> Story:
    """A production test failed twice."""
    story = running(**how)
    story.tell(ev.StepSucceeded(step="ramp"))
    story.tell(ev.AttemptStarted(step="buy", key="checkout", n=1))
    story.tell(ev.AttemptEnded(step="buy", key="checkout", n=1, outcome="failed", reason="2 of 14 tests failed"), 30)
    failed = ev.StepStuck(
        step="buy", key="checkout", cause="failed", detail="2 of 14 tests failed: pays by card, refunds"
    )
    return story.tell(failed)


def rolling_back(**how: Any) -> Story:
    """Rolling back from the hold; the flag server does not answer."""
    story = held(**how)
    story.tell(
        ev.RollbackStarted(scope="full", plan=undo_plan(story.state), reason="latency, customers complain"),
        20,
        actor="sre",
        via="cli",
    )
    item = story.state.rollback_plan[0]
    undo = ev.EffectIntended(
        effect="e7", step="rollback", verb="flag", target=item.target, before={"enabled": True, "percent": 25.0},
        after={"enabled": False, "percent": 0.0}, undo=None, idem="7f3a/rollback/e7", deadline=story.at + 8,
        undoes=item.id, says=f"flag {FLAG} off", exposure=Exposure(FLAG_ID, 25.0, 0.0),
    )  # fmt: skip
    story.tell(undo)
    return story.tell(ev.EffectUnknown(effect="e7", cause="ReadTimeout"), 2)


def rolled_back(**how: Any) -> Story:
    """The flag is off, verified; the rest follows, and the run is closed."""
    story = rolling_back(**how)
    story.tell(ev.EffectProbed(effect="e7", result="done", observed={"enabled": False}), 1)
    for n, item in enumerate(story.state.rollback_plan[1:], 8):
        if item.cls == "none":
            continue
        intent = ev.EffectIntended(
            effect=f"e{n}", step="rollback", verb=item.verb, target=item.target, before=item.after, after=item.before,
            undo=None, idem=f"7f3a/rollback/e{n}", deadline=story.at + 8, undoes=item.id, says=item.says,
        )  # fmt: skip
        story.tell(intent).tell(ev.EffectDone(effect=f"e{n}"))
    story.tell(ev.IntegrityJudged(check="orphans", verdict="pass", when="after"))
    return story.tell(ev.RunClosed(outcome="rolled_back", follow_ups=("release 3.0.1 from v2.9.4",)))


def behind(**how: Any) -> Story:
    """The soak watches in the background, and the step after it waits for a signature."""
    story = running(**how)
    story.tell(ev.StepSucceeded(step="ramp"))
    for key in ("checkout", "pricing"):
        quick(story, "buy", key)
    story.tell(ev.AttemptStarted(step="soak", n=1, watch=SOAK))
    story.tell(ev.PhaseEntered(step="soak", i=0, target="watched for 2h", settle_until=story.at, need=7200.0))
    story.tell(ev.GateJudged(step="soak", i=0, verdict=PASS), 12)
    waits = (Await(kind="sign_off", role="dba", detail="sign-off of dba"),)
    story.tell(ev.StepAwaiting(step="contract", what=waits, preview="ops/migrate up --to 44", preview_sha="cd" * 32), 1)
    return story.tell(ev.BakeAccrued(step="soak", i=0, accrued=291.0), 278)


def done(**how: Any) -> Story:
    """All phases passed, tests and soak too; the announcement's correction was never needed."""
    story = running(**how)
    story.tell(ev.StepSucceeded(step="ramp"))
    for step, key in (("buy", "checkout"), ("buy", "pricing"), ("soak", "")):
        quick(story, step, key)
    story.tell(ev.StepSkipped(step="contract", by="human", reason="waits for the next release"), via="key")
    return story.tell(ev.RunClosed(outcome="completed_with_exceptions", exceptions=story.state.exceptions))
