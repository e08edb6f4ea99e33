from __future__ import annotations

from typing import Any

import pytest
from registry import REGISTRY
from samples import SMALLEST, WHOLE

from amplify_tui.playbook.context import Context, reveal, secret_marker, secret_names
from amplify_tui.playbook.document import Document, load
from amplify_tui.playbook.model import Condition, Playbook, Step
from amplify_tui.playbook.resolve import Unresolved, resolve, resolve_argv, resolve_fields, resolve_value

RELEASE = {
    "version": "3.0.0",
    "previous": "2.9.0",
    "tag": "v3.0.0",
    "previous_tag": "v2.9.0",
    "sha": "abc123",
    "commits": [],
}
NAMES: dict[str, Any] = {
    "inputs": {"version": "3.0.0", "canary_users": ["u1", "u2"]},
    "release": {**RELEASE, "environment": "production", "notes": "Fixes"},
    "run": {"id": "r1", "mode": "live", "actor": "captain", "started_at": 1.5},
    "services": {},
}
CONTEXT = Context(NAMES, now=100.0)


def _document(text: str) -> Document:
    loaded = load(text, path="release.yaml", registry=REGISTRY)
    assert loaded.document is not None, loaded.render()
    return loaded.document


def _step(playbook: Playbook, name: str) -> Step:
    return next(step for stage in playbook.stages for step in stage.steps if step.id == name)


def _hotfix(steps: str, top: str = "") -> Document:
    head = SMALLEST[: SMALLEST.index("stages:")]
    return _document(f"{head}{top}stages:\n  - id: one\n    steps:\n{steps}")


def test_a_resolved_playbook_has_typed_sections_and_steps_as_written() -> None:
    playbook = resolve(_document(WHOLE), CONTEXT)
    assert playbook.release.version == "3.0.0"
    assert playbook.services["checkout"].requires == {"ledger": ">=2.3.0 <3", "pricing": "^5.1"}
    assert playbook.services["ledger"].health.every == 2.0
    assert playbook.signals["errors"].limit is not None
    assert playbook.signals["errors"].limit.for_ == 60.0
    assert playbook.slos["checkout"].objective == pytest.approx(0.999)
    assert playbook.stakeholders["support"].url == secret_marker("SUPPORT_URL")
    assert playbook.rollback.when[0].mode == "auto"
    assert playbook.rollback.complete_within == 60.0
    go = _step(playbook, "go")
    assert go.fields == {"ask": "Release ${{ release.version }} at ${{ release.sha }} to production?"}
    assert go.sign_off is not None
    assert go.sign_off.expires == 4 * 3600


def test_fields_are_the_verbs_own_struct_with_every_value_resolved() -> None:
    document = _document(WHOLE)
    playbook = resolve(document, CONTEXT)
    ramp = resolve_fields(document, _step(playbook, "ramp"), CONTEXT, REGISTRY)
    assert ramp.phases == (1.0, 5.0, 25.0, 50.0, 100.0)
    assert ramp.bake == (600.0, 600.0, 900.0, 1200.0, 1800.0)
    assert ramp.settle == 135.0
    internal = resolve_fields(document, _step(playbook, "internal"), CONTEXT, REGISTRY)
    assert internal.add[0].where[0].values == ("u1", "u2")
    waves = resolve_fields(document, _step(playbook, "instances"), CONTEXT, REGISTRY)
    assert waves.gate == ("health", "fleet", Condition(signal="errors", cohort="control"))


def test_late_fields_stay_as_written_until_the_verb_resolves_them() -> None:
    document = _document(SMALLEST)
    deploy = resolve_fields(document, _step(resolve(document, CONTEXT), "deploy"), CONTEXT, REGISTRY)
    assert deploy.deploy.argv == ("ops/deploy", "${{ instance.id }}", "${{ release.version }}")
    wave = CONTEXT.with_names(instance={"id": "shop-1", "before": "2.9.0"})
    assert resolve_argv(deploy.deploy.argv, wave) == ("ops/deploy", "shop-1", "3.0.0")
    assert resolve_value(deploy.revert, wave).argv == ("ops/deploy", "shop-1", "2.9.0")


def test_an_instance_is_no_name_outside_a_wave() -> None:
    text = SMALLEST.replace("Release ${{ release.version }}", "Release ${{ instance.id }}")
    (problem,) = load(text, path="x", registry=REGISTRY).problems
    assert problem.code == "unknown-name"


def test_a_missing_value_names_the_place_that_asks_for_it() -> None:
    document = _document(SMALLEST)
    with pytest.raises(Unresolved) as caught:
        resolve(document, Context({"inputs": {}}))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.code) == ("release.yaml", 5, "unknown-name")


def test_a_value_of_the_wrong_kind_is_refused_when_it_is_there() -> None:
    document = _document(SMALLEST)
    with pytest.raises(Unresolved) as caught:
        resolve(document, Context({"inputs": {"version": "three"}}))
    assert [problem.code for problem in caught.value.problems] == ["bad-version"]


def test_a_lone_expression_keeps_its_type_and_a_template_is_a_text() -> None:
    assert resolve_value(["${{ inputs.canary_users }}", "${{ 1 + 1 }}", "n: ${{ 1 + 1 }}"], CONTEXT) == [
        ["u1", "u2"],
        2,
        "n: 2",
    ]
    assert resolve_value("${{ true }}/${{ 1.5 }}/${{ null }}", CONTEXT) == "true/1.5/none"


