"""confirm, input, window and wait: what a step waits for, computed from the journal and the clock alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from amplify_tui.adapters.ports import Invalid, NotFound
from amplify_tui.playbook.model import Input
from amplify_tui.run.shapes import StepPlan
from amplify_tui.run.state import StepState
from amplify_tui.steps import ics
from amplify_tui.steps.confirm import ConfirmFields
from amplify_tui.steps.input import InputFields
from amplify_tui.steps.wait import WaitFields
from amplify_tui.steps.window import WindowFields, next_opening
from tests.steps.steps_world import Bench, RealWorld

ZURICH = ZoneInfo("Europe/Zurich")


def at(text: str, zone: ZoneInfo = ZURICH) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


# --- confirm and input ----------------------------------------------------------------------------------------------


async def test_only_a_plain_yes_is_consent(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "confirm")
    fields = ConfirmFields(ask="Is support staffed?")
    [awaited] = (await bench.verb.prepare(fields, bench.ctx())).awaits
    assert (awaited.kind, awaited.detail) == ("confirm", "Is support staffed?")
    for answers in ({}, {"accept": False}, {"accept": "yes"}):
        bench.change(answers=answers)
        assert not (await bench.finish(fields)).ok
    bench.change(answers={"accept": True, "by": "captain", "note": "two people"})
    ended = await bench.finish(fields)
    assert (ended.ok, ended.outputs["by"], ended.outputs["note"]) == (True, "captain", "two people")


async def test_a_form_gives_its_values_and_says_which_are_wrong(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "input")
    fields = InputFields(
        fields={"ticket": Input(type="string", pattern=r"CHG-\d+"), "count": Input(type="int", default=3)}
    )
    assert "no value for ticket" in (await bench.finish(fields)).reason
    bench.change(answers={"ticket": "what"})
    assert "ticket" in (await bench.finish(fields)).reason
    bench.change(answers={"ticket": "CHG-12"})
    assert (await bench.finish(fields)).outputs == {"ticket": "CHG-12", "count": 3}


# --- window ---------------------------------------------------------------------------------------------------------

WEEK = WindowFields(tz="Europe/Zurich", days=("mon", "tue", "wed", "thu"), hours="09:00-16:00")


def test_a_window_is_open_from_its_first_minute_to_its_last() -> None:
    for moment, opens in [
        ("2026-11-23T09:00", "2026-11-23T09:00"),  # a Monday
        ("2026-11-23T15:59", "2026-11-23T09:00"),
        ("2026-11-23T16:00", "2026-11-24T09:00"),
        ("2026-11-26T20:00", "2026-11-30T09:00"),  # Thursday evening to Monday
    ]:
        found = next_opening(WEEK, ZURICH, [], at(moment))
        assert found is not None
        assert found.start == at(opens), moment


def test_an_opening_says_which_freeze_ends_it() -> None:
    frozen = ics.read(CALENDAR, ZURICH, "freeze.ics")
    for moment, ends, freeze in [
        ("2026-11-23T09:30", "2026-11-23T10:00", "Sale"),
        ("2026-11-23T12:30", "2026-11-23T16:00", ""),
    ]:
        found = next_opening(WEEK, ZURICH, frozen, at(moment))
        assert found is not None
        assert (found.end, found.freeze) == (at(ends), freeze)


def test_an_opening_with_too_little_left_is_none() -> None:
    fields = replace(WEEK, min_left=3600.0)
    found = next_opening(fields, ZURICH, [], at("2026-11-23T15:30"))
    assert found is not None
    assert found.start == at("2026-11-24T09:00")


def test_days_that_change_their_clocks_open_by_the_wall_clock() -> None:
    fields = WindowFields(tz="Europe/Zurich", hours="01:00-04:00")
    spring = next_opening(fields, ZURICH, [], at("2026-03-29T00:00"))
    autumn = next_opening(fields, ZURICH, [], at("2026-10-25T00:00"))
    assert spring is not None
    assert autumn is not None
    assert spring.end is not None
    assert autumn.end is not None
    assert (spring.end - spring.start, autumn.end - autumn.start) == (2 * 3600.0, 4 * 3600.0)


def test_a_window_of_all_days_has_no_end() -> None:
    found = next_opening(WindowFields(tz="UTC"), ZoneInfo("UTC"), [], at("2026-11-23T12:00"))
    assert found is not None
    assert found.end is None


def test_hours_that_are_none_are_refused() -> None:
    for hours in ("16:00-09:00", "9-16", "25:00-26:00", "09:61-10:00", ""):
        with pytest.raises(Invalid, match="hours"):
            next_opening(replace(WEEK, hours=hours), ZURICH, [], 0.0)


CALENDAR = """BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
SUMMARY:Year end\\, no\r
 body works\r
