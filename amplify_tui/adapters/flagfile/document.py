"""One flagd flag file: its text, the flags in it, and a flag as our state. Pure, no I/O.

    {"flags": {"new-checkout": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
                                "targeting": {...}, "metadata": {...}}}}

| of the file | means |
| --- | --- |
| state DISABLED | off; applications use the default in their own code, which has to be the old path |
| ENABLED, the off variant by default, no targeting | off as well: nobody gets it |
| ENABLED, the on variant by default, no targeting | everybody |
| targeting of ours, or a bare fractional | strategies (flagfile/targeting.py) |
| anything else, variants that are no on and off among it | one strategy `targeting`, kept to the letter |

A state remembers the flag as it stood in the file (`source`), so that going back restores it to the letter. A change
touches that flag's own lines only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from amplify_tui.adapters.flagfile import targeting
from amplify_tui.adapters.flags.port import State
from amplify_tui.adapters.flags.state import canonical, same
from amplify_tui.adapters.ports import Invalid

LARGEST: Final = 1 << 20
TITLE: Final = "strategy."  # metadata `strategy.1`: the title of the first strategy; a rule has no place for one
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NEW: Final = {"state": "DISABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


def flags_of(text: str) -> dict[str, Any]:
    """The flags of a file, by name. Raises Invalid, with the place, where it is none."""
    if len(text) > LARGEST:
        raise Invalid(f"the flag file is larger than {LARGEST >> 20} MiB")
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        raise Invalid(f"the flag file is no JSON: {error}") from error
    except RecursionError as error:
        raise Invalid("the flag file is nested too deeply") from error
    found = document.get("flags") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise Invalid("the flag file has no `flags`", fix='it is {"flags": {NAME: {...}}}, see flagd.dev')
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r} stands twice")
    return found


def to_state(key: str, flag: Mapping[str, Any] | None) -> State:
    """The state of a flag as the file has it; None is one that is not there."""
    if flag is None:
        return {"exists": False, "enabled": False, "strategies": []}
    metadata = flag.get("metadata") if isinstance(flag.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    strategies = _strategies(key, flag)
    for at, one in enumerate(strategies, 1):
        one["title"] = str(metadata.get(f"{TITLE}{at}") or one["title"])
        if one["title"]:
            one["id"] = one["title"]
    return {
        "exists": True,
        "enabled": flag.get("state") == "ENABLED" and bool(strategies),
        "type": "",
        "description": str(metadata.get("description") or ""),
        "impression_data": False,
        "strategies": strategies,
        "source": json.loads(json.dumps(flag)),
    }


def _strategies(key: str, flag: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = _switch(flag.get("variants"))
    rule, default = flag.get("targeting") or {}, flag.get("defaultVariant")
    if names is not None and not rule and default in names:
        return [targeting.everybody()] if default == names[0] else []
    if names is not None and rule and default == names[1]:
        found = targeting.strategies(rule, key, *names)
        if found is not None:
            return found
    kept = {name: flag[name] for name in ("variants", "defaultVariant", "targeting") if name in flag}
    return [targeting.opaque(canonical(kept))]


def _switch(variants: Any) -> tuple[str, str] | None:
    """The names of the variants that stand for true and for false; None where there are others."""
    if not isinstance(variants, dict) or len(variants) != 2:
        return None
    names = {value: name for name, value in variants.items() if isinstance(value, bool)}
    return (str(names[True]), str(names[False])) if len(names) == 2 else None


def to_flag(key: str, state: State, was: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The flag as the file should have it; None to take it out. *was*: as the file has it now.

    Raises Invalid for what a flagd file cannot hold.
    """
    if not state["exists"]:
        return None
    source = state.get("source")
    if source is not None and same(to_state(key, source), state):
        return dict(source)
    if reason := targeting.reason_against(state):
        raise Invalid(f"{key}: {reason}")
    base = dict(was if was is not None else source or _NEW)
    strategies = state["strategies"]
    if len(strategies) == 1 and strategies[0]["name"] == targeting.OPAQUE:
        base |= json.loads(strategies[0]["parameters"]["rule"])
    elif any(one["name"] == targeting.OPAQUE for one in strategies):
        raise Invalid(f"{key} has a targeting rule of its own, which stands alone", fix="replace it with `strategies`")
    else:
        names = _switch(base.get("variants"))
        if names is None:
            base["variants"], names = _NEW["variants"], ("on", "off")
        base["defaultVariant"] = names[1]
        base["targeting"] = targeting.rule_of(strategies, key, *names) if strategies else {}
    base["state"] = "ENABLED" if state["enabled"] else "DISABLED"
    return _with_titles(base, state)


