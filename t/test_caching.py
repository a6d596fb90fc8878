"""No cache may keep a reply: most of them are for a URL with a token in it, and carry a wallet or a token."""

import base64
import secrets

import pytest

from support import raw
from support.api import PASSWORD, new_email
from support.api3 import Api3
from support.websocket import Link, upgrade


def replies(server):
    """(status, reply) of all that both APIs say."""
    api, api3 = server.api, Api3(server.port)
    email, seed = new_email(), secrets.token_hex(32)
    yield 201, api3.signup(email)
    yield 409, api.signup(email)
    yield 401, api.auth(email, "a wrong password")
    token = api3.login(email)
    yield 200, api3.auth(email, device="another")
    yield 404, api.get_wallet(token)
    yield 200, api.post_wallet(token, 1)
    yield 409, api.post_wallet(token, 1, "other")
    yield 200, api3.post_wallet(token, 2)
    yield 409, api3.post_wallet(token, 2)
    for version in (api, api3):
        yield 200, version.get_wallet(token)
        yield 304, version.get_wallet(token, {"If-None-Match": '"2"'})
        yield 401, version.get_wallet("0" * 64)
        yield 200, version.get(f"{version.prefix}/wallet", {"Authorization": f"Bearer {token}"})
        yield 400, version.post(f"{version.prefix}/wallet", "{")
        yield 405, version.call("DELETE", f"{version.prefix}/wallet?token={token}")
        yield 404, version.get(f"{version.prefix}/nothing?token={token}")
        yield 413, version.post(f"{version.prefix}/wallet", b"x" * 100_001)
    yield 200, api3.get("/api/3/client-salt-seed?email=" + base64.b64encode(email.encode()).decode())
    yield 403, api3.get(f"/api/3/verify?verifyToken={seed}")
    yield 400, api3.get(f"/api/3/websocket?token={token}")
    yield 426, raw.exchange(server.port, upgrade(token, Sec_WebSocket_Version="8"))
    yield 200, api3.post("/api/3/password", {"email": email, "oldPassword": PASSWORD, "newPassword": PASSWORD + "2",
                                             "clientSaltSeed": seed, "encryptedWallet": "w", "sequence": 3, "hmac": "h"})


def assert_kept_by_nobody(all_replies):
    for status, reply in all_replies:
        assert reply.status == status, reply
        assert reply.header("Cache-Control") == "no-store", reply


def test_every_reply_says_no_store(server):
    assert_kept_by_nobody(replies(server))


def test_while_redis_is_away_too(own_server):
    own_server.redis.kill()
    assert_kept_by_nobody([(503, own_server.api.get_wallet("0" * 64))])
    own_server.redis.start()


@pytest.mark.parametrize("directive", ["expires 1d;", "add_header Cache-Control public;", "expires max;"])
def test_what_nginx_is_told_about_caches_does_not_take_it_away(make_server, directive):
    server = make_server(location=f"wallet_sync; {directive}").start()
    token = server.api.new_token()
    assert server.api.post_wallet(token, 1).status == 200
    values = [value for name, value in server.api.get_wallet(token).headers if name.lower() == "cache-control"]
    assert "no-store" in values, values


def test_the_101_of_a_websocket_has_no_need_of_it(server, token):
    with Link(server.port) as link:
        link.send(upgrade(token))
        reply = link.read_head()
        assert (reply.status, reply.header("Cache-Control")) == (101, None)
