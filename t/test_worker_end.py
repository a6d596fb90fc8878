"""A worker that ends while its threads have more passwords to hash than they can."""

import json
import re

import pytest

from support import raw
from support.api import PASSWORD, new_email
from support.settings import rounds
from support.wait import until

CLIENTS, PER_CLIENT = 12, 300

POOLS = {
    "of our own": {"http": "wallet_sync_thread_pool threads=2 max_queue=6;"},
    "by name": {"http": "wallet_sync_thread_pool hashing;", "main": "thread_pool hashing threads=2 max_queue=4;"},
}


def body_of(number):
    fields = {"email": new_email(), "password": PASSWORD}
    return ("/auth/full", {**fields, "deviceId": "d"}) if number % 2 else ("/signup", fields)


class Crowd:
    """More clients than the pool has places, each with further requests behind the one that is served."""

    def __init__(self, port):
        self._links = [raw.RawConnection(port) for _ in range(CLIENTS)]
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


@pytest.fixture(autouse=True)
def poisoned_memory(monkeypatch):
    """The C library fills what is freed, so that a thread that outlives its worker's memory cannot overlook it."""
    monkeypatch.setenv("MALLOC_PERTURB_", "165")


def crowd_server(make_server, pool):
    """One worker; it does not wait for the end of what clients still send, which takes nginx five seconds."""
    how = POOLS[pool]
    return make_server(workers=1, **{**how, "http": how["http"] + " lingering_close off;"}).start()


@pytest.fixture(params=POOLS)
def crowded(request, make_server):
    """A server with one worker whose pool is full and stays so."""
    server = crowd_server(make_server, request.param)
    with Crowd(server.port):
        until(lambda: refused(server.api), "there is no more room")
        yield server


def assert_ends(server, signal):
    nginx, workers = server.nginx, server.nginx.worker_pids()
    nginx.signal(signal)
    nginx.wait_gone(workers, 5)
    nginx.quit(5)  # the master is about to end, if it has not; reads status and log
    ends = re.findall(r"worker process \d+ exited .*", nginx.log())
    assert ends and all(end.endswith("exited with code 0") for end in ends), ends


@pytest.mark.parametrize("signal", ["TERM", "QUIT"])
def test_a_full_queue_of_password_hashes_does_not_keep_a_worker_from_its_end(crowded, signal):
    assert_ends(crowded, signal)


def test_a_reload_ends_a_worker_with_a_full_queue_and_its_successor_serves(crowded):
    crowded.nginx.wait_gone(crowded.nginx.reload(wait_for_old=False), 10)
    assert crowded.api.signup(new_email()).status == 201
    assert_ends(crowded, "TERM")


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_ends_with_a_full_queue_whatever_its_threads_are_at(make_server, pool):
    """A thread that outlives the worker's memory does harm only now and then: many ends, half of them without clients."""
    server = crowd_server(make_server, pool)
    for turn in range(rounds(16)):
        if not server.nginx.running:
            server.nginx.start()
        with Crowd(server.port):
            until(lambda: refused(server.api), "there is no more room")
            if turn % 2:
                assert_ends(server, "TERM")
        if server.nginx.running:
            assert_ends(server, "TERM")
