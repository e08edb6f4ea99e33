"""Database integrity against a real PostgreSQL: a migration that has run half, one that waits for a lock while the
release is rolled back, a schema that the code before cannot read, and rows that the new path wrote.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from amplify_tui.drill import plainhttp
from amplify_tui.drill.world import World
from amplify_tui.run.state import State
from amplify_tui.run.undo import ItemState, rollback_items
from tests.engine.crash_world import Bench, Runs, Watched, checked, deploy_step, flag_steps, playbook, step, versions
from tests.real.services import Postgres

pytestmark = pytest.mark.real

# Each statement is a transaction of its own, as online migrations are: what was done before a failure stays done.
EXPAND = """
alter table orders add column if not exists total_v2 integer;
alter table audit add column if not exists by_v2 text;
insert into schema_version values (42);
"""
ORPHANS = "select count(*) from orders where total is null"


class Database(Struct, frozen=True):
    """A shop's database, and the lines of a playbook that use it with the real psql."""

    server: Postgres
    name: str

    def sql(self, text: str) -> str:
        return self.server.sql(text, self.name)

    def argv(self, text: str) -> list[str]:
        return [
            str(self.server.bin / "psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.server.url(self.name),
            "-c",
            text,
        ]

    def script(self, folder: Path, text: str) -> list[str]:
        """A program that runs statement by statement."""
        path = folder / "migrate.sql"
        path.write_text(text, encoding="utf-8")
        return [*self.argv("")[:-2], "-f", str(path)]

    def fails_where(self, query: str) -> list[str]:
        """A check that ends with 1 where *query* counts anything."""
        psql = " ".join(f"'{part}'" for part in self.argv(query))
        return ["sh", "-c", f'test "$({psql})" = 0']

    def holds(self, column: str) -> bool:
        return self.sql(f"select count(*) from information_schema.columns where column_name = '{column}'") == "1"

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[subprocess.Popen[bytes]]:
        """Somebody's open transaction that holds *table*, until the block ends or it is ended."""
        argv = self.argv("")[:-2]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write(f"begin; lock table {table}; select 'held';\n".encode())
            session.stdin.flush()
            assert session.stdout.readline() == b"held\n"
            try:
                yield session
            finally:
                session.terminate()


@pytest.fixture
def shop(postgres: Postgres, request: pytest.FixtureRequest) -> Database:
    name = f"shop_{abs(hash(request.node.name))}"
    postgres.create(name)
    made = Database(postgres, name)
    made.sql("create table orders (id serial primary key, total integer)")
    made.sql("create table audit (id serial primary key)")
    made.sql("create table schema_version (at integer); insert into schema_version values (41)")
    return made


def data_step(shop: Database, bench: Bench, *, wrapped: bool = False, **more: Any) -> dict[str, Any]:
    argv = shop.script(bench.folder, EXPAND)
    fields = {
        "argv": bench.argv("migrate", *argv) if wrapped else argv,
        "undo": "none",
        "data": "expand",
        "probe": {"argv": ["sh", "-c", f'test "$({_quoted(shop)})" -ge 42']},
    }
    return step("migrate", "command", fields | more, timeout="60s")


def _quoted(shop: Database) -> str:
    return " ".join(f"'{part}'" for part in shop.argv("select max(at) from schema_version"))


def release(world: World, shop: Database, steps: list[dict[str, Any]], **more: Any) -> str:
    check = {"id": "orphans", "command": {"argv": shop.fails_where(ORPHANS), "undo": "none"}, "timeout": "20s"}
    return playbook(world.facts(), steps, rollback={"integrity": [check], **more})


def migrate(world: World, to: int) -> None:
    """What the sandbox's instances say of their database from now on."""
    door = world.facts()["inject"]
    plainhttp.call(f"{door['admin']['checkout-1']}/migrate", "POST", {"to": to}, token=door["token"])


def item(state: State, target: str) -> ItemState:
    return next(entry for entry in rollback_items(state) if entry.item.target.id == target)


async def test_a_migration_that_waits_for_a_lock_is_not_killed_by_a_rollback_and_code_waits_for_its_end(
    world: World, bench: Bench, runs: Runs, shop: Database
) -> None:
    steps = [deploy_step(bench, partial=True, waves=[1]), data_step(shop, bench)]
    folder = runs.create(checked(release(world, shop, steps), bench.folder / "playbook.yaml"))
    with shop.locked("audit") as other:
        await runs.conduct(folder)
        async with Watched(folder) as watched:
            await watched.start()
            await watched.until(lambda _: shop.holds("total_v2"), "the first statement is done")
            assert not shop.holds("by_v2"), "it has run half"
            assert (await watched.do("Rollback", reason="double charges")).ok
            await watched.until(lambda s: "waits for" in item(s, "checkout/checkout-1").detail, "code waits for it")
            assert bench.did("revert") == []
            other.terminate()
            assert await watched.closed() == "rolled_back"
            assert "kept" in {entry.status for entry in rollback_items(watched.state)}
    assert shop.holds("by_v2"), "an expand that was begun is carried to its end"
    assert versions(world) == ["2.9.4", "2.9.4"]


async def test_a_migration_that_fails_half_way_is_listed_as_half_and_the_proof_still_decides(
    world: World, bench: Bench, runs: Runs, shop: Database
) -> None:
    shop.sql("drop table audit")  # so the second statement fails, after the first was committed
    folder = runs.create(checked(release(world, shop, [data_step(shop, bench)]), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.until(lambda s: s.steps["migrate"].status == "stuck", "the migration fails")  # type: ignore[index]
        assert shop.holds("total_v2")
        assert (await watched.do("Rollback", reason="the migration failed")).ok
        await watched.until(lambda s: s.phase in ("rolling_back", "closed"), "it rolls back")
        entry = item(watched.state, "migrate")
        assert entry.status == "kept"
        assert "may have run half" in entry.detail
        assert await watched.closed() == "rolled_back"


@pytest.mark.parametrize("mends", [True, False], ids=["reconciled", "left alone"])
async def test_what_the_new_path_wrote_is_offered_to_be_reconciled_and_then_the_proof_is_taken(
    world: World, bench: Bench, runs: Runs, shop: Database, mends: bool
) -> None:
    mend = "update orders set total = total_v2 where total is null"
    offer = {"id": "mend", "command": {"argv": shop.argv(mend), "undo": "none"}}
    steps = [data_step(shop, bench), *flag_steps((50, 100), bake="60s")]
    folder = runs.create(checked(release(world, shop, steps, reconcile=[offer]), bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        shop.sql("insert into orders (total_v2) values (12)")  # the new path writes what the old one cannot read
        assert (await watched.do("Rollback", reason="double charges")).ok
        await watched.seen("StepAwaiting", step="mend")
        assert not [e for e in watched.of("IntegrityJudged") if e.data.when == "after"]
        answer = await watched.do("Answer", step="mend", values={"accept": mends}, reason="finance looks at it")
        assert answer.ok, answer.refusal
        assert await watched.closed() == ("rolled_back" if mends else "rolled_back_partly")
        after = next(e for e in watched.of("IntegrityJudged") if e.data.when == "after")
        assert after.data.verdict == ("pass" if mends else "fail")
    assert shop.sql(ORPHANS) == ("0" if mends else "1")


async def test_code_that_cannot_read_the_schema_is_not_brought_back_before_a_person_says_so(
    world: World, bench: Bench, runs: Runs, shop: Database
) -> None:
    """The instances say which schema they see; the sandbox's are told of it by the migration itself."""
    steps = [deploy_step(bench, partial=True, waves=[1]), *flag_steps((50, 100), bake="60s")]
    told = release(world, shop, steps).replace(
        '"started": {', '"schema": {"field": "schema", "accepts": ">=41", "previous_accepts": ">=41 <43"}, "started": {'
    )
    folder = runs.create(checked(told, bench.folder / "playbook.yaml"))
    await runs.conduct(folder)
    async with Watched(folder) as watched:
        await watched.start()
        await watched.seen("PhaseEntered", step="ramp")
        migrate(world, 43)
        assert (await watched.do("Rollback", reason="double charges")).ok
        await watched.until(lambda s: item(s, "checkout/checkout-1").status == "blocked", "it waits for a person")
        assert watched.state.exposed_now == 0.0, "exposure waits for nobody"
        assert ">=41 <43" in item(watched.state, "checkout/checkout-1").detail
        assert bench.did("revert") == []
        migrate(world, 42)
        assert (await watched.do("Retry", step=item(watched.state, "checkout/checkout-1").item.id)).ok
        assert await watched.closed() == "rolled_back"
    assert versions(world) == ["2.9.4", "2.9.4"]
