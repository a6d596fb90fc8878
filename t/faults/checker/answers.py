"""Promises about every answer, whatever it says."""

from faults import history as records
from faults.checker.view import EXCUSED, SECOND

# What each kind may wait for: (reads, changes, password hashes). A read may wait for its connection first; a change
# has one deadline for everything.
COST = {
    records.SIGNUP: (2, 1, 1),
    records.LOGIN: (1, 1, 1),
    records.PASSWORD: (1, 1, 2),
    records.READ: (1, 0, 0),
    records.WRITE: (0, 1, 0),
    records.SEED: (1, 0, 0),
    records.SOCKET: (2, 0, 0),
}
STATUSES = {
    records.SIGNUP: {201, 409, 503},
    records.LOGIN: {200, 401, 503},
    records.PASSWORD: {200, 401, 409, 503},
    records.READ: {200, 304, 401, 404, 503},
    records.WRITE: {200, 401, 409, 503},
    records.SEED: {200, 404, 503},
    records.SOCKET: {101, 401, 503},
}
# What an undisturbed server does not answer.
TROUBLE = frozenset({records.UNAVAILABLE, records.UNKNOWN, records.UNREPLICATED, *records.UNANSWERED})


def in_time(view):
    """No answer takes longer than the timeouts allow; a worker that was stopped meanwhile has that time on top."""
    facts = view.facts
    for operation in _requests(view):
        if operation.outcome in (records.UNREACHED, records.LOST):
            continue
        reads, changes, hashes = COST[operation.kind]
        if operation.kind == records.WRITE and operation.api == 1:
            reads += 1  # a conflict tells what stands in the way
        limit = (reads * (facts.connect_timeout + facts.timeout) + changes * facts.timeout + hashes * facts.hashing
                 + facts.slack)
        lost = view.stalled(operation.begin, operation.end, hashing=hashes > 0) / SECOND
        took = (operation.end - operation.begin) / SECOND - min(lost, EXCUSED * limit)
        if took > limit:
            stopped = [d for d in view.struck(operation) if "nginx" in d.touches]
            took -= sum(min(d.end, operation.end) - max(d.begin, operation.begin) for d in stopped) / SECOND
            if took > limit:
                yield f"took {took:.1f} s, where {limit:.1f} s are the limit", [operation, *stopped]


def well_formed(view):
    """Every answer has a status of its kind of request, and is JSON as the protocol has it."""
    for operation in _requests(view):
        if operation.malformed:
            yield operation.malformed, [operation]
        if operation.status and operation.status not in STATUSES[operation.kind]:
            yield f"a {operation.kind} is never answered with {operation.status}", [operation]


def answered(view):
    """A request without an answer is excused by a fault of nginx alone."""
    for operation in _requests(view):
        if operation.outcome in records.UNANSWERED and not view.struck(operation, "nginx", view.facts.recovery):
            yield f"{operation.outcome}, and nothing happened to nginx", [operation, *view.struck(operation)]


def patient(view):
    """A write that may have gone through is looked for until its time is up: Redis may be back in a moment."""
    for operation in _requests(view):
        if operation.outcome != records.UNKNOWN or view.struck(operation, "nginx", view.facts.recovery):
            continue
        took = (operation.end - operation.begin) / SECOND
        if took < 0.8 * view.facts.timeout:
            yield f"given up after {took:.3f} of {view.facts.timeout:.1f} s", [operation, *view.struck(operation)]


def recovered(view):
    """A second after a fault everything is served again, and what a fault spares is served all the time."""
    for operation in _requests(view):
        if operation.outcome in TROUBLE and view.undisturbed(operation):
            before = [d for d in view.disturbances if d.end < operation.begin][-1:]
            when = f"{(operation.begin - before[0].end) / SECOND:.2f} s after {before[0].fault}" if before else "with no fault"
            yield f"{operation.outcome} {when}", [*before, operation]


def _requests(view):
    return (operation for operation in view.history.operations if operation.kind != records.STORED)


def recovery_times(history):
    """Of each fault: the seconds after its end at which the last request began that met with trouble before the next."""
    troubled = [o for o in history.operations if o.kind != records.STORED and o.outcome in TROUBLE]
    for disturbance in history.disturbances:
        over = min((d.begin for d in history.disturbances if d.end > disturbance.end), default=1 << 62)
        late = [o.begin for o in troubled if disturbance.end < o.begin and o.end < over]
        yield (max(late) - disturbance.end) / SECOND if late else 0.0
