"""What the world looked like beside a story: the board that the conductor would have posted."""

from __future__ import annotations

from typing import Any

import msgspec

from amplify_tui.run.select.signals import Point
from amplify_tui.run.shapes import GateNow
from amplify_tui.tui.example.script import FLAG, FLAG_ID, SHA, Story
from amplify_tui.verdict.flag_words import sentence
from amplify_tui.verdict.flags import Clause, FlagEvent, FlagRule, FlagStory


def board_of(story: Story, *, slow: bool = False, lost: bool = False) -> dict[str, Any]:
    """The board beside *story*, read a second or two before its last event; *lost*: the metrics stopped 150 s ago."""
    at = story.at
    board: dict[str, Any] = {"conductor": {"at": at - 1, "pid": 4711, "host": "bastion"}}
    _fleet(board, at)
    _flag_and_git(board, story, at)
    _signals(board, at, slow=slow, lost=lost)
    ramp = story.state.step("ramp")
    if ramp is not None and ramp.verdict is not None and ramp.status in ("observing", "stuck"):
        board["gate:ramp"] = msgspec.to_builtins(GateNow(verdict=ramp.verdict, accrued=ramp.accrued, at=at - 1))
    _steps(board, at)
    return board


def _fleet(board: dict[str, Any], at: float) -> None:
    fleet = {"ledger": ("2.3.4", 2), "pricing": ("5.1.0", 2), "checkout": ("3.0.0", 4)}
    for service, (version, count) in fleet.items():
        for i in range(1, count + 1):
            unit = f"{service}-{i}"
            board[f"health:{service}/{unit}"] = {
                "service": service, "instance": unit, "url": f"http://10.0.0.{i}", "status": "ok", "ok": True,
                "data_at": at - 2, "received_at": at - 2, "version": version,
            }  # fmt: skip


def _flag_and_git(board: dict[str, Any], story: Story, at: float) -> None:
    share = story.state.exposure.get(FLAG_ID) or 0.0
    rules = (
        FlagRule(name="flexibleRollout", title="ramp", percent=share, stickiness="userId", group=FLAG),
        FlagRule(
            name="flexibleRollout", title="internal", percent=100.0, stickiness="userId", group=FLAG,
            clauses=(Clause(field="userId", test="in", values=("u-internal-1", "u-internal-2"), count=2),),
        ),
    )  # fmt: skip
    says = sentence(rules, exists=True, enabled=bool(share))
    board[f"flag:{FLAG_ID}"] = {
        "source": "unleash", "flag": FLAG, "status": "ok", "data_at": at - 1, "received_at": at - 1,
        "enabled": bool(share), "percent": share, "says": says, "fingerprint": f"{share:016.0f}",
    }  # fmt: skip
    board[f"story:{FLAG_ID}"] = msgspec.to_builtins(_story(story, rules, says, f"{share:016.0f}"))
    board["git"] = {
        "at": at - 30, "branch": "main", "sha": SHA, "tag": "v3.0.0", "tag_state": "pushed", "ahead": 2, "behind": 0,
        "dirty": False, "tags": [{"name": "v2.9.4", "sha": "77ac01e", "at": at - 9e5}], "status": "ok", "note": "",
    }  # fmt: skip


def _story(story: Story, rules: tuple[FlagRule, ...], says: str, fingerprint: str) -> FlagStory:
    """The flag's latest changes: those of the run, and before them its creation by somebody of the team."""
    events = [FlagEvent(at=story.at - 9e5, by="dev one", what=f"dev one created {FLAG}", kind="feature-created")]
    for effect in story.state.effects.values():
        if effect.target.id == FLAG_ID and effect.status == "done":
            what = f"amplify updated {FLAG} by updating strategy ramp: {effect.says}"
            at = effect.ended_at or effect.at
            events.append(FlagEvent(at=at, by="amplify", what=what, kind="feature-strategy-update"))
    for hold in story.state.holds.values():
        if hold.drift is not None:
            what = f"{hold.drift.by} updated {FLAG} by updating strategy ramp from 25% to 80%"
            events.append(
                FlagEvent(at=hold.drift.changed_at or hold.at, by=hold.drift.by, what=what, kind=events[-1].kind)
            )
    events.reverse()
    return FlagStory(
        source="unleash", flag=FLAG, fingerprint=fingerprint, says=says, kind="release", rules=rules,
        description="The new checkout", last=events[0], events=tuple(events), asked_at=story.at - 1,
    )  # fmt: skip


def _signals(board: dict[str, Any], at: float, *, slow: bool, lost: bool) -> None:
    status, read = ("error", at - 150) if lost else ("ok", at - 2)
    values = {
        "errors:treatment": 0.0011,
        "errors:control": 0.001,
        "latency:treatment": 0.412 if slow else 0.322,
        "latency:control": 0.315,
    }
    for key, value in values.items():
        name, _, cohort = key.partition(":")
        board[f"signal:{key}"] = {
            "signal": name, "source": "prom", "status": status, "cohort": cohort, "value": value, "n": 5210,
            "data_at": read, "received_at": read, "window_from": read - 60, "window_to": read,
        }  # fmt: skip
        if key == "latency:treatment":  # one instance is slow, or none is
            rest = {"checkout-1": 0.312, "checkout-2": 0.305, "checkout-3": 0.33}
            parts = {"checkout-4": 0.69 if slow else 0.32, **rest}
            board[f"signal:{key}"]["parts"] = [{"instance": who, "value": one, "n": 1300} for who, one in parts.items()]
        if name == "errors":  # a pair: its share is a percentage, whoever reads it
            board[f"signal:{key}"] |= {"bad": value * 87, "total": 87.0}
        course = [
            Point(read - 5 * (59 - i), read - 5 * (59 - i), value * (1 + (i % 5) / 20), 5210, "ok") for i in range(60)
        ]
        board[f"course:{key}"] = msgspec.to_builtins(course)


def _steps(board: dict[str, Any], at: float) -> None:
    board["graph"] = {
        "order": ["ledger", "pricing", "checkout"],
        "services": {
            "ledger": {"versions": {"ledger-1": "2.3.4", "ledger-2": "2.3.4"}, "requires": {}},
            "pricing": {
                "versions": {"pricing-1": "5.1.0", "pricing-2": "5.1.0"},
                "requires": {"ledger": {"range": ">=2.3.0 <3", "ok": True}},
            },
            "checkout": {
                "versions": {f"checkout-{i}": "3.0.0" for i in range(1, 5)},
                "requires": {"ledger": {"range": ">=2.3.0 <3", "ok": True}, "pricing": {"range": "^5.1", "ok": None}},
            },
        },
    }  # fmt: skip
    board["commits"] = {
        "count": 2, "tickets": ["CHG-12", "CHG-19"], "authors": ["dev one", "dev two"], "notes": "Faster checkout.",
        "items": [{"sha": "1c9e0ab7", "subject": "Charge once", "author": "dev one"}],
    }  # fmt: skip
    board["tests:buy[checkout]"] = {
        "passed": 12, "failed": 2,
        "cases": [
            {"name": "puts in basket", "status": "passed", "message": ""},
            {"name": "pays by card", "status": "failed", "message": "expected 200, got 502"},
            {"name": "refunds", "status": "failed", "message": "timeout after 5 s"},
        ],
    }  # fmt: skip
    board["output:buy[checkout]"] = {"lines": ["suite checkout, tenant e2e", "12 passed, 2 failed"], "at": at - 4}
