"""Strict YAML: a text becomes a tree of nodes that know their place, or problems; never a traceback.

PyYAML's parser (libyaml where it is built in) supplies the events; everything after that is ours: YAML 1.2
scalars, no tags, duplicate keys and unknown anchors are problems. Limits are judged on the event stream,
before a tree exists, because a hostile text is cheap to write and dear to build (100,000 open brackets keep
libyaml busy for 37 s).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from amplify_tui.playbook.problems import START, Problems, Span, did_you_mean, shorten

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000

# What a plain scalar may mean besides text. 012, 0x1f, 22:30, NO and 1_000 stay the text they are.
_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A scalar. `value` is None, bool, int, float or str; `text` is what was written, quotes and escapes
    undone.
    """

    value: Any
    text: str
    span: Span
    plain: bool
    end_line: int


@dataclass(frozen=True, slots=True, eq=False)
class Seq:
    items: list[Node]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A mapping, in file order. Keys are texts; of a duplicate the first stays."""

    span: Span
    items: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)


Node: TypeAlias = Scalar | Seq | Map
BROKEN: Final = object()  # the value of an alias to nothing: its problem is known, and nobody else's business


def parse(source: str | bytes, problems: Problems, text: str) -> Node | None:
    """The tree of *text*, or None where it cannot be had; *problems* then holds at least one error.

    source: what was given, for its size; text: the same, decoded by `decode`.
    """
    if len(source) > MAX_BYTES or len(text) > MAX_BYTES:
        problems.add(START, "too-large", f"the file is larger than 1 MiB ({len(source):,} bytes)", "split it")
        return None
    found = _FORBIDDEN.search(text)
    if found:
        message = f"character {ascii(found.group())[1:-1]} cannot stand in a YAML file"
        problems.add(
            place(text, found.start()),
            "yaml-syntax",
            message,
            "remove it, or write it as an escape in quotes",
        )
        return None
    return _Builder(problems).build(text)


def decode(source: str | bytes) -> tuple[str, tuple[Span, str] | None]:
    """The text of *source* without a byte order mark, and where and why it is not UTF-8, if it is not."""
    if isinstance(source, str):
        return source.removeprefix("\ufeff"), None
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "", (START, "the file is UTF-16, not UTF-8")
    try:
        return source.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        data = source.removeprefix(b"\xef\xbb\xbf")
        good = data[: error.start].decode("utf-8", "replace")
        return data.decode("utf-8", "replace"), (
            place(good, len(good)),
            f"byte 0x{data[error.start]:02x} is not UTF-8",
        )


def place(text: str, offset: int) -> Span:
    """Line and column of the character at *offset*."""
    before = re.split("\r\n|[\n\r\x85\u2028\u2029]", text[:offset])
    column = len(before[-1]) + 1
    return Span(len(before), column, column + 1)


def plain(node: Node) -> Any:
    """The tree as dict, list and scalars, aliases expanded."""
    if isinstance(node, Scalar):
        return None if node.value is BROKEN else node.value
    if isinstance(node, Seq):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.items.items()}


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, each as often as it is reached; at most MAX_NODES."""
    stack = [node]
    while stack:
        here = stack.pop()
        yield here
        if isinstance(here, Seq):
            stack.extend(reversed(here.items))
        elif isinstance(here, Map):
            stack.extend(reversed(here.items.values()))


