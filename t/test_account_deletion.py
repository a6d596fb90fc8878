"""DELETE /api/3/account: beyond the protocol, off by default."""

import json
import time

import pytest

from support import raw
from support.api import PASSWORD, Http, assert_error, new_email
from support.api3 import NO_TOKEN, WRONG, Api3, assert_success, invalid, key_of, unknown, with_wallet
from support.crowd import together
from support.server import Server
from support.settings import stretched
from support.websocket import Device

GUESS = "not the password"
LIMIT = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(str(tmp_path_factory.mktemp("deletion")),
                    http=f"wallet_sync_account_deletion on; wallet_sync_login_attempts {LIMIT} 15m;",
                    server="location = /metrics { wallet_sync_metrics; }").start()
    yield server
    server.stop()


@pytest.fixture
def api(server):
    return Api3(server.port)


def delete(api, email, password=PASSWORD):
    return api.call("DELETE", "/api/3/account", {"email": email, "password": password})


def left(server, email):
    return server.redis.cli("KEYS", key_of(email) + "*")


def test_by_default_there_is_no_such_endpoint(make_server):
    api = Api3(make_server().start().port)
    email = api.new_account()
    assert_error(delete(api, email), 404, "Not Found: Unknown Endpoint")
    assert_error(api.get("/api/3/account"), 404, "Not Found: Unknown Endpoint")
    api.login(email)


@pytest.mark.smoke
def test_the_owner_deletes_all_of_it(server, api):
    email = api.new_account()
    token = api.login(email)
    assert api.post_wallet(token, 1).status == 200
    device = Device(server.port, token)
    assert_success(delete(api, email.upper()), {})
    assert (device.wait_closed(), device._link.close_reason) == (1008, "account deleted")
    assert left(server, email) == []
    assert_error(api.get_wallet(token), 401, NO_TOKEN)
    assert_error(api.post_wallet(token, 2), 401, NO_TOKEN)
    assert_error(api.auth(email), 401, WRONG)
    assert_error(delete(api, email), 401, WRONG)


def test_the_address_is_free_for_another_one(server, api):
    email = api.new_account()
    former = api.auth(email).json["userId"]
    assert delete(api, email).status == 200
    assert api.signup(email, password="another password").status == 201
    assert api.auth(email, "another password").json["userId"] > former
    assert_error(delete(api, email), 401, WRONG)


@pytest.mark.parametrize("body, error", [
    ({"password": PASSWORD}, invalid("Invalid or missing 'email'")), ({"email": "ann", "password": PASSWORD}, invalid("Invalid or missing 'email'")),
    ({"email": "a@b.c"}, invalid("Invalid or missing 'password'")), ({"email": "a@b.c", "password": "short"}, invalid("Invalid or missing 'password'")),
    ({"email": "a@b.c", "password": PASSWORD, "token": "x"}, unknown("token")), ("{", "Bad Request: Error parsing JSON"),
    (None, "Bad Request: Error parsing JSON"),
])
def test_what_is_asked_wrongly_is_400(api, body, error):
    assert_error(api.call("DELETE", "/api/3/account", body), 400, error)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_other_methods_are_405(api, method):
    reply = api.call(method, "/api/3/account", "{}")
    assert_error(reply, 405, "Method Not Allowed")
    assert reply.header("Allow") == "DELETE"


def test_a_body_too_large_is_413(api):
    assert_error(delete(api, "a@b.c", "x" * 200_000), 413, "Request Entity Too Large")


def test_a_chunked_body_is_read(server, api):
    email = api.new_account()
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    data = b"DELETE /api/3/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = raw.exchange(server.port, data + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert reply.status == 200


def test_version_1_has_none_of_it(api):
    assert api.call("DELETE", "/account", {"email": "a@b.c", "password": PASSWORD}).status == 404


def test_wrong_passwords_count_as_those_of_logins(server, api):
    email = api.new_account()
    for number in range(LIMIT):
        reply = delete(api, email, GUESS) if number % 2 else api.auth(email, GUESS)
        assert_error(reply, 401, WRONG)
    for reply in (delete(api, email), delete(api, email, GUESS), api.auth(email)):
        assert reply.status == 429 and int(reply.header("Retry-After")) > 0, reply
    server.redis.cli("DEL", key_of(email, ":failures"))
    assert delete(api, email).status == 200


def test_guesses_side_by_side_delete_nothing_beyond_the_limit(server, api):
    email = api.new_account()
    replies = together([lambda: delete(api, email, GUESS) for _ in range(LIMIT + 4)])
    assert sum(reply.status == 401 for reply in replies) <= LIMIT
    assert delete(api, email).status == 429
    assert left(server, email)


def test_who_is_not_verified_cannot_delete(server, api):
    email = api.new_account()
    server.redis.cli("HSET", key_of(email), "verified", "0")
    assert_error(delete(api, email), 401, "Unauthorized: Account is not verified")


def test_an_address_without_an_account_is_a_wrong_password(api):
    assert_error(delete(api, new_email()), 401, WRONG)


def test_while_its_devices_write_and_log_in_nothing_comes_back(server, api):
    email = api.new_account()
    tokens = [api.login(email, device=str(number)) for number in range(3)]

    def write(token):
        """Until it is over with the token; the deletion may have to wait for its turn to hash the password."""
        end, sequence, last = time.monotonic() + stretched(60), 0, None
        while last != 401 and time.monotonic() < end:
            sequence += 1
            last = api.post_wallet(token, sequence).status
        return last

    def log_in():
        return {api.auth(email, device=f"late {number}").status for number in range(4)}

    *written, logins, deleted = together([lambda token=token: write(token) for token in tokens]
                                         + [log_in, lambda: delete(api, email)])
    assert deleted.status == 200, deleted
    assert set(written) == {401} and logins <= {200, 401, 429}
    assert set(left(server, email)) <= {key_of(email, ":failures").encode()}


def test_of_a_deletion_and_a_password_change_one_comes_first(server, api):
    for _ in range(2):
        email = api.new_account()
        token = api.login(email)
        api.post_wallet(token, 1)
        changed, deleted = together([lambda e=email: api.change(e, **with_wallet(2)), lambda e=email: delete(api, e)])
        assert {changed.status, deleted.status} == {200, 401}, (changed, deleted)
        assert bool(left(server, email)) == (changed.status == 200)


def test_it_is_counted(server, api):
    delete(api, new_email())
    text = Http(server.port).get("/metrics").body.decode()
    assert 'wallet_sync_responses_total{endpoint="account",status="401"}' in text
