"""The rules that types cannot say. This file only says which rule looks at what; each group of rules is a room.

checks_order.py   ids, needs, cycles, empty stages
checks_judge.py   signals, sources, conditions, gates, triggers
checks_compare.py   comparisons with control, and limits with a promise
checks_pace.py    whether readings come often enough for windows and bakes
checks_flags.py   flags that are ramped together
checks_team.py    services, inputs, roles, stakeholders, secrets
checks_hosts.py   where the secrets of requests go
checks_verbs.py   what a verb's fields must say together
checks_reserved.py   keys that this version does not act on
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from amplify_tui.playbook import (
    checks_flags,
    checks_judge,
    checks_order,
    checks_pace,
    checks_reserved,
    checks_team,
    checks_verbs,
)
from amplify_tui.playbook.model import (
    Condition,
    Input,
    Limit,
    Playbook,
    Release,
    Service,
    Signal,
    Slo,
    Source,
    Stakeholder,
    Step,
    Trigger,
)
from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.rules import Rules
from amplify_tui.playbook.skeleton import Skeleton
from amplify_tui.playbook.typed import Visit, Walker

_BY_STRUCT: Final[dict[Any, tuple[Callable[[Rules, Visit], None], ...]]] = {
    None: (checks_judge.gate_name,),
    Playbook: (
        checks_order.order,
        checks_team.services_cycle,
        checks_flags.split_groups,
        checks_flags.variants,
        checks_team.literal_secrets,
    ),
    Release: (checks_team.release, checks_reserved.struct),
    Input: (checks_team.input_declared, checks_reserved.struct),
    Service: (checks_team.service,),
    Stakeholder: (checks_team.stakeholder, checks_reserved.struct),
    Source: (checks_judge.source,),
    Signal: (checks_judge.signal, checks_pace.signal),
    Slo: (checks_judge.slo,),
    Limit: (checks_judge.limit,),
    Condition: (checks_judge.condition,),
    Trigger: (checks_judge.condition, checks_judge.trigger),
    Step: (checks_team.step_roles, checks_verbs.step, checks_pace.step),
}


def run(walker: Walker, bones: Skeleton, registry: Registry) -> None:
    """Adds the problems of the whole playbook to the walker's collector."""
    rules = Rules(walker.problems, bones, registry)
    for visit in walker.visits:
        for rule in _BY_STRUCT.get(visit.cls, ()):
            rule(rules, visit)
