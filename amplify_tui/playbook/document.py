"""Loading: a text becomes a `Document` and every problem it has. The only door into this package for a file's text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from amplify_tui.playbook import checks, yaml
from amplify_tui.playbook.build import Builder
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.model import Input, Playbook
from amplify_tui.playbook.names import Names
from amplify_tui.playbook.outline import Structure, structure
from amplify_tui.playbook.problems import Problem, Problems, Span, render
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.shapes import MapShape, fields_of
from amplify_tui.playbook.skeleton import Skeleton, skeleton
from amplify_tui.playbook.typed import Walker

Kind = Literal["Playbook", "Fragment", "Estate", "Drill"]
_KINDS: Final = ("Playbook", "Fragment", "Estate", "Drill")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A playbook without errors, as written: expressions unresolved, aliases expanded.

    raw: the tree as dict, list and scalars. sha256: of the text as bytes, what a run pins. inputs: their declarations.
    """

    name: str
    path: str
    text: str
    sha256: str
    raw: dict[str, Any]
    inputs: dict[str, Input]
    bones: Skeleton = field(repr=False)

    def structure(self) -> Structure:
        """Stages and steps without resolving anything."""
        return structure(self.bones)

    def place(self, path: str) -> Span | None:
        """Where `signals.errors.bad` or its like stands in the file; None where nothing does."""
        node: yaml.Node | None = self.bones.root
        for name in path.split("."):
            node = node.items.get(name) if isinstance(node, yaml.Map) else None
        return node.span if node is not None else None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found. document is None where any problem is an error; warnings leave it."""

    document: Document | None
    problems: tuple[Problem, ...]

    def render(self) -> str:
        """The problems as text."""
        return render(self.problems)


def load(source: str | bytes, *, path: str, registry: Registry, kind: Kind = "Playbook") -> Loaded:
    """Reads and checks a whole file; never raises for what stands in it. At most MAX_PROBLEMS problems are told.

    path: the name that problems carry. registry: the verbs. kind: what the file should be.
    """
    text, undecodable = yaml.decode(source)
    problems = Problems(path, text)
    if undecodable is not None and len(source) <= yaml.MAX_BYTES:
        problems.add(undecodable[0], "not-utf8", undecodable[1], "save the file as UTF-8")
        return Loaded(None, problems.sorted())
    root = yaml.parse(source, problems, text)
    if root is None or not _is_playbook(root, kind, problems):
        return Loaded(None, problems.sorted())
    assert isinstance(root, yaml.Map)
    bones = skeleton(root, registry)
    names = Names(bones, registry)
    walker = Walker(problems, registry, bones, names)
    walker.playbook(root)
    checks.run(walker, bones, registry)
    if problems.has_errors():
        return Loaded(None, problems.sorted())
    inputs = _inputs(root, problems)
    data = source if isinstance(source, bytes) else source.encode()
    document = Document(
        name=str(yaml.plain(root.items["name"])),
        path=path,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        raw=yaml.plain(root),
        inputs=inputs,
        bones=bones,
    )
    return Loaded(document, problems.sorted())


def _is_playbook(root: yaml.Node, wanted: Kind, problems: Problems) -> bool:
    if not isinstance(root, yaml.Map):
        message = "a playbook is a mapping: apiVersion, kind, name, stages"
        problems.add(root.span, "wrong-type", message, "`amplify init` writes a first one")
        return False
    node = root.items.get("kind")
    if not isinstance(node, yaml.Scalar) or node.value not in _KINDS:
        return True  # the walk says so, with everything else
    if node.value != "Playbook":
        problems.add(node.span, "not-yet", f"kind {node.value} is reserved; this version cannot read it yet")
        return False
    if wanted != "Playbook":
        problems.add(node.span, "bad-choice", f"this is a Playbook; a {wanted} is wanted")
        return False
    return True


def _inputs(root: yaml.Map, problems: Problems) -> dict[str, Input]:
    node = root.items.get("inputs")
    if node is None:
        return {}
    shape = fields_of(Playbook)["inputs"].shape
    assert isinstance(shape, MapShape)
    built = Builder(Context(), problems).value(node, shape)
    assert isinstance(built, dict)
    return built
