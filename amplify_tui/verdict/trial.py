"""The standing of a sequential test: plain data, which the journal holds and a release goes on from. Shapes only.

One trial per condition for the whole release, not one per phase: each would spend its alpha anew. What is added to one
is added in trials.py; times are those of the data, in Unix seconds.
"""

from __future__ import annotations

from msgspec import Struct

from amplify_tui.verdict.bets import Bet, Vif
from amplify_tui.verdict.latency import Ratios


class Tally(Struct, frozen=True, kw_only=True):
    """What was counted since a moment: requests of both cohorts and the bad ones among them (control: 0 without one).

    borrowed: the control's numbers are of an earlier phase, and nobody is in it now.
    ratios: the sum of the log-ratios of `windows` windows, of a signal that counts no bad requests; `value` and
    `control_value` are the sums of its values in them.
    """

    since: float = 0.0
    until: float = 0.0
    bad: float = 0.0
    total: float = 0.0
    control_bad: float = 0.0
    control_total: float = 0.0
    ratios: float = 0.0
    value: float = 0.0
    control_value: float = 0.0
    windows: int = 0
    borrowed: bool = False

    @property
    def lasted(self) -> float:
        """Seconds from its begin to the end of its last block."""
        return max(0.0, self.until - self.since)


class Look(Struct, frozen=True, kw_only=True):
    """What one look of a comparison with the past found: the level now and then, and of how many blocks each.

    chance: how likely that is where nothing is worse; spent: the most that it may be for a fail. usual: what nine in
    ten blocks of the past were not above.
    """

    current: float
    past: float
    blocks: int
    past_blocks: int
    chance: float
    spent: float
    usual: float


class Course(Struct, frozen=True, kw_only=True):
    """The blocks of one phase that are compared with the past: how many there were, and the levels of the newest.

    look: the last one; at: how many blocks there were then.
    """

    since: float = 0.0
    blocks: int = 0
    levels: tuple[float, ...] = ()
    look: Look | None = None
    at: int = 0


class Trial(Struct, frozen=True, kw_only=True):
    """How one sequential test stands.

    until: up to when the data of each cohort (treatment, control) is in it: a request is evidence once. fail, proof:
    the bets that it is worse, and that it is not. control: bad and all requests of the control's blocks. best: the most
    evidence for a fail that there ever was, best_proof: for a proof. fired_at: when the first was enough. calm: the
    stretch since then in which it was not worse. phases: of each step that is watched, what its phase has counted.
    before: the last of them in which the control had enough requests to be compared with. starts: each spends alpha
    once. Of a comparison with the past: courses, by step as phases; looks: how many there were; shown: the one that
    was enough for a fail.
    """

    until: tuple[float, float] = (0.0, 0.0)
    starts: int = 1
    blocks: int = 0
    fail: Bet = Bet()
    proof: Bet = Bet()
    vif: Vif = Vif()
    ratios: Ratios = Ratios()
    control: tuple[float, float] = (0.0, 0.0)
    best: float = 0.0
    best_proof: float = 0.0
    fired_at: float | None = None
    calm: Tally | None = None
    phases: dict[str, Tally] = {}
    before: Tally | None = None
    courses: dict[str, Course] = {}
    looks: int = 0
    shown: Look | None = None


def started_anew(trial: Trial) -> Trial:
    """The test from its beginning: nothing that it has counted is counted again."""
    return Trial(until=trial.until, starts=trial.starts + 1, phases=trial.phases, before=trial.before)
