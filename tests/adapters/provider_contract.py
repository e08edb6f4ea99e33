"""What Amplify takes for granted of every flag provider: one function a promise. CHECKS has them all.

A seat is one provider with what a test needs around it. Where kinds differ, the abilities say so: a check that asks for
one that the kind lacks asserts what the kind then has to do instead.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from amplify_tui.adapters.flags.port import (
    Already,
    Diverged,
    Expose,
    FlagKind,
    FlagSpec,
    FlagWatcher,
    Off,
    RestoresByHand,
    StrategyChange,
    StrategySpec,
    Where,
    Wish,
)
from amplify_tui.adapters.ports import (
    Absent,
    Accepted,
    AdapterError,
    Done,
    FlagProvider,
    FlagState,
    FlagWrite,
    Invalid,
    NotFound,
    Outcome,
    Unknown,
)
from amplify_tui.playbook.model import Source

RAMP = StrategySpec(title="ramp", rollout=0, stickiness="userId")
CREATE = FlagSpec(create="release", enabled=False, strategies=(RAMP,))
_numbers = count(1)


@dataclass(frozen=True)
class Seat:
    """dead: a provider of the same kind whose other side is not there. other: somebody else, on the same flags.

    base: where the source's relative paths start. token: what a line by hand finds as $UNLEASH_TOKEN.
    """

    kind: FlagKind
    flags: FlagProvider
    other: FlagProvider
    dead: FlagProvider
    prefix: str
    source: Source
    base: Path = Path()
    token: str = ""

    def fresh(self) -> str:
        """A flag name that nobody had."""
        return f"{self.prefix}-{next(_numbers)}"

    async def state(self, key: str) -> FlagState:
        return (await self.flags.read([key]))[key]

    async def plan(self, key: str, wish: Wish) -> FlagWrite:
        return self.kind.rules.plan(await self.state(key), wish)

    async def make(self, key: str, *wishes: Wish) -> FlagState:
        for wish in (CREATE, *wishes):
            done(await self.flags.apply(await self.plan(key, wish)))
        return await self.state(key)

    def watch(self, provider: FlagProvider, *keys: str) -> FlagWatcher:
        return self.kind.watch(provider, "flags", keys)


Check = Callable[[Seat], Awaitable[None]]
CHECKS: list[Check] = []


def contract(check: Check) -> Check:
    CHECKS.append(check)
    return check


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def people(size: int = 2_000, **properties: str) -> list[dict[str, Any]]:
    return [{"userId": f"u-{n}", "sessionId": f"s-{n}", "properties": properties} for n in range(size)]


@contract
async def a_flag_that_is_not_there_reads_as_absent_and_off(seat: Seat) -> None:
    state = await seat.state(seat.fresh())
    assert (state.exists, state.enabled, seat.kind.rules.exposed(state.raw)) == (False, False, 0.0)


@contract
async def a_flag_is_created_off_and_reaches_nobody(seat: Seat) -> None:
    state = await seat.make(seat.fresh())
    assert (state.exists, state.enabled, seat.kind.rules.exposed(state.raw)) == (True, False, 0.0)
    assert [one.title for one in state.strategies] == ["ramp"]


@contract
async def a_phase_switches_on_at_exactly_its_percentage(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    state = await seat.make(key, Expose(percent=25, strategy="ramp"))
    assert (state.enabled, rules.exposed(state.raw)) == (True, 25.0)
    write = await seat.plan(key, Expose(percent=50, strategy="ramp"))
    assert write.widens
    assert (rules.ramped(state, write.before, "ramp"), rules.ramped(state, write.after, "ramp")) == (25.0, 50.0)
    observed = done(await seat.flags.apply(write)).observed
    assert rules.same(observed, write.after)
    assert rules.fingerprint(observed) == (await seat.state(key)).fingerprint


@contract
async def a_write_that_is_in_place_already_is_done_and_changes_nothing(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key)
    write = await seat.plan(key, Expose(percent=10))
    done(await seat.flags.apply(write))
    left = await seat.state(key)
    done(await seat.flags.apply(write))
    assert (await seat.state(key)).raw == left.raw


@contract
async def a_write_planned_on_a_state_that_is_past_is_refused_and_changes_nothing(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key)
    ours, theirs = await seat.plan(key, Expose(percent=10)), await seat.plan(key, Expose(percent=5))
    done(await seat.other.apply(theirs))
    outcome = await seat.flags.apply(ours)
    assert isinstance(outcome, Absent), outcome
    assert outcome.error == "Conflict"
    assert seat.kind.rules.exposed((await seat.state(key)).raw) == 5.0


@contract
async def of_two_that_write_at_once_nobody_is_told_done_and_overwritten(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    await seat.make(key)
    plans = [await seat.plan(key, Expose(percent=share)) for share in (10, 20)]
    outcomes = await asyncio.gather(seat.flags.apply(plans[0]), seat.other.apply(plans[1]))
    now = await seat.state(key)
    won = [rules.same(plan.after, now.raw) for plan in plans]
    assert sum(won) == 1, now.raw
    loser = outcomes[won.index(False)]
    if seat.kind.abilities.cas == "version":
        assert isinstance(loser, Absent), loser
        assert loser.error == "Conflict"
    else:  # the server has no lock: the loser may have been told "done" before it was overwritten, and drift says so
        assert isinstance(outcomes[won.index(True)], Done | Unknown)


@contract
async def what_somebody_changed_is_told_with_who_and_what(seat: Seat) -> None:
    key, began = seat.fresh(), time.time() - 5
    await seat.make(key)
    done(await seat.other.apply(await seat.plan(key, Expose(percent=5))))
    changes = await seat.flags.changes(key, began)
    if not seat.kind.abilities.history:
        assert changes == []
        return
    assert [change.flag for change in changes] == [key] * len(changes)
    assert changes[-1].by
    assert changes[-1].what
    assert changes == sorted(changes, key=lambda change: change.at)
    assert await seat.flags.changes(key, time.time() + 3_600) == []


@contract
async def an_undo_brings_back_exactly_what_was_before(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    where = (Where(field="country", op="IN", values=("CH",)),)
    before = await seat.make(key, FlagSpec(enabled=True, add=(StrategySpec(title="ch", rollout=50, where=where),)))
    effect = await seat.plan(key, Expose(percent=25, strategy="ramp"))
    after = done(await seat.flags.apply(effect)).observed
    plan = rules.undo(effect.before, after, await seat.state(key))
    assert isinstance(plan, FlagWrite)
    done(await seat.flags.apply(plan))
    now = await seat.state(key)
    assert rules.same(now.raw, before.raw)
    assert isinstance(rules.undo(effect.before, after, now), Already)


@contract
async def the_undo_of_a_creation_switches_off_and_keeps_the_flag(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    creation = await seat.plan(key, FlagSpec(create="release", enabled=True, strategies=(RAMP,)))
    after = done(await seat.flags.apply(creation)).observed
    plan = rules.undo(creation.before, after, await seat.state(key))
    assert isinstance(plan, FlagWrite)
    done(await seat.flags.apply(plan))
    state = await seat.state(key)
    assert (state.exists, state.enabled) == (True, False)


@contract
async def an_undo_takes_back_ours_and_leaves_what_somebody_else_made(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    await seat.make(key)
    effect = await seat.plan(key, Expose(percent=25, strategy="ramp"))
    after = done(await seat.flags.apply(effect)).observed
    theirs = StrategySpec(title="theirs", rollout=3, where=(Where(field="tenant", op="IN", values=("t1",)),))
    done(await seat.other.apply(await seat.plan(key, FlagSpec(add=(theirs,)))))
    plan = rules.undo(effect.before, after, await seat.state(key))
    assert isinstance(plan, Diverged)
    assert any("theirs" in line for line in plan.differences)
    done(await seat.flags.apply(plan.ours))
    state = await seat.state(key)
    assert {one.title: one.percent for one in state.strategies} == {"ramp": 0.0, "theirs": 3.0}


@contract
async def a_kill_switches_off_what_it_knows_and_names_what_it_does_not(seat: Seat) -> None:
    one, two, unknown = seat.fresh(), seat.fresh(), seat.fresh()
    for key in (one, two):
        await seat.make(key, Expose(percent=50))
    outcomes = await seat.flags.kill([one, two, unknown])
    assert isinstance(outcomes[unknown], Absent)
    for key in (one, two):
        done(outcomes[key])
        state = await seat.state(key)
        assert (state.enabled, seat.kind.rules.exposed(state.raw)) == (False, 0.0)
        assert [(s.title, s.percent) for s in state.strategies] == [("ramp", 50.0)]


@contract
async def a_kill_wins_over_what_somebody_changed_meanwhile(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key, Expose(percent=50))
    theirs = await seat.plan(key, Expose(percent=100))
    kills, _ = await asyncio.gather(seat.flags.kill([key]), seat.other.apply(theirs))
    if isinstance(kills[key], Done):
        # What landed after the kill is a foreign change, which the watch finds; nothing else may be on.
        now = await seat.state(key)
        assert not now.enabled or seat.kind.rules.same(now.raw, theirs.after)
    done((await seat.flags.kill([key]))[key])
    assert not (await seat.state(key)).enabled


@contract
async def strategies_are_changed_and_removed_by_their_title(seat: Seat) -> None:
    key = seat.fresh()
    extra = StrategySpec(title="internal", rollout=100, where=(Where(field="userId", op="IN", values=("u-1", "u-2")),))
    await seat.make(key, FlagSpec(add=(extra,)))
    change = FlagSpec(change=(StrategyChange(title="internal", rollout=40),), remove=("ramp",))
    done(await seat.flags.apply(await seat.plan(key, change)))
    assert {one.title: one.percent for one in (await seat.state(key)).strategies} == {"internal": 40.0}
    with pytest.raises(NotFound):
        await seat.plan(key, FlagSpec(remove=("ramp",)))


@contract
async def a_percentage_finer_than_the_kind_is_refused_when_it_is_planned(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key)
    finer = float(seat.kind.abilities.granularity) / 2
    for share in (finer, -1, 101):
        with pytest.raises(Invalid):
            await seat.plan(key, Expose(percent=share))


@contract
async def switching_off_is_planned_whatever_the_flag_holds(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key, Expose(percent=50))
    write = await seat.plan(key, Off())
    assert not write.widens
    done(await seat.flags.apply(write))
    assert not (await seat.state(key)).enabled


@contract
async def exposure_can_be_taken_back_and_nobody_new_gets_it_then(seat: Seat) -> None:
    assert seat.kind.abilities.lower == "yes", "a kind that only halts needs an undo that says so"
    key = seat.fresh()
    await seat.make(key, Expose(percent=50))
    write = await seat.plan(key, Expose(percent=10))
    assert not write.widens
    done(await seat.flags.apply(write))
    assert seat.kind.rules.exposed((await seat.state(key)).raw) == 10.0


@contract
async def a_write_is_left_to_nobodys_approval_where_the_kind_says_that_it_asks_for_none(seat: Seat) -> None:
    assert not seat.kind.abilities.approval, "a kind whose writes wait for somebody answers Accepted, and is polled"
    key = seat.fresh()
    outcome = await seat.flags.apply(await seat.plan(key, CREATE))
    assert not isinstance(outcome, Accepted)


@contract
async def the_line_by_hand_names_the_flag_and_holds_no_secret(seat: Seat) -> None:
    key = seat.fresh()
    line = seat.kind.by_hand(seat.source, key, "production")
    assert key in line
    assert "⟦" not in line


async def by_hand(seat: Seat, line: str) -> int:
    """The exit status of a line in a shell, with the secret that it names in the environment."""
    env = {**os.environ, "UNLEASH_TOKEN": seat.token}
    shell = await asyncio.create_subprocess_exec("sh", "-c", line, env=env, stdout=asyncio.subprocess.DEVNULL)
    return await shell.wait()


async def goes_back_by_hand(seat: Seat, key: str, *wishes: Wish) -> None:
    """What the wishes made of the flag is taken back by the kind's own line, and its proof tells before and after."""
    before = await seat.state(key)
    for wish in wishes:
        done(await seat.flags.apply(await seat.plan(key, wish)))
    after = await seat.state(key)
    if not isinstance(seat.kind, RestoresByHand):
        return  # then the line that switches off is all that is known
    write = FlagWrite(key=key, env=after.env, before=before.raw, after=after.raw, widens=True)
    lines = seat.kind.restored_by_hand(seat.source, write, seat.base)
    for line in (lines.undo, lines.proof):
        assert line.isprintable(), "one line, whatever the flag is called"
        assert "⟦" not in line
    if before.enabled != after.enabled:
        assert await by_hand(seat, lines.proof) != 0
    for _ in range(2):  # who is not sure whether the line was run runs it again
        assert await by_hand(seat, lines.undo) == 0
    assert await by_hand(seat, lines.proof) == 0
    now = await seat.state(key)
    wanted = before.raw if before.exists else {**after.raw, "enabled": False}
    rules = seat.kind.rules
    assert rules.exposed(now.raw) == rules.exposed(before.raw)
    if before.exposure or not after.exposure:
        assert rules.same(now.raw, wanted), rules.differences(wanted, now.raw)


