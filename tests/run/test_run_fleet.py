"""The look at a whole service after its instances went back: who is on the new version again is reverted again."""

from __future__ import annotations

from msgspec.structs import replace

from amplify_tui.run import commands as c
from amplify_tui.run.reversal import left_of
from amplify_tui.run.select.undo_lines import touches
from amplify_tui.run.shapes import CODE_BAND, ServiceFacts, Target, Undo
from amplify_tui.run.state import State
from amplify_tui.run.undo import rollback_items, undo_plan
from amplify_tui.run.undo_turns import ready_items
from tests.run import test_run_data as data
from tests.run.world import Run

PLAN = replace(
    data.BEHIND, steps={name: step for name, step in data.BEHIND.steps.items() if name not in ("contract", "fix")}
)
UNITS = ("checkout-1", "checkout-2")
FLEET = "u3:fleet:checkout"
OLD, NEW = {"version": "2.9.4"}, {"version": "3.0.0"}


def item_of(unit: str) -> str:
    return f"u3:instance:checkout/{unit}"


def rolling_back(*results: str) -> Run:
    """Both instances were deployed, with these results, and go back; without results all went well."""
    run = Run(plan=PLAN, triggers=())
    run.state = replace(run.state, services={"checkout": ServiceFacts(instances=UNITS)})
    run.agreed()
    data.made(run, "migrate", undo=data.data_undo("expand", undoable=False))
    run.begin("wave")
    for unit, result in zip(UNITS, results or ("done", "done"), strict=True):
        back = Undo(band=CODE_BAND, verb="rollout", spec={}, cls="guarded", says=f"{unit} back to 2.9.4")
        target = Target(kind="instance", id=f"checkout/{unit}")
        run.intend("wave", target=target, undo=back, before=OLD, after=NEW, ordinal=unit, exposure=None)
        run.outcome(result, reason="" if result == "done" else f"it timed out, and {unit} still reports 2.9.4")
    if not results:
        run.ok(c.Finish, step="wave", outcome="succeeded")
    run.ok(c.Rollback, reason="double charges")
    return run


def reverted() -> Run:
    """Both have gone back, and nobody has looked at them together yet."""
    run = rolling_back()
    for unit in UNITS:
        run.undo(item_of(unit))
    return run


def due(run: Run) -> list[str]:
    return [entry.item.id for entry in ready_items(run.state, rollback_items(run.state), run.now)]


def statuses(state: State) -> dict[str, str]:
    return {entry.item.id: entry.status for entry in rollback_items(state)}


def test_a_service_is_looked_at_once_all_its_instances_are_back() -> None:
    run = rolling_back()
    assert set(due(run)) == {item_of(unit) for unit in UNITS}
    run.undo(item_of(UNITS[0]))
    assert due(run) == [item_of(UNITS[1])]
    run.undo(item_of(UNITS[1]))
    assert due(run) == [FLEET]
    run.undo(FLEET)
    assert set(statuses(run.state).values()) == {"done", "kept"}


def test_the_run_does_not_close_while_the_fleet_was_not_read_back() -> None:
    run = reverted()
    assert "checkout" in run.refused(c.Close).why
    assert statuses(run.state)[FLEET] == "planned"


def test_an_instance_that_is_found_on_the_new_version_goes_back_once_more_and_the_fleet_is_looked_at_again() -> None:
    run = reverted()
    run.undo(FLEET, "absent", retryable=True, reason="it is back", observed={"checkout-2": "3.0.0"})
    assert due(run) == [item_of("checkout-2")]
    run.undo(item_of("checkout-2"))
    assert due(run) == [FLEET], "there is nothing more to wait for"
    run.undo(FLEET)
    assert due(run) == []


def test_what_only_a_person_can_end_is_not_reverted_again() -> None:
    run = reverted()
    run.undo(FLEET, "absent", retryable=False, reason="three times", observed={"checkout-2": "3.0.0"})
    run.wait(60)
    assert (due(run), statuses(run.state)[FLEET]) == ([], "blocked")
    run.ok(c.Retry, step=FLEET, reason="the controller is off")
    assert due(run) == [FLEET]


