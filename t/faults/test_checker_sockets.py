"""Made-up histories in which a promise to websockets is broken, or only seems to be."""

import pytest

from faults.checker.view import SECOND
from faults.history import Stall
from faults.story import begun


@pytest.fixture
def story():
    return begun()


def test_a_socket_that_stays_open_after_a_password_change(story):
    story.change("p1", "p2", 3, "w3")
    story.later(2)
    story.stored(3)
    assert not story.broken()  # it has three seconds
    story.later(2)
    story.stored(3)
    assert story.broken() == {"old sockets are dead"}


def test_a_socket_that_hears_of_what_was_written_after_its_end(story):
    story.change("p1", "p2", 3, "w3")
    story.login("t3", "p2")
    story.write(4, "w4", token="t3")
    story.told(4)
    story.closed()
    story.stored(4)
    assert story.broken() == {"old sockets are dead"}


def test_a_socket_that_is_never_told(story):
    story.write(3, "w3")
    story.later(2)
    story.read(3)
    story.stored(3)
    assert not story.broken()
    story.later(2)
    story.stored(3)
    assert story.broken() == {"connected devices learn the newest sequence"}


def test_a_machine_that_stands_still_does_not_excuse_a_socket_for_ever(story):
    story.history.add(Stall(story.clock, story.clock + 120 * SECOND, 120 * SECOND))
    story.write(3, "w3")
    story.later(25)
    story.stored(3)
    assert not story.broken()
    story.later(10)
    story.stored(3)
    assert story.broken() == {"connected devices learn the newest sequence"}


def test_a_socket_is_told_when_the_faults_are_over(story):
    story.fault(10.0, settle=5.0)
    story.write(3, "w3")
    story.later(17)
    story.told(3)
    story.later(5)
    story.stored(3)
    assert not story.broken()


def test_a_socket_that_was_closed_or_told_of_something_newer_misses_nothing(story):
    story.write(3, "w3")
    story.write(4, "w4")
    story.told(4)
    story.write(5, "w5")
    story.closed()
    story.later(10)
    story.stored(5)
    assert not story.broken()


@pytest.mark.parametrize("sequence, socket, account", [(1, "s1", "ann"), (3, "s1", "ann"), (2, "s9", "ann"),
                                                       (2, "s1", "bob")])
def test_a_socket_that_is_told_what_is_not_true(story, sequence, socket, account):
    story.told(sequence, socket, account)
    story.stored(2)
    assert "a socket is told only what is true" in story.broken()
