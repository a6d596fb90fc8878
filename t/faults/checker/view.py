"""A history, arranged for the checker: by account, with the times that matter."""

import bisect
import dataclasses
import itertools

from faults import history as records

SECOND = 1_000_000_000
FOREVER = 1 << 62
EXCUSED = 9  # times a deadline: so much longer it may become at most because the machine was elsewhere
HASHES = frozenset({records.SIGNUP, records.LOGIN, records.PASSWORD})
DOUBT = SECOND  # before a Redis is lost, and after


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is promised by the deployment under test, in seconds."""

    timeout: float = 2.0  # of wallet_sync_redis
    connect_timeout: float = 1.0
    hashing: float = 3.0  # what a password hash may take, waiting for a thread included
    slack: float = 1.0  # of our own machine
    recovery: float = 1.0  # from Redis being back until every request is served
    notice: float = 3.0  # until a socket is told, or closed
    token_lifetime: float = 14 * 24 * 3600


@dataclasses.dataclass
class Violation:
    promise: str
    text: str
    evidence: list = dataclasses.field(default_factory=list)

    @property
    def at(self):
        return min((getattr(item, "begin", None) or getattr(item, "at", 0) for item in self.evidence), default=0)

    def __str__(self):
        return f"{self.promise}: {self.text}" + "".join(f"\n      {item}" for item in self.evidence)


class Socket:
    def __init__(self, opened):
        self.opened = opened
        self.messages = []  # as they came
        self.closed = None
        self._times, self._told = [], []

    def add(self, message):
        self.messages.append(message)
        self._times.append(message.at)
        self._told.append(max(message.sequence, self._told[-1] if self._told else 0))

    @property
    def end(self):
        return self.closed.at if self.closed else FOREVER

    def told_by(self, at):
        """The highest sequence it was told until then."""
        index = bisect.bisect_right(self._times, at)
        return self._told[index - 1] if index else 0


class Account:
    def __init__(self, name):
        self.name = name
        self.operations = []
        self.sockets = []

    def arrange(self):
        self.operations.sort(key=lambda operation: operation.begin)
        self.writes = {o.write: o for o in self.operations if o.write}
        self.observations = [o for o in self.operations if o.seen_sequence is not None]
        self.logins = [o for o in self.operations if o.kind == records.LOGIN]
        self.issued = {o.token: o for o in self.logins if o.acknowledged}
        self.changes = [o for o in self.operations if o.kind == records.PASSWORD]
        self.signups = [o for o in self.operations if o.kind == records.SIGNUP]
        self._begins, self._highest, self._begun, highest = [], [], {}, 0
        seen = {o.seen_write for o in self.observations}
        for write in self.writes.values():
            if write.possible or write.write in seen:  # whatever its answer said
                self._begun.setdefault(write.sequence, write.begin)
                highest = max(highest, write.sequence)
                self._begins.append(write.begin)
                self._highest.append(highest)

    def refused_one(self, sequence, at):
        """A write of this sequence that was refused and had begun by then: whoever sees an effect of it was told wrong."""
        return next((w for w in self.writes.values() if w.sequence == sequence and not w.possible and w.begin < at), None)

    def begun(self, sequence):
        """When the first write began that can have stored this sequence."""
        return self._begun.get(sequence, FOREVER)

    def possible_before(self, at):
        """The highest sequence that any write begun before that can have stored."""
        index = bisect.bisect_left(self._begins, at)
        return self._highest[index - 1] if index else 0


class View:
    def __init__(self, history):
        self.history = history
        self.facts = Facts(**{field.name: history.facts[field.name] for field in dataclasses.fields(Facts)
                              if field.name in history.facts})
        self.end = max((o.end for o in history.operations), default=0)
        self.disturbances = sorted(history.disturbances, key=lambda d: d.begin)
        self._begins = [d.begin for d in self.disturbances]
        self._longest = max((d.end - d.begin + int(max(d.lag, d.settle) * SECOND) for d in self.disturbances), default=0)
        self._doubts = [(d.begin - DOUBT, d.end + DOUBT) for d in self.disturbances if d.loses]
        self.accounts = {}
        for operation in history.operations:
            if operation.account not in self.accounts:
                self.accounts[operation.account] = Account(operation.account)
            self.accounts[operation.account].operations.append(self._believed(operation))
        for account in self.accounts.values():
            account.arrange()
        self.writes = {write: o for account in self.accounts.values() for write, o in account.writes.items()}
        self._arrange_sockets()
        self._unsettled = [(d.begin, d.end + int(d.settle * SECOND)) for d in self.disturbances]
        self._arrange_stalls()

    def _arrange_sockets(self):
        self.sockets = {}
        for operation in self.history.operations:
            if operation.kind == records.SOCKET and operation.acknowledged:
                self.sockets[operation.socket] = Socket(operation)
                self.accounts[operation.account].sockets.append(self.sockets[operation.socket])
        self.strays = []  # of a socket that was never opened
        for message in sorted(self.history.messages, key=lambda m: m.at):
            socket = self.sockets.get(message.socket)
            if socket:
                socket.add(message)
            else:
                self.strays.append(message)
        for closed in self.history.closings:
            if closed.socket in self.sockets:
                self.sockets[closed.socket].closed = closed

    # ---- what is lost with a Redis

    def in_doubt(self, begin, end):
        """What was seen then may have been only what a Redis had that was lost, or one that had a successor already."""
        return any(begin <= until and since <= end for since, until in self._doubts)

    def _believed(self, operation):
        """The operation, or as much of it as is believed: of what was in doubt, only the acknowledged changes."""
        changes = operation.acknowledged and operation.kind not in (records.READ, records.SEED, records.SOCKET)
        if changes or operation.kind == records.STORED or not self.in_doubt(operation.begin, operation.end):
            return operation
        seen = {field.name: None for field in dataclasses.fields(operation) if field.name.startswith("seen_")}
        outcome = operation.outcome if operation.outcome in records.SILENT else records.LOST
        return dataclasses.replace(operation, outcome=outcome, **seen)

    # ---- times

    def noticed_by(self, at):
        """When sockets must know of what happened then: `notice` later, all of it without a disturbance."""
        notice = int(self.facts.notice * SECOND)
        deadline = at + notice
        for begin, end in self._unsettled:
            if begin > deadline:
                break
            if end >= at:
                deadline = max(deadline, end + notice)
        lost = 0
        while lost < (more := min(self.stalled(at, deadline + lost), EXCUSED * notice)):
            lost = more
        return deadline + lost

    def stalled(self, begin, end, hashing=False):
        """How much of that time (or more, if several processes waited for each other) the machine had no time for us."""
        first = bisect.bisect_right(self._stall_ends, begin)
        last = bisect.bisect_left(self._stall_begins, end)
        lost = self._lost[max(last, first)] - self._lost[first]
        return lost + self._lost_hashing[max(last, first)] - self._lost_hashing[first] if hashing else lost

    def _arrange_stalls(self):
        stalls = sorted(self.history.stalls, key=lambda s: s.begin)
        self._stall_begins, self._stall_ends = [s.begin for s in stalls], [s.end for s in stalls]
        self._lost = [0, *itertools.accumulate(s.lost for s in stalls)]
        self._lost_hashing = [0, *itertools.accumulate(s.hashing for s in stalls)]

    def struck(self, operation, touches=None, grace=0.0):
        """The disturbances (of that kind) that were there during the operation, or ended `grace` before it."""
        grace = int(grace * SECOND)
        found = []
        index = bisect.bisect_right(self._begins, operation.end)
        while index and self._begins[index - 1] + self._longest + grace >= operation.begin:
            index -= 1
            disturbance = self.disturbances[index]
            # A new socket needs the subscriptions.
            unseen = max(disturbance.lag, disturbance.settle if operation.kind == records.SOCKET else 0)
            end = disturbance.end + int(unseen * SECOND) + grace
            if end >= operation.begin and (touches is None or touches in disturbance.touches):
                found.append(disturbance)
        return found

    def undisturbed(self, operation):
        """Everything was there for it, and had been for as long as the server may take to find out."""
        before = operation.begin - int((self.facts.recovery + self.facts.timeout) * SECOND)
        lost = self.stalled(before, operation.end, hashing=operation.kind in HASHES) / SECOND
        if lost > self.facts.timeout / 2:
            return False  # for all we know, nobody got to run in time
        struck = self.struck(operation, grace=self.facts.recovery + lost)
        return all(operation.kind in disturbance.spares for disturbance in struck)
