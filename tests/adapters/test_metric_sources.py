"""One contract for every metric source: a real Prometheus that scrapes a real target, and all that asks for itself."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from amplify_tui.adapters.metrics import kinds
from amplify_tui.adapters.metrics.port import Listener, MetricOpening
from amplify_tui.adapters.poll import InstancePoller, Target
from amplify_tui.adapters.ports import MetricSource, NotFound, Query
from amplify_tui.playbook.model import Health, Source, VersionProbe
from amplify_tui.verdict.model import InstanceReading
from tests.adapters.front import BROKEN, HALF, SILENT, TOO_MANY, WEB_PAGE, Front, front
from tests.adapters.raw_server import Raw, raw_server, reply
from tests.adapters.source_contract import CHECKS, Check, Seat, until_ok
from tests.conftest import real_prometheus

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
NOBODY = "http://127.0.0.1:9"
EVERY = 0.1


class Shop:
    """A target that a test drives: counters, a gauge, a JSON page; one in ten requests fails."""

    def __init__(self) -> None:
        self.requests, self.up = 0, True
        self.scrapes = 0

    def step(self) -> None:
        self.requests += 100

    def answer(self, path: str) -> bytes | None:
        if path == "/metrics":
            self.scrapes += 1
            hits = {"200": self.requests * 9 // 10, "500": self.requests // 10}
            rows = [f'hits_total{{code="{code}"}} {n}' for code, n in hits.items()]
            return reply("\n".join([*rows, "depth 4", ""]), "200 OK", "content-type: text/plain; version=0.0.4")
        if path == "/stats":
            shop = {"errors": 1, "requests": 10, "depth": 4, "at": time.time()}
            return reply(json.dumps({"shop": shop}))
        return reply('{"version": "1.0.0"}', "200 OK" if self.up else "503 Unavailable")


def opened(source: Source, base: Path, targets: list[Target], listen: Callable[[Listener], None]) -> MetricSource:
    opening = MetricOpening(
        name="own",
        source=source,
        reveal=lambda text: text,
        base=base,
        every=EVERY,
        timeout=0.5,
        targets=lambda service: targets,
        listen=listen,
    )
    return kinds.kind_of(source, "own").open(opening)


def targets(*urls: str) -> list[Target]:
    health = Health(every=EVERY, timeout=0.5)
    return [
        Target(service="shop", instance=f"shop-{n}", url=url, health=health, version=VersionProbe(path="/health"))
        for n, url in enumerate(urls, 1)
    ]


def nobody(listener: Listener) -> None:
    """Nobody looks at instances here."""


def pair(signal: str, bad: str, total: str) -> Query:
    return Query(signal=signal, bad=bad, total=total, window=2.0, every=EVERY)


def value(text: str, count: str | None = None) -> Query:
    return Query(signal="depth", value=text, count=count, window=2.0, every=EVERY)


def harms(door: Front, **words: str) -> dict[str, tuple[Callable[[], None], str]]:
    kinds_of_harm = {"silent": SILENT, "half": HALF, "page": WEB_PAGE, "broken": BROKEN, "busy": TOO_MANY}
    return {name: (partial(door.does, kinds_of_harm[name]), said) for name, said in words.items()}


class Behind:
    """`advance` of a source behind a door: the door opens, the target goes on."""

    def __init__(self, door: Front, shop: Shop) -> None:
        self.door, self.shop = door, shop

    async def __call__(self) -> None:
        if self.door.harm is not None:
            self.door.does(None)
        self.shop.step()
        await asyncio.sleep(0.02)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as held:
        yield held


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def target(stack: AsyncExitStack, shop: Shop) -> Raw:
    return await stack.enter_async_context(raw_server(shop.answer))


async def closed(stack: AsyncExitStack, *sources: MetricSource) -> None:
    for source in sources:
        stack.push_async_callback(source.aclose)


HITS = 'hits_total{code="500"}'


@pytest.fixture
async def scraped(stack: AsyncExitStack, target: Raw, shop: Shop, tmp_path: Path) -> Seat:
    door = await stack.enter_async_context(front(target.url))
    alive, dead = (opened(Source(scrape="shop"), tmp_path, targets(url), nobody) for url in (door.url, NOBODY))
    await closed(stack, alive, dead)
    return Seat(
        source=alive,
        good=(pair("errors", HITS, "hits_total"), value("avg of depth")),
        wrong=pair("wrong", f"rate({HITS}[1m])", "hits_total"),
        share=0.1,
        advance=Behind(door, shop),
        dead=dead,
        sick=harms(door, silent="no answer within", half="broke off", page="no sample", broken="500", busy="429"),
    )


@pytest.fixture
async def endpoint(stack: AsyncExitStack, target: Raw, shop: Shop, tmp_path: Path) -> Seat:
    door = await stack.enter_async_context(front(target.url))
    sources = [Source(http=url, path="/stats", at="shop.at") for url in (door.url, NOBODY)]
    alive, dead = (opened(source, tmp_path, [], nobody) for source in sources)
    await closed(stack, alive, dead)
    return Seat(
        source=alive,
        good=(pair("errors", "shop.errors", "/shop/requests"), value("shop.depth")),
        wrong=pair("wrong", "shop.errors", "shop.requets"),
        share=0.1,
        advance=Behind(door, shop),
        dead=dead,
        sick=harms(
            door, silent="no answer within", half="broke off", page="a web page", broken="500: on fire", busy="429"
        ),
    )


@pytest.fixture
async def probed(stack: AsyncExitStack, target: Raw, tmp_path: Path) -> Seat:
    """Two instances, one of which is never well. Nobody asks them but the poller that is there anyway."""
    ill = Shop()
    ill.up = False
    other = await stack.enter_async_context(raw_server(ill.answer))
    both = targets(target.url, other.url)
    listeners: list[Listener] = []

    def told(reading: InstanceReading) -> None:
        for listener in listeners:
            listener(reading)

    poller = InstancePoller(both, told)
    stack.push_async_callback(poller.aclose)

    async def advance() -> None:
        for reading in await poller.once():
            told(reading)

    alive = opened(Source(probes="shop"), tmp_path, both, listeners.append)
    dead = opened(Source(probes="shop"), tmp_path, both, nobody)
    return Seat(
        source=alive,
        good=(pair("errors", "failed", "probes"), value("p99 of latency")),
        wrong=pair("wrong", "errors_total", "probes"),
        share=0.5,
        advance=advance,
        dead=dead,
        sick={},
    )


@pytest.fixture
def third_party() -> Iterator[None]:
    sys.path.insert(0, str(THIRD_PARTY))
    kinds.KINDS.forget()
    yield
    sys.path.remove(str(THIRD_PARTY))
    kinds.KINDS.forget()


@pytest.fixture
def of_a_package(third_party: None, tmp_path: Path) -> Seat:
    file = tmp_path / "numbers.json"

    async def advance() -> None:
        file.write_text(json.dumps({"at": time.time(), "errors": 1, "requests": 10, "depth": 4}))

    alive, dead = (
        opened(Source(use="numbers", with_={"path": path}), tmp_path, [], nobody) for path in (file.name, "gone.json")
    )
    return Seat(
        source=alive,
        good=(pair("errors", "errors", "requests"), value("depth")),
        wrong=pair("wrong", "errors", "requets"),
        share=0.1,
        advance=advance,
        dead=dead,
        sick={
            "gone": (lambda: file.unlink(missing_ok=True), "cannot be opened"),
            "half": (lambda: file.write_text('{"at": 1, "err') and None, "no JSON"),
        },
    )


@pytest.fixture
async def prometheus(stack: AsyncExitStack, target: Raw, shop: Shop, tmp_path: Path) -> Seat:
    config = f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: shop, static_configs: [{{targets: ["{target.url.removeprefix("http://")}"]}}]}}]
"""
    running = real_prometheus(config)
    server = await asyncio.to_thread(running.__enter__)
    stack.callback(running.__exit__, None, None, None)
    door = await stack.enter_async_context(front(server.url))
    alive, dead = (opened(Source(prometheus=url), tmp_path, [], nobody) for url in (door.url, NOBODY))
    await closed(stack, alive, dead)
    behind = Behind(door, shop)

    async def advance() -> None:
        before = shop.scrapes
        await behind()
        while shop.scrapes == before:  # its next scrape, not ours
            await asyncio.sleep(0.02)

    total = "sum(rate(hits_total[2s]))"
    return Seat(
        source=alive,
        good=(
            pair("errors", f"sum(rate({HITS}[2s]))", total),
            Query(signal="depth", value="max(max_over_time(depth[2s]))", count=total, window=2.0, every=EVERY),
        ),
        wrong=pair("wrong", "sum(rate(", total),
        share=0.1,
        advance=advance,
        dead=dead,
        sick=harms(
            door, silent="no answer within", half="broke off", page="a web page", broken="500: on fire", busy="429"
        ),
    )


