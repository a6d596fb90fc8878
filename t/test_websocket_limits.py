"""Slow readers, silent clients, too many sockets, and websockets over TLS."""

import json
import socket as sockets
import ssl
import time

import pytest

from support import raw
from support.api import Api1
from support.crowd import Background
from support.heap import Heap
from support.mail import Certificate
from support.ports import free_port
from support.server import Server
from support.settings import ASAN, rounds, stretched
from support.wait import until
from support.websocket import (CLOSE, GOING_AWAY, PING, POLICY, PONG, TEXT, Device, RawWebsocket, close_frame,
                               frame, gauge, plant_token, server_end, upgrade)

METRICS = "location = /metrics { wallet_sync_metrics; }"
WRITES = rounds(3000)  # within the ten seconds after which who does not read is dropped


class Writer:
    """Writes one account's wallet again and again, over one connection."""

    def __init__(self, server, token):
        self._link, self._api, self._token = raw.RawConnection(server.port), server.api, token
        self.sequence = 0

    def write(self, count):
        for _ in range(count):
            self.sequence += 1
            body = json.dumps(self._api.wallet_body(self._token, self.sequence)).encode()
            self._link.send(raw.request("POST", "/wallet", body))
            reply = self._link.read()
            assert reply.status == 200, reply


def narrow(port, token):
    """A websocket whose client's kernel takes as little as it can."""
    socket = RawWebsocket(port, token, timeout=60)
    socket._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 1024)
    return socket


def flood(socket):
    """Pings without reading a pong until the server takes no more; how many bytes it took."""
    socket._socket.settimeout(2)
    pings, sent = frame(PING, b"x" * 125) * 100, 0
    try:
        while sent < 1 << 28:
            sent += socket._socket.send(pings)
    except TimeoutError:
        pass
    return sent


