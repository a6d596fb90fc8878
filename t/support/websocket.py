"""Websocket clients: devices that keep to RFC 6455, by an independent library, and one that says whatever it is told."""

import asyncio
import base64
import hashlib
import os
import secrets
import socket
import struct
import threading
import time

import websockets

from support import http2, raw
from support.api import Http
from support.settings import stretched
from support.wait import until

PATH = "/api/3/websocket"
KEY = base64.b64encode(b"0123456789abcdef").decode()
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GOING_AWAY, PROTOCOL_ERROR, INVALID_TEXT, POLICY, TOO_BIG = 1001, 1002, 1007, 1008, 1009


def accept_of(key):
    """What the server has to answer (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def upgrade(token, method="GET", version="HTTP/1.1", body=b"", headers=(), **changes):
    """The bytes of an opening handshake. changes: other values of its headers by name with underscores; None: none."""
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    for name, value in changes.items():
        assert name.replace("_", "-") in fields
        fields[name.replace("_", "-")] = value
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    target = PATH if token is None else f"{PATH}?token={token}"
    return raw.request(method, target, body, [*lines, *headers], version)


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """A client's frame. length: (bits that announce it, number), where it is not to be what it should be."""
    size = len(payload)
    bits, number = length or ((7, size) if size < 126 else (16, size) if size < 65536 else (64, size))
    head = bytes([fin << 7 | rsv << 4 | opcode])
    mark = masked << 7
    head += {7: lambda: bytes([mark | number]), 16: lambda: bytes([mark | 126]) + struct.pack(">H", number),
             64: lambda: bytes([mark | 127]) + struct.pack(">Q", number)}[bits]()
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def close_frame(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def server_end(server_port, local_port, host="127.0.0.1"):
    """(bytes not yet read, inode) of the server's end of a connection, or None: asked of the kernel by sock_diag(7)."""
    address = socket.inet_aton(host)
    ends = struct.pack(">HH", server_port, local_port) + address + bytes(12) + address + bytes(12)
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends + bytes(4) + b"\xff" * 8
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:
        kernel.sendto(struct.pack("=IHHII", 16 + len(request), 20, 1, 0, 0) + request, (0, 0))
        answer = kernel.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != 20:
        return None
    unread, _, _, inode = struct.unpack_from("=IIII", answer, 16 + 4 + 48 + 4)
    return unread, inode


class Link(raw.RawConnection):
    """A RawConnection that asks the kernel for itself alone, so that sending byte by byte costs little."""

    def _taken(self):
        end = server_end(self._socket.getpeername()[1], self.local_port)
        return end is None or end[0] == 0

    @property
    def local_port(self):
        return self._socket.getsockname()[1]


class RawWebsocket(Link):
    """An open websocket, byte by byte. early: what is sent in one packet with the handshake. midway: what happens when
    the server has taken a part of the handshake."""

    def __init__(self, port, token, early=b"", timeout=20, midway=None, **changes):
        super().__init__(port, timeout)
        handshake = upgrade(token, **changes) + early
        if midway:
            self.send(handshake[:10])
            self.wait_taken()
            midway()
            handshake = handshake[10:]
        self.send(handshake)
        self.handshake = self.read_head()
        assert self.handshake.status == 101, self.handshake

    def say(self, opcode, payload=b"", **how):
        self.send(frame(opcode, payload, **how))

    def hear(self):
        """(opcode, payload) of the server's next frame, which keeps the rules for servers."""
        first, second = self._take(2)
        assert first & 0xF0 == 0x80, "fragmented or reserved bits"
        assert not second & 0x80, "a server's frames are not masked"
        size = second
        if second == 126:
            size = struct.unpack(">H", self._take(2))[0]
        return first & 15, self._take(size)

    @property
    def segments(self):
        """How many TCP segments with data have come: tcpi_data_segs_in of linux/tcp.h."""
        return struct.unpack_from("=I", self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 152)[0]

    def alive(self):
        """The server has taken everything so far and is content with it."""
        mark = secrets.token_bytes(8)
        self.say(PING, mark)
        assert self.hear() == (PONG, mark)

    def hear_close(self):
        """The code of the close frame that comes next (None without one); behind it the server says no more."""
        opcode, payload = self.hear()
        assert opcode == CLOSE, (opcode, payload)
        assert len(payload) != 1
        payload[2:].decode()
        return struct.unpack(">H", payload[:2])[0] if payload else None

    def assert_ended(self):
        """No further frame: the server has closed the connection."""
        assert self.read_rest() == b""

    def assert_closed(self, code):
        assert self.hear_close() == code
        self.assert_ended()


class _Loop:
    """An event loop in a thread, for all devices of the run."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def submit(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine, seconds=20):
        return self.submit(coroutine).result(stretched(seconds))


_loop = None


def _shared_loop():
    global _loop
    _loop = _loop or _Loop()
    return _loop


class Device:
    """A device that stays connected and remembers what it is told: python3-websockets in a thread."""

    def __init__(self, port, token, scheme="ws", **options):
        self.token, self.messages = token, []
        self._loop = _shared_loop()
        options = {"ping_interval": None, "open_timeout": stretched(20), "close_timeout": stretched(20), **options}
        uri = f"{scheme}://127.0.0.1:{port}{PATH}?token={token}"
        self.closed_at = None
        self._link = self._loop.run(self._connect(uri, options))
        self._reader = self._loop.submit(self._read())

    @staticmethod
    async def _connect(uri, options):
        return await websockets.connect(uri, **options)

    async def _read(self):
        try:
            async for message in self._link:
                self.messages.append(message)
        except websockets.ConnectionClosedError:
            pass
        self.closed_at = time.monotonic()

    @property
    def agreed(self):
        """(subprotocol, extensions). Where the library keeps the latter depends on its version."""
        return self._link.subprotocol, getattr(self._link, "protocol", self._link).extensions

    @property
    def told(self):
        """The sequences it was told, in order."""
        assert all(message.startswith("wallet-update:") for message in self.messages), self.messages
        return [int(message.partition(":")[2]) for message in self.messages]

    @property
    def newest(self):
        told = self.told
        return told[-1] if told else None

    @property
    def open(self):
        return not self._reader.done() and self._link.state.name == "OPEN"

    @property
    def local_port(self):
        return self._link.local_address[1]

    def wait_told(self, sequence, seconds=20):
        until(lambda: self.newest == sequence or not self.open, f"a device is told of {sequence}", seconds)
        assert self.newest == sequence, f"it was told {self.messages}, open: {self.open}"

    def wait_closed(self, seconds=20):
        """The code it was closed with; 1006 if there was no closing handshake."""
        until(self._reader.done, "a device is disconnected", seconds)
        self._reader.result()
        return self._link.close_code

    def alive(self):
        """After this, everything the server had sent before is in messages."""
        self._loop.run(self._ping())

    async def _ping(self):
        await (await self._link.ping())

    def close(self):
        self._loop.run(self._link.close(), 30)
        self._reader.result(stretched(20))


def plant_token(redis, account=None, device="planted"):
    """A token written straight into Redis (or by a client of it), as a login leaves it, at the cost of no KDF run."""
    account = account or secrets.token_hex(12)
    token = account + secrets.token_hex(20)
    digest = hashlib.sha256(token.encode()).hexdigest()
    ask = redis if callable(redis) else redis.cli
    ask("HSET", "wsync:{%s}:tokens" % account, digest, f"{int(time.time()) + 86400} * {device}")
    return token


def plant_tokens(redis, count):
    """Tokens of as many accounts."""
    with redis.client() as client:
        return [plant_token(client) for _ in range(count)]


def channels(redis):
    """The channels somebody listens to, but for the heartbeat."""
    return sorted(set(redis.cli("PUBSUB", "CHANNELS", "*")) - {b"wsync:heartbeat"})


def worker_of(nginx, local_port):
    """The worker that has the other end of the client's connection."""
    _, inode = server_end(nginx.port, local_port)
    for pid in nginx.worker_pids():
        folder = f"/proc/{pid}/fd"
        for name in os.listdir(folder):
            try:
                if os.readlink(f"{folder}/{name}") == f"socket:[{inode}]":
                    return pid
            except OSError:
                continue
    raise AssertionError("no worker has this connection")


def devices_on_workers(server, tokens, count, workers=2):
    """That many open devices of each token, on at least that many workers; the server listens with reuseport."""
    devices = [Device(server.port, token) for token in tokens for _ in range(count)]
    reached = {worker_of(server.nginx, device.local_port) for device in devices}
    for _ in range(64):
        if len(reached) >= workers:
            return devices
        devices.append(Device(server.port, tokens[0]))
        reached.add(worker_of(server.nginx, devices[-1].local_port))
    raise AssertionError("all connections went to one worker")


def gauge(port):
    """How many websockets the metrics show."""
    for line in Http(port).get("/metrics").body.decode().splitlines():
        if line.startswith("wallet_sync_websockets "):
            return int(line.split()[1])
    raise AssertionError("the metrics do not tell")


def http2_get(port, path):
    """(status, body) of a GET over HTTP/2 without TLS."""
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost")]
    block = b"".join(b"\x00" + b"".join(bytes([len(part)]) + part for part in field) for field in fields)
    with raw.RawConnection(port) as link:
        link.send(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)
                  + http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, block))
        status = None
        while True:
            head = link._take(9)
            payload = link._take(int.from_bytes(head[:3], "big"))
            if head[3] == http2.HEADERS:
                while payload[0] & 0xE0 == 0x20:
                    payload = payload[1:]
                status = {0x88: 200, 0x8C: 400}.get(payload[0]) or int(payload[2:5])
            elif head[3] == http2.DATA:
                return status, payload
