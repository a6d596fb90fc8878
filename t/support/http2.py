"""As much HTTP/2 as it takes to send one request frame by frame and to see what comes back."""

import socket
import struct

from support.settings import stretched

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE = 0, 1, 3, 4, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _header(name, value):
    """A literal that touches no table."""
    return b"\x00" + b"".join(bytes([len(part)]) + part for part in (name, value))


def _read(link, size):
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise ConnectionError("the server closed")
        data += part
    return data


class Sender:
    """Sends small POSTs on streams of one connection and never looks at an answer."""

    def __init__(self, port):
        self._link = socket.create_connection(("127.0.0.1", port), stretched(20))
        self._link.sendall(PREFACE + frame(SETTINGS, 0, 0))
        self._next = 1

    def post(self, path, body):
        """The number of its stream."""
        stream, self._next = self._next, self._next + 2
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost")]
        self._link.sendall(frame(HEADERS, END_HEADERS, stream, b"".join(_header(*field) for field in fields))
                           + frame(DATA, END_STREAM, stream, body))
        return stream

    def reset(self, stream):
        self._link.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._link.close()


def post(port, path, body, announced=True):
    """(status, body of the reply); the body is sent as the server's windows allow, until the server has answered."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost")]
    if announced:
        fields.append((b"content-length", str(len(body)).encode()))
    with socket.create_connection(("127.0.0.1", port), stretched(20)) as link:
        block = b"".join(_header(*field) for field in fields)
        link.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, block))
        window = {0: 65535, 1: 65535}
        status, reply = None, b""
        while True:
            while body is not None and (room := min(16384, len(body), *window.values())) > 0 or body == b"":
                last = END_STREAM if room == len(body) else 0
                link.sendall(frame(DATA, last, 1, body[:room]))
                window = {stream: left - room for stream, left in window.items()}
                body = None if last else body[room:]
            head = _read(link, 9)
            kind, flags = head[3], head[4]
            stream = struct.unpack(">I", head[5:])[0]
            payload = _read(link, struct.unpack(">I", b"\0" + head[:3])[0])
            if kind == SETTINGS and not flags & ACK:
                for at in range(0, len(payload), 6):
                    name, value = struct.unpack(">HI", payload[at:at + 6])
                    if name == 4:  # SETTINGS_INITIAL_WINDOW_SIZE
                        window[1] += value - 65535
                link.sendall(frame(SETTINGS, ACK, 0))
            elif kind == WINDOW_UPDATE:
                window[stream] += struct.unpack(">I", payload)[0]
            elif kind == HEADERS:
                # nginx spells a status out, unless it is one of those that have a number of their own.
                known = {0x88: 200, 0x8c: 400, 0x8d: 404, 0x8e: 500}
                block = payload
                while block[0] & 0xe0 == 0x20:  # a change of the table's size comes first
                    block = block[1:]
                status = known.get(block[0]) or int(block[2:5])
            elif kind == DATA:
                reply += payload
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return status, reply
            assert kind != RST_STREAM, f"the stream was reset before its reply was complete: {status} {reply!r}"
