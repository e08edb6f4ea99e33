"""Whether a regular expression surely ends: Python's have no timeout, and a conductor that waits for one cannot brake.

A match that fails tries every way in which the text could have been read. Where a loop can read the same text in two
ways their number doubles with each letter: `(a+)+`, `(\\w+\\s?)*`, `(a|ab?)*`. So the expression is read as an
automaton, one state a letter that it may consume (Glushkov's), and refused where a state leads back to itself by two
ways over the same text (the criterion of Weber and Seidl, 1991), or where more than LOOPS loops stand one after the
other that may share one text between them: that costs a power of its length. What refers back to a group is refused.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]  # the parser behind re.compile; it has no stubs
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterable, Iterator
from typing import Any, Final

LOOPS: Final = 2
STATES: Final = 400  # an expression of more letters than that is nobody's to judge
IN_LOOPS: Final = 60
_SAMPLES: Final = "aZ09_- \n\t.:/@\u00e9\u4e2d\u0663"

Letters = frozenset[str]


class _Endless(Exception):
    """The sentence why."""


def endless(pattern: str) -> str:
    """Why *pattern*, which compiles, may take for ever on a text of a stranger; "" where it surely ends soon."""
    try:
        _judge(parser.parse(pattern), _alphabet(pattern))
    except _Endless as why:
        return str(why)
    except RecursionError:
        return "it is nested too deeply"
    return ""


def _alphabet(pattern: str) -> str:
    """Letters that tell the expression's sets apart: those it is written with, their neighbours, some of each kind."""
    near = {chr(min(max(ord(c) + by, 0), 0x10FFFF)) for c in pattern for by in (-1, 0, 1)}
    return "".join(sorted(near | set(_SAMPLES) | {c.swapcase()[:1] for c in pattern}))


class _Automaton:
    """What stands where: the letters of each state, and which state may follow which."""

    def __init__(self, alphabet: str, flags: int) -> None:
        self.alphabet = alphabet
        self.flags = flags
        self.letters: list[Letters] = []
        self.follow: list[set[int]] = []

    def state(self, letters: Letters) -> int:
        if len(self.letters) >= STATES:
            raise _Endless(f"it has more than {STATES} letters, too many to be sure that it ends")
        self.letters.append(letters)
        self.follow.append(set())
        return len(self.letters) - 1

    def link(self, before: Iterable[int], after: Iterable[int], *, is_loop: bool = False) -> None:
        for one in before:
            for other in after:
                if is_loop and other in self.follow[one]:
                    raise _Endless("it repeats what is repeated already, so that one text can be read in many ways")
                self.follow[one].add(other)


def _judge(tree: Any, alphabet: str) -> None:
    machine = _Automaton(alphabet, tree.state.flags)
    _build(machine, tree)
    reach = _reach(machine.follow)
    loops = _loops(reach)
    if sum(map(len, loops)) > IN_LOOPS * 4 or any(len(loop) > IN_LOOPS for loop in loops):
        raise _Endless("its loops are too long to be sure that it ends")
    for loop in loops:
        if _is_ambiguous(machine, loop):
            raise _Endless("a part that repeats can read the same text in two ways")
    if _longest_chain(machine, reach, loops) > LOOPS:
        raise _Endless(f"more than {LOOPS} repeated parts, one after the other, can share the same text")


Part = tuple[bool, set[int], set[int]]  # whether it may be empty, its first states, its last ones


def _build(machine: _Automaton, items: Any) -> Part:
    """The states of a sequence, linked."""
    empty, first, last = True, set[int](), set[int]()
    for code, value in items:
        may_be_empty, begins, ends = _item(machine, code, value)
        machine.link(last, begins)
        first |= begins if empty else set()
        last = ends | (last if may_be_empty else set())
        empty = empty and may_be_empty
    return empty, first, last


def _item(machine: _Automaton, code: Any, value: Any) -> Part:
    if code in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
        made = machine.state(_letters(machine, code, value))
        return False, {made}, {made}
    if code is op.SUBPATTERN:
        return _build(machine, value[3])
    if code is op.ATOMIC_GROUP:
        return _build(machine, value)
    if code is op.BRANCH:
        parts = [_build(machine, branch) for branch in value[1]]
        free = [branch for part, branch in zip(parts, value[1], strict=True) if part[0] and not _only_places(branch)]
        if len(free) > 1:
            raise _Endless("two of its alternatives may be empty")
        return any(p[0] for p in parts), set().union(*(p[1] for p in parts)), set().union(*(p[2] for p in parts))
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return _repeat(machine, *value)
    if code in (op.ASSERT, op.ASSERT_NOT):
        _judge_inner(machine, value[1])
        return True, set(), set()
    if code is op.AT:
        return True, set(), set()
    raise _Endless("it refers back to a group")


