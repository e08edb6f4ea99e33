"""What is installed beside the project: pinned, hashed, named; and the check of it says what it did not check."""

from __future__ import annotations

import ast
import http.server
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==([^\s\\;]+)((?: *;[^\\\n]*)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE
)


# What is imported though another package brings it: part of what that one promises.
BROUGHT = {"rich": "textual", "yggdrasil_engine": "unleashclient"}


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


def pins(file: str) -> dict[str, str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert PIN.sub("", text) == "", "a line that is neither a pin nor its hashes"
    return {name_of(found[1]): found[2] for found in PIN.finditer(text)}


def project() -> dict[str, list[str]]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"constraints.txt": data["dependencies"], "constraints-dev.txt": data["optional-dependencies"]["dev"]}


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-dev.txt"])
def test_every_package_is_pinned_to_a_version_with_hashes(file: str) -> None:
    found = pins(file)
    assert len(found) > 40
    assert {name_of(one) for one in project()[file]} <= set(found)


def test_what_users_and_developers_install_is_the_same() -> None:
    users, developers = pins("constraints.txt"), pins("constraints-dev.txt")
    assert {name: developers.get(name) for name in users} == users


def test_nothing_is_imported_that_the_project_does_not_name() -> None:
    """A package that another one happens to bring is not pinned by us: it may be gone, or another, with the next."""
    named = {name_of(one) for one in project()["constraints.txt"]}
    owners = importlib.metadata.packages_distributions()
    strange: set[str] = set()
    for path in (ROOT / "amplify_tui").rglob("*.py"):
        if "template" in path.parts:  # it runs in the sandbox's repository, on the standard library
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - {"amplify_tui", *sys.stdlib_module_names}:
                if not named & {name_of(owner) for owner in owners.get(top, [])}:
                    strange.add(top)
    assert strange == set(BROUGHT)
    assert set(BROUGHT.values()) <= named


@contextmanager
def service(answer: object) -> Iterator[str]:
    """osv.dev as a test wants it: *answer* to every package, but for the known bad one at the end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            body = answer(asked) if callable(answer) else answer
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/querybatch"
    server.shutdown()
    server.server_close()


def audit(url: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, '.ci'); import audit; audit.SERVICE = {url!r}; sys.exit(audit.main())"
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False, timeout=60)


def knows(*bad: str) -> object:
    return lambda asked: {
        "results": [{"vulns": [{"id": "PYSEC-1"}]} if q["package"]["name"] in bad else {} for q in asked]
    }


def test_a_known_hole_of_a_pinned_package_fails_the_gate() -> None:
    with service(knows("jinja2", "httpx")) as url:
        said = audit(url)
    assert (said.returncode, "httpx" in said.stdout, "PYSEC-1" in said.stdout) == (1, True, True)


def test_no_known_hole_says_how_many_packages_were_asked_about() -> None:
    with service(knows("jinja2")) as url:
        said = audit(url)
    assert said.returncode == 0
    assert re.search(r"audit: \d{2,} packages were asked about", said.stdout)


@pytest.mark.parametrize(
    "answer", [knows(), {"results": []}, {"error": "down"}, []], ids=["blind", "few", "error", "other"]
)
def test_a_service_that_proves_nothing_is_no_pass(answer: object) -> None:
    with service(answer) as url:
        said, needed = audit(url), audit(url, AMPLIFY_AUDIT="required")
    assert said.stdout.startswith("audit: NOT CHECKED")
    assert (said.returncode, needed.returncode) == (0, 1)


def test_a_service_that_cannot_be_reached_is_said_and_blocks_only_where_it_is_required() -> None:
    url = "http://127.0.0.1:9/"
    assert audit(url).stdout.startswith("audit: NOT CHECKED")
    assert (audit(url).returncode, audit(url, AMPLIFY_AUDIT="required").returncode) == (0, 1)
