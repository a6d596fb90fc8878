"""Made-up histories in which a promise about passwords and tokens is broken, or only seems to be."""

import pytest

from faults import history as records
from faults.story import begun


@pytest.fixture
def story():
    return begun()


@pytest.mark.parametrize("use", ["read", "write", "conflict", "socket", "login", "change", "seed", "device"])
def test_something_old_that_still_works(story, use):
    if use == "device":
        story.login("t3")
    else:
        story.change("p1", "p2", 3, "w3")
        story.closed()
    if use in ("read", "device"):
        story.read(3 if use == "read" else 2)
    elif use == "write":
        story.write(4, "w4")
    elif use == "conflict":
        story.write(3, "w3b", records.CONFLICT)
    elif use == "socket":
        story.socket("s2")
    elif use == "login":
        story.login("t3")
    elif use == "change":
        story.change("p1", "p3", 9, "w9", records.CONFLICT)
    elif use == "seed":
        story.request(records.SEED, seen_password="p1")
    story.stored(4 if use == "write" else 3 if use != "device" else 2, "w4" if use == "write" else None)
    assert "old tokens and passwords are dead" in story.broken()


def test_a_token_that_outlives_a_change_which_shows_only_by_a_login(story):
    story.fault(3, start=-0.001)
    story.change("p1", "p2", 3, "w3", records.UNKNOWN, took=1.0)
    story.login("t3", "p2")
    story.read(2)
    story.stored(3)
    assert "old tokens and passwords are dead" in story.broken()


@pytest.mark.parametrize("what", ["read", "write", "socket", "login", "change"])
def test_something_good_that_is_refused(story, what):
    if what == "read":
        story.read(2, outcome=records.UNAUTHORIZED, seen_sequence=None, seen_write=None)
    elif what == "write":
        story.write(3, "w3", records.UNAUTHORIZED)
    elif what == "socket":
        story.socket("s2", outcome=records.UNAUTHORIZED)
    elif what == "login":
        story.login("", "p1", records.UNAUTHORIZED)
    elif what == "change":
        story.change("p1", "p2", 3, "w3", records.UNAUTHORIZED)
    story.stored(2)
    assert story.broken() == {"valid tokens and passwords are honoured"}


def test_an_account_that_is_gone(story):
    story.request(records.SEED, records.ABSENT)
    story.stored(2)
    assert story.broken() == {"valid tokens and passwords are honoured"}


def test_a_clock_that_is_two_weeks_ahead_may_end_tokens_but_not_for_good(story):
    story.fault(1.0, start=-0.001, touches=("clock",), offset=15 * 24 * 3600.0)
    story.read(2, outcome=records.UNAUTHORIZED, seen_sequence=None, seen_write=None)
    story.stored(2)
    assert not story.broken()
    story.later(5)
    story.read(2, outcome=records.UNAUTHORIZED, seen_sequence=None, seen_write=None)
    assert story.broken() == {"valid tokens and passwords are honoured"}


def test_a_clock_that_is_an_hour_ahead_ends_no_token(story):
    story.fault(1.0, start=-0.001, touches=("clock",), offset=3600.0)
    story.read(2, outcome=records.UNAUTHORIZED, seen_sequence=None, seen_write=None)
    story.stored(2)
    assert story.broken() == {"valid tokens and passwords are honoured"}


def test_an_address_that_two_were_given(story):
    story.signup("other", took=0.1)
    story.stored(2)
    assert story.broken() == {"an address has one owner"}


def test_an_address_whose_owner_is_somebody_who_was_refused(story):
    story.signup("other", client="eve", account="eve", outcome=records.UNAVAILABLE)
    story.login("e1", "other", client="eve", account="eve")
    story.stored(2)
    assert "an address has one owner" in story.broken()


def test_an_address_that_is_refused_though_nobody_has_it(story):
    story.signup("other", client="eve", account="eve", outcome=records.CONFLICT)
    story.stored(2)
    assert story.broken() == {"an address has one owner"}


def test_an_address_that_somebody_got_of_whom_nobody_knows(story):
    story.fault(3, start=-0.001)
    story.signup("other", client="eve", account="eve", outcome=records.UNKNOWN, took=2.0)
    story.signup("mine", client="eve", account="eve", outcome=records.CONFLICT)
    story.login("", "mine", records.UNAUTHORIZED, client="eve", account="eve")
    story.login("e1", "other", client="eve", account="eve")
    story.stored(2)
    assert not story.broken()


def test_a_password_change_that_was_refused_and_done(story):
    story.fault(3, start=-0.001)
    story.change("p1", "p2", 3, "w3", records.UNAVAILABLE)
    story.login("t3", "p2")
    story.closed()
    story.stored(2)
    assert "a password change is whole" in story.broken()


def test_a_password_that_was_changed_twice(story):
    story.change("p1", "p2", 3, "w3", took=0.1)
    story.change("p1", "p3", 4, "w4", took=0.1, start=-0.1)
    story.closed()
    story.stored(4)
    assert "a password change is whole" in story.broken()


def test_an_old_token_that_sees_the_new_wallet(story):
    story.change("p1", "p2", 3, "w3", took=0.1)
    story.read(3, start=-0.05)
    story.closed()
    story.stored(3)
    assert story.broken() == {"a password change is whole"}


def test_a_new_token_that_sees_the_old_wallet(story):
    story.change("p1", "p2", 3, "w3", took=0.1)
    story.login("t3", "p2", start=-0.06)
    story.read(2, token="t3", start=-0.05)
    story.closed()
    story.stored(3)
    assert "a password change is whole" in story.broken()


def test_a_salt_seed_that_nobody_set(story):
    story.request(records.SEED, seen_password="p7")
    story.stored(2)
    assert story.broken() == {"a password change is whole"}
