"""What every store of the journal must do. A store's test subclasses `JournalContract` and gives it `place`."""

from __future__ import annotations

from typing import Protocol

import pytest

from amplify_tui.engine.journal import EMPTY, Appended, Fenced, Head, Journal, Lease, sha_of
from tests.engine.engine_helpers import event, kinds


class Place(Protocol):
    """Where a store under test keeps its journals."""

    def create(self, run: str) -> Journal:
        """The journal of a new run."""

    def open(self, run: str) -> Journal:
        """Another handle to the journal of a run that exists, as another process would have it."""


def lease_of(journal: Journal, holder: str = "first") -> Lease:
    lease = journal.take(holder, journal.seen())
    assert lease is not None
    return lease


class JournalContract:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    @pytest.fixture
    def journal(self, place: Place) -> Journal:
        return place.create("r-1")

    def test_a_new_journal_is_empty_and_sound(self, journal: Journal) -> None:
        assert (journal.run, journal.head(), journal.read(0)) == ("r-1", EMPTY, [])
        assert journal.verify().ok
        assert journal.seen() is None

    def test_appended_events_are_read_in_order_and_linked(self, journal: Journal) -> None:
        lease = lease_of(journal)
        first = journal.append(lease, [event(lease, "A"), event(lease, "B")])
        second = journal.append(lease, [event(lease, "C")])
        bodies = journal.read(0)
        assert kinds(bodies) == ["A", "B", "C"]
        assert bodies == [*first.bodies, *second.bodies]
        assert second.head == journal.head() == Head(3, sha_of(bodies[-1]))
        assert journal.verify(second.head).ok
        assert journal.verify(second.head).seq == 3

    def test_reading_goes_on_after_a_seq_and_stops_at_the_limit(self, journal: Journal) -> None:
        lease = lease_of(journal)
        journal.append(lease, [event(lease, kind) for kind in "ABCDE"])
        assert kinds(journal.read(1, 2)) == ["B", "C"]
        assert journal.read(5) == []

    def test_what_one_handle_appended_another_reads(self, journal: Journal, place: Place) -> None:
        lease = lease_of(journal)
        journal.append(lease, [event(lease, "A")])
        other = place.open("r-1")
        assert kinds(other.read(0)) == ["A"]
        journal.append(lease, [event(lease, "B")])
        assert other.head() == journal.head()

    def test_a_command_is_answered_once_and_repeated_without_an_event(self, journal: Journal) -> None:
        lease = lease_of(journal)
        assert journal.answer("c-1") is None
        made = journal.append(lease, [event(lease, "A")], command="c-1", answer=lambda head: b"at %d" % head.seq)
        assert (made.answer, made.repeated, journal.answer("c-1")) == (b"at 1", False, b"at 1")
        again = journal.append(lease, [event(lease, "A")], command="c-1", answer=lambda head: b"at %d" % head.seq)
        assert again == Appended(head=made.head, bodies=(), answer=b"at 1", repeated=True)
        assert journal.head().seq == 1

    def test_a_refusal_is_remembered_without_an_event(self, journal: Journal) -> None:
        lease = lease_of(journal)
        journal.append(lease, [], command="c-1", answer=lambda head: b"no")
        assert (journal.answer("c-1"), journal.head()) == (b"no", EMPTY)

    def test_a_failure_while_building_leaves_nothing(self, journal: Journal) -> None:
        lease = lease_of(journal)

        def broken(seq: int, prev: str) -> bytes:
            raise RuntimeError("cannot build")

        with pytest.raises(RuntimeError):
            journal.append(lease, [event(lease), broken], command="c-1", answer=lambda head: b"")
        assert (journal.head(), journal.answer("c-1")) == (EMPTY, None)
        journal.append(lease, [event(lease)])
        assert journal.head().seq == 1

    def test_a_body_with_a_foreign_link_is_refused(self, journal: Journal) -> None:
        lease = lease_of(journal)
        stranger = Lease(run=lease.run, epoch=lease.epoch + 1, holder="x")
        for wrong in (lambda seq, prev: event(lease)(seq + 1, prev), event(stranger)):
            with pytest.raises(ValueError, match="event 1"):
                journal.append(lease, [wrong])
        assert journal.head() == EMPTY

    def test_nobody_appends_without_the_lease(self, journal: Journal) -> None:
        never_taken = Lease(run="r-1", epoch=1, holder="me")
        with pytest.raises(Fenced):
            journal.append(never_taken, [event(never_taken)])
        assert journal.head() == EMPTY

    def test_an_old_epoch_is_fenced_in_append_answer_and_beat(self, journal: Journal, place: Place) -> None:
        old = lease_of(journal, "old")
        journal.append(old, [event(old, "A")])
        other = place.open("r-1")
        new = lease_of(other, "new")
        assert new.epoch == old.epoch + 1
        with pytest.raises(Fenced):
            journal.append(old, [event(old, "B")])
        with pytest.raises(Fenced):
            journal.append(old, [], command="c-1", answer=lambda head: b"")
        assert not journal.beat(old)
        other.append(new, [event(new, "C")])
        assert kinds(journal.read(0)) == ["A", "C"]
        assert journal.answer("c-1") is None
        assert journal.verify().ok

    def test_of_two_who_saw_the_same_lease_one_takes_it(self, journal: Journal, place: Place) -> None:
        lease_of(journal)
        other = place.open("r-1")
        sight = journal.seen()
        assert other.seen() == sight
        assert other.take("b", sight) is not None
        assert journal.take("a", sight) is None

    def test_a_beat_since_the_last_look_prevents_a_takeover(self, journal: Journal, place: Place) -> None:
        lease = lease_of(journal)
        other = place.open("r-1")
        sight = other.seen()
        assert journal.beat(lease)
        assert other.take("b", sight) is None
        assert journal.beat(lease)

    def test_a_lease_that_was_given_back_says_so_and_is_gone(self, journal: Journal) -> None:
        lease = lease_of(journal)
        journal.free(lease)
        sight = journal.seen()
        assert sight is not None
        assert (sight.epoch, sight.holder) == (1, "")
        assert not journal.beat(lease)
        with pytest.raises(Fenced):
            journal.append(lease, [event(lease)])
        assert lease_of(journal, "next").epoch == 2

    def test_freeing_a_lost_lease_leaves_the_new_holder_alone(self, journal: Journal, place: Place) -> None:
        old = lease_of(journal)
        new = lease_of(place.open("r-1"), "new")
        journal.free(old)
        assert journal.beat(new)

    def test_verify_notices_an_end_that_went_missing_or_was_changed(self, journal: Journal) -> None:
        lease = lease_of(journal)
        head = journal.append(lease, [event(lease, "A"), event(lease, "B")]).head
        gone = journal.verify(Head(9, "f" * 64))
        assert not gone.ok
        assert "event 9 was once written" in str(gone.problem)
        changed = journal.verify(Head(2, "f" * 64))
        assert not changed.ok
        assert journal.verify(head).ok
        assert journal.verify(Head(1, sha_of(journal.read(0)[0]))).ok

    def test_two_runs_do_not_see_each_other(self, place: Place) -> None:
        one, two = place.create("r-1"), place.create("r-2")
        lease = lease_of(one)
        one.append(lease, [event(lease)], command="c-1", answer=lambda head: b"yes")
        assert (two.head(), two.seen(), two.answer("c-1")) == (EMPTY, None, None)

    def test_closing_twice_is_fine(self, journal: Journal) -> None:
        journal.close()
        journal.close()
