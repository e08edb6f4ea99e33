"""worse_than yesterday, or last week: is the signal worse than in the same hour of the past?

Where there is no control group, the past is the next best: the hour around this time of day, in blocks as long as those
of now, asked of the source again as the day goes on (engine/pasts.py). The blocks of a phase are compared with it by
their ranks (ranks.py), so it takes no shape of the numbers; shares by their means too, for there may be more or fewer
requests than then.

| fail      | the blocks are higher than `by` allows, beyond chance; stays until its hold is released                  |
| pass      | at least 8 blocks were compared, and were not                                                            |
| undecided | fewer than 8 blocks of this phase, or the past was not asked yet; with `applies` off where there was no  |
|           | data then, or too little                                                                                 |
| error     | the source cannot tell its past; or what is now, as elsewhere (silence.py)                               |

Looks come when the phase has 8, 12, 16, 24, 32, 48, 64 blocks and then each 32 more. The k-th of a release may spend
6 / (pi k)^2 of alpha, so that all of them spend alpha (a union bound); in between the last answer stands. The standing
is journaled as that of the other sequential tests is, so a new conductor goes on from it. What nobody can know from
numbers is why two days differ: `by` is for that.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from amplify_tui.verdict import words
from amplify_tui.verdict.blocks import Block, Window, stretches, windows
from amplify_tui.verdict.conditions import select
from amplify_tui.verdict.model import Evidence, Expected, Past, PastReading, Reading, Term, TermVerdict
from amplify_tui.verdict.promises import PAST_WORDS, Promise
from amplify_tui.verdict.ranks import chance, mean_chance, spending
from amplify_tui.verdict.silence import silence
from amplify_tui.verdict.trial import Course, Look, Trial

AGO_S: Final[dict[Past, float]] = {"yesterday": 86400.0, "last_week": 604800.0}
HALF_S: Final = 1800.0  # the hour is this much before and after the same time of day
PACE_S: Final = 600.0  # how often the past is asked again: its hour moves on
KEPT_S: Final = 3.0 * PACE_S  # how long an answer serves where later ones fail
ENOUGH: Final = 20  # blocks that the past needs
LONGEST_S: Final = 2.0 * HALF_S / ENOUGH  # of a block, so that an hour holds enough of them
FIRST: Final = 8
_LOOKS: Final = (FIRST, 12, 16, 24, 32, 48, 64)
_EVERY: Final = 32
_MOST: Final = 64  # the newest blocks that are compared, so that what was good for long hides nothing
_EPSILON: Final = 1e-3


def closed(found: Sequence[Window], seconds: float, *, is_share: bool) -> list[Block]:
    """The closed blocks of *found*, oldest first; `value` is the level of each. Windows with no request are no part."""
    blocks: list[Block] = []
    for part in stretches(found, seconds):
        bad, total = sum(one.bad for one in part), sum(one.total for one in part)
        level = bad / total if is_share and total > 0.0 else statistics.fmean(one.value for one in part)
        until = (part[-1].until, part[-1].until)
        blocks.append(Block(since=part[0].since, until=until, bad=bad, total=total, value=float(f"{level:.6g}")))
    return blocks


def levels_of(readings: Iterable[Reading], promise: Promise) -> tuple[float, ...]:
    """The level of each block that *readings* of the past fill."""
    found = closed(windows(readings, promise.rule, 0.0), promise.block, is_share=promise.rule.pair)
    return tuple(block.value for block in found)


def past_of(evidence: Evidence, promise: Promise, now: float) -> PastReading | None:
    """The newest answer about the past that serves: a good one for half an hour, else what was heard last; or None."""
    mine = [
        one
        for one in evidence.pasts
        if (one.signal, one.when) == (promise.rule.signal, promise.past) and one.received_at <= now
    ]
    good = [one for one in mine if one.status == "ok" and now - one.received_at <= KEPT_S]
    return max(good or mine, key=lambda one: one.received_at, default=None)


def allowed(promise: Promise, past: float) -> float:
    """The highest level that is not worse than *past*: `by` more, and of a share at least `harm` more."""
    most = past * (1.0 + promise.by)
    return max(most, past + promise.harm) if promise.rule.pair else most


def looked(trial: Trial, promise: Promise, block: Block, refs: dict[str, float], past: PastReading | None) -> Trial:
    """The trial with one block more in the courses of *refs* (with when each began), and a look where one is due.

    A look that is due while the past is not known is made up for with the first block after.
    """
    courses: dict[str, Course] = {}
    for ref, since in refs.items():
        course = trial.courses.get(ref)
        if course is None or course.since != since:
            course = Course(since=since)
        if block.since >= since - _EPSILON:
            newest = (*course.levels, block.value)[-_kept(promise) :]
            course = replace(course, blocks=course.blocks + 1, levels=newest)
        is_known = past is not None and len(past.levels) >= ENOUGH and not _is_own(past, since)
        if past is not None and is_known and course.blocks >= _due(course.at):
            trial = replace(trial, looks=trial.looks + 1)
            look = _look(promise, course.levels, past.levels, spending(promise.alpha, trial.looks))
            course = replace(course, look=look, at=course.blocks)
            if trial.fired_at is None and look.chance <= look.spent:
                trial = replace(trial, fired_at=max(block.until), calm=None, shown=look)
        courses[ref] = course
    return replace(trial, courses=courses)


def _is_own(past: PastReading, since: float) -> bool:
    """Whether that hour was already of the phase that began at *since*, which would be compared with itself."""
    return past.data_at + HALF_S > since


def is_usual(trial: Trial, promise: Promise, block: Block) -> bool:
    """Whether a block after a fail is as good as nine in ten of the past were."""
    return trial.shown is not None and block.value <= allowed(promise, trial.shown.usual)


def _due(at: int) -> int:
    """At how many blocks the look after that at *at* comes."""
    return next((size for size in _LOOKS if size > at), _LOOKS[-1] + ((at - _LOOKS[-1]) // _EVERY + 1) * _EVERY)


def _kept(promise: Promise) -> int:
    """So many blocks of now as the hour of the past holds: older ones would be compared with another time of day."""
    return max(FIRST, min(_MOST, int(2.0 * HALF_S / promise.block)))


def _look(promise: Promise, current: Sequence[float], past: Sequence[float], spent: float) -> Look:
    is_share = promise.rule.pair

    def lowered(level: float) -> float:
        """What the level would have to have been then, to be only just not worse."""
        most = level / (1.0 + promise.by)
        return min(most, level - promise.harm) if is_share else most

    # The middle of many shares of few requests is 0; of latencies the mean is whatever the slowest was.
    middle = statistics.fmean if is_share else statistics.median
    then = [lowered(one) for one in current]
    likely = chance(then, past)
    return Look(
        current=middle(current),
        past=middle(past),
        blocks=len(current),
        past_blocks=len(past),
        chance=max(likely, mean_chance(then, past)) if is_share else likely,
        spent=spent,
        usual=statistics.quantiles(past, n=10)[-1],
    )


# --- the answer -------------------------------------------------------------------------------------------------------


def judge_past(term: Term, promise: Promise, evidence: Evidence, expected: Expected, now: float) -> TermVerdict:
    """The answer of *term*, whose trial has been advanced with the same evidence and stands in `expected.trials`."""
    trial = expected.trials.get(promise.key, Trial())
    course = trial.courses.get(expected.ref)
    if course is None or course.since != expected.counts_from:
        course = Course(since=expected.counts_from)
    heard = select(evidence, promise.rule, now)
    past = past_of(evidence, promise, now)
    return _Case(term.id, promise, trial, course, heard, past, expected.since, now).answer()


@dataclass(frozen=True, slots=True)
class _Case:
    id: str
    promise: Promise
    trial: Trial
    course: Course
    heard: Sequence[Reading]
    past: PastReading | None
    since: float
    now: float

    @property
    def when(self) -> str:
        return PAST_WORDS[self.promise.past or "yesterday"]

    def answer(self) -> TermVerdict:
        silent = silence(self.heard, self.promise.rule, self.since, self.now)
        if self.trial.fired_at is not None:
            return self._failed(self.trial.fired_at, is_heard=silent is None)
        if silent is not None:
            answer, said, need = silent
            return self._say(answer, said, need)
        without = self._without_past()
        if without is not None:
            return without
        look = self.course.look
        if look is None:
            more = max(1, FIRST - self.course.blocks)
            each = words.duration(self.promise.block)
            need = (
                f"needs {words.plural(more, 'more block')} of {each}, about {words.duration(more * self.promise.block)}"
            )
            return self._say("undecided", f"{self.course.blocks} of {FIRST} blocks of this phase are there", need)
        if look.current > allowed(self.promise, look.past):
            odds = f"by chance {_times(look.chance)}, a fail takes {_times(look.spent)}"
            return self._say("pass", f"{self._numbers(look)}: over what is allowed, but not shown worse: {odds}")
        return self._say("pass", f"{self._numbers(look)}: not shown worse in {words.plural(look.blocks, 'block')}")

    def _without_past(self) -> TermVerdict | None:
        past = self.past
        if past is None:
            return self._say("undecided", "the past is not read yet", f"needs an answer about {self.when}")
        why = f" ({past.note})" if past.note else ""
        if past.status == "nodata":
            return self._not_applicable(f"there was no data {self.when}")
        if past.status != "ok":
            answer = "error" if past.status == "error" else "blind"
            return self._say(answer, f"{self.when} cannot be read{why}", "needs the source to tell its past")
        if len(past.levels) < ENOUGH:
            few = f"{words.plural(len(past.levels), 'block')} with data, {ENOUGH} are needed"
            return self._not_applicable(f"the hour {self.when} has {few}")
        if _is_own(past, self.since):
            return self._not_applicable(f"the hour {self.when} is of this phase already")
        return None

    def _failed(self, fired_at: float, *, is_heard: bool) -> TermVerdict:
        """Fails until the hold that follows is released, however the evidence goes on."""
        look, calm = self.trial.shown, self.trial.calm
        lasting = max(self.promise.rule.for_, FIRST * self.promise.block)
        lasted = calm.lasted if calm is not None else 0.0
        recovered = is_heard and calm is not None and lasted >= lasting - 1e-6
        need = "needs its hold released" if recovered else f"needs {words.duration(lasting - lasted)} of usual blocks"
        which = f", start {self.trial.starts} of this test" if self.trial.starts > 1 else ""
        said = "shown worse"
        if look is not None:
            blocks = f"{words.plural(look.blocks, 'block')} beside {words.count(look.past_blocks)}"
            odds = f"by chance {_times(look.chance)}, a fail takes {_times(look.spent)}{which}"
            said = f"{self._numbers(look)}: shown worse by {blocks}, {odds}"
        lasts = max(0.0, self.now - fired_at)
        return self._say("fail", said, need, bad_for=lasts, recovered=recovered)

    def _not_applicable(self, why: str) -> TermVerdict:
        return self._say("undecided", f"does not apply: {why}", "the other conditions decide", applies=False)

    def _numbers(self, look: Look) -> str:
        value, other = words.against(look.current, look.past, self.promise.rule.unit)
        return f"{value} against {other} {self.when}"

    def _say(self, answer: Any, said: str, need: str = "", **more: Any) -> TermVerdict:
        look = self.trial.shown if answer == "fail" else self.course.look
        fresh = (min(one.data_at, one.received_at) for one in self.heard if one.status == "ok")
        newest = max(fresh, default=None)
        name = self.promise.rule.name
        baseline: Any = self.when  # a word of PAST_WORDS, which are those of the verdict's literal
        is_number = look is not None and said.startswith(self._numbers(look))
        return TermVerdict(
            id=self.id,
            answer=answer,
            reason=f"{name} {said}" if is_number else f"{name} against {self.when}: {said}",
            need=need,
            value=look.current if look is not None else None,
            control=look.past if look is not None else None,
            limit=allowed(self.promise, look.past) if look is not None else None,
            n=float(self.course.blocks),
            n_needed=float(FIRST),
            age=None if newest is None else max(0.0, self.now - newest),
            baseline=baseline if look is not None else "",
            **more,
        )


def _times(chance_: float) -> str:
    """`once in 52 000 times`."""
    return f"once in {words.decimal(1.0 / max(chance_, 1e-12), 2)} times"
