"""An account whose password changes again and again, and what must be true after each change."""

import itertools
import os

from support.api import assert_error
from support.api3 import NO_TOKEN, assert_success, key_of, state3, with_wallet
from support.settings import rounds

NO_LIMIT = "wallet_sync_login_attempts off;"
CHANGED = "re-encrypted"

passwords = (f"password number {number}" for number in itertools.count(1))


def times(count):
    """How often a race is run: WALLET_SYNC_RACES times as often as by default."""
    return rounds(count * int(os.environ.get("WALLET_SYNC_RACES") or 1))


class Account:
    """One that changes its password again and again: the password, a token and the sequence of the moment."""

    def __init__(self, api, redis, wallet=True):
        self.api, self.redis = api, redis
        self.password, self.sequence = next(passwords), 0
        self.email = api.new_account(password=self.password)
        self.log_in()
        if wallet:
            assert api.post_wallet(self.token, 1).status == 200
            self.sequence = 1

    def log_in(self):
        self.token = self.api.login(self.email, self.password)

    def change(self, api, new, sequence=None):
        """The change that is right now, to the password `new`."""
        wallet = with_wallet(sequence or self.sequence + 1, f"{CHANGED} with {new}") if self.sequence else {}
        return api.change(self.email, self.password, new, **wallet)

    def changed(self, new):
        """The change to `new` was acknowledged and nothing came after it: nobody but its wallet is there."""
        assert self.redis.cli("HLEN", key_of(self.email, ":tokens")) == 0, "a token outlived the change"
        self.password = new
        old = self.token
        self.log_in()
        assert_error(self.api.get_wallet(old), 401, NO_TOKEN)
        if self.sequence:
            self.sequence += 1
            assert_success(self.api.get_wallet(self.token), state3(self.sequence, f"{CHANGED} with {new}", "new hmac"))
        else:
            assert self.api.get_wallet(self.token).status == 404
