"""The checker itself: it finds what is wrong with histories that were made up, and nothing wrong with good ones."""

import pytest

from faults import history as records
from faults.checker import PROMISES, check, coverage
from faults.checker.view import SECOND
from faults.history import Disturbance, History, Message, Operation, Recorder, Stall, load

FACTS = {"timeout": 1.0, "connect_timeout": 0.5, "slack": 0.5, "notice": 3.0, "recovery": 1.0}


class Story:
    """A history, told in order: each request takes 10 ms and begins 10 ms after the one before, unless it says otherwise."""

    def __init__(self, **facts):
        self.history = History({**FACTS, **facts})
        self.clock = 100 * SECOND

    def request(self, kind, outcome=records.OK, took=0.01, start=None, client="ann.0", account="ann", **fields):
        """start: seconds from now, else right now. Whoever starts in the past overlaps others."""
        begin = self.clock + int((0 if start is None else start) * SECOND)
        end = begin + int(took * SECOND)
        self.clock = max(self.clock, end) + SECOND // 100
        self.history.add(Operation(kind, client, account, begin, end, outcome, **fields))
        return self.history.operations[-1]

    def signup(self, password="p1", **more):
        return self.request(records.SIGNUP, password=password, **more)

    def login(self, token, password="p1", outcome=records.OK, **more):
        return self.request(records.LOGIN, outcome, token=token if outcome == records.OK else None, password=password, **more)

    def write(self, sequence, name, outcome=records.OK, token="t1", **more):
        return self.request(records.WRITE, outcome, token=token, sequence=sequence, write=name, hmac=f"hmac {name}",
                            digest=f"digest {name}", **more)

    def read(self, sequence, name=None, token="t1", kind=records.READ, **more):
        name = name or f"w{sequence}"
        seen = {"seen_sequence": sequence, "seen_write": name, "seen_hmac": f"hmac {name}", "seen_digest": f"digest {name}"}
        if sequence == 0:
            seen = {"seen_sequence": 0, "outcome": records.ABSENT}
        return self.request(kind, token=token, **{**seen, **more})

    def stored(self, sequence, name=None):
        return self.read(sequence, name, None, records.STORED)

    def change(self, old, new, sequence=None, name=None, outcome=records.OK, **more):
        fields = {"sequence": sequence, "write": name, "hmac": f"hmac {name}", "digest": f"digest {name}"} if name else {}
        return self.request(records.PASSWORD, outcome, password=old, new_password=new, **fields, **more)

    def socket(self, name="s1", token="t1", **more):
        return self.request(records.SOCKET, token=token, socket=name, **more)

    def told(self, sequence, name="s1", account="ann"):
        self.history.add(Message(name, account, self.clock, sequence))
        self.later(0.01)

    def closed(self, name="s1"):
        self.history.add(records.Closed(name, "ann", self.clock, 1008))

    def fault(self, seconds, start=0.0, touches=("redis",), **more):
        begin = self.clock + int(start * SECOND)
        self.history.add(Disturbance("fault", begin, begin + int(seconds * SECOND), list(touches), **more))

    def later(self, seconds):
        self.clock += int(seconds * SECOND)

    def broken(self):
        return {violation.promise for violation in check(self.history)}


@pytest.fixture
def story():
    """An account with a device that is logged in and has written twice, and a second device with a socket."""
    story = Story()
    story.signup()
    story.login("t1")
    story.login("t2", client="ann.1")
    story.socket("s1", "t2", client="ann.1")
    story.write(1, "w1")
    story.told(1)
    story.write(2, "w2")
    story.told(2)
    return story


def test_a_good_history_has_no_violation(story):
    story.read(2)
    story.read(2, token="t2", client="ann.1")
    story.write(2, "late", records.CONFLICT, api=1, seen_sequence=2, seen_write="w2", seen_hmac="hmac w2", seen_digest="digest w2")
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


# ---- each promise, broken


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
        story.write(3, "x", records.CONFLICT, seen_sequence=3, seen_write="w3", seen_hmac="hmac w3", seen_digest="digest w3")
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


@pytest.mark.parametrize("sequence, socket, account", [(1, "s1", "ann"), (3, "s1", "ann"), (2, "s9", "ann"), (2, "s1", "bob")])
def test_a_socket_that_is_told_what_is_not_true(story, sequence, socket, account):
    story.told(sequence, socket, account)
    story.stored(2)
    assert "a socket is told only what is true" in story.broken()


@pytest.mark.parametrize("kind, took", [(records.READ, 2.2), (records.WRITE, 1.7), (records.LOGIN, 6.2), (records.SOCKET, 3.7)])
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


def test_what_a_fault_spares_is_served_all_the_time(story):
    story.fault(5.0, spares=[records.READ])
    story.later(2)
    story.write(3, "w3", records.UNAVAILABLE)
    story.stored(2)
    assert not story.broken()
    story.request(records.READ, records.UNAVAILABLE, token="t1")
    assert story.broken() == {"the server recovers within a second"}


def test_every_promise_is_broken_by_one_of_these_tests():
    with open(__file__, encoding="utf-8") as tests:
        text = tests.read()
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
