"""Proves from a history that the server kept its promises, or names those it broke. A pure function: check(history).

Every client-visible fact is used: what was acknowledged, what was refused, what reads, conflicts and websockets
showed. A wallet carries the id of the write it came with, so whoever sees one knows whose it is. What may have
happened is given the benefit of the doubt; what cannot have happened is a violation.
"""

import collections

from faults import history as records
from faults.checker import answers, credentials, sockets, wallets
from faults.checker.view import Violation, View

__all__ = ["PROMISES", "Violation", "check", "coverage"]

# By name: each is a generator of violations.
PROMISES = {
    "no acknowledged write is lost": wallets.kept,
    "no sequence is given twice": wallets.given_once,
    "no read is stale": wallets.fresh,
    "wallet, sequence and hmac are of one write": wallets.whole,
    "what was refused was not done": wallets.refused,
    "a conflict has a cause": wallets.conflicts,
    "old tokens and passwords are dead": credentials.dead,
    "valid tokens and passwords are honoured": credentials.honoured,
    "a password change is whole": credentials.whole,
    "an address has one owner": credentials.signed_up,
    "old sockets are dead": sockets.dead,
    "connected devices learn the newest sequence": sockets.informed,
    "a socket is told only what is true": sockets.true,
    "every answer comes in time": answers.in_time,
    "every answer has its form": answers.well_formed,
    "every request is answered": answers.answered,
    "the outcome is unknown only when time is up": answers.patient,
    "the server recovers within a second": answers.recovered,
}


def check(history, promises=None):
    """The violations of the promises (default: those that its facts name, or all) in this history, the first ones first."""
    view = View(history)
    found = []
    for name in promises or history.facts.get("promises") or PROMISES:
        found += [Violation(name, *what) for what in PROMISES[name](view)]
    return sorted(found, key=lambda violation: violation.at)


def coverage(history):
    """How much there was to be proved, by words: a history in which nothing happened proves nothing."""
    counts = collections.Counter()
    for operation in history.operations:
        counts[f"{operation.kind} {operation.outcome}"] += 1
    counts["messages"] = len(history.messages)
    counts["disturbances"] = len(history.disturbances)
    counts["acknowledged writes"] = sum(operation.acknowledged for operation in history.operations
                                        if operation.kind == records.WRITE)
    return counts
