"""The server's API 1 as Python calls. Other versions of the API get a class of their own beside it."""

import json
import urllib.error
import urllib.parse
import urllib.request

from wallet_state import WalletState
from websocket import Listener, Refused

# Stands where a real wallet application puts the keyed hash of its wallet.
PLACEHOLDER_HMAC = "my-hmac"


class SyncError(Exception):
    """The server refused, or could not be asked; the text is for people."""


class Conflict(SyncError):
    """A state was posted that does not follow the server's; current is the server's."""

    def __init__(self, current):
        super().__init__(f"Conflict: the server is at sequence {current.sequence}")
        self.current = current


class Api1:
    def __init__(self, url, timeout=30):
        self._url, self._timeout = url.rstrip("/"), timeout

    def signup(self, email, password):
        self._expect(201, *self._post("/signup", {"email": email, "password": password}))

    def auth(self, email, password, device):
        """A new token."""
        answer = self._post("/auth/full", {"email": email, "password": password, "deviceId": device})
        return self._expect(200, *answer)["token"]

    def get_wallet(self, token):
        query = urllib.parse.urlencode({"token": token or ""})
        return _state(self._expect(200, *self._call(f"/wallet?{query}", None)))

    def post_wallet(self, token, state):
        """The state the server has now; raises Conflict with the one it had before, if ours does not follow."""
        status, fields = self._post("/wallet", {
            "version": 1, "token": token or "", "encryptedWallet": state.encrypted_wallet,
            "sequence": state.sequence, "hmac": PLACEHOLDER_HMAC})
        if status == 409 and "encryptedWallet" in fields:
            raise Conflict(_state(fields))
        return _state(self._expect(200, status, fields))

    def listen(self, token, on_message, on_close):
        """An open websocket of the account. They belong to API 3, but accounts and tokens are the same."""
        query = urllib.parse.urlencode({"token": token or ""})
        try:
            return Listener(f"{self._url}/api/3/websocket?{query}", on_message, on_close, self._timeout)
        except Refused as refusal:
            return self._expect(101, refusal.status, _fields(refusal.body))
        except OSError as error:
            raise SyncError(f"No answer from {self._url}: {error}") from None

    def _post(self, path, fields):
        return self._call(path, json.dumps(fields).encode())

    def _call(self, path, body):
        """(status, fields of the reply)."""
        request = urllib.request.Request(self._url + path, data=body, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _fields(error.read())
        except OSError as error:
            raise SyncError(f"No answer from {self._url}: {getattr(error, 'reason', error)}") from None

    @staticmethod
    def _expect(wanted, status, fields):
        if status != wanted:
            raise SyncError(f"Error {status}: {fields.get('error', fields)}")
        return fields


def _state(fields):
    return WalletState(fields["sequence"], fields["encryptedWallet"])


def _fields(body):
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {"error": body.decode(errors="replace")}
