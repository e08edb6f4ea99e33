"""Where the secrets of a request may go: only to hosts that stand in the playbook's own text, never where a value says.

An address may hold anything that steps put out: a ticket's title, a health body, what a command printed. Whoever can
write that must not choose who gets a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from amplify_tui.playbook.expr import ExprError
from amplify_tui.playbook.expr.syntax import Ast, Index, Lit, Name, Select
from amplify_tui.playbook.templates import Piece, has_expr, split

_VALUE: Final = "\0"  # stands for an expression: no address holds one
_END: Final = re.compile(r"[/?#\\]")
_PORTS: Final = {"http": 80, "https": 443}


def bound_hosts(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the secrets of *request*, as it is written, may go: its `hosts`, else the origin of its `url`.

    An entry is a host, a host with a port, or an origin (`https://host:port`). Empty: nowhere, since the text names no
    host. An entry with an expression names none.
    """
    listed = request.get("hosts")
    if listed:
        hosts = listed if isinstance(listed, list | tuple) else ()
        return tuple(host for host in hosts if isinstance(host, str) and not has_expr(host))
    origin = written_origin(request.get("url"))
    return (origin,) if origin else ()


def written_origin(url: object) -> str:
    """Scheme, host and port of *url* as its text alone says them; "" where an expression has a part in one of them.

    What an expression says before an `@` is no part of them as long as it holds no `/`, `?` or `#`: so the address that
    is sent to has to be compared with the origin, too.
    """
    if not isinstance(url, str):
        return ""
    try:
        parts = split(url).parts
    except ExprError:
        return ""
    whole = "".join(_VALUE if isinstance(part, Piece) else part for part in parts)
    scheme, _, rest = whole.partition("://")
    host = _END.split(rest, maxsplit=1)[0].rpartition("@")[2]
    if _VALUE in scheme + host or not host or scheme.lower() not in _PORTS:
        return ""
    return f"{scheme}://{host}".lower()


def is_bound(scheme: str, names: Iterable[str], port: int | None, hosts: Iterable[str]) -> bool:
    """Whether an address of *scheme*, of a host that goes by each of *names*, and *port*, is one of `bound_hosts`."""
    known = {name.lower() for name in names}
    at = port or _PORTS.get(scheme)
    for one in hosts:
        try:
            written = urlsplit(one if "://" in one else f"//{_bracketed(one)}")
            wanted = _port(written)
        except ValueError:
            continue
        if (written.hostname or "") in known and written.scheme in ("", scheme) and wanted in (None, at):
            return True
    return False


def uses_secret(text: object, inputs: Iterable[str] = ()) -> bool:
    """Whether *text* holds an expression that stands for a secret. inputs: those of the type secret."""
    if not isinstance(text, str) or not has_expr(text):
        return False
    try:
        roots = [piece.expr.root for piece in split(text).pieces]
    except ExprError:
        return False
    return any(of == "secrets" or (of == "inputs" and key in inputs) for of, key in map(_member, roots))


def _bracketed(host: str) -> str:
    """A bare IPv6 address as an address of the web has it."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _port(written: SplitResult) -> int | None:
    """The port that is meant; None where any is."""
    return written.port or _PORTS.get(written.scheme)


def _member(node: Ast) -> tuple[str, str]:
    match node:
        case Select(of=Name(name=name), field=key):
            return name, key
        case Index(of=Name(name=name), key=Lit(value=str() as key)):
            return name, key
    return "", ""
