"""Crowds that go on with the old token and the old password while the password changes, over several workers.

WALLET_SYNC_RACES=N lets them, and what is in test_password_races.py, go N times as often.
"""

import threading

import pytest

from support.account import CHANGED, NO_LIMIT, Account, passwords, times
from support.api import Api1, assert_error
from support.api3 import BAD_CHANGE, NO_TOKEN, WRONG, Api3, assert_success, dump, state3, with_wallet
from support.crowd import together
from support.server import Server
from support.wait import until


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Four workers, and no limit of login attempts."""
    server = Server(str(tmp_path_factory.mktemp("crowded")), http=NO_LIMIT, workers=4).start()
    yield server
    server.stop()


class Crowd:
    """Clients with an old token and an old password, and what they got for them."""

    def __init__(self, server, account, new):
        self.api, self.api1, self.account, self.new = Api3(server.port), Api1(server.port), account, new
        self.token, self.password, self.base = account.token, account.password, account.sequence
        self.answered, self.acknowledged = threading.Event(), threading.Event()
        self.written, self.tokens = {}, []

    def change(self):
        try:
            reply = self.account.change(self.api, self.new)
            if reply.status == 200:
                self.acknowledged.set()
            return reply
        finally:
            self.answered.set()

    def _until_over(self, request, fine):
        """Repeats the request until one begun after the answer to the change is through; the good replies."""
        while True:
            over, too_late = self.answered.is_set(), self.acknowledged.is_set()
            reply = request()
            assert reply.status in (*fine, 401), reply
            assert reply.status == 401 or not too_late, f"after the change was acknowledged: {reply}"
            if reply.status != 401:
                yield reply
            elif not over:
                until(lambda: self.answered.is_set(), "the change is answered: nothing else makes a token or a password old")
            if over:
                return

    def write(self, ahead, name):
        """Posts the sequence that is `ahead` of the one before the change."""
        sequence, wallet = self.base + ahead, f"by {name}"
        for reply in self._until_over(lambda: self.api.post_wallet(self.token, sequence, wallet), (200, 409)):
            if reply.status == 200:
                assert sequence not in self.written, f"sequence {sequence} was accepted twice"
                self.written[sequence] = wallet

    def compete(self):
        """One write that is after the same sequence as the change, while hashes are made for that."""
        until(lambda: self.tokens or self.answered.is_set(), "its moment comes")
        if self.api1.post_wallet(self.token, self.base + 1, "by a competitor").status == 200:
            self.written[self.base + 1] = "by a competitor"

    def read(self):
        for reply in self._until_over(lambda: self.api.get_wallet(self.token), (200,)):
            assert not reply.json["encryptedWallet"].startswith(f"{CHANGED} with {self.new}"), "seen with an old token"

    def log_in(self, device):
        for reply in self._until_over(lambda: self.api1.auth(self.account.email, self.password, device), (200,)):
            self.tokens.append(reply.json["token"])


def test_no_client_with_an_old_token_or_password_gets_past_a_change(crowded):
    account = Account(Api3(crowded.port), crowded.redis)
    won = 0
    for number in range(times(6)):
        crowd = Crowd(crowded, account, next(passwords))
        jobs = [crowd.change, crowd.read, lambda: crowd.write(2, "one"), lambda: crowd.write(2, "two"),
                lambda: crowd.write(3, "three"), lambda: crowd.log_in("old 1"), lambda: crowd.log_in("old 2")]
        if number % 3 == 2:
            jobs.append(crowd.compete)
        answer = together(jobs)[0]
        if answer.status == 200:
            won += 1
            assert not crowd.written, "a write went where the change's wallet is"
            for token in crowd.tokens:
                assert_error(crowd.api.get_wallet(token), 401, NO_TOKEN)
            account.changed(crowd.new)
        else:
            assert_error(answer, 409, BAD_CHANGE)
            last = max(crowd.written)
            assert sorted(crowd.written) == list(range(crowd.base + 1, last + 1))
            account.sequence = last
            account.log_in()
            assert_success(crowd.api.get_wallet(account.token), state3(last, crowd.written[last]))
    assert won


def test_of_several_changes_at_once_exactly_one_is_made(crowded):
    api = Api3(crowded.port)
    account = Account(api, crowded.redis)
    for number in range(times(3)):
        news = [next(passwords) for _ in range(4)]
        seeds = [f"{number * 4 + n:064x}" for n in range(4)]

        def change(n):
            return api.change(account.email, account.password, news[n], seeds[n],
                              **with_wallet(account.sequence + 1, f"{CHANGED} with {news[n]}"))

        replies = together([lambda n=n: change(n) for n in range(4)])
        winner, = [n for n in range(4) if replies[n].status == 200]
        for reply in replies[:winner] + replies[winner + 1:]:
            assert_error(reply, 401, WRONG)
        assert_success(api.salt_seed(account.email), {"clientSaltSeed": seeds[winner]})
        assert_error(api.auth(account.email, news[winner - 1]), 401, WRONG)
        account.changed(news[winner])


def test_a_refused_change_changes_nothing_in_the_midst_of_readers_and_of_others_like_it(crowded):
    api = Api3(crowded.port)
    account = Account(api, crowded.redis)
    for _ in range(times(2)):
        before = dump(crowded.redis, account.email)
        wrong = (account.sequence, account.sequence + 2, 4294967295)
        replies = together([lambda s=s: account.change(api, "never the password", s) for s in wrong]
                           + [lambda: api.get_wallet(account.token)] * 3)
        for reply in replies[:3]:
            assert_error(reply, 409, BAD_CHANGE)
        for reply in replies[3:]:
            assert_success(reply, state3(account.sequence))
        assert dump(crowded.redis, account.email) == before


def test_tokens_of_the_new_password_are_never_revoked_by_the_change(crowded):
    """Logins with the new password go on while it comes; the first that is let in stays in."""
    api = Api3(crowded.port)
    account = Account(api, crowded.redis)
    for _ in range(times(2)):
        new = next(passwords)

        def early(device):
            return until(lambda: (r := api.auth(account.email, new, device)).status == 200 and r, "the new password").json["token"]

        reply, *tokens = together([lambda: account.change(api, new), lambda: early("early 1"), lambda: early("early 2")])
        assert_success(reply, {})
        account.sequence += 1
        for token in tokens:
            assert_success(api.get_wallet(token), state3(account.sequence, f"{CHANGED} with {new}", "new hmac"))
        account.password = new
        account.log_in()
