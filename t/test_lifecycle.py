"""Reload, quit, dying workers and clients that go away."""

import json

import pytest

from support import raw
from support.api import PASSWORD, assert_unavailable, new_email, state
from support.crowd import Background, together
from support.load import Followers, Load
from support.settings import rounds
from support.wait import until
from support.websocket import plant_tokens


def test_reload_under_load_fails_no_request_and_old_workers_go(own_server):
    load = Load(own_server.api)
    for _ in range(rounds(8)):
        load.more()
        own_server.nginx.reload()
    load.more()
    load.end()
    assert len(own_server.nginx.worker_pids()) == 2


@pytest.mark.parametrize("listen", ["", "reuseport"])
def test_reload_under_load_loses_no_update_of_a_websocket(make_server, listen):
    server = make_server(http="wallet_sync_drain_time 300ms;", redis_options="timeout=20s", listen=listen).start()
    load = Load(server.api, plant_tokens(server.redis, 4))
    followers = Followers(server.port, load.newest)
    for _ in range(rounds(4)):
        load.more()
        server.nginx.reload()
    load.more()
    load.end()
    followers.know(load.newest)
    assert min(followers.connects.values()) > 1, "each came back"
    followers.end()


def test_reload_takes_over_a_new_configuration(own_server):
    nginx = own_server.nginx
    assert own_server.api.signup(new_email()).status == 201
    nginx.http = nginx.http.replace("wallet_sync_accounts open;", "wallet_sync_accounts whitelist;")
    nginx.reload()
    assert own_server.api.signup(new_email()).status == 403


def test_a_reload_with_an_error_keeps_the_old_configuration(own_server):
    nginx = own_server.nginx
    nginx.expect(r"\[emerg\].*wallet_sync_accounts")
    good, workers = nginx.http, nginx.worker_pids()
    nginx.http = good.replace("wallet_sync_accounts open;", "wallet_sync_accounts ajar;")
    nginx.write_config()
    nginx.signal("HUP")
    until(lambda: "[emerg]" in nginx.log(), "nginx refuses the configuration")
    assert own_server.api.signup(new_email()).status == 201
    assert nginx.worker_pids() == workers


def test_reload_moves_to_another_redis(make_server):
    server, other = make_server().start(), make_server()
    other.redis.start()
    email = server.api.new_account()
    first, second = server.redis.unix_address, other.redis.unix_address
    server.nginx.http = server.nginx.http.replace(first, second)
    server.nginx.reload()
    assert server.api.auth(email).status == 401
    assert not server.redis.clients(), "old workers leave no connection"


def test_many_reloads_do_not_add_connections(own_server):
    own_server.api.new_token()
    for _ in range(rounds(8)):
        own_server.nginx.reload()
        own_server.api.new_token()
    assert len(own_server.redis.clients()) <= 2 * (1 + 16 + 1)


@pytest.fixture
def behind(make_server, proxy_of):
    server = make_server(redis_options="timeout=10s")
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    return server.start(), proxy


def test_quit_finishes_a_write_that_waits_for_redis(behind):
    server, proxy = behind
    token = server.api.new_token()
    hold = proxy.hold("EXEC")
    job = Background(lambda: server.api.post_wallet(token, 1))
    hold.wait()
    server.nginx.signal("QUIT")
    until(lambda: "gracefully shutting down" in server.nginx.log(), "the workers know")
    hold.release()
    assert job.wait().json == state(1)
    server.nginx.quit()


def test_quit_finishes_a_password_hash(own_server):
    email = own_server.api.new_account()
    jobs = []

    def under_way():
        if not any(job.running for job in jobs):  # the first were answered before the last had begun
            jobs[:] = [Background(lambda n=n: own_server.api.auth(email, device=str(n))) for n in range(6)]
        return all(job.running for job in jobs) and len(established(own_server.port)) >= 6

    until(under_way, "requests are under way")
    own_server.nginx.signal("QUIT")
    for job in jobs:
        try:
            assert job.wait().status == 200
        except (ConnectionRefusedError, ConnectionResetError):
            pass  # it had not been accepted when the listening socket closed
    own_server.nginx.quit()


