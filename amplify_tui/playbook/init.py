"""The text of a first playbook for a repository. Pure: what is known about the repository is handed in."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from amplify_tui.playbook.yaml import scalar_value

_PLACEHOLDER: Final = ("http://10.0.0.1:8080", "http://10.0.0.2:8080")


class Facts(Struct, frozen=True, kw_only=True):
    """What could be found out. An empty value becomes a sensible default with a comment that says to change it.

    name: of the repository. remote: its git remote's name. services: name -> base URLs. owners: of the code.
    last_version: without the prefix.
    """

    name: str
    remote: str = "origin"
    tag_prefix: str = "v"
    last_version: str = ""
    trusted_ref: str = ""
    environment: str = "production"
    services: dict[str, tuple[str, ...]] = {}
    owners: tuple[str, ...] = ()


def slug(text: str, default: str = "release") -> str:
    """*text* as a name of the format: lower case, digits, `-`."""
    found = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    is_name = bool(found) and found[0].isalpha() and isinstance(scalar_value(found), str)
    return found if is_name else f"{default}-{found}".rstrip("-")


def quote(text: str) -> str:
    """*text* as a double-quoted YAML scalar; `${{` in it would be an expression and loses its `$`."""
    clean = "".join(c if c.isprintable() else " " for c in text).replace("${{", "{{")
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def init_text(facts: Facts) -> str:
    """A commented playbook that checks clean: confirm, tag, deploy in waves; the rest of the format as comments."""
    services = {slug(name, "service"): urls for name, urls in facts.services.items()} or {slug(facts.name): ()}
    first = next(iter(services))
    trusted = quote(facts.trusted_ref) if facts.trusted_ref else f"{_comment(facts.remote)}/main"
    blocks = [_service(name, urls, facts) for name, urls in services.items()]
    return _TEXT.format(
        name=slug(facts.name),
        title=quote(f"Release {facts.name}"),
        last=f"  # the last one is {_comment(facts.last_version)}" if facts.last_version else "",
        prefix=quote(facts.tag_prefix),
        tag=quote(facts.tag_prefix)[:-1] + '${{ release.version }}"',
        environment=quote(facts.environment),
        place=quote(facts.environment)[1:-1],
        trusted=f"{'' if facts.trusted_ref else '# '}trusted_ref: {trusted}",
        services="\n".join(blocks),
        service=first,
        remote=quote(facts.remote),
        waves=_waves(len(services[first]) or len(_PLACEHOLDER)),
    )


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _service(name: str, urls: tuple[str, ...], facts: Facts) -> str:
    listed = ", ".join(quote(url) for url in urls or _PLACEHOLDER)
    lines = [f"  {name}:"]
    if facts.owners:
        lines.append(f"    owner: {quote(', '.join(facts.owners))}")
    lines.append(f"    instances: [{listed}]" + ("" if urls else "  # change me: the base URL of every instance"))
    return "\n".join(lines)


def _waves(instances: int) -> str:
    counts, wave = [], 1
    while wave < instances:
        counts.append(wave)
        wave *= 2
    return ", ".join(str(count) for count in [*counts, instances])


_TEXT: Final = """\
# A first playbook. `amplify check` says what is wrong with it, `amplify run --dry-run` shows what it would do.
apiVersion: amplify/v1
kind: Playbook
name: {name}
title: {title}

inputs:
  version: {{type: semver, help: "The version to release, without the prefix"}}{last}

release:
  repo: .
  version: ${{{{ inputs.version }}}}
  tag_prefix: {prefix}
  environment: {environment}
  {trusted}  # only a version of this file that is on it may start

services:
{services}
    # health: {{path: /health, every: 5s, timeout: 1s}}     # what every instance answers; these are the defaults
    # version: {{path: /version, field: version}}
    # requires: {{other-service: "^2.3"}}

# Where numbers come from, and what they must not exceed. A gate then names the signal.
# sources:
#   prom: {{prometheus: "http://prometheus:9090"}}
#   flags: {{unleash: "http://unleash:4242", token: "${{{{ secrets.UNLEASH_TOKEN }}}}"}}
# signals:
#   errors:
#     golden: errors
#     source: prom
#     bad: sum(rate(http_requests_total{{code=~"5.."}}[1m]))
#     total: sum(rate(http_requests_total[1m]))
#     limit: {{above: 1%, for: 1m}}

# Who is told. The address comes from the environment or the keyring, and leads to these hosts only.
# stakeholders:
#   support: {{via: slack, url: "${{{{ secrets.SUPPORT_URL }}}}", hosts: [hooks.slack.com]}}

# What takes exposure away again, by itself (mode: auto) or after asking.
# rollback:
#   when:
#     - {{signal: errors, above: 5%, for: 30s, mode: ask, answer_within: 2m, then: rollback}}

stages:
  - id: plan
    steps:
      - id: go
        confirm: {{ask: "Release ${{{{ release.version }}}} at ${{{{ release.sha }}}} to {place}?"}}
  - id: release
    steps:
      - id: tag
        tag: {{name: {tag}, push: {remote}}}
      - id: deploy
        rollout:
          service: {service}
          waves: [{waves}]                # instances that run the new version, wave by wave
          bake: 2m                      # how long each wave must look well before the next
          gate: [health, fleet]
          deploy: {{argv: [ops/deploy, "${{{{ instance.id }}}}", "${{{{ release.version }}}}"]}}
          revert: {{argv: [ops/deploy, "${{{{ instance.id }}}}", "${{{{ instance.before }}}}"]}}
"""
