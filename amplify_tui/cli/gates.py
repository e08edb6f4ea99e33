"""The gate of a step as a playbook has it, without a run: its terms, its bake, and the signals that are asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from amplify_tui.cli.errors import Failure
from amplify_tui.playbook.context import Context
from amplify_tui.playbook.document import Document
from amplify_tui.playbook.model import Playbook, Release, Signal, Step
from amplify_tui.playbook.resolve import Unresolved, resolve_fields, resolve_section
from amplify_tui.steps.registry import specs
from amplify_tui.steps.terms import terms
from amplify_tui.verdict.model import Term
from amplify_tui.verdict.promises import compared_with

GATES: Final = {"rollout": ("gate", "bake"), "monitor": ("gate", "for_"), "verify": ("conditions", "for_")}
_ANY: Final = Release(repo=".", version="0.0.0", environment="")  # no gate asks for it


class Gate(Struct, frozen=True, kw_only=True):
    """What a phase is judged by. bake: seconds, of the first phase. left_out: what recorded readings cannot
    tell, as built-ins, which ask the world."""

    terms: tuple[Term, ...]
    bake: float
    signals: Mapping[str, Signal]
    left_out: tuple[str, ...] = ()

    @property
    def asks(self) -> set[str]:
        """The names of the signals that its terms ask for."""
        return {term.condition.signal for term in self.terms if term.condition and term.condition.signal}

    def told_by(self, signals: Collection[str]) -> Gate:
        """The gate with those terms only of whose signals there are readings."""
        there = [bool(term.condition and term.condition.signal in signals) for term in self.terms]
        kept = tuple(term for term, is_there in zip(self.terms, there, strict=True) if is_there)
        left = tuple(term.id for term, is_there in zip(self.terms, there, strict=True) if not is_there)
        return replace(self, terms=kept, left_out=(*left, *self.left_out))


def names_of(document: Document, inputs: Mapping[str, Any]) -> Context:
    """The names that a section may use without a run: the inputs that were given or have a default."""
    given = {name: inputs.get(name, spec.default) for name, spec in document.inputs.items()}
    return Context({"inputs": {name: value for name, value in given.items() if value is not None}})


def _asking(document: Document, names: Context) -> dict[str, Any]:
    """The sections that may ask for sequential tests: all of a release share one chance of a false fail."""
    keys = [key for key in ("stages", "rollback") if key in document.raw]
    return {"stages": ()} | {key: resolve_section(document, key, names) for key in keys}


def gate_of(document: Document, step_id: str, inputs: Mapping[str, Any]) -> Gate:
    """The gate of a step, with the inputs that were given or have a default. Raises Failure (exit 2)."""
    bone = document.bones.steps.get(step_id)
    if bone is None:
        known = ", ".join(name for name, one in document.bones.steps.items() if one.verb in GATES)
        raise Failure(f"there is no step {step_id}", why=f"steps with a gate: {known}", next_="name one", code=2)
    if bone.verb not in GATES:
        next_ = f"name a step with one of {', '.join(GATES)}"
        raise Failure(f"step {step_id} has no gate", why=f"it is a {bone.verb}", next_=next_, code=2)
    names = names_of(document, inputs)
    try:
        signals = resolve_section(document, "signals", names)
        fields = resolve_fields(document, Step(id=step_id, verb=bone.verb, fields=None), names, specs())
        asking = _asking(document, names)
    except Unresolved as error:
        why = "; ".join(f"line {one.line}: {one.message}" for one in error.problems[:3])
        raise Failure(f"the gate of {step_id} is not known", why=why, next_="give it with --set", code=2) from error
    asked, lasting = (getattr(fields, name) for name in GATES[bone.verb])
    book = Playbook(name=document.name, release=_ANY, signals=signals, **asking)
    found = terms(asked, book)
    told = tuple(term for term in found if not _untold(term))
    if not told:
        next_ = "give its gate a signal, with a limit or a control"
        why = "built-ins ask the world, and comparisons with the past ask the source about it"
        raise Failure(f"the gate of {step_id} asks for no signal of now", why=why, next_=next_, code=2)
    return Gate(
        terms=told,
        bake=lasting[0] if isinstance(lasting, tuple) else lasting,
        signals=signals,
        left_out=tuple(_untold(term) for term in found if _untold(term)),
    )


def _untold(term: Term) -> str:
    """What recorded readings of a time cannot tell: a built-in, and a comparison with a time before; "" of the rest."""
    if term.condition is None:
        return term.id
    other = compared_with(term)
    if other in ("", "control"):
        return ""
    return term.id if other in term.id else f"{term.id} (compares with {other})"
