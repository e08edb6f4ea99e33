from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from registry import REGISTRY
from samples import SMALLEST, WHOLE

from amplify_tui.playbook.document import Document, Loaded, load
from amplify_tui.playbook.registry import CheckContext, VerbSpec


def _load(source: str | bytes) -> Loaded:
    return load(source, path="release.yaml", registry=REGISTRY)


def _document(source: str) -> Document:
    loaded = _load(source)
    assert loaded.document is not None, loaded.render()
    return loaded.document


def test_the_smallest_playbook_of_the_reference_is_clean() -> None:
    loaded = _load(SMALLEST)
    assert loaded.problems == ()
    assert loaded.document is not None


def test_the_whole_playbook_of_the_reference_is_clean() -> None:
    assert _load(WHOLE).problems == ()


def test_a_document_knows_its_name_text_hash_and_inputs() -> None:
    document = _document(SMALLEST)
    assert (document.name, document.path, document.text) == ("hotfix", "release.yaml", SMALLEST)
    assert document.sha256 == hashlib.sha256(SMALLEST.encode()).hexdigest()
    assert document.inputs["version"].type == "semver"
    assert document.raw["release"]["version"] == "${{ inputs.version }}"


def test_bytes_and_text_have_the_same_hash() -> None:
    from_bytes = _load(SMALLEST.encode()).document
    assert from_bytes is not None
    assert from_bytes.sha256 == _document(SMALLEST).sha256


def test_the_structure_keeps_what_is_written_and_adds_the_default_order() -> None:
    structure = _document(WHOLE).structure()
    assert [stage.id for stage in structure.stages][:3] == ["plan", "dependencies", "comms"]
    assert [stage.after for stage in structure.stages][:3] == [(), ("plan",), ("dependencies",)]
    steps = {step.id: step for stage in structure.stages for step in stage.steps}
    assert (steps["go"].verb, steps["go"].needs, steps["go"].after) == ("confirm", None, ("window",))
    assert steps["go"].sign_off == {"roles": {"captain": 1, "product": 1}, "not_starter": True, "expires": "4h"}
    assert steps["announce"].on_fail == "continue"
    assert steps["buy"].each == {"service": ["checkout", "pricing"]}
    assert steps["buy"].retries == 1
    assert [step.id for step in structure.rollback["integrity"]] == ["orphans"]
    assert structure.rollback["integrity"][0].timeout == 20.0


def test_a_list_of_needs_breaks_the_sequence() -> None:
    steps = """
      - {id: a, confirm: {ask: x}}
      - {id: b, needs: [], confirm: {ask: x}}
      - {id: c, needs: [release.a, b], confirm: {ask: x}}
      - {id: d, confirm: {ask: "${{ steps.a.outputs.by }}"}}
"""
    text = SMALLEST[: SMALLEST.index("      - {id: go")] + steps.lstrip("\n")
    (stage,) = _document(text).structure().stages
    assert {step.id: step.after for step in stage.steps} == {"a": (), "b": (), "c": ("a", "b"), "d": ("c",)}


def test_the_outputs_of_steps_side_by_side_are_not_sure() -> None:
    steps = """
      - {id: a, confirm: {ask: x}}
      - {id: b, needs: [], confirm: {ask: "${{ steps.a.outputs.by }}"}}
"""
    text = SMALLEST[: SMALLEST.index("      - {id: go")] + steps.lstrip("\n")
    assert [problem.code for problem in _load(text).problems] == ["forward-reference"]


def test_an_expression_across_lines_has_the_place_of_its_own_line() -> None:
    text = SMALLEST.replace(
        '{id: go, confirm: {ask: "Release',
        'id: go\n        confirm:\n          ask: |\n            Hello\n            "Release',
    )
    text = text.replace('${{ release.sha }}?"}}', "${{ release.shaa }}?")
    text = text.replace('"Release ${{ release.version }}', "Release ${{ release.version }}")
    (problem,) = _load(text).problems
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 : problem.end_column - 1] == "release.shaa"


def test_a_verb_reports_problems_at_a_path_of_its_fields() -> None:
    class Shout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        words: tuple[str, ...]

    def quiet(fields: Any, context: CheckContext) -> None:
        for index, word in enumerate(fields["words"]):
            if word.isupper():
                context.report(("words", index, "nowhere"), "too-loud", f"{word} is loud in {context.step['id']}")

    registry = {**REGISTRY, "shout": VerbSpec(name="shout", fields=Shout, check=quiet)}
    text = SMALLEST + "      - {id: say, shout: {words: [hello, HELLO]}}\n"
    (problem,) = load(text, path="x", registry=registry).problems
    line = text.splitlines()[problem.line - 1]
    assert (problem.code, line[problem.column - 1 : problem.end_column - 1]) == ("too-loud", "HELLO")
    assert problem.message == "HELLO is loud in say"