def test_who_does_not_read_is_told_the_newest_at_last_or_dropped_after_ten_seconds(make_server, tmp_path):
    heap = None if ASAN else Heap(tmp_path / "heap")
    wide = free_port()  # the others have buffers as everybody has
    server = make_server(listen="sndbuf=4k rcvbuf=4k", server=f"listen 127.0.0.1:{wide}; {METRICS}", workers=1, redis_conf=["appendfsync no"],
                         http="wallet_sync_drain_time 0; keepalive_requests 1000000;",
                         environment=heap and heap.environment).start()
    workers = server.nginx.worker_pids()
    token = plant_token(server.redis)
    late, never, pinging = [narrow(server.port, token) for _ in range(3)]
    reader = Device(wide, token)
    bystander = Device(wide, plant_token(server.redis))
    writer = Writer(server, token)
    before = heap.allocated(workers) if heap else 0
    began = time.monotonic()
    flooding = Background(lambda: flood(pinging))
    for _ in range(WRITES // 50):
        writer.write(50)
        reader.wait_told(writer.sequence)  # the others are told as ever
    assert flooding.wait() < 1 << 28, "the server stops to read from who does not read"
    if heap:
        assert heap.allocated(workers) - before < 256 << 10, "what waits for slow readers is little"
    assert reader.told == sorted(set(reader.told))

    heard = []
    while not heard or heard[-1] != b"wallet-update:%d" % WRITES:
        heard.append(late.hear()[1])
    assert len(heard) < WRITES, "updates that waited were collapsed into the newest"
    late.alive()
    assert late._data == b""

    until(lambda: gauge(server.port) == 3, "who does not read is dropped", 20)
    assert time.monotonic() - began > 9
    for device in (reader, bystander):
        device.alive()
        assert device.open
    assert bystander.messages == []
    writer.write(1)
    assert late.hear() == (TEXT, b"wallet-update:%d" % (WRITES + 1))
    for socket in (late, never, pinging):
        socket.abort()
    until(lambda: gauge(server.port) == 2, "the metrics forget them")


def test_idle_sockets_are_pinged_and_those_that_stay_silent_dropped(make_server):
    server = make_server(http="wallet_sync_drain_time 0; wallet_sync_ping_interval 1s;", server=METRICS).start()
    token = plant_token(server.redis)
    began = time.monotonic()
    library = Device(server.port, token)
    answering, silent = RawWebsocket(server.port, token), RawWebsocket(server.port, token)
    for _ in range(2):
        assert answering.hear() == (PING, b"")
        answering.say(PONG)
    assert time.monotonic() - began > 1.5
    assert silent.hear() == (PING, b"")
    silent.assert_ended()
    assert time.monotonic() - began < stretched(6)
    assert gauge(server.port) == 2
    assert answering.hear() == (PING, b"")
    answering.say(TEXT, b"any frame is a sign of life")
    answering.alive()
    library.alive()
    assert library.messages == []


def test_half_a_frame_keeps_nobody_alive_for_ever(make_server):
    server = make_server(http="wallet_sync_drain_time 0; wallet_sync_ping_interval 1s;").start()
    with RawWebsocket(server.port, plant_token(server.redis)) as socket:
        socket.send(frame(TEXT, b"unfinished")[:6])
        assert socket.hear() == (PING, b"")
        socket.assert_ended()


def test_a_socket_too_many_takes_the_place_of_the_accounts_oldest(make_server):
    server = make_server(http="wallet_sync_drain_time 0; wallet_sync_max_sockets_per_account 3;", workers=1, server=METRICS).start()
    token = plant_token(server.redis)
    other = Device(server.port, plant_token(server.redis))
    devices = [Device(server.port, token) for _ in range(3)]
    for at in range(4):
        devices.append(Device(server.port, token if at % 2 else plant_token(server.redis, token[:24])))
        assert devices[at].wait_closed() == POLICY
    until(lambda: gauge(server.port) == 4, "three and the other account's")
    assert server.api.post_wallet(token, 1).status == 200
    for device in devices[-3:]:
        device.wait_told(1)
    devices[-1].close()
    last = Device(server.port, token)
    for device in [*devices[-3:-1], last, other]:
        device.alive()
        assert device.open


TWO = {"workers": 1, "http": "wallet_sync_drain_time 0; wallet_sync_max_sockets_per_account 2;"}


def there(server, client_port):
    """Whether the server still has its end of the connection."""
    end = server_end(server.port, client_port)
    return end is not None and end[1] != 0


def test_who_has_said_goodbye_and_stays_connected_takes_nobodys_place(make_server):
    server = make_server(**TWO).start()
    token = plant_token(server.redis)
    gone = RawWebsocket(server.port, token)
    gone.say(CLOSE, b"\x03\xe8")
    assert gone.hear_close() == 1000
    living = [RawWebsocket(server.port, token) for _ in range(2)]
    assert there(server, gone.local_port), "the server waits for the end of the connection"
    for socket in living:
        socket.alive()
    gone.assert_ended()
    last = RawWebsocket(server.port, token)
    assert living[0].hear_close() == POLICY, "the limit is what it was"
    for socket in (living[1], last):
        socket.alive()
        socket.close()


def test_who_does_not_answer_a_goodbye_takes_nobodys_place(make_server):
    server = make_server(**TWO).start()
    token = plant_token(server.redis)
    mute, leaving, staying = [RawWebsocket(server.port, token) for _ in range(3)]
    assert mute.hear_close() == POLICY
    leaving.say(CLOSE, b"\x03\xe8")
    leaving.assert_closed(1000)
    port = leaving.local_port
    leaving.close()
    until(lambda: not there(server, port), "the second has left")
    last = RawWebsocket(server.port, token)
    assert there(server, mute.local_port), "the server waits for the answer"
    for socket in (staying, last):
        socket.alive()
        socket.close()


def flood_on(socket):
    """Pings for as long as the server takes them."""
    pings = frame(PING, b"x" * 125) * 10
    socket._socket.settimeout(1)
    try:
        while True:
            try:
                socket._socket.send(pings)
            except TimeoutError:
                pass
    except OSError:
        return time.monotonic()


def test_who_answers_a_goodbye_late_and_stays_has_three_seconds_in_all(make_server):
    server = make_server(workers=1, http="wallet_sync_drain_time 0; wallet_sync_max_sockets_per_account 1;").start()
    token = plant_token(server.redis)
    socket = RawWebsocket(server.port, token)
    newer = RawWebsocket(server.port, token)
    assert socket.hear_close() == POLICY
    told = time.monotonic()
    until(lambda: time.monotonic() - told > 2, "two of the three seconds pass")
    socket.send(close_frame(1000))
    until(lambda: not there(server, socket.local_port), "the server ends the connection")
    assert time.monotonic() - told < 4.5, "the time runs from our close frame"
    newer.alive()


@pytest.mark.parametrize("reads", [False, True], ids=["reads nothing", "reads"])
def test_who_floods_keeps_no_worker_from_its_end(make_server, reads):
    server = make_server(workers=1, listen="sndbuf=4k rcvbuf=4k", http="wallet_sync_drain_time 0;").start()
    socket = narrow(server.port, plant_token(server.redis))
    flooding = Background(lambda: flood_on(socket))
    if reads:
        assert socket.hear() == (PONG, b"x" * 125)
    else:
        until(lambda: server_end(server.port, socket.local_port)[0] > 0, "the server stops to read from who does not read")
    old = server.nginx.reload(wait_for_old=False)
    server.nginx.wait_gone(old, 5)
    flooding.wait(10)
    assert server.api.get_wallet("0" * 64).status == 401


@pytest.mark.parametrize("before", [b"", frame(TEXT, b"whole"), frame(TEXT, b"unfinished")[:6], frame(TEXT, b"x", fin=False)],
                         ids=["nothing", "a frame", "half a frame", "half a message"])
def test_who_ends_the_connection_without_a_goodbye_is_accused_of_nothing(server, before):
    with RawWebsocket(server.port, plant_token(server.redis)) as socket:
        socket.send(before)
        socket._socket.shutdown(sockets.SHUT_WR)
        socket.assert_ended()


def test_by_default_an_account_may_have_32_sockets(make_server):
    server = make_server(workers=1).start()
    token = plant_token(server.redis)
    devices = [Device(server.port, token) for _ in range(32)]
    for device in devices:
        device.alive()
    last = Device(server.port, token)
    assert devices[0].wait_closed() == POLICY
    for device in [*devices[1:], last]:
        device.alive()
        device.close()


@pytest.mark.parametrize("directive", [
    "wallet_sync_ping_interval 0", "wallet_sync_ping_interval soon", "wallet_sync_ping_interval -1s",
    "wallet_sync_drain_time later", "wallet_sync_max_sockets_per_account 0", "wallet_sync_max_sockets_per_account many",
    "wallet_sync_max_sockets_per_account -1"])
def test_a_value_that_makes_no_sense_is_refused_with_an_example(make_server, directive):
    server = make_server(http=directive + ";")
    fine, said = server.nginx.test()
    assert not fine
    assert directive.split()[0] + ": invalid" in said and "such as" in said
    server.nginx.expect("emerg")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """(server, context of a client); server.api speaks plain HTTP on server.plain."""
    directory = tmp_path_factory.mktemp("tls")
    certificate, plain = Certificate(str(directory)), free_port()
    server = Server(str(directory), listen="ssl reuseport", http="wallet_sync_drain_time 0;",
                    server=f"listen 127.0.0.1:{plain}; ssl_certificate {certificate.file}; "
                           f"ssl_certificate_key {certificate.key}; {METRICS}").start()
    server.plain, server.plain_api = plain, Api1(plain)
    yield server, ssl.create_default_context(cafile=certificate.file)
    server.stop()


def test_over_tls_all_is_the_same(tls):
    server, context = tls
    token = plant_token(server.redis)
    devices = [Device(server.port, token, scheme="wss", ssl=context) for _ in range(6)]
    for sequence in range(1, 6):
        assert server.plain_api.post_wallet(token, sequence).status == 200
        for device in devices:
            device.wait_told(sequence)
    for device in devices:
        assert device.told == [1, 2, 3, 4, 5]
        began = time.monotonic()
        device.close()
        assert device.wait_closed() == 1000
        assert time.monotonic() - began < stretched(2), "the server ends the connection after the closing handshake"


def secure(server, context):
    link = raw.RawConnection(server.port)
    link._socket = context.wrap_socket(link._socket, server_hostname="localhost")
    return link


def test_over_tls_frames_may_come_with_the_handshake_or_in_pieces(tls):
    server, context = tls
    link = secure(server, context)
    link.send(upgrade(plant_token(server.redis)) + frame(PING, b"early") + frame(PING, b"half")[:3])
    assert link.read_head().status == 101
    assert link._take(7) == b"\x8a\x05early"
    pings = frame(PING, b"x" * 100) * 200  # larger than a TLS record
    link.close()
    with secure(server, context) as link:
        link.send(upgrade(plant_token(server.redis)))
        assert link.read_head().status == 101
        for byte in frame(PING, b"slow"):
            link.send(bytes([byte]))
        assert link._take(6) == b"\x8a\x04slow"
        link.send(pings)
        assert link._take(200 * 102) == (b"\x8a\x64" + b"x" * 100) * 200
        link.send(close_frame(GOING_AWAY))
        assert link._take(4) == b"\x88\x02\x03\xe9"
        assert link.read_rest() == b""


def test_over_tls_a_violation_gets_its_close_code(tls):
    server, context = tls
    for data, code in ((frame(TEXT, b"x", masked=False), 1002), (frame(TEXT, b"\xff"), 1007), (frame(TEXT, b"x" * 5000), 1009)):
        with secure(server, context) as link:
            link.send(upgrade(plant_token(server.redis)) + data)
            assert link.read_head().status == 101
            assert link._take(4) == b"\x88\x02" + code.to_bytes(2, "big")
            assert link.read_rest() == b""


def test_over_tls_a_client_that_does_not_speak_websockets_is_refused_as_ever(tls):
    server, context = tls
    with secure(server, context) as link:
        link.send(upgrade("0" * 64))
        assert link.read().status == 401
        link.send(upgrade(plant_token(server.redis), Sec_WebSocket_Version="9"))
        assert link.read().status == 426