def scalar_value(text: str) -> Any:
    """What a plain scalar means: YAML 1.2's null, booleans and decimal numbers; anything else is its own
    text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text) and any(c in text for c in ".eE"):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


class _Stop(Exception):
    """The problem that ends the reading has been recorded."""


@dataclass(slots=True)
class _Open:
    """A collection that is being read; `size` and `height` count what aliases stand for, too."""

    node: Seq | Map
    anchor: str | None
    key: Scalar | None = None
    skip: bool = False  # the value belongs to a key that cannot be kept
    size: int = 1
    height: int = 1


class _Builder:
    """Builds the tree from events, without recursion."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._pending: set[str] = set()
        self._nodes = 0
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node | None:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.YAMLError as error:
            self._syntax(error, text)
            return None
        except _Stop:
            return None
        if self._root is None:
            self._problems.add(START, "yaml-syntax", "the file is empty", "`amplify init` writes a first playbook")
        return self._root

    def _take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._tagged(event)
                self._add(_scalar(event), event.anchor, 1, 1)
            case yaml.SequenceStartEvent():
                self._start(Seq([], _span(event)), event)
            case yaml.MappingStartEvent():
                self._start(Map(_span(event)), event)
            case yaml.CollectionEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(_span(event), "yaml-syntax", "a second document starts here", "one file, one playbook")

    def _start(self, node: Seq | Map, event: Any) -> None:
        self._tagged(event)
        if len(self._open) >= MAX_DEPTH:
            self._stop(node.span, "too-deep", f"more than {MAX_DEPTH} levels are nested here", "flatten the document")
        if event.anchor:
            self._pending.add(event.anchor)
        self._open.append(_Open(node, event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        self._pending.discard(closed.anchor or "")
        self._nodes -= closed.size - 1  # _add counts the collection's whole size again
        self._add(closed.node, closed.anchor, closed.size, closed.height)

    def _alias(self, event: Any) -> None:
        name, span = event.anchor, _span(event)
        if name in self._pending:
            self._problems.add(
                span,
                "unknown-anchor",
                f"*{name} stands inside &{name} itself",
                "an alias repeats what is complete",
            )
        elif name not in self._anchors:
            hint = did_you_mean(name, self._anchors) or f"write &{name} where it is first used"
            self._problems.add(span, "unknown-anchor", f"no anchor &{name} stands before *{name}", hint)
        node, size, height = self._anchors.get(name, (Scalar(BROKEN, "", span, plain=True, end_line=span.line), 1, 1))
        if len(self._open) + height - 1 > MAX_DEPTH:
            self._stop(span, "too-deep", f"*{name} nests more than {MAX_DEPTH} levels here", "flatten the document")
        self._add(node, None, size, height, span)

    def _add(self, node: Node, anchor: str | None, size: int, height: int, at: Span | None = None) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values, counting what aliases stand for"
            self._stop(at or node.span, "alias-limit", message, "use fewer aliases, or split the playbook")
        if anchor:
            self._anchors[anchor] = (node, size, height)
        if not self._open:
            self._root = node
            return
        top = self._open[-1]
        top.size += size
        top.height = max(top.height, height + 1)
        if isinstance(top.node, Seq):
            top.node.items.append(node)
        elif top.key is None and not top.skip:
            self._key(top, node, at or node.span)
        else:
            if top.key is not None:
                top.node.items[top.key.text] = node
            top.key, top.skip = None, False

    def _key(self, top: _Open, node: Node, span: Span) -> None:
        assert isinstance(top.node, Map)
        if not isinstance(node, Scalar) or (node.value is None and node.plain):
            self._problems.add(span, "yaml-syntax", "a key must be a word", 'quote it, or write "key: value"')
            top.skip = True
        elif node.text in top.node.keys:
            first = top.node.keys[node.text].span
            message = f"{shorten(node.text)} is given twice; first on line {first.line}, column {first.column}"
            self._problems.add(span, "duplicate-key", message, "keep one of them")
            top.skip = True
        else:
            top.node.keys[node.text] = node
            top.key = node

    def _tagged(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            message = f"tag {shorten(event.tag)} is no part of the format"
            self._problems.add(_span(event), "yaml-syntax", message, "remove it; quote a value to make it text")

    def _syntax(self, error: yaml.YAMLError, text: str) -> None:
        if not isinstance(error, yaml.MarkedYAMLError):
            self._problems.add(START, "yaml-syntax", f"this is not YAML: {error}")
            return
        mark = error.problem_mark or error.context_mark
        span = START if mark is None else Span(mark.line + 1, mark.column + 1, mark.column + 2)
        message = error.problem or error.context or "this is not YAML"
        hint = f"while reading this: {error.context}" if error.context else ""
        lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
        here = lines[span.line - 1 : span.line]
        if "tab" in message or "\t" in "".join(here)[: span.column] or "\\t" in message:
            hint = "YAML indents with spaces, never with tabs"
        elif "found character that cannot start any token" in message:
            hint = "quote the value: it starts with a character that YAML keeps for itself"
        elif "mapping values are not allowed" in message:
            hint = 'quote a text that holds ": ", or check the indentation'
        self._problems.add(span, "yaml-syntax", message, hint)

    def _stop(self, span: Span, code: str, message: str, hint: str) -> None:
        self._problems.add(span, code, message, hint)
        raise _Stop


def _scalar(event: Any) -> Scalar:
    is_plain = not event.style
    value = scalar_value(event.value) if is_plain else event.value
    return Scalar(value, event.value, _span(event), is_plain, event.end_mark.line + 1)


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    column = start.column + 1
    end_column = end.column + 1 if end.line == start.line else column + 1
    return Span(start.line + 1, column, max(end_column, column + 1))
