"""Made-up histories in which a promise about all answers is broken, or only seems to be."""

import pytest

from faults import history as records
from faults.checker import check
from faults.checker.view import SECOND
from faults.history import Stall
from faults.story import begun


@pytest.fixture
def story():
    return begun()


@pytest.mark.parametrize("kind, took", [(records.READ, 2.2), (records.WRITE, 1.7), (records.LOGIN, 6.2),
                                        (records.SOCKET, 3.7)])
def test_an_answer_that_comes_too_late(story, kind, took):
    story.fault(20, start=-0.001)
    fields = {"sequence": 3, "write": "w3"} if kind == records.WRITE else {}
    story.request(kind, records.UNAVAILABLE, took=took - 0.3, token="t1", **fields)
    story.stored(2)
    assert not story.broken()
    story.request(kind, records.UNAVAILABLE, took=took, token="t1")
    assert story.broken() == {"every answer comes in time"}


def test_a_worker_that_was_stopped_and_a_machine_that_stood_still_may_be_late(story):
    story.fault(5, start=0.1, touches=("nginx",))
    story.request(records.READ, records.UNAVAILABLE, took=5.5, token="t1")
    story.later(3)
    story.history.add(Stall(story.clock, story.clock + 5 * SECOND, 5 * SECOND))
    story.read(2, took=5.5)
    story.stored(2)
    assert not story.broken()


def test_a_machine_that_stood_still_does_not_excuse_everything(story):
    story.history.add(Stall(story.clock, story.clock + 60 * SECOND, 60 * SECOND))
    story.read(2, took=30.0)
    story.stored(2)
    assert story.broken() == {"every answer comes in time"}


def test_an_answer_without_form(story):
    story.read(2, malformed="the answer is text/html")
    story.stored(2)
    assert story.broken() == {"every answer has its form"}


def test_a_status_that_does_not_belong_there(story):
    story.request(records.READ, records.ODD, token="t1", status=500)
    story.stored(2)
    assert story.broken() == {"every answer has its form"}


@pytest.mark.parametrize("outcome", [records.LOST, records.HUNG, records.UNREACHED])
def test_no_answer_at_all(story, outcome):
    story.fault(1, start=-0.001)
    story.request(records.READ, outcome, token="t1")
    story.stored(2)
    assert story.broken() == {"every request is answered"}
    story.fault(1, start=-0.1, touches=("nginx",))
    assert not story.broken()


def test_an_unknown_outcome_that_was_not_looked_for(story):
    story.fault(2, start=-0.001)
    story.write(3, "w3", records.UNKNOWN, took=1.0)
    story.stored(2)
    assert not story.broken()
    story.write(3, "w3b", records.UNKNOWN, took=0.1)
    assert story.broken() == {"the outcome is unknown only when time is up"}


@pytest.mark.parametrize("outcome", [records.UNAVAILABLE, records.UNKNOWN])
def test_a_server_that_does_not_recover(story, outcome):
    story.fault(1.0)
    story.later(1.9)
    story.write(3, "early", outcome, took=1.0)
    story.stored(2)
    assert not story.broken()
    story.later(0.1)
    story.write(3, "late", outcome, took=1.0)
    assert story.broken() == {"the server recovers within a second"}


def test_what_was_lost_in_silence_takes_longer_to_notice(story):
    story.fault(1.0, lag=1.5, settle=20.0)
    story.later(3.4)
    story.write(3, "early", records.UNAVAILABLE)
    story.stored(2)
    assert not story.broken()
    story.later(0.1)
    story.socket("s2", outcome=records.UNAVAILABLE)
    assert not story.broken()
    story.write(3, "late", records.UNAVAILABLE)
    assert story.broken() == {"the server recovers within a second"}
    story.later(19)
    story.socket("s3", outcome=records.UNAVAILABLE)
    assert len(check(story.history)) == 2


def test_what_a_fault_spares_is_served_all_the_time(story):
    story.fault(5.0, spares=[records.READ])
    story.later(2)
    story.write(3, "w3", records.UNAVAILABLE)
    story.stored(2)
    assert not story.broken()
    story.request(records.READ, records.UNAVAILABLE, token="t1")
    assert story.broken() == {"the server recovers within a second"}
