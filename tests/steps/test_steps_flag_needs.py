"""What a playbook needs of a flag server is read from its steps alone."""

from __future__ import annotations

from typing import Any

from amplify_tui.adapters.ports import FlagNeeds
from amplify_tui.playbook.model import Playbook, Release, Rollback, Stage, Step
from amplify_tui.steps.flag_needs import flags_on, needs_of


def playbook(*steps: tuple[str, dict[str, Any]], back: tuple[Step, ...] = ()) -> Playbook:
    made = tuple(Step(id=f"s{n}", verb=verb, fields=fields) for n, (verb, fields) in enumerate(steps))
    return Playbook(
        name="release",
        release=Release(repo=".", version="1.0.0", environment="production"),
        stages=(Stage(id="all", steps=made),),
        rollback=Rollback(before=back),
    )


def test_each_step_adds_what_it_needs_and_other_sources_add_nothing() -> None:
    where = [{"field": "tenant", "op": "IN", "values": ["t1"]}, {"field": "${{ inputs.field }}", "op": "IN"}]
    made = {
        "name": "new",
        "source": "flags",
        "create": "release",
        "tags": ["team:checkout"],
        "strategies": [{"rollout": 0, "stickiness": "companyId", "where": where, "segments": [3, "${{ inputs.s }}"]}],
    }
    found = needs_of(
        playbook(
            ("flag", made),
            ("flag", {"name": "old", "source": "flags", "archive": True}),
            ("flag", {"name": "far", "source": "others", "add": [{"segments": [9], "stickiness": "random"}]}),
            ("command", {"argv": ["true"], "source": "flags"}),
        ),
        "flags",
    )
    assert found == FlagNeeds(
        acts=frozenset({"create", "tags", "strategies", "switch", "archive"}),
        segments=frozenset({3}),
        fields=frozenset({"tenant", "companyId"}),
    )


def test_a_rollout_changes_strategies_and_switches_and_one_of_a_service_neither() -> None:
    ramp = ("rollout", {"flag": "new", "source": "flags", "phases": [5, 100], "bake": "1m"})
    waves = ("rollout", {"service": "shop", "waves": [1], "bake": "1m"})
    assert needs_of(playbook(ramp), "flags").acts == {"strategies", "switch"}
    assert needs_of(playbook(waves), "flags").acts == frozenset()


def test_flags_are_named_once_and_not_where_an_expression_names_them() -> None:
    back = (Step(id="off", verb="flag", fields={"name": "banner", "source": "flags", "enabled": False}),)
    steps = playbook(
        ("flag", {"name": "new", "source": "flags", "enabled": True}),
        ("rollout", {"flag": "new", "source": "flags"}),
        ("flag", {"name": "${{ each.flag }}", "source": "flags"}),
        back=back,
    )
    assert flags_on(steps, "flags") == ("new", "banner")
