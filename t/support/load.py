"""Devices that are at work while something happens to the server, and that miss nothing."""

import asyncio
import threading

import websockets

from support.api import Api1, state
from support.crowd import Background
from support.settings import stretched
from support.websocket import GOING_AWAY, PATH
from support.wait import until


class Load:
    """Clients that read and write without a pause until told to stop; counts what is answered. tokens: of accounts
    without a wallet; by default of new ones."""

    def __init__(self, api, tokens=None):
        self._stop = threading.Event()
        self.answers = 0
        self._api = api
        self.newest = dict.fromkeys(tokens or [api.new_token() for _ in range(4)], 0)
        self._jobs = [Background(lambda t=t: self._run(t)) for t in self.newest]

    def _run(self, token):
        sequence = 0
        while not self._stop.is_set():
            sequence += 1
            written, read = self._api.post_wallet(token, sequence), self._api.get_wallet(token)
            assert (written.status, written.json) == (200, state(sequence)), written
            assert (read.status, read.json) == (200, state(sequence)), read
            self.newest[token] = sequence
            self.answers += 2

    def more(self):
        """Waits until requests that began after this call are answered."""
        goal = self.answers + 20
        until(lambda: self.answers >= goal or not all(job.running for job in self._jobs), "requests are answered", 30)

    def end(self):
        self._stop.set()
        for job in self._jobs:
            job.wait()


class Followers:
    """Websockets of an account each, in a thread: they connect again whenever the server says 1001, and then read the
    wallet. Any other end of theirs, and any other answer, is a failure."""

    def __init__(self, port, tokens):
        self._port = port
        self.newest = dict.fromkeys(tokens)
        self.connects = dict.fromkeys(tokens, 0)
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._job = Background(lambda: self._loop.run_until_complete(self._follow_all()))
        until(lambda: all(self.connects.values()) or not self._job.running, "all are connected", 30)

    async def _follow_all(self):
        await asyncio.gather(*(self._follow(token) for token in self.newest))

    async def _follow(self, token):
        uri = f"ws://127.0.0.1:{self._port}{PATH}?token={token}"
        while not self._over.is_set():
            async with websockets.connect(uri, ping_interval=None, open_timeout=stretched(20),
                                          close_timeout=stretched(20)) as link:
                self.connects[token] += 1
                over = asyncio.ensure_future(self._over.wait())
                over.add_done_callback(lambda _, link=link: asyncio.ensure_future(link.close()))
                wallet = await asyncio.to_thread(Api1(self._port).get_wallet, token)
                assert wallet.status in (200, 404), wallet
                self._hear(token, wallet.json.get("sequence", 0))
                try:
                    async for message in link:
                        self._hear(token, int(message.removeprefix("wallet-update:")))
                except websockets.ConnectionClosedError:
                    pass
                over.cancel()
                assert self._over.is_set() or link.close_code == GOING_AWAY, link.close_code

    def _hear(self, token, sequence):
        self.newest[token] = max(self.newest[token] or 0, sequence)

    def know(self, newest):
        """Waits until each has heard of what was written last."""
        until(lambda: self.newest == newest or not self._job.running, "every device knows the newest state", 20)

    def end(self):
        self._loop.call_soon_threadsafe(self._over.set)
        self._job.wait()
