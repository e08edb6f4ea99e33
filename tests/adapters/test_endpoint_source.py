"""Signals from one JSON endpoint: what stands at a path, whose time it is, and what is no number."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest

from amplify_tui.adapters.endpoint import EndpointSource, lookup, moment
from amplify_tui.adapters.ports import Problem, Query
from amplify_tui.verdict.model import Reading
from tests.adapters.raw_server import Raw, raw_server, reply


@dataclass
class Desk:
    source: EndpointSource
    server: Raw

    async def read(self, **parts: Any) -> Reading:
        query = Query(signal="errors", **{"window": 10.0, "every": 5.0, **parts})
        (reading,) = await self.source.read([query], time.time())
        return reading

    async def check(self, **parts: Any) -> list[Problem]:
        return await self.source.check([Query(signal="errors", **parts)])


@asynccontextmanager
async def desk(data: Any, *headers: str, **more: Any) -> AsyncIterator[Desk]:
    body = data if isinstance(data, str) else json.dumps(data)
    async with raw_server(reply(body, "200 OK", *headers)) as server:
        source = EndpointSource(server.url, source="stats", **more)
        yield Desk(source, server)
        await source.aclose()


STATS = {"shop": {"errors": 2, "requests": 20, "a.b": 3}, "queues": [{"depth": 7}], "odd/key": {"~": 4}, "none": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("shop.errors", 2),
        ("queues.0.depth", 7),
        ("/shop/errors", 2),
        ("/shop/a.b", 3),
        ("/odd~1key/~0", 4),
        ("/queues/0/depth", 7),
        ("none", None),
    ],
)
def test_a_path_is_dotted_or_a_json_pointer(path: str, value: Any) -> None:
    assert lookup(STATS, path) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("shop.erors", "there is no shop.erors: shop has errors, requests, a.b"),
        ("queues.1.depth", "queues has 1 items"),
        ("shop.errors.now", "shop.errors is a number"),
        ("", "the answer has shop, queues, odd/key, none"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: str, words: str) -> None:
    with pytest.raises(LookupError) as told:
        lookup(STATS, path)
    assert words in str(told.value)


async def test_a_pair_is_per_second_and_its_requests_are_of_the_window() -> None:
    async with desk(STATS) as d:
        reading = await d.read(bad="shop.errors", total="shop.requests")
    assert (reading.status, reading.value, reading.bad, reading.total, reading.n) == ("ok", 0.1, 2, 20, 200)
    assert reading.window_to - reading.window_from == pytest.approx(10)


async def test_counts_are_taken_as_they_are() -> None:
    async with desk(STATS) as d:
        reading = await d.read(bad="shop.errors", total="shop.requests", as_increase=True)
    assert (reading.value, reading.n) == (0.1, 20)


@pytest.mark.parametrize(
    ("total", "status"),
    [("null", "nodata"), ("NaN", "nodata"), ("Infinity", "nodata"), ("0", "nodata"), ('"7"', "error"), ("true", "error"),
     ("[1]", "error"), ("-3", "nodata")],
)  # fmt: skip
async def test_what_is_no_number_of_requests_is_no_evidence(total: str, status: str) -> None:
    async with desk(f'{{"bad": 1, "total": {total}}}') as d:
        reading = await d.read(bad="bad", total="total")
    assert (reading.status, reading.value, reading.n) == (status, None, None)
    assert reading.note


@pytest.mark.parametrize("bad", ["errors", "shop.none"])
async def test_an_error_count_that_is_not_there_is_not_zero_errors(bad: str) -> None:
    async with desk({"shop": {"requests": 20, "none": None}}) as d:
        reading = await d.read(bad=bad, total="shop.requests")
    assert reading.status != "ok"
    assert reading.value is None


async def test_the_data_has_its_own_time_where_it_tells_it() -> None:
    then = time.time() - 100
    async with desk({"n": 1, "at": then}, at="at") as d:
        reading = await d.read(value="n")
    assert reading.data_at == pytest.approx(then)
    assert reading.received_at > then + 99


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1700000000, 1700000000),
        (1700000000500, 1700000000.5),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T23:13:20+01:00", 1700000000),
        ("2023-11-14T22:13:20", 1700000000),
        ("yesterday", None),
        (True, None),
        (None, None),
    ],
)
def test_a_time_is_seconds_milliseconds_or_iso_8601(value: Any, seconds: float | None) -> None:
    assert moment(value) == seconds


@pytest.mark.parametrize(("data", "words"), [({"n": 1}, "time is not told"), ({"n": 1, "at": "soon"}, "is no time")])
async def test_a_time_that_is_not_told_is_an_error_and_never_now(data: Any, words: str) -> None:
    async with desk(data, at="at") as d:
        reading = await d.read(value="n")
        (problem,) = await d.check(value="n")
    assert reading.status == "error"
    assert words in reading.note
    assert words in problem.what


async def test_an_answer_out_of_a_cache_is_as_old_as_the_cache_says() -> None:
    began = time.time()
    async with desk({"n": 1}, "age: 40", f"date: {formatdate(began - 40, usegmt=True)}") as d:
        reading = await d.read(value="n")
    assert reading.status == "ok"
    assert began - 41 < reading.data_at < time.time() - 39


async def test_a_clock_that_is_far_off_makes_its_data_unusable() -> None:
    async with desk({"n": 1}, "date: Mon, 01 Jan 2001 00:00:00 GMT") as d:
        reading = await d.read(value="n")
    assert reading.status == "error"
    assert "its clock is" in reading.note


async def test_signals_of_one_moment_share_one_call() -> None:
    async with desk(STATS) as d:
        now = time.time()
        queries = [Query(signal=name, value="shop.errors") for name in ("a", "b")]
        await d.source.read(queries, now)
        await d.source.read(queries, now + 0.1)
        assert d.server.paths == ["/"]
        await d.source.read(queries, now + 5)
        assert len(d.server.paths) == 2


async def test_the_token_and_headers_go_along_and_the_path_behind_the_url() -> None:
    async with desk(STATS, path="/stats?of=shop", token="t0ken", headers={"X-Team": "shop"}) as d:
        await d.read(value="shop.errors")
    assert d.server.paths == ["/stats?of=shop"]
    assert b"authorization: bearer t0ken" in d.server.heads[0].lower()
    assert b"x-team: shop" in d.server.heads[0].lower()


async def test_a_redirect_is_not_followed_but_told() -> None:
    async with raw_server(reply("", "302 Found", "location: https://login.example")) as server:
        source = EndpointSource(server.url, source="stats")
        (reading,) = await source.read([Query(signal="x", value="n")], time.time())
        await source.aclose()
    assert reading.status == "error"
    assert "redirects to https://login.example" in reading.note


async def test_the_check_names_each_path_that_leads_to_no_number() -> None:
    async with desk(STATS) as d:
        assert await d.check(bad="shop.errors", total="shop.requests") == []
        bad, total = await d.check(bad="shop", total="none")
    assert (bad.severity, bad.where, bad.what) == ("error", "signals.errors.bad", "shop is an object, not a number")
    assert (total.severity, total.where, total.what) == ("warning", "signals.errors.total", "none is null")
