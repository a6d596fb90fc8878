"""One client: requests of one device of an account, each of them recorded with what its answer proves.

It knows the protocol and nothing of what the others do; what it does next is decided in device.py.
"""

import base64
import hashlib
import urllib.parse

from faults import history as records
from faults import wallet
from faults.http import Link, Websocket

STATUS = {200: records.OK, 201: records.OK, 101: records.OK, 304: records.NOT_MODIFIED, 401: records.UNAUTHORIZED,
          404: records.ABSENT, 409: records.CONFLICT}
OPEN = {"The outcome is unknown": records.UNKNOWN, "Stored, but not yet replicated": records.UNREPLICATED}  # of 503s


def outcome_of(reply):
    if reply.outcome:
        return reply.outcome
    if reply.status == 503:
        return next((outcome for text, outcome in OPEN.items() if text in (reply.error or "")), records.UNAVAILABLE)
    return STATUS.get(reply.status, records.ODD)


def short(token):
    """What stands for a token in a history."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class Client:
    """port(): where to connect, asked for each new connection. Tokens are given and returned in clear."""

    def __init__(self, recorder, name, account, email, port, patience):
        self.recorder, self.name, self.account, self.email = recorder, name, account, email
        self._port, self._patience = port, patience
        self._link = Link(port(), patience)
        self._writes = self._sockets = 0

    async def signup(self, password):
        body = {"email": self.email, "password": password, "clientSaltSeed": wallet.seed_of(password)}
        return await self._do(records.SIGNUP, "POST", "/api/3/signup", body, password=password)

    async def login(self, password):
        """(the operation, the token or None)"""
        operation, reply = await self._ask(records.LOGIN, "POST", "/api/3/auth/full", self._credentials(password),
                                           password=password)
        token = reply.json.get("token") if reply.status == 200 and reply.json else None
        self._end(operation, reply, token=short(token) if token else None)
        return operation, token

    async def plant(self, password, plant):
        """A token as a login would have brought it."""
        operation = self.recorder.begin(records.LOGIN, self.name, self.account, password=password)
        token = await plant(self.email)
        self.recorder.end(operation, records.OK, token=short(token))
        return token

    def _credentials(self, password):
        return {"email": self.email, "password": password, "deviceId": self.name}

    async def change_password(self, old, new, sequence, size):
        write, fields, plain = self._new_wallet(sequence, size)
        body = {"email": self.email, "oldPassword": old, "newPassword": new, "clientSaltSeed": wallet.seed_of(new), **plain}
        return await self._do(records.PASSWORD, "POST", "/api/3/password", body, password=old, new_password=new,
                              write=write, **fields)

    async def seed(self):
        """Asks for the salt seed."""
        address = urllib.parse.quote(base64.b64encode(self.email.encode()).decode(), safe="")
        operation, reply = await self._ask(records.SEED, "GET", f"/api/3/client-salt-seed?email={address}")
        seen = reply.json.get("clientSaltSeed") if reply.status == 200 and reply.json else None
        return self._end(operation, reply, seen_password=wallet.password_of(seen) if seen else None)

    async def read(self, token, api=3, known=None, bearer=False):
        """known: the sequence that need not be sent again (If-None-Match). bearer: the token is in a header."""
        target = ("/api/3" if api == 3 else "") + ("/wallet" if bearer else f"/wallet?token={token}")
        headers = f"Authorization: Bearer {token}\r\n" if bearer else ""
        if known is not None:
            headers += f'If-None-Match: "{known}"\r\n'
        operation, reply = await self._ask(records.READ, "GET", target, headers=headers, token=short(token), api=api)
        return self._end(operation, reply, **self._seen(reply, known))

    async def write(self, token, sequence, size, api=3):
        write, fields, plain = self._new_wallet(sequence, size)
        target, body = "/api/3/wallet", {"token": token, **plain}
        if api == 1:
            target, body = "/wallet", {"version": 1, **body}
        operation, reply = await self._ask(records.WRITE, "POST", target, body, token=short(token), api=api, write=write,
                                           **fields)
        return self._end(operation, reply, **self._seen(reply))

    async def open_socket(self, token):
        """(the operation, an open Websocket or None)"""
        self._sockets += 1
        websocket = Websocket(self._port(), self._patience)
        operation = self.recorder.begin(records.SOCKET, self.name, self.account, token=short(token),
                                        socket=f"{self.name}#{self._sockets}")
        reply = await websocket.open(f"/api/3/websocket?token={token}")
        self._end(operation, reply)
        if reply.status != 101:
            websocket.drop()
        return operation, websocket if reply.status == 101 else None

    async def listen(self, operation, websocket, on_update):
        """Records what the socket is told until it ends."""
        while (text := await websocket.hear()) is not None:
            kind, _, number = text.partition(":")
            sequence = int(number) if kind == "wallet-update" and number.isdigit() else 1 << 40  # of which none is true
            self.recorder.add(records.Message(operation.socket, self.account, records.now(), sequence))
            on_update(sequence)
        self.recorder.add(records.Closed(operation.socket, self.account, records.now(), websocket.close_code,
                                         by_client=websocket.left))
        websocket.drop()

    def leave(self):
        self._link.drop()

    # ---- parts of a request

    async def _do(self, kind, method, target, body, **fields):
        operation, reply = await self._ask(kind, method, target, body, **fields)
        return self._end(operation, reply)

    async def _ask(self, kind, method, target, body=None, headers="", **fields):
        self._link.port = self._port()
        operation = self.recorder.begin(kind, self.name, self.account, **fields)
        return operation, await self._link.call(method, target, body, headers)

    def _end(self, operation, reply, **fields):
        error = reply.error if reply.status and reply.status >= 400 else None
        return self.recorder.end(operation, outcome_of(reply), status=reply.status, error=error,
                                 malformed=reply.malformed, **fields)

    def _new_wallet(self, sequence, size):
        """(id of the write, what is recorded of it, the fields that are sent)"""
        self._writes += 1
        write = f"{self.name}/{self._writes}"
        text, hmac, digest = wallet.make(write, size)
        return write, {"sequence": sequence, "hmac": hmac, "digest": digest}, \
            {"encryptedWallet": text, "sequence": sequence, "hmac": hmac}

    @staticmethod
    def _seen(reply, known=None):
        """What the answer shows of the stored wallet."""
        if reply.status == 304:
            return {"seen_sequence": known}
        if reply.status == 404:
            return {"seen_sequence": 0}
        if not reply.json or "encryptedWallet" not in reply.json:
            return {}
        return seen_of(reply.json["sequence"], reply.json["encryptedWallet"], reply.json["hmac"])


def seen_of(sequence, text, hmac):
    return {"seen_sequence": sequence, "seen_write": wallet.write_of(text), "seen_hmac": hmac,
            "seen_digest": wallet.digest_of(text)}
