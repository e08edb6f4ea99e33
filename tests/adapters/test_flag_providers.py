"""One contract for every flag provider: a real Unleash, the sandbox's, a flagd file in git, and another package's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.adapters.flags import kinds as flag_kinds
from amplify_tui.adapters.flags.port import FlagKind, Opening
from amplify_tui.adapters.ports import FlagProvider
from amplify_tui.drill.world import World, start_world
from amplify_tui.playbook.context import secret_marker
from amplify_tui.playbook.model import Source
from tests.adapters.git_world import ENV, commit, git, with_remote
from tests.adapters.provider_contract import CHECKS, Check, Seat
from tests.real.services import Unleash

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
NOBODY = "http://127.0.0.1:9"


def opened(kind: FlagKind, source: Source, base: Path, environment: str = "development") -> FlagProvider:
    opening = Opening(name="flags", source=source, environment=environment, reveal=lambda text: text, base=base)
    return kind.open(opening)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        if name.startswith("GIT_"):
            monkeypatch.setenv(name, value)


@pytest.fixture
def in_git(tmp_path: Path, identity: None) -> Seat:
    kind = flag_kinds.KINDS.called("flagfile")
    one = with_remote(tmp_path / "one", tmp_path / "remote.git")
    (one / "flags").mkdir()
    (one / "flags" / "production.json").write_text('{\n  "flags": {}\n}\n')
    commit(one, "feat: flags", name="README")
    git(one, "add", "flags")
    git(one, "commit", "-qm", "feat: no flags yet")
    git(one, "push", "--quiet", "origin", "main")
    for name in ("two", "three"):
        git(tmp_path, "clone", "--quiet", (tmp_path / "remote.git").as_uri(), name)
    git(tmp_path / "three", "remote", "set-url", "origin", (tmp_path / "gone.git").as_uri())
    source = Source(flagfile="flags/production.json")
    return Seat(
        kind,
        *(opened(kind, source, tmp_path / name) for name in ("one", "two", "three")),
        prefix="flag",
        source=source,
        base=tmp_path / "one",
    )


@pytest.fixture
def third_party() -> Iterator[FlagKind]:
    sys.path.insert(0, str(THIRD_PARTY))
    flag_kinds.KINDS.forget()
    yield flag_kinds.KINDS.called("sample")
    sys.path.remove(str(THIRD_PARTY))
    flag_kinds.KINDS.forget()


@pytest.fixture
def of_another_package(tmp_path: Path, third_party: FlagKind) -> Seat:
    (tmp_path / "flags.json").write_text("{}")
    sources = [Source(use="sample", with_={"path": path}) for path in ("flags.json", "flags.json", "gone.json")]
    return Seat(
        third_party, *(opened(third_party, source, tmp_path) for source in sources), prefix="flag", source=sources[0]
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_flagd_file_in_git_promises(check: Check, in_git: Seat) -> None:
    await check(in_git)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_provider_of_another_package_promises(check: Check, of_another_package: Seat) -> None:
    await check(of_another_package)


def on_unleash(url: str, admin: str, client: str, environment: str, base: Path) -> Seat:
    kind = flag_kinds.KINDS.called("unleash")
    live = Source(unleash=url, token=admin, client_token=client)
    by_hand = Source(unleash=url, token=secret_marker("UNLEASH_TOKEN"))
    dead = Source(unleash=NOBODY, token=admin, client_token=client)
    providers = (opened(kind, source, base, environment) for source in (live, live, dead))
    return Seat(kind, *providers, prefix=f"provider-{os.getpid()}-{os.urandom(3).hex()}", source=by_hand, token=admin)


async def closed(seat: Seat) -> None:
    for provider in (seat.flags, seat.other, seat.dead):
        await provider.aclose()


@pytest.mark.real
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_real_unleash_promises(check: Check, unleash: Unleash, tmp_path: Path) -> None:
    seat = on_unleash(unleash.url, unleash.admin, unleash.client, "development", tmp_path)
    await check(seat)
    await closed(seat)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[World]:
    with start_world() as world:
        yield world


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_flag_server_of_the_sandbox_promises(check: Check, sandbox: World, tmp_path: Path) -> None:
    facts = sandbox.facts()["flags"]
    seat = on_unleash(facts["url"], facts["admin_token"], facts["client_token"], "production", tmp_path)
    await check(seat)
    await closed(seat)
