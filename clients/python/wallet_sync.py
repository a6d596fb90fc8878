"""A client of the wallet sync service (API 3), for applications that wait and for those that run on asyncio.

    client = Client("https://sync.example.com", "ann@example.com", "her password", device="laptop")
    client.login()
    client.save_wallet(data, merge=my_merge)

`Client` and `AsyncClient` have the same calls. Neither the password nor the wallet leaves the machine as it is: the server
gets what is derived from the password, and the wallet encrypted. It needs Python 3.10; python3-cryptography, unless another
`Cipher` is given; python3-websockets, if updates are listened to. README.md, beside this file, shows a session.
"""

import asyncio
import base64
import dataclasses
import functools
import hashlib
import hmac
import http.client
import importlib
import json
import os
import random
import ssl
import threading
import time
import unicodedata
import urllib.parse
from typing import (Any, AsyncIterator, Callable, Dict, Generator, Mapping, Optional, Protocol, Tuple, Type, TypeVar, Union,
                    cast)

__all__ = [
    "ApiError", "AsyncClient", "Backoff", "BadAnswer", "BadRequest", "Cipher", "Client", "Conflict", "Forbidden",
    "IntegrityError", "Kdf", "Keys", "Listener", "Merge", "NoAnswer", "NotFound", "PasswordChanged", "PasswordCipher",
    "RolledBack", "SyncError", "TooManyRequests", "Unauthorized", "Unavailable", "Wallet", "derive_keys", "new_salt_seed",
    "wallet_hmac",
]

T = TypeVar("T")


# ---- errors

class SyncError(Exception):
    """Everything that this module raises about the service; the text is for people."""


class NoAnswer(SyncError):
    """The server could not be asked, or went away. Whether it did what it was asked to is not known."""


class BadAnswer(SyncError):
    """What answered is no such server."""


class IntegrityError(SyncError):
    """What the server has was not written by a device that knows the password, or has been changed since."""


class RolledBack(IntegrityError):
    """The server has an older wallet than it had before, another one of the same sequence, or none any more: a backup,
    perhaps, an account that was made anew, or no honest server."""


class PasswordChanged(SyncError):
    """Another device has changed the password: make a client with the new one."""


class ApiError(SyncError):
    """The server refused. status: HTTP's; retry_after: seconds, if it said so. The text is the server's."""

    def __init__(self, status: int, text: str, retry_after: Optional[float] = None):
        super().__init__(text)
        self.status, self.retry_after = status, retry_after


class BadRequest(ApiError):
    """400: a value is not valid."""


class Unauthorized(ApiError):
    """401: wrong password, account not verified yet, or a token that is worth nothing any more."""


class Forbidden(ApiError):
    """403: this address may not sign up, for example."""


class NotFound(ApiError):
    """404: no such account."""


class TooManyRequests(ApiError):
    """429, for longer than the client's patience."""


class Unavailable(ApiError):
    """503, for longer than the client's patience."""


class Conflict(ApiError):
    """409: the address is taken; or other devices wrote, and `theirs` is what could not be merged."""

    def __init__(self, status: int, text: str, retry_after: Optional[float] = None, theirs: "Optional[Wallet]" = None):
        super().__init__(status, text, retry_after)
        self.theirs = theirs


_ERRORS: Dict[int, Type[ApiError]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict,
                                      429: TooManyRequests, 503: Unavailable}


# ---- keys

@dataclasses.dataclass(frozen=True)
class Kdf:
    """How keys come from a password; all devices of an account have to agree. The default is that of the protocol's clients,
    and takes 1 GiB of memory. salt_digits: how much of the salt's hexadecimal digits is used, 32 or 64: clients differ."""

    n: int = 1 << 20
    r: int = 8
    p: int = 1
    salt_digits: int = 32


@dataclasses.dataclass(frozen=True)
class Keys:
    """login: the server's word for password. hmac: the key that wallets are signed with, which the server never sees."""

    login: str
    hmac: bytes = dataclasses.field(repr=False)


