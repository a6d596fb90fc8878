"""Redis stops, dies, loads, freezes, and comes back: nothing hangs, nothing acknowledged is lost."""

import time

import pytest

from support.api import assert_unavailable, new_email, state
from support.crowd import Background, together
from support.settings import ASAN, stretched
from support.wait import until

# With the timeouts the servers here are given, nobody may wait longer.
PROMPT = stretched(2.0)
OPTIONS = "timeout=500ms connect_timeout=500ms"


@pytest.fixture
def server(make_server):
    return make_server(redis_options=OPTIONS).start()


def timed(call):
    begin = time.monotonic()
    reply = call()
    return reply, time.monotonic() - begin


def assert_all_503(api, token, within=PROMPT):
    calls = [lambda: api.get_wallet(token), lambda: api.post_wallet(token, 2), lambda: api.auth(new_email()),
             lambda: api.signup(new_email())]
    for call in calls:
        reply, seconds = timed(call)
        assert_unavailable(reply)
        assert seconds < within, f"answered after {seconds:.1f} s"


def wait_recovered(api, token, what="the server recovers by itself"):
    return until(lambda: (r := api.get_wallet(token)).status in (200, 404) and r, what, 20)


def assert_serves_everything(api):
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    assert api.get_wallet(token).json == state(1)


def wait_all_workers(api, token):
    """Both workers have their connections again: a run of requests without a failure."""
    until(lambda: all(api.get_wallet(token).status == 200 for _ in range(20)), "all workers recover", 20)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_without_redis_requests_are_503_and_redis_back_is_enough(server, end):
    api = server.api
    token = api.new_token()
    api.post_wallet(token, 1)
    getattr(server.redis, end)()
    assert_all_503(api, token)
    server.redis.start()
    assert wait_recovered(api, token).json == state(1)
    wait_all_workers(api, token)
    assert_serves_everything(api)


def test_requests_that_need_no_store_are_answered_without_redis(server):
    server.redis.kill()
    assert server.api.get("/wallet").status == 400
    assert server.api.get("/nothing").status == 404
    assert server.api.post("/signup", b"{").status == 400
    assert server.api.call("PUT", "/wallet").status == 405


def test_a_known_outage_is_answered_fast(server):
    api = server.api
    token = api.new_token()
    server.redis.kill()
    until(lambda: api.get_wallet(token).status == 503, "the outage is noticed")
    times = sorted(timed(lambda: api.get_wallet(token))[1] for _ in range(20))
    assert times[10] < stretched(0.1)


def test_it_recovers_from_several_outages_in_a_row(server):
    api = server.api
    token = api.new_token()
    for sequence in range(1, 6):
        wait_all = until(lambda: api.post_wallet(token, sequence).status == 200, "a write succeeds", 20)
        assert wait_all
        server.redis.kill()
        assert_unavailable(api.get_wallet(token))
        server.redis.start()
    assert wait_recovered(api, token).json == state(5)


def test_nginx_may_start_before_redis(make_server):
    server = make_server(redis_options=OPTIONS)
    server.nginx.start()
    assert_all_503(server.api, "0" * 64)
    server.redis.start()
    until(lambda: server.api.signup(new_email()).status == 201, "the server finds Redis", 20)


def test_nginx_can_quit_and_reload_without_redis(server):
    token = server.api.new_token()
    server.redis.kill()
    assert_unavailable(server.api.get_wallet(token))
    server.nginx.reload()
    assert_unavailable(server.api.get_wallet(token))
    server.nginx.quit()


def test_while_redis_loads_requests_are_503_and_then_served(make_server):
    server = make_server(redis_options=OPTIONS).start()
    api, redis = server.api, server.redis
    token = api.new_token()
    api.post_wallet(token, 1)
    with redis.client() as client:
        client("MSET", *(part for number in range(5000) for part in (f"filler:{number}", "x" * 100)))
        client("BGREWRITEAOF")  # a base in RDB format is loaded key by key, with clients served in between
        until(lambda: b"aof_rewrite_in_progress:0" in client("INFO", "persistence")
              and b"aof_rewrite_scheduled:0" in client("INFO", "persistence"), "the rewrite ends")
    redis.stop()
    redis.options += ["key-load-delay 2000", "loading-process-events-interval-bytes 1024"]
    redis.start(wait=False)
    assert_all_503(api, token)
    with redis.client() as client:
        assert b"loading:1" in client("INFO", "persistence"), "the test is too slow to see Redis load"
        client("CONFIG", "SET", "key-load-delay", "0")
    assert wait_recovered(api, token).json == state(1)
    wait_all_workers(api, token)


