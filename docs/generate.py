"""Writes the generated pages: docs/playbook.md and docs/schema.json, from the types that the checker itself walks.

    python docs/generate.py            writes them
    python docs/generate.py --check    says which are stale, and exits 1

playbook.in.md holds the prose and the places of the tables, playbook.words.yaml a sentence for every key. A key without
a sentence, a sentence without a key, and a part of the format without a table are errors. The package imports nothing
from here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from amplify_tui.playbook.expr.functions import FUNCTIONS
from amplify_tui.playbook.expr.kinds import Type
from amplify_tui.playbook.model import Playbook
from amplify_tui.playbook.names import Names, Scope
from amplify_tui.playbook.problems import Problems
from amplify_tui.playbook.schema import json_schema
from amplify_tui.playbook.shapes import (
    AnyShape,
    ChoiceShape,
    Field,
    ListShape,
    MapShape,
    NullShape,
    ScalarShape,
    Shape,
    StructShape,
    UnionShape,
    fields_of,
)
from amplify_tui.playbook.skeleton import skeleton
from amplify_tui.playbook.values import format_duration
from amplify_tui.playbook.yaml import Map, parse
from amplify_tui.steps.registry import specs

DOCS: Final = Path(__file__).resolve().parent
EXAMPLES: Final = DOCS.parent / "tests" / "playbook" / "bad"
_PLACE: Final = re.compile(r"^<!-- (\w+)(?: (\S+))? -->$", re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.+)$|^<!-- table (\w+) -->$", re.MULTILINE)
_PROBLEM: Final = re.compile(r"^[^\s:]+:\d+:\d+: (?P<text>.*) \[(?P<code>[a-z0-9-]+)\]$", re.MULTILINE)
_KINDS: Final = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "dur": "duration",
    "pct": "percent",
    "share": "share",
    "bound": "number, share or duration",
    "range": "range",
    "semver": "version",
    "ref": "id",
    "name": "name",
    "gate": "name",
    "url": "URL",
    "secret": "secret",
    "regex": "regular expression",
    "expr": "condition",
}
# A playbook with a step after a step, for the names that expressions may use; the answers are the types themselves.
_SMALL: Final = """
apiVersion: amplify/v1
kind: Playbook
name: small
inputs: {NAME: {type: string}}
release: {repo: ., version: "1.0.0", environment: here}
services: {NAME: {instances: ["http://127.0.0.1:1"]}}
stages: [{id: one, steps: [{id: ID, scope: {}}, {id: here, each: {NAME: [a]}, scope: {}}]}]
"""


class StaleWordsError(Exception):
    """The words and the types do not fit together; the text names what is missing or left over."""


class Words:
    """The sentences of playbook.words.yaml, and which of them were asked for."""

    def __init__(self, path: Path) -> None:
        self._parts: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._used: set[tuple[str, str]] = set()

    def of(self, part: str, key: str) -> str:
        """The sentence of a key. Raises StaleWordsError where there is none."""
        said = self._parts.get(part, {})
        if key in said:
            self._used.add((part, key))
            return said[key]
        if "like" in said:
            return self.of(said["like"], key)
        raise StaleWordsError(f"playbook.words.yaml has no sentence for {part}.{key}")

    def check_all_used(self) -> None:
        """Raises StaleWordsError where a sentence has no key any more."""
        for part, said in self._parts.items():
            for key in said:
                if key != "like" and (part, key) not in self._used:
                    raise StaleWordsError(f"playbook.words.yaml has a sentence for {part}.{key}, which does not exist")


class Reference:
    """The page as it is filled: which parts of the format have their table."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._anchors = dict(anchors(template))
        self._words = Words(DOCS / "playbook.words.yaml")
        self._parts = {cls.__name__: cls for cls in _parts()}
        self._shown: set[str] = set()
        self._fill: dict[str, Callable[[str], str]] = {
            "table": self.table,
            "outputs": outputs,
            "names": lambda _: names_table(),
            "functions": lambda _: functions_table(),
            "codes": lambda _: codes_table(),
        }

    def page(self) -> str:
        """The template with its places filled. Raises StaleWordsError."""
        page = _PLACE.sub(lambda found: self._fill[found[1]](found[2] or ""), self._template)
        self._words.check_all_used()
        if missing := self._parts.keys() - self._shown:
            raise StaleWordsError(f"playbook.in.md has no table for {', '.join(sorted(missing))}")
        return page

    def table(self, part: str) -> str:
        """One row for each key of a struct: what it takes, its default, its sentence."""
        self._shown.add(part)
        cls = self._parts[part]
        infos = {info.encode_name: info for info in msgspec.structs.fields(cls)}
        rows = []
        for field in fields_of(cls).values():
            default = "**required**" if field.required else _default(infos[field.key], field)
            takes = _takes(field.shape, self._anchors)
            rows.append((f"`{field.key}`", takes, default, self._words.of(part, field.key)))
        return _rows(("key", "takes", "default", "what it means"), rows)


def anchors(template: str) -> Iterator[tuple[str, str]]:
    """Struct and anchor of each table: that of the heading above it."""
    heading = ""
    for found in _HEADING.finditer(template):
        if found[1]:
            heading = found[1].lower().replace(" ", "-")
        else:
            yield found[2], heading


def outputs(verb: str) -> str:
    """What `steps.ID.outputs` holds after a step of this verb."""
    found = specs()[verb].outputs
    said = ", ".join("one for each field" if name == "*" else f"`{name}` ({kind})" for name, kind in found.items())
    return f"Outputs: {said}."


