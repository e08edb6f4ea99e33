"""A Prometheus behind TLS and a password, as its own web.config.file has it; and two of them in one playbook."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplify_tui.adapters.ports import Query
from amplify_tui.adapters.prometheus import Prometheus
from amplify_tui.verdict.model import Reading
from tests.adapters.raw_server import raw_server, reply
from tests.conftest import real_prometheus
from tests.real import services

pytestmark = pytest.mark.real

# bcrypt of "open sesame": Prometheus takes passwords in no other form.
USERS = "basic_auth_users: {ali: $2b$12$XJIeqX6fzl9JWAGtQD6GTOOsNgX06cYGA9ZqPF3oWIKK.DE4wb/BG}"
CONFIG = "global: {scrape_interval: 1s}\n"
ONE = Query(signal="one", value="vector(1)")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for 127.0.0.1, with its key beside it."""
    folder = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=prom"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[services.Prometheus]:
    key = certificate.with_name("key.pem")
    web = f"tls_server_config: {{cert_file: {certificate}, key_file: {key}}}\n{USERS}\n"
    with real_prometheus(CONFIG, web=web) as running:
        yield running


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


async def asked(url: str, **more: object) -> tuple[Reading, list[str]]:
    source = Prometheus(url, source="prom", **more)  # type: ignore[arg-type]
    (reading,) = await source.read([ONE], time.time())
    problems = [problem.what for problem in await source.check()]
    await source.aclose()
    return reading, problems


def with_user(url: str, user: str) -> str:
    return url.replace("https://", f"https://{user}@")


@pytest.mark.usefixtures("trusted")
async def test_a_user_and_password_in_the_url_open_it_and_show_up_nowhere(server: services.Prometheus) -> None:
    reading, problems = await asked(with_user(server.url, "ali:open%20sesame"))
    assert (reading.status, reading.value, problems) == ("ok", 1, [])
    wrong, problems = await asked(with_user(server.url, "ali:forty"))
    assert wrong.status == "error"
    assert "401" in wrong.note
    assert "forty" not in f"{wrong.note} {problems}"


@pytest.mark.usefixtures("trusted")
async def test_without_a_password_it_is_refused_in_words(server: services.Prometheus) -> None:
    reading, problems = await asked(server.url)
    assert reading.status == "error"
    assert "the token is missing, wrong or expired" in reading.note
    assert "401" in problems[0]


async def test_a_certificate_that_nobody_vouches_for_is_named_with_the_way_out(server: services.Prometheus) -> None:
    reading, problems = await asked(with_user(server.url, "ali:open%20sesame"))
    assert reading.status == "error"
    assert "its certificate is not trusted" in reading.note
    assert "SSL_CERT_FILE" in reading.note
    assert "not trusted" in problems[0]


async def test_a_file_of_authorities_that_is_none_is_named(
    server: services.Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    reading, _ = await asked(server.url)
    assert reading.status == "error"
    assert "SSL_CERT_FILE cannot be used" in reading.note


async def test_a_bearer_token_and_headers_go_with_each_question() -> None:
    body = '{"status":"success","data":{"resultType":"scalar","result":[1700000000,"3"]}}'
    async with raw_server(reply(body)) as server:
        source = Prometheus(server.url, source="prom", token="t0ken", headers={"X-Scope-OrgID": "shop"})
        await source.read([ONE], 1700000000.0)
        await source.range([ONE], 1700000000.0, 1700000000.0, 1.0)
        await source.aclose()
    for head in server.heads:
        assert b"authorization: bearer t0ken" in head.lower()
        assert b"x-scope-orgid: shop" in head.lower()
    assert len(server.heads) == 2


@pytest.mark.usefixtures("trusted")
async def test_two_servers_are_two_sources_and_one_that_is_down_spoils_no_other(server: services.Prometheus) -> None:
    up, _ = await asked(with_user(server.url, "ali:open%20sesame"))
    down, _ = await asked("http://127.0.0.1:9")
    assert (up.status, down.status) == ("ok", "error")
    assert "no connection" in down.note