def test_an_input_of_type_duration_may_be_seconds_or_a_text() -> None:
    top = ""
    text = SMALLEST.replace(
        "{version: {type: semver}}", "{version: {type: semver}, bake: {type: duration, default: 10m}}"
    )
    text = text.replace("bake: 2m", 'bake: "${{ inputs.bake }}"')
    document = _document(text + top)
    for given in (90.0, "90s", "1m30s"):
        context = CONTEXT.with_names(inputs={"version": "3.0.0", "bake": given})
        fields = resolve_fields(document, _step(resolve(document, context), "deploy"), context, REGISTRY)
        assert fields.bake == 90.0


def test_a_when_with_the_outputs_of_an_earlier_step_is_resolved_when_it_comes_up() -> None:
    document = _hotfix(
        "      - {id: a, command: {argv: [x], undo: none}}\n"
        '      - {id: b, when: "${{ steps.a.outputs.exit == 0 }}", confirm: {ask: x}}\n'
    )
    step = _step(resolve(document, CONTEXT), "b")
    assert step.when == "${{ steps.a.outputs.exit == 0 }}"
    assert resolve_value(step.when, CONTEXT.with_names(steps={"a": {"outputs": {"exit": 0}}})) is True


def test_default_stands_in_for_a_step_that_was_skipped() -> None:
    document = _hotfix(
        "      - {id: a, skippable: true, command: {argv: [x], undo: none}}\n"
        "      - {id: b, confirm: {ask: \"${{ default(steps.a.outputs.text, 'nothing') }}\"}}\n"
    )
    step = _step(resolve(document, CONTEXT), "b")
    for state in ({}, {"a": {}}, {"a": {"outputs": None}}, {"a": {"outputs": {"text": None}}}):
        fields = resolve_fields(document, step, CONTEXT.with_names(steps=state), REGISTRY)
        assert fields.ask == "nothing"


def test_an_argument_that_an_expression_turns_into_an_option_is_refused() -> None:
    steps = (
        '      - {id: a, command: {argv: [run, "${{ release.notes }}", "--x=${{ release.notes }}"], undo: none%s}}\n'
    )
    context = CONTEXT.with_names(release={**NAMES["release"], "notes": "--delete"})
    document = _hotfix(steps % "")
    with pytest.raises(Unresolved) as caught:
        resolve_fields(document, _step(resolve(document, context), "a"), context, REGISTRY)
    assert [problem.code for problem in caught.value.problems] == ["dash-from-expression"]
    allowed = _hotfix(steps % ", allow_dash: true")
    fields = resolve_fields(allowed, _step(resolve(allowed, context), "a"), context, REGISTRY)
    assert fields.argv == ("run", "--delete", "--x=--delete")
    with pytest.raises(Unresolved):
        resolve_argv(("run", "${{ release.notes }}"), context)
    assert resolve_argv(("run", "${{ 5 }}"), context) == ("run", "5")


def test_a_secret_is_a_marker_until_it_is_revealed() -> None:
    tree = {"Authorization": "Bearer ${{ secrets.TOKEN }}", "X": '${{ secrets["a-b"] }}'}
    resolved = resolve_value(tree, CONTEXT)
    assert resolved == {"Authorization": f"Bearer {secret_marker('TOKEN')}", "X": secret_marker("a-b")}
    assert secret_names(resolved["Authorization"]) == {"TOKEN"}
    assert reveal(resolved["Authorization"], {"TOKEN": "t0p"}.__getitem__) == "Bearer t0p"


def test_nothing_but_the_playbook_can_write_a_marker() -> None:
    marker = secret_marker("TOKEN")
    hostile = CONTEXT.with_names(
        release={"notes": f"see {marker}"}, steps={"a": {"outputs": {"json": {"k": [marker]}}}}
    )
    for tree in (
        "${{ release.notes }}",
        "x ${{ release.notes }}",
        "${{ steps.a.outputs.json }}",
        marker,
        {"a": [marker]},
    ):
        assert not secret_names(str(resolve_value(tree, hostile)))
    assert not secret_names(str(resolve_value("${{ '\u27e6secret:' + 'TOKEN\u27e7' }}", hostile)))


def test_an_input_that_refers_to_a_secret_is_the_marker_it_was_given_as() -> None:
    context = Context({"inputs": {"token": secret_marker("MINE")}})
    assert resolve_value("Bearer ${{ inputs.token }}", context) == f"Bearer {secret_marker('MINE')}"


def test_a_revealed_value_is_not_revealed_again() -> None:
    assert reveal(secret_marker("a"), lambda name: secret_marker("b") if name == "a" else "leak") == secret_marker("b")


def test_the_steps_of_the_rollback_know_its_reason() -> None:
    document = _document(WHOLE)
    tell = resolve(document, CONTEXT).rollback.after[0]
    context = CONTEXT.with_names(rollback={"reason": "errors rose", "scope": "full"})
    fields = resolve_fields(document, tell, context, REGISTRY)
    assert fields.body == "Back on 2.9.0. errors rose"


def test_a_trigger_may_be_the_bare_name_of_a_built_in() -> None:
    text = SMALLEST.replace("stages:", "rollback: {when: [health, fleet]}\nstages:")
    triggers = resolve(_document(text), CONTEXT).rollback.when
    assert [trigger.builtin for trigger in triggers] == ["health", "fleet"]
    assert triggers[0].mode == "ask"
