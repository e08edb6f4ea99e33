"""The sandbox is a world of real processes: what it promises to those who look at it and act on it."""

from __future__ import annotations

import email.message
import json
import os
import signal
import smtplib
import subprocess
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import until

from amplify_tui.drill import plainhttp
from amplify_tui.drill.lifeline import processes
from amplify_tui.drill.plan import SHAPES
from amplify_tui.drill.world import World, start_world

PRODUCTION = "/api/admin/projects/default/features/checkout-v3/environments/production"


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    """A world to break things in."""
    with start_world() as running:
        yield running


def state(world: World) -> dict[str, Any]:
    inject = world.facts()["inject"]
    found: dict[str, Any] = plainhttp.call(inject["admin"]["checkout-1"] + "/state", token=inject["token"])
    return found


def instance(world: World, name: str) -> dict[str, Any]:
    return next(one for one in state(world)["instances"] if one["id"] == name)


def put_fault(world: World, **fault: Any) -> str:
    inject = world.facts()["inject"]
    made = plainhttp.call(inject["admin"]["checkout-1"] + "/faults", "POST", fault, token=inject["token"])
    return str(made["id"])


def lift(world: World, fault: str) -> None:
    inject = world.facts()["inject"]
    plainhttp.call(f"{inject['admin']['checkout-1']}/faults/{fault}", "DELETE", token=inject["token"])


def url_of(world: World, name: str) -> str:
    service = name.rpartition("-")[0]
    return str(next(one["url"] for one in world.facts()["services"][service] if one["id"] == name))


def ops(world: World, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=world.facts()["repo"], capture_output=True, text=True, timeout=20, check=False)


def flag(world: World, method: str, path: str, body: Any = None) -> Any:
    flags = world.facts()["flags"]
    return plainhttp.call(flags["url"] + path, method, body, token=flags["admin_token"])


def expose(world: World, percent: int) -> None:
    """Create checkout-v3 where it is missing, and give it to *percent* of the users."""
    features = "/api/admin/projects/default/features"
    parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": "checkout-v3"}
    strategy = {"name": "flexibleRollout", "title": "ramp", "parameters": parameters}
    if not any(one["name"] == "checkout-v3" for one in flag(world, "GET", features)["features"]):
        flag(world, "POST", features, {"name": "checkout-v3", "type": "release"})
        flag(world, "POST", f"{PRODUCTION}/strategies", strategy)
    key = flag(world, "GET", f"{PRODUCTION}/strategies")[0]["id"]
    flag(world, "PUT", f"{PRODUCTION}/strategies/{key}", strategy)
    flag(world, "POST", f"{PRODUCTION}/on")


def test_the_facts_are_those_of_the_command_reference(world: World) -> None:
    facts = world.facts()
    assert list(facts) == ["repo", "remote", "flags", "services", "sink", "playbook", "inject"]
    assert set(facts["flags"]) == {"url", "admin_token", "client_token"}
    assert {name: [one["id"] for one in group] for name, group in facts["services"].items()} == {
        "ledger": ["ledger-1", "ledger-2"],
        "pricing": ["pricing-1", "pricing-2"],
        "checkout": ["checkout-1", "checkout-2", "checkout-3", "checkout-4"],
    }
    assert set(facts["sink"]) == {"http", "smtp"}
    assert all(Path(facts[name]).exists() for name in ("repo", "remote", "playbook"))
    assert json.loads(json.dumps(facts)) == facts


def test_every_instance_is_healthy_at_once_and_says_its_version(world: World) -> None:
    versions = {"ledger": "2.3.4", "pricing": "5.1.0", "checkout": "2.9.4"}
    for service, group in world.facts()["services"].items():
        for one in group:
            assert plainhttp.call(one["url"] + "/health") == {"status": "ok"}
            found = plainhttp.call(one["url"] + "/version")
            assert found["version"] == versions[service]
            assert found["started"] > 0
            assert found.get("schema") == (42 if service == "checkout" else None)


def test_traffic_reaches_every_instance(world: World) -> None:
    until(lambda: all(sum(one["served"].values()) > 5 for one in state(world)["instances"]))


