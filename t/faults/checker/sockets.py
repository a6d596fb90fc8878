"""Promises to websockets."""

from faults import history as records
from faults.checker.credentials import Chain


def informed(view):
    """A socket that was open before a write began is told of it, or of a later one, while it stays open."""
    for account in view.accounts.values():
        stored = sorted((w for w in account.writes.values() if w.acknowledged and w.kind == records.WRITE),
                        key=lambda write: write.end)
        due = [(write, view.noticed_by(write.end)) for write in stored] if account.sockets else []
        for socket in account.sockets:
            until = min(socket.end, view.end)
            for write, deadline in due:
                if write.begin > socket.opened.end and deadline <= until and socket.told_by(deadline) < write.sequence:
                    yield f"not told of {write.sequence} in time", [socket.opened, write, *socket.messages[-1:]]
                    break


def dead(view):
    """A password change closes the sockets of the old password, and they hear of nothing that came with it or later."""
    for account in view.accounts.values():
        chain = Chain(account)
        for socket in account.sockets:
            login = account.issued.get(socket.opened.token)
            if login is None:
                continue
            died, proof = chain.death(login.password)
            if proof is None:
                continue
            deadline = view.noticed_by(max(died, socket.opened.end))
            if socket.end > deadline and view.end >= deadline:
                yield "still open after the password was changed", [socket.opened, proof]
            for change in chain.changes_from[login.password]:
                late = [m for m in socket.messages
                        if change.sequence and m.sequence >= change.sequence and not view.in_doubt(m.at, m.at)]
                if late and change.new_password in chain.certain:
                    yield "told of a write after the password was changed", [socket.opened, change, late[0]]


def true(view):
    """What a socket is told was written, and never goes back."""
    for message in view.strays:
        yield "told, though it was never opened", [message]
    for account in view.accounts.values():
        for socket in account.sockets:
            newest = None
            for message in socket.messages:
                if message.account != account.name:
                    yield "told of another account", [socket.opened, message]
                elif (message.sequence > account.possible_before(message.at)
                      and not account.refused_one(message.sequence, message.at)):
                    yield "told of a sequence that nobody wrote", [socket.opened, message]
                elif newest and message.sequence < newest.sequence and not view.in_doubt(newest.at, newest.at):
                    yield "told of an older sequence", [socket.opened, newest, message]
                newest = message
