"""Who may open a websocket, and what a proper upgrade is (RFC 6455 section 4)."""

import json
import re
import secrets

import pytest

from support import raw
from support.api import assert_error
from support.wait import until
from support.websocket import (GOING_AWAY, KEY, PING, PONG, TEXT, Link, RawWebsocket, accept_of, channels, close_frame,
                               devices_on_workers, frame, http2_get, plant_token, upgrade)

NO_TOKEN = "Bad Request: Missing token parameter"
UNKNOWN = "Unauthorized: Token Not Found"
NO_UPGRADE = "Bad Request: Not a websocket upgrade"
BAD_KEY = "Bad Request: Invalid Sec-WebSocket-Key"


def ask(server, *args, **how):
    return raw.exchange(server.port, upgrade(*args, **how))


@pytest.mark.smoke
def test_a_proper_handshake_is_answered_by_101_with_the_accept_of_its_key(server, token):
    reply = ask(server, token)
    assert (reply.status, reply.reason) == (101, "Switching Protocols")
    assert reply.header("Upgrade").lower() == "websocket"
    assert reply.header("Connection").lower() == "upgrade"
    assert reply.header("Sec-WebSocket-Accept") == accept_of(KEY)
    assert {name.lower() for name, _ in reply.headers} <= {"server", "date", "upgrade", "connection", "sec-websocket-accept"}


