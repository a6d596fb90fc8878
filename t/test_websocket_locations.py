"""Websockets where other modules have a say: a mirror that is slow, error pages and filters that change the status."""

import pytest

from support import raw
from support.api import assert_unavailable
from support.modules import load_lua
from support.wait import until
from support.websocket import TEXT, Device, Link, channels, frame, plant_token, upgrade

QUICK = "wallet_sync_drain_time 0;"


@pytest.fixture
def mirrored(make_server, recorder):
    """Each handshake is mirrored to the recorder."""
    return make_server(http=QUICK, server=f"location = /copy {{ internal; proxy_pass {recorder.address}; }}",
                       location="wallet_sync; mirror /copy;").start()


def test_a_mirrored_handshake_is_answered_by_101(mirrored, recorder):
    token = plant_token(mirrored.redis)
    for _ in range(5):
        device = Device(mirrored.port, token)
        device.alive()
        device.close()
    until(lambda: len(recorder.requests) == 5, "each handshake is mirrored")


def test_a_handshake_waits_for_its_mirror_and_misses_nothing_meanwhile(mirrored, recorder):
    recorder.answering.clear()
    token = plant_token(mirrored.redis)
    with Link(mirrored.port) as link:
        link.send(upgrade(token) + frame(TEXT, b"early"))
        until(lambda: recorder.requests, "the copy arrives")
        until(lambda: channels(mirrored.redis), "the events of the account are subscribed to")
        mirrored.redis.cli("PUBLISH", channels(mirrored.redis)[0], "7")
        for _ in range(20):
            assert mirrored.api.get_wallet("0" * 64).status == 401
        assert link.silent(), "the handshake waits"
        recorder.answering.set()
        assert link.read_head().status == 101
        assert link._take(2 + 15) == b"\x81\x0fwallet-update:7"


def test_a_mirror_that_does_not_answer_leaves_503_and_no_subscription(mirrored, recorder):
    recorder.answering.clear()
    reply = raw.exchange(mirrored.port, upgrade(plant_token(mirrored.redis)))
    assert_unavailable(reply)
    recorder.answering.set()
    until(lambda: not channels(mirrored.redis), "nobody waits for the account's events")
    assert mirrored.api.get_wallet("0" * 64).status == 401


def test_who_leaves_while_a_handshake_waits_harms_nobody(mirrored, recorder):
    recorder.answering.clear()
    workers = mirrored.nginx.worker_pids()
    for at in range(4):
        link = Link(mirrored.port)
        link.send(upgrade(plant_token(mirrored.redis)))
        until(lambda: len(recorder.requests) > at, "the copy arrives")
        link.abort()
    recorder.answering.set()
    until(lambda: not channels(mirrored.redis), "nobody waits for events")
    assert mirrored.nginx.worker_pids() == workers


def test_a_reload_does_not_wait_for_a_mirror_that_does_not_answer(mirrored, recorder):
    mirrored.nginx.main = "worker_shutdown_timeout 60s;"
    recorder.answering.clear()
    with Link(mirrored.port) as link:
        link.send(upgrade(plant_token(mirrored.redis)))
        until(lambda: recorder.requests, "the copy arrives")
        until(lambda: channels(mirrored.redis), "the events of the account are subscribed to")
        mirrored.nginx.reload(wait_for_old=False)
        assert_unavailable(link.read())
        recorder.answering.set()


@pytest.mark.parametrize("page, status", [("404 @sync", 404), ("404 =200 @sync", 500), ("404 =201 @sync", 500), ("404 =404 @sync", 404)])
def test_behind_an_error_page_that_keeps_its_status_there_is_no_websocket(make_server, page, status):
    server = make_server(http=QUICK, location="return 404;", server=f"error_page {page}; location @sync {{ wallet_sync; }}").start()
    token = plant_token(server.redis)
    with raw.RawConnection(server.port) as link:
        link.send(upgrade(token))
        reply = link.read()
        assert reply.status == status
        assert reply.json["error"]
        link.send(raw.request("GET", "/wallet?token=" + token))
        assert link.read().status >= 200, "it is HTTP as before"
    assert not channels(server.redis)
    assert "error_page" in server.nginx.log(), "the log says what to mend"


def test_behind_an_error_page_that_leaves_the_status_to_us_there_is_one(make_server):
    server = make_server(http=QUICK, location="return 404;", server="error_page 404 = @sync; location @sync { wallet_sync; }").start()
    device = Device(server.port, plant_token(server.redis))
    device.alive()
    device.close()


@pytest.mark.parametrize("status", [403, 200, 204])
def test_a_filter_that_changes_the_101_leaves_a_proper_reply_and_no_websocket(make_server, status):
    server = make_server(http=QUICK, main=load_lua(),
                         location=f"wallet_sync; header_filter_by_lua_block {{ if ngx.status == 101 then ngx.status = {status} end }}").start()
    with raw.RawConnection(server.port) as link:
        link.send(upgrade(plant_token(server.redis)))
        reply = link.read()
        assert (reply.status, reply.body) == (status, b"")
        assert link.read_rest() == b""
    until(lambda: not channels(server.redis), "nobody waits for events")
    assert server.api.get_wallet("0" * 64).status == 401


def test_a_filter_that_gives_a_101_up_leaves_its_error(make_server):
    server = make_server(http=QUICK, main=load_lua(),
                         location="wallet_sync; header_filter_by_lua_block { if ngx.status == 101 then error('no') end }").start()
    server.nginx.expect("lua")
    with raw.RawConnection(server.port) as link:
        link.send(upgrade(plant_token(server.redis)))
        assert b"101" not in link.read_rest()
    until(lambda: not channels(server.redis), "nobody waits for events")