def test_nothing_of_the_folder_is_readable_by_others(world: World) -> None:
    assert world.folder.stat().st_mode & 0o077 == 0


def test_an_admin_door_without_its_token_stays_shut(world: World) -> None:
    with pytest.raises(plainhttp.CallError, match="401"):
        plainhttp.call(world.facts()["inject"]["admin"]["checkout-1"] + "/state", token="guess")


def test_the_sink_shows_webhooks_and_mail(world: World) -> None:
    sink = world.facts()["sink"]
    plainhttp.call(sink["http"] + "/support", "POST", {"subject": "Checkout starts", "text": "now"})
    mail = email.message.EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Rolled back – ü", "release@example.com", "oncall@example.com"
    mail.set_content("Back on 2.9.4")
    host, _, port = sink["smtp"].partition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as smtp:
        smtp.send_message(mail)
    webhook, letter = plainhttp.call(sink["http"] + "/messages")
    assert (webhook["via"], webhook["to"], webhook["subject"]) == ("webhook", "/support", "Checkout starts")
    assert webhook["body"]["text"] == "now"
    assert (letter["via"], letter["to"], letter["subject"]) == ("smtp", "oncall@example.com", "Rolled back – ü")
    assert letter["body"].strip() == "Back on 2.9.4"


def test_the_deploy_command_really_swaps_an_instance(lab: World) -> None:
    before = plainhttp.call(url_of(lab, "checkout-2") + "/version")
    done = ops(lab, "ops/deploy", "--host", "checkout-2", "--version", "3.0.0")
    assert (done.returncode, done.stderr) == (0, "")
    after = plainhttp.call(url_of(lab, "checkout-2") + "/version")
    assert after["version"] == "3.0.0"
    assert after["started"] > before["started"]
    assert plainhttp.call(url_of(lab, "checkout-1") + "/version")["version"] == "2.9.4"
    until(lambda: sum(instance(lab, "checkout-2")["served"].values()) > 5)  # its callers came back


def test_deploying_to_an_unknown_host_fails_and_names_the_known(lab: World) -> None:
    done = ops(lab, "ops/deploy", "--host", "checkout-9", "--version", "3.0.0")
    assert done.returncode == 2
    assert "checkout-4" in done.stderr


def test_a_stuck_instance_takes_the_deploy_and_stays_as_it_was(lab: World) -> None:
    fault = put_fault(lab, kind="stuck_version", instance="checkout-4")
    try:
        assert ops(lab, "ops/deploy", "--host", "checkout-4", "--version", "3.0.0").returncode == 0
        assert plainhttp.call(url_of(lab, "checkout-4") + "/version")["version"] == "2.9.4"
    finally:
        lift(lab, fault)
    ops(lab, "ops/deploy", "--host", "checkout-4", "--version", "3.0.0")
    assert plainhttp.call(url_of(lab, "checkout-4") + "/version")["version"] == "3.0.0"


def test_a_crashed_instance_refuses_and_comes_back_when_the_fault_is_lifted(lab: World) -> None:
    fault = put_fault(lab, kind="crash", instance="ledger-2")
    until(lambda: not instance(lab, "ledger-2")["up"])
    with pytest.raises(OSError, match="refused"):
        plainhttp.call(url_of(lab, "ledger-2") + "/health")
    lift(lab, fault)
    assert plainhttp.call(url_of(lab, "ledger-2") + "/health") == {"status": "ok"}