def test_the_key_of_the_rfc_gets_the_accept_of_the_rfc(server, token):
    reply = ask(server, token, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
    assert reply.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_subprotocol_and_extensions_are_not_taken_up(server, token):
    reply = ask(server, token, headers=["Sec-WebSocket-Protocol: chat, superchat",
                                        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert reply.status == 101
    assert reply.header("Sec-WebSocket-Protocol") is None
    assert reply.header("Sec-WebSocket-Extensions") is None


@pytest.mark.parametrize("origin", ["http://localhost", "https://elsewhere.example", "null", "nonsense"])
def test_any_origin_will_do(server, token, origin):
    assert ask(server, token, headers=[f"Origin: {origin}"]).status == 101


@pytest.mark.parametrize("changes", [
    {"Connection": "upgrade"}, {"Connection": "keep-alive, Upgrade"}, {"Connection": "UPGRADE,keep-alive"},
    {"Upgrade": "WebSocket"}, {"Upgrade": "h2c, websocket"}, {"Connection": " ,, \t upgrade  , "},
    {"Sec_WebSocket_Key": "/+++++++++++++++++++Aw=="},
])
def test_headers_are_lists_of_words_without_regard_to_case(server, token, changes):
    assert ask(server, token, **changes).status == 101


@pytest.mark.parametrize("changes, more", [
    ({"Connection": "keep-alive"}, "Connection: Upgrade"), ({}, "Connection: keep-alive"),
    ({"Upgrade": "h2c"}, "Upgrade: websocket"), ({}, "Upgrade: h2c"),
])
def test_a_header_that_comes_twice_is_one_list(server, token, changes, more):
    assert ask(server, token, headers=[more], **changes).status == 101


@pytest.mark.parametrize("changes", [
    {"Connection": None}, {"Connection": "close"}, {"Connection": "upgrades"}, {"Connection": "keep-alive"},
    {"Upgrade": None}, {"Upgrade": "websockets"}, {"Upgrade": "h2c"}, {"Upgrade": "web socket"}, {"Upgrade": ""},
    {"Sec_WebSocket_Version": None}, {"Sec_WebSocket_Version": ""},
])
def test_what_is_no_upgrade_is_400(server, token, changes):
    assert_error(ask(server, token, **changes), 400, NO_UPGRADE)


@pytest.mark.parametrize("key", [
    None, "", "AAAA", "x", KEY[:-2], KEY[:-1], KEY + "=", KEY[:-4] + "AAAA", "A" * 24, "!" * 22 + "==", KEY.replace("M", "-"),
    "AAAAAAAAAAAAAAAAAAAAAAAA", KEY[:10] + " " + KEY[10:], KEY + ", " + KEY,
])
def test_a_key_that_is_not_the_base64_of_16_bytes_is_400(server, token, key):
    assert_error(ask(server, token, Sec_WebSocket_Key=key), 400, BAD_KEY)


def test_two_keys_are_400(server, token):
    assert_error(ask(server, token, headers=[f"Sec-WebSocket-Key: {KEY}"]), 400, BAD_KEY)


@pytest.mark.parametrize("version", ["8", "0", "12", "14", "130", "013", "13.0", "13, 8", "x"])
def test_another_version_is_426_and_told_the_right_one(server, token, version):
    reply = ask(server, token, Sec_WebSocket_Version=version)
    assert_error(reply, 426, "Upgrade Required: Websocket version 13 is supported")
    assert reply.header("Sec-WebSocket-Version") == "13"
    assert reply.header("Upgrade") == "websocket"


def test_http_1_0_is_400(server, token):
    reply = raw.exchange(server.port, upgrade(token, version="HTTP/1.0"))
    assert_error(reply, 400, "Bad Request: Websockets need HTTP/1.1")


def test_http_2_is_400(make_server):
    server = make_server(listen="http2").start()
    path = f"/api/3/websocket?token={plant_token(server.redis)}"
    status, body = http2_get(server.port, path)
    assert (status, json.loads(body)) == (400, {"error": "Bad Request: Websockets need HTTP/1.1"})


@pytest.mark.parametrize("length", [1, 1000])
def test_a_handshake_with_a_body_is_400(server, token, length):
    assert_error(ask(server, token, body=b"x" * length), 400, NO_UPGRADE)


def test_a_handshake_with_a_chunked_body_is_400(server, token):
    data = upgrade(token, headers=["Transfer-Encoding: chunked"]) + b"1\r\nx\r\n0\r\n\r\n"
    assert_error(raw.exchange(server.port, data), 400, NO_UPGRADE)


def test_an_announced_body_of_nothing_is_no_body(server, token):
    assert ask(server, token, headers=["Content-Length: 0"]).status == 101


def proper_and_not():
    return [{}, {"Upgrade": None}, {"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Key": "x"}]


@pytest.mark.parametrize("changes", proper_and_not())
def test_without_a_token_it_is_400_whatever_the_upgrade(server, changes):
    assert_error(ask(server, None, **changes), 400, NO_TOKEN)
    assert_error(ask(server, "", **changes), 400, NO_TOKEN)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT"])
@pytest.mark.parametrize("changes", proper_and_not())
def test_an_unknown_token_is_401_whatever_the_upgrade_and_the_method(server, method, changes):
    reply = raw.exchange(server.port, upgrade("0" * 64, method, **changes), no_body=method == "HEAD")
    assert reply.status == 401
    if method != "HEAD":
        assert_error(reply, 401, UNKNOWN)


@pytest.mark.parametrize("bad", [
    lambda t: t.upper() if t.upper() != t else t[:-1], lambda t: t[:-1], lambda t: t + "0", lambda t: "x" * 64,
    lambda t: t[:24] + "0" * 40, lambda t: t + "%00"])
def test_a_token_counts_exactly(server, token, bad):
    assert_error(ask(server, bad(token)), 401, UNKNOWN)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize("changes", proper_and_not())
def test_another_method_with_a_good_token_is_405(server, token, method, changes):
    reply = raw.exchange(server.port, upgrade(token, method, **changes), no_body=method == "HEAD")
    assert reply.status == 405
    assert reply.header("Allow") == "GET"
    if method != "HEAD":
        assert_error(reply, 405, "Method Not Allowed")


def test_a_refused_handshake_leaves_the_connection_for_the_next_request(server, token):
    with raw.RawConnection(server.port) as link:
        for _ in range(3):
            link.send(upgrade("0" * 64))
            assert_error(link.read(), 401, UNKNOWN)
            link.send(upgrade(token, Sec_WebSocket_Version="8"))
            assert link.read().status == 426
        link.send(upgrade(token))
        assert link.read_head().status == 101


def test_the_token_may_be_a_bearer_header(server, token):
    assert ask(server, None, headers=[f"Authorization: Bearer {token}"]).status == 101
    assert_error(ask(server, None, headers=[f"Authorization: Bearer {'0' * 64}"]), 401, UNKNOWN)


def test_a_token_that_was_replaced_is_401(api, server):
    email = api.new_account()
    old = api.login(email)
    assert ask(server, old).status == 101
    api.login(email)
    assert_error(ask(server, old), 401, UNKNOWN)


@pytest.mark.parametrize("path", ["/websocket", "/api/3/websocket/", "/api/3/Websocket"])
def test_there_is_no_other_path_for_it(server, token, path):
    data = upgrade(token).replace(b"/api/3/websocket", path.encode())
    assert raw.exchange(server.port, data).status == 404


def test_nothing_is_said_on_connect_not_even_of_a_wallet(api, server):
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    with RawWebsocket(server.port, token) as socket:
        socket.alive()


def test_frames_sent_along_with_the_handshake_are_heard(server, token):
    early = frame(PING, b"first") + frame(TEXT, b"ignored") + frame(PING, b"second")
    with RawWebsocket(server.port, token, early=early) as socket:
        assert [socket.hear(), socket.hear()] == [(PONG, b"first"), (PONG, b"second")]
        socket.alive()


def test_half_a_frame_sent_along_with_the_handshake_is_completed_later(server, token):
    ping = frame(PING, b"in two parts")
    with RawWebsocket(server.port, token, early=ping[:5]) as socket:
        socket.send(ping[5:])
        assert socket.hear() == (PONG, b"in two parts")


def test_a_farewell_sent_along_with_the_handshake_is_answered(server, token):
    with RawWebsocket(server.port, token, early=close_frame(GOING_AWAY)) as socket:
        socket.assert_closed(GOING_AWAY)


def test_a_handshake_may_come_byte_by_byte(server, token):
    with Link(server.port) as link:
        link.send_slowly(bytes([byte]) for byte in upgrade(token))
        assert link.read_head().status == 101


def test_a_handshake_larger_than_the_header_buffer_is_fine(server, token):
    with RawWebsocket(server.port, token, early=frame(PING, b"early"), headers=["X-Long: " + "x" * 3000]) as socket:
        assert socket.hear() == (PONG, b"early")


def test_the_library_connects_with_what_it_offers_by_default(make_server):
    server = make_server(listen="reuseport").start()
    devices = devices_on_workers(server, [plant_token(server.redis)], 2)
    for device in devices:
        assert device.agreed == (None, [])
        device.alive()
        device.close()
        assert device.messages == []
        assert device.wait_closed() == 1000


def test_a_token_that_is_none_costs_one_read_and_no_subscription(make_server):
    server = make_server(workers=1).start()
    token = plant_token(server.redis)
    RawWebsocket(server.port, token).close()
    commands = counted(server, lambda: [ask(server, secrets.token_hex(32)).status for _ in range(50)])
    assert commands.pop("hget") == 50
    assert_rare(commands)
    # So is a handshake that is none, whatever its token is worth.
    commands = counted(server, lambda: [ask(server, token, Upgrade=None).status for _ in range(50)])
    assert commands.pop("hget") == 50
    assert_rare(commands)


def assert_rare(commands):
    """The worker itself subscribes to its heartbeat now and then."""
    assert all(commands.get(name, 0) < 5 for name in ("subscribe", "unsubscribe", "hmget", "watch")), commands


def counted(server, work):
    """{command: calls} of what Redis was asked meanwhile."""
    until(lambda: channels(server.redis) == [], "no websocket is there")
    server.redis.cli("CONFIG", "RESETSTAT")
    work()
    rows = server.redis.cli("INFO", "commandstats").decode().split()
    found = re.findall(r"cmdstat_([a-z|]+):calls=(\d+)", " ".join(rows))
    return {name: int(calls) for name, calls in found}
