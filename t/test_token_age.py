"""Tokens grow old and have a scope. A test does not wait for a fortnight: it makes them old in Redis."""

import calendar
import hashlib
import time

import pytest

from support.api import Api1, assert_error
from support.api3 import BAD_SEQUENCE, NO_TOKEN, NO_WALLET, Api3, invalid

FORTNIGHT = 14 * 24 * 3600
SCOPE = "Forbidden: Scope"


@pytest.fixture
def api(server):
    return Api3(server.port)


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


class Stored:
    """What Redis keeps of a token: its expiry, its scope and its device."""

    def __init__(self, redis, token):
        self._redis, self._key, self._field = redis, "wsync:{%s}:tokens" % token[:24], digest(token)

    @property
    def value(self):
        return self._redis.cli("HGET", self._key, self._field)

    @property
    def expiry(self):
        return int(self.value.split(b" ")[0])

    def write(self, expiry=None, scope=b"*"):
        _, _, device = self.value.split(b" ", 2)
        self._redis.cli("HSET", self._key, self._field, b"%d %b %b" % (expiry or self.expiry, scope, device))

    def siblings(self):
        """How many tokens the account has."""
        return self._redis.cli("HLEN", self._key)


@pytest.fixture
def of(server):
    return lambda token: Stored(server.redis, token)


def assert_refused(server, token, status, error):
    """Everything a token is good for, in both APIs."""
    for client in (Api1(server.port), Api3(server.port)):
        assert_error(client.get_wallet(token), status, error)
        assert_error(client.get(f"{client.prefix}/wallet", {"Authorization": f"Bearer {token}"}), status, error)
        for sequence in (1, 9):
            assert_error(client.post_wallet(token, sequence), status, error)


@pytest.mark.smoke
def test_an_expired_token_is_401_for_everything(server, of):
    token = Api3(server.port).new_token()
    assert Api3(server.port).get_wallet(token).status == 404
    of(token).write(expiry=int(time.time()) - 1)
    assert_refused(server, token, 401, NO_TOKEN)


@pytest.mark.parametrize("age", [FORTNIGHT + 1, 10 * FORTNIGHT])
def test_a_token_of_more_than_fourteen_days_is_dead(server, api, of, age):
    token = api.new_token()
    stored = of(token)
    stored.write(expiry=stored.expiry - age)
    assert_refused(server, token, 401, NO_TOKEN)


def test_a_token_of_almost_fourteen_days_is_alive(api, of):
    token = api.new_token()
    stored = of(token)
    stored.write(expiry=stored.expiry - FORTNIGHT + 120)
    assert_error(api.get_wallet(token), 404, NO_WALLET)
    assert api.post_wallet(token, 1).status == 200


def test_what_a_login_tells_is_what_is_kept(api, of):
    reply = api.auth(api.new_account()).json
    told = calendar.timegm(time.strptime(reply["expiration"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(told - of(reply["token"]).expiry) <= 1
    assert abs(told - (time.time() + FORTNIGHT)) < 60


def test_the_use_of_a_token_does_not_make_it_younger(api, of):
    token = api.new_token()
    stored = of(token)
    stored.write(expiry=int(time.time()) + 100)
    before = stored.value
    assert api.post_wallet(token, 1).status == 200
    assert api.get_wallet(token).status == 200
    assert stored.value == before


def test_a_new_login_is_a_new_fortnight_and_throws_away_what_expired_long_ago(api, of):
    """Not what expired just now: the clock of this machine may be ahead of the other device's server."""
    email = api.new_account()
    names = ("phone", "laptop", "tablet", "watch")
    old, ancient, other, alive = (api.login(email, device=device) for device in names)
    for token, age in ((old, 5), (ancient, 24 * 3600 + 5), (other, 5)):
        of(token).write(expiry=int(time.time()) - age)
    new = api.login(email, device="phone")
    assert of(new).siblings() == 3
    assert of(other).value and not of(ancient).value and not of(old).value
    for token in (old, ancient, other):
        assert_error(api.get_wallet(token), 401, NO_TOKEN)
    for token in (alive, new):
        assert_error(api.get_wallet(token), 404, NO_WALLET)
    assert of(new).expiry >= time.time() + FORTNIGHT - 60


def test_an_expired_token_takes_no_other_one_with_it(api, of):
    email = api.new_account()
    old, alive = (api.login(email, device=device) for device in ("phone", "laptop"))
    of(old).write(expiry=1)
    assert_error(api.get_wallet(old), 401, NO_TOKEN)
    assert_error(api.get_wallet(alive), 404, NO_WALLET)


def test_a_token_that_expired_under_a_written_wallet_writes_nothing_more(api, of):
    email = api.new_account()
    old = api.login(email, device="phone")
    api.post_wallet(old, 1)
    of(old).write(expiry=int(time.time()) - 1)
    assert_error(api.post_wallet(old, 2), 401, NO_TOKEN)
    assert api.get_wallet(api.login(email, device="phone")).json["sequence"] == 1


# ---- scope

@pytest.mark.parametrize("scope", [b"get-wallet", b"**", b"-", b"verify"])
def test_another_scope_than_all_is_403_for_everything(server, api, of, scope):
    token = api.new_token()
    of(token).write(scope=scope)
    assert_refused(server, token, 403, SCOPE)


def test_the_scope_is_checked_after_the_token_and_before_wallet_and_sequence(api, of):
    email = api.new_account()
    token, good = api.login(email, device="phone"), api.login(email, device="laptop")
    api.post_wallet(good, 1)
    of(token).write(scope=b"none")
    assert_error(api.get_wallet(token), 403, SCOPE)
    assert_error(api.get_wallet(token, {"If-None-Match": "*"}), 403, SCOPE)
    assert_error(api.post_wallet(token, 2), 403, SCOPE)
    assert_error(api.post_wallet(token, 0), 400, invalid("Missing or zero-value 'sequence'"))
    assert_error(api.post_wallet(good, 9), 409, BAD_SEQUENCE)
    of(token).write(expiry=1, scope=b"none")
    assert_error(api.get_wallet(token), 401, NO_TOKEN)
