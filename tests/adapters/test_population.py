"""A team's own users from a file: what is read of it, and what a preview then says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amplify_tui.adapters.flags import population
from amplify_tui.adapters.flags.audience import affected, in_words, overlap
from amplify_tui.adapters.ports import AdapterError
from tests.adapters.test_audience import RULES, country, flag, strategy

CSV = "userId,country,tenant\nu-1,CH,t1\nu-2,CH,\nu-3,DE,t1\n"


def written(folder: Path, text: str, name: str = "users.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_and_json_lines_of_the_same_users_are_the_same_population(tmp_path: Path) -> None:
    users = [
        {"userId": "u-1", "country": "CH", "tenant": "t1"},
        {"userId": "u-2", "properties": {"country": "CH"}},
        {"userId": "u-3", "country": "DE", "tenant": "t1", "region": None},
    ]
    lines = written(tmp_path, "\n".join(json.dumps(one) for one in users), "users.jsonl")
    assert population.read(lines) == population.read(written(tmp_path, CSV))
    assert population.read(lines).contexts[1] == {"userId": "u-2", "properties": {"country": "CH"}}


def test_numbers_and_truths_become_the_text_that_an_sdk_would_send(tmp_path: Path) -> None:
    path = written(tmp_path, '{"userId": 7, "age": 40, "beta": true}', "users.jsonl")
    assert population.read(path).contexts == [{"userId": "7", "properties": {"age": "40", "beta": "true"}}]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, CSV)
    assert len(population.read(path)) == 3
    written(tmp_path, CSV + "u-4,AT,t2\n")
    assert len(population.read(path)) == 4


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("", "users.csv", "no users"),
        ("userId,country\n", "users.csv", "no users"),
        ("country,tenant\nCH,t1\n", "users.csv", "neither userId"),
        ("userId\nu-1,extra\n", "users.csv", "as many cells"),
        ('{"userId": "u-1"}\nnot json', "users.jsonl", "line 2"),
        ("[1]", "users.jsonl", "one JSON object"),
        ('{"userId": "u", "country": ["CH"]}', "users.jsonl", "country"),
        ("userId\n" + "u\n" * 50_001, "users.csv", "50,000"),
    ],
)
def test_a_file_of_no_users_is_refused_with_what_is_wrong(tmp_path: Path, text: str, name: str, says: str) -> None:
    with pytest.raises(AdapterError, match=says):
        population.read(written(tmp_path, text, name))


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"gone\.csv"):
        population.read(tmp_path / "gone.csv")
    (tmp_path / "raw.csv").write_bytes(b"userId\n\xff\xfe")
    with pytest.raises(AdapterError, match=r"raw\.csv"):
        population.read(tmp_path / "raw.csv")


def test_who_joins_and_leaves_is_counted_among_the_users_of_the_file(tmp_path: Path) -> None:
    people = population.read(written(tmp_path, CSV))
    before = flag(strategy(100, constraints=country("DE")))
    after = flag(strategy(100, constraints=country("CH")))
    found = affected(RULES, before, after, people)
    assert (found.total, found.before, found.joins, found.leaves) == (3, 1, 2, 1)
    assert "1 of 3 users of users.csv have it, 2 then: 2 join, 1 leave" in in_words(RULES, before, after, people)


def test_real_users_answer_what_made_up_ones_cannot(tmp_path: Path) -> None:
    rule = [{"contextName": "userId", "operator": "STR_STARTS_WITH", "values": ["u-"], "inverted": False}]
    state = flag(strategy(100, constraints=rule))
    assert "cannot be made up" in in_words(RULES, flag(enabled=False), state)
    assert affected(RULES, flag(enabled=False), state, population.read(written(tmp_path, CSV))).joins == 3


def test_a_group_that_is_shared_gives_several_flags_to_the_same_users(tmp_path: Path) -> None:
    users = "userId\n" + "".join(f"u-{n}\n" for n in range(5_000))
    people = population.read(written(tmp_path, users))
    apart = overlap(RULES, [flag(strategy(10, "a"), key="a"), flag(strategy(10, "b"), key="b")], people)
    shared = overlap(RULES, [flag(strategy(10, "g"), key="a"), flag(strategy(10, "g"), key="b")], people)
    assert apart.every / apart.total < 0.02
    assert (shared.some, round(shared.every / shared.total, 1)) == (0, 0.1)
