"""Promises about passwords and tokens.

Every password of an account is used once, so the changes of an account make a chain, and a token belongs to the
password of its login: it has to die with it.
"""

from faults import history as records
from faults.checker.view import FOREVER, SECOND

USES_TOKEN = frozenset({records.READ, records.WRITE, records.SOCKET})
LONG = 0.98  # of a token's lifetime: a clock that is ahead by more makes tokens expire that are some hours old


class Chain:
    """What is known of an account's passwords: which change is certain since when, and which is possible."""

    def __init__(self, account):
        self.account = account
        self.change_to = {change.new_password: change for change in account.changes}
        self.changes_from = {}
        for change in account.changes:
            self.changes_from.setdefault(change.password, []).append(change)
        self.certain = {}  # password → (since when it is certain that it was in force, what shows it)
        for operation in account.operations:
            for password in _passwords_shown(account, operation):
                self._set(password, operation.end, operation)

    def _set(self, password, at, proof):
        """The password was in force at some time before `at`, so all before it on the chain were too."""
        while at < self.certain.get(password, (FOREVER,))[0]:
            self.certain[password] = (at, proof)
            if password not in self.change_to:  # that of the signup
                return
            password = self.change_to[password].password

    def death(self, password):
        """(since when it certainly is not valid any more, what shows it)."""
        return min((self.certain[change.new_password] for change in self.changes_from.get(password, ())
                    if change.new_password in self.certain), key=lambda pair: pair[0], default=(FOREVER, None))

    def may_have_ended(self, password, before, but=None):
        """Somebody may have changed it before that time."""
        return any(change.possible and change is not but and change.begin < before
                   for change in self.changes_from.get(password, ()))

    def depth(self, password):
        """How many changes led to it."""
        steps = 0
        while password in self.change_to:
            password, steps = self.change_to[password].password, steps + 1
        return steps

    def token_death(self, token):
        """(since when it certainly is void, what shows it): its password was changed, or its device logged in again."""
        login = self.account.issued[token]
        death = self.death(login.password)
        for other in self.account.logins:
            if other.acknowledged and other.client == login.client and other.begin > login.end and other.end < death[0]:
                death = (other.end, other)
        return death


def _passwords_shown(account, operation):
    """Passwords that were in force at some time before the operation ended."""
    if operation.kind == records.PASSWORD and operation.acknowledged:
        yield operation.new_password
    if operation.kind == records.SIGNUP and operation.acknowledged:
        yield operation.password
    if operation.kind in (records.LOGIN, records.PASSWORD) and operation.outcome in (records.OK, records.CONFLICT):
        yield operation.password
    if operation.seen_password:
        yield operation.seen_password
    write = account.writes.get(operation.seen_write)
    if write and write.kind == records.PASSWORD:
        yield write.new_password


def dead(view):
    """Once a change is acknowledged, or its effect was seen, nothing that belongs to the old password works."""
    for account in view.accounts.values():
        chain = Chain(account)
        deaths = {token: chain.token_death(token) for token in account.issued}
        for operation in account.operations:
            if operation.outcome in records.SILENT or operation.outcome == records.UNAUTHORIZED:
                continue
            if operation.kind in USES_TOKEN and operation.token in deaths:
                died, proof = deaths[operation.token]
                if died < operation.begin:
                    yield "a void token was accepted", [account.issued[operation.token], proof, operation]
            if operation.kind in (records.LOGIN, records.PASSWORD):
                died, proof = chain.death(operation.password)
                if died < operation.begin:
                    yield "an old password was accepted", [proof, operation]
            if operation.seen_password:
                died, proof = chain.death(operation.seen_password)
                if died < operation.begin:
                    yield "the salt seed of an old password was shown", [proof, operation]


