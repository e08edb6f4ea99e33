"""A text as hashes: what counts as a change of a step, and what is only another way to write the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from amplify_tui.engine.proposal import Unread, read, text_of
from amplify_tui.run.migration import parts_changed

TEXT = """
apiVersion: amplify/v1
kind: Playbook
name: shop
inputs:
  version: {type: semver, default: 3.0.0}
  wait: {type: duration, default: 5m}
release: {repo: ., version: "${{ inputs.version }}", environment: production}
services:
  checkout: {instances: ["http://127.0.0.1:1"]}
sources:
  prom: {prometheus: "http://127.0.0.1:2"}
  flags: {unleash: "http://127.0.0.1:3", token: "${{ secrets.T }}"}
signals:
  errors: {golden: errors, source: prom, bad: "bad[$window]", total: "total[$window]", limit: {above: 1%}}
stages:
  - id: go
    steps:
      - {id: pause, wait: {for: "${{ inputs.wait }}", reason: caches}}
      - {id: look, monitor: {for: 10m, gate: [errors]}}
      - {id: tell, title: Tell them, command: {argv: [ops/tell], undo: none}}
"""


def changed(tmp_path: Path, *replaced: tuple[str, str]) -> dict[str, list[str]]:
    """Which parts of which step differ once *replaced* was edited."""
    path = tmp_path / "shop.yaml"
    path.write_text(TEXT, encoding="utf-8")
    was, edited = text_of(read(str(path))), TEXT
    for old, new in replaced:
        assert old in edited
        edited = edited.replace(old, new)
    path.write_text(edited, encoding="utf-8")
    now = text_of(read(str(path)))
    steps = {name: parts_changed(was.steps[name], now.steps.get(name, {})) for name in was.steps}
    return {name: parts for name, parts in steps.items() if parts}


def test_a_change_is_named_by_its_step_and_key(tmp_path: Path) -> None:
    assert changed(tmp_path, ("ops/tell", "ops/shout")) == {"tell": ["command.argv"]}
    assert changed(tmp_path, ("title: Tell them, ", "")) == {"tell": ["title"]}
    assert changed(tmp_path, ("    steps:", "    when: ${{ inputs.version != null }}\n    steps:")) == {
        "pause": ["stage.when"],
        "look": ["stage.when"],
        "tell": ["stage.when"],
    }


def test_what_a_step_names_is_part_of_it_also_behind_what_it_names(tmp_path: Path) -> None:
    assert changed(tmp_path, ("above: 1%", "above: 2%")) == {"look": ["signal errors"]}
    assert changed(tmp_path, ("127.0.0.1:2", "127.0.0.1:4")) == {"look": ["source prom"]}
    assert changed(tmp_path, ("default: 5m", "default: 6m")) == {"pause": ["input wait"]}


def test_another_way_to_write_the_same_is_no_change(tmp_path: Path) -> None:
    assert changed(tmp_path, ("argv: [ops/tell], undo: none", "undo: none, argv: ['ops/tell']  ")) == {}
    assert changed(tmp_path, ("stages:", "# they are told at the end\nstages:")) == {}


def test_flag_servers_are_known_as_such(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert text_of(read(str(path))).flags == ("flags",)


@pytest.mark.parametrize("name", [p.name for p in sorted(Path("playbooks").glob("*.yaml"))])
def test_every_step_of_the_shipped_playbooks_has_its_parts(name: str) -> None:
    document = read(str(Path("playbooks") / name))
    text, structure = text_of(document), document.structure()
    ids = [step.id for stage in structure.stages for step in stage.steps]
    assert set(ids) <= set(text.steps)
    assert all("id" in parts and len(parts) > 1 for parts in (*text.steps.values(), *text.checks.values()))


def test_a_file_that_is_gone_no_file_or_no_playbook_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Unread, match="is gone"):
        read(str(tmp_path / "nothing.yaml"))
    with pytest.raises(Unread, match="is gone, or no file"):
        read(str(tmp_path))
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(Unread, match="line 1"):
        read(str(path))
