"""Who may write a run's journal: taking, keeping and giving back its lease. No effect and no event is made here.

Two proofs that a holder is dead, and no third:

1. The flock of the run's lock file can be taken, and the holder was on this host: the kernel frees it at death.
2. (epoch, beat) stayed the same for a whole TTL **of our own monotonic clock**. Beats of two clocks are never compared.
   If the silent holder is a process of this host (stopped, or hung), it is killed first: stopped inside a transaction
   it would block the journal for ever.

The lease fences the journal, not the world: ask `still_mine` right before each effect. It beats, so from then on
a watcher must watch for a whole TTL; an effect whose deadline is shorter than the TTL is over before a takeover.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec import Struct

from amplify_tui.engine.journal import DiskFull, Fenced, Lease, LeaseHeld, LeaseStore, Locked, Sight
from amplify_tui.engine.proc import FileLock, Mark, kill, lives, this_process

TTL_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_NOBODY: Final = Sight(epoch=0, beat=0, holder="")

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Holder(Struct, frozen=True):
    """What stands in the lease row: the process, and a number that tells two takings by one process apart."""

    mark: Mark
    taking: int


def holder_text(mark: Mark) -> str:
    """A text for the lease row that names `mark` and is unique per call."""
    return msgspec.json.encode(Holder(mark=mark, taking=time.time_ns())).decode()


def holder_mark(sight: Sight | None) -> Mark | None:
    """The process that the lease names; None when it was given back or cannot be read."""
    if sight is None or not sight.holder:
        return None
    try:
        return msgspec.json.decode(sight.holder, type=Holder).mark
    except msgspec.DecodeError:
        return None


class Watch:
    """Observes one lease; pure, with the observer's own monotonic seconds as an argument."""

    def __init__(self, ttl: float = TTL_SECONDS) -> None:
        self._ttl = ttl
        self._seen: tuple[int, int] | None = None
        self._since = 0.0
        self.beats = 0

    def look(self, sight: Sight, now: float) -> bool:
        """True when the lease was seen unchanged for a whole TTL; `beats` counts the changes seen before."""
        seen = (sight.epoch, sight.beat)
        if seen != self._seen:
            self.beats += self._seen is not None
            self._seen, self._since = seen, now
            return False
        return now - self._since >= self._ttl


class Keeper:
    """This process's hold on one run: its lease, and the flock that dies with it."""

    def __init__(self, store: LeaseStore, lock: FileLock, lease: Lease) -> None:
        self.lease = lease
        self._store = store
        self._lock = lock
        self._lost = False

    def still_mine(self) -> bool:
        """Beat, and say whether the lease is still ours. Ask right before each effect; once False, always False.

        Raises a JournalError when the store cannot be written: then it is not known, and nothing may be done.
        """
        self._lost = self._lost or not self._store.beat(self.lease)
        return not self._lost

    async def beat_until_lost(self, every: float = BEAT_SECONDS, sleep: Sleep = asyncio.sleep) -> None:
        """Beat for as long as the lease is ours, then raise Fenced. Run it in the conductor's task group.

        A full disk or a locked file ends no conductor: the next beat may get through, and until one does every
        `still_mine` raises, so nothing is done in the meantime.
        """
        while True:
            try:
                if not self.still_mine():
                    raise Fenced(f"run {self.lease.run}: epoch {self.lease.epoch} is over, the lease was taken")
            except (DiskFull, Locked):
                pass
            await sleep(every)

    def release(self) -> None:
        """Give back lease and flock: the next holder need not wait. The keeper is of no use afterwards."""
        try:
            if not self._lost:
                self._lost = True
                self._store.free(self.lease)
        finally:
            self._lock.release()


def acquire(store: LeaseStore, lock: FileLock) -> Keeper:
    """Take a lease that nobody holds: epoch 1 of a new run, or one that was given back. Never waits.

    Raises LeaseHeld when it is held, also by a dead holder: that is `take_over`'s business.
    """
    sight = store.seen()
    if not lock.take():
        raise _held(store.run, lock.holder())
    if sight is None or not sight.holder:
        return _take(store, lock, sight)
    lock.release()
    raise _held(store.run, holder_mark(sight))


async def hold(store: LeaseStore, lock: FileLock) -> Keeper:
    """Take the lease, by takeover where its holder is dead. Raises LeaseHeld as `take_over` does."""
    try:
        return acquire(store, lock)
    except LeaseHeld:
        return await take_over(store, lock)


async def take_over(
    store: LeaseStore,
    lock: FileLock,
    *,
    ttl: float = TTL_SECONDS,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> Keeper:
    """Take the lease of a run whose conductor is dead, stopped or gone; the epoch grows by one.

    At once when the holder gave it back or died on this host; after a TTL of silence when it is stopped here (then it
    is killed) or was on another host. Raises LeaseHeld when the holder beats, or when a silent one cannot be ended.
    """
    watch = Watch(ttl)
    while True:
        sight = store.seen()
        locked = lock.take()
        if locked and _is_proven_dead(sight):
            return _take(store, lock, sight)
        try:
            # A holder of the flock that has not taken its first lease yet is watched like one that does not beat.
            silent = watch.look(sight or _NOBODY, clock())
            if watch.beats:
                raise _held(store.run, holder_mark(sight))
            if silent:
                if not locked:
                    await _end(store.run, lock, ttl, clock, sleep)
                return _take(store, lock, sight)
            await sleep(_LOOK_SECONDS)
        except BaseException:
            lock.release()
            raise


def _is_proven_dead(sight: Sight | None) -> bool:
    """With the flock in our hands: free, or held by a process of this host that the kernel says is gone."""
    if sight is None or not sight.holder:
        return True
    mark = holder_mark(sight)
    return mark is not None and mark.host == socket.gethostname() and not lives(mark)


async def _end(run: str, lock: FileLock, ttl: float, clock: Clock, sleep: Sleep) -> None:
    """Kill the process of this host that sits on the flock and does not beat, and take the flock from it."""
    mark = lock.holder()
    if mark is None or not kill(mark):
        raise _held(run, mark)
    until = clock() + ttl
    while not lock.take():  # the kernel frees it when the process is gone
        if clock() >= until:
            raise _held(run, mark)
        await sleep(_LOOK_SECONDS / 10)


def _take(store: LeaseStore, lock: FileLock, sight: Sight | None) -> Keeper:
    """Take what was seen; someone else may have been faster."""
    try:
        lease = store.take(holder_text(this_process()), sight)
        if lease is None:
            raise _held(store.run, holder_mark(store.seen()))
    except BaseException:
        lock.release()
        raise
    return Keeper(store, lock, lease)


def _held(run: str, mark: Mark | None) -> LeaseHeld:
    who = f"process {mark.pid} on {mark.host}" if mark else "a process that left no name"
    return LeaseHeld(f"run {run} is driven by {who}")
