"""The built-ins that ask the instances: `health` and `fleet`, and the names of the odd ones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.verdict.fleet import upheaval
from amplify_tui.verdict.gate import judge
from amplify_tui.verdict.model import Answer, Expected, InstanceReading, Status, Term, TermVerdict
from tests.verdict.histories import T0, evidence, instance

FOUR = [f"checkout-{number}" for number in range(1, 5)]
WORLD = Expected(versions={"checkout": dict.fromkeys(FOUR, "3.0.0")}, since=T0 - 100.0)


def ask(
    name: str, fleet: list[InstanceReading], world: Expected = WORLD, now: float = T0, for_: float = 0
) -> TermVerdict:
    term = Term(id=name, builtin=name, condition=Condition(for_=for_))  # type: ignore[arg-type]
    (verdict,) = judge([term], evidence(fleet=fleet), world, now).terms
    return verdict


def four(*odd: InstanceReading) -> list[InstanceReading]:
    names = {reading.instance for reading in odd}
    return [*odd, *(instance(name) for name in FOUR if name not in names)]


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_a_whole_fresh_fleet_passes(name: str) -> None:
    assert ask(name, four()).answer == "pass"
    assert ask(name, four()[::-1]) == ask(name, four())


@pytest.mark.parametrize("name", ["health", "fleet"])
@pytest.mark.parametrize("status", ["nodata", "error", "stale"])
def test_silence_is_undecided_at_first_and_a_fail_past_max_age(name: str, status: Status) -> None:
    def silent_for(seconds: float) -> TermVerdict:
        before = instance("checkout-4", received=T0 - seconds)
        return ask(name, [before, *four(instance("checkout-4", ok=None, version=None, status=status))])

    assert silent_for(12.0).answer == "undecided"
    assert silent_for(12.0).reason == f"{name}: checkout-4 does not answer for 12s"
    assert silent_for(15.0).answer == "undecided"
    assert silent_for(15.1).answer == "fail"


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_an_instance_that_never_answered_is_silent_since_it_was_first_asked(name: str) -> None:
    asked = [instance("checkout-4", received=T0 - 5.0 * n, ok=None, version=None) for n in range(4)]
    assert ask(name, [*four(asked[0])]).answer == "undecided"
    assert ask(name, [*asked, *four(asked[0])]).answer == "undecided"
    older = instance("checkout-4", received=T0 - 20.0, ok=None, version=None)
    assert ask(name, [older, *four(asked[0])]).answer == "fail"


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_an_instance_that_nobody_asked_is_blind_and_never_a_pass(name: str) -> None:
    assert ask(name, four()[:3]).answer == "blind"
    assert ask(name, four()[:3], replace(WORLD, since=T0 - 5.0)).answer == "undecided"
    assert ask(name, four(), now=T0 + 15.0).answer == "pass"
    assert ask(name, four(), now=T0 + 15.1).answer == "blind"
    assert ask(name, []).answer == "blind"


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_silence_that_nobody_listened_to_is_blind_and_no_fail(name: str) -> None:
    heard = [instance("checkout-4", received=T0 - 60.0), instance("checkout-4", received=T0 - 16.0, ok=None)]
    verdict = ask(name, [*heard, *four(heard[-1])])
    assert (verdict.answer, verdict.reason) == ("blind", f"{name}: checkout-4 was last asked 16s ago")


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_an_answer_ages_by_its_data(name: str) -> None:
    aged = replace(instance("checkout-4", received=T0 - 10.0), data_at=T0 - 20.0)
    verdict = ask(name, four(aged))
    assert (verdict.answer, verdict.reason) == ("blind", f"{name}: what checkout-4 says is 20s old")


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_an_answer_with_old_data_is_no_answer(name: str) -> None:
    old = replace(instance("checkout-4"), data_at=T0 - 16.0)
    assert ask(name, four(old)).answer != "pass"


@pytest.mark.parametrize("name", ["health", "fleet"])
def test_no_expected_instance_never_passes(name: str) -> None:
    assert ask(name, four(), Expected()).answer == "undecided"


def test_health_fails_for_one_that_is_not_well_and_names_it() -> None:
    sick = replace(instance("checkout-2", ok=False), note="status 503")
    verdict = ask("health", four(sick))
    assert (verdict.answer, verdict.reason) == ("fail", "health: checkout-2 is not well (status 503)")


def test_a_for_of_health_gives_an_instance_that_long() -> None:
    sick = [instance("checkout-2", ok=False, received=T0 - 5.0 * n) for n in range(3)]
    assert ask("health", [*sick, *four(sick[0])], for_=10.0).answer == "fail"
    assert ask("health", [*sick, *four(sick[0])], for_=11.0).answer == "undecided"


@pytest.mark.parametrize(
    ("starts", "answer"),
    [
        ([(-50.0, -1000.0), (0.0, -1000.0)], "pass"),
        ([(-50.0, -1000.0), (0.0, -999.0)], "pass"),  # computed from an uptime in whole seconds
        ([(-50.0, -1000.0), (-25.0, -998.5), (0.0, -997.0)], "pass"),  # a clock that is slewed
        ([(-50.0, -1000.0), (0.0, -20.0)], "fail"),
        ([(-50.0, -1000.0), (-20.0, -30.0), (-10.0, -1000.0), (0.0, -1000.0)], "fail"),
        ([(-120.0, -1000.0), (0.0, -110.0)], "pass"),  # started before the phase: the deploy
        ([(-120.0, -1000.0), (0.0, -90.0)], "fail"),
        ([(-120.0, -1000.0), (-110.0, -115.0), (0.0, -115.0)], "pass"),
    ],
)
def test_a_start_time_that_moves_in_the_phase_is_a_restart(starts: list[tuple[float, float]], answer: Answer) -> None:
    history = [instance("checkout-1", received=T0 + at, started=T0 + started) for at, started in starts]
    verdict = ask("health", [*history, *four(history[-1])])
    assert verdict.answer == answer
    assert answer == "pass" or verdict.reason == "health: checkout-1 was restarted in this phase"
    assert ask("health", [*history, *four(history[-1])], replace(WORLD, since=0.0)).answer == "pass"


def test_fleet_names_the_odd_one() -> None:
    verdict = ask("fleet", four(instance("checkout-4", version="2.9.4")))
    assert (verdict.answer, verdict.reason) == ("fail", "fleet: checkout-4 runs 2.9.4, should run 3.0.0")
    assert ask("fleet", four()).reason == "fleet: checkout 4/4 at 3.0.0"


def test_during_waves_each_instance_is_held_to_its_own_version() -> None:
    waved = replace(WORLD, versions={"checkout": dict.fromkeys(FOUR[:3], "3.0.0") | {"checkout-4": "2.9.4"}})
    assert ask("fleet", four(), waved).answer == "fail"
    assert ask("fleet", four(instance("checkout-4", version="v2.9.4")), waved).answer == "pass"


def test_an_instance_without_a_version_is_undecided() -> None:
    assert ask("fleet", four(instance("checkout-4", version=None))).answer == "undecided"
    assert ask("fleet", four(instance("checkout-4", version=""))).answer == "undecided"


def test_where_no_version_is_expected_one_must_be_told_and_all_the_same() -> None:
    free = replace(WORLD, versions={"checkout": dict.fromkeys(FOUR, None)})
    assert ask("fleet", four(), free).answer == "pass"
    assert ask("fleet", four(instance("checkout-4", version=None)), free).answer == "undecided"
    mixed = ask("fleet", four(instance("checkout-4", version="2.9.4")), free)
    assert (mixed.answer, mixed.reason) == (
        "undecided",
        "fleet: checkout-1 runs 3.0.0, checkout-4 runs 2.9.4, and nobody knows which is right",
    )


def test_a_stranger_with_another_version_fails_the_fleet() -> None:
    stranger = instance("checkout-5", version="2.9.4")
    verdict = ask("fleet", [*four(), stranger])
    assert (verdict.answer, verdict.reason) == ("fail", "fleet: checkout-5 runs 2.9.4, and nobody expects it")
    assert ask("fleet", [*four(), replace(stranger, version="3.0.0")]).answer == "pass"
    assert ask("fleet", [*four(), replace(stranger, received_at=T0 - 60, data_at=T0 - 60)]).answer == "pass"
    assert ask("fleet", [*four(), instance("ledger-1", version="1.0.0")]).answer == "pass"


# --- what makes a bake start over, whatever the gate asks ---------------------------------------------------------------


def upset(*readings: InstanceReading, after: float = T0 - 10.0, world: Expected = WORLD) -> str:
    return upheaval(evidence(fleet=list(readings)), world, after, T0)


def test_a_restart_upsets_the_bake_once_and_names_the_instance() -> None:
    before = instance("checkout-4", received=T0 - 8.0, started=T0 - 5000.0)
    since = instance("checkout-4", received=T0 - 4.0, started=T0 - 6.0)
    assert upset(since, before) == "checkout-4 was restarted"
    assert upset(since, before, after=T0 - 4.0) == ""
    assert upset(before, instance("checkout-4", received=T0 - 4.0, started=T0 - 5000.5)) == ""


def test_a_version_that_changes_upsets_it_and_one_that_stays_another_does_not_for_ever() -> None:
    before, other = (
        instance("checkout-4", received=T0 - 8.0),
        instance("checkout-4", received=T0 - 4.0, version="2.9.4"),
    )
    assert upset(before, other) == "checkout-4 changed from 3.0.0 to 2.9.4"
    assert upset(before, other, replace(other, received_at=T0), after=T0 - 4.0) == ""


def test_the_deploy_before_a_phase_and_strangers_upset_no_bake() -> None:
    begun = replace(WORLD, since=T0 - 6.0)
    before = instance("checkout-4", received=T0 - 8.0, started=T0 - 5000.0, version="2.9.4")
    assert upset(before, instance("checkout-4", received=T0 - 4.0, started=T0 - 7.0), world=begun) == ""
    stranger = [instance("ledger-1", received=T0 - gap, started=T0 - gap) for gap in (8.0, 4.0)]
    assert upset(*stranger) == ""