def new_salt_seed() -> str:
    """What a new account, or a new password, derives its keys with; the server keeps it for all devices."""
    return os.urandom(32).hex()


def derive_keys(password: str, email: str, salt_seed: str, kdf: Kdf = Kdf()) -> Keys:
    """The address counts letter by letter, as it was written when the account was made."""
    salt = hashlib.sha256(f"{email}:{salt_seed}".encode()).hexdigest()[:kdf.salt_digits].encode()
    derived = _scrypt(_bytes_of(password), salt, kdf.n, kdf.r, kdf.p, 64)
    return Keys(base64.b64encode(derived[:32]).decode(), derived[32:])


def wallet_hmac(key: bytes, sequence: int, encrypted_wallet: str) -> str:
    """The sequence is signed too, so that an old wallet cannot be given out as a new one."""
    return hmac.new(key, f"{sequence}:{encrypted_wallet}".encode(), hashlib.sha256).hexdigest()


def _bytes_of(password: str) -> bytes:
    """Keyboards differ in how they compose the same letter."""
    return unicodedata.normalize("NFKC", password).encode()


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=128 * r * (n + p + 2) + (1 << 20))


# ---- wallets

@dataclasses.dataclass(frozen=True)
class Wallet:
    """A state that server and device agreed on, in clear. sequence: 1 for the first, one more with each write."""

    sequence: int
    data: bytes = dataclasses.field(repr=False)


# merge(base, mine, theirs): base is what mine and theirs have in common, None if this device never had one.
Merge = Callable[[Optional[bytes], bytes, bytes], bytes]


class Cipher(Protocol):
    """How a wallet is encrypted. It need not notice changes: that is what the HMAC is for."""

    def encrypt(self, password: str, data: bytes) -> str:
        """Text that is not empty."""

    def decrypt(self, password: str, text: str) -> bytes:
        """Raises ValueError for what was not encrypted with this password."""


class PasswordCipher:
    """The envelope of the protocol's clients: base64 of `s:8192:16:1:` (scrypt's N, r, p), 16 bytes that are scrypt's salt and
    the first block's vector, and the wallet by AES-256-CBC with PKCS #7 padding."""

    HEAD = b"s:8192:16:1:"

    def encrypt(self, password: str, data: bytes) -> str:
        vector = os.urandom(16)
        return self.encrypt_with(password, data, vector)

    def encrypt_with(self, password: str, data: bytes, vector: bytes) -> str:
        """For test vectors: the same vector must never be used twice."""
        padding = 16 - len(data) % 16
        step = self._cipher(password, vector, 8192, 16, 1).encryptor()
        sealed = step.update(data + bytes([padding]) * padding) + step.finalize()
        return base64.b64encode(self.HEAD + vector + sealed).decode()

    def decrypt(self, password: str, text: str) -> bytes:
        mark, n, r, p, rest = base64.b64decode(text, validate=True).split(b":", 4)
        if mark != b"s" or len(rest) < 32 or len(rest) % 16 or int(n) * int(r) > 1 << 23 or int(p) > 16:
            raise ValueError("not an encrypted wallet")
        step = self._cipher(password, rest[:16], int(n), int(r), int(p)).decryptor()
        data: bytes = step.update(rest[16:]) + step.finalize()
        padding = data[-1]
        if not 1 <= padding <= 16 or data[-padding:] != bytes([padding]) * padding:
            raise ValueError("not encrypted with this password")
        return data[:-padding]

    @staticmethod
    def _cipher(password: str, vector: bytes, n: int, r: int, p: int) -> Any:
        ciphers = _optional("cryptography.hazmat.primitives.ciphers", "python3-cryptography")
        key = _scrypt(_bytes_of(password), vector, n, r, p, 32)
        return ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(vector))


