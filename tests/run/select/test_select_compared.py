"""The gate screen's row of a comparison: treatment, control and limit, and what became of it in one word."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.playbook.model import Condition
from amplify_tui.run.select.gate import condition_rows, failing, limit_of
from amplify_tui.run.select.signals import units_of
from amplify_tui.verdict.model import Term
from tests.run.test_run_trials import BAD, COMPARED, Ramp


def test_a_comparison_shows_both_cohorts_and_how_much_worse_it_may_be() -> None:
    ramp = Ramp()
    assert condition_rows(ramp.run.step("ramp"))[0].limit == "≤ +50 %"
    ramp.ticks(12)
    (row,) = condition_rows(ramp.run.step("ramp"))
    assert (row.value, row.control, row.limit, row.word) == ("1 %", "1 %", "≤ +50 %", "pass")
    assert "not shown worse" in row.reason
    assert units_of(ramp.run.state) == {"errors": "share"}


def test_a_fail_is_told_with_how_long_it_has_lasted_and_when_it_could_be_let_go() -> None:
    ramp = Ramp()
    ramp.until("HoldPlaced", BAD)
    (row,) = condition_rows(ramp.run.step("ramp"))
    assert (row.sign, row.word.split()[0]) == ("failed", "fail")
    assert failing(ramp.run.step("ramp"))


def test_a_control_of_before_is_marked_and_one_that_is_missing_applies_no_more() -> None:
    alarm = Term(id="alarm", condition=Condition(signal="errors", above=0.05, for_=0.0), signal=COMPARED.signal)
    ramp = Ramp(COMPARED, alarm)
    ramp.run.state = replace(ramp.run.state, exposure={"unleash/checkout": 100.0})
    step = ramp.run.step("ramp")
    everybody = replace(step, watch=replace(step.watch, phases=(replace(step.watch.phases[1], bake=1e6),)))  # type: ignore[type-var, union-attr]
    ramp.run.state = replace(ramp.run.state, steps=ramp.run.state.steps | {step.ref: everybody})
    ramp.ticks(12, (0.001, None))
    rows = condition_rows(ramp.run.step("ramp"))
    assert [(row.word, row.sign) for row in rows] == [("does not apply", "skipped"), ("pass", "done")]
    assert failing(ramp.run.step("ramp")) == ()


def test_the_limit_of_a_trigger_that_compares_stands_beside_its_name() -> None:
    assert limit_of(COMPARED, "errors") == " > control +50 %"
