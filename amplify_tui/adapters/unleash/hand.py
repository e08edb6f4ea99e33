"""Unleash without us: curl lines that switch a flag off, restore it, and prove it. Pure.

Whole strategies are put back, whatever the release made of them; `off` goes first and `on` last, so that nobody is
exposed on the way. A strategy that the release added has an id that only the server knows: it is found by its title.
"""

from __future__ import annotations

import json
from typing import Any

from amplify_tui.adapters.flags.meaning import SEGMENT_NAMES
from amplify_tui.adapters.flags.port import ByHand
from amplify_tui.adapters.flags.state import SEGMENT_RULES, exposed
from amplify_tui.adapters.flags.undo import matched
from amplify_tui.adapters.ports import FlagWrite
from amplify_tui.adapters.unleash.ops import env_path, revive, segment, whole
from amplify_tui.playbook.context import secret_marker
from amplify_tui.playbook.model import Source
from amplify_tui.report import shell


def off(source: Source, key: str, env: str) -> str:
    """The line that switches the flag off in that environment."""
    return _call(source, "POST", f"{env_path(source.project, key, env)}/off")


def restored(source: Source, write: FlagWrite) -> ByHand:
    """From `write.after` back to `write.before`. A flag that was not there is switched off, and kept."""
    base, before = env_path(source.project, write.key, write.env), write.before
    on = exposed(before) > 0
    lines = [] if write.after["exists"] else [_call(source, "POST", revive(write.key).path)]
    lines += [] if on else [off(source, write.key, write.env)]
    if before["exists"]:
        lines += _strategies(source, base, write, added=on)
        lines += [_call(source, "POST", f"{base}/on")] if before["enabled"] else []
    reads = _call(source, "GET", base)
    says = f'"enabled": *{"true" if before["enabled"] else "false"}'
    return ByHand(undo=" && ".join(lines), proof=f"{reads} | grep -Eq {shell.quoted(says)}")


def _strategies(source: Source, base: str, write: FlagWrite, *, added: bool) -> list[str]:
    """Each strategy of before put back; those that came with the write taken out, where they would give users it."""
    _, gone, new = matched(write.before["strategies"], write.after["strategies"])
    lines = [
        _call(source, "PUT", f"{base}/strategies/{segment(one['id'])}", _body(one))
        if not any(one is lost for lost in gone)
        else _call(source, "POST", f"{base}/strategies", _body(one))
        for one in write.before["strategies"]
        if one.get("id")
    ]
    return [*lines, *(_removed(source, base, one) for one in new if added)]


def _body(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in whole(one).items() if name not in (SEGMENT_RULES, SEGMENT_NAMES)}


def _removed(source: Source, base: str, one: dict[str, Any]) -> str:
    name = "title" if one.get("title") else "name"
    chosen = shell.quoted(f".[] | select(.{name} == {json.dumps(one[name])}) | .id")
    one_by_one = _call(source, "DELETE", f"{base}/strategies/")
    listed = f"{_call(source, 'GET', f'{base}/strategies')} | jq -r {chosen}"
    return f'{listed} | while read -r own_id; do {one_by_one}"$own_id"; done'


def _call(source: Source, method: str, path: str, body: Any = None) -> str:
    url = f"{(source.unleash or '').rstrip('/')}{path}"
    return shell.curl(method, url, {"Authorization": source.token or secret_marker("TOKEN")}, json_body=body)
