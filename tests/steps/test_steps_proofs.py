"""What `check` says of proofs that a bake cannot give."""

from __future__ import annotations

from amplify_tui.playbook.document import load
from amplify_tui.playbook.problems import Problem
from amplify_tui.steps.registry import specs

HEAD = """apiVersion: amplify/v1
kind: Playbook
name: compared
inputs: {version: {type: semver}}
release: {repo: ., version: "${{ inputs.version }}", environment: production}
sources: {prom: {prometheus: "http://prometheus:9090"}, flags: {unleash: "http://unleash:4242", token: "${{ secrets.T }}"}}
signals:
  errors: {golden: errors, source: prom, bad: 'rate(b{v="$cohort"}[1m])', total: 'rate(a{v="$cohort"}[1m])', cohorts: {treatment: "on", control: "off"}, limit: {above: 5%, for: 1m}PASS}
stages:
  - id: one
    steps:
      - {id: ramp, rollout: {flag: f, source: flags, phases: [5, 25, 100], bake: BAKE, gate: [errors, {signal: errors, worse_than: control, by: BY}]}}
"""


def checked(by: str, bake: str, passes: str = "") -> list[Problem]:
    text = HEAD.replace("BY", by).replace("BAKE", bake).replace("PASS", passes)
    loaded = load(text, path="compared.yaml", registry=specs())
    assert loaded.document is not None, loaded.render()
    return list(loaded.problems)


def test_a_margin_that_no_bake_can_prove_is_a_warning_with_the_time_it_takes() -> None:
    (problem,) = checked("20%", "10m")
    assert (problem.code, problem.severity) == ("proof-time", "warning")
    assert "by: 20% cannot be proven within a bake of 10m: at 25 %, 100 requests a second" in problem.message
    assert "it takes about " in problem.message
    assert "nothing is shown to be worse" in problem.hint


def test_bakes_that_are_long_enough_are_no_warning() -> None:
    assert checked("100%", "2h") == []
    assert checked("20%", "[10m, 24h, 10m]") == []


def test_a_proof_that_is_demanded_has_to_fit_every_phase() -> None:
    (problem,) = checked("100%", "[10m, 24h, 10m]", ", pass: proven")
    assert "at 5 %" in problem.message
    assert "no phase passes without its proof" in problem.hint


def test_bakes_that_are_not_known_yet_are_no_warning() -> None:
    assert checked("20%", "\"${{ inputs.version == '1.0.0' ? '10m' : '20m' }}\"") == []
