"""How the house is laid out: small rooms, a pure core without a clock, Textual in one place, nothing of one machine.

import-linter follows the imports; this looks at what it cannot see: sizes, calls, deferred imports, and text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "amplify_tui"
PURE = ("playbook", "verdict", "run", "report")
MODULE_LINES, FUNCTION_LINES, CLASS_METHODS = 400, 50, 20

CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
CLOCK_MODULES = {"time"}
SCREEN_LIBRARIES = {"textual", "rich"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def modules(*packages: str) -> list[Path]:
    return sorted(path for name in packages or (".",) for path in (PACKAGE / name).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def sizes() -> Iterator[tuple[str, int, int]]:
    """Name, size and limit of every module, function and class."""
    for path in modules():
        yield place(path), len(path.read_text(encoding="utf-8").splitlines()), MODULE_LINES
        for node in ast.walk(parsed(path)):
            if isinstance(node, Function):
                yield f"{place(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1, FUNCTION_LINES
            elif isinstance(node, ast.ClassDef):
                yield f"{place(path)}:{node.name}", sum(isinstance(one, Function) for one in node.body), CLASS_METHODS


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Top-level names of all imports and their lines, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0], node.lineno


def text_files() -> Iterator[Path]:
    """Everything of the project that is read as text, wherever it lies; nothing that a tool made."""
    folders = [ROOT / name for name in ("amplify_tui", "tests", "docs", "playbooks", ".ci", ".github")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found += [path for path in ROOT.iterdir() if path.is_file()]
    return (path for path in sorted(found) if not {"__pycache__", "node_modules"} & set(path.parts))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in text_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:  # a picture, or a file that is bad on purpose
            continue
        found += [f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}" for n, line in enumerate(lines, 1)
                  if pattern.search(line)]  # fmt: skip
    return found


def test_modules_functions_and_classes_stay_small() -> None:
    large = [f"{name}: {size}, at most {limit}" for name, size, limit in sizes() if size > limit]
    assert large == []


def test_every_module_says_what_lives_in_it() -> None:
    silent = [place(path) for path in modules() if path.stat().st_size and not ast.get_docstring(parsed(path))]
    assert silent == []


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_reads_no_clock(package: str) -> None:
    found = []
    for path in modules(package):
        found += [f"{place(path)}:{line}" for name, line in imported(parsed(path)) if name in CLOCK_MODULES]
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute):
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                found += [f"{place(path)}:{node.lineno}"] if (name, node.attr) in CLOCKS else []
    assert found == []


def test_textual_and_rich_are_imported_under_tui_only() -> None:
    outside = [path for path in modules() if path.relative_to(PACKAGE).parts[0] != "tui"]
    found = [f"{place(p)}:{n}" for p in outside for name, n in imported(parsed(p)) if name in SCREEN_LIBRARIES]
    assert found == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert lines_with(re.compile(r"(?<![\w.:/])/(?:work|root|home|Users|mnt)/\w")) == []


def test_no_file_names_a_package_registry() -> None:
    host = r"(?:pypi|pythonhosted|npmjs|yarnpkg|registry)\.[a-z]{2,}"
    option = r"--(?:extra-)?index-url|^registry\s*="
    assert lines_with(re.compile(rf"//(?:[\w-]+\.)*{host}|{option}")) == []
