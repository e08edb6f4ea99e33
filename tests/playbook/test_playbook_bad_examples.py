"""Every file in bad/ beside what is said about it. `AMPLIFY_UPDATE_GOLDEN=1 pytest …` rewrites the .out files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from registry import REGISTRY

from amplify_tui.playbook.document import Loaded, load

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
CODES = """
    alert-in-rollback alias-limit auto-full-undo bad-choice bad-default bad-duration bad-hours bad-id bad-percent bad-range
    bad-regex bad-url bad-version bake-count bake-too-short bare-selector contract-before-monitor dash-from-expression
    duplicate-id duplicate-key empty-stages endless-regex expr-in-key expr-syntax expr-type flag-shape flag-source
    forward-reference hosts-missing inverted-window last-phase-not-100 limit-shape limit-unit literal-secret
    may-be-skipped missing-key missing-undo needs-cycle no-alarm no-cohorts no-flags no-instances no-limit no-verb
    not-utf8
    not-yet past-shape phases-not-rising requires-cycle rollout-shape secret-out-of-place secret-unbound settle-too-short
    shell-with-expression signal-shape slo-burn slo-objective slo-window slo-windows source-kind split-groups too-deep two-verbs
    unknown-anchor unknown-key unknown-name unknown-role unknown-service unknown-signal unknown-slo unknown-source
    unknown-source-kind unknown-stakeholder unknown-step unknown-verb variant-stickiness verify-shape version-unquoted
    wait-shape watched-restart waves-exceed-instances waves-not-rising when-not-bool window-too-short wrong-source wrong-type
    yaml-syntax
"""


def _load(path: Path) -> Loaded:
    return load(path.read_bytes(), path=path.name, registry=REGISTRY)


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_a_bad_playbook_gets_exactly_these_problems(path: Path) -> None:
    loaded = _load(path)
    said = loaded.render() + "\n"
    golden = path.with_suffix(".out")
    if os.environ.get("AMPLIFY_UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert loaded.problems, "every bad example is caught by something"
    assert said == golden.read_text(encoding="utf-8")


def test_every_code_has_a_bad_example() -> None:
    shown = {problem.code for path in BAD for problem in _load(path).problems}
    assert shown == set(CODES.split())


def test_every_golden_file_belongs_to_an_example() -> None:
    outs = {path.stem for path in (Path(__file__).parent / "bad").glob("*.out")}
    assert outs == {path.stem for path in BAD}


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_problems_stand_in_file_order_each_once_and_at_a_place_that_exists(path: Path) -> None:
    loaded = _load(path)
    places = [(problem.line, problem.column) for problem in loaded.problems]
    assert places == sorted(places)
    assert len(set(loaded.problems)) == len(loaded.problems)
    for problem in loaded.problems:
        assert problem.line >= 1
        assert 1 <= problem.column < problem.end_column


def test_a_warning_alone_leaves_a_document() -> None:
    path = Path(__file__).parent / "bad" / "requires_cycle.yaml"
    loaded = _load(path)
    assert [problem.severity for problem in loaded.problems] == ["warning"]
    assert loaded.document is not None


def test_a_problem_as_json_has_the_eight_documented_keys() -> None:
    problem = _load(BAD[0]).problems[0].to_json()
    assert list(problem) == ["file", "line", "column", "end_column", "code", "message", "hint", "severity"]
