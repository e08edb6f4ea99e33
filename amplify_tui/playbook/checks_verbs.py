"""Rules of the verbs' fields that need the whole playbook or more than one field. Keyed by the verb's name.

The structs of the verbs live in steps/; a rule here looks at nodes, reports at their place, and says nothing where a
field is missing or malformed, since the walk already did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from amplify_tui.playbook import checks_compare, checks_hosts
from amplify_tui.playbook.expr import ExprError
from amplify_tui.playbook.expr.syntax import Ast, Binary, Call, Cond, Index, Lit, Name, Select
from amplify_tui.playbook.problems import Severity, listing
from amplify_tui.playbook.registry import CheckContext
from amplify_tui.playbook.rules import Rules, find_all, given, items, keys, number, text, value
from amplify_tui.playbook.templates import Piece, has_expr, split
from amplify_tui.playbook.typed import Visit
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq, plain


def step(rules: Rules, visit: Visit) -> None:
    """The rules of one step's verb, and the verb's own check."""
    assert isinstance(visit.node, Map)
    node = visit.node
    if "use" in node.items:
        rules.not_yet(node.keys["use"], "use", "write the fragment's steps into the playbook")
    verb = next((key for key in node.items if key in rules.registry), "")
    fields = node.items.get(verb)
    if not verb or not isinstance(fields, Map):
        return
    if value(fields.items.get("allow_dash")) is not True:
        _dashes(rules, fields)
    checks_compare.gate(rules, fields.items.get("gate"))
    rule = _BY_VERB.get(verb)
    if rule is not None:
        rule(rules, visit, fields)
    spec = rules.registry[verb]
    if spec.check is not None and visit.clean:
        context = _Context(plain(fields), plain(node), plain(rules.bones.root), rules, fields)
        spec.check(context.fields, cast("CheckContext", context))


@dataclass(frozen=True, slots=True)
class _Context:
    """The CheckContext of one step."""

    fields: Mapping[str, Any]
    step: Mapping[str, Any]
    document: Mapping[str, Any]
    rules: Rules
    node: Node

    def report(
        self, path: tuple[str | int, ...], code: str, message: str, hint: str = "", severity: str = "error"
    ) -> None:
        at = self.node
        for key in path:
            if isinstance(at, Map) and key in at.items:
                at = at.items[str(key)]
            elif isinstance(at, Seq) and isinstance(key, int) and key < len(at.items):
                at = at.items[key]
            else:
                break
        self.rules.report(at, code, message, hint, cast("Severity", severity))


def _rollout(rules: Rules, visit: Visit, fields: Map) -> None:
    flag, waves = given(fields, "flag", "phases"), given(fields, "service", "waves")
    if bool(flag) == bool(waves) or (len(flag), len(waves)) not in ((2, 0), (0, 2)):
        message = f"a rollout has flag and phases, or service and waves; this has {listing(flag + waves) or 'neither'}"
        rules.report(fields, "rollout-shape", message)
        return
    if flag:
        if "source" not in fields.items:
            rules.report(fields, "missing-key", "a rollout of a flag lacks the key source", "add source: NAME")
        rules.flag_source(fields.items.get("source"))
        _phases(rules, fields)
    if waves:
        for key in ("deploy", "revert"):
            if key not in fields.items:
                rules.report(
                    fields, "missing-key", f"a rollout in waves lacks the key {key}", f"add {key}: {{argv: …}}"
                )
        _waves(rules, fields)
    steps = fields.items.get("phases" if flag else "waves")
    bake = fields.items.get("bake")
    if isinstance(bake, Seq) and isinstance(steps, Seq) and len(bake.items) != len(steps.items):
        message = f"bake has {len(bake.items)} durations for {len(steps.items)} phases"
        rules.report(bake, "bake-count", message, "write one duration, or one for each phase")


def _phases(rules: Rules, fields: Map) -> None:
    node = fields.items.get("phases")
    if not isinstance(node, Seq):
        return
    if not node.items:
        rules.report(node, "phases-not-rising", "a rollout has at least one phase", "like [1, 5, 25, 50, 100]")
    found = [number(item) for item in node.items]
    _rising(rules, node, found, "phase")
    if found and found[-1] is not None and found[-1] != 100 and value(fields.items.get("partial")) is not True:
        message = f"the last phase is {found[-1]:g} %, not 100 %"
        rules.report(node.items[-1], "last-phase-not-100", message, "add 100, or say partial: true")


def _rising(rules: Rules, node: Seq, found: list[float | None], what: str) -> None:
    for index in range(1, len(found)):
        before, here = found[index - 1], found[index]
        if before is not None and here is not None and here <= before:
            message = f"{what} {here:g} follows {before:g}: {what}s rise strictly"
            rules.report(node.items[index], f"{what}s-not-rising", message, "they are cumulative")


def _waves(rules: Rules, fields: Map) -> None:
    service = rules.refer(fields.items.get("service"), "services", "service")
    node = fields.items.get("waves")
    if not isinstance(node, Seq):
        return
    if not node.items:
        rules.report(node, "waves-not-rising", "a rollout has at least one wave", "like [1, 2, 4]")
    counts = [number(item) for item in node.items]
    percents = [_percent(text(item)) for item in node.items]
    _rising(rules, node, counts, "wave")
    _rising(rules, node, percents, "wave")
    have = keys(service).get("instances") if service else None
    if not isinstance(have, Seq):
        return
    for item, count in zip(node.items, counts, strict=True):
        if count is not None and count > len(have.items):
            message = f"wave {count:g} is more than the {len(have.items)} instances of the service"
            rules.report(item, "waves-exceed-instances", message, "waves are cumulative counts")
            return


def _percent(words: str | None) -> float | None:
    try:
        return float(words[:-1]) if words and words.endswith("%") else None
    except ValueError:
        return None


def _flag(rules: Rules, visit: Visit, fields: Map) -> None:
    rules.flag_source(fields.items.get("source"))
    ways = given(fields, "strategies", "add", "change", "remove")
    if "strategies" in ways and len(ways) > 1:
        message = f"strategies replaces all; {ways[1]} cannot stand beside it"
        rules.report(fields.keys[ways[1]], "flag-shape", message, "write one of the two")


def _command(rules: Rules, visit: Visit, fields: Map) -> None:
    found = given(fields, "argv", "shell")
    if len(found) != 1:
        message = f"a command has argv or shell; this has {listing(found) or 'neither'}"
        rules.report(fields.keys["shell"] if found else fields, "missing-key", message, "argv: [program, argument]")
    if "argv" in found and isinstance(fields.items["argv"], Seq) and not items(fields.items["argv"]):
        rules.report(fields.items["argv"], "missing-key", "argv is empty", "its first word is the program")
    if "undo" not in given(fields, "undo"):
        rules.report(fields, "missing-undo", "a command says how it is undone", "add undo: {argv: …}, or undo: none")
    shell = fields.items.get("shell")
    if shell is not None and has_expr(text(shell)):
        hint = 'pass it as an environment variable: env: {VERSION: "${{ release.version }}"}, and write "$VERSION"'
        rules.report(shell, "shell-with-expression", "a shell line takes no ${{ }}", hint)
    if value(fields.items.get("data")) == "contract":
        _contract(rules, visit, fields)


def _contract(rules: Rules, visit: Visit, fields: Map) -> None:
    here = visit.where.step
    if here is None or visit.where.rollback:
        return
    for other in rules.bones.steps.values():
        if other.verb == "monitor" and other is not here and not rules.bones.is_before(other, here):
            message = f'this contract is not sure to come after monitor "{other.id}"'
            hint = "what the old version still needs goes only when the new one has been watched"
            if other.in_background:
                hint = f'it watches in the background: add "{other.id}" to the needs'
            rules.report(fields.items["data"], "contract-before-monitor", message, hint)
            return


def _monitor(rules: Rules, visit: Visit, fields: Map) -> None:
    """A restart is a failure to who watches health and fleet: it must not be one that the release makes meanwhile."""
    here = visit.where.step
    builtins = [entry for entry in items(fields.items.get("gate")) if text(entry) in ("health", "fleet")]
    if here is None or not here.in_background or not builtins:
        return
    for other in rules.bones.steps.values():
        if other.verb != "rollout" or "service" not in keys(other.fields):
            continue
        if not rules.bones.is_before(other, here) and not rules.bones.is_before(here, other):
            message = f'"{other.id}" may restart instances while {text(builtins[0])} is watched in the background'
            hint = f'add "{here.id}" to the needs of "{other.id}", or take health and fleet out of this gate'
            rules.report(builtins[0], "watched-restart", message, hint)
            return


def _http(rules: Rules, visit: Visit, fields: Map) -> None:
    method = text(fields.items.get("method")) or "GET"
    if method not in ("GET", "HEAD", "OPTIONS") and not given(fields, "undo"):
        message = f"a {method} says how it is undone" if not has_expr(method) else "this request says how it is undone"
        rules.report(fields, "missing-undo", message, "add undo: {method: …, url: …}, or undo: none")
    checks_hosts.requests(rules, fields)


def _verify(rules: Rules, visit: Visit, fields: Map) -> None:
    found = given(fields, "conditions", "http", "versions", "rollback")
    if len(found) != 1:
        message = f"verify asks one thing; this asks {listing(found) or 'nothing'}"
        rules.report(
            fields.keys[found[1]] if found else fields,
            "verify-shape",
            message,
            "conditions, http, versions or rollback",
        )
    rules.refer_all(fields.items.get("versions"), "services", "service")
    checks_hosts.requests(rules, fields)


def _notify(rules: Rules, visit: Visit, fields: Map) -> None:
    rules.refer_all(fields.items.get("to"), "stakeholders", "stakeholder")
    if isinstance(fields.items.get("to"), Scalar):
        rules.refer(fields.items["to"], "stakeholders", "stakeholder")


def _window(rules: Rules, visit: Visit, fields: Map) -> None:
    node = fields.items.get("hours")
    hours = text(node)
    if node is None or hours is None or has_expr(hours):
        return
    ends = [_minutes(part) for part in hours.split("-")]
    if len(ends) != 2 or None in ends:
        rules.report(node, "bad-hours", f'"{hours[:40]}" are no hours', 'like "09:00-16:00"')
    elif cast("int", ends[0]) >= cast("int", ends[1]):
        message = f'hours "{hours}" end before they begin'
        rules.report(node, "inverted-window", message, "a window over midnight is two windows, on two days")


def _minutes(words: str) -> int | None:
    hour, colon, minute = words.strip().partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and len(hour) <= 2 and len(minute) == 2):
        return None
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= 24 * 60 else None


def _dependencies(rules: Rules, visit: Visit, fields: Map) -> None:
    if items(fields.items.get("services")):
        rules.refer_all(fields.items["services"], "services", "service")
    rules.refer_all(fields.items.get("planned"), "services", "service")


def _wait(rules: Rules, visit: Visit, fields: Map) -> None:
    found = given(fields, "for", "until")
    if len(found) != 1:
        message = f"wait has for or until; this has {listing(found) or 'neither'}"
        rules.report(fields.keys["until"] if found else fields, "wait-shape", message, "for: 15m")


_BY_VERB: Final[dict[str, Callable[[Rules, Visit, Map], None]]] = {
    "rollout": _rollout,
    "flag": _flag,
    "command": _command,
    "http": _http,
    "monitor": _monitor,
    "verify": _verify,
    "notify": _notify,
    "window": _window,
    "dependencies": _dependencies,
    "wait": _wait,
}


def _dashes(rules: Rules, fields: Map) -> None:
    """An argument that an expression could turn into an option, as far as it shows; the rest is judged at run time."""
    for holder, argv in find_all(fields, "argv"):
        if value(holder.items.get("allow_dash")) is True:
            continue
        for item in items(argv):
            words = text(item)
            if words is not None and has_expr(words) and _may_dash(rules, words):
                hint = "set allow_dash: true where that is meant, or put a literal in front"
                message = "this argument comes from an expression and starts with -, so a command reads it as an option"
                rules.report(item, "dash-from-expression", message, hint)


def _may_dash(rules: Rules, words: str) -> bool:
    try:
        parts = split(words).parts
    except ExprError:
        return False
    first = parts[0] if parts else ""
    return isinstance(first, Piece) and any(start.startswith("-") for start in _starts(rules, first.expr.root))


def _starts(rules: Rules, node: Ast) -> list[str]:
    """The literal texts that an expression's value may start with, as far as they can be told."""
    match node:
        case Lit(value=found):
            return [str(found)]
        case Binary(op="+", left=left):
            return _starts(rules, left)
        case Cond(then=then, other=other):
            return _starts(rules, then) + _starts(rules, other)
        case Call(function="default" | "lower" | "upper" | "string", args=args):
            return [start for arg in args for start in _starts(rules, arg)]
        case Select(of=Name(name="inputs"), field=name) | Index(of=Name(name="inputs"), key=Lit(value=str() as name)):
            declared = keys(rules.bones.section("inputs").get(name))
            given_values = [declared.get("default"), *items(declared.get("choices"))]
            return [str(plain(found)) for found in given_values if found is not None]
    return []
