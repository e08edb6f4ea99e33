"""How long a proof takes, said when a playbook is checked: nobody should wait for one that a bake cannot give.

A forecast for much traffic: 100 requests a second, 1 % of them bad. With less, or fewer bad ones, it takes longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from amplify_tui.playbook.registry import CheckContext
from amplify_tui.playbook.values import BadValue, accept, format_duration
from amplify_tui.verdict.bets import margin
from amplify_tui.verdict.forecast import blocks_to_proof, in_words, proof_from_scratch
from amplify_tui.verdict.promises import PROOF
from amplify_tui.verdict.words import quantity

PER_SECOND: Final = 100.0
BAD: Final = 0.01
_MANY: Final = 1e9


def warn_of_proofs(fields: Mapping[str, Any], ctx: CheckContext) -> None:
    """Reports each comparison of a flag's rollout whose proof none of its bakes can give.

    With `pass: proven` it is each that one of them cannot give, for no phase passes without.
    """
    phases = _bakes(fields)
    signals = ctx.document.get("signals")
    for place, entry in enumerate(_list(fields.get("gate"))):
        name = entry.get("signal") if isinstance(entry, Mapping) else entry
        signal = signals.get(name) if isinstance(signals, Mapping) else None
        if not isinstance(signal, Mapping) or "total" not in signal:
            continue
        by = _by(entry, signal)
        if by is None:
            continue
        needs = [(_proof_time(by, signal, share), bake, share) for share, bake in phases if share < 1.0]
        short = [one for one in needs if one[0] > one[1]]
        is_proven = signal.get("pass") == "proven"
        if not short or (len(short) < len(needs) and not is_proven):
            continue
        seconds, bake, share = max(short)
        _report(ctx, place, by, seconds, bake, share, is_proven=is_proven)


def _report(
    ctx: CheckContext, place: int, by: float, seconds: float, bake: float, share: float, *, is_proven: bool
) -> None:
    takes = in_words(seconds)
    message = (
        f"by: {quantity(by, 'share').replace(' ', '')} cannot be proven within a bake of {format_duration(bake)}: "
        f"at {quantity(share, 'share')}, {PER_SECOND:g} requests a second and 1 % of them bad it takes {takes}"
    )
    hint = "the gate passes where nothing is shown to be worse; a proof takes a longer bake or a larger by"
    if is_proven:
        hint = "no phase passes without its proof: give it a longer bake or a larger by, or take pass: proven out"
    ctx.report(("gate", place), "proof-time", message, hint, "warning")


def _proof_time(by: float, signal: Mapping[str, Any], share: float) -> float:
    block = max(_read(signal.get("block"), "dur", 30.0), _read(signal.get("window"), "dur", 30.0))
    harm = _read(signal.get("harm"), "share", 0.001)
    requests = PER_SECOND * block
    rho = margin(by, harm / share, BAD * _MANY, _MANY)
    blocks = blocks_to_proof(requests * share, requests * (1.0 - share), BAD, rho, evidence=proof_from_scratch(PROOF))
    return blocks * block


def _by(entry: Any, signal: Mapping[str, Any]) -> float | None:
    """The margin of an entry that compares, 0 where it names none; None where it compares with no control."""
    own = entry if isinstance(entry, Mapping) else {}
    limit = signal.get("limit")
    inherited = limit if isinstance(limit, Mapping) else {}
    asked = own if any(own.get(bound) is not None for bound in ("above", "below", "worse_than")) else inherited
    if asked.get("worse_than") != "control":
        return None
    found = own.get("by", asked.get("by"))
    return _read(found, "share", 0.0)


def _bakes(fields: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Share and bake of each phase, where both are written as such and not as expressions."""
    shares = [_read(one, "pct", -1.0) / 100.0 for one in _list(fields.get("phases"))]
    bake = fields.get("bake")
    written = _list(bake) or (bake,) * len(shares)
    bakes = [_read(one, "dur", -1.0) for one in written]
    return [(share, bake) for share, bake in zip(shares, bakes, strict=False) if share > 0.0 and bake >= 0.0]


def _list(found: Any) -> Sequence[Any]:
    return tuple(found) if isinstance(found, list | tuple) else ()


def _read(found: Any, kind: str, otherwise: float) -> float:
    """The number that is written; *otherwise* where there is none, or an expression."""
    if found is None:
        return otherwise
    try:
        return float(accept(found, kind))
    except (BadValue, TypeError, ValueError):
        return otherwise
