"""What wallet_sync_health tells: that a worker answers, and with `ready` that Redis would take a write."""

import re

import pytest

from support import raw
from support.api import Http
from support.nginx import Nginx
from support.redis import Redis
from support.wait import until

LOCATIONS = "location = /live { wallet_sync_health; } location = /ready { wallet_sync_health ready; }"
READY = {"status": "ok", "redis": "ok"}


def ready(server):
    reply = Http(server.port).get("/ready")
    assert (reply.status == 200) == (reply.json == READY), reply
    return reply


def comes_to(server, status, redis):
    """All workers: fifty requests in a row say so."""
    def agreed():
        for _ in range(50):
            reply = ready(server)
            if (reply.status, reply.json["redis"]) != (status, redis):
                return None
        return reply

    return until(agreed, f"{status} and {redis!r} from every worker", 20)


@pytest.fixture
def watched(make_server):
    server = make_server(server=LOCATIONS, redis_options="timeout=500ms connect_timeout=500ms").start()
    comes_to(server, 200, "ok")
    return server


def alive(server):
    reply = Http(server.port).get("/live")
    return (reply.status, reply.json) == (200, {"status": "ok"})


@pytest.mark.smoke
@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_it_is_json_that_nobody_keeps(watched, path):
    reply = Http(watched.port).get(path)
    assert (reply.status, reply.header("Content-Type"), reply.header("Cache-Control")) == (200, "application/json", "no-store")


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_head_is_get_without_the_body(watched, path):
    head = raw.exchange(watched.port, raw.request("HEAD", path, headers=["Connection: close"]), no_body=True)
    assert head.status == 200
    assert head.header("Content-Length") == str(len(Http(watched.port).get(path).body))


@pytest.mark.parametrize("path", ["/live", "/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(watched, method, path):
    reply = Http(watched.port).call(method, path, b"x" if method in ("POST", "PUT") else None)
    assert (reply.status, reply.header("Allow"), reply.json) == (405, "GET, HEAD", {"error": "Method Not Allowed"})


def test_a_redis_that_is_gone_is_told_and_one_that_is_back_too(watched):
    watched.redis.kill()
    reply = comes_to(watched, 503, "unreachable")
    assert (reply.json["status"], reply.header("Cache-Control")) == ("unavailable", "no-store")
    assert alive(watched)
    watched.redis.start()
    comes_to(watched, 200, "ok")


def test_a_frozen_redis_is_told(watched):
    watched.redis.freeze()
    comes_to(watched, 503, "unreachable")
    assert alive(watched)
    watched.redis.thaw()
    comes_to(watched, 200, "ok")


@pytest.mark.parametrize("name, bad, good", [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")])
def test_a_redis_that_refuses_writes_is_told_though_nobody_writes(watched, name, bad, good):
    watched.redis.cli("CONFIG", "SET", name, bad)
    comes_to(watched, 503, "refuses writes")
    assert alive(watched)
    watched.redis.cli("CONFIG", "SET", name, good)
    comes_to(watched, 200, "ok")


def test_asking_asks_nothing_of_redis(watched):
    def commands():
        return int(re.search(rb"total_commands_processed:(\d+)", watched.redis.cli("INFO", "stats"))[1])

    before = commands()
    http = Http(watched.port)
    for _ in range(1000):
        assert http.get("/ready").status == 200
    assert commands() - before < 500, "only what the workers ask by themselves"


def test_of_several_redis_the_worst_counts(make_server, tmp_path):
    other = Redis(str(tmp_path / "other"))
    other.start()
    server = make_server(server=LOCATIONS + f"location /other/ {{ wallet_sync; wallet_sync_redis {other.unix_address}; }}").start()
    try:
        comes_to(server, 200, "ok")
        other.kill()
        comes_to(server, 503, "unreachable")
        other.start()
        comes_to(server, 200, "ok")
    finally:
        server.nginx.quit()
        other.kill()


def test_nginx_may_start_first_and_says_that_it_is_not_ready(make_server):
    server = make_server(server=LOCATIONS)
    server.nginx.start()
    comes_to(server, 503, "unreachable")
    server.redis.start()
    comes_to(server, 200, "ok")


def test_what_it_tells_holds_over_a_reload(watched):
    for _ in range(3):
        watched.nginx.reload()
        comes_to(watched, 200, "ok")


def test_live_works_where_nothing_is_served(tmp_path):
    nginx = Nginx(str(tmp_path), location="wallet_sync_health;")
    nginx.start()
    try:
        assert Http(nginx.port).get("/").json == {"status": "ok"}
    finally:
        nginx.quit()


@pytest.mark.parametrize("location, words", [
    ("wallet_sync_health ready;", "no location has wallet_sync, .* write wallet_sync_health without ready"),
    ("wallet_sync_health on;", 'unknown argument "on"; write ready, or nothing'),
    ("wallet_sync_health ready now;", "number of arguments"),
    ("wallet_sync_health; wallet_sync_health;", "duplicate"),
    ("wallet_sync; wallet_sync_health;", 'needs a location without "wallet_sync"'),
    ("wallet_sync_health; wallet_sync;", 'needs a location without "wallet_sync_health"'),
    ("wallet_sync_metrics; wallet_sync_health;", 'needs a location without "wallet_sync_metrics"'),
    ("wallet_sync_health; wallet_sync_metrics;", 'needs a location without "wallet_sync_health"'),
])
def test_a_wrong_use_ends_the_start_with_a_word(tmp_path, location, words):
    fine, text = Nginx(str(tmp_path), location=location).test()
    assert not fine
    assert re.search(rf"\[emerg\].*{words}", text), text
