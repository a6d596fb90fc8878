"""Made-up histories in which a Redis is lost with what only it had, as asynchronous replication has it."""

import pytest

from faults import history as records
from faults.checker.view import View
from faults.checker.wallets import lost
from faults.story import begun


@pytest.fixture
def story():
    return begun()


def lose(story, **more):
    """A master is lost, and a write with it that was stored, seen, and had no replica."""
    story.fault(2, start=0.5, loses=True, **more)
    story.later(0.6)
    story.write(3, "gone", records.UNREPLICATED, token="t1")
    story.told(3)
    story.read(3, "gone", "t2", client="ann.1")


def test_what_was_not_acknowledged_may_vanish(story):
    lose(story)
    story.later(5)
    story.read(2, "w2")
    story.write(3, "w3")
    story.told(3)
    story.stored(3)
    assert not story.broken()


def test_without_a_loss_it_may_not(story):
    story.write(3, "gone", records.UNREPLICATED, token="t1")
    story.read(3, "gone", "t2", client="ann.1")
    story.read(2, "w2")
    story.stored(2)
    assert "no read is stale" in story.broken()


def test_what_was_acknowledged_may_not_vanish(story):
    lose(story)
    story.write(3, "kept")
    story.later(5)
    story.read(2, "w2")
    story.stored(2)
    assert {"no acknowledged write is lost", "no read is stale"} <= story.broken()


def test_two_are_never_promised_the_same(story):
    lose(story)
    story.write(3, "a")
    story.write(3, "b")
    story.stored(3, "b")
    assert "no sequence is given twice" in story.broken()


def test_a_master_that_was_passed_by_may_answer_for_a_moment(story):
    story.fault(1, start=-0.5, loses=True)
    story.later(0.2)
    story.read(1, "w1")
    story.write(4, "w4", records.CONFLICT)
    story.read(2, "w2", token="t2", outcome=records.UNAUTHORIZED, client="ann.1")
    story.stored(2)
    assert not story.broken()


def test_but_not_for_long(story):
    story.fault(1, start=-0.5, loses=True)
    story.later(3)
    story.read(1, "w1")
    story.stored(2)
    assert story.broken() == {"no read is stale"}


def test_a_fault_with_two_parts_spares_what_each_of_them_does(story):
    story.fault(1, loses=True)
    story.later(1)
    story.fault(10, loses=True, spares=["read"])
    story.later(6)
    story.write(3, "w3", records.UNREPLICATED)
    story.stored(2)
    assert not story.broken()
    story.later(-1)
    story.read(2, outcome=records.UNAVAILABLE)
    story.stored(2)
    assert "the server recovers within a second" in story.broken()


def test_what_redis_lost_is_counted(story):
    story.write(3, "a")
    story.write(3, "b")
    story.write(4, "c")
    story.stored(3, "b")
    assert {write.write for write in lost(View(story.history))} == {"a", "c"}
