"""The port of the journal: values, errors, and what a store must do. No store, no SQL and no I/O lives here.

Who calls what:

| caller                     | uses                                                                      |
| -------------------------- | ------------------------------------------------------------------------- |
| conductor                  | `append`, `answer`, `read`, `head`; through lease.py `seen`, `take`, `beat`, `free` |
| `amplify show`             | `read`, `head`, `verify` of a reader                                      |
| attach, `show --verify`    | `tail_problem`, `verify` with the head that was kept outside the file     |

A body is opaque but for its links: canonical JSON of the envelope of states.md 4, where `seq` counts from 1 without a
gap and `prev` is the sha256 (hex) of the body before it (`GENESIS` for the first).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol

import msgspec
from msgspec import Struct

GENESIS: Final = "0" * 64
MAX_BODY: Final = 8 * 1024 * 1024  # half of the wire's longest answer, so that one event always fits into one line

Build = Callable[[int, str], bytes]
"""Builds one body from its seq and prev. May be called twice with equal arguments (a retry), so it must be pure."""


class JournalError(Exception):
    """A store could not do what was asked; `what` says what and where, `next` what a person does about it.

    JournalError
    ├── Missing       there is no journal at this place
    ├── Fenced        another holder has the lease: stop acting, nothing was written
    ├── LeaseHeld     the lease was wanted, its holder lives
    ├── DiskFull      no room, also not with the reserve
    ├── ReadOnly      this user or this file system may not write here
    ├── Locked        another process holds the write lock longer than we wait
    ├── Corrupt       the file is damaged or is not a journal
    └── NewerSchema   written by a newer Amplify

    Nothing of a refused append is in the journal: a store rolls back before it raises.
    """

    advice: ClassVar[str] = "Look at the log of the run, and at the disk it is on"

    def __init__(self, what: str, advice: str | None = None) -> None:
        self.what = what
        self.next = advice or self.advice
        super().__init__(f"{what}. {self.next}.")


class Missing(JournalError):
    """There is no journal at this place."""

    advice = "Check the run's name with `amplify runs`, and that AMPLIFY_HOME points to the same place as before"


class Fenced(JournalError):
    """Another holder has the lease. Stop acting at once: what was intended before is settled by the new holder."""

    advice = "Nothing to repair: another conductor drives this run; follow it with `amplify attach`"


class LeaseHeld(JournalError):
    """The lease was wanted, and its holder lives."""

    advice = "Follow the run with `amplify attach`; it is taken over only when its conductor is dead"


class DiskFull(JournalError):
    """No room is left, also not with the reserve. Readers that are open go on."""

    advice = "Free some space on that disk; the run goes on by itself at its next append"


class ReadOnly(JournalError):
    """This user, or this file system, may not write here."""

    advice = "Run as the user who started the run, or remount the file system so that it can be written"


class Locked(JournalError):
    """Another process holds the write lock for longer than we wait; a stopped process does that."""

    advice = "Find the process with `fuser` on that file; continue it (SIGCONT) or end it"


class Corrupt(JournalError):
    """The file is damaged, or is not what its name says. Never repaired in place."""

    advice = (
        "Keep the file; `amplify show --verify` says up to where it is sound, the run's card says how to undo by hand"
    )


class NewerSchema(JournalError):
    """Written by a newer Amplify; `found` is its schema, `known` the newest that this one reads."""

    def __init__(self, where: str, found: int, known: int) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"{where} has schema {found}, this Amplify knows up to {known}",
            "Use the Amplify that wrote it, or a newer one; nothing was changed",
        )


class Head(Struct, frozen=True):
    """The last event: its seq and the sha256 of its body. An empty journal is `Head(0, GENESIS)`."""

    seq: int
    sha: str


EMPTY: Final = Head(0, GENESIS)


class Lease(Struct, frozen=True):
    """The right to write one run's journal, as held since `epoch`. `holder` is opaque text, unique per taking."""

    run: str
    epoch: int
    holder: str


class Sight(Struct, frozen=True):
    """What an observer saw of the lease. `beat` is only a number that changes; beats of two clocks never compare."""

    epoch: int
    beat: int
    holder: str  # "" when the last holder gave it back


class Appended(Struct, frozen=True):
    """What one append did. `repeated`: the command was known, nothing was written, `answer` is its first answer."""

    head: Head
    bodies: tuple[bytes, ...]
    answer: bytes | None
    repeated: bool = False


class Verification(Struct, frozen=True):
    """Result of a walk over the chain: sound up to and including `seq`; `problem` is a sentence when not `ok`."""

    ok: bool
    seq: int
    problem: str | None = None


class ReadsJournal(Protocol):
    """What a reader of one run's journal can do. Every method may raise a JournalError."""

    @property
    def run(self) -> str:
        """The run whose journal this is."""

    @property
    def note(self) -> str | None:
        """A sentence when this view may miss the newest events, else None."""

    def read(self, after: int, limit: int = 1000) -> list[bytes]:
        """Bodies with seq > `after`, oldest first, at most `limit`; empty when there are none."""

    def head(self) -> Head:
        """The last event; `EMPTY` when there is none."""

    def answer(self, command: str) -> bytes | None:
        """The first answer to this command id, None when it was never journaled."""

    def verify(self, outside: Head | None = None) -> Verification:
        """Walk the whole chain, and compare with the head that was kept outside the store, where there is one."""

    def close(self) -> None:
        """Give back every handle. Closing twice is fine."""


