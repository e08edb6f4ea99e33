"""A source that asks to be left alone is left alone, and what reads it says why."""

from __future__ import annotations

import time

import pytest

from amplify_tui.adapters.endpoint import EndpointSource
from amplify_tui.adapters.ports import MetricSource, Query
from amplify_tui.adapters.prometheus import Prometheus
from tests.adapters.raw_server import raw_server, reply

PAIR = Query(signal="errors", bad="a", total="b")


def sources(url: str) -> dict[str, MetricSource]:
    return {
        "prometheus": Prometheus(url, source="prom"),
        "endpoint": EndpointSource(url, source="page", path="/n", every=0.0),
    }


@pytest.mark.parametrize("kind", ["prometheus", "endpoint"])
async def test_after_a_429_that_says_how_long_nothing_is_asked_until_then(kind: str) -> None:
    async with raw_server(reply("slow down", "429 Too Many Requests", "retry-after: 60")) as busy:
        source = sources(busy.url)[kind]
        (first,) = await source.read([PAIR], time.time())
        asked = len(busy.paths)
        (second,) = await source.read([PAIR], time.time())
        await source.aclose()
    assert (first.status, second.status) == ("stale", "stale")
    assert len(busy.paths) == asked
    assert "asked not to be asked for" in second.note


@pytest.mark.parametrize("kind", ["prometheus", "endpoint"])
@pytest.mark.parametrize("header", [[], ["retry-after: 0"], ["retry-after: soon"]], ids=["none", "now", "nonsense"])
async def test_a_429_that_says_nothing_useful_blinds_nobody_for_longer_than_it_lasts(
    kind: str, header: list[str]
) -> None:
    busy = [True]

    def answer(path: str) -> bytes:
        sick = reply("slow down", "429 Too Many Requests", *header)
        return sick if busy[0] else reply('{"status":"success","data":{"resultType":"vector","result":[]},"a":1,"b":2}')

    async with raw_server(answer) as server:
        source = sources(server.url)[kind]
        (first,) = await source.read([PAIR], time.time())
        busy[0] = False
        (second,) = await source.read([PAIR], time.time())
        await source.aclose()
    assert first.status == "stale"
    assert second.status != "stale"