def honoured(view):
    """401 is answered only to credentials that may have ended, 404 only for an account that may not be there."""
    for account in view.accounts.values():
        chain = Chain(account)
        there = min((at for at, _ in chain.certain.values()), default=FOREVER)
        for operation in account.operations:
            if operation.kind == records.SEED and operation.outcome == records.ABSENT and there < operation.begin:
                yield "an account that signed up is not there", [operation]
            if operation.outcome != records.UNAUTHORIZED:
                continue
            if operation.kind in (records.LOGIN, records.PASSWORD):
                since, proof = chain.certain.get(operation.password, (FOREVER, None))
                if since < operation.begin and not chain.may_have_ended(operation.password, operation.end, but=operation):
                    yield "a password was refused that nobody has changed", [proof, operation]
            elif operation.token in account.issued:
                login = account.issued[operation.token]
                if not _may_be_void(view, chain, login, operation):
                    yield "a token was refused that nobody has revoked", [login, operation]


def _may_be_void(view, chain, login, operation):
    if chain.may_have_ended(login.password, operation.end):
        return True
    if any(other is not login and other.client == login.client and other.possible
           and login.begin < other.begin < operation.end for other in chain.account.logins):
        return True
    return _may_have_expired(view, login, operation)


def _may_have_expired(view, login, operation):
    """By nginx' clock, which a fault may have set to another day; it notices a second later."""
    lifetime = view.facts.token_lifetime
    leaps = [d for d in view.disturbances if abs(d.offset) > LONG * lifetime]
    return any(d.begin <= moment.end and moment.begin <= d.end + 2 * SECOND
               for d in leaps for moment in ((operation,) if d.offset > 0 else (login,)))


def whole(view):
    """A change is made as a whole, once, or not at all: password, wallet, salt seed and the end of the tokens."""
    for account in view.accounts.values():
        chain = Chain(account)
        for password, (_, proof) in chain.certain.items():
            change = chain.change_to.get(password)
            if change and not change.possible:
                yield f"answered with {change.outcome}, and done all the same", [change, proof]
        for changes in chain.changes_from.values():
            done = [change for change in changes if change.new_password in chain.certain]
            if len(done) > 1:
                yield "a password was changed twice", done
        set_by_somebody = {change.new_password for change in account.changes} | {o.password for o in account.signups}
        for operation in account.operations:
            if operation.seen_password and operation.seen_password not in set_by_somebody:
                yield "a salt seed that nobody set", [operation]
        yield from _seen_across(account, chain)


def signed_up(view):
    """An address is given to one who signs up, and to nobody who was refused; 409 only if somebody may have it."""
    for account in view.accounts.values():
        chain = Chain(account)
        attempts = {}
        for signup in account.signups:
            attempts.setdefault(signup.password, []).append(signup)
            if signup.outcome == records.CONFLICT and not any(
                    other.possible and other is not signup and other.begin < signup.end for other in account.signups):
                yield "an address was refused that nobody has taken", [signup]
        owners = [password for password in attempts if password in chain.certain]
        if len(owners) > 1 or sum(signup.acknowledged for signup in account.signups) > 1:
            yield "an address was given twice", [chain.certain[password][1] for password in owners]
        for password in owners:
            if not any(signup.possible for signup in attempts[password]):
                yield "refused, and signed up all the same", [*attempts[password], chain.certain[password][1]]


def _seen_across(account, chain):
    """No token sees wallets of another time than its own: none from after its end, none from before its password's
    change."""
    for seen in account.operations:
        if seen.token not in account.issued or seen.seen_sequence is None or seen.kind not in USES_TOKEN:
            continue
        login = account.issued[seen.token]
        age = chain.depth(login.password)
        write = account.writes.get(seen.seen_write)
        if write and _age_of(account, chain, write) > age:
            yield "a token saw what was written after its end", [login, write, seen]
        change = chain.change_to.get(login.password)
        if change and change.sequence and seen.seen_sequence < change.sequence:
            yield "a token of the new password saw the wallet from before the change", [change, seen]


def _age_of(account, chain, write):
    """How many password changes had been made when this write was."""
    if write.kind == records.PASSWORD:
        return chain.depth(write.new_password)
    login = account.issued.get(write.token)
    return chain.depth(login.password) if login else 0
