"""All verbs at one place, and gate entries as terms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.document import load
from amplify_tui.playbook.model import (
    Condition,
    Limit,
    Playbook,
    Release,
    Rollback,
    Signal,
    Source,
    Stage,
    Step,
    Trigger,
)
from amplify_tui.playbook.shapes import fields_of
from amplify_tui.steps.registry import VERBS, specs, verb
from amplify_tui.steps.terms import alpha_of, pasts_of, settle_of, terms

ALL = [  # reference.md 5, in its order
    *("confirm", "input", "scope", "window", "dependencies", "notify", "flag", "tag"),
    *("command", "http", "verify", "rollout", "e2e", "monitor", "wait"),
]


def test_every_verb_of_the_reference_is_there_under_its_own_name() -> None:
    assert list(VERBS) == ALL
    assert [verb(name).name for name in VERBS] == ALL


def test_an_unknown_verb_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        verb("rollot")


def test_the_fields_of_every_verb_can_be_walked_and_refuse_unknown_keys() -> None:
    for name, spec in specs().items():
        assert fields_of(spec.fields), name
        assert spec.fields.__struct_config__.forbid_unknown_fields, name


def test_the_argv_of_waves_is_resolved_late() -> None:
    late = fields_of(verb("rollout").Fields)["deploy"]
    assert late is not None
    from amplify_tui.steps.commands import LateCommand

    assert {key: field.late for key, field in fields_of(LateCommand).items() if field.late} == {
        "argv": "instance",
        "env": "instance",
    }


@pytest.mark.parametrize("path", sorted(Path("playbooks").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_playbooks_fit_the_verbs(path: Path) -> None:
    loaded = load(path.read_text(), path=str(path), registry=specs())
    assert loaded.document is not None, loaded.render()


def test_asking_for_one_verb_imports_no_other_and_no_http() -> None:
    code = (
        "import sys; from amplify_tui.steps.registry import verb; verb('confirm');"
        "print([m for m in sys.modules if m in ('httpx', 'git', 'amplify_tui.steps.flag', 'UnleashClient')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- terms ----------------------------------------------------------------------------------------------------------

ERRORS = Signal(golden="errors", source="prom", bad="b", total="t", window=60.0, limit=Limit(above=0.01))
BOOK = Playbook(
    name="t",
    release=Release(repo=".", version="1.0.0", environment="production"),
    stages=(),
    sources={"prom": Source(prometheus="http://p", lag=20.0), "flags": Source(unleash="http://u", poll=15.0)},
    signals={"errors": ERRORS},
)


def test_gate_entries_become_terms_that_need_no_playbook() -> None:
    found = terms(("health", "errors", Condition(signal="errors", cohort="control", above=0.05)), BOOK)
    assert [term.id for term in found] == ["health", "errors", "errors control"]
    assert (found[0].builtin, found[1].signal, found[1].lag) == ("health", ERRORS, 20.0)
    assert found[2].condition is not None
    assert found[2].condition.above == 0.05


def test_two_conditions_on_one_signal_have_ids_of_their_own_and_one_written_twice_is_one() -> None:
    entries = (Condition(signal="errors", above=0.01), Condition(signal="errors", above=0.05), "health", "health")
    found = terms(entries, BOOK)
    assert [term.id for term in found] == ["errors", "errors#2", "health"]


def test_an_unknown_signal_says_which_there_are() -> None:
    with pytest.raises(Invalid, match="errors"):
        terms(("latency",), BOOK)


def test_a_phase_settles_for_the_window_and_the_poll_plus_the_lag_unless_it_is_written() -> None:
    gate = terms(("errors",), BOOK)
    assert settle_of(gate, BOOK, None) == 80.0
    assert settle_of(gate, BOOK, 2.0) == 2.0
    assert settle_of(terms(("health",), BOOK), BOOK, None) == 15.0


def test_the_past_that_a_signal_needs_is_the_earliest_that_anybody_compares_it_with() -> None:
    def of(*gate: object, when: tuple[Trigger, ...] = ()) -> dict[str, str]:
        step = Step(id="look", verb="verify", fields={"conditions": gate})
        stages = (Stage(id="s", steps=(step,)),)
        return dict(pasts_of(replace(BOOK, stages=stages, rollback=Rollback(when=when))))

    day, week = ({"signal": "errors", "worse_than": past, "by": 0.5} for past in ("yesterday", "last_week"))
    assert of("errors", {"signal": "errors", "worse_than": "control"}) == {}
    assert of("errors", day) == {"errors": "yesterday"}
    assert of(week, day) == {"errors": "last_week"}
    assert of(day, when=(Trigger(signal="errors", worse_than="last_week"),)) == {"errors": "last_week"}
    own = replace(BOOK, signals={"errors": replace(ERRORS, limit=Limit(worse_than="yesterday"))})
    step = Step(id="look", verb="verify", fields={"conditions": ("errors",)})
    assert pasts_of(replace(own, stages=(Stage(id="s", steps=(step,)),))) == {"errors": "yesterday"}


def test_a_phase_settles_for_as_long_as_its_queries_look_back() -> None:
    errors = replace(ERRORS, bad="rate(b[2m])", total="rate(t[1m])", window=30.0)
    book = replace(BOOK, signals={"errors": errors})
    assert settle_of(terms(("errors",), book), book, None) == 140.0


def test_the_comparisons_of_a_release_share_one_chance_of_a_false_fail() -> None:
    assert alpha_of(BOOK) == 0.01
    compared = {"signal": "errors", "worse_than": "control", "by": "20%"}
    gates = [[compared], [compared, "health"], [{"signal": "errors", "above": 0.1, "alpha": 0.01}, "errors"]]
    steps = tuple(Step(id=f"s{i}", verb="monitor", fields={"for": "1h", "gate": gate}) for i, gate in enumerate(gates))
    book = replace(
        BOOK,
        stages=(Stage(id="one", steps=steps),),
        rollback=Rollback(when=(Trigger(signal="errors", worse_than="control", by=1.0),)),
    )
    # Two gates ask the same; with the limit and the trigger they are three different questions.
    assert alpha_of(book) == pytest.approx(0.01 / 3)
    (term,) = terms((Condition(signal="errors", worse_than="control"),), book)
    assert term.alpha == pytest.approx(0.01 / 3)
