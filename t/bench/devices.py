"""The clients of t/bench/fanout: devices that listen and writers that write."""

import asyncio
import json
import random
import struct

SPAN = 1_000_000  # sequences of an account
HANDSHAKE = ("GET /api/3/websocket?token={} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
MASK = bytes(4)  # a mask of zeros is one


def start_of(account):
    return SPAN * (account + 1)


class Device(asyncio.Protocol):
    """One socket of an account, which comes back when it is closed."""

    def __init__(self, campaign, account, token):
        self._campaign, self.account, self._token = campaign, account, token
        self.open, self.told, self._left = False, 0, False
        self._connect_later(0)

    def leave(self):
        self._left = True
        if self._transport:
            self._transport.close()

    def _connect_later(self, seconds):
        self._transport, self._data, self._upgraded, self.open = None, b"", False, False
        asyncio.get_running_loop().call_later(seconds, lambda: asyncio.ensure_future(self._connect()))

    async def _connect(self):
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._campaign.port)
        except OSError:
            self._connect_later(0.5)

    def connection_made(self, transport):
        self._transport = transport
        transport.write(HANDSHAKE.format(self._token).encode())

    def connection_lost(self, error):
        if self._left:
            return
        if self.open:
            self._campaign.counts["closed"] += 1
        self._connect_later(random.uniform(0.05, 0.5))

    def data_received(self, data):
        self._data += data
        if not self._upgraded:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):  # Redis is away
                self._campaign.counts["refused"] += 1
                self._transport.abort()
                return
            self._upgraded = self.open = True
            self._data = rest
        while len(self._data) >= 2 and len(self._data) >= 2 + self._data[1]:
            opcode, payload = self._data[0] & 15, self._data[2:2 + self._data[1]]
            self._data = self._data[2 + self._data[1]:]
            self._hear(opcode, payload)

    def _hear(self, opcode, payload):
        counts = self._campaign.counts
        if opcode == 1:
            sequence = int(payload.removeprefix(b"wallet-update:"))
            counts["told"] += 1
            if not start_of(self.account) < sequence < start_of(self.account + 1):
                counts["foreign"] += 1
                return
            step = sequence - (self.told or start_of(self.account))
            counts["collapsed"] += max(step - 1, 0)
            counts["repeated"] += step == 0
            counts["back"] += step < 0
            self.told = sequence
        elif opcode == 8:
            counts["going away"] += payload[:2] == struct.pack(">H", 1001)
            self._transport.write(bytes([0x88, 0x80 | len(payload)]) + MASK + payload)
        elif opcode == 9:
            self._transport.write(bytes([0x8A, 0x80 | len(payload)]) + MASK + payload)


class Writer:
    """Writes the accounts of its group in turn, over one connection."""

    def __init__(self, campaign, group):
        self._campaign, self._group, self._link = campaign, group, None

    async def run(self, wanted):
        while wanted():
            await self._round(wanted)
        self._close()

    async def write_once(self):
        await self._round(lambda: True)
        self._close()

    async def _round(self, wanted):
        for account in self._group:
            if wanted():
                await self._write(account)

    async def _write(self, account):
        """Until it is acknowledged. What became of a write without an answer is looked up."""
        campaign = self._campaign
        token = campaign.accounts.tokens[account]
        while True:
            sequence = campaign.newest[account] + 1
            body = json.dumps({"token": token, "encryptedWallet": "w" * 100, "sequence": sequence, "hmac": "h"})
            status, _ = await self._ask("POST", "/api/3/wallet", body)
            if status == 200:
                campaign.newest[account] = sequence
                campaign.counts["written"] += 1
                return
            campaign.counts["retried"] += 1
            await asyncio.sleep(0.1)
            status, answer = await self._ask("GET", f"/api/3/wallet?token={token}", "")
            if status == 200:
                campaign.newest[account] = answer["sequence"]

    async def _ask(self, method, path, body):
        try:
            if self._link is None:
                self._link = await asyncio.open_connection("127.0.0.1", self._campaign.port)
            reader, writer = self._link
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split("\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            if "connection: close" in head:
                self._close()
            return int(head.split(" ")[1]), answer
        except (OSError, asyncio.IncompleteReadError):
            self._close()
            return 0, {}

    def _close(self):
        if self._link:
            self._link[1].close()
            self._link = None
