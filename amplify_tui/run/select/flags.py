"""The flags of the release, as the panel and the flags screen say them: the most urgent first, each with its age.

A flag is of the release when the conductor reads it, or the run has touched it. What cannot be read says so and has no
percentage: what was last known is history.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from amplify_tui.run.select.seen import seen_lines
from amplify_tui.run.select.tidy import tidy_flags, tidy_lines
from amplify_tui.run.select.words import NO_VALUE, Sign, age, percent, safe
from amplify_tui.run.select.world import Board, Panel, Row, fresh, read, readings, worst
from amplify_tui.run.shapes import Drift
from amplify_tui.run.state import State
from amplify_tui.verdict.flags import FlagEvent, FlagStory
from amplify_tui.verdict.model import FlagReading

STALE_FLAG: Final = 60.0  # a flag server is asked every 15 s at the least; four missed looks are old
UNREAD: Final = "nothing has been read of it yet"
UNTOLD: Final = "its rules are not told"

DRIFTED, UNSEEN, DIFFERS, ON, OFF = range(5)


class FlagRow(Struct, frozen=True, kw_only=True):
    """One flag: its state as a sign and a word, its share, its sentence, how far it is ours, and who changed it last.

    id: `source/name`. enabled: None where it cannot be read. rank: its urgency, DRIFTED first. note: why it cannot.
    """

    id: str
    source: str
    name: str
    sign: Sign
    word: str
    enabled: bool | None = None
    share: str
    says: str
    drift: str
    age: str
    by: str
    changed: str
    rank: int
    note: str = ""

    def contains(self, words: str) -> bool:
        """Whether every one of *words* is somewhere in what the row says, in whatever case."""
        text = " ".join((self.id, self.word, self.share, self.says, self.drift, self.by, self.note)).casefold()
        return all(word in text for word in words.casefold().split())


def flag_rows(state: State, board: Board, now: float) -> tuple[FlagRow, ...]:
    """Every flag of the release, the most urgent first, then by name."""
    return _rows(state, board, now, readings(board, "flag:", FlagReading))


def _rows(state: State, board: Board, now: float, seen: list[FlagReading]) -> tuple[FlagRow, ...]:
    drifts, ours = _drifts(state), _left_by_us(state)
    rows = [_row(state, board, now, flag, drifts, ours) for flag in seen]
    unread = {*ours, *state.exposure, *drifts} - {row.id for row in rows}
    rows += [_unread(flag, drifts.get(flag)) for flag in sorted(unread)]
    return tuple(sorted(rows, key=lambda row: (row.rank, row.name, row.source)))


def _drifts(state: State) -> dict[str, Drift]:
    return {hold.drift.flag: hold.drift for hold in state.holds.values() if hold.drift is not None}


def _left_by_us(state: State) -> dict[str, bool]:
    """Each flag that the run has touched, and whether it has left it somehow: one is finished, and none is open."""
    left: dict[str, bool] = {}
    held: set[str] = set()
    for effect in state.effects.values():
        if effect.target.kind == "flag":
            left[effect.target.id] = left.get(effect.target.id, False) or effect.status == "done"
            held |= {effect.target.id} if effect.is_open else set()
    return {flag: done and flag not in held for flag, done in left.items()}


def _row(
    state: State, board: Board, now: float, flag: FlagReading, drifts: dict[str, Drift], ours: dict[str, bool]
) -> FlagRow:
    id_ = f"{flag.source}/{flag.flag}"
    drift, last = drifts.get(id_), last_change(board, id_)
    word, _ = fresh(flag.status, flag.data_at, now, STALE_FLAG)
    known = flag.status == "ok" and flag.enabled is not None
    differs = known and word == "ok" and id_ in state.exposure and not _agrees(state.exposure[id_], flag)
    sign: Sign = "done" if flag.enabled else "later"
    shown, rank = ("on", ON) if flag.enabled else ("off", OFF)
    if not known or word != "ok":
        sign, shown, rank = "unknown", _unseen(flag, word), UNSEEN
    elif differs:
        rank = DIFFERS
    seen = rank != UNSEEN
    if drift is not None:
        sign, shown, rank = "held", "drifted", DRIFTED
    return FlagRow(
        id=id_,
        source=safe(flag.source, 40),
        name=safe(flag.flag, 120),
        sign=sign,
        word=shown,
        enabled=flag.enabled if known else None,
        share=_share(flag) if known else NO_VALUE,
        says=_says(board, id_, flag) if known else safe(flag.note or UNREAD),
        drift=drift_words(drift) if drift else _ours(state, id_, differs=differs, left=ours.get(id_, False) and seen),
        age=age(flag.data_at, now),
        by=safe(last.by, 80) if last else "",
        changed=age(last.at, now) if last else NO_VALUE,
        rank=rank,
        note=safe(flag.note, 200),
    )


def _unread(flag: str, drift: Drift | None) -> FlagRow:
    source, _, name = flag.partition("/")
    return FlagRow(
        id=flag,
        source=safe(source, 40),
        name=safe(name, 120),
        sign="held" if drift else "unknown",
        word="drifted" if drift else "no data",
        share=NO_VALUE,
        says=UNREAD,
        drift=drift_words(drift) if drift else NO_VALUE,
        age=NO_VALUE,
        by="",
        changed=NO_VALUE,
        rank=DRIFTED if drift else UNSEEN,
    )


def _unseen(flag: FlagReading, word: str) -> str:
    """Why there is no value: lost, missing, old."""
    if flag.status == "error":
        return "lost"
    return "missing" if flag.status == "nodata" and flag.note else word


def _share(flag: FlagReading) -> str:
    return percent(flag.percent) if flag.enabled else "0 %"


def _says(board: Board, flag: str, reading: FlagReading) -> str:
    """The sentence of the rules, with the names of segments where the story is of the same state."""
    story = board.get(f"story:{flag}")
    if isinstance(story, dict) and story.get("fingerprint") == reading.fingerprint and story.get("says"):
        return safe(story["says"])
    return safe(reading.says or UNTOLD)


def last_change(board: Board, flag: str) -> FlagEvent | None:
    """Who changed the flag last, as far as its source has told."""
    story = board.get(f"story:{flag}")
    last = story.get("last") if isinstance(story, dict) else None
    try:
        return msgspec.convert(last, FlagEvent, strict=False) if last else None
    except msgspec.ValidationError:
        return None


def story_of(board: Board, flag: str) -> FlagStory | None:
    """What is known of a flag besides its reading."""
    return read(board, f"story:{flag}", FlagStory)


def drift_words(drift: Drift) -> str:
    """`25 % → 80 %`: from what we left to what it is."""
    left, now = percent(drift.left_percent), percent(drift.percent)
    return f"{left} → {now}" if left != now else "other rules"


def _ours(state: State, flag: str, *, differs: bool, left: bool) -> str:
    """Whether the flag is as the run left it; a dash where the run has left nothing to compare with."""
    if differs:
        return f"run: {percent(state.exposure[flag])}"
    return "none" if left else NO_VALUE


def _agrees(wanted: float, flag: FlagReading) -> bool:
    """Whether the flag server gives the flag to as many users as the run says."""
    seen = (flag.percent if flag.percent is not None else 100.0) if flag.enabled else 0.0
    return abs(wanted - seen) < 0.01


def poll_problems(board: Board) -> list[tuple[str, str]]:
    """Sources of flags that could not even be opened: name and why."""
    prefix = "poll:flags "
    found = [(key.removeprefix(prefix), board[key]) for key in sorted(board) if key.startswith(prefix)]
    return [(safe(name, 40), safe(raw.get("note", ""))) for name, raw in found if isinstance(raw, dict)]


def flags_panel(state: State, board: Board, now: float) -> Panel:
    """Every flag of the release, the most urgent first, with its percentage, and whether it is as we left it."""
    seen = readings(board, "flag:", FlagReading)
    rows, drifts = _rows(state, board, now, seen), _drifts(state)
    lines = tuple(line for row in rows for line in _panel_rows(state, board, row, drifts.get(row.id), now))
    lines += tuple(_of_the_code(board, {row.id for row in rows}))
    word, sign = worst([fresh(one.status, one.data_at, now, STALE_FLAG) for one in seen])
    word = "lost" if word == "error" else word
    if drifts and sign == "done":
        word, sign = "drifted", "held"
    if sign == "done" and any(line.sign == "failed" for line in lines):
        word, sign = "share off", "failed"
    if not rows and (problems := poll_problems(board)):
        word, sign = "lost", "unknown"
        lines = tuple(Row("unknown", name, NO_VALUE, note) for name, note in problems)
    oldest = min((one.data_at for one in seen), default=None)
    return Panel("FLAGS", rows[0].source[:20] if rows else "", age(oldest, now), word, sign, lines)


def _of_the_code(board: Board, shown: set[str]) -> Iterator[Row]:
    """Flags that the code asks for, and no step of the release touches: told where they want tidying up."""
    for flag in sorted(tidy_flags(board) - shown):
        for thing in tidy_lines(board, flag):
            yield Row("note", safe(flag.partition("/")[2], 40), thing.what)


def _panel_rows(state: State, board: Board, row: FlagRow, drift: Drift | None, now: float) -> Iterator[Row]:
    """The flag, and beneath it what is not as the run left it."""
    seen = row.enabled is not None
    notes = [row.word, row.age] if row.rank == UNSEEN else []
    sign: Sign = "unknown" if not seen or row.rank == UNSEEN else "done"
    told = row.enabled and row.says not in (f"{row.share} of users", "all users", UNTOLD)
    extra = " ".join([*notes, *([row.note[:60]] if row.note else [])])
    on = NO_VALUE if not seen else f"on {row.share}" if row.enabled else "off"
    yield Row(sign, row.name[:40], on, extra, more=row.says if told else "")
    if row.rank == DIFFERS:
        yield Row("note", "", f"the run says {percent(state.exposure[row.id])}", "they differ", part=True)
    if drift is not None:
        when = f" {age(drift.changed_at, now)} ago" if drift.changed_at is not None else ""
        who = f"{safe(drift.by, 40) or 'somebody else'}{when}"
        yield Row("held", "drift", who, safe(drift.what, 120), part=True)
    for one in seen_lines(board, row.id, now):
        yield Row(one.sign, "", one.text, one.extra, part=True)
    for thing in tidy_lines(board, row.id):
        yield Row("note", "", thing.what, part=True)
