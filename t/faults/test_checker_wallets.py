"""Made-up histories in which a promise about wallets is broken, or only seems to be."""

import pytest

from faults import history as records
from faults.story import begun, seen_of


@pytest.fixture
def story():
    return begun()


def test_an_acknowledged_write_that_is_gone_at_the_end(story):
    story.stored(1)
    assert "no acknowledged write is lost" in story.broken()


def test_an_acknowledged_write_that_nobody_looked_for(story):
    assert story.broken() == {"no acknowledged write is lost"}


def test_a_sequence_that_two_were_promised(story):
    story.write(2, "other", token="t2", start=-0.02, client="ann.1")
    story.stored(2)
    assert "no sequence is given twice" in story.broken()


def test_a_sequence_under_which_two_wallets_were_seen(story):
    story.fault(5, start=-1)
    story.write(3, "a", records.UNKNOWN, took=1.0)
    story.write(3, "b", records.UNKNOWN, took=1.0, start=-1.0)
    story.read(3, "a")
    story.read(3, "b")
    story.stored(3, "b")
    assert story.broken() == {"no sequence is given twice"}


def test_a_sequence_that_was_skipped(story):
    story.write(4, "w4")
    story.stored(4)
    assert story.broken() == {"no sequence is given twice"}


@pytest.mark.parametrize("source", ["acknowledged", "read", "told", "conflict", "not modified"])
def test_a_read_that_is_older_than_what_was_known(story, source):
    story.fault(3, start=-0.001)
    if source == "acknowledged":
        story.write(3, "w3")
    else:
        story.write(3, "w3", records.UNKNOWN, took=1.0)
    if source == "read":
        story.read(3, token="t2")
    elif source == "told":
        story.told(3)
    elif source == "conflict":
        story.write(3, "x", records.CONFLICT, **seen_of(3, "w3"))
    elif source == "not modified":
        story.read(3, outcome=records.NOT_MODIFIED)
    story.read(2)
    story.stored(3)
    assert story.broken() == {"no read is stale"}


def test_no_wallet_where_one_was_written(story):
    story.read(0)
    story.stored(2)
    assert "no read is stale" in story.broken()


def test_a_read_beside_a_write_may_show_either(story):
    story.write(3, "w3", took=0.1)
    story.read(2, start=-0.08)
    story.read(3, start=-0.08)
    story.stored(3)
    assert not story.broken()


@pytest.mark.parametrize("wrong", [{"seen_hmac": "hmac w1"}, {"seen_digest": "digest w1"}, {"seen_sequence": 3},
                                   {"seen_write": "nobody's"}])
def test_a_wallet_that_is_not_of_one_piece(story, wrong):
    story.read(2, **wrong)
    story.stored(2)
    assert "wallet, sequence and hmac are of one write" in story.broken()


def test_a_wallet_of_another_account(story):
    story.signup(account="bob", client="bob.0")
    story.login("b1", account="bob", client="bob.0")
    story.write(1, "bob's", token="b1", account="bob", client="bob.0")
    story.read(2, "bob's")
    story.stored(2)
    story.read(1, "bob's", None, records.STORED, account="bob")
    assert story.broken() == {"wallet, sequence and hmac are of one write"}


def test_a_wallet_that_was_seen_before_it_was_written(story):
    story.read(3)
    story.write(3, "w3")
    story.stored(3)
    assert "wallet, sequence and hmac are of one write" in story.broken()


@pytest.mark.parametrize("outcome", [records.CONFLICT, records.UNAVAILABLE, records.UNAUTHORIZED])
def test_a_write_that_was_refused_and_done(story, outcome):
    story.fault(3, start=-0.001)
    story.write(3, "w3", outcome)
    story.read(3)
    story.stored(3)
    assert "what was refused was not done" in story.broken()


def test_a_conflict_with_nobody(story):
    story.write(3, "w3", records.CONFLICT)
    story.stored(2)
    assert story.broken() == {"a conflict has a cause"}


def test_a_conflict_with_a_write_of_which_nobody_knows(story):
    story.fault(3, start=-0.001)
    story.write(3, "a", records.UNKNOWN, took=1.0)
    story.write(3, "b", records.CONFLICT)
    story.stored(2)
    assert not story.broken()
