"""What the pages tell a reader to type is typed here, and what they show is compared with what came out.

| a fenced block            | what happens to it                                                            |
| ------------------------- | ----------------------------------------------------------------------------- |
| ```` ```console run ````  | its `$` lines run one after the other, in one directory, with a home of its own |
| ```` ```console demo ```` | the same, while `amplify demo` is under way                                   |
| ```` ```yaml ````         | one that begins with `# NAME.yaml` is that file; a whole playbook is checked    |

Under a command: each line stands in its output, in that order; `…` is any text; `exit status N` is N, else it is 0.
`RUN` is the newest run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from amplify_tui.cli import cli
from amplify_tui.playbook.document import load
from amplify_tui.steps.registry import specs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
GUIDE = ROOT / "docs" / "getting-started.md"
BIN = Path(sys.executable).parent
_BLOCK = re.compile(r"^```(?P<kind>[^\n`]+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(amplify [a-z][^`\n]*)`")
_STATUS = re.compile(r"exit status (\d+)\Z")


class Said(NamedTuple):
    """A command of a page, the lines shown under it, and the exit status it should have."""

    command: str
    shown: list[str]
    status: int


def blocks(page: Path, kind: str) -> Iterator[str]:
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found["kind"].strip() == kind:
            yield found["body"]


def commands(block: str) -> list[Said]:
    said: list[Said] = []
    for line in block.splitlines():
        status = _STATUS.match(line)
        if line.startswith("$ "):
            said.append(Said(line[2:], [], 0))
        elif status:
            said[-1] = said[-1]._replace(status=int(status[1]))
        else:
            said[-1].shown.append(line)
    return said


class Shell:
    """A directory and a home of its own, in which one command runs after the other."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        quiet = {k: v for k, v in os.environ.items() if not k.startswith(("AMPLIFY_", "GIT_"))}
        self.env = quiet | {
            "AMPLIFY_HOME": str(folder / "home"),
            "AMPLIFY_ACTOR": "captain@here",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PYTHONUTF8": "1",
        }

    def run(self, command: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command)
        if words[0] == "cd":
            self.cwd /= words[1]
            return subprocess.CompletedProcess(words, 0, "")
        return subprocess.run(
            words, cwd=self.cwd, env=self.env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=within, check=False,
        )  # fmt: skip

    def newest(self) -> str:
        runs = json.loads(self.run("amplify runs --json").stdout)
        return str(runs[0]["run"])

    def follow(self, block: str) -> None:
        for said in commands(block):
            command = said.command.replace(" RUN", f" {self.newest()}") if " RUN" in said.command else said.command
            ended = self.run(command)
            assert ended.returncode == said.status, f"$ {command}\n{ended.stdout}"
            missing = not_shown(said.shown, ended.stdout)
            assert not missing, f"$ {command}\ndid not print: {missing}\nbut:\n{ended.stdout}"


def not_shown(shown: list[str], output: str) -> str:
    """The first of the lines that is not in the output after those before it; empty where all are."""
    lines = iter(output.splitlines())
    for wanted in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("…")) + r"\s*\Z")
        if not any(pattern.match(line) for line in lines):
            return wanted
    return ""


def files_of(page: Path) -> dict[str, str]:
    """The files that a page gives: the yaml blocks that begin with their name."""
    named = re.compile(r"# (\S+\.yaml)\n")
    return {found[1]: body for body in blocks(page, "yaml") if (found := named.match(body))}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Ends what a failed command may have left open, so that no conductor outlives the test."""
    shell = Shell(tmp_path)
    yield shell
    for run in json.loads(shell.run("amplify runs --json").stdout):
        if run["phase"] != "closed":
            shell.run(f"amplify do {run['run']} abort --leave-partial --reason 'the test is over'")


def test_the_guide_does_and_prints_what_it_shows(shell: Shell) -> None:
    todo = list(blocks(GUIDE, "console run"))
    assert len(todo) >= 5
    for place, block in enumerate(todo):
        shell.follow(block)
        if place == 0:
            for name, text in files_of(GUIDE).items():
                (shell.cwd / name).write_text(text, encoding="utf-8")


@pytest.mark.timeout(240)  # a whole demo, beside whatever else the machine does
def test_the_demo_is_mitigated_from_another_terminal_as_the_guide_says(shell: Shell) -> None:
    start, *others = blocks(GUIDE, "console demo")
    (demo,) = commands(start)
    with subprocess.Popen(
        shlex.split(demo.command), cwd=shell.cwd, env=shell.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            _wait_for_exposure(shell, process)
            for block in others:
                shell.follow(block)
            assert process.wait(60) == 3, "the captain of a demo without a terminal rolls the rest back"
        finally:
            process.terminate()


def _wait_for_exposure(shell: Shell, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 80
    while time.monotonic() < deadline:
        assert process.poll() is None, "the demo ended before anybody was exposed"
        if json.loads(shell.run("amplify runs --json").stdout):
            shown = json.loads(shell.run(f"amplify show {shell.newest()} --json").stdout)
            if any(0 < percent < 100 for percent in shown["exposure"].values()):
                return
    pytest.fail("nobody was exposed in time")


def every_command() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        typed = [line[2:] for line in text.splitlines() if line.startswith("$ amplify")]
        listed = [line.partition("#")[0].strip() for line in text.splitlines() if line.startswith("amplify ")]
        for command in dict.fromkeys([*typed, *listed, *_INLINE.findall(text)]):
            yield page.name, command


@pytest.mark.parametrize(("page", "command"), list(every_command()))
def test_every_command_that_a_page_names_exists_with_its_options(page: str, command: str) -> None:
    words = [word.replace("…", "x") for word in shlex.split(command)[1:]]
    group: click.Command = cli
    context = click.Context(cli)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        if isinstance(group, click.Group) and group.name == "do" and group.get_command(context, words[0]) is None:
            words.pop(0)  # the run comes first
            continue
        found = group.get_command(context, words.pop(0))
        assert found is not None, f"{page} names `{command}`"
        group = found
    known = {option for parameter in group.params for option in parameter.opts} | {"--help", "--version"}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known, f"{page} names `{command}`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_whole_playbook_on_a_page_passes_the_check(page: Path) -> None:
    for body in blocks(page, "yaml"):
        if "apiVersion:" in body:
            loaded = load(body, path=page.name, registry=specs())
            assert not loaded.problems, loaded.render()
