"""Histories that are made up, for the tests of the checker."""

from faults import history as records
from faults.checker import check
from faults.checker.view import SECOND
from faults.history import Disturbance, History, Message, Operation

FACTS = {"timeout": 1.0, "connect_timeout": 0.5, "slack": 0.5, "notice": 3.0, "recovery": 1.0}


class Story:
    """A history, told in order: a request takes 10 ms and begins 10 ms after the one before, unless it says otherwise."""

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

    def signup(self, password="p1", outcome=records.OK, **more):
        return self.request(records.SIGNUP, outcome, password=password, **more)

    def login(self, token, password="p1", outcome=records.OK, **more):
        token = token if outcome == records.OK else None
        return self.request(records.LOGIN, outcome, token=token, password=password, **more)

    def write(self, sequence, name, outcome=records.OK, token="t1", **more):
        return self.request(records.WRITE, outcome, token=token, sequence=sequence, write=name, hmac=f"hmac {name}",
                            digest=f"digest {name}", **more)

    def read(self, sequence, name=None, token="t1", kind=records.READ, **more):
        name = name or f"w{sequence}"
        seen = seen_of(sequence, name) if sequence else {"seen_sequence": 0, "outcome": records.ABSENT}
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


def seen_of(sequence, write):
    return {"seen_sequence": sequence, "seen_write": write, "seen_hmac": f"hmac {write}", "seen_digest": f"digest {write}"}


def begun():
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