DTSTART;VALUE=DATE:20261221\r
DTEND;VALUE=DATE:20270104\r
BEGIN:VALARM\r
DTSTART:19700101T000000Z\r
END:VALARM\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Sale\r
DTSTART;TZID=Europe/Zurich:20261123T100000\r
DURATION:PT2H\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Called off\r
STATUS:CANCELLED\r
DTSTART:20261124T000000Z\r
DTEND:20261125T000000Z\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_a_freeze_closes_the_window_and_a_canceled_one_does_not() -> None:
    frozen = ics.read(CALENDAR, ZURICH, "freeze.ics")
    assert [busy.summary for busy in frozen] == ["Sale", "Year end, nobody works"]
    for moment, opens in [
        ("2026-11-23T10:30", "2026-11-23T12:00"),
        ("2026-11-24T10:30", "2026-11-24T09:00"),
        ("2026-12-21T10:30", "2027-01-04T09:00"),
    ]:
        found = next_opening(WEEK, ZURICH, frozen, at(moment))
        assert found is not None
        assert found.start == at(opens), moment


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("DTSTART:20261124T000000Z\nRRULE:FREQ=YEARLY", "repeats"),
        ("SUMMARY:x", "no start"),
        ("DTSTART:yesterday", "no time"),
        ("DTSTART;TZID=Mars/Olympus:20261124T000000\nDTEND:20261125T000000Z", "no time zone"),
        ("DTSTART:20261124T000000Z\nDTEND:20261123T000000Z", "ends before"),
        ("DTSTART:20261124T000000Z\nDURATION:soon", "no duration"),
    ],
)
def test_a_freeze_that_cannot_be_read_is_an_error_and_not_an_open_window(event: str, words: str) -> None:
    text = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR\n"
    with pytest.raises(Invalid, match=words):
        ics.read(text, ZURICH, "freeze.ics")


async def test_a_window_waits_only_while_it_is_closed(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "window")
    shut = await bench.verb.prepare(WEEK, bench.ctx(now=at("2026-11-23T08:00")))
    assert [(one.kind, one.opens_at) for one in shut.awaits] == [("window", at("2026-11-23T09:00"))]
    is_open = await bench.verb.prepare(WEEK, bench.ctx(now=at("2026-11-23T10:00")))
    assert is_open.awaits == ()
    assert is_open.preview == shut.preview  # sign-offs are bound to it
    ended = await bench.verb.finish(WEEK, bench.ctx(now=at("2026-11-23T10:00")))
    assert ended.outputs == {"until": at("2026-11-23T16:00"), "freeze": ""}


async def test_a_freeze_file_that_is_not_there_stops_the_step(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "window")
    with pytest.raises(NotFound, match="freeze calendar"):
        await bench.verb.prepare(replace(WEEK, freeze="gone.ics"), bench.ctx())
    Path(bare_world.playbook_dir / "freeze.ics").write_text(CALENDAR)
    shut = await bench.verb.prepare(replace(WEEK, freeze="freeze.ics"), bench.ctx(now=at("2026-11-23T10:30")))
    assert shut.awaits[0].opens_at == at("2026-11-23T12:00")


# --- wait -----------------------------------------------------------------------------------------------------------


async def test_a_wait_counts_from_the_end_of_what_it_needs(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "wait")
    fields = WaitFields(for_=900.0, reason="CDN caches drain")
    before = StepPlan(id="before", stage="s", verb="command")
    mine = replace(bench.state.plan.steps["it"], needs=("before",))
    bench.state = replace(
        bench.state,
        plan=replace(bench.state.plan, steps={"before": before, "it": mine}),
        steps=bench.state.steps | {"before": StepState(step="before", status="succeeded", ended_at=1000.0)},
    )
    early = await bench.verb.prepare(fields, bench.ctx(now=1500.0))
    assert [one.opens_at for one in early.awaits] == [1900.0]
    late = await bench.verb.prepare(fields, bench.ctx(now=1900.0))
    assert late.awaits == ()
    assert (await bench.verb.finish(fields, bench.ctx(now=1900.0))).outputs == {"waited": 900.0}


async def test_a_wait_until_a_moment_needs_its_time_zone(bare_world: RealWorld) -> None:
    bench = Bench(bare_world, "wait")
    found = await bench.verb.prepare(WaitFields(until="2026-11-23T10:00+01:00", reason="r"), bench.ctx(now=0.0))
    assert found.awaits[0].opens_at == at("2026-11-23T10:00")
    for wrong in (WaitFields(until="2026-11-23T10:00", reason="r"), WaitFields(reason="r")):
        with pytest.raises(Invalid):
            await bench.verb.prepare(wrong, bench.ctx(now=0.0))
