"""The bones of a playbook, read leniently from its nodes: stages, steps, their order, and who comes before whom.

The strict checker reports whatever is malformed; this takes what is well formed, so that names and order can be checked
in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from amplify_tui.playbook.registry import Registry
from amplify_tui.playbook.yaml import Map, Node, Scalar, Seq, plain

ROLLBACK_LISTS: Final = ("before", "after", "integrity", "reconcile")


@dataclass(frozen=True, slots=True, eq=False)
class StepBone:
    """A step with an id. stage: the id of its stage, or "rollback". needs: None where the key is not given."""

    id: str
    stage: str
    node: Map
    index: int
    verb: str | None
    needs: tuple[Scalar, ...] | None
    previous: str | None

    @property
    def fields(self) -> Node | None:
        return self.node.items.get(self.verb) if self.verb else None

    @property
    def in_background(self) -> bool:
        """A monitor that is not over when the step below it begins; also one of which only the run will know."""
        fields = self.fields
        if self.verb != "monitor" or not isinstance(fields, Map) or "background" not in fields.items:
            return False
        return plain(fields.items["background"]) is not False

    @property
    def each(self) -> dict[str, list[Any] | None]:
        """The names of `each` and their values; None where the values are not written out."""
        node = self.node.items.get("each")
        if not isinstance(node, Map):
            return {}
        return {k: plain(v) if isinstance(v, Seq) else None for k, v in node.items.items()}


@dataclass(frozen=True, slots=True, eq=False)
class StageBone:
    id: str
    node: Map
    needs: tuple[Scalar, ...] | None
    previous: str | None
    steps: list[StepBone] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Skeleton:
    """steps: those of the stages, by id; rollback: those of the rollback section. Of a duplicate the first counts."""

    root: Map
    stages: dict[str, StageBone] = field(default_factory=dict)
    steps: dict[str, StepBone] = field(default_factory=dict)
    rollback: dict[str, StepBone] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)  # step id -> the steps surely before it, a bit per index
    cycle: tuple[str, ...] = ()

    def section(self, name: str) -> dict[str, Node]:
        node = self.root.items.get(name)
        return node.items if isinstance(node, Map) else {}

    def is_before(self, earlier: StepBone, later: StepBone) -> bool:
        return bool(self.before.get(later.id, 0) >> earlier.index & 1)

    def find(self, name: str) -> StepBone | None:
        """The step that `id` or `stage.id` names."""
        stage, _, step = name.rpartition(".")
        found = self.steps.get(step)
        return found if found is not None and stage in ("", found.stage) else None


def skeleton(root: Map, registry: Registry) -> Skeleton:
    """The bones of the playbook in *root*, and the order of its steps."""
    bones = Skeleton(root)
    previous = None
    for node in _maps(root.items.get("stages")):
        name = _id(node)
        if name is None or name in bones.stages:
            continue
        stage = StageBone(name, node, _needs(node), previous)
        _steps(bones, bones.steps, node.items.get("steps"), name, registry, stage.steps)
        bones.stages[name] = previous_stage = stage
        previous = previous_stage.id
    for part in ROLLBACK_LISTS:
        rollback = bones.section("rollback")
        _steps(bones, bones.rollback, rollback.get(part), "rollback", registry, [])
    _order(bones)
    return bones


def _steps(
    bones: Skeleton, into: dict[str, StepBone], node: Node | None, stage: str, registry: Registry, also: list[StepBone]
) -> None:
    previous = None
    for item in _maps(node):
        name = _id(item)
        if name is None or name in bones.steps or name in bones.rollback:
            continue
        verb = next((key for key in item.items if key in registry), None)
        step = StepBone(name, stage, item, len(bones.steps) + len(bones.rollback), verb, _needs(item), previous)
        into[name] = step
        also.append(step)
        previous = name


def _maps(node: Node | None) -> Iterator[Map]:
    if isinstance(node, Seq):
        yield from (item for item in node.items if isinstance(item, Map))


def _id(node: Map) -> str | None:
    found = node.items.get("id")
    return found.value if isinstance(found, Scalar) and isinstance(found.value, str) else None


def _needs(node: Map) -> tuple[Scalar, ...] | None:
    found = node.items.get("needs")
    if not isinstance(found, Seq):
        return None
    return tuple(item for item in found.items if isinstance(item, Scalar) and isinstance(item.value, str))


def waits_for(bones: Skeleton, step: StepBone) -> tuple[str, ...]:
    """The steps that *step* directly waits for within or across stages; its stage's own needs come on top."""
    if step.needs is None:
        return (step.previous,) if step.previous else ()
    found = (bones.find(need.value) for need in step.needs)
    return tuple(dict.fromkeys(bone.id for bone in found if bone is not None))


def stage_waits_for(bones: Skeleton, stage: StageBone) -> tuple[str, ...]:
    """The stages that *stage* waits for."""
    if stage.needs is None:
        return (stage.previous,) if stage.previous else ()
    return tuple(dict.fromkeys(need.value for need in stage.needs if need.value in bones.stages))


def _passed(step: StepBone) -> tuple[str, str]:
    """The point at which the step below *step* may begin."""
    return ("began" if step.in_background else "step", step.id)


def _order(bones: Skeleton) -> None:
    """Fills `before`, or `cycle` where there is no order.

    A stage is three points: its start, its end, and where the stage below it may begin. They differ by its monitors in
    the background, each of which is two: it watches, and it is over. Who names one in `needs` waits for the second.
    """
    graph: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for stage in bones.stages.values():
        last = "end" if stage.needs is not None else "passed"
        graph["start", stage.id] = [(last, name) for name in stage_waits_for(bones, stage)]
        graph["end", stage.id] = [("start", stage.id), *(("step", step.id) for step in stage.steps)]
        graph["passed", stage.id] = [("start", stage.id), *(_passed(step) for step in stage.steps)]
        for step in stage.steps:
            found = [bones.steps[name] for name in waits_for(bones, step)]
            waits = [("step", one.id) if step.needs is not None else _passed(one) for one in found]
            begins = [("start", stage.id), *waits]
            graph["step", step.id] = [("began", step.id), *begins] if step.in_background else begins
            if step.in_background:
                graph["began", step.id] = begins
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        names = [name for _, name in error.args[1]]
        bones.cycle = tuple(name for i, name in enumerate(names) if i == 0 or names[i - 1] != name)
        return
    reach: dict[tuple[str, str], int] = {}
    for point in order:
        mask = 0
        for earlier in graph.get(point, ()):
            mask |= reach[earlier]
            if earlier[0] == "step":
                mask |= 1 << bones.steps[earlier[1]].index
        reach[point] = mask
        if point[0] == "step":
            bones.before[point[1]] = mask
