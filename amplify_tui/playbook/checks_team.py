"""Rules of what a release is made of: inputs, services, people, messages, secrets."""

from __future__ import annotations

from typing import Any, Final

from amplify_tui.playbook.fit import refusal
from amplify_tui.playbook.leaks import looks_like_a_token
from amplify_tui.playbook.problems import shorten
from amplify_tui.playbook.rules import Rules, given, items, keys, number, text
from amplify_tui.playbook.shapes import ChoiceShape, ListShape, ScalarShape, Shape
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq, plain, walk

_KINDS: Final = {
    "string": "str",
    "int": "int",
    "number": "float",
    "bool": "bool",
    "semver": "semver",
    "duration": "dur",
}
_VIA: Final = {
    "webhook": ("url",),
    "slack": ("url",),
    "apprise": ("url",),
    "file": ("url",),
    "smtp": ("server", "from", "to"),
    "command": ("argv",),
}


def release(rules: Rules, visit: Visit) -> None:
    """The roles that may override exist."""
    rules.roles(items(keys(visit.node).get("override_roles")))


def step_roles(rules: Rules, visit: Visit) -> None:
    """The roles of a sign-off, and those who may skip, exist."""
    node = _map(visit)
    rules.roles(items(node.items.get("skippable")))
    roles = keys(node.items.get("sign_off")).get("roles")
    if isinstance(roles, Map):
        rules.roles(roles.keys.values())


def input_declared(rules: Rules, visit: Visit) -> None:
    """Choices where they belong, a default of the declared type."""
    node = _map(visit)
    kind = text(node.items.get("type"))
    if kind == "choice" and not items(node.items.get("choices")):
        rules.report(node, "missing-key", "a choice lacks the key choices", "add choices: [one, other]")
    low, high = number(node.items.get("min")), number(node.items.get("max"))
    if low is not None and high is not None and low > high:
        rules.report(node.items["min"], "bad-default", f"min {low:g} is above max {high:g}")
    default = node.items.get("default")
    if default is None or (isinstance(default, Scalar) and (default.value is None or has_expr(default.value))):
        return
    if kind == "secret":
        rules.report(default, "bad-default", "a secret has no default", "the person who starts the run names it")
        return
    shape = input_shape(keys(node), kind)
    bad = _misfit(plain(default), shape) if shape else None
    if bad:
        message = f"the default is no {kind}: {bad}"
        rules.report(default, "bad-default", message, 'durations look like "90s", versions like "1.2.3"')


def input_shape(declared: dict[str, Node], kind: str | None) -> Shape | None:
    """The shape of an input's value; None where its declaration is malformed."""
    if kind == "choice":
        return ChoiceShape(tuple(plain(item) for item in items(declared.get("choices"))))
    if kind == "list":
        of = text(declared.get("of")) or "string"
        return ListShape(ScalarShape(_KINDS[of])) if of in _KINDS else None
    return ScalarShape(_KINDS[kind]) if kind in _KINDS else None


def _misfit(found: Any, shape: Shape) -> str:
    if isinstance(shape, ListShape):
        if not isinstance(found, list):
            return f"{shorten(found)} is no list"
        return next((bad for item in found if (bad := _misfit(item, shape.item))), "")
    refused = refusal(found, shape)
    return refused.message if refused else ""


def service(rules: Rules, visit: Visit) -> None:
    """Instances exist and differ; what is required exists."""
    node = _map(visit)
    instances = node.items.get("instances")
    if isinstance(instances, Seq) and not instances.items:
        rules.report(instances, "no-instances", "a service has at least one instance", "list its URLs")
    if isinstance(instances, Map) and "discover" in instances.items:
        rules.not_yet(instances.keys["discover"], "discover", "list the instances' URLs")
    seen: dict[str, Node] = {}
    for item in items(instances):
        at = keys(item).get("id")
        name = text(at)
        if at is not None and name and name in seen:
            message = f'instance "{name}" is there twice; first on line {seen[name].span.line}'
            rules.report(at, "duplicate-id", message, "the ids of a service's instances are unique")
        elif at is not None and name:
            seen[name] = at
    requires = node.items.get("requires")
    if isinstance(requires, Map):
        rules.refer_all(requires, "services", "service")


def services_cycle(rules: Rules, visit: Visit) -> None:
    """Services that require each other are allowed, and worth a warning: none of them can go first."""
    services = rules.bones.section("services")
    needs = {name: [n for n in keys(keys(node).get("requires")) if n in services] for name, node in services.items()}
    done: set[str] = set()
    for start in needs:
        cycle = _cycle_from(start, needs, done)
        if cycle:
            at = keys(services[start])["requires"]
            chain = " requires ".join(cycle)
            message = f"these services require each other: {chain}"
            rules.report(at, "requires-cycle", message, "no order of deploying them keeps every range", "warning")
            return


def _cycle_from(start: str, needs: dict[str, list[str]], done: set[str]) -> list[str]:
    """The names from *start* back to *start*, where such a way exists; breadth first, so the shortest."""
    before: dict[str, str] = {}
    queue = [start]
    for name in queue:
        for other in needs[name]:
            if other == start:
                path = [start, name]
                while path[-1] != start:
                    path.append(before[path[-1]])
                return list(reversed(path)) if name != start else [start, start]
            if other not in before and other not in done:
                before[other] = name
                queue.append(other)
    done.add(start)
    return []


def stakeholder(rules: Rules, visit: Visit) -> None:
    """What the channel needs is there; a secret address says which hosts it may lead to."""
    node = _map(visit)
    via = text(node.items.get("via")) or ""
    missing = [key for key in _VIA.get(via, ()) if key not in node.items]
    if via == "slack" and given(node, "token", "channel") == ["token", "channel"]:
        missing = []
    for key in missing:
        hint = "or token and channel, which can thread" if via == "slack" else ""
        rules.report(node, "missing-key", f"a stakeholder via {via} lacks the key {key}", hint)
    url = text(node.items.get("url")) or ""
    if ("secrets." in url or "secrets[" in url) and not items(node.items.get("hosts")):
        message = "the address is a secret, so the hosts it may lead to must be named"
        rules.report(node.items["url"], "hosts-missing", message, "add hosts: [hooks.example.com]")


def literal_secrets(rules: Rules, visit: Visit) -> None:
    """A text that looks like an issued token is one that leaked; it is not shown again."""
    for node in walk(rules.bones.root):
        scalars = node.keys.values() if isinstance(node, Map) else [node]
        for scalar in scalars:
            if isinstance(scalar, Scalar) and looks_like_a_token(scalar.text):
                _mask(rules, scalar)


def _mask(rules: Rules, node: Scalar) -> None:
    if node.end_line == node.span.line:
        rules.problems.mask_span(node.span)
    else:
        rules.problems.mask(node.span.line, node.end_line, node.span.column)
    if not rules.problems.has(node.span, "literal-secret"):
        hint = 'write "${{ secrets.NAME }}", and revoke this one: it has been in a file'
        rules.report(node.span, "literal-secret", "this looks like a secret written out", hint)


def _map(visit: Visit) -> Map:
    assert isinstance(visit.node, Map)
    return visit.node
