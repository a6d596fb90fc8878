"""A worker that ends while its threads have more passwords to hash than they can."""

import json
import re

import pytest

from support import raw
from support.api import PASSWORD, new_email
from support.wait import until

PER_CLIENT = 100

POOLS = {  # how many jobs run or wait when the pool is full; the directives
    "of our own": (8, {"http": "wallet_sync_thread_pool threads=2 max_queue=6;"}),
    "by name": (6, {"http": "wallet_sync_thread_pool hashing;", "main": "thread_pool hashing threads=2 max_queue=4;"}),
}


def body_of(number):
    fields = {"email": new_email(), "password": PASSWORD}
    return ("/auth/full", {**fields, "deviceId": "d"}) if number % 2 else ("/signup", fields)


class Crowd:
    """As many clients as the pool has places, each with its next request behind the one that is served."""

    def __init__(self, port, clients):
        self._links = [raw.RawConnection(port) for _ in range(clients)]
        for link in self._links:
            requests = [body_of(number) for number in range(PER_CLIENT)]
            link.send(b"".join(raw.request("POST", path, json.dumps(body).encode()) for path, body in requests))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for link in self._links:
            link.close()


def refused(api):
    path, body = body_of(1)
    return api.post(path, body).status == 503


@pytest.fixture(params=POOLS)
def crowded(request, make_server):
    """A server with one worker whose pool is full and stays so."""
    places, how = POOLS[request.param]
    server = make_server(workers=1, **how).start()
    with Crowd(server.port, places):
        until(lambda: refused(server.api), "there is no more room")
        yield server


def assert_ends(server, signal):
    nginx, workers = server.nginx, server.nginx.worker_pids()
    nginx.signal(signal)
    nginx.wait_gone(workers, 5)
    nginx.quit(5)  # the master is about to end, if it has not; reads status and log
    ends = re.findall(r"worker process \d+ exited .*", nginx.log())
    assert len(ends) == 1 and ends[0].endswith("exited with code 0"), ends


@pytest.mark.parametrize("signal", ["TERM", "QUIT"])
def test_a_full_queue_of_password_hashes_does_not_keep_a_worker_from_its_end(crowded, signal):
    assert_ends(crowded, signal)


def test_a_reload_ends_a_worker_with_a_full_queue_and_its_successor_serves(crowded):
    crowded.nginx.wait_gone(crowded.nginx.reload(wait_for_old=False), 10)
    assert crowded.api.signup(new_email()).status == 201
    assert_ends(crowded, "TERM")


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_ends_with_a_full_queue_although_its_clients_have_left(make_server, pool):
    places, how = POOLS[pool]
    server = make_server(workers=1, **how).start()
    with Crowd(server.port, places):
        until(lambda: refused(server.api), "there is no more room")
    assert_ends(server, "TERM")
