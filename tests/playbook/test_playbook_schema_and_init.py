from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import REGISTRY

from amplify_tui.playbook import yaml
from amplify_tui.playbook.document import load
from amplify_tui.playbook.init import Facts, init_text
from amplify_tui.playbook.problems import Problems
from amplify_tui.playbook.schema import json_schema

SCHEMA = json_schema(REGISTRY)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
HERE = Path(__file__).parent
# What only the checker can know: the schema sees one value at a time.
SHAPES = {"unknown_key", "missing_key", "bad_choice", "no_verb", "two_verbs", "unknown_verb", "wrong_api_version"}


def _tree(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    root = yaml.parse(text, Problems(path.name, text), text)
    assert root is not None
    return yaml.plain(root)


def test_the_schema_is_a_schema_and_the_same_every_time() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.dumps(SCHEMA) == json.dumps(json_schema(REGISTRY))


@pytest.mark.parametrize("path", sorted((HERE / "good").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_the_playbooks_of_the_reference(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(_tree(path))] == []


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_schema_refuses_a_wrong_shape(name: str) -> None:
    assert not VALIDATOR.is_valid(_tree(HERE / "bad" / f"{name}.yaml"))


def test_the_schema_names_every_verb_once() -> None:
    step = SCHEMA["$defs"]["Step"]
    assert set(REGISTRY) <= set(step["properties"])
    assert [list(option["required"]) for option in step["oneOf"]] == [[name] for name in (*REGISTRY, "use")]


def test_a_first_playbook_with_nothing_known_checks_clean() -> None:
    loaded = load(init_text(Facts(name="My Shop")), path="release.yaml", registry=REGISTRY)
    assert loaded.render() == ""
    assert loaded.document is not None
    assert loaded.document.name == "my-shop"


def test_a_first_playbook_says_what_was_found_out() -> None:
    facts = Facts(
        name="shop",
        remote="upstream",
        tag_prefix="release-",
        last_version="1.4.0",
        trusted_ref="upstream/main",
        owners=("team-shop",),
        services={"Check Out": ("http://a:1", "http://b:1", "http://c:1")},
    )
    loaded = load(init_text(facts), path="release.yaml", registry=REGISTRY)
    assert loaded.render() == ""
    assert loaded.document is not None
    raw = loaded.document.raw
    assert raw["services"] == {
        "check-out": {"owner": "team-shop", "instances": ["http://a:1", "http://b:1", "http://c:1"]}
    }
    assert raw["stages"][1]["steps"][0]["tag"] == {"name": "release-${{ release.version }}", "push": "upstream"}
    assert raw["stages"][1]["steps"][1]["rollout"]["waves"] == [1, 2, 3]
    assert raw["release"]["trusted_ref"] == "upstream/main"


def test_the_commented_parts_of_a_first_playbook_are_right_too() -> None:
    lines = init_text(Facts(name="shop")).splitlines()
    plain = []
    for line in lines:
        is_yaml = line.startswith("# ") and (line[2:].startswith("  ") or line[2:].rstrip().endswith(":"))
        plain.append(line[2:] if is_yaml else line)
    loaded = load("\n".join(plain) + "\n", path="x", registry=REGISTRY)
    assert loaded.render() == ""
    assert loaded.document is not None
    assert {"sources", "signals", "stakeholders", "rollback"} <= set(loaded.document.raw)


@settings(max_examples=100, deadline=None)
@given(
    name=st.text(max_size=80),
    prefix=st.text(max_size=5),
    owners=st.lists(st.text(max_size=10), max_size=2),
    services=st.dictionaries(st.text(max_size=10), st.just(("http://a:1",)), max_size=3),
)
def test_a_first_playbook_checks_clean_whatever_a_repository_is_called(
    name: str, prefix: str, owners: list[str], services: dict[str, tuple[str, ...]]
) -> None:
    facts = Facts(name=name, tag_prefix=prefix, last_version=prefix, owners=tuple(owners), services=services)
    loaded = load(init_text(facts), path="release.yaml", registry=REGISTRY)
    assert loaded.render() == ""
