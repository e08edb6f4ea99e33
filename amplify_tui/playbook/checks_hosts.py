"""Whether the secrets of a request go to a host that the playbook writes. At run time it is looked at again."""

from __future__ import annotations

from collections.abc import Iterator

from amplify_tui.playbook.hosts import bound_hosts, uses_secret
from amplify_tui.playbook.rules import Rules, items, keys, text
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.yaml import Map, plain


def requests(rules: Rules, fields: Map) -> None:
    """The rule for each request of an `http` or a `verify` step."""
    asked = rules.bones.section("inputs")
    inputs = {name for name, node in asked.items() if text(keys(node).get("type")) == "secret"}
    for request in _requests(fields):
        _request(rules, request, inputs)


def _requests(fields: Map) -> Iterator[Map]:
    found = [fields, *(fields.items.get(key) for key in ("probe", "undo")), *items(fields.items.get("http"))]
    yield from (node for node in found if isinstance(node, Map) and "url" in node.items)


def _request(rules: Rules, request: Map, inputs: set[str]) -> None:
    hosts = request.items.get("hosts")
    for host in (hosts, *items(hosts)):
        if host is not None and has_expr(text(host)):
            message = "a host that secrets may go to is written out"
            rules.report(host, "secret-unbound", message, "like hosts: [cdn.example.com]")
            return
    url = request.items["url"]
    texts = [url, *keys(request.items.get("headers")).values()]
    if not any(uses_secret(text(node), inputs) for node in texts) or bound_hosts(plain(request)):
        return
    message = "a secret goes along, and the host that gets it comes from an expression"
    rules.report(url, "secret-unbound", message, "write the host out in the url, or name it: hosts: [cdn.example.com]")