def _only_places(branch: Any) -> bool:
    """Whether it is nothing but anchors, of which the text decides which one holds."""
    return len(branch) > 0 and all(code is op.AT for code, _ in branch)


def _repeat(machine: _Automaton, least: int, most: int, body: Any) -> Part:
    """How often does not matter here, but that it may be more than once."""
    empty, first, last = _build(machine, body)
    if most > 1:
        if empty and first:
            raise _Endless("a part that repeats may be empty")
        machine.link(last, first, is_loop=True)
    return empty or least == 0, first, last


def _judge_inner(machine: _Automaton, body: Any) -> None:
    """What is only looked at has an automaton of its own."""
    inner = parser.SubPattern(parser.State(), list(body))
    inner.state.flags = machine.flags
    _judge(inner, machine.alphabet)


def _letters(machine: _Automaton, code: Any, value: Any) -> Letters:
    found = frozenset(c for c in machine.alphabet if _holds(c, code, value, machine.flags))
    return found or frozenset("?")  # of what no letter meets nothing is known


def _holds(letter: str, code: Any, value: Any, flags: int) -> bool:
    if code is op.ANY:
        return True
    if code is op.NOT_LITERAL:
        return not _is(letter, value, value, flags)
    if code is op.LITERAL:
        return _is(letter, value, value, flags)
    negated = bool(value) and value[0][0] is op.NEGATE
    return any(_in_set(letter, kind, what, flags) for kind, what in value) is not negated


def _in_set(letter: str, kind: Any, what: Any, flags: int) -> bool:
    if kind is op.LITERAL:
        return _is(letter, what, what, flags)
    if kind is op.RANGE:
        return _is(letter, what[0], what[1], flags)
    if kind is op.CATEGORY:
        name = str(what).lower()
        is_word = letter.isalnum() or letter == "_"
        met = letter.isdecimal() if "digit" in name else letter.isspace() if "space" in name else is_word
        return met is not ("not" in name)
    return False


def _is(letter: str, low: int, high: int, flags: int) -> bool:
    forms = {letter, letter.lower(), letter.upper()} if flags & re.IGNORECASE else {letter}
    return any(len(form) == 1 and low <= ord(form) <= high for form in forms)


def _reach(follow: list[set[int]]) -> list[int]:
    """For each state the states that it leads to, as bits."""
    reach = [sum(1 << other for other in after) for after in follow]
    for middle in range(len(reach)):
        bit, more = 1 << middle, reach[middle]
        for one, seen in enumerate(reach):
            if seen & bit:
                reach[one] = seen | more
    return reach


def _loops(reach: list[int]) -> list[list[int]]:
    """The states that lead back to themselves, by loop."""
    found: list[list[int]] = []
    seen = 0
    for one, bits in enumerate(reach):
        if bits >> one & 1 and not seen >> one & 1:
            loop = [other for other in range(len(reach)) if bits >> other & 1 and reach[other] >> one & 1]
            seen |= sum(1 << other for other in loop)
            found.append(loop)
    return found


def _is_ambiguous(machine: _Automaton, loop: list[int]) -> bool:
    """Whether from one of its states two different ways over the same text lead back to it."""
    inside = set(loop)
    start = (loop[0], loop[0])
    ahead = _pairs(machine, inside, start)
    return any(one != other and start in _pairs(machine, inside, (one, other)) for one, other in ahead)


def _pairs(machine: _Automaton, inside: set[int], start: tuple[int, int]) -> set[tuple[int, int]]:
    """Where two ways can be that began at *start* and read the same text."""
    seen: set[tuple[int, int]] = set()
    todo = [start]
    while todo:
        one, other = todo.pop()
        for step in machine.follow[one] & inside:
            for beside in machine.follow[other] & inside:
                if (step, beside) not in seen and machine.letters[step] & machine.letters[beside]:
                    seen.add((step, beside))
                    todo.append((step, beside))
    return seen


def _longest_chain(machine: _Automaton, reach: list[int], loops: list[list[int]]) -> int:
    """How many loops can follow each other over one and the same text."""
    texts = [frozenset[str]().union(*(machine.letters[one] for one in loop)) for loop in loops]
    longest = [1] * len(loops)
    order = sorted(range(len(loops)), key=lambda i: -reach[loops[i][0]].bit_count())
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if set(loops[j]) & set(_over(machine, loops[i], texts[i] & texts[j])):
                longest[j] = max(longest[j], longest[i] + 1)
    return max(longest, default=0)


def _over(machine: _Automaton, loop: list[int], text: Letters) -> Iterator[int]:
    """The states that can be come to from a loop over letters of *text* alone."""
    seen: set[int] = set()
    todo = list(loop)
    while todo:
        for after in machine.follow[todo.pop()] - seen:
            if machine.letters[after] & text:
                seen.add(after)
                todo.append(after)
                yield after
