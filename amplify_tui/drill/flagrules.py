"""What Unleash makes of a strategy: defaults, refusals, and JSON-Patch as its library does it.

Pure. Everything here was observed on Unleash OSS 8.2.0; where it is odd (an omitted rollout means 100, any bad patch is
a 500) it is odd on purpose: whoever passes here must pass there.
"""

from __future__ import annotations

import copy
import json
from typing import Any

TYPES = ("experiment", "kill-switch", "release", "operational", "permission", "sunset")
STRATEGIES = ("default", "flexibleRollout", "remoteAddress", "applicationHostname")
MAX_STRATEGIES = 30
INVALID = (
    "Request validation failed: your request body or params contain invalid data. "
    "Refer to the `details` list for more information."
)


class FlagError(Exception):
    """A refusal in Unleash's words: status, name, message, details."""

    def __init__(self, status: int, name: str, message: str, detail: str = "", path: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.detail = {"message": detail or message} | ({"path": path} if path else {})

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "message": self.message, "details": [self.detail]}


def bad(detail: str, path: str = "") -> FlagError:
    return FlagError(400, "BadDataError", INVALID, detail, path)


def bad_data(detail: str) -> FlagError:
    message = f"Request validation failed: your request body or params contain invalid data: {detail}"
    return FlagError(400, "BadDataError", message, detail)


def required(body: dict[str, Any], key: str) -> Any:
    if key not in body:
        raise bad(f"The `/body/{key}` property is required. It was not present on the data you sent.", f"/body/{key}")
    return body[key]


def one_of(value: Any, allowed: tuple[str, ...], key: str) -> str:
    if value not in allowed:
        listed = ", ".join(f'"{word}"' for word in allowed)
        raise bad(
            f'The `{key}` property must be equal to one of the allowed values: {listed}. You provided "{value}", '
            "which is not valid. Please use one of the allowed values instead..",
            key,
        )
    return str(value)


def strategy_name(body: dict[str, Any]) -> str:
    name = str(required(body, "name"))
    if name not in STRATEGIES:
        raise bad_data(f"Could not find strategy type with name {name}")
    return name


def parameters(name: str, flag: str, given: dict[str, Any] | None) -> dict[str, str]:
    """Strings, with what a flexibleRollout gets where the caller said nothing: everybody."""
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (given or {}).items()}
    defaults = {"groupId": flag, "rollout": "100", "stickiness": "default"} if name == "flexibleRollout" else {}
    return dict(sorted((defaults | words).items()))


def patched(document: Any, operations: list[dict[str, Any]]) -> Any:
    """The document after RFC 6902 operations; any that does not fit is Unleash's 500 `UnknownError`."""
    result = copy.deepcopy(document)
    for index, operation in enumerate(operations):
        keys = [key.replace("~1", "/").replace("~0", "~") for key in str(operation.get("path", "")).split("/")[1:]]
        if operation.get("op") not in ("test", "replace", "add", "remove") or not keys:
            raise FlagError(500, "UnknownError", "Operation `op` property is not one of operations defined in RFC-6902")
        try:
            _apply(result, operation, keys, index)
        except (KeyError, IndexError, TypeError, ValueError) as problem:
            raise FlagError(500, "UnknownError", f"Cannot read properties of undefined (reading {problem})") from None
    return result


def _apply(root: Any, operation: dict[str, Any], keys: list[str], index: int) -> None:
    target = root
    for key in keys[:-1]:
        target = target[int(key)] if isinstance(target, list) else target[key]
    last: Any = keys[-1]
    if isinstance(target, list):
        last = len(target) if last == "-" else int(last)
    match operation["op"]:
        case "test":
            _test(root, target, last, operation, index)
        case "remove" if isinstance(target, list):
            del target[last]
        case "remove":
            target.pop(last, None)  # its library does not mind a member that is not there
        case "add" if isinstance(target, list):
            target.insert(last, operation["value"])
        case _:
            target[last] = operation["value"]


def _test(root: Any, target: Any, last: Any, operation: dict[str, Any], index: int) -> None:
    found = target[last] if isinstance(target, list) else target.get(last)
    if found != operation.get("value"):
        shown, tree = json.dumps(operation, indent=2), json.dumps(root, indent=2)
        words = f"Test operation failed\nname: TEST_OPERATION_FAILED\nindex: {index}\noperation: {shown}\ntree: {tree}"
        raise FlagError(500, "UnknownError", words)