def test_errors_hit_the_cohort_they_were_meant_for(lab: World) -> None:
    expose(lab, 50)
    fault = put_fault(lab, kind="errors", service="checkout", cohort="treatment", rate=1.0)
    try:
        until(lambda: instance(lab, "checkout-1")["served"]["on:500"] > 5)
        assert instance(lab, "checkout-1")["served"]["off:500"] == 0
    finally:
        lift(lab, fault)
    with urllib.request.urlopen(url_of(lab, "checkout-1") + "/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'http_requests_total{job="checkout",instance="checkout-1",code="500",variant="on"}' in text


def test_migrations_go_up_only_and_can_be_probed(lab: World) -> None:
    assert ops(lab, "ops/migrate", "at", "--least", "43").returncode == 1
    assert ops(lab, "ops/migrate", "up", "--to", "43").returncode == 0
    assert ops(lab, "ops/migrate", "at", "--least", "43").returncode == 0
    assert plainhttp.call(url_of(lab, "checkout-3") + "/version")["schema"] == 43
    assert ops(lab, "ops/migrate", "up", "--to", "42").returncode == 2


def test_e2e_makes_real_requests_and_reports_them_as_junit(lab: World) -> None:
    report = Path(lab.facts()["repo"]) / "out" / "e2e-checkout.xml"
    argv = ("ops/e2e", "--suite", "checkout", "--junit", "out/e2e-checkout.xml", "--order-prefix", "run-1")
    assert ops(lab, *argv).returncode == 0
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("16", "0")
    fault = put_fault(lab, kind="errors", service="checkout", rate=1.0)
    try:
        assert ops(lab, *argv).returncode == 1
        assert ElementTree.parse(report).getroot().get("failures") == "8"
    finally:
        lift(lab, fault)
    assert (report.parent / "orders-run-1.json").exists()
    assert ops(lab, "ops/e2e", "--purge", "run-1").returncode == 0
    assert not (report.parent / "orders-run-1.json").exists()


def test_the_sql_check_counts_rows_and_cannot_write(lab: World) -> None:
    query = "ops/checks/silent_instances.sql"
    assert ops(lab, "ops/sql-check", "--max-rows", "0", query).returncode == 0
    tree = Path(lab.facts()["repo"])
    (tree / "out").mkdir(exist_ok=True)
    (tree / "out" / "all.sql").write_text("select id from instances", encoding="utf-8")
    (tree / "out" / "drop.sql").write_text("delete from instances", encoding="utf-8")
    assert ops(lab, "ops/sql-check", "--max-rows", "7", "out/all.sql").returncode == 1
    assert "readonly" in ops(lab, "ops/sql-check", "--max-rows", "7", "out/drop.sql").stderr


def test_using_the_ops_scripts_leaves_the_tree_clean(lab: World) -> None:
    ops(lab, "ops/e2e", "--suite", "ledger", "--junit", "out/e2e-ledger.xml")
    assert ops(lab, "git", "status", "--porcelain").stdout == ""


def test_the_injected_errors_wait_for_the_second_phase() -> None:
    with start_world(inject="errors", after_percent=10) as world:
        expose(world, 10)
        until(lambda: instance(world, "checkout-1")["served"]["on:200"] > 10)
        assert state(world)["faults"] == []
        assert instance(world, "checkout-1")["served"]["on:500"] == 0
        expose(world, 25)
        until(lambda: instance(world, "checkout-1")["served"]["on:500"] > 5)
        assert [(one["kind"], one["rate"], one["cohort"]) for one in state(world)["faults"]] == [
            ("errors", 0.6, "treatment")
        ]
        assert instance(world, "checkout-1")["served"]["off:500"] == 0


def test_a_service_may_have_a_process_an_instance() -> None:
    apart = [replace(shape, process_each=shape.name == "checkout") for shape in SHAPES]
    with start_world(shapes=apart) as world:
        doors = world.facts()["inject"]["admin"]
        assert len(set(doors.values())) == 5  # one for ledger and pricing, one for each of checkout
        pids = {name: pid for name, pid in processes(world.folder) if name.startswith("services:")}
        os.kill(pids["services:checkout-3"], signal.SIGKILL)
        until(lambda: world.fallen() == "services:checkout-3")
        with pytest.raises(OSError, match="refused"):
            plainhttp.call(url_of(world, "checkout-3") + "/health")
        assert plainhttp.call(url_of(world, "checkout-2") + "/health") == {"status": "ok"}


def test_the_same_seed_sends_the_same_users() -> None:
    from amplify_tui.drill.traffic import INSIDERS, next_user, users

    once, twice, other = users(1, 0), users(1, 0), users(2, 0)
    drawn = [next_user(once) for _ in range(500)]
    assert drawn == [next_user(twice) for _ in range(500)]
    assert drawn != [next_user(other) for _ in range(500)]
    assert set(drawn) & set(INSIDERS)
