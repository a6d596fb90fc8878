"""An HTTP client and a websocket on one asyncio connection; what goes wrong is an outcome, not an exception."""

import asyncio
import base64
import json
import os
import struct

from faults import history as records

CLOSE, PING, PONG, TEXT = 8, 9, 10, 1
HANDSHAKE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
             + base64.b64encode(b"0123456789abcdef").decode() + "\r\n")


class Reply:
    """outcome is set (and the rest is not) when there was no answer."""

    def __init__(self, outcome=None, status=None, headers=None, body=b""):
        self.outcome, self.status, self.headers, self.body = outcome, status, headers or {}, body
        self.json, self.malformed = None, None
        if status is not None and status not in (101, 304):
            self.malformed = self._parse()

    def _parse(self):
        """What is wrong with the form of the answer, or None."""
        kind = self.headers.get("content-type")
        if kind != "application/json":
            return f"the answer is {kind}, not JSON: {self.body[:100]!r}"
        try:
            self.json = json.loads(self.body)
        except ValueError:
            return f"the answer is no JSON: {self.body[:100]!r}"
        if not isinstance(self.json, dict):
            return f"the answer is no object: {self.body[:100]!r}"
        if self.status < 400:
            return None
        if not isinstance(self.json.get("error"), str):
            return f"an error without its text: {self.body[:100]!r}"
        if self.status == 503 and not self.headers.get("retry-after", "").isdigit():
            return "503 without Retry-After"
        return None

    @property
    def error(self):
        return self.json.get("error") if self.json else None


class Link:
    """One keep-alive connection, made when it is needed. patience: seconds until an answer is not waited for."""

    def __init__(self, port, patience):
        self.port, self.patience = port, patience
        self._reader = self._writer = None

    async def call(self, method, target, body=None, headers=""):
        """One request; never sent twice."""
        try:
            return await asyncio.wait_for(self._call(method, target, body, headers), self.patience)
        except asyncio.TimeoutError:
            self.drop()
            return Reply(records.HUNG)

    async def _call(self, method, target, body, headers):
        if not await self._connect():
            return Reply(records.UNREACHED)
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        length = "" if body is None else f"Content-Length: {len(data)}\r\n"
        try:
            self._writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}{headers}\r\n".encode() + data)
            reply = await self._read()
        except (OSError, EOFError, ValueError):
            self.drop()
            return Reply(records.LOST)
        if reply.headers.get("connection") == "close":
            self.drop()
        return reply

    async def _connect(self):
        if self._reader and (self._reader.at_eof() or self._writer.is_closing()):
            self.drop()
        if not self._reader:
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
        return True

    async def _read(self):
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip().lower() if name.lower() == "connection" else value.strip()
        body = b""
        if status not in (101, 304):
            body = await self._reader.readexactly(int(headers["content-length"])) if "content-length" in headers \
                else await self._read_chunks()
        return Reply(None, status, headers, body)

    async def _read_chunks(self):
        body = b""
        while size := int((await self._reader.readuntil(b"\r\n")).strip(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body

    def drop(self):
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None


class Websocket(Link):
    """open() first; then hear() until it gives None."""

    close_code = None
    left = False  # we are about to close it

    async def open(self, target):
        return await self.call("GET", target, headers=HANDSHAKE)

    async def hear(self):
        """The next text message, or None when the connection has ended."""
        try:
            while True:
                first, size = await self._reader.readexactly(2)
                if size == 126:
                    size = struct.unpack(">H", await self._reader.readexactly(2))[0]
                payload = await self._reader.readexactly(size)
                if first & 15 == TEXT:
                    return payload.decode()
                if first & 15 == PING:
                    self._say(PONG, payload)
                elif first & 15 == CLOSE:
                    self.close_code = struct.unpack(">H", payload[:2])[0] if payload else None
                    self._say(CLOSE, payload[:2])
                    return None
        except (OSError, EOFError):
            return None

    def _say(self, opcode, payload):
        mask = os.urandom(4)
        self._writer.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask
                           + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))