def test_a_frozen_redis_is_503_within_the_timeout(server):
    api = server.api
    token = api.new_token()
    api.post_wallet(token, 1)
    server.redis.freeze()
    assert_all_503(api, token)
    for reply, seconds in together([lambda: timed(lambda: api.get_wallet(token))] * 20):
        assert_unavailable(reply)
        assert seconds < PROMPT
    server.redis.thaw()
    reply = wait_recovered(api, token)
    # The write was answered 503, its outcome is unknown: both states are right, none in between.
    assert reply.json in (state(1), state(2))
    wait_all_workers(api, token)
    assert_serves_everything(api)


def test_a_write_that_met_a_frozen_redis_can_be_repeated_safely(server):
    api = server.api
    token = api.new_token()
    for sequence in range(1, 6):
        server.redis.freeze()
        assert_unavailable(api.post_wallet(token, sequence, f"wallet {sequence}"))
        server.redis.thaw()
        reply = until(lambda: (r := api.post_wallet(token, sequence, f"wallet {sequence}")).status != 503 and r, "an answer")
        assert reply.status in (200, 409)
        assert reply.json["encryptedWallet"] == f"wallet {sequence}"
        assert api.get_wallet(token).json == state(sequence, f"wallet {sequence}")


def test_clients_killed_by_the_administrator_are_replaced(server):
    api = server.api
    token = api.new_token()
    for sequence in range(1, 20):
        server.redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        reply = until(lambda: (r := api.post_wallet(token, sequence)).status != 503 and r, "a write is answered")
        assert reply.status == 200 or reply.json == state(sequence, error="Bad sequence number")


def test_a_full_redis_is_503(server):
    api = server.api
    token = api.new_token()
    api.post_wallet(token, 1)
    server.redis.cli("CONFIG", "SET", "maxmemory", "1")
    assert_unavailable(api.post_wallet(token, 2, "w" * 10000))
    assert api.get_wallet(token).json == state(1), "reading needs no memory"
    server.redis.cli("CONFIG", "SET", "maxmemory", "0")
    until(lambda: api.post_wallet(token, 2).status == 200, "writes are accepted again")


def test_a_redis_that_became_a_replica_is_503_for_writes(server):
    api = server.api
    token = api.new_token()
    server.redis.cli("REPLICAOF", "127.0.0.1", "1")
    assert_unavailable(api.post_wallet(token, 1))
    assert_unavailable(api.signup(new_email()))
    server.redis.cli("REPLICAOF", "NO", "ONE")
    until(lambda: api.post_wallet(token, 1).status == 200, "the master is back")


def test_a_redis_without_a_free_connection_is_503(make_server):
    server = make_server(redis_options=OPTIONS, redis_conf=["maxclients 3"])
    server.redis.start()
    hogs = [server.redis.client() for _ in range(2)]
    server.nginx.start()
    reply, seconds = timed(lambda: server.api.get_wallet("0" * 64))
    assert reply.status in (401, 503) and seconds < PROMPT
    reply, seconds = timed(lambda: server.api.signup(new_email()))
    assert reply.status in (201, 503) and seconds < stretched(4)
    hogs[0]("CONFIG", "SET", "maxclients", "1000")
    for hog in hogs:
        hog.close()
    until(lambda: server.api.signup(new_email()).status == 201, "connections are free again", 20)


def write_until_killed(api, token, redis, seconds):
    """Posts without a pause while Redis is killed; (last acknowledged, last tried)."""
    tried = acknowledged = 0

    def write():
        nonlocal tried, acknowledged
        while True:
            tried = acknowledged + 1
            reply = api.post_wallet(token, tried, f"wallet {tried}")
            if reply.status != 200:
                assert_unavailable(reply)
                return
            acknowledged = tried

    job = Background(write)
    until(lambda: acknowledged >= seconds, "writes are acknowledged")
    redis.kill()
    job.wait()
    return acknowledged, tried


@pytest.mark.parametrize("count", [1, 7, 30, 55])
def test_acknowledged_writes_survive_the_sudden_death_of_redis(server, count):
    api = server.api
    token = api.new_token()
    acknowledged, tried = write_until_killed(api, token, server.redis, count)
    server.redis.start()
    stored = wait_recovered(api, token).json
    assert stored["sequence"] in (acknowledged, tried)
    assert stored["encryptedWallet"] == f"wallet {stored['sequence']}"


def test_many_writers_and_a_killed_redis_lose_nothing_acknowledged(server):
    api = server.api
    tokens = [api.new_token() for _ in range(6)]
    last = [0] * 6

    def write(number):
        while True:
            reply = api.post_wallet(tokens[number], last[number] + 1)
            if reply.status != 200:
                assert_unavailable(reply)
                return
            last[number] += 1

    jobs = [Background(lambda n=n: write(n)) for n in range(6)]
    until(lambda: sum(last) > (60 if ASAN else 200), "writes are acknowledged", 30)
    server.redis.kill()
    for job in jobs:
        job.wait()
    server.redis.start()
    for token, acknowledged in zip(tokens, last):
        assert wait_recovered(api, token).json["sequence"] in (acknowledged, acknowledged + 1)
