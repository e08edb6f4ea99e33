"""Lines for a shell: whatever a word holds, a shell takes it for that one word."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.playbook.context import secret_marker
from amplify_tui.report import shell

HOSTILE = (
    "$(touch /tmp/x)", "`id`", "a b", "it's", "--upload-pack=x", "-o", "", "a\nb", "\x1b[31mred", "%s\\n", "\u202egnp",
    "-n\tx", "x;y|z&", "~", "*", "#", "!", "A=B", "\'\"\'", "$HOME", "'$HOME'", "\r", "```",
)  # fmt: skip


def told(line: str, **env: str) -> str:
    done = subprocess.run(
        ["sh", "-c", line], env={"PATH": os.environ["PATH"], "HOME": "/gone"} | env, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_word_arrives_as_it_is(text: str) -> None:
    assert told(shell.line(["printf", "%s", text])) == text
    assert shell.line(["x", text]).isprintable()


@settings(max_examples=60)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12))
def test_any_word_arrives_as_it_is(text: str) -> None:
    line = shell.line(["printf", "%s", text])
    assert line.isprintable()
    assert told(line).rstrip("\n") == text.rstrip("\n")


def test_a_secret_comes_from_the_environment_whatever_it_holds() -> None:
    line = shell.line(["printf", "%s", f"Bearer $(id) {secret_marker('TOKEN')}'"])
    assert told(line, TOKEN="$(id) `id` 'x") == "Bearer $(id) $(id) `id` 'x'"
    assert shell.variables([line]) == ("TOKEN",)


def test_only_what_a_shell_would_put_in_has_to_be_exported() -> None:
    lines = [shell.line(["x", "'$NO' \"$NO\" ${NO}", secret_marker("yes")]), 'own_b=1; x "$own_b" "it\'s $TOO"']
    assert shell.variables(lines) == ("yes", "TOO")


@pytest.mark.parametrize("name", ["A=B", "if", "while", "$(id)"])
def test_the_first_word_is_a_program_whatever_it_looks_like(name: str) -> None:
    done = subprocess.run(["sh", "-c", shell.line([name, "x"])], capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "not found" in done.stderr


def test_a_command_in_a_folder_leaves_the_next_line_where_it_was() -> None:
    inside = shell.within("/", "pwd", {"A": "b c", "not a name": "x"})
    assert told(f"cd /tmp && {inside} && pwd").split() == ["/", "/tmp"]


def test_a_header_that_is_none_and_a_body_that_names_a_file_do_not_reach_the_machine() -> None:
    line = shell.curl("POST", "http://h/x", {"@/etc/passwd": "x", "Good": "y"}, body="@/etc/passwd")
    assert "-H @" not in line
    assert "--data-raw @/etc/passwd" in line, "the raw text: curl reads no file for it"
