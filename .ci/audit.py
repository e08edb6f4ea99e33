"""Whether a pinned package has a known hole: asks osv.dev, the database behind pip-audit, by the standard library.

Three ends, and none is silent. Known holes: 1, each with its package. None known: 0, and how many packages were asked
about. The service cannot be asked: 0, and a line that begins with NOT CHECKED, since a gate that a network can shut is
one that people step around; AMPLIFY_AUDIT=required makes it 1. A package with a known hole is asked about too: an
answer that does not know it proves nothing.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from pathlib import Path

SERVICE = "https://api.osv.dev/v1/querybatch"
KNOWN_BAD = ("jinja2", "2.10")  # CVE-2019-10906
WITHIN = 20  # seconds
ACCEPTED: dict[str, str] = {}  # id of an advisory -> why it does not concern us
ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


def pinned() -> list[tuple[str, str]]:
    """Every package of both files, each version once."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("constraints.txt", "constraints-dev.txt")]
    return sorted({(name.lower(), version) for text in texts for name, version in PIN.findall(text)})


def known_holes(packages: list[tuple[str, str]]) -> list[list[str]]:
    """The ids of the advisories, a list for each package. Raises OSError and ValueError."""
    asked = [{"package": {"name": n, "ecosystem": "PyPI"}, "version": v} for n, v in packages]
    body = json.dumps({"queries": asked}).encode()
    request = urllib.request.Request(SERVICE, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WITHIN) as answer:
        results = json.loads(answer.read(16 * 1024 * 1024))["results"]
    if len(results) != len(packages):
        raise ValueError(f"{len(results)} answers to {len(packages)} questions")
    return [[one["id"] for one in found.get("vulns", [])] for found in results]


def main() -> int:
    packages = pinned()
    if not packages:
        print("audit: no pinned package was found, so nothing was checked")
        return 1
    try:
        *found, proof = known_holes([*packages, KNOWN_BAD])
        if not proof:
            raise ValueError(f"it knows no hole of {'=='.join(KNOWN_BAD)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"audit: NOT CHECKED whether a pinned package has a known hole: {SERVICE}: {error}")
        return int(os.environ.get("AMPLIFY_AUDIT") == "required")
    bad = {pkg: [i for i in ids if i not in ACCEPTED] for pkg, ids in zip(packages, found, strict=True)}
    for (name, version), ids in bad.items():
        if ids:
            print(f"audit: {name} {version} has known holes: {', '.join(ids)}")
    print(f"audit: {len(packages)} packages were asked about")
    return int(any(bad.values()))


if __name__ == "__main__":
    sys.exit(main())