def names_table() -> str:
    """The names of expressions with their types, and where they exist."""
    problems = Problems("small", _SMALL)
    root = parse(_SMALL, problems, _SMALL)
    assert isinstance(root, Map)
    bones = skeleton(root, specs())
    names = Names(bones, specs())
    step = bones.steps["here"]
    here = dict(names.step(step, rollback=False))
    before: Type = here.pop("steps").fields["ID"]  # type: ignore[index]  # a record, whose fields are known
    wave = {"instance": names.step(None, rollback=False, late=True)["instance"]}
    back = {"rollback": names.step(None, rollback=True)["rollback"]}
    rows = [*_names(here, "everywhere"), *_names({"steps": Type("map", fields={"ID": before})}, "after that step")]
    rows += [*_names(wave, "deploy, revert"), *_names(back, "the rollback section")]
    where = {"each.NAME": "a step with `each`", "secrets.N": "url, headers, env, token, client_token"}
    return _rows(("name", "type", "where"), [(f"`{n}`", kind, where.get(n, place)) for n, kind, place in rows])


def _names(scope: Scope, where: str, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name, kind in scope.items():
        path = f"{prefix}{name}"
        if path == "steps.ID.outputs":
            yield f"{path}.X", "as the verb says", where
        elif kind.fields:
            yield from _names(kind.fields, where, f"{path}.")
        else:
            yield (f"{path}.N", "secret", where) if path == "secrets" else (path, str(kind), where)


def functions_table() -> str:
    """Every function of expressions."""
    return _rows(("function", "gives"), [(f"`{function.usage}`", function.gives) for function in FUNCTIONS.values()])


def codes_table() -> str:
    """Every code of a problem, with the first message that the bad examples of the tests have for it."""
    found: dict[str, str] = {}
    for path in sorted(EXAMPLES.glob("*.out")):
        for problem in _PROBLEM.finditer(path.read_text(encoding="utf-8")):
            found.setdefault(problem["code"], problem["text"].removeprefix("warning: "))
    return _rows(("code", "such as"), [(f"`{code}`", _cell(found[code])) for code in sorted(found)])


def _parts() -> list[type[msgspec.Struct]]:
    """Every struct of the format, in the order in which a reader of a playbook meets them."""
    seen: dict[type[msgspec.Struct], None] = {}

    def walk(shape: Shape) -> None:
        match shape:
            case StructShape(cls=cls) if cls not in seen:
                seen[cls] = None
                for field in fields_of(cls).values():
                    walk(field.shape)
            case ListShape(item=inner) | MapShape(value=inner):
                walk(inner)
            case UnionShape(options=options):
                for option in options:
                    walk(option)
            case _:
                pass

    walk(StructShape(Playbook))
    for spec in specs().values():
        walk(StructShape(spec.fields))
    return list(seen)


def _takes(shape: Shape, places: Mapping[str, str]) -> str:
    match shape:
        case AnyShape():
            return "anything"
        case NullShape():
            return "null"
        case ScalarShape(kind=kind):
            return _KINDS[kind]
        case ChoiceShape(values=values):
            return ", ".join(f"`{_plain(value)}`" for value in values)
        case ListShape(item=item):
            return f"list of {_takes(item, places)}"
        case MapShape(key=key, value=value):
            return f"{_takes(key, places)} → {_takes(value, places)}"
        case StructShape(cls=cls):
            return f"[{cls.__name__}](#{places.get(cls.__name__, '')})"
        case UnionShape(options=options):
            said = dict.fromkeys(_takes(option, places) for option in options if not isinstance(option, NullShape))
            return " or ".join(said)


def _default(info: Any, field: Field) -> str:
    """The default as a playbook would write it; nothing for one that only means "not given"."""
    value = info.default_factory() if info.default is msgspec.NODEFAULT else info.default
    if value is None or value is msgspec.UNSET or value in ("", (), {}):
        return ""
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    kinds = {shape.kind for shape in _flat(field.shape) if isinstance(shape, ScalarShape)}
    if isinstance(value, float) and "dur" in kinds:
        return f"`{format_duration(value)}`"
    return f"`{_plain(value)}`"


def _flat(shape: Shape) -> tuple[Shape, ...]:
    return shape.options if isinstance(shape, UnionShape) else (shape,)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(_plain(item) for item in value)}]"
        case float():
            return f"{value:g}"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pages() -> dict[str, str]:
    """Every generated file of docs/ with the text that it should have. Raises StaleWordsError."""
    template = (DOCS / "playbook.in.md").read_text(encoding="utf-8")
    note = "<!-- Made by docs/generate.py out of playbook.in.md and playbook.words.yaml. Change those. -->\n\n"
    schema = json.dumps(json_schema(specs()), indent=2, ensure_ascii=False)
    return {"playbook.md": note + Reference(template).page(), "schema.json": schema + "\n"}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them. The exit status."""
    made = pages()
    stale = [name for name, text in made.items() if not _is_fresh(DOCS / name, text)]
    for name in stale:
        if "--check" in arguments:
            sys.stdout.write(f"docs/{name} is stale: python docs/generate.py\n")
        else:
            (DOCS / name).write_text(made[name], encoding="utf-8")
            sys.stdout.write(f"wrote docs/{name}\n")
    return 1 if stale and "--check" in arguments else 0


def _is_fresh(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
