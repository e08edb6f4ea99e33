"""What is generated is fresh, what is named exists, and what is linked is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from amplify_tui.playbook.document import load
from amplify_tui.steps.registry import specs
from docs import generate

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
PACKAGES = [path.name for path in (ROOT / "amplify_tui").iterdir() if (path / "__init__.py").exists()]
_INLINE = re.compile(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|yaml|md))`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", ["playbook.md", "schema.json"])
def test_a_generated_page_is_what_the_types_say(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == generate.pages()[name], "python docs/generate.py"


def test_a_key_without_a_sentence_and_a_sentence_without_a_key_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("Part: {known: It is known., gone: It was a key once.}\n", encoding="utf-8")
    words = generate.Words(path)
    assert words.of("Part", "known") == "It is known."
    with pytest.raises(generate.StaleWordsError, match=r"no sentence for Part\.new"):
        words.of("Part", "new")
    with pytest.raises(generate.StaleWordsError, match=r"Part\.gone, which does not exist"):
        words.check_all_used()


def test_the_reference_has_a_section_for_every_verb_and_a_row_for_every_problem_code() -> None:
    page = (ROOT / "docs" / "playbook.md").read_text(encoding="utf-8")
    assert [name for name in specs() if f"\n### {name}\n" not in page] == []
    shown = set(re.findall(r"^\| `([a-z0-9-]+)` \|", page.partition("## Problems")[2], re.MULTILINE))
    bad = (ROOT / "tests" / "playbook" / "bad").glob("*.yaml")
    loaded = [load(path.read_bytes(), path=path.name, registry=specs()) for path in bad]
    assert shown == {problem.code for each in loaded for problem in each.problems}


def test_the_schema_on_the_disk_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads((ROOT / "docs" / "schema.json").read_text(encoding="utf-8")))


def _exists(name: str) -> bool:
    return any((place / name).exists() for place in (ROOT, ROOT / "amplify_tui", ROOT / "docs"))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = _INLINE.findall((ROOT / page).read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if "NAME" not in name and not _exists(name)] == []


def test_the_architecture_has_every_package_with_three_files_to_read_first() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)/` \|.*\| ([^|]+) \|$", text, re.MULTILINE)}
    assert sorted(rows) == sorted(PACKAGES)
    assert {name for name, files in rows.items() if files.count("`") < 4} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(there), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