@contract
async def a_ramp_is_taken_back_by_hand(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key)
    await goes_back_by_hand(seat, key, Expose(percent=5), Expose(percent=25))


@contract
async def a_flag_that_was_live_gets_back_by_hand_what_it_gave(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key, Expose(percent=25))
    more = FlagSpec(
        add=(StrategySpec(title="more; $(id) `id`", rollout=80),), change=(StrategyChange(title="ramp", rollout=60),)
    )
    await goes_back_by_hand(seat, key, more)


@contract
async def a_flag_that_was_switched_off_comes_back_by_hand(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key, Expose(percent=25))
    await goes_back_by_hand(seat, key, Off())


@contract
async def a_share_is_evaluated_as_the_share_that_was_asked_for(seat: Seat) -> None:
    key, users, rules = seat.fresh(), people(4_000), seat.kind.rules
    low = await seat.make(key, Expose(percent=25))
    few = rules.evaluator([low]).users(key, users)
    # The key, and with it who is drawn, is another each time: six sigma, so that chance alone never fails it.
    assert abs(len(few) / 4_000 - 0.25) < 6 * (0.25 * 0.75 / 4_000) ** 0.5
    high = rules.state(key, low.env, (await seat.plan(key, Expose(percent=40))).after)
    more = rules.evaluator([high]).users(key, users)
    assert few < more, "a ramp keeps those who have it"