def established(port):
    """Connections to this port that nginx' side has open."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [row.split() for row in list(table)[1:]]
    return [row for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01"]


def test_reload_lets_an_old_worker_finish_its_write(behind):
    server, proxy = behind
    token = server.api.new_token()
    hold = proxy.hold("EXEC")
    job = Background(lambda: server.api.post_wallet(token, 1))
    hold.wait()
    old = server.nginx.reload(wait_for_old=False)
    assert server.api.get_wallet(token).status == 404, "new workers serve meanwhile"
    hold.release()
    assert job.wait().json == state(1)
    server.nginx.wait_gone(old)


def test_quit_with_a_frozen_redis_ends_after_the_timeout(make_server):
    server = make_server(redis_options="timeout=500ms").start()
    token = server.api.new_token()
    server.redis.freeze()
    job = Background(lambda: server.api.get_wallet(token))
    until(lambda: established(server.port), "the request is under way")
    server.nginx.signal("QUIT")
    try:
        assert_unavailable(job.wait())
    except (ConnectionRefusedError, ConnectionResetError):
        pass  # not accepted any more
    server.nginx.quit()


def test_worker_shutdown_timeout_cuts_a_waiting_request_without_harm(make_server, proxy_of):
    server = make_server(redis_options="timeout=5s", main="worker_shutdown_timeout 1s;")
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    token = server.api.new_token()
    hold = proxy.hold("EXEC")
    link = raw.RawConnection(server.port)
    link.send(raw.request("POST", "/wallet", json.dumps(server.api.wallet_body(token, 1)).encode()))
    hold.wait()
    server.nginx.signal("QUIT")
    link.read_rest()
    hold.release()
    server.nginx.quit()


def test_a_killed_worker_is_replaced_and_loses_nothing_acknowledged(own_server):
    api = own_server.api
    token = api.new_token()
    sequence = 0
    for _ in range(rounds(5)):
        for _ in range(5):
            sequence += 1
            assert api.post_wallet(token, sequence).json == state(sequence)
        own_server.nginx.kill_worker()
        assert api.get_wallet(token).json == state(sequence)


def post(api, token, sequence=1, size=2000):
    return raw.request("POST", "/wallet", json.dumps(api.wallet_body(token, sequence, "w" * size)).encode())


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("leave", ["abort", "close"])
def test_clients_that_leave_in_the_middle_do_no_harm(server, part, leave):
    api, workers = server.api, server.nginx.worker_pids()
    token = api.new_token()
    whole = post(api, token)

    def come_and_go():
        for _ in range(10):
            link = raw.RawConnection(server.port)
            link.send(whole[:int(len(whole) * part)])
            getattr(link, leave)()

    together([come_and_go] * 8)
    assert api.get_wallet(token).status in ((200, 404) if part == 1.0 else (404,))
    assert server.nginx.worker_pids() == workers


REQUESTS = {
    "write": lambda api, email, token: post(api, token),
    "signup": lambda api, email, token: raw.request("POST", "/signup", json.dumps(
        {"email": new_email(), "password": PASSWORD}).encode()),
    "login": lambda api, email, token: raw.request("POST", "/auth/full", json.dumps(
        {"email": email, "password": PASSWORD, "deviceId": "other"}).encode()),
}


@pytest.mark.parametrize("leave", ["abort", "close"])
@pytest.mark.parametrize("command", ["WATCH", "EXEC"])
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_client_that_leaves_while_redis_is_asked_does_no_harm(behind, kind, command, leave):
    server, proxy = behind
    workers = server.nginx.worker_pids()
    for _ in range(3):
        email = server.api.new_account()
        token = server.api.login(email)
        hold = proxy.hold(command)
        link = raw.RawConnection(server.port)
        link.send(REQUESTS[kind](server.api, email, token))
        hold.wait()
        getattr(link, leave)()
        hold.release()
        assert server.api.get_wallet(token).status in (200, 404)
    assert server.nginx.worker_pids() == workers


def test_a_write_is_finished_although_its_client_has_left(behind):
    server, proxy = behind
    token = server.api.new_token()
    hold = proxy.hold("EXEC")
    link = raw.RawConnection(server.port)
    link.send(post(server.api, token, size=6))
    hold.wait()
    link.abort()
    hold.release()
    until(lambda: server.api.get_wallet(token).status == 200, "the write is there")
    assert server.api.get_wallet(token).json == state(1, "wwwwww")


def test_clients_that_leave_while_passwords_are_hashed_do_no_harm(server):
    api, workers = server.api, server.nginx.worker_pids()
    email = api.new_account()
    body = json.dumps({"email": email, "password": PASSWORD, "deviceId": "other"}).encode()
    for leave in ("abort", "close"):
        for _ in range(10):
            link = raw.RawConnection(server.port)
            link.send(raw.request("POST", "/auth/full", body))
            link.wait_taken()
            getattr(link, leave)()
    assert until(lambda: (r := api.auth(email)).status != 503 and r, "the queue is empty again", 30).status == 200
    assert server.nginx.worker_pids() == workers


def test_a_full_queue_of_password_hashes_is_503_at_once_and_empties(make_server):
    server = make_server(http="wallet_sync_thread_pool threads=1 max_queue=2;", workers=1).start()
    email = server.api.new_account()
    replies = together([lambda n=n: server.api.auth(email, device=f"device {n}") for n in range(20)])
    refused = [reply for reply in replies if reply.status == 503]
    assert refused, "nobody was refused"
    for reply in refused:
        assert_unavailable(reply)
    assert {reply.status for reply in replies} == {200, 503}
    assert server.api.auth(email).status == 200
