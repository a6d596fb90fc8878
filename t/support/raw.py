"""HTTP spelled byte by byte, for requests that no library would send."""

import select
import socket
import struct

from support.api import Reply
from support.settings import stretched
from support.wait import until


def request(method, target, body=b"", headers=(), version="HTTP/1.1", length=True):
    """headers: "Name: value" lines. length=False leaves Content-Length out."""
    lines = [f"{method} {target} {version}", "Host: localhost", *headers]
    if length and (body or method == "POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked_head(target, headers=(), method="POST"):
    return request(method, target, headers=["Transfer-Encoding: chunked", *headers], length=False)


def chunks(body, size):
    """The body in chunks of size bytes, the last one included."""
    parts = [body[at:at + size] for at in range(0, len(body), size)]
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


class RawConnection:
    def __init__(self, port, timeout=20, source="127.0.0.1"):
        self._socket = socket.create_connection(("127.0.0.1", port), stretched(timeout), (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def send(self, data):
        self._socket.sendall(data)

    def send_while_open(self, pieces):
        """For bodies the server may refuse before their end."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_slowly(self, pieces):
        """Each piece is taken out of the server's socket before the next one is sent."""
        for piece in pieces:
            self._socket.sendall(piece)
            self.wait_taken()

    def wait_taken(self):
        until(self._taken, "the server reads what it was sent")

    def _taken(self):
        mine = self._socket.getsockname()[1]
        theirs = self._socket.getpeername()[1]
        with open("/proc/net/tcp", encoding="ascii") as table:
            for row in list(table)[1:]:
                fields = row.split()
                ports = [int(end.split(":")[1], 16) for end in fields[1:3]]
                if ports == [theirs, mine]:
                    return int(fields[4].split(":")[1], 16) == 0
        return True

    def _fill(self):
        data = self._socket.recv(65536)
        self._data += data
        return bool(data)

    def silent(self):
        """Nothing has come that was not read."""
        return not self._data and not select.select([self._socket], [], [], 0)[0]

    def _take(self, count):
        while len(self._data) < count:
            assert self._fill(), f"the connection ended within a reply, after {self._data!r}"
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _take_line(self):
        while b"\r\n" not in self._data:
            assert self._fill(), f"the connection ended within a reply, after {self._data!r}"
        line, self._data = self._data.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_head(self):
        version, status, *reason = self._take_line().split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0")
        headers = []
        while True:
            line = self._take_line()
            if not line:
                return Reply(int(status), "".join(reason), headers, b"")
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))

    def read(self, no_body=False):
        """One reply; no_body for the reply to a HEAD."""
        reply = self.read_head()
        length = reply.header("Content-Length")
        if no_body or reply.status in (100, 101, 204, 304):
            return reply
        if reply.header("Transfer-Encoding") == "chunked":
            while size := int(self._take_line(), 16):
                reply.body += self._take(size)
                self._take(2)
            self._take(2)
        elif length is not None:
            reply.body = self._take(int(length))
        else:
            reply.body = self.read_rest()
        return reply

    def read_rest(self):
        """Everything until the server closes."""
        while self._fill():
            pass
        rest, self._data = self._data, b""
        return rest

    def abort(self):
        """Closes with a reset, as a crashed client's kernel does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchange(port, data, no_body=False):
    """Sends data on a connection of its own and reads one reply."""
    with RawConnection(port) as link:
        link.send(data)
        return link.read(no_body)