def test_a_third_version_or_a_stranger_is_looked_at_again_and_reverts_nothing() -> None:
    run = reverted()
    run.undo(FLEET, "absent", retryable=True, reason="odd", observed={"checkout-1": "3.0.1", "checkout-9": "3.0.0"})
    assert due(run) == []
    run.wait(60)
    assert due(run) == [FLEET]


def test_where_all_instances_stay_by_a_persons_word_nobody_looks_at_their_fleet() -> None:
    run = rolling_back()
    run.ok(c.DecideUndo, effect=item_of(UNITS[0]), choice="waive", reason="it is being repaired")
    assert statuses(run.state)[FLEET] == "planned"
    run.ok(c.DecideUndo, effect=item_of(UNITS[1]), choice="waive", reason="it is being repaired")
    assert statuses(run.state)[FLEET] == "waived"


def test_a_deploy_that_proved_absent_counts_as_back_and_is_reverted_where_it_landed_late() -> None:
    run = rolling_back("done", "absent")
    assert statuses(run.state)[item_of("checkout-2")] == "done"
    assert touches(run.state).summary.startswith("1 instance"), "what never happened is not touched"
    run.undo(item_of("checkout-1"))
    assert due(run) == [FLEET]
    run.undo(FLEET, "absent", retryable=True, reason="it is back", observed={"checkout-2": "3.0.0"})
    run.wait(60)
    assert due(run) == [item_of("checkout-2")]
    run.undo(item_of("checkout-2"))
    assert due(run) == [FLEET]


def test_a_closed_run_whose_deploys_all_proved_absent_left_nothing_to_take_back() -> None:
    run = Run(plan=PLAN, triggers=())
    run.agreed()
    data.made(run, "migrate", undo=data.data_undo("expand", undoable=False))
    run.begin("wave")
    back = Undo(band=CODE_BAND, verb="rollout", spec={}, cls="guarded", says="checkout-1 back to 2.9.4")
    target = Target(kind="instance", id="checkout/checkout-1")
    run.intend("wave", target=target, undo=back, before=OLD, after=NEW, ordinal="1", exposure=None)
    run.outcome("absent", reason="its command failed, and checkout-1 still reports 2.9.4")
    run.ok(c.Abort, leave_partial=True, reason="another day")
    assert [item.cls for item in left_of(run.state)] == ["none"], "the expand stays, and nothing goes back"


def test_what_was_found_on_the_new_version_when_its_look_was_waived_can_be_taken_back_later() -> None:
    run = reverted()
    run.undo(FLEET, "absent", retryable=False, reason="three times", observed={"checkout-2": "3.0.0"})
    run.ok(c.DecideUndo, effect=FLEET, choice="waive", reason="the controller is off tomorrow")
    assert {item.id for item in left_of(run.state)} >= {item_of("checkout-2"), FLEET}
    assert item_of("checkout-1") not in {item.id for item in left_of(run.state)}


def test_what_a_rollback_left_is_read_back_by_the_run_that_takes_the_rest_back() -> None:
    run = rolling_back()
    run.ok(c.DecideUndo, effect=item_of(UNITS[0]), choice="waive", reason="it is being repaired")
    run.undo(item_of(UNITS[1]))
    run.undo(FLEET)
    left = {item.id: item for item in left_of(run.state)}
    assert {item_of(UNITS[0]), FLEET} <= set(left)
    assert left[FLEET].needs == (item_of(UNITS[0]),)
    assert left[FLEET].after == {"checkout-1": "3.0.0"}


def test_a_try_whose_outcome_nobody_knows_is_made_again_whatever_the_fleet_looks_like_now() -> None:
    run = reverted()
    run.undo(FLEET, "unknown", reason="the conductor died")
    run.ok(c.Probed, effect=run.effect().id, result="done")
    assert statuses(run.state)[FLEET] == "waiting"
    assert [item.id for item in undo_plan(run.state) if item.only_looks] == [FLEET]
