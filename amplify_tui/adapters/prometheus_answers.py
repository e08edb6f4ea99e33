"""The answers of Prometheus' query API as numbers. Pure: an answer in, numbers out; another shape raises Invalid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.http import Answer, skew
from amplify_tui.adapters.ports import Invalid
from amplify_tui.verdict.model import Part

SKEW_TOLD: Final = 5.0


class Scalar(Struct, frozen=True):
    """One number as the server answered it; `value` None is an empty answer."""

    value: float | None
    at: float
    notes: tuple[str, ...] = ()
    apart: float = 0.0  # seconds that its clock is ahead of ours


def scalar(answer: Answer, asked_at: float) -> Scalar:
    """The one number of an answer of `/api/v1/query`. Raises Invalid where it is another shape or several series."""
    data = answer.json()
    try:
        result, kind = data["data"]["result"], data["data"]["resultType"]
        if kind == "vector" and len(result) > 1:
            raise _several(len(result), answer)
        if kind not in ("vector", "scalar"):
            raise Invalid(f"the query answers a {clean(str(kind), 20)}, not a number", where=answer.where)
        pair: Any = (result[0]["value"] if result else None) if kind == "vector" else result
        value, at = (None, asked_at) if pair is None else (float(pair[1]), float(pair[0]))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise _not_its(answer, error) from error
    notes, apart = _notes(answer, data)
    return Scalar(value, at, notes, apart)


def by_label(answer: Answer) -> tuple[Part, ...]:
    """What each series of an answer has, the highest first; it is called by its labels. Raises Invalid as `scalar`."""
    data = answer.json()
    try:
        if (kind := data["data"]["resultType"]) != "vector":
            raise Invalid(f"the query answers a {clean(str(kind), 20)}, not a number each", where=answer.where)
        return Part.worst(
            Part(clean(",".join(str(value) for _, value in sorted(one["metric"].items())), 60), float(one["value"][1]))
            for one in data["data"]["result"]
        )
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise _not_its(answer, error) from error


def matrix(answer: Answer, moments: Sequence[float], step: float) -> list[Scalar | Invalid]:
    """The number at each of *moments*, from an answer of `/api/v1/query_range`; several at one moment are Invalid.

    Raises Invalid where it is another shape.
    """
    notes, apart = _notes(answer, answer.json())
    found: list[Scalar | Invalid] = []
    for moment, values in zip(moments, columns(answer, moments, step), strict=True):
        several = _several(len(values), answer) if len(values) > 1 else None
        found.append(several or Scalar(values[0] if values else None, moment, notes, apart))
    return found


def columns(answer: Answer, moments: Sequence[float], step: float) -> list[tuple[float, ...]]:
    """What each series has at each of *moments*. Raises Invalid where the answer is another shape."""
    data = answer.json()
    held: dict[int, list[float]] = {}
    try:
        if data["data"]["resultType"] != "matrix":
            raise Invalid(f"the query answers a {clean(str(data['data']['resultType']), 20)}", where=answer.where)
        for series in data["data"]["result"]:
            for at, value in series["values"]:
                held.setdefault(round((float(at) - moments[0]) / step), []).append(float(value))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise _not_its(answer, error) from error
    return [tuple(held.get(number, ())) for number in range(len(moments))]


def _notes(answer: Answer, data: Any) -> tuple[tuple[str, ...], float]:
    """What the server warned of (a part of its stores did not answer), and how far its clock is ahead."""
    told = [*(data.get("warnings") or []), *(data.get("infos") or [])] if isinstance(data, dict) else []
    notes = [clean(str(one), 160) for one in told]
    apart = skew(answer) or 0.0
    if abs(apart) > SKEW_TOLD:
        notes.append(f"its clock is {apart:+.0f}s from ours")
    return tuple(notes), apart


def _several(count: int, answer: Answer) -> Invalid:
    fix = "wrap the query in sum(...) or another aggregation"
    return Invalid(f"the query answers {count} series", where=answer.where, fix=fix)


def _not_its(answer: Answer, error: Exception) -> Invalid:
    return Invalid(f"the answer is not Prometheus' ({type(error).__name__})", where=answer.where)
