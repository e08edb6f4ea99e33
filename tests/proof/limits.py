"""A limit that is kept, at four fifths of itself for a day: how many days end in a fail, ours and a plain threshold's."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec.structs import replace

from amplify_tui.verdict.model import Term
from tests.proof import cells, peers
from tests.proof.chance import interval
from tests.proof.polls import EVERY, T0, answered, readings
from tests.proof.tables import Table, met, percent, shown
from tests.proof.through import fails_by_readings, limited, span_fails
from tests.proof.worlds import Sessions, World

DAY: Final = 86_400.0
LIMIT: Final = 0.01
HELD: Final = 0.8
RATES: Final = (1.0, 10.0, 100.0)
USERS: Final[dict[str, Sessions | None]] = {
    "independent": None,
    "mild, sessions of up to 30 s": Sessions(30.0, 0.1),
    "hard, sessions of up to 30 s": Sessions(30.0, 0.5),
}
PROMISED: Final = 0.01
_PLACE: Final = "limits"
_SPAN: Final = limited(LIMIT)
_BET: Final = replace(_SPAN, id="bet", condition=replace(_SPAN.condition, alpha=0.01))  # type: ignore[type-var]


def held(rate: float, users: str, share: float = HELD * LIMIT) -> World:
    """Everybody is in treatment, and as many requests are bad all day."""
    return World(
        name="", rate=lambda at: rate, share=lambda at: share, exposure=lambda at: 1.0, sessions=USERS[users]
    )  # fmt: skip


def _of(rate: float, users: str) -> str:
    return f"{_PLACE}/{users}/{rate:g}"


def _run(rate: float, users: str, seed: int) -> tuple[int, bool, int, int]:
    """Of one day: fails of the span rule, whether `alpha` failed, aborts of either peer."""
    found, polls = answered(seed, held(rate, users), DAY), round(DAY / EVERY)
    heard = readings(found, polls, "treatment")
    spans, bet = span_fails(_SPAN, heard), fails_by_readings(heard, _BET)
    answers, begin = peers.asked(found, polls), T0 + 60.0 + peers.phase(seed)
    aborts = [len(peer(answers, LIMIT, begin, T0 + DAY)) for peer in (peers.argo, peers.flagger)]
    return len(spans), bet is not None, aborts[0], aborts[1]


for _users in USERS:
    for _rate in RATES:
        cells.cell(_of(_rate, _users), partial(_run, _rate, _users))


def span_term() -> Term:
    """`errors above 1 % for 1m`."""
    return _SPAN


def bet_term() -> Term:
    """`errors above 1 %` with `alpha: 1%`."""
    return _BET


def table(runs: int, jobs: int) -> Table:
    """One row for each kind of users and rate; *runs* days of independent requests, a sixth of the others."""
    asked = {_of(rate, users): runs if sessions is None else max(2, runs // 6) for users, sessions in USERS.items() for rate in RATES}  # fmt: skip
    found = cells.results(asked, jobs)
    rows = []
    for users in USERS:
        for rate in RATES:
            got = found[_of(rate, users)]
            days = len(got)
            rows.append(
                (
                    f"{users}, {rate:g}/s",
                    shown(sum(one[0] > 0 for one in got), days),
                    shown(sum(one[1] for one in got), days),
                    f"{sum(one[2] for one in got) / days:.1f}",
                    f"{sum(one[3] for one in got) / days:.1f}",
                )
            )
    days = runs * len(RATES)
    fails = sum(one[0] > 0 for rate in RATES for one in found[_of(rate, "independent")])
    most = interval(fails, days)[1]
    return Table(
        place=_PLACE,
        head=("users, requests a second", "days with a fail", "with `alpha: 1%`", "Argo's aborts a day", "Flagger's"),
        rows=tuple(rows),
        notes=(
            met(
                most < PROMISED,
                f"independent requests: {shown(fails, days)} days fail, less than {percent(PROMISED)} wanted",
            ),
        ),
    )