promises = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


@promises
async def test_a_scraped_service_promises(check: Check, scraped: Seat) -> None:
    await check(scraped)


@promises
async def test_a_json_endpoint_promises(check: Check, endpoint: Seat) -> None:
    await check(endpoint)


@promises
async def test_our_own_health_checks_promise(check: Check, probed: Seat) -> None:
    await check(probed)


@promises
async def test_a_source_of_another_package_promises(check: Check, of_a_package: Seat) -> None:
    await check(of_a_package)


@pytest.mark.real
@promises
async def test_a_real_prometheus_promises(check: Check, prometheus: Seat) -> None:
    await check(prometheus)


@pytest.mark.real
async def test_a_target_that_restarts_makes_no_rate_negative_and_one_that_is_gone_leaves_no_data(
    prometheus: Seat, shop: Shop, target: Raw
) -> None:
    """Counters of a restarted target begin at 0; a rate is empty once its data is older than its range."""
    errors = prometheus.good[0]
    await until_ok(prometheus, errors)
    shop.requests = 0
    for _ in range(5):
        (reading,) = await until_ok(prometheus, errors)
        assert reading.total is not None
        assert reading.total > 0
        assert reading.value == pytest.approx(0.1)
    target.answer = lambda path: None
    deadline = time.monotonic() + 30
    while reading.status != "nodata":
        assert time.monotonic() < deadline, reading
        (reading,) = await prometheus.source.read([errors], time.time())
    assert (reading.value, reading.n) == (None, None)


def test_a_kind_that_nobody_brings_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="numbers of kind datadog"):
        kinds.KINDS.called("datadog")
