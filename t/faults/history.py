"""What happened: every request, every message of a websocket, every fault, as the clients and the campaign saw it.

Times are nanoseconds of one monotonic clock. A history is kept as JSON lines, one record each, so that what a
campaign found can be looked at, and judged again, later.
"""

import dataclasses
import json
import time

# How a request ended. What was refused has certainly changed nothing; what is open may have.
OK = "ok"
NOT_MODIFIED = "not modified"
CONFLICT = "conflict"
UNAUTHORIZED = "unauthorized"
ABSENT = "absent"  # 404: no wallet, no account
UNAVAILABLE = "unavailable"  # a 503 that promises that nothing was written
UNKNOWN = "unknown"  # the 503 that does not
UNREPLICATED = "unreplicated"  # the 503 that says that it was written, and may get lost with its Redis
UNREACHED = "unreached"  # no connection, so nothing was sent
LOST = "lost"  # the connection ended before the answer
HUNG = "hung"  # the client gave up waiting
ODD = "odd"  # an answer that nobody expects

REFUSED = frozenset({NOT_MODIFIED, CONFLICT, UNAUTHORIZED, ABSENT, UNAVAILABLE, UNREACHED})
UNANSWERED = frozenset({UNREACHED, LOST, HUNG})
SILENT = frozenset({UNAVAILABLE, UNKNOWN, UNREPLICATED, UNREACHED, LOST, HUNG, ODD})  # they tell nothing of what is stored

# Kinds of requests. STORED is no request but a look into Redis after the end.
SIGNUP, LOGIN, PASSWORD, READ, WRITE, SEED, SOCKET, STORED = (
    "signup", "login", "password", "read", "write", "seed", "socket", "stored")


@dataclasses.dataclass(slots=True, eq=False)
class Operation:
    """One request and its answer. A password change that carries a wallet has the fields of a write too."""

    kind: str
    client: str
    account: str
    begin: int = 0
    end: int = 0
    outcome: str = ""
    api: int = 3  # version
    status: int | None = None
    error: str | None = None  # of an error reply, as it was sent
    malformed: str | None = None  # what is wrong with the form of the answer
    token: str | None = None  # the one used; of a login: the one gained
    password: str | None = None  # the one given (of a password change: the old one)
    new_password: str | None = None
    sequence: int | None = None  # what was to be written
    write: str | None = None
    hmac: str | None = None
    digest: str | None = None
    seen_sequence: int | None = None  # what the answer shows to be stored; 0: that there is no wallet
    seen_write: str | None = None
    seen_hmac: str | None = None
    seen_digest: str | None = None
    seen_password: str | None = None  # the one whose salt seed the answer shows
    socket: str | None = None

    @property
    def acknowledged(self):
        return self.outcome == OK

    @property
    def possible(self):
        """It was done, or may have been."""
        return self.outcome not in REFUSED

    def __str__(self):
        hidden = ("begin", "end", "hmac", "digest", "seen_hmac", "seen_digest")
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in hidden)
        words = " ".join(f"{name}={value}" for name, value in fields if value is not None)
        return f"[{self.begin / 1e9:.6f} … {self.end / 1e9:.6f}] {words}"


@dataclasses.dataclass(slots=True, eq=False)
class Message:
    """A websocket was told of a sequence."""

    socket: str
    account: str
    at: int
    sequence: int


@dataclasses.dataclass(slots=True, eq=False)
class Closed:
    """A websocket ended. by_client: we closed it."""

    socket: str
    account: str
    at: int
    code: int | None = None
    by_client: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Disturbance:
    """A fault, from before it was injected until everything that it took away is back.

    touches: what it strikes ("redis", "network", "nginx", "clock"). spares: kinds of requests that go on all the
    same. Seconds after its end until the server can have noticed what was silently lost: lag, by requests that fail;
    settle, for subscriptions. loses: a Redis was lost with what only it had, or may go on answering for a moment after
    its successor has begun.
    """

    fault: str
    begin: int
    end: int
    touches: list = dataclasses.field(default_factory=list)
    spares: list = dataclasses.field(default_factory=list)
    lag: float = 0.0
    settle: float = 0.0
    offset: float = 0.0  # seconds by which nginx' clock is ahead meanwhile
    loses: bool = False
    detail: str = ""

    def __str__(self):
        return f"{self.fault} {self.detail} [{self.begin / 1e9:.3f} … {self.end / 1e9:.3f}]"


@dataclasses.dataclass(slots=True, eq=False)
class Stall:
    """The machine had no time for us: nanoseconds that were lost then, by the main threads of all processes and by the
    threads that hash passwords."""

    begin: int
    end: int
    lost: int
    hashing: int = 0


RECORDS = {kind.__name__.lower(): kind for kind in (Operation, Message, Closed, Disturbance, Stall)}
PLURALS = {"operation": "operations", "message": "messages", "closed": "closings", "disturbance": "disturbances",
           "stall": "stalls"}


@dataclasses.dataclass
class History:
    """facts: what the checker has to know of the deployment, see checker.view.Facts."""

    facts: dict = dataclasses.field(default_factory=dict)
    operations: list = dataclasses.field(default_factory=list)
    messages: list = dataclasses.field(default_factory=list)
    closings: list = dataclasses.field(default_factory=list)
    disturbances: list = dataclasses.field(default_factory=list)
    stalls: list = dataclasses.field(default_factory=list)

    def add(self, record):
        getattr(self, PLURALS[type(record).__name__.lower()]).append(record)


class Recorder:
    """Collects a history, and writes each record to the file (if there is one) as soon as it is complete."""

    def __init__(self, facts, path=None):
        self.history = History(dict(facts))
        self._file = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115 - closed by close()
        self._write({"is": "facts", **self.history.facts})

    def begin(self, kind, client, account, **fields):
        return Operation(kind, client, account, begin=now(), **fields)

    def end(self, operation, outcome, **fields):
        operation.end = now()
        operation.outcome = outcome
        for name, value in fields.items():
            setattr(operation, name, value)
        self.add(operation)
        return operation

    def add(self, record):
        self.history.add(record)
        fields = ((field.name, getattr(record, field.name)) for field in dataclasses.fields(record))
        self._write({"is": type(record).__name__.lower(),
                     **{name: value for name, value in fields if value not in (None, "")}})

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, row):
        if self._file:
            self._file.write(json.dumps(row, separators=(",", ":")) + "\n")


def load(path):
    """The history that a Recorder wrote."""
    history = History()
    with open(path, encoding="utf-8") as rows:
        for line in rows:
            row = json.loads(line)
            kind = row.pop("is")
            if kind == "facts":
                history.facts = row
            else:
                history.add(RECORDS[kind](**row))
    return history


def now():
    return time.monotonic_ns()
