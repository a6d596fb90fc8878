"""Devices with long names: as long as a body may be, and no burden on Redis."""

import pytest

from support.api import PASSWORD

LENGTH = 90_000
LONG = "d" * LENGTH


@pytest.fixture(scope="module")
def email(server):
    return server.api.new_account()


def tokens(redis, token):
    """What Redis has of all tokens of the token's account."""
    return redis.cli("HGETALL", "wsync:{%s}:tokens" % token[:24])


def test_a_long_device_name_is_told_back_and_takes_little_room_in_redis(server):
    email = server.api.new_account()
    reply = server.api.auth(email, device=LONG)
    assert (reply.status, reply.json["deviceId"]) == (200, LONG)
    stored = tokens(server.redis, reply.json["token"])
    assert len(stored) == 2, "one token"
    assert sum(len(part) for part in stored) < 500


def test_devices_with_long_names_are_told_apart_by_all_of_their_names(api, email):
    first, other = api.login(email, PASSWORD, LONG), api.login(email, PASSWORD, LONG[:-1] + "e")
    assert [api.get_wallet(token).status for token in (first, other)] == [404, 404]
    again = api.login(email, PASSWORD, LONG)
    assert [api.get_wallet(token).status for token in (first, other, again)] == [401, 404, 404]
