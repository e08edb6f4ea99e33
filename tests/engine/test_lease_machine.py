"""Two conductors, random loss of the lease: no event with an old epoch, no gap, no two holders. Real files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amplify_tui.engine.journal import Fenced, Lease
from amplify_tui.engine.lease import Watch
from amplify_tui.engine.sqlite_journal import SqliteJournal
from tests.engine.engine_helpers import event

TTL = 10.0
WHO = st.sampled_from([0, 1])


class TwoConductors(RuleBasedStateMachine):
    """Each conductor has its own handle, its own view of what it holds and its own stopped clock or not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="amplify-machine-"))
        path = self.folder / "journal.db"
        self.journals = [SqliteJournal.create(path, "r-1"), SqliteJournal.create(path, "r-1")]
        self.believes: list[Lease | None] = [None, None]  # what each thinks it holds; it may be wrong
        self.watches = [Watch(TTL), Watch(TTL)]
        self.clocks = [0.0, 5000.0]  # no two clocks agree
        self.epochs: list[int] = []  # the true epoch at each append that got through
        self.true_epoch = 0
        self.takings = 0

    @rule(who=WHO, seconds=st.floats(0.1, 12.0))
    def time_passes(self, who: int, seconds: float) -> None:
        """For one of the two only: the other one is stopped."""
        self.clocks[who] += seconds

    @rule(who=WHO)
    def looks_and_perhaps_takes(self, who: int) -> None:
        sight = self.journals[who].seen()
        silent = sight is None or self.watches[who].look(sight, self.clocks[who])
        if silent or (sight is not None and not sight.holder):
            self.takings += 1
            lease = self.journals[who].take(f"{who}/{self.takings}", sight)
            assert lease is not None  # nothing happened since it looked
            assert lease.epoch == self.true_epoch + 1
            self.true_epoch = lease.epoch
            self.believes[who] = lease
            self.watches[who] = Watch(TTL)

    @rule(who=WHO)
    def looks_takes_late_and_loses(self, who: int) -> None:
        sight = self.journals[who].seen()
        other = self.believes[1 - who]
        if sight is not None and other is not None and self.journals[1 - who].beat(other):
            assert self.journals[who].take("late", sight) is None

    @rule(who=WHO)
    @precondition(lambda self: any(self.believes))
    def beats(self, who: int) -> None:
        lease = self.believes[who]
        if lease is not None:
            alive = self.journals[who].beat(lease)
            assert alive == (lease.epoch == self.true_epoch)
            if not alive:
                self.believes[who] = None

    @rule(who=WHO, count=st.integers(1, 4), command=st.booleans())
    @precondition(lambda self: any(self.believes))
    def appends(self, who: int, count: int, command: bool) -> None:
        lease = self.believes[who]
        if lease is None:
            return
        command_id = f"c-{len(self.epochs)}" if command else None
        try:
            self.journals[who].append(
                lease, [event(lease)] * count, command=command_id, answer=(lambda head: b"ok") if command else None
            )
        except Fenced:
            assert lease.epoch < self.true_epoch
            self.believes[who] = None
        else:
            assert lease.epoch == self.true_epoch
            self.epochs += [lease.epoch] * count

    @rule(who=WHO)
    @precondition(lambda self: any(self.believes))
    def gives_back(self, who: int) -> None:
        lease = self.believes[who]
        if lease is not None:
            self.journals[who].free(lease)
            self.believes[who] = None

    @rule(who=WHO)
    def crashes_and_opens_again(self, who: int) -> None:
        self.journals[who].close()
        self.journals[who] = SqliteJournal.open_writer(self.folder / "journal.db", "r-1")
        self.believes[who] = None
        self.watches[who] = Watch(TTL)

    @invariant()
    def every_event_was_written_by_the_holder_of_its_time(self) -> None:
        bodies = self.journals[0].read(0)
        assert [msgspec.json.decode(body)["epoch"] for body in bodies] == self.epochs
        assert self.journals[1].verify().ok

    def teardown(self) -> None:
        for journal in self.journals:
            journal.close()
        shutil.rmtree(self.folder)


TestTwoConductors = TwoConductors.TestCase
TestTwoConductors.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
