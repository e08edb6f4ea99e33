"""`check`, `eval`, `schema`, `init`: what a playbook's author uses, without a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from amplify_tui.drill.demo import playbooks
from tests.engine.crash_world import amplify, assert_clear, git, plain_playbook, step

GOOD = [step("go", "confirm", {"ask": "Go?"})]


@pytest.fixture
def good(tmp_path: Path, repo: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(plain_playbook(repo, GOOD), encoding="utf-8")
    return path


def test_check_says_that_a_good_playbook_is_good(home: Path, good: Path) -> None:
    said = amplify("check", str(good))
    assert (said.returncode, "no errors" in said.stdout) == (0, True)


def test_check_shows_every_problem_with_its_place_and_ends_with_2(home: Path, tmp_path: Path, repo: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(plain_playbook(repo, [step("go", "confrim", {}), step("tag", "tag", {})]), encoding="utf-8")
    said = amplify("check", str(path))
    assert said.returncode == 2
    assert "confirm" in said.stdout  # did you mean
    assert f"{path}:" in said.stdout
    shown = json.loads(amplify("check", str(path), "--json").stdout)
    assert shown["ok"] is False
    assert len(shown["problems"]) >= 2
    for problem in shown["problems"]:
        assert set(problem) >= {"file", "line", "column", "end_column", "code", "message", "hint", "severity"}
        assert (problem["file"], problem["line"] > 0) == (str(path), True)


def test_check_json_of_a_good_playbook_is_ok_and_empty(home: Path, good: Path) -> None:
    said = amplify("check", str(good), "--json")
    assert (said.returncode, json.loads(said.stdout)) == (0, {"ok": True, "problems": []})


def test_check_of_several_files_fails_when_one_does(home: Path, good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: [", encoding="utf-8")
    assert amplify("check", str(good), str(bad)).returncode == 2


def written(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("kind", ["directory", "binary", "empty", "gone", "unreadable text", "huge"])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_no_playbook_is_said_in_words(home: Path, tmp_path: Path, kind: str, command: str) -> None:
    path = tmp_path / "it.yaml"
    match kind:
        case "directory":
            path.mkdir()
        case "binary":
            written(path, os.urandom(5000))
        case "empty":
            written(path, b"")
        case "unreadable text":
            written(path, b"name: \xff\xfe\x00")
        case "huge":
            written(path, b"x" * (3 * 1024 * 1024))
    said = amplify(command, str(path))
    assert said.returncode == 2
    assert said.stdout + said.stderr
    assert str(path) in said.stdout + said.stderr
    if command == "run":
        assert "amplify: " in said.stderr
        assert not list((home / "runs").glob("*"))


CASES = [
    ("1 + 2", 3),
    ('"a" + "b"', "ab"),
    ("[1, 2]", [1, 2]),
    ("true && !false", True),
    ("${{ 1 < 2 }}", True),
    ('satisfies("2.3.4", "^2.3")', True),
    ("null", None),
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_eval_prints_the_value_as_json(home: Path, text: str, value: object) -> None:
    said = amplify("eval", text)
    assert (said.returncode, json.loads(said.stdout)) == (0, value)


@pytest.mark.parametrize("text", ['1 == "1"', "1 && true", "nonsense", "1 +", 'true ? 1 : "a"', '"a" < 1', ""])
def test_eval_of_what_check_would_refuse_is_an_error_and_1(home: Path, text: str) -> None:
    said = amplify("eval", text)
    assert said.returncode == 1
    assert list(json.loads(said.stdout)) == ["error"]


def test_eval_takes_one_expression_a_line_and_answers_one_line_each(home: Path) -> None:
    said = amplify("eval", stdin='1 + 1\n1 == "1"\n\n"x"\n')
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 0
    assert (answers[0], answers[3]) == (2, "x")
    assert [list(answer) for answer in answers[1:3]] == [["error"], ["error"]]


def test_eval_knows_the_inputs_of_a_playbook_and_their_types(home: Path, good: Path) -> None:
    said = amplify("eval", "inputs.version", "--playbook", str(good))
    assert json.loads(said.stdout) == "3.0.0"
    assert amplify("eval", "inputs.version == 3", "--playbook", str(good)).returncode == 1
    assert "nothing" in amplify("eval", "inputs.nothing", "--playbook", str(good)).stdout


def test_the_schema_takes_the_shipped_playbooks_and_refuses_nonsense(home: Path) -> None:
    said = amplify("schema")
    assert said.returncode == 0
    schema = json.loads(said.stdout)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    shipped = sorted(playbooks().glob("*.yaml"))
    assert shipped
    for path in shipped:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert [e.message for e in validator(schema).iter_errors(found)] == [], path
    assert list(validator(schema).iter_errors({"kind": "Playbook", "stages": 3}))


def test_the_shipped_playbooks_check_clean(home: Path) -> None:
    said = amplify("check", *map(str, sorted(playbooks().glob("*.yaml"))))
    assert said.returncode == 0, said.stdout


def test_what_init_writes_in_a_fresh_repository_checks_clean(home: Path, repo: Path) -> None:
    said = amplify("init", cwd=repo)
    assert said.returncode == 0, said.stderr
    assert amplify("check", "release.yaml", cwd=repo).returncode == 0
    again = amplify("init", cwd=repo)
    assert_clear(again, "release.yaml", code=2)
    assert amplify("init", "--force", cwd=repo).returncode == 0


def test_init_takes_the_last_version_and_the_remote_from_the_repository(home: Path, repo: Path) -> None:
    git(repo, "tag", "-a", "-m", "x", "v1.4.0")
    git(repo, "remote", "add", "upstream", "https://example.com/shop.git")
    assert amplify("init", "ops.yaml", cwd=repo).returncode == 0
    text = (repo / "ops.yaml").read_text(encoding="utf-8")
    assert "1.4.0" in text
    assert 'push: "upstream"' in text


def test_init_outside_a_repository_and_before_a_first_commit_is_said_in_words(home: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert_clear(amplify("init", cwd=nowhere), "git")
    git(nowhere, "init", "-q")
    said = amplify("init", cwd=nowhere)
    if said.returncode == 0:
        assert amplify("check", "release.yaml", cwd=nowhere).returncode == 0
    else:
        assert_clear(said)


def test_a_word_that_is_no_command_gets_a_hint(home: Path) -> None:
    said = amplify("chek")
    assert said.returncode == 2
    assert "check" in said.stderr


@pytest.mark.parametrize("args", [["show", "nothing"], ["attach", "nothing"], ["do", "nothing", "hold"], ["resume"]])
def test_a_run_that_is_not_there_is_said_in_words(home: Path, args: list[str]) -> None:
    assert_clear(amplify(*args), "run")


def test_without_any_run_the_list_is_empty(home: Path) -> None:
    assert json.loads(amplify("runs", "--json").stdout) == []


def test_without_a_home_the_command_says_what_to_set(tmp_path: Path) -> None:
    assert_clear(amplify("runs", AMPLIFY_HOME=None, HOME="", XDG_DATA_HOME=None), "HOME")
    assert_clear(amplify("runs", AMPLIFY_HOME="relative"), "absolute")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert_clear(amplify("runs", AMPLIFY_HOME=str(tmp_path / "file")), "AMPLIFY_HOME")


def test_without_a_terminal_the_home_screen_says_what_else_there_is(home: Path) -> None:
    assert_clear(amplify(), "terminal", code=2)
