"""The Redis protocol, version 2: a small client, and cutting a byte stream into whole messages."""

import socket
import ssl


class RedisError(Exception):
    """An error reply; str() is its text."""


def encode(*args):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def parse(data, at=0):
    """One message of data starting at `at`: (value, end), or None while it is incomplete."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, text, at = data[at:at + 1], bytes(data[at + 1:line_end]), line_end + 2
    if kind == b"+":
        return text, at
    if kind == b"-":
        return RedisError(text.decode()), at
    if kind == b":":
        return int(text), at
    size = int(text)
    if size < 0:
        return None, at
    if kind == b"$":
        return (bytes(data[at:at + size]), at + size + 2) if len(data) >= at + size + 2 else None
    assert kind == b"*", f"not a Redis message: {data[at - 20:at + 20]!r}"
    items = []
    for _ in range(size):
        part = parse(data, at)
        if part is None:
            return None
        items.append(part[0])
        at = part[1]
    return items, at


class Stream:
    """Collects bytes, gives out whole messages with the bytes they came in."""

    def __init__(self):
        self._data = bytearray()

    def feed(self, data):
        self._data += data
        while self._data:
            part = parse(self._data)
            if part is None:
                return
            value, end = part
            raw = bytes(self._data[:end])
            del self._data[:end]
            yield value, raw


class RedisClient:
    def __init__(self, address, timeout=10):
        self._socket = connect(address, timeout)
        self._stream = Stream()

    def __call__(self, *args):
        self._socket.sendall(encode(*args))
        return self.read()

    def read(self):
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("Redis closed the connection")
            for value, _ in self._stream.feed(data):
                if isinstance(value, RedisError):
                    raise value
                return value

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(address, timeout=10):
    """address: "unix:PATH", "HOST:PORT", or "tls:HOST:PORT", whose certificate may be anybody's."""
    if address.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(timeout)
        link.connect(address[5:])
        return link
    host, port = address.removeprefix("tls:").rsplit(":", 1)
    link = socket.create_connection((host, int(port)), timeout)
    return ssl._create_unverified_context().wrap_socket(link) if address.startswith("tls:") else link
