"""What makes a shipped playbook run against a sandbox: values for its inputs, its secrets, and a filled-in copy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PLAYBOOK_IN_REPO = "release/major-release.yaml"
SHIPPED = "major-release.yaml"


def playbooks() -> Path:
    """The folder of the shipped playbooks: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_playbooks"
    return packed if packed.is_dir() else package.parent / "playbooks"


def demo_inputs(facts: dict[str, Any]) -> dict[str, Any]:
    """Values for major-release.yaml: this world's addresses, and waits short enough to watch."""
    services = {name: [one["url"] for one in instances] for name, instances in facts["services"].items()}
    return {
        "version": "3.0.0",
        "repo": facts["repo"],
        "ledger_urls": services["ledger"],
        "pricing_urls": services["pricing"],
        "checkout_urls": services["checkout"],
        "flags_url": facts["flags"]["url"],
        "support_url": facts["sink"]["http"] + "/support",
        "mail_server": facts["sink"]["smtp"],
        "mail_from": "release@example.com",
        "mail_to": "oncall@example.com",
        "window_tz": "UTC",
        "window_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "window_hours": "00:00-24:00",
        "phases": [10, 25, 50, 100],
        "phase_bakes": ["3s", "3s", "3s", "4s"],
        "settle": "2s",
        "wave_bake": "2s",
        "max_wait": "40s",
        "soak": "5s",
        "poll": "500ms",
        "signal_window": "3s",
        "sustained": "2s",
        "min_samples": 50,
        "flag_poll": "1s",
        "flag_report": "3s",
    }


def demo_env(facts: dict[str, Any]) -> dict[str, str]:
    """The sandbox's secrets under the names by which the shipped playbooks refer to them."""
    return {"UNLEASH_TOKEN": facts["flags"]["admin_token"], "UNLEASH_CLIENT": facts["flags"]["client_token"]}


def filled_playbook(facts: dict[str, Any]) -> str:
    """The shipped major release with this world's values as the defaults of its inputs; the rest is left as written."""
    text = (playbooks() / SHIPPED).read_text(encoding="utf-8")
    inputs = yaml.safe_load(text)["inputs"]
    for name, value in demo_inputs(facts).items():
        inputs[name]["default"] = value
    return "\n".join(_with_inputs(text.splitlines(), inputs)) + "\n"


def _with_inputs(lines: list[str], inputs: dict[str, Any]) -> Iterator[str]:
    """JSON is YAML: an input a line keeps the copy readable."""
    inside = False
    for line in lines:
        if line == "inputs:":
            inside = True
            yield line
            yield from (f"  {name}: {json.dumps(declared)}" for name, declared in inputs.items())
        elif inside and (line.startswith((" ", "#")) or not line):
            continue
        else:
            inside = False
            yield line
