"""What anybody can cause as often as he likes does not fill the log: it is told when it begins, then at most once a second."""

import json
import re
import time

import pytest

from support import raw
from support.api import PASSWORD, new_email
from support.mail_setting import DOMAINS
from support.ports import free_port
from support.wait import until

REQUESTS = 300


def flood(server, requests):
    """All requests at once over some connections; the statuses of their replies."""
    links = [raw.RawConnection(server.port, timeout=60) for _ in range(30)]
    for at, link in enumerate(links):
        link.send(b"".join(requests[at::len(links)]))
    return [link.read().status for at, link in enumerate(links) for _ in requests[at::len(links)]]


def post(path, **body):
    return raw.request("POST", path, json.dumps(body).encode())


def logins():
    return [post("/auth/full", email=new_email(), password=PASSWORD, deviceId="d") for _ in range(REQUESTS)]


def lines(server, needle):
    return [line for line in server.nginx.log().splitlines() if re.search(needle, line)]


def told(found):
    """How many times it happened, by what the lines say."""
    return sum(1 + int((re.search(r"\(and (\d+) more\)", line) or [0, 0])[1]) for line in found)


def assert_few(found, seconds):
    assert 1 <= len(found) <= 3 + 2 * seconds, "\n".join(found[:10])


POOLS = {
    "of our own": {"http": "wallet_sync_thread_pool threads=1 max_queue=2;"},
    "by name": {"http": "wallet_sync_thread_pool hashing;", "main": "thread_pool hashing threads=1 max_queue=2;"},
}


@pytest.mark.parametrize("pool", POOLS)
def test_hashes_that_find_no_place(make_server, pool):
    server = make_server(workers=1, **POOLS[pool]).start()
    began = time.monotonic()
    statuses = flood(server, logins())
    seconds = time.monotonic() - began
    refused = statuses.count(503)
    assert refused > 50
    found = lines(server, r"\[warn\].*wallet_sync: the queue for password hashing is full")
    assert_few(found, seconds)
    assert_few(lines(server, "queue overflow") or ["none"], seconds)
    # What was left out is told as soon as there is a place again.
    until(lambda: server.api.auth(new_email()).status == 401 and told(lines(server, "password hashing is full")) == refused,
          "all refusals are told of")


@pytest.mark.parametrize("what", ["writes", "reads"])
def test_replies_of_redis_that_it_will_not(make_server, what):
    """A Redis that is out of memory, or may not answer this user."""
    server = make_server(workers=1).start()
    token = server.api.new_token()
    if what == "writes":
        server.redis.cli("CONFIG", "SET", "maxmemory", "1")
        requests = [post("/wallet", version=1, token=token, encryptedWallet="w", sequence=1, hmac="h")] * REQUESTS
    else:
        server.redis.cli("ACL", "SETUSER", "default", "-hget", "-hmget", "-hgetall")
        requests = [raw.request("GET", f"/wallet?token={token}")] * REQUESTS
    began = time.monotonic()
    assert set(flood(server, requests)) == {503}
    found = lines(server, r"wallet_sync: Redis at .* refuse")
    assert_few(found, time.monotonic() - began)
    until(lambda: told(lines(server, r"wallet_sync: Redis at .* refuse")) >= REQUESTS, "all that was left out is told within a second", 5)
    server.redis.cli("CONFIG", "SET", "maxmemory", "0")
    server.redis.cli("ACL", "SETUSER", "default", "+@all")
    until(lambda: server.api.get_wallet(token).status == 404, "it goes on")


def test_mails_that_no_server_takes(make_server):
    nobody = f"wallet_sync_mail smtp://127.0.0.1:{free_port()} {DOMAINS} starttls=off;"
    server = make_server(workers=1, accounts="email", http=nobody + "wallet_sync_thread_pool threads=2 max_queue=400;").start()
    began = time.monotonic()
    count = 40
    statuses = flood(server, [post("/signup", email=new_email(), password=PASSWORD) for _ in range(count)])
    assert set(statuses) == {503}
    assert_few(lines(server, "did not take a mail"), time.monotonic() - began)
    until(lambda: told(lines(server, "did not take a mail")) == count, "all that was left out is told", 5)


def test_what_was_left_out_is_told_when_the_worker_ends(make_server):
    server = make_server(workers=1).start()
    token = server.api.new_token()
    server.redis.cli("ACL", "SETUSER", "default", "-hget", "-hmget", "-hgetall")
    flood(server, [raw.request("GET", f"/wallet?token={token}")] * 50)
    server.redis.cli("ACL", "SETUSER", "default", "+@all")
    server.nginx.quit()
    assert told(lines(server, r"wallet_sync: Redis at .* refuse")) >= 50