class LeaseStore(Protocol):
    """The lease of one run. Only lease.py calls this."""

    @property
    def run(self) -> str:
        """The run whose lease this is."""

    def seen(self) -> Sight | None:
        """The lease as it is now; None when nobody ever held it."""

    def take(self, holder: str, saw: Sight | None) -> Lease | None:
        """Take the lease with the next epoch, if it still is exactly what was seen; else None and nothing changes."""

    def beat(self, lease: Lease) -> bool:
        """Say that the holder lives. False: the lease is lost, for good."""

    def free(self, lease: Lease) -> None:
        """Give the lease back, so that the next holder need not wait. Nothing happens when it was lost."""


class Journal(ReadsJournal, LeaseStore, Protocol):
    """One run's journal, with its lease and the answers to its commands, in one durable store."""

    def append(
        self,
        lease: Lease,
        events: Sequence[Build],
        *,
        command: str | None = None,
        answer: Callable[[Head], bytes] | None = None,
    ) -> Appended:
        """Add all `events`, or none, in one durable transaction; each is built with its own seq and prev.

        With `command`, the answer (computed from the new head) is stored under that id in the same transaction; a
        command that is already known writes nothing and comes back with `repeated` and its first answer. `events`
        may then be empty: that is how a refusal is remembered. Raises Fenced when `lease` is not the current one,
        and ValueError (our bug) when a body does not carry the seq, prev, run and epoch it was given.
        """


class Link(Struct):
    """The fields of an envelope that hold the chain together."""

    seq: int
    prev: str
    run: str | None = None
    epoch: int | None = None


_LINK = msgspec.json.Decoder(Link)


def link_of(body: bytes) -> Link:
    """The links of a body. Raises msgspec.DecodeError when it is no envelope."""
    return _LINK.decode(body)


def sha_of(body: bytes) -> str:
    """The hex sha256 of a body: the `prev` of its successor."""
    return hashlib.sha256(body).hexdigest()


def build_chain(lease: Lease, head: Head, events: Sequence[Build]) -> tuple[Head, tuple[bytes, ...]]:
    """Build the bodies that follow `head`, each linked to the one before. Raises ValueError on a wrong link."""
    bodies: list[bytes] = []
    for build in events:
        seq = head.seq + 1
        body = build(seq, head.sha)
        link = link_of(body)
        if (link.seq, link.prev) != (seq, head.sha):
            raise ValueError(f"event {seq} was built with seq {link.seq} and prev {link.prev[:12]}…")
        if link.run not in {None, lease.run} or link.epoch not in {None, lease.epoch}:
            raise ValueError(f"event {seq} names run {link.run} epoch {link.epoch}, the lease is {lease}")
        if b"\n" in body or len(body) > MAX_BODY:
            raise ValueError(f"event {seq} has {len(body)} bytes or a newline; at most {MAX_BODY} bytes on one line")
        bodies.append(body)
        head = Head(seq, sha_of(body))
    return head, tuple(bodies)


def tail_problem(journal: ReadsJournal, outside: Head | None) -> str | None:
    """A sentence when the journal lost or changed what the outside head saw, else None. Reads one event, at most.

    A hash chain cannot see that its tail is missing; this can. Whoever finds a problem treats every effect as unknown.
    """
    if outside is None or outside.seq == 0:
        return None
    head = journal.head()
    if head.seq < outside.seq:
        return (
            f"the journal went back: it ends at event {head.seq}, but event {outside.seq} was once written; "
            f"what was done after event {head.seq} is unknown"
        )
    found = journal.read(outside.seq - 1, 1)
    if not found or sha_of(found[0]) != outside.sha:
        return f"event {outside.seq} is not the one that was written: its hash differs from the one kept outside"
    return None


def verify_chain(journal: ReadsJournal, outside: Head | None) -> Verification:
    """Walk every event of `journal` and compare the end with `outside`. Stops at the first problem."""
    seq, sha, epoch = 0, GENESIS, 0
    while bodies := journal.read(seq):
        for body in bodies:
            problem, epoch = _broken_link(body, Head(seq, sha), epoch, journal.run)
            if problem is not None:
                return Verification(False, seq, problem)
            seq, sha = seq + 1, sha_of(body)
    problem = tail_problem(journal, outside)
    return Verification(problem is None, seq, problem)


def _broken_link(body: bytes, before: Head, epoch: int, run: str) -> tuple[str | None, int]:
    """What is wrong with the event after `before` (None: nothing), and the epoch it was written in."""
    place = f"event {before.seq + 1}"
    try:
        link = link_of(body)
    except msgspec.DecodeError as error:
        return f"{place} cannot be read: {error}", epoch
    now = epoch if link.epoch is None else link.epoch
    if link.seq != before.seq + 1:
        return f"{place} is missing: event {link.seq} stands in its place", now
    if link.prev != before.sha:
        return f"{place} does not follow event {before.seq}: one of the two was changed", now
    if link.run not in {None, run}:
        return f"{place} belongs to run {link.run}, not to {run}", now
    if now < epoch:
        return f"{place} was written in epoch {now}, after epoch {epoch} had begun", now
    return None, now