@contract
async def whoever_lacks_the_field_that_a_share_sticks_to_gets_nothing(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    by_tenant = StrategySpec(title="tenants", rollout=50, stickiness="tenant")
    state = await seat.make(key, FlagSpec(enabled=True, strategies=(by_tenant,)))
    assert rules.evaluator([state]).users(key, people(500)) == frozenset()
    tenants = [{"userId": "one", "properties": {"tenant": f"t-{n}"}} for n in range(1_000)]
    assert 400 < len(rules.evaluator([state]).users(key, tenants)) < 600


@contract
async def constraints_choose_who_is_meant(seat: Seat) -> None:
    key, rules = seat.fresh(), seat.kind.rules
    asked = [
        Where(field="country", op="IN", values=("CH", "AT")),
        Where(field="country", op="NOT_IN", values=("CH",)),
        Where(field="mail", op="STR_ENDS_WITH", values=("@example.org",)),
        Where(field="mail", op="STR_STARTS_WITH", values=("cap",)),
        Where(field="mail", op="STR_CONTAINS", values=("tain@",)),
        Where(field="age", op="NUM_GTE", value=18),
        Where(field="age", op="NUM_LT", value=18),
        Where(field="app", op="SEMVER_GT", value="2.0.0"),
        Where(field="country", op="IN", values=("CH",), inverted=True),
    ]
    whole = {"country": "CH", "mail": "captain@example.org", "age": "20", "app": "2.1.0"}
    other = {"country": "DE", "mail": "sre@example.net", "age": "7", "app": "1.0.0"}
    users = [{"userId": f"u-{at}", "properties": fields} for at, fields in enumerate((whole, other, {}))]
    wanted = [{0}, {1, 2}, {0}, {0}, {0}, {0}, {1}, {0}, {1, 2}]
    await seat.make(key)
    for where, meant in zip(asked, wanted, strict=True):
        strategy = StrategySpec(title="some", rollout=100, stickiness="userId", where=(where,))
        done(await seat.flags.apply(await seat.plan(key, FlagSpec(enabled=True, strategies=(strategy,)))))
        state = await seat.state(key)
        assert rules.evaluator([state]).users(key, users) == meant, where


@contract
async def a_watch_tells_every_flag_with_the_age_of_what_it_knows(seat: Seat) -> None:
    key, missing = seat.fresh(), seat.fresh()
    await seat.make(key, Expose(percent=25))
    watch, now = seat.watch(seat.flags, key, missing), time.time()
    first, absent = await watch.poll(now)
    assert (first.status, first.percent, first.enabled, first.data_at) == ("ok", 25.0, True, now)
    assert (absent.status, absent.percent) == ("nodata", None)
    done(await seat.other.apply(await seat.plan(key, Expose(percent=5))))
    deadline = time.monotonic() + 20
    while first.percent != 5.0:
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)
        now += 60
        first, _ = await watch.poll(now)
    assert first.data_at == now


@contract
async def what_does_not_answer_is_an_error_and_never_a_value(seat: Seat) -> None:
    key = seat.fresh()
    await seat.make(key)
    write = await seat.plan(key, Expose(percent=10))
    with pytest.raises(AdapterError) as caught:
        await seat.dead.read([key])
    assert caught.value.retryable or isinstance(caught.value, NotFound)
    for outcome in (await seat.dead.apply(write), (await seat.dead.kill([key]))[key]):
        assert isinstance(outcome, Absent | Unknown)
    (reading,) = await seat.watch(seat.dead, key).poll(time.time())
    assert (reading.status, reading.percent, reading.enabled) == ("error", None, None)
    assert reading.note
    assert [problem.severity for problem in await seat.dead.check()] == ["error"]
