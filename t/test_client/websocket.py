"""The least of a websocket client (RFC 6455) that can listen: no extensions, messages of one frame, one thread."""

import base64
import http.client
import os
import socket
import ssl
import struct
import threading
import urllib.parse

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Refused(Exception):
    """The server did not open a websocket: status and body of its reply."""

    def __init__(self, status, body):
        super().__init__(f"{status}")
        self.status, self.body = status, body


class Listener:
    """An open websocket; on_message(text) and on_close(code) are called from its thread."""

    def __init__(self, url, on_message, on_close, timeout=30):
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "https"
        self._socket = socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout)
        if secure:
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=parts.hostname)
        self._stream = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        status = int((self._stream.readline().split() + [b"", b"0"])[1])
        headers = http.client.parse_headers(self._stream)
        if status != 101:
            body = self._stream.read(int(headers.get("Content-Length", 0)))
            self._socket.close()
            raise Refused(status, body)
        self._socket.settimeout(None)
        self._on_message, self._on_close = on_message, on_close
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def open(self):
        return self._thread.is_alive()

    def close(self):
        """Says good-bye and waits until the server has said so too."""
        self._send(CLOSE, struct.pack(">H", 1000))
        self._thread.join(10)

    def _listen(self):
        code = 1006  # the connection broke
        try:
            while True:
                opcode, payload = self._read()
                if opcode == TEXT:
                    self._on_message(payload.decode())
                elif opcode == PING:
                    self._send(PONG, payload)
                elif opcode == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    self._send(CLOSE, payload[:2])
                    break
        except OSError:
            pass
        self._on_close(code)
        self._stream.close()
        self._socket.close()

    def _read(self):
        first, size = self._take(2)
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        return first & 15, self._take(size)

    def _take(self, size):
        data = self._stream.read(size)
        if len(data) < size:
            raise ConnectionError("the server has gone")
        return data

    def _send(self, opcode, payload):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        try:
            with self._lock:
                self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)
        except OSError:
            pass
