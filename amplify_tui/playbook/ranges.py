"""Version ranges as node-semver reads them, on python-semver's Version (which has none itself).

`^1.2`, `~1.2.3`, `>=1 <2`, `1.x`, `1.2 - 2`, `a || b`. The prerelease rule is npm's: a prerelease satisfies a range
only where a comparator of the same major.minor.patch names a prerelease itself.
Source: https://github.com/npm/node-semver#ranges
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from semver import Version

_XR: Final = r"0|[1-9][0-9]{0,15}|[xX*]"
_PRE: Final = r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
_PARTIAL: Final = re.compile(rf"v?(?P<major>{_XR})(?:\.(?P<minor>{_XR})(?:\.(?P<patch>{_XR}){_PRE})?)?\Z")
_HYPHEN: Final = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*\Z")
_COMPARATOR: Final = re.compile(r"(\^|~>?|>=|<=|>|<|=|)\s*(\S+)\s*")
MAX_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Comparator:
    """`op` one of >= > < <= =."""

    op: str
    version: Version

    def admits(self, version: Version) -> bool:
        order = version.compare(self.version)
        match self.op:
            case ">=":
                return order >= 0
            case ">":
                return order > 0
            case "<=":
                return order <= 0
            case "<":
                return order < 0
        return order == 0


@dataclass(frozen=True, slots=True)
class Range:
    """Alternatives, each a list of comparators that must all admit a version."""

    text: str
    alternatives: tuple[tuple[Comparator, ...], ...]

    def admits(self, version: Version) -> bool:
        return any(_admits(comparators, version) for comparators in self.alternatives)


def satisfies(version: str, range: str) -> bool:  # noqa: A002 - the word of the format
    """Whether *version* lies in *range*. Raises ValueError with a sentence where one of them cannot be read."""
    wanted = parse_range(range)
    try:
        parsed = Version.parse(version)
    except ValueError:
        raise ValueError(f'"{version[:60]}" is no semantic version (like 2.4.0)') from None
    return wanted.admits(parsed)


def parse_range(range: str) -> Range:  # noqa: A002 - the word of the format
    """The range in a text. Raises ValueError with a sentence that names the part that cannot be read."""
    if len(range) > MAX_CHARS:
        raise ValueError(f"a range has at most {MAX_CHARS} characters")
    return Range(range, tuple(_alternative(part) for part in range.split("||")))


@dataclass(frozen=True, slots=True)
class _Partial:
    """A version with parts left out: None is x."""

    major: int | None
    minor: int | None
    patch: int | None
    pre: str | None

    def floor(self) -> Version:
        return Version(self.major or 0, self.minor or 0, self.patch or 0, self.pre)

    def after(self) -> Version:
        """The first version behind everything the partial stands for; only where major is given."""
        assert self.major is not None
        if self.minor is None:
            return _below(self.major + 1, 0, 0)
        if self.patch is None:
            return _below(self.major, self.minor + 1, 0)
        return _below(self.major, self.minor, self.patch + 1)


def _below(major: int, minor: int, patch: int) -> Version:
    """The lowest prerelease: an upper bound that lets no prerelease of that version in."""
    return Version(major, minor, patch, "0")


_NOTHING: Final = (Comparator("<", Version(0, 0, 0, "0")),)


def _admits(comparators: tuple[Comparator, ...], version: Version) -> bool:
    if not all(comparator.admits(version) for comparator in comparators):
        return False
    if version.prerelease is None:
        return True
    return any(
        c.version.prerelease is not None and c.version.to_tuple()[:3] == version.to_tuple()[:3] for c in comparators
    )


def _alternative(text: str) -> tuple[Comparator, ...]:
    hyphen = _HYPHEN.match(text)
    if hyphen:
        low, high = _partial(hyphen.group(1), text), _partial(hyphen.group(2), text)
        return (*_compare(">=", low), *_compare("<=", high))
    found: list[Comparator] = []
    at = len(text) - len(text.lstrip())
    while at < len(text):
        match = _COMPARATOR.match(text, at)
        if match is None:
            raise ValueError(f'"{text[at:].strip()[:60]}" is an operator without a version')
        found += _compare(match.group(1), _partial(match.group(2), text))
        at = match.end()
    return tuple(found)


def _partial(text: str, whole: str) -> _Partial:
    match = _PARTIAL.match(text)
    if match is None:
        raise ValueError(f'"{text[:60]}" in the range "{whole.strip()[:60]}" is no version or part of one')
    if match["pre"] is not None and not Version.is_valid(f"0.0.0-{match['pre']}"):
        raise ValueError(f'"{match["pre"][:60]}" is no prerelease')
    parts: list[int | None] = []
    for name in ("major", "minor", "patch"):
        given = match[name]
        known = given is not None and given not in "xX*" and None not in parts
        parts.append(int(given) if known else None)
    return _Partial(parts[0], parts[1], parts[2], match["pre"] if parts[2] is not None else None)


def _compare(op: str, partial: _Partial) -> tuple[Comparator, ...]:
    """The comparators that an operator on a partial version stands for."""
    floor = partial.floor()
    if partial.major is None:
        return _NOTHING if op in ("<", ">") else (Comparator(">=", Version(0, 0, 0)),)
    whole = partial.patch is not None
    match op:
        case "^":
            return (Comparator(">=", floor), Comparator("<", _caret(partial)))
        case "~" | "~>":
            upper = partial.after() if partial.minor is None else _below(partial.major, partial.minor + 1, 0)
            return (Comparator(">=", floor), Comparator("<", upper))
        case "<":
            return (Comparator("<", floor if whole else _below(floor.major, floor.minor, 0)),)
        case ">=":
            return (Comparator(">=", floor),)
        case "<=":
            return (Comparator("<=", floor) if whole else Comparator("<", partial.after()),)
        case ">":
            if whole:
                return (Comparator(">", floor),)
            after = partial.after()
            return (Comparator(">=", Version(after.major, after.minor, after.patch)),)
    if whole:
        return (Comparator("=", floor),)
    return (Comparator(">=", floor), Comparator("<", partial.after()))


def _caret(partial: _Partial) -> Version:
    """Up to the next change of the leftmost part that is not zero."""
    major, minor, patch = partial.major or 0, partial.minor, partial.patch
    if major > 0 or minor is None:
        return _below(major + 1, 0, 0)
    if minor > 0 or patch is None:
        return _below(0, minor + 1, 0)
    return _below(0, 0, patch + 1)
