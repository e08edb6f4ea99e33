"""Database integrity on the way back: no data goes back by itself, and no code under a schema that it cannot read."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run.agenda import agenda
from amplify_tui.run.exposure import exposed_span
from amplify_tui.run.select.undo_lines import touches
from amplify_tui.run.shapes import CODE_BAND, DATA_BAND, ServiceFacts, StepPlan, Target, Undo
from amplify_tui.run.state import State
from amplify_tui.run.undo import ItemState, rollback_items
from amplify_tui.run.undo_turns import ready_items
from tests.run.world import PLAN, STEPS, T0, Run

MIGRATE = StepPlan(id="migrate", stage="go", verb="command", needs=("agree",))
WAVE = StepPlan(id="wave", stage="go", verb="command", needs=("migrate",))
CONTRACT = StepPlan(id="contract", stage="go", verb="command", needs=("wave",))
FIX = StepPlan(id="fix", stage="rollback", verb="command", lane="reconcile")
BEHIND = replace(
    PLAN,
    steps={n: s for n, s in STEPS.items() if n in ("agree", "tell")}
    | {"migrate": MIGRATE, "wave": WAVE, "contract": CONTRACT, "fix": FIX},
)
UNIT = Target(kind="instance", id="checkout/checkout-1")
SCHEMA = ServiceFacts(instances=("checkout-1",), schema_field="schema", previous_accepts=">=41 <43")


def data_undo(kind: str, *, undoable: bool) -> Undo:
    spec = {"data": kind}
    return Undo(band=DATA_BAND, verb="command", spec=spec, cls="manual" if undoable else "none", says=f"{kind} back")


def made(run: Run, step: str, **effect: Any) -> Run:
    run.begin(step)
    run.intend(step, **effect)
    run.outcome()
    run.ok(c.Finish, step=step, outcome="succeeded")
    return run


def released(kind: str = "expand", *, undoable: bool = False, contract: bool = False, facts: Any = SCHEMA) -> Run:
    """A migration, one instance deployed after it, perhaps a contract after that; then the rollback."""
    run = Run(plan=BEHIND, triggers=())
    run.state = replace(run.state, services={"checkout": facts})
    run.agreed()
    made(run, "migrate", undo=data_undo(kind, undoable=undoable))
    back = Undo(band=CODE_BAND, verb="rollout", spec={}, cls="guarded", says="checkout-1 back to 2.9.4")
    made(run, "wave", target=UNIT, undo=back, before={"version": "2.9.4"}, after={"version": "3.0.0"})
    if contract:
        made(run, "contract", undo=data_undo("contract", undoable=False))
    run.ok(c.Rollback, reason="double charges")
    return run


def item(state: State, target: str) -> ItemState:
    return next(entry for entry in rollback_items(state) if entry.item.target.id == target)


def ready(run: Run) -> list[str]:
    return [entry.item.target.id for entry in ready_items(run.state, rollback_items(run.state), run.now)]


def judged(run: Run, verdict: str, detail: str = "") -> Run:
    run.ok(c.Judged, check="checkout", verdict=verdict, when="backwards", detail=detail)
    return run


def taken_back(run: Run) -> Run:
    while names := ready(run):
        run.undo(item(run.state, names[0]).item.id)
    return run


def test_no_code_goes_back_before_its_schema_was_looked_at() -> None:
    run = released()
    assert ready(run) == []
    assert [todo.name for todo in agenda(run.state, run.now) if todo.kind == "backwards"] == ["checkout"]
    assert ready(judged(run, "pass")) == [UNIT.id]


def test_code_that_cannot_read_the_schema_waits_for_a_person() -> None:
    run = judged(released(), "fail", "accepts >=41 <43, it is 43")
    entry = item(run.state, UNIT.id)
    assert (entry.status, entry.detail, ready(run)) == ("blocked", "accepts >=41 <43, it is 43", [])
    run.ok(c.DecideUndo, effect=entry.item.id, choice="restore", reason="the column is nullable")
    assert ready(run) == [UNIT.id]


def test_another_try_looks_at_the_schema_again() -> None:
    run = judged(released(), "fail", "it is 43")
    run.ok(c.Retry, step=item(run.state, UNIT.id).item.id)
    assert ready(run) == []
    assert ready(judged(run, "pass")) == [UNIT.id]


def test_a_silent_service_does_not_keep_its_code_from_going_back_behind_an_expand() -> None:
    assert ready(judged(released(), "error", "nobody says which schema it sees")) == [UNIT.id]


@pytest.mark.parametrize("verdict", ["error", ""], ids=["schema unreadable", "no schema declared"])
def test_code_from_before_a_contract_waits_for_a_person(verdict: str) -> None:
    facts = SCHEMA if verdict else ServiceFacts(instances=("checkout-1",))
    run = released(contract=True, facts=facts)
    if verdict:
        judged(run, verdict)
    assert item(run.state, UNIT.id).status == "blocked"
    assert "point of no return" in item(run.state, UNIT.id).detail
    assert touches(run.state).past_return


def test_a_schema_that_the_code_before_reads_goes_back_even_behind_a_contract() -> None:
    assert ready(judged(released(contract=True), "pass")) == [UNIT.id]


def test_a_contract_that_nobody_can_vouch_for_counts_as_done() -> None:
    run = Run(plan=BEHIND, triggers=())
    run.agreed()
    made(run, "migrate", undo=data_undo("expand", undoable=False))
    made(run, "wave", target=UNIT, undo=Undo(band=CODE_BAND, verb="rollout", spec={}, cls="guarded", says="back"))
    run.begin("contract")
    run.intend("contract", undo=data_undo("contract", undoable=False))
    run.outcome("unknown", error="no answer")
    run.ok(c.Rollback, reason="x")
    run.wait(600)
    for _ in range(8):
        run.ok(c.Probed, effect="e3", result="unreachable", detail="the database is silent")
    assert item(run.state, UNIT.id).status == "blocked"


def test_the_undo_of_a_migration_runs_only_when_a_person_says_so_and_after_the_code() -> None:
    run = judged(released(undoable=True), "pass")
    assert item(run.state, "migrate").status == "planned"
    run.undo(item(run.state, UNIT.id).item.id)
    assert ready(run) == ["checkout"], "the whole service is read back first"
    run.undo(item(run.state, "checkout").item.id)
    assert (item(run.state, "migrate").status, ready(run)) == ("blocked", [])
    run.refused(c.Rollback)  # trying all again is no word about this one
    assert ready(run) == []
    run.ok(c.DecideUndo, effect=item(run.state, "migrate").item.id, choice="restore", reason="dba says so")
    assert ready(run) == ["migrate"]


def test_a_schema_is_judged_once_and_only_where_something_waits_for_it() -> None:
    run = judged(released(), "pass")
    run.refused(c.Judged, check="checkout", verdict="pass", when="backwards")
    run.refused(c.Judged, check="ledger", verdict="pass", when="backwards")


# --- reconciling ------------------------------------------------------------------------------------------------------


def begin_fix(run: Run) -> None:
    run.begin("fix")


def test_what_the_new_path_wrote_is_reconciled_before_the_proof_and_only_when_a_person_says_so() -> None:
    run = taken_back(judged(released(), "pass"))
    assert not [todo for todo in agenda(run.state, run.now) if todo.kind == "integrity"]
    run.refused(c.Judged, check="orders", verdict="pass", when="after")
    begin_fix(run)
    assert run.step("fix").status == "awaiting"
    run.ok(c.Answer, step="fix", values={"accept": True})
    begin_fix(run)
    assert run.step("fix").status == "running"


def test_reconciling_that_is_declined_leaves_the_rollback_in_part() -> None:
    run = taken_back(judged(released(), "pass"))
    begin_fix(run)
    run.ok(c.Answer, step="fix", values={"accept": False}, reason="finance does it")
    run.ok(c.Judged, check="orders", verdict="pass", when="after")
    run.begin("tell")
    run.ok(c.Finish, step="tell", outcome="succeeded")
    run.ok(c.Close)
    assert run.state.outcome == "rolled_back_partly"


def test_nothing_is_reconciled_where_nobody_met_the_new_code() -> None:
    run = Run(plan=BEHIND, triggers=()).agreed()
    run.ok(c.Rollback, reason="changed our minds")
    begin_fix(run)
    assert run.step("fix").status == "skipped"


def test_what_was_written_lies_between_the_first_exposure_and_the_end_of_the_last() -> None:
    run = released()
    assert exposed_span(run.state) == (T0, None)
    run.wait(60)
    taken_back(judged(run, "pass"))
    assert exposed_span(run.state) == (T0, T0 + 60)


# --- migrations that ran half -----------------------------------------------------------------------------------------


def failed_migration(undoable: bool, **outcome: Any) -> Run:
    run = Run(plan=BEHIND, triggers=()).agreed()
    run.begin("migrate")
    run.intend("migrate", undo=data_undo("expand", undoable=undoable))
    run.outcome("absent", **outcome)
    run.ok(c.Rollback, reason="the migration failed")
    return run


def test_a_migration_that_failed_may_have_run_half_and_is_listed_as_such() -> None:
    run = failed_migration(undoable=False, error="Exit", reason="ended with 3: lock timeout")
    entry = item(run.state, "migrate")
    assert entry.status == "kept"
    assert "half" in entry.detail
    assert "lock timeout" in entry.detail


def test_the_undo_of_a_migration_that_failed_is_offered() -> None:
    run = failed_migration(undoable=True, error="Exit", reason="ended with 3")
    assert item(run.state, "migrate").status == "blocked"
    run.ok(c.DecideUndo, effect=item(run.state, "migrate").item.id, choice="restore", reason="it is idempotent")
    assert ready(run) == ["migrate"]


def test_a_migration_that_never_began_leaves_nothing_to_take_back() -> None:
    run = failed_migration(undoable=True, error="NotFound", reason="no such program")
    assert [entry for entry in rollback_items(run.state) if entry.item.target.id == "migrate"] == []
