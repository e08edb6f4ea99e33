"""The exposure of a flag, kept up from event to event: always what reading all effects of the run would say."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_tui.run import events as ev
from amplify_tui.run.envelope import Envelope, enclose
from amplify_tui.run.evolve import evolve, fold
from amplify_tui.run.shapes import VERIFY_BAND, Exposure, Target
from amplify_tui.run.state import State
from amplify_tui.run.undo import is_verification
from tests.run.world import T0

FLAGS = ("new-checkout", "new-search")
NAMES = tuple(f"e{number}" for number in range(6))
PERCENTS = (0.0, 5.0, 25.0, 100.0)

percents = st.sampled_from(PERCENTS)


@st.composite
def intents(draw: st.DrawFn, name: str) -> ev.EffectIntended:
    """An effect on a flag: a change forward, one that takes back, or only a look."""
    flag = draw(st.sampled_from(FLAGS))
    return ev.EffectIntended(
        effect=name, step="ramp", verb="rollout", target=Target(kind="flag", id=flag), before=None, after=None,
        undo=None, idem=name, deadline=1.0, undoes=draw(st.sampled_from(("", "u1:e0", f"u{VERIFY_BAND}:e0"))),
        exposure=Exposure(flag=flag, before=draw(percents), after=draw(percents)),
    )  # fmt: skip


@st.composite
def outcomes(draw: st.DrawFn, name: str) -> ev.EventData:
    """Whatever may be told of an effect that is known, in no order that makes sense."""
    receipt: dict[str, Any] = draw(st.sampled_from(({}, {"exposed": 5.0}, {"exposed": 100.0})))
    possible: list[ev.EventData] = [
        ev.EffectDone(effect=name, observed=None, receipt=receipt),
        ev.EffectAccepted(effect=name, handle="h", waits_for="somebody"),
        ev.EffectFailed(effect=name, reason="no"),
        ev.EffectUnknown(effect=name, cause="silence"),
        *(ev.EffectProbed(effect=name, result=r) for r in ("done", "absent", "diverged", "running", "unreachable")),
        *(ev.EffectSettled(effect=name, as_=as_, reason="seen") for as_ in ("done", "absent")),
        ev.ExposureReread(effect=name, agrees=draw(st.booleans()), percent=draw(percents)),
        ev.ConductorAttached(host="box", pid=1, lease=2),
    ]
    return draw(st.sampled_from(possible))


@st.composite
def histories(draw: st.DrawFn) -> list[Envelope]:
    """Events of up to six effects. Clocks stand still at times and go back: the journal's order is its own."""
    known: list[str] = []
    found: list[Envelope] = []
    for seq in range(1, draw(st.integers(2, 40)) + 1):
        name = draw(st.sampled_from(NAMES))
        data = draw(outcomes(name)) if name in known and draw(st.integers(0, 9)) else draw(intents(name))
        known += [name]
        at = T0 + draw(st.integers(0, 20))
        found.append(enclose(data, seq=seq, run="r", epoch=1, at=at, actor="conductor", via="engine"))
    return found


def read_through(state: State, flag: str) -> float:
    """The rule, in words: what the newest finished effect left, or more where one is open that may have done more."""
    on_it = [(e, e.exposure) for e in state.effects.values() if e.exposure is not None and e.exposure.flag == flag]
    done = [((e.ended_seq, e.seq), e.receipt.get("exposed", x.after)) for e, x in on_it if e.status == "done"]
    (_, newest), known = max(done, default=((0, -1), on_it[0][1].before))
    looks = [x.before for e, x in on_it if e.is_open and is_verification(e) and e.seq > newest]
    most = [max(x.before, x.after) for e, x in on_it if e.is_open and not is_verification(e)]
    return max(known, *looks, *most, 0.0)


def flag_of(state: State, data: ev.EventData) -> str | None:
    """The flag whose exposure *data* settles anew; None where it says nothing of it."""
    is_look = isinstance(data, ev.EffectProbed) and data.result in ("running", "unreachable")
    if is_look or isinstance(data, ev.EffectAccepted | ev.EffectUnknown | ev.ExposureReread | ev.ConductorAttached):
        return None
    exposure = state.effects[data.effect].exposure  # type: ignore[union-attr]  # the others are all of an effect
    assert exposure is not None
    return exposure.flag


@settings(max_examples=400, deadline=None)
@given(told=histories())
def test_the_exposure_of_a_flag_is_what_reading_all_its_effects_says(told: list[Envelope]) -> None:
    state = State()
    for envelope in told:
        state = evolve(state, envelope)
        flag = flag_of(state, envelope.data)
        if flag is not None:
            assert state.exposure[flag] == read_through(state, flag)


@settings(max_examples=100, deadline=None)
@given(told=histories(), part=st.floats(0, 1))
def test_a_fold_is_evolve_of_each_event_wherever_it_is_interrupted(told: list[Envelope], part: float) -> None:
    each = State()
    for envelope in told:
        each = evolve(each, envelope)
    middle = int(part * len(told))
    assert fold(told) == each
    assert fold(told[middle:], fold(told[:middle])) == each


def test_a_write_that_may_have_landed_late_counts_again_for_the_next_effect_too() -> None:
    def on_the_flag(name: str, before: float, after: float) -> ev.EffectIntended:
        return ev.EffectIntended(
            effect=name, step="ramp", verb="rollout", target=Target(kind="flag", id="f"), before=None, after=None,
            undo=None, idem=name, deadline=1.0, exposure=Exposure(flag="f", before=before, after=after),
        )  # fmt: skip

    told: list[ev.EventData] = [
        on_the_flag("e1", 0.0, 25.0),
        ev.EffectUnknown(effect="e1", cause="silence"),
        ev.EffectProbed(effect="e1", result="absent"),
        on_the_flag("e2", 0.0, 0.0),
        ev.EffectDone(effect="e2", observed=None, receipt={"exposed": 0.0}),
        ev.ExposureReread(effect="e2", agrees=False, percent=5.0),
        on_the_flag("e3", 5.0, 0.0),
    ]
    state = fold(
        enclose(data, seq=seq, run="r", epoch=1, at=T0 + seq, actor="conductor", via="engine")
        for seq, data in enumerate(told, 1)
    )
    assert state.effects["e1"].status == "unknown"
    assert state.exposure == {"f": 25.0}
