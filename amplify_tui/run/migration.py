"""A run and another text of its playbook: what was read, and how the two differ, in words. No rule lives here.

The conductor reads the file and says what it found in a `Proposal`. What of it may become the run's is decided in
`decide/migrate.py`; who previews it asks the same door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.run.shapes import Course, TriggerSpec, Trust
from amplify_tui.run.state import State, StepState
from amplify_tui.verdict.conditions import Rule, rule_of
from amplify_tui.verdict.model import Term
from amplify_tui.verdict.words import duration

ABSENT = "nothing"


class Text(Struct, frozen=True, kw_only=True):
    """A text of a playbook as far as it is compared: what it says, as hashes, by what it is called in the file.

    steps: of each step (those of the rollback's lists too), its parts: `command.argv`, `sign_off`, and what it names,
    `signal errors`. checks: the same of `rollback.integrity`. entries: `source prom`, `input version`, `release` ...
    flags: the names of the sources that are flag servers.
    """

    steps: dict[str, dict[str, str]] = {}
    checks: dict[str, dict[str, str]] = {}
    entries: dict[str, str] = {}
    flags: tuple[str, ...] = ()


class Proposal(Struct, frozen=True, kw_only=True):
    """The playbook's file as it is now, read, checked and resolved, beside the text that the run goes by (*was*).

    pinned: the hash of that text. trust: who vouches for the new one; None where nobody has looked.
    """

    pinned: str
    trust: Trust | None = None
    course: Course
    was: Text = Text()
    now: Text = Text()


def has_begun(state: State, step: StepState) -> bool:
    """Whether anything happened in this step instance: one that only waits for its turn has no history."""
    untouched = StepState(step=step.step, key=step.key, accrued_at=step.accrued_at)
    return step != untouched or any(True for _ in state.effects_of(step))


def begun(state: State) -> set[str]:
    """The ids of the steps with history, in any of their instances."""
    return {step.step for step in state.steps.values() if has_begun(state, step)}


def parts_changed(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Which parts of a definition differ, in the order of the file."""
    return [name for name in dict.fromkeys([*was, *now]) if was.get(name) != now.get(name)]


# --- triggers ---------------------------------------------------------------------------------------------------------


class TriggerChange(Struct, frozen=True):
    """One thing in which a trigger differs: `above` from 0.05 to 0.02."""

    name: str
    was: Any
    now: Any

    def __str__(self) -> str:
        if self.name.startswith(("signal ", "slo ")):
            return f"{self.name} changed"
        return f"{self.name} {_said(self.name, self.was)} → {_said(self.name, self.now)}"


def trigger_changes(was: TriggerSpec, now: TriggerSpec) -> list[TriggerChange]:
    """In what two triggers differ, with the limits and spans that they inherit from their signal."""
    before, after = _flat(was), _flat(now)
    names = dict.fromkeys([*before, *after])
    return [TriggerChange(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]


def _flat(spec: TriggerSpec) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(spec, name) for name in ("mode", "answer_within", "then", "scope")}
    term = spec.term
    found["built-in"] = term.builtin
    if term.condition is None:
        return found
    asked = {name: getattr(term.condition, name) for name in term.condition.__struct_fields__}
    found |= {name.removesuffix("_"): value for name, value in asked.items()}
    if term.slo is not None:
        found[f"slo {asked['slo']}"] = term.slo
    if term.signal is not None:
        found |= _inherited(term)
        found[f"signal {asked['signal']}"] = replace(term.signal, limit=None)
    return found


def _inherited(term: Term) -> dict[str, Any]:
    """What a condition takes from its signal's limit; of one that is a plain threshold, with the defaults filled in."""
    condition, signal = term.condition, term.signal
    assert condition is not None
    assert signal is not None
    limit = signal.limit
    found: dict[str, Any] = {}
    bounds = ("above", "below", "worse_than")
    if limit is not None and all(getattr(condition, name) is None for name in bounds):
        found |= {name: getattr(limit, name) for name in (*bounds, "by")}
    for name in ("for_", "min_samples", "alpha"):
        if limit is not None and getattr(condition, name) is None:
            found[name.removesuffix("_")] = getattr(limit, name)
    rule = rule_of(term)
    return found | {"for": rule.for_} if isinstance(rule, Rule) else found


def _said(name: str, value: Any) -> str:
    if value is None:
        return ABSENT
    if name in ("for", "answer_within", "every", "max_age") and isinstance(value, int | float):
        return duration(value)
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- the difference in words ------------------------------------------------------------------------------------------


def difference(state: State, proposal: Proposal) -> tuple[str, ...]:
    """What is another in the file than in what the run goes by, a line each; empty where only words changed."""
    return (
        *_steps(state, proposal),
        *_checks(proposal),
        *(_triggers(state, proposal) if state.phase == "forward" else ()),
        *_entries(proposal),
    )


def _steps(state: State, proposal: Proposal) -> Iterator[str]:
    was, now, done = proposal.was.steps, proposal.now.steps, begun(state)
    for name in dict.fromkeys([*now, *was]):
        begins = " (it has begun)" if name in done else ""
        if name not in was:
            yield f"step {name}: new"
        elif name not in now:
            yield f"step {name}: gone{begins}"
        elif parts := parts_changed(was[name], now[name]):
            yield f"step {name}: {', '.join(parts)}{begins}"


def _checks(proposal: Proposal) -> Iterator[str]:
    was, now = proposal.was.checks, proposal.now.checks
    for name in dict.fromkeys([*now, *was]):
        if name not in was or name not in now:
            yield f"integrity {name}: {'new' if name in now else 'gone'}"
        elif parts := parts_changed(was[name], now[name]):
            yield f"integrity {name}: {', '.join(parts)}"


def _triggers(state: State, proposal: Proposal) -> Iterator[str]:
    was = {name: one.spec for name, one in state.triggers.items()}
    now = {spec.id: spec for spec in proposal.course.triggers}
    for name in dict.fromkeys([*now, *was]):
        if name not in was or name not in now:
            yield f"trigger {name}: {'new' if name in now else 'gone'}"
        elif changes := trigger_changes(was[name], now[name]):
            yield f"trigger {name}: {', '.join(map(str, changes))}"
    if state.on_blind != proposal.course.on_blind:
        before, after = state.on_blind, proposal.course.on_blind
        yield f"on_blind: {before.do} after {duration(before.after)} → {after.do} after {duration(after.after)}"


def _entries(proposal: Proposal) -> Iterator[str]:
    was, now = proposal.was.entries, proposal.now.entries
    for name in dict.fromkeys([*now, *was]):
        if was.get(name) != now.get(name):
            yield f"{name}: {'new' if name not in was else 'gone' if name not in now else 'changed'}"
