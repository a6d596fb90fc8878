"""What goes on beside the load: people who sign up, log in and change their passwords, and websockets that come and go.

All requests are on connections of their own, so that no reload is an excuse for one that is not answered.
"""

import asyncio
import random
import threading

from faults.http import Link, Websocket
from support.api import PASSWORD, new_email
from support.api3 import NEW_PASSWORD, SEED
from support.settings import stretched
from support.wait import until

PATIENCE = 30  # seconds
CLOSE = "Connection: close\r\n"
STANDING, COMERS = 8, 4  # sockets that stay, and clients whose sockets come and go
GOING_AWAY, PASSWORD_CHANGED = 1001, 1008


class Visitors:
    """token: of an account that nobody else writes to, and that has no wallet yet."""

    def __init__(self, port, token):
        self._port, self._token = port, token
        self.done = dict.fromkeys(("signup", "login", "wrong password", "password change", "write", "socket", "update",
                                   "socket closed by a reload", "handshake refused by a reload"), 0)
        self.reloads = False  # whether there are any
        self.failures = []
        self._open = 0  # of the standing sockets
        self._sequence, self._ended = 0, False
        self._loop = asyncio.new_event_loop()
        self._working, self._writer, self._wanted, self._writing = [], None, False, False
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._standing = [self._submit(self._stand()) for _ in range(STANDING)]  # a task that nobody holds is collected

    def _submit(self, work):
        return asyncio.run_coroutine_threadsafe(self._judged(work), self._loop)

    async def _judged(self, work):
        try:
            await work
        except Exception as failure:  # of whatever kind: it is reported
            self.failures.append(f"{type(failure).__name__}: {failure}")

    def start(self):
        self._wanted = self._writing = True
        self._working = [self._submit(work) for work in (self._members(), *(self._comer() for _ in range(COMERS)))]
        self._writer = self._submit(self._write_on())

    def pause(self):
        """Returns when all have gone but the standing sockets, and these are open."""
        self._wanted = False
        for each in self._working:
            each.result(stretched(4 * PATIENCE))
        self._writing = False  # not before: who waits for a message would wait in vain
        self._writer.result(stretched(PATIENCE))
        if not self.failures:
            until(lambda: self._open == STANDING or self.failures, "the standing sockets are open", 30)

    def end(self):
        self._ended = True
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(stretched(PATIENCE))
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _leave(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, status, method, target, body=None):
        reply = await self._once(Link(self._port, stretched(PATIENCE)), method, target, body)
        assert reply.status == status, f"{method} {target.split('?')[0]}: {reply.outcome or reply.status} {reply.body[:200]}"
        return reply.json

    @staticmethod
    async def _once(link, method, target, body):
        try:
            return await link.call(method, target, body, CLOSE)
        finally:
            link.drop()

    # ---- people

    async def _members(self):
        while self._wanted:
            await self._member()
            await asyncio.sleep(0.5)

    async def _member(self):
        who = {"email": new_email(), "password": PASSWORD}
        await self._ask(201, "POST", "/api/3/signup", {**who, "clientSaltSeed": SEED})
        self.done["signup"] += 1
        await self._ask(401, "POST", "/auth/full", {**who, "password": "a wrong one", "deviceId": "phone"})
        self.done["wrong password"] += 1
        token = await self._login(who)
        await self._write(token, 1)
        socket = await self._socket(token)
        change = {"email": who["email"], "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD, "clientSaltSeed": SEED}
        await self._ask(200, "POST", "/api/3/password", {**change, "encryptedWallet": "new", "sequence": 2, "hmac": "new"})
        self.done["password change"] += 1
        while await asyncio.wait_for(socket.hear(), stretched(PATIENCE)) is not None:
            pass
        socket.drop()
        if socket.close_code == GOING_AWAY:
            self.done["socket closed by a reload"] += 1
        else:
            assert socket.close_code == PASSWORD_CHANGED, f"a password change closes a socket with {socket.close_code}"
        await self._ask(401, "GET", f"/api/3/wallet?token={token}")
        await self._write(await self._login({**who, "password": NEW_PASSWORD}), 3)

    async def _login(self, who):
        reply = await self._ask(200, "POST", "/api/3/auth/full", {**who, "deviceId": "phone"})
        self.done["login"] += 1
        return reply["token"]

    async def _write(self, token, sequence):
        body = {"token": token, "encryptedWallet": "wallet", "sequence": sequence, "hmac": "hmac"}
        await self._ask(200, "POST", "/api/3/wallet", body)
        self.done["write"] += 1

    # ---- sockets

    async def _write_on(self):
        """Without it, the sockets would hear nothing."""
        while self._writing:
            await self._write(self._token, self._sequence + 1)
            self._sequence += 1
            await asyncio.sleep(0.02)

    async def _socket(self, token):
        socket = Websocket(self._port, stretched(PATIENCE))
        reply = await socket.open(f"/api/3/websocket?token={token}")
        while self.reloads and reply.status == 503:  # a worker that quits takes no sockets any more
            self.done["handshake refused by a reload"] += 1
            socket.drop()
            await asyncio.sleep(int(reply.headers["retry-after"]))
            reply = await socket.open(f"/api/3/websocket?token={token}")
        assert reply.status == 101, f"handshake: {reply.outcome or reply.status} {reply.body[:200]}"
        self.done["socket"] += 1
        return socket

    async def _hear(self, socket):
        """Whether it was told of a write; a reload may close it instead."""
        message = await asyncio.wait_for(socket.hear(), stretched(PATIENCE))
        if message is None:
            assert socket.close_code == GOING_AWAY, f"a socket was closed with {socket.close_code}"
            self.done["socket closed by a reload"] += 1
            return False
        assert message.startswith("wallet-update:"), message
        self.done["update"] += 1
        return True

    async def _comer(self):
        while self._wanted:
            socket = await self._socket(self._token)
            for _ in range(random.randrange(4)):
                if not self._wanted or not await self._hear(socket):
                    break
            socket.drop()

    async def _stand(self):
        """A socket that stays, and comes back after a reload."""
        while not self._ended:
            socket = await self._socket(self._token)
            self._open += 1
            try:
                while await self._listen(socket):
                    pass
            finally:
                self._open -= 1
                socket.drop()

    async def _listen(self, socket):
        message = await socket.hear()
        if message is None:
            assert socket.close_code == GOING_AWAY, f"a standing socket was closed with {socket.close_code}"
            self.done["socket closed by a reload"] += 1
        return message is not None
