"""The pure packages load no loop, no I/O and no screen, also not through an import inside a function's module."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = ("asyncio", "socket", "sqlite3", "textual", "httpx", "git")

LOOK = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(found.name)
print(" ".join(name for name in sys.argv[2:] if name in sys.modules))
"""


@pytest.mark.parametrize("package", ["playbook", "verdict", "run", "report"])
def test_a_pure_package_loads_nothing_that_acts(package: str) -> None:
    argv = [sys.executable, "-c", LOOK, f"amplify_tui.{package}", *FORBIDDEN]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
