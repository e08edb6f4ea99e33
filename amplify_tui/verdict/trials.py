"""Sequential tests go on: closed blocks are added to the standing of each. The one pure function that does so.

Whoever judges has it advance first, from the same readings; what it gives back is journaled when a block closed, and
nothing is where none did. A replay of the journal needs no readings: it holds the standing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil, exp, log1p
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.verdict.bets import BETTER, WORSE, Bet, capped, expected_share, margin, residual
from amplify_tui.verdict.blocks import Block, Window, paired, single, windows
from amplify_tui.verdict.model import Evidence, PastReading, Reading, Term
from amplify_tui.verdict.past import closed, is_usual, looked, past_of
from amplify_tui.verdict.promises import Promise, is_sequential, promise_of
from amplify_tui.verdict.trial import Tally, Trial

_SAMPLES: Final = 3.0  # requests per smallest share that matters (rule of three)
_PRIOR: Final = {True: 1.0, False: 3.0}  # of the variance inflation: of independent requests, and of others
_EPSILON: Final = 1e-6

cached_promise = lru_cache(maxsize=1024)(promise_of)  # asked at each tick, for the same few terms


class Asking(Struct, frozen=True, kw_only=True):
    """Who asks: a step's gate in a phase that began at `since`, or the triggers (ref ""), which ask since exposure.

    everybody: the phase leaves nobody in control.
    """

    ref: str
    since: float
    terms: tuple[Term, ...]
    everybody: bool = False


def advance(trials: Mapping[str, Trial], askings: Sequence[Asking], evidence: Evidence, now: float) -> dict[str, Trial]:
    """The trials that a block closed in, as they stand with it; the others are not among them.

    Readings that a trial already holds add nothing, however often and with whatever others they are given.
    """
    asked: dict[str, tuple[Promise, list[Asking]]] = {}
    for asking in askings:
        for term in asking.terms:
            promise = cached_promise(term) if is_sequential(term) else None
            if isinstance(promise, Promise):
                asked.setdefault(promise.key, (promise, []))[1].append(asking)
    if not asked:
        return {}
    signals = {promise.rule.signal for promise, _ in asked.values()}
    readings: dict[str, list[Reading]] = {signal: [] for signal in signals}
    for reading in evidence.signals:
        if reading.signal in signals and reading.received_at <= now:
            readings[reading.signal].append(reading)
    changed: dict[str, Trial] = {}
    for key, (promise, mine) in asked.items():
        trial = trials.get(key, Trial())
        everybody = any(one.everybody for one in mine)
        # The board has polled since the draft: what burnt before anybody asked is not this release's doing.
        since = 0.0 if trial.blocks else min(one.since for one in mine)
        for block in _closed(promise, trial, readings[promise.rule.signal], since, everybody=everybody):
            trial = added(trial, promise, block, mine, past_of(evidence, promise, now) if promise.past else None)
            changed[key] = trial
    return changed


def needed(promise: Promise, tally: Tally) -> int:
    """How many requests of each cohort a pass rests on at least.

    As told; else 3 per smallest share that matters (verdicts.md's rule of three), which is `harm` among all users and
    so `harm` / exposure among the treatment's.
    """
    if promise.samples is not None:
        return promise.samples
    return ceil(round(_SAMPLES / max(floor_of(promise, tally), 1e-9), 6))


def floor(promise: Promise, total: float, control_total: float) -> float:
    """The smallest difference of the two rates that matters: `harm` to all users, by the part that is exposed."""
    everyone = total + control_total
    return min(1.0, promise.harm * everyone / total) if total > 0.0 else 1.0


def floor_of(promise: Promise, tally: Tally) -> float:
    """`floor` at the exposure of what was counted; where the control is borrowed, everybody is exposed."""
    return floor(promise, tally.total, 0.0 if tally.borrowed else tally.control_total)


def allowed(promise: Promise, tally: Tally) -> float:
    """The ratio of the two cohorts' rates (or values) that counts as not worse."""
    if promise.kind == "value":
        return 1.0 + promise.by
    return margin(promise.by, floor_of(promise, tally), tally.control_bad, tally.control_total)


def is_within(promise: Promise, tally: Tally) -> bool:
    """Whether the estimate itself is not worse: within `by` of control's, or by less than the harm that matters."""
    if promise.kind == "value":
        return tally.windows > 0 and tally.ratios / tally.windows <= log1p(promise.by) + _EPSILON
    if tally.total <= 0.0:
        return False
    rate = tally.bad / tally.total
    if promise.kind == "limit":
        return rate <= bad_limit(promise) + _EPSILON
    if tally.control_total <= 0.0:
        return False
    control = tally.control_bad / tally.control_total
    by = (1.0 + promise.by) * control
    return rate <= max(by, control + floor_of(promise, tally)) + _EPSILON


def bad_limit(promise: Promise) -> float:
    """The share of bad requests that the limit allows."""
    return 1.0 - promise.rule.limit if promise.rule.below else promise.rule.limit


def estimate(promise: Promise, tally: Tally) -> tuple[float | None, float | None]:
    """What the treatment (or the only cohort) and the control had: a share, or the mean of the windows' values."""
    if promise.kind == "value":
        return _over(tally.value, tally.windows), _over(tally.control_value, tally.windows)
    rate = _over(tally.bad, tally.total)
    if promise.rule.below and rate is not None:
        rate = 1.0 - rate
    return rate, _over(tally.control_bad, tally.control_total)


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


# --- one block more -------------------------------------------------------------------------------------------------


def _closed(
    promise: Promise, trial: Trial, readings: Sequence[Reading], since: float, *, everybody: bool
) -> list[Block]:
    mine = windows(readings, promise.rule, max(trial.until[0], since))
    if promise.past:
        return closed(mine, promise.block, is_share=promise.rule.pair)
    if promise.control is None:
        return single(mine, promise.block)
    other: list[Window] = windows(readings, promise.control, max(trial.until[1], since))
    if everybody and not other:
        return single(mine, promise.block)
    return paired(mine, other, promise.block, promise.rule.every, promise.enough)


def added(
    trial: Trial, promise: Promise, block: Block, askings: Sequence[Asking], past: PastReading | None = None
) -> Trial:
    """The trial with one closed block more, counted for the phases that it lies in. past: what it compares with."""
    trial = _wagered(trial, promise, block)
    trial = replace(
        trial,
        until=(max(trial.until[0], block.until[0]), max(trial.until[1], block.until[1])),
        blocks=trial.blocks + 1,
    )
    if trial.fired_at is None and trial.best >= promise.fail_at:
        trial = replace(trial, fired_at=max(block.until), calm=None)
    elif trial.fired_at is not None:
        calm = _counted(trial.calm or Tally(since=block.since), block)
        is_calm = is_usual(trial, promise, block) if promise.past else is_within(promise, beside(calm, trial.before))
        trial = replace(trial, calm=calm if is_calm else None)
    if promise.past:
        trial = looked(trial, promise, block, {one.ref: one.since for one in askings}, past)
    phases: dict[str, Tally] = {}
    before = trial.before
    for asking in askings:
        known = trial.phases.get(asking.ref)
        tally = known if known is not None and known.since == asking.since else Tally(since=asking.since)
        if block.since >= asking.since - _EPSILON:
            tally = _counted(tally, block)
            if trial.fired_at is None and promise.control is not None and _has_enough_control(promise, tally):
                before = tally
        phases[asking.ref] = tally
    return replace(trial, phases=phases, before=before)


def beside(tally: Tally, before: Tally | None) -> Tally:
    """The treatment of *tally*; beside the control of *before*, where it has none of its own."""
    return tally if before is None or tally.control_total > 0.0 else borrowing(tally, before)


def borrowing(tally: Tally, before: Tally) -> Tally:
    """The treatment of *tally* beside the control of *before*; the little that it has of its own counts for nothing."""
    return replace(tally, control_bad=before.control_bad, control_total=before.control_total, borrowed=True)


def _has_enough_control(promise: Promise, tally: Tally) -> bool:
    return tally.control_total > 0.0 and tally.control_total >= needed(promise, tally)


def _counted(tally: Tally, block: Block) -> Tally:
    return Tally(
        since=tally.since,
        until=max(tally.until, *block.until),
        bad=tally.bad + block.bad,
        total=tally.total + block.total,
        control_bad=tally.control_bad + block.control_bad,
        control_total=tally.control_total + block.control_total,
        ratios=tally.ratios + sum(block.ratios),
        value=tally.value + block.value,
        control_value=tally.control_value + block.control_value,
        windows=tally.windows + len(block.ratios),
    )


def _wagered(trial: Trial, promise: Promise, block: Block) -> Trial:
    match promise.kind:
        case "past":
            return trial  # by looks, not by bets: past.py
        case "value":
            return _tested(trial, promise, block)
        case "limit":
            limit = bad_limit(promise)
            stakes = capped(limit)
            return _bet(trial, promise, stakes, (block.bad, block.total), limit, limit)
        case "ratio" if block.control_total <= 0.0 or block.total <= 0.0:
            return trial  # nobody is in control: a block for the phase's own numbers only
        case "ratio":
            ratio = margin(promise.by, floor(promise, block.total, block.control_total), *trial.control)
            q, proof_q = (expected_share(rho, block.total, block.control_total) for rho in (1.0 + promise.by, ratio))
            trial = _bet(trial, promise, WORSE, (block.bad, block.bad + block.control_bad), q, proof_q)
            bad, total = trial.control
            return replace(trial, control=(bad + block.control_bad, total + block.control_total))


def _bet(
    trial: Trial, promise: Promise, stakes: tuple[float, ...], events: tuple[float, float], q: float, proof_q: float
) -> Trial:
    """One bet against q, and where a proof is wanted one against its own; no event is no bet."""
    bad, total = events
    if total <= 0.0:
        return replace(trial, vif=trial.vif.skip())
    inflation = trial.vif.value(_PRIOR[promise.independent])
    share = min(1.0, bad / total)
    fail = trial.fail if trial.fail.wealth else Bet.of(stakes)
    proof = trial.proof if trial.proof.wealth or not promise.proven else Bet.of(BETTER)
    if promise.independent:
        fail = fail.on_each(bad, total, q, stakes, inflation)
        proof = proof.on_each(bad, total, proof_q, BETTER, inflation) if promise.proven else proof
    else:
        fail = fail.on(share, q, stakes, inflation)
        proof = proof.on(share, proof_q, BETTER, inflation) if promise.proven else proof
    vif = trial.vif.add(residual(share, q, total if promise.independent else 1.0))
    best_proof = max(trial.best_proof, proof.log_e()) if proof.wealth else 0.0
    best = max(trial.best, fail.log_e())
    return replace(trial, fail=fail, proof=proof, vif=vif, best=best, best_proof=best_proof)


def _tested(trial: Trial, promise: Promise, block: Block) -> Trial:
    ratios, best = trial.ratios, trial.best
    for ratio in block.ratios:
        ratios = ratios.add(ratio)
        if ratios.mean > log1p(promise.by):
            best = max(best, ratios.log_e(promise.by))
    return replace(trial, ratios=ratios, best=best)


def proof_so_far(promise: Promise, trial: Trial) -> float:
    """The evidence that it is not worse, as odds to one; 1 where there is none."""
    if promise.kind == "value":
        below = trial.ratios.mean < log1p(promise.by)
        found = trial.ratios.log_e(promise.by) if below else 0.0
    else:
        found = trial.proof.log_e() if trial.proof.wealth else 0.0
    return exp(min(found, 700.0))


def is_proven(promise: Promise, trial: Trial) -> bool:
    """Whether the trial proves, as it stands now, that it is not worse."""
    return proof_so_far(promise, trial) >= exp(promise.proven_at)