def test_a_secret_is_hidden_in_the_line_that_is_shown() -> None:
    text = WHOLE.replace('"${{ secrets.UNLEASH_TOKEN }}"', "xoxb-1234567890-abcdefghij")
    said = _load(text).render()
    assert "literal-secret" in said
    assert "abcdefghij" not in said


def test_a_secret_in_a_wrong_place_is_hidden_in_the_message_too() -> None:
    leaked = "ghp_" + "0123456789abcdefghij" * 2
    for place in (f"url: {leaked}", f'"{leaked}": x', f"url: \"${{{{ '{leaked}' + }}}}\"", f"id: {leaked}"):
        text = SMALLEST.replace("stages:", f"stakeholders: {{a: {{via: webhook, {place}}}}}\nstages:")
        said = _load(text).render()
        assert "literal-secret" in said
        assert leaked not in said.replace("\n", "")


def test_no_message_or_line_carries_a_control_character() -> None:
    said = _load('a: "\\e]0;x\\a"\n"\\e[31mkey": 1\n').render()
    assert "\x1b" not in said
    assert "\\x1b[31mkey" in said


@pytest.mark.parametrize("kind", ["Fragment", "Estate", "Drill"])
def test_the_kinds_to_come_are_known_and_refused(kind: str) -> None:
    (problem,) = _load(SMALLEST.replace("kind: Playbook", f"kind: {kind}")).problems
    assert problem.code == "not-yet"


_LINES = WHOLE.splitlines(keepends=True)
_WORDS = [
    "",
    "null",
    "[]",
    "{}",
    "5",
    "1.10",
    "true",
    '"${{ "',
    '"${{ x }}"',
    "*a",
    "&a",
    "text",
    "- x",
    "90s",
    "[[[",
    "a: b",
    "\u2028",
]


@settings(max_examples=200, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(_LINES) - 1), st.integers(0, 80), st.sampled_from(_WORDS)), max_size=4),
    dropped=st.lists(st.integers(0, len(_LINES) - 1), max_size=2),
)
def test_a_mutated_playbook_gives_problems_and_never_a_traceback(
    edits: list[tuple[int, int, str]], dropped: list[int]
) -> None:
    lines = list(_LINES)
    for line, column, word in edits:
        lines[line] = lines[line][:column].rstrip("\n") + word + lines[line][column + len(word) :].rstrip("\n") + "\n"
    text = "".join(line for number, line in enumerate(lines) if number not in dropped)
    loaded = _load(text)
    assert (loaded.document is None) == any(problem.severity == "error" for problem in loaded.problems)
    for problem in loaded.problems:
        assert problem.render()
    if loaded.document is not None:
        assert loaded.document.structure().stages


_KEYS = [
    "id",
    "steps",
    "stages",
    "rollout",
    "command",
    "argv",
    "when",
    "needs",
    "gate",
    "signal",
    "inputs",
    "type",
    "default",
]
_KEYS += [
    "services",
    "instances",
    "requires",
    "signals",
    "sources",
    "undo",
    "rollback",
    "each",
    "bake",
    "waves",
    "phases",
]
_TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["x", "${{ a }}", "go", "1m", "flag"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _TREE, max_size=8))
def test_a_tree_of_the_right_words_in_wrong_places_gives_problems(tree: dict[str, Any]) -> None:
    loaded = _load(json.dumps({"apiVersion": "amplify/v1", "kind": "Playbook", "name": "x", **tree}))
    assert loaded.document is None
    assert loaded.render()


def test_a_long_playbook_is_checked_whole() -> None:
    steps = "".join(
        f'      - id: s{n}\n        confirm:\n          ask: "Step {n} after ${{{{ steps.s{n - 1}.outputs.by }}}}?"\n'
        for n in range(1, 700)
    )
    text = SMALLEST[: SMALLEST.index("      - {id: go")] + "      - {id: s0, confirm: {ask: x}}\n" + steps
    assert text.count("\n") > 2000
    assert _load(text).problems == ()


def test_importing_the_playbook_loads_nothing_that_acts() -> None:
    code = (
        "import sys, amplify_tui.playbook.document, amplify_tui.playbook.resolve, amplify_tui.playbook.schema;"
        "acts = {'asyncio', 'socket', 'sqlite3', 'subprocess', 'threading', 'httpx', 'textual'};"
        "print(sorted(acts & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
