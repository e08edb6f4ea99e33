"""What every rule is given: the bones, a way to report, and small questions about nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from amplify_tui.playbook.problems import Problems, Severity, Span, suggest
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.skeleton import Skeleton
from amplify_tui.playbook.templates import has_expr
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq

METRIC_KINDS = ("prometheus", "scrape", "probes", "http")
FLAG_KINDS = ("unleash", "flagfile")


class Rules:
    """One check of one playbook."""

    def __init__(self, problems: Problems, bones: Skeleton, registry: Registry) -> None:
        self.problems = problems
        self.bones = bones
        self.registry = registry

    def report(self, at: Node | Span, code: str, message: str, hint: str = "", severity: Severity = "error") -> None:
        span = at if isinstance(at, Span) else at.span
        self.problems.add(span, code, message, hint, severity)

    def not_yet(self, at: Node, what: str, instead: str = "") -> None:
        """What the format holds and this version does not do: refused, never ignored."""
        self.report(at, "not-yet", f"{what} is reserved; this version cannot do it yet", instead)

    def refer(self, node: Node | None, section: str, what: str) -> Map | None:
        """The entry of *section* that *node* names; a name that is not there is reported as unknown-*what*."""
        name = text(node)
        if node is None or name is None or has_expr(name):
            return None
        known = self.bones.section(section)
        if name not in known:
            hint = suggest(name, known, f"the {section} are") or f"there are no {section} in this playbook"
            self.report(node, f"unknown-{what}", f'there is no {what} "{name}"', hint)
            return None
        found = known[name]
        return found if isinstance(found, Map) else None

    def refer_all(self, node: Node | None, section: str, what: str) -> None:
        """`refer` for each scalar of a list, or each key of a mapping."""
        if isinstance(node, Map):
            for key in node.keys.values():
                self.refer(key, section, what)
        for item in items(node):
            self.refer(item, section, what)

    def flag_source(self, node: Node | None) -> None:
        """Reports a source that does not exist, or that serves no flags."""
        source = self.refer(node, "sources", "source")
        if node is not None and source is not None and not self.serves(source, FLAG_KINDS, self.registry.flags):
            message = f'source "{text(node)}" serves no flags'
            self.report(node, "flag-source", message, "a source of flags has unleash: or flagfile:")

    def serves(self, source: Map, ours: Iterable[str], of_packages: Iterable[str]) -> bool:
        """Whether a source is of one of these kinds; one whose `use:` nobody brings is reported as such alone."""
        used = text(source.items.get("use"))
        if used is not None and (used in of_packages or used not in self.registry.kinds):
            return True
        return any(kind in source.items for kind in ours)

    def roles(self, nodes: Iterable[Node]) -> None:
        """Reports roles that a playbook with a list of roles does not have. Without a list any role may be claimed."""
        known = self.bones.section("roles")
        for node in nodes:
            name = text(node)
            if known and name is not None and name not in known and not has_expr(name):
                message = f'there is no role "{name}"'
                self.report(node, "unknown-role", message, suggest(name, known, "the roles are"))


def text(node: Node | None) -> str | None:
    """The text of a scalar; None of anything else."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def number(node: Node | None) -> float | None:
    """The number of a scalar; None of anything else, booleans too."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return None
    return float(node.value)


def value(node: Node | None) -> Any:
    return node.value if isinstance(node, Scalar) else None


def items(node: Node | None) -> list[Node]:
    """The items of a list; none of anything else."""
    return node.items if isinstance(node, Seq) else []


def keys(node: Node | None) -> dict[str, Node]:
    """The values of a mapping by key; none of anything else."""
    return node.items if isinstance(node, Map) else {}


def given(node: Map, *names: str) -> list[str]:
    """Which of *names* a mapping has, written null left out."""
    return [name for name in names if name in node.items and not _null(node.items[name])]


def _null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def find_all(node: Node, key: str) -> Iterator[tuple[Map, Node]]:
    """Every mapping below *node* that has *key*, with what stands there."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, Map):
            if key in here.items:
                yield here, here.items[key]
            stack.extend(reversed(here.items.values()))
        elif isinstance(here, Seq):
            stack.extend(reversed(here.items))
