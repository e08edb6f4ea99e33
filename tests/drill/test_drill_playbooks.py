"""What ships can be read without a complaint, and the demo's values fit it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from amplify_tui.drill.demo import PLAYBOOK_IN_REPO, demo_env, demo_inputs, playbooks
from amplify_tui.drill.world import World
from amplify_tui.playbook.context import secret_names
from amplify_tui.playbook.document import Document, load
from amplify_tui.playbook.expr import Context
from amplify_tui.playbook.model import Playbook
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.resolve import resolve, resolve_fields

SHIPPED = ("config-flag.yaml", "hotfix.yaml", "major-release.yaml", "patch-release.yaml")


@pytest.fixture(scope="session")
def registry() -> Registry:
    path = Path(__file__).parents[1] / "playbook" / "registry.py"
    spec = importlib.util.spec_from_file_location("verbs_of_the_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its annotations are resolved there
    spec.loader.exec_module(module)
    found: Registry = module.REGISTRY
    return found


def read(path: Path, registry: Registry) -> Document:
    loaded = load(path.read_bytes(), path=path.name, registry=registry)
    assert loaded.problems == (), loaded.render()
    assert loaded.document is not None
    return loaded.document


def context(inputs: dict[str, Any]) -> Context:
    names = {
        "inputs": inputs,
        "release": {
            "version": inputs["version"],
            "previous": "2.9.4",
            "tag": "v3.0.0",
            "previous_tag": "v2.9.4",
            "sha": "a" * 40,
            "environment": "production",
            "notes": "",
            "commits": [],
        },
        "run": {"id": "r1", "mode": "live", "actor": "captain", "started_at": 0},
        "services": {},
    }
    return Context(names)


def defaults(document: Document) -> dict[str, Any]:
    return {name: declared.default for name, declared in document.inputs.items()} | {"version": "3.0.0"}


def typed(document: Document, inputs: dict[str, Any]) -> Playbook:
    return resolve(document, context(inputs))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_playbook_has_no_problem_with_its_defaults(name: str, registry: Registry) -> None:
    document = read(playbooks() / name, registry)
    assert typed(document, defaults(document)).name == Path(name).stem


def test_the_folder_holds_what_ships() -> None:
    assert {path.name for path in playbooks().glob("*.yaml")} >= set(SHIPPED)


def test_the_major_release_has_all_eight_stages(registry: Registry) -> None:
    document = read(playbooks() / "major-release.yaml", registry)
    stages = [stage.id for stage in typed(document, defaults(document)).stages]
    assert stages == ["plan", "dependencies", "comms", "flags", "rollout", "e2e", "monitor", "finish"]


def test_the_demo_sets_only_inputs_that_exist_and_leaves_none_of_them_open(world: World, registry: Registry) -> None:
    document = read(playbooks() / "major-release.yaml", registry)
    values = demo_inputs(world.facts())
    assert set(values) <= set(document.inputs)
    assert {name for name, declared in document.inputs.items() if declared.default is None} <= set(values)
    playbook = typed(document, defaults(document) | values)
    urls = [one["url"] for one in world.facts()["services"]["checkout"]]
    assert playbook.services["checkout"].instances == tuple(urls)
    [ramp] = [step for stage in playbook.stages for step in stage.steps if step.id == "ramp"]
    fields = resolve_fields(document, ramp, context(defaults(document) | values), registry)
    assert list(fields.phases) == [10, 25, 50, 100]


def test_the_demo_knows_every_secret_the_playbook_refers_to(world: World, registry: Registry) -> None:
    document = read(playbooks() / "major-release.yaml", registry)
    flags = typed(document, defaults(document)).sources["flags"]
    wanted = secret_names(flags.token or "") | secret_names(flags.client_token or "")
    assert wanted == set(demo_env(world.facts()))


def test_the_playbook_in_the_sandboxs_repository_is_ready_to_run(world: World, registry: Registry) -> None:
    path = Path(world.facts()["playbook"])
    assert path == Path(world.facts()["repo"]) / PLAYBOOK_IN_REPO
    document = read(path, registry)
    found = {name: declared.default for name, declared in document.inputs.items()}
    assert {name: found[name] for name in demo_inputs(world.facts())} == demo_inputs(world.facts())
    shipped = yaml.safe_load((playbooks() / "major-release.yaml").read_text(encoding="utf-8"))
    mine = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {key: value for key, value in mine.items() if key != "inputs"} == {
        key: value for key, value in shipped.items() if key != "inputs"
    }
