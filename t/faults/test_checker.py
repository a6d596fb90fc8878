"""The checker itself: it finds nothing wrong with a good history. What it does find is in test_checker_*.py."""

import pathlib

import pytest

from faults import history as records
from faults.checker import PROMISES, check, coverage
from faults.history import Recorder, load
from faults.story import begun, seen_of


@pytest.fixture
def story():
    return begun()


def test_a_good_history_has_no_violation(story):
    story.read(2)
    story.read(2, token="t2", client="ann.1")
    story.write(2, "late", records.CONFLICT, api=1, **seen_of(2, "w2"))
    story.read(2, outcome=records.NOT_MODIFIED, seen_write=None, seen_hmac=None, seen_digest=None)
    story.request(records.SEED, seen_password="p1")
    story.change("p1", "p2", 3, "w3")
    story.closed()
    story.read(3, outcome=records.UNAUTHORIZED, seen_sequence=None, seen_write=None)
    story.login("", "p1", records.UNAUTHORIZED)
    story.request(records.SEED, seen_password="p2")
    story.login("t3", "p2")
    story.read(3, token="t3")
    story.write(4, "w4", token="t3")
    story.later(10)
    story.stored(4)
    assert not check(story.history)


def test_what_is_not_known_gets_the_benefit_of_the_doubt(story):
    story.fault(2.0, touches=("redis", "nginx"))
    story.write(3, "a", records.UNKNOWN, took=1.0)
    story.write(3, "b", records.LOST, took=0.5, start=-0.5)
    story.write(3, "c", records.UNAVAILABLE, token="t2", client="ann.1")
    story.read(3, "b")  # one of the two was stored
    story.write(3, "d", records.CONFLICT)
    story.change("p1", "p2", 4, "w4", records.UNKNOWN, took=1.0)
    story.login("", "p1", records.UNAUTHORIZED)
    story.login("t3", "p2")
    story.read(4, token="t3")
    story.closed()
    story.later(30)
    story.stored(4)
    assert not check(story.history)


def test_every_promise_is_broken_by_one_of_these_tests():
    text = "".join(path.read_text(encoding="utf-8") for path in pathlib.Path(__file__).parent.glob("test_checker_*.py"))
    assert not [promise for promise in PROMISES if f'"{promise}"' not in text]


def test_a_history_is_the_same_after_it_was_written_and_read(story, tmp_path):
    story.fault(1.0, settle=2.0, spares=["read"], offset=3600.0)
    story.closed()
    path = tmp_path / "history.jsonl"
    recorder = Recorder(story.history.facts, path)
    for kind in ("operations", "messages", "closings", "disturbances", "stalls"):
        for record in getattr(story.history, kind):
            recorder.add(record)
    recorder.close()
    again = load(path)
    assert again.facts == story.history.facts
    assert [str(o) for o in again.operations] == [str(o) for o in story.history.operations]
    assert [str(v) for v in check(again)] == [str(v) for v in check(story.history)]
    assert coverage(again) == coverage(story.history)
