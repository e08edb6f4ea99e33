"""What applications were told of a flag, counted from successive reads of hourly buckets. Pure.

The flag server keeps sums by application, environment and hour; what counts is how much they grew between two reads.
The first read is where counting begins. A sum that fell lost what its server had not written down when it restarted:
what it holds then is a new beginning and no growth, since most of it was counted before, maybe under other rules.
(A counter of a service is another thing: it falls to 0, and what it holds then is new.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from amplify_tui.verdict.model import Asked, FlagUse

HOUR_S: Final = 3600.0
KEPT_S: Final = 3 * HOUR_S  # servers tell this hour and the last; an older bucket that comes back is none of ours

Bucket: TypeAlias = tuple[str, str, float]
"""Application, environment, begin of the hour."""
Sums: TypeAlias = Mapping[Bucket, tuple[int, int]]
"""`yes` and `no` of each bucket, as last read."""


def growth(known: Sums | None, uses: Sequence[FlagUse]) -> tuple[Sums, dict[tuple[str, str], tuple[int, int]]]:
    """The sums to compare the next read with, and by how much `yes` and `no` grew by application and environment.

    known: the sums of the read before; None at the first. What a read leaves out is remembered: it may come back.
    """
    read: dict[Bucket, tuple[int, int]] = {}
    for use in uses:
        yes, no = read.get((use.app, use.env, use.hour), (0, 0))
        read[use.app, use.env, use.hour] = (yes + use.yes, no + use.no)
    hours = [hour for *_, hour in (*(known or ()), *read)]
    oldest = max(hours, default=0.0) - KEPT_S
    grown: dict[tuple[str, str], tuple[int, int]] = {}
    for (app, env, hour), (yes, no) in read.items():
        if known is None or hour < oldest:
            continue
        yes_before, no_before = known.get((app, env, hour), (0, 0))
        more = (yes - yes_before, no - no_before)
        if min(more) >= 0 and max(more) > 0:
            sum_yes, sum_no = grown.get((app, env), (0, 0))
            grown[app, env] = (sum_yes + more[0], sum_no + more[1])
    sums = {bucket: counts for bucket, counts in {**(known or {}), **read}.items() if bucket[2] >= oldest}
    return sums, grown


class AppTally(Struct, frozen=True):
    """One application: what it was told since the rules settled, how often it told us anything, and when last."""

    yes: int = 0
    no: int = 0
    reports: int = 0
    last_at: float = 0.0

    @property
    def n(self) -> int:
        return self.yes + self.no


class Tally(Struct, frozen=True, kw_only=True):
    """What is known of one flag's evaluations in one environment, from read to read.

    mark: what changes with the rules. before: what the rules asked before they last changed; None where nobody knows.
    since: when they were first seen as they are. counted_at: when evaluations under them were last told of.
    """

    sums: Sums | None = None
    asked: Asked | None = None
    before: Asked | None = None
    mark: str = ""
    since: float = 0.0
    read_at: float = 0.0
    counted_at: float = 0.0
    apps: dict[str, AppTally] = {}

    @property
    def yes(self) -> int:
        return sum(app.yes for app in self.apps.values())

    @property
    def n(self) -> int:
        return sum(app.n for app in self.apps.values())


def ruled(tally: Tally, asked: Asked, mark: str, now: float) -> Tally:
    """The tally once the rules are known to ask for *asked*: where they changed, counting begins anew."""
    if mark == tally.mark:
        return tally
    before = tally.asked if tally.asked is None or _shares(tally.asked) != _shares(asked) else tally.before
    apps = {name: AppTally(reports=app.reports, last_at=app.last_at) for name, app in tally.apps.items()}
    return msgspec.structs.replace(tally, asked=asked, before=before, mark=mark, since=now, counted_at=0.0, apps=apps)


def tallied(tally: Tally, uses: Sequence[FlagUse], env: str, now: float, lag: float) -> Tally:
    """The tally after one more read of the buckets.

    lag: how long an evaluation may have happened before it is told of, and under the rules of before: how seldom SDKs
    poll and report. Growth whose evaluations may be older than the rules counts for nobody.
    """
    sums, grown = growth(tally.sums, uses)
    settled = tally.sums is not None and tally.read_at >= tally.since + lag
    apps = dict(tally.apps)
    counted_at = tally.counted_at
    for (name, where), (yes, no) in grown.items():
        if where != env:
            continue
        app = apps.get(name, AppTally())
        counted = AppTally(app.yes + yes, app.no + no) if settled else app
        apps[name] = AppTally(counted.yes, counted.no, app.reports + 1, now)
        counted_at = now if settled else counted_at
    return msgspec.structs.replace(tally, sums=sums, read_at=now, counted_at=counted_at, apps=apps)


def idle(tally: Tally) -> Tally:
    """The tally of a flag that nobody gets: it is not read, so the next read is a first one."""
    return Tally(asked=Asked(0.0, 0.0), mark="idle") if tally.mark != "idle" else tally


def elsewhere(uses: Sequence[FlagUse], env: str) -> dict[str, dict[str, int]]:
    """Applications that ask in other environments and never in *env*, each with how often it asked where."""
    here = {use.app for use in uses if use.env == env and use.yes + use.no}
    found: dict[str, dict[str, int]] = {}
    for use in uses:
        if use.app not in here and use.env != env and use.yes + use.no:
            counts = found.setdefault(use.app, {})
            counts[use.env] = counts.get(use.env, 0) + use.yes + use.no
    return found


def _shares(asked: Asked) -> tuple[float, float]:
    return asked.low, asked.high
