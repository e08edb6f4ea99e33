"""From successive reads of hourly buckets to what was evaluated since: nothing is counted twice, and nothing invented."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from amplify_tui.verdict.model import Asked, FlagUse
from amplify_tui.verdict.usage import HOUR_S, Tally, elsewhere, growth, idle, ruled, tallied

NINE = 9 * HOUR_S
TEN = 10 * HOUR_S
QUARTER = Asked(0.25, 0.25)


def use(yes: int, no: int, app: str = "shop", hour: float = NINE, env: str = "prod") -> FlagUse:
    return FlagUse(app=app, hour=hour, yes=yes, no=no, env=env)


def grown(*reads: Sequence[FlagUse]) -> list[dict[tuple[str, str], tuple[int, int]]]:
    """What each read added."""
    sums, found = None, []
    for uses in reads:
        sums, more = growth(sums, uses)
        found.append(more)
    return found


SHOP = ("shop", "prod")


def test_the_first_read_is_where_counting_begins() -> None:
    assert grown([use(95, 305)], [use(95, 305)], [use(96, 307)]) == [{}, {}, {SHOP: (1, 2)}]


def test_at_the_hour_the_old_bucket_and_the_new_one_both_count() -> None:
    assert grown([use(5, 5)], [use(7, 6), use(1, 2, hour=TEN)]) == [{}, {SHOP: (3, 3)}]


def test_a_bucket_that_vanishes_and_comes_back_is_no_growth() -> None:
    assert grown([use(5, 5)], [use(1, 0, hour=TEN)], [use(6, 5), use(1, 0, hour=TEN)]) == [
        {},
        {SHOP: (1, 0)},
        {SHOP: (1, 0)},
    ]


def test_sums_that_fell_with_their_server_count_nothing_and_go_on_from_there() -> None:
    assert grown([use(50, 50)], [use(45, 52)], [use(46, 52)]) == [{}, {}, {SHOP: (1, 0)}]


def test_an_application_that_appears_counts_whole() -> None:
    assert grown([use(5, 5)], [use(5, 5), use(0, 8, app="batch")]) == [{}, {("batch", "prod"): (0, 8)}]


def test_pairs_that_never_met_are_no_growth() -> None:
    assert grown([], [use(0, 0), use(0, 0, env="dev")]) == [{}, {}]


def test_a_bucket_of_long_ago_is_none_of_ours() -> None:
    assert grown([use(1, 1, hour=TEN)], [use(9, 9, hour=NINE - 4 * HOUR_S), use(1, 1, hour=TEN)]) == [{}, {}]


steps = st.lists(
    st.tuples(st.sampled_from(["shop", "batch"]), st.sampled_from([NINE, TEN]), st.integers(0, 50), st.integers(0, 50)),
    max_size=30,
)


@given(before=steps, after=steps, looks=st.lists(st.booleans(), min_size=30, max_size=30))
def test_however_often_it_is_read_the_growth_adds_up_to_what_was_evaluated(
    before: list[tuple[str, float, int, int]], after: list[tuple[str, float, int, int]], looks: list[bool]
) -> None:
    held: dict[tuple[str, float], tuple[int, int]] = {}

    def evaluate(app: str, hour: float, yes: int, no: int) -> None:
        has = held.get((app, hour), (0, 0))
        held[app, hour] = (has[0] + yes, has[1] + no)

    def buckets() -> list[FlagUse]:
        return [use(yes, no, app, hour) for (app, hour), (yes, no) in held.items()]

    for one in before:
        evaluate(*one)
    sums, _ = growth(None, buckets())
    total = [0, 0]
    for one, look in zip(after, looks, strict=False):
        evaluate(*one)
        if look:
            sums, more = growth(sums, buckets())
            total = [total[0] + sum(y for y, _ in more.values()), total[1] + sum(n for _, n in more.values())]
    sums, more = growth(sums, buckets())
    total = [total[0] + sum(y for y, _ in more.values()), total[1] + sum(n for _, n in more.values())]
    assert total == [sum(yes for *_, yes, _ in after), sum(no for *_, no in after)]


buckets_ = st.lists(
    st.builds(
        use,
        st.integers(0, 99),
        st.integers(0, 99),
        st.sampled_from(["shop", "batch"]),
        st.sampled_from([0.0, NINE, TEN]),
        st.sampled_from(["prod", "dev"]),
    ),
    max_size=8,
)


@given(reads=st.lists(buckets_, max_size=6))
def test_whatever_a_server_answers_growth_is_never_negative_and_never_more_than_it_holds(
    reads: list[list[FlagUse]],
) -> None:
    for more, uses in zip(grown(*reads), reads, strict=True):
        for (app, env), (yes, no) in more.items():
            mine = [one for one in uses if (one.app, one.env) == (app, env)]
            assert 0 <= yes <= sum(one.yes for one in mine)
            assert 0 <= no <= sum(one.no for one in mine)
            assert yes + no > 0


# --- the tally ------------------------------------------------------------------------------------------------------


def test_what_was_evaluated_under_the_rules_before_counts_for_nobody() -> None:
    tally = tallied(ruled(Tally(), QUARTER, "25", 100.0), [use(0, 100)], "prod", 100.0, 20.0)
    for now, sums in ((110.0, (1, 200)), (120.0, (5, 300)), (130.0, (30, 375)), (140.0, (55, 450))):
        tally = tallied(ruled(tally, QUARTER, "25", now), [use(*sums)], "prod", now, 20.0)
    # The read of 120 is the first of which all that follows is of after; its own growth may be older.
    assert (tally.yes, tally.n, tally.counted_at) == (50, 200, 140.0)


def test_a_change_of_the_rules_begins_anew_and_remembers_what_was_asked() -> None:
    tally = tallied(ruled(Tally(), Asked(0.05, 0.05), "5", 0.0), [use(0, 0)], "prod", 0.0, 0.0)
    tally = tallied(tally, [use(5, 95)], "prod", 10.0, 0.0)
    assert tally.n == 100
    tally = ruled(tally, QUARTER, "25", 20.0)
    assert (tally.n, tally.before, tally.since) == (0, Asked(0.05, 0.05), 20.0)
    assert tally.apps["shop"].reports == 1
    assert ruled(tally, QUARTER, "25 of another group", 30.0).before == Asked(0.05, 0.05)


def test_a_flag_that_nobody_had_is_remembered_as_one_that_asked_for_nobody() -> None:
    assert ruled(idle(Tally()), QUARTER, "25", 5.0).before == Asked(0.0, 0.0)
    assert ruled(Tally(), QUARTER, "25", 5.0).before is None  # nobody looked


def test_other_environments_are_not_counted() -> None:
    tally = tallied(ruled(Tally(), QUARTER, "25", 0.0), [], "prod", 0.0, 0.0)
    assert tallied(tally, [use(9, 9, env="dev")], "prod", 10.0, 0.0).n == 0


def test_who_asks_elsewhere_only_is_told_with_where_and_how_often() -> None:
    uses = [
        use(0, 0, "web"),
        use(3, 1, "web", env="dev"),
        use(1, 0, "web", TEN, "dev"),
        use(1, 1),
        use(1, 1, env="dev"),
    ]
    assert elsewhere(uses, "prod") == {"web": {"dev": 5}}
