"""Websockets when nginx reloads, quits or dies, and many of them coming and going."""

import contextlib
import resource
import select
import socket as sockets
import time

import pytest

from support import settings
from support.api import Http
from support.api3 import Api3
from support.crowd import Background
from support.heap import Heap
from support.settings import stretched
from support.wait import until
from support.websocket import (GOING_AWAY, PING, Device, RawWebsocket, channels, close_frame, devices_on_workers, frame,
                               gauge, plant_token, plant_tokens, upgrade)

METRICS = "location = /metrics { wallet_sync_metrics; }"


def test_a_reload_says_1001_to_everybody_spread_over_the_drain_time(make_server):
    server = make_server(listen="reuseport", http="wallet_sync_drain_time 3s;", server=METRICS).start()
    devices = devices_on_workers(server, plant_tokens(server.redis, 10), 4)
    began = time.monotonic()
    old = server.nginx.reload(wait_for_old=False)
    assert {device.wait_closed(30) for device in devices} == {GOING_AWAY}
    ends = sorted(device.closed_at - began for device in devices)
    assert ends[-1] < stretched(3 + 5)
    assert ends[-1] - ends[0] > 1.8, "not all in one second"
    assert ends[len(ends) // 4] - ends[0] < 2, "nor nearly all at the end"
    server.nginx.wait_gone(old)
    assert gauge(server.port) == 0
    token = plant_token(server.redis)
    anew = Device(server.port, token)
    assert Api3(server.port).post_wallet(token, 1).status == 200
    anew.wait_told(1)
    anew.close()


def test_sockets_that_wait_for_their_end_are_still_told(make_server):
    server = make_server(listen="reuseport", http="wallet_sync_drain_time 3s;").start()
    token = plant_token(server.redis)
    devices = devices_on_workers(server, [token], 10)
    old = server.nginx.reload(wait_for_old=False)
    assert Api3(server.port).post_wallet(token, 1).status == 200
    assert {device.wait_closed(30) for device in devices} == {GOING_AWAY}
    assert [1] in [device.told for device in devices]
    server.nginx.wait_gone(old)


def test_quit_says_1001_and_leaves_nothing(make_server):
    server = make_server(listen="reuseport", http="wallet_sync_drain_time 500ms;").start()
    devices = devices_on_workers(server, plant_tokens(server.redis, 5), 3)
    began = time.monotonic()
    server.nginx.quit()
    assert time.monotonic() - began < stretched(3)
    assert {device.wait_closed() for device in devices} == {GOING_AWAY}
    until(lambda: channels(server.redis) == [], "nobody listens")


def test_without_a_drain_time_all_are_closed_at_once(make_server):
    server = make_server(http="wallet_sync_drain_time 0;").start()
    devices = [Device(server.port, token) for token in plant_tokens(server.redis, 10)]
    server.nginx.quit()
    assert {device.wait_closed() for device in devices} == {GOING_AWAY}


def test_a_client_that_does_not_answer_holds_a_quitting_worker_for_seconds_only(make_server):
    server = make_server(http="wallet_sync_drain_time 0;").start()
    silent = RawWebsocket(server.port, plant_token(server.redis))
    began = time.monotonic()
    server.nginx.quit()
    assert time.monotonic() - began < stretched(6)
    silent.assert_closed(GOING_AWAY)


def test_worker_shutdown_timeout_ends_a_longer_drain_time(make_server):
    server = make_server(listen="reuseport", http="wallet_sync_drain_time 60s;", main="worker_shutdown_timeout 1s;").start()
    devices = devices_on_workers(server, plant_tokens(server.redis, 5), 2)
    began = time.monotonic()
    server.nginx.quit()
    assert time.monotonic() - began < stretched(5)
    assert {device.wait_closed() for device in devices} <= {GOING_AWAY, 1006}


def test_term_ends_at_once(make_server):
    server = make_server(listen="reuseport").start()
    devices = devices_on_workers(server, plant_tokens(server.redis, 5), 2)
    began = time.monotonic()
    server.nginx.signal("TERM")
    assert {device.wait_closed() for device in devices} <= {GOING_AWAY, 1006}
    assert time.monotonic() - began < stretched(3)
    until(lambda: not server.redis.clients(), "no connection is left")


def test_a_handshake_under_way_when_nginx_quits_ends_in_1001(make_server, proxy_of):
    server = make_server(http="wallet_sync_drain_time 0;", redis_options="timeout=10s")
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    token = plant_token(server.redis)
    hold = proxy.hold("HMGET")
    opening = Background(lambda: RawWebsocket(server.port, token))
    hold.wait()
    server.nginx.signal("QUIT")
    until(lambda: "gracefully shutting down" in server.nginx.log(), "the workers know")
    hold.release()
    with opening.wait() as socket:
        socket.assert_closed(GOING_AWAY)
    server.nginx.quit()


def test_a_handshake_that_comes_to_a_worker_that_quits_already_is_not_refused(make_server):
    """Its connection was accepted before; the client has nowhere else to go with it."""
    server = make_server(workers=1, http="wallet_sync_drain_time 200ms;").start()
    token, workers = plant_token(server.redis), server.nginx.worker_pids()

    def reload():
        server.nginx.reload(wait_for_old=False)
        until(lambda: "gracefully shutting down" in server.nginx.log(), "the worker knows")

    with RawWebsocket(server.port, token, midway=reload) as socket:
        socket.assert_closed(GOING_AWAY)
    server.nginx.wait_gone(workers)


def test_a_worker_that_is_killed_takes_its_sockets_along_and_out_of_the_metrics(make_server):
    server = make_server(listen="reuseport", http="wallet_sync_drain_time 0;", server=METRICS).start()
    token = plant_token(server.redis)
    devices = devices_on_workers(server, [token], 4)
    assert gauge(server.port) == len(devices)
    server.nginx.kill_worker()
    until(lambda: any(not device.open for device in devices), "the dead worker's sockets are gone")
    left = [device for device in devices if device.open]
    assert 0 < len(left) < len(devices)
    assert {device.wait_closed() for device in devices if device not in left} == {1006}
    until(lambda: gauge(server.port) == len(left), "the metrics know")
    assert Api3(server.port).post_wallet(token, 1).status == 200
    for device in left:
        device.wait_told(1)


class Crowd:
    """Thousands of websockets, from several source addresses: each address has no more ports than it has."""

    def __init__(self, port, tokens):
        self._port, self.links = port, []
        for begin in range(0, len(tokens), 250):
            self._open(tokens[begin:begin + 250], begin)

    def _open(self, tokens, begin):
        links = []
        for at, token in enumerate(tokens, begin):
            link = sockets.create_connection(("127.0.0.1", self._port), stretched(60), (f"127.0.0.{2 + at % 8}", 0))
            link.sendall(upgrade(token))
            links.append(link)
        for link in links:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = link.recv(1) if head.endswith(b"\r\n\r") else link.recv(4096)
                assert part, f"refused: {head!r}"
                head += part
            assert head.startswith(b"HTTP/1.1 101 "), head
        self.links += links

    def each_hears(self, expected):
        """Reads the same from each."""
        poll, waiting = select.epoll(), {}
        for link in self.links:
            waiting[link.fileno()] = [link, b""]
            poll.register(link, select.EPOLLIN)
        end = time.monotonic() + stretched(60)
        while waiting:
            assert time.monotonic() < end, f"{len(waiting)} sockets have not heard {expected!r}"
            for number, _ in poll.poll(1):
                link, heard = waiting[number]
                heard += link.recv(4096)
                waiting[number][1] = heard
                assert expected.startswith(heard) and heard, heard
                if heard == expected:
                    poll.unregister(number)
                    del waiting[number]
        poll.close()

    def close(self):
        """A third each with a closing handshake, without a word, and by a reset."""
        for link in self.links[::3]:
            link.sendall(close_frame(1000))
        for at, link in enumerate(self.links):
            if at % 3 == 2:
                link.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.close()
        self.links = []


@contextlib.contextmanager
def many_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 1000
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    try:
        yield resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= wanted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_sockets_come_and_go_without_a_leak(make_server, tmp_path):
    count, rounds = (1000, 2) if settings.ASAN else (10_000, 3)
    with many_files(count) as enough:
        if not enough:
            pytest.skip("this machine does not allow that many files")
        heap = None if settings.ASAN else Heap(tmp_path / "heap")  # a sanitizer looks for leaks itself
        server = make_server(listen="reuseport backlog=4096", main=f"worker_rlimit_nofile {count + 1000};",
                             worker_connections=count + 500, server=METRICS + "access_log off;",
                             environment=heap and heap.environment).start()
        workers = server.nginx.worker_pids()
        tokens = plant_tokens(server.redis, count // 4) * 4
        full, empty = [], [heap.allocated(workers)] if heap else []
        for _ in range(rounds):
            crowd = Crowd(server.port, tokens)
            assert gauge(server.port) == count
            assert len(channels(server.redis)) == count // 4
            for link in crowd.links[::7]:
                link.sendall(frame(PING, b"!"))
            some = crowd.links
            crowd.links = some[::7]
            crowd.each_hears(b"\x8a\x01!")
            crowd.links = [link for link in some if link.fileno() >= 0]
            if heap:
                full.append(heap.allocated(workers))
            crowd.close()
            until(lambda: gauge(server.port) == 0, "all are gone", 60)
            until(lambda: channels(server.redis) == [], "no subscription is left", 30)
            if heap:
                empty.append(heap.allocated(workers))
        assert workers == server.nginx.worker_pids()
        if heap:
            figures = f"allocated without sockets: {empty}, with them: {full}"
            print(figures)
            start, first, last = empty[0], empty[1], empty[-1]
            # One block of malloc's smallest size, lost with each socket, would be 32 bytes a socket and round. Tables
            # may still grow a little, as chance puts more sockets on a worker than before.
            assert last - first < 24 * count, "it grows: " + figures
            assert last - start < (full[0] - start) / 4, "it stays large: " + figures
        with RawWebsocket(server.port, tokens[0]) as socket:
            assert Http(server.port).get("/wallet?token=" + tokens[0]).status == 404
            socket.alive()
