"""Where a secret's value comes from, which secrets a run uses, and what is said where one has no value."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplify_tui.adapters.ports import NoSecret
from amplify_tui.engine.own_secrets import secrets_of
from amplify_tui.engine.secret_values import Secrets
from amplify_tui.playbook.context import secret_marker
from amplify_tui.run.shapes import Undo
from amplify_tui.run.state import State
from tests.engine.crash_world import checked, plain_playbook, plain_repo, step
from tests.run.world import Run


def test_a_variable_that_is_not_set_or_set_to_nothing_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "value")
    monkeypatch.setenv("EMPTY", "")
    secrets = Secrets("r1")
    assert secrets("TOKEN") == "value"
    assert secrets.held(["EMPTY", "GONE", "TOKEN"]) == ("TOKEN",)
    for name in ("EMPTY", "GONE"):
        with pytest.raises(NoSecret) as lacking:
            secrets(name)
        assert f"${name}" in str(lacking.value)
        assert "amplify resume r1" in str(lacking.value)
        assert lacking.value.retryable


def test_a_run_uses_what_its_playbook_its_inputs_and_its_undo_data_name(tmp_path: Path) -> None:
    fields = {"argv": ["true"], "env": {"A": "${{ secrets.WRITTEN }}"}, "undo": "none"}
    text = plain_playbook(plain_repo(tmp_path / "repo"), [step("work", "command", fields)])
    file = tmp_path / "playbook.yaml"
    raw = checked(f"# secrets.MENTIONED is in a comment only\n{text}", file).raw
    assert secrets_of(raw, State(inputs={"to": secret_marker("GIVEN")})) == ("GIVEN", "WRITTEN")
    run = Run().agreed()
    run.begin("deploy")
    spec = {"work": {"env": {"T": secret_marker("OF_AN_EARLIER_TEXT")}}}
    run.intend("deploy", undo=Undo(band=3, verb="command", spec=spec, cls="manual"))
    assert secrets_of(raw, run.state) == ("OF_AN_EARLIER_TEXT", "WRITTEN")