def _optional(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SyncError(f"This needs Python's {module.split('.')[0]}, which Debian calls {package}") from None


# ---- what waits, apart from what is decided
#
# A call is a generator. It yields what takes time, a function that blocks or the seconds of a pause, and gets the outcome;
# the two clients differ in who does the waiting.

Step = Union[float, Callable[[], Any]]
Work = Generator[Step, Any, T]


def _next_step(work: "Work[T]", result: Any, error: Optional[Exception]) -> Step:
    return work.send(result) if error is None else work.throw(error)


def _run(work: "Work[T]") -> T:
    result, error = None, None
    while True:
        try:
            step = _next_step(work, result, error)
        except StopIteration as end:
            return cast(T, end.value)
        result, error = None, None
        try:
            if isinstance(step, float):
                time.sleep(step)
            else:
                result = step()
        except Exception as trouble:
            error = trouble


async def _run_async(work: "Work[T]") -> T:
    result, error = None, None
    while True:
        try:
            step = _next_step(work, result, error)
        except StopIteration as end:
            return cast(T, end.value)
        result, error = None, None
        try:
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                result = await asyncio.to_thread(step)
        except Exception as trouble:
            error = trouble


class Backoff:
    """Pauses that grow to twice the last one, each by chance between its half and its whole: a crowd of clients that lost the
    same server does not come back at once."""

    def __init__(self, first: float = 0.5, most: float = 60.0):
        self.first, self.most = first, most
        self._next = first

    def pause(self) -> float:
        length, self._next = self._next, min(2 * self._next, self.most)
        return random.uniform(length / 2, length)

    def reset(self) -> None:
        self._next = self.first


@dataclasses.dataclass(frozen=True)
class _Answer:
    """repeated: the request was sent before, too, and may have been carried out then."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes
    repeated: bool = False

    def fields(self) -> Dict[str, Any]:
        try:
            fields = json.loads(self.body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise BadAnswer(f"The answer, of status {self.status}, is not a wallet sync server's")
        return fields

    def field(self, name: str, kind: Type[T]) -> T:
        value = self.fields().get(name)
        if not isinstance(value, kind):
            raise BadAnswer(f"The answer has no {name}, so it is not a wallet sync server's")
        return value

    def error(self) -> ApiError:
        try:
            text = self.field("error", str)
        except BadAnswer:
            text = f"{self.status} {self.reason}"
        return _ERRORS.get(self.status, ApiError)(self.status, text, _seconds(self.headers.get("Retry-After")))


def _seconds(header: Optional[str]) -> Optional[float]:
    return float(header) if header and header.isdecimal() else None


# ---- the device

class _Device:
    """An account on one device: what both clients have in common. known: the wallet it agreed on with the server last, if the
    application has kept that; it is the base of the next merge.

    timeout: seconds for one request. patience: seconds for which a request is repeated, when there is no server or it asks for
    that (503 or 429, with Retry-After); then its error is raised."""

    def __init__(self, url: str, email: str, password: str, device: str, *, kdf: Kdf = Kdf(), cipher: Optional[Cipher] = None,
                 known: Optional[Wallet] = None, timeout: float = 30.0, patience: float = 30.0,
                 ssl_context: Optional[ssl.SSLContext] = None):
        self._url = urllib.parse.urlsplit(url.rstrip("/"))
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"{url!r}: write http:// or https://, a host, and what path comes before /api/3")
        self.email, self.device = email, device
        self.token: Optional[str] = None
        self.known = known
        self._seen: Optional[Tuple[str, Wallet]] = None  # what the server had, and the token that it was asked with
        self._password, self._seed = password, ""
        self._keys: Optional[Keys] = None
        self._turn: Any = self._new_turn()
        self._kdf, self._cipher = kdf, cipher or PasswordCipher()
        self._timeout, self._patience = timeout, patience
        self._ssl = ssl_context

    def _new_turn(self) -> Any:
        """What lets calls in one after the other."""
        raise NotImplementedError

    # -- HTTP

    def _exchange(self, method: str, path: str, body: Optional[bytes], headers: Mapping[str, str]) -> _Answer:
        host, port = self._url.hostname or "", self._url.port
        link: http.client.HTTPConnection
        if self._url.scheme == "https":
            context = self._ssl or ssl.create_default_context()
            link = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)
        else:
            link = http.client.HTTPConnection(host, port, timeout=self._timeout)
        try:
            link.request(method, f"{self._url.path}/api/3{path}", body, dict(headers))
            answer = link.getresponse()
            return _Answer(answer.status, answer.reason, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"No answer from {self._url.netloc}: {error or type(error).__name__}") from error
        finally:
            link.close()

    def _ask(self, method: str, path: str, fields: Optional[Dict[str, Any]] = None,
             headers: Optional[Mapping[str, str]] = None) -> Work[_Answer]:
        """Repeats the request as long as that may help. The caller looks at the status."""
        body, headers = None, dict(headers or {})
        if fields is not None:
            body, headers["Content-Type"] = json.dumps(fields).encode(), "application/json"
        backoff, end, repeated = Backoff(), time.monotonic() + self._patience, False
        while True:
            trouble: SyncError
            pause = backoff.pause()
            try:
                answer: _Answer = yield functools.partial(self._exchange, method, path, body, headers)
            except NoAnswer as error:
                trouble = error
            else:
                if answer.status not in (429, 503):
                    return dataclasses.replace(answer, repeated=repeated)
                trouble = answer.error()
                pause = max(pause, trouble.retry_after or 0.0)
            if time.monotonic() + pause > end:
                raise trouble
            repeated = True
            yield pause

    # -- the account

    def _derive(self, password: str, seed: str) -> Step:
        return functools.partial(derive_keys, password, self.email, seed, self._kdf)

    def _salt_seed(self) -> Work[str]:
        email = urllib.parse.quote(base64.b64encode(self.email.encode()), safe="")
        answer = yield from self._ask("GET", f"/client-salt-seed?email={email}")
        return _good(answer).field("clientSaltSeed", str)

    def _signup(self) -> Work[bool]:
        seed = new_salt_seed()
        keys: Keys = yield self._derive(self._password, seed)
        fields = {"email": self.email, "password": keys.login, "clientSaltSeed": seed}
        answer = yield from self._ask("POST", "/signup", fields)
        if answer.status == 409 and answer.repeated and (yield from self._salt_seed()) == seed:
            verified = False  # it was us, though we were not told
        else:
            verified = _good(answer, 201).field("verified", bool)
        self._seed, self._keys = seed, keys
        return verified

    def _resend(self) -> Work[None]:
        _good((yield from self._ask("POST", "/verify/resend", {"email": self.email})))

    def _login(self) -> Work[None]:
        seed = yield from self._salt_seed()
        if self._keys is None or seed != self._seed:  # it changes with the password, also if that is changed back
            self._keys = yield self._derive(self._password, seed)
            self._seed = seed
        assert self._keys
        self.token = _good((yield from self._authenticate(self._keys))).field("token", str)

    def _authenticate(self, keys: Keys) -> Work[_Answer]:
        fields = {"email": self.email, "password": keys.login, "deviceId": self.device}
        return (yield from self._ask("POST", "/auth/full", fields))

    def _session(self) -> Tuple[str, Keys]:
        if self.token is None or self._keys is None:
            raise SyncError("Not logged in: login() comes first")
        return self.token, self._keys

    # -- the wallet

    def _read(self) -> Work[Optional[Tuple[Wallet, str]]]:
        """The server's wallet and its HMAC, which has been checked; `known` stays what it is."""
        token, keys = self._session()
        headers, known = {"Authorization": f"Bearer {token}"}, self.known
        if known and self._seen == (token, known):  # in another life of the account, its sequence may be another wallet's
            headers["If-None-Match"] = f'"{known.sequence}"'
        answer = yield from self._ask("GET", "/wallet", None, headers)
        if answer.status == 304 and known:
            return known, ""
        if answer.status == 404:
            if known:
                raise RolledBack(f"The server has no wallet any more; it had sequence {known.sequence}")
            return None
        text, sequence = _good(answer).field("encryptedWallet", str), answer.field("sequence", int)
        signature = answer.field("hmac", str)
        if not hmac.compare_digest(signature.encode(), wallet_hmac(keys.hmac, sequence, text).encode()):
            raise IntegrityError("The HMAC of the server's wallet is wrong: it was changed, or written with another password")
        if known and sequence < known.sequence:
            raise RolledBack(f"The server has sequence {sequence}; it had {known.sequence} before")
        try:
            data: bytes = yield functools.partial(self._cipher.decrypt, self._password, text)
        except ValueError as error:
            raise IntegrityError(f"The wallet cannot be decrypted: {error}") from error
        if known and sequence == known.sequence and data != known.data:
            raise RolledBack(f"The server has another wallet of sequence {sequence} than it had before")
        wallet = Wallet(sequence, data)
        self._seen = token, wallet
        return wallet, signature

    def _get(self) -> Work[Optional[Wallet]]:
        found = yield from self._read()
        self.known = found[0] if found else None
        return self.known

    def _sealed(self, password: str, keys: Keys, wallet: Wallet) -> Work[Dict[str, Any]]:
        text: str = yield functools.partial(self._cipher.encrypt, password, wallet.data)
        return {"encryptedWallet": text, "sequence": wallet.sequence, "hmac": wallet_hmac(keys.hmac, wallet.sequence, text)}

    def _save(self, data: bytes, merge: Optional[Merge], attempts: int) -> Work[Wallet]:
        token, keys = self._session()
        base, theirs = self.known, None  # type: Optional[Wallet], Optional[Wallet]
        refused: Optional[ApiError] = None
        for _ in range(attempts):
            mine = Wallet(base.sequence + 1 if base else 1, data)
            fields = yield from self._sealed(self._password, keys, mine)
            answer = yield from self._ask("POST", "/wallet", {"token": token, **fields})
            if answer.status != 409:
                _good(answer)
                self.known, self._seen = mine, (token, mine)
                return mine
            refused, found = answer.error(), (yield from self._read())
            if found is None:
                raise refused
            theirs, signature = found
            if signature == fields["hmac"]:
                self.known = mine  # it had gone through, though we were not told
                return mine
            data = _merged(merge, base, data, theirs, refused)
            if data == theirs.data:
                self.known = theirs
                return theirs
            base = theirs
        raise _conflict(refused, theirs)

    def _change_password(self, password: str, data: Optional[bytes], merge: Optional[Merge],
                         attempts: int) -> Work[Optional[Wallet]]:
        _, old = self._session()
        seed = new_salt_seed()
        keys: Keys = yield self._derive(password, seed)
        base, theirs = self.known, None  # type: Optional[Wallet], Optional[Wallet]
        refused: Optional[ApiError] = None
        if data is not None and (yield from self._read()) is None:
            base = yield from self._save(data, merge, attempts)  # a password change never makes the first wallet
        for _ in range(attempts):
            found = yield from self._read()
            theirs, mine = found[0] if found else None, None
            fields = {"email": self.email, "oldPassword": old.login, "newPassword": keys.login, "clientSaltSeed": seed}
            if theirs:
                if data is not None and (base is None or base.sequence != theirs.sequence):
                    data, base = _merged(merge, base, data, theirs, refused), theirs
                mine = Wallet(theirs.sequence + 1, theirs.data if data is None else data)
                fields.update((yield from self._sealed(password, keys, mine)))
            answer = yield from self._ask("POST", "/password", fields)
            if answer.status == 401 and answer.repeated:
                # An attempt that we know nothing of may have gone through: then the new password is good already.
                changed = (yield from self._authenticate(keys)).status == 200
            else:
                changed = answer.status == 200
            if changed:
                self._password, self._seed, self._keys = password, seed, keys
                self.token, self.known = None, mine
                yield from self._login()
                return mine
            refused = answer.error()
            if answer.status != 409:
                raise refused
        raise _conflict(refused, theirs)

    # -- updates

    def _newest(self, told: int) -> Work[int]:
        token, _ = self._session()
        headers = {"Authorization": f"Bearer {token}", "If-None-Match": f'"{told}"'}
        answer = yield from self._ask("GET", "/wallet", None, headers)
        return told if answer.status in (304, 404) else _good(answer).field("sequence", int)

    async def _updates(self, since: Optional[int], backoff: Backoff) -> AsyncIterator[int]:
        websockets = _optional("websockets", "python3-websockets")
        told = since if since is not None else self.known.sequence if self.known else 0
        scheme = "wss" if self._url.scheme == "https" else "ws"
        options: Dict[str, Any] = {"open_timeout": self._timeout, "close_timeout": 5, "max_size": 4096}
        if scheme == "wss":
            options["ssl"] = self._ssl or ssl.create_default_context()
        while True:
            token, _ = self._session()
            opened, least = time.monotonic(), 0.0
            try:
                uri = f"{scheme}://{self._url.netloc}{self._url.path}/api/3/websocket?token={token}"
                async with websockets.connect(uri, **options) as link:
                    # The server tells of what comes from now on; what came before has to be asked for.
                    newest = await _run_async(self._newest(told))
                    if newest > told:
                        told = newest
                        yield told
                    try:
                        async for message in link:
                            sequence = _told(message)
                            if sequence > told:
                                told = sequence
                                yield told
                    except websockets.ConnectionClosed:
                        pass
                    if link.close_code == 1008 and link.close_reason == "password changed":
                        raise PasswordChanged("The password was changed by another device")
                    # One more would push out a socket of another device of the account.
                    least = backoff.most if link.close_code == 1008 else 0.0
            except (NoAnswer, Unavailable, TooManyRequests, OSError, asyncio.TimeoutError) as error:
                least = getattr(error, "retry_after", None) or 0.0
            except websockets.InvalidHandshake as error:
                least = _refusal(error)
            if time.monotonic() - opened > 10:
                backoff.reset()  # it was a real connection
            await asyncio.sleep(max(backoff.pause(), least))


def _good(answer: _Answer, status: int = 200) -> _Answer:
    if answer.status != status:
        raise answer.error()
    return answer


def _conflict(refused: Optional[ApiError], theirs: Optional[Wallet]) -> Conflict:
    return Conflict(409, str(refused or "Conflict: other devices wrote"), None, theirs)


def _merged(merge: Optional[Merge], base: Optional[Wallet], mine: bytes, theirs: Wallet, refused: Optional[ApiError]) -> bytes:
    if merge is None:
        raise _conflict(refused, theirs)
    return merge(base.data if base else None, mine, theirs.data)


def _told(message: Any) -> int:
    """The sequence of a message, 0 if it is of a kind that we do not know."""
    kind, _, number = str(message).partition(":")
    return int(number) if kind == "wallet-update" and number.isdecimal() else 0


def _refusal(error: Any) -> float:
    """Of a websocket: how long to wait; raises what waiting does not mend. The library's versions differ in where things are."""
    reply = getattr(error, "response", None) or error
    status, headers = getattr(reply, "status_code", 0), getattr(reply, "headers", {})
    if 400 <= status < 500 and status != 429:
        text = "Unauthorized: the token is worth nothing any more" if status == 401 else f"The websocket was refused: {status}"
        raise _ERRORS.get(status, ApiError)(status, text) from error
    return _seconds(headers.get("Retry-After")) or 0.0


class Listener:
    """A thread that listens. ended: why it stopped, if nobody closed it."""

    def __init__(self, updates: "Callable[[], AsyncIterator[int]]", on_update: Callable[[int], None],
                 on_end: Optional[Callable[[SyncError], None]]):
        self.ended: Optional[SyncError] = None
        self._updates, self._on_update, self._on_end = updates, on_update, on_end
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._listen())
        self._thread = threading.Thread(target=self._serve, name="wallet-sync", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nothing is told after this. Not to be called by on_update."""
        try:
            self._loop.call_soon_threadsafe(self._task.cancel)
        except RuntimeError:
            pass  # it has ended
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _listen(self) -> None:
        try:
            async for sequence in self._updates():
                self._on_update(sequence)
        except SyncError as error:
            self.ended = error
            if self._on_end:
                self._on_end(error)


# ---- the two clients

class Client(_Device):
    """A device that waits for each call. Calls from several threads come one after the other."""

    def _new_turn(self) -> Any:
        return threading.Lock()

    def _do(self, work: Work[T]) -> T:
        with self._turn:
            return _run(work)

    def signup(self) -> bool:
        """Makes the account. False: it can log in when the link in the mail was opened (or that is not known, as the answer
        was lost). Raises Conflict if the address is taken, Forbidden if it may not sign up."""
        return self._do(self._signup())

    def resend_verification(self) -> None:
        """Another mail with another link."""
        self._do(self._resend())

    def login(self) -> None:
        """Gets a token, which is good for 14 days; after an Unauthorized, log in again. One the device had before is void."""
        self._do(self._login())

    def get_wallet(self) -> Optional[Wallet]:
        """The server's wallet, None before the first one; not sent again if it is `known`. It becomes the base of the next
        merge: what the application has beyond it, it has to put on top of it."""
        return self._do(self._get())

    def save_wallet(self, data: bytes, merge: Optional[Merge] = None, attempts: int = 5) -> Wallet:
        """Saves data, or what merge makes of it if other devices wrote first, up to so many times. Returns what the server
        has then. Raises Conflict without a merge, or if others were faster each time; nothing was saved then."""
        return self._do(self._save(data, merge, attempts))

    def change_password(self, password: str, data: Optional[bytes] = None, merge: Optional[Merge] = None,
                        attempts: int = 5) -> Optional[Wallet]:
        """The new password, and the wallet encrypted with it: data as in save_wallet, or what the server has. All devices of
        the account are logged out, and this one logged in again. Returns as get_wallet does."""
        return self._do(self._change_password(password, data, merge, attempts))

    def listen(self, on_update: Callable[[int], None], on_end: Optional[Callable[[SyncError], None]] = None,
               since: Optional[int] = None, backoff: Optional[Backoff] = None) -> Listener:
        """Calls on_update, in a thread of its own, with the newest sequence whenever there is one beyond `since` (default:
        that of `known`), also after the connection was lost: it is made again until it is closed. on_end is called with
        what ends it otherwise: Unauthorized or PasswordChanged, mostly."""
        return Listener(lambda: self._updates(since, backoff or Backoff()), on_update, on_end)


class AsyncClient(_Device):
    """The same for asyncio. What blocks runs in threads; a call that is cancelled may still be carried out by the server. merge
    is called by the event loop."""

    def _new_turn(self) -> Any:
        return asyncio.Lock()

    async def _do(self, work: Work[T]) -> T:
        async with self._turn:
            return await _run_async(work)

    async def signup(self) -> bool:
        """See Client.signup."""
        return await self._do(self._signup())

    async def resend_verification(self) -> None:
        """See Client.resend_verification."""
        await self._do(self._resend())

    async def login(self) -> None:
        """See Client.login."""
        await self._do(self._login())

    async def get_wallet(self) -> Optional[Wallet]:
        """See Client.get_wallet."""
        return await self._do(self._get())

    async def save_wallet(self, data: bytes, merge: Optional[Merge] = None, attempts: int = 5) -> Wallet:
        """See Client.save_wallet."""
        return await self._do(self._save(data, merge, attempts))

    async def change_password(self, password: str, data: Optional[bytes] = None, merge: Optional[Merge] = None,
                              attempts: int = 5) -> Optional[Wallet]:
        """See Client.change_password."""
        return await self._do(self._change_password(password, data, merge, attempts))

    def updates(self, since: Optional[int] = None, backoff: Optional[Backoff] = None) -> AsyncIterator[int]:
        """The newest sequence, whenever there is one beyond `since`, without end; see Client.listen."""
        return self._updates(since, backoff or Backoff())