def _with_titles(flag: dict[str, Any], state: State) -> dict[str, Any]:
    held = flag.get("metadata") if isinstance(flag.get("metadata"), dict) else {}
    assert isinstance(held, dict)
    kept = {name: value for name, value in held.items() if not name.startswith(TITLE)}
    if state.get("description"):
        kept["description"] = state["description"]
    titles = {f"{TITLE}{at}": one["title"] for at, one in enumerate(state["strategies"], 1) if one.get("title")}
    rest = {name: value for name, value in flag.items() if name != "metadata"}
    return rest | ({"metadata": kept | titles} if kept | titles else {})


def disabled(flag: Mapping[str, Any]) -> dict[str, Any]:
    """The flag switched off, whatever else it says: the brake needs to understand nothing of it."""
    return {**flag, "state": "DISABLED"}


def rewrite(text: str, changes: Mapping[str, Mapping[str, Any] | None]) -> str:
    """The file with those flags put in, or taken out where None; every other line as it was. Raises Invalid."""
    for key, flag in changes.items():
        text = _rewrite_one(text, key, flag)
    return text


def _rewrite_one(text: str, key: str, flag: Mapping[str, Any] | None) -> str:
    known = flags_of(text)
    start, spans = _spans(text)
    step = _indent(text)
    if flag is None:
        return _taken_out(text, spans, key) if key in spans else text
    shown = json.dumps(flag, indent=step, ensure_ascii=False)
    shown = shown.replace("\n", "\n" + step * 2) if step else shown
    if key in spans:
        _, begin, end = spans[key]
        return text[:begin] + shown + text[end:]
    lead = f"\n{step * 2}" if step else " "
    entry = f"{json.dumps(key, ensure_ascii=False)}: {shown}"
    if not known:
        tail = f"\n{step}" if step else " "
        return text[:start] + lead + entry + tail + text[_skip(text, start) :]
    last = max(end for _, _, end in spans.values())
    return text[:last] + "," + lead + entry + text[last:]


def _taken_out(text: str, spans: Mapping[str, tuple[int, int, int]], key: str) -> str:
    ordered = sorted(spans.values())
    at = ordered.index(spans[key])
    if at:  # from the end of the one before, its comma with it
        return text[: ordered[at - 1][2]] + text[ordered[at][2] :]
    end = ordered[1][0] if len(ordered) > 1 else ordered[0][2]
    return text[: ordered[0][0]] + text[end:]


def _spans(text: str) -> tuple[int, dict[str, tuple[int, int, int]]]:
    """Where the flags begin, and of each flag where its name starts, its value starts, and its value ends."""
    decoder = json.JSONDecoder()
    for name, _, begin, _ in _members(text, _skip(text, 0), decoder):
        if name == "flags":
            spans = {key: (at, start, end) for key, at, start, end in _members(text, begin, decoder)}
            return begin + 1, spans
    raise Invalid("the flag file has no `flags`")


def _members(text: str, at: int, decoder: json.JSONDecoder) -> list[tuple[str, int, int, int]]:
    """The members of the object at *at*, of a text that is known to be JSON: name, and the places of `_spans`."""
    found: list[tuple[str, int, int, int]] = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, end = decoder.raw_decode(text, at)
        begin = _skip(text, _skip(text, end) + 1)
        _, stop = decoder.raw_decode(text, begin)
        found.append((name, at, begin, stop))
        at = _skip(text, stop)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _indent(text: str) -> str:
    """What the file indents by; "" where it is all on one line."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else ""
