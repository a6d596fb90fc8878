"""A demonstration client of the wallet sync server, to be used at the Python prompt.

    from test_client import Client
    c1 = Client()                              # or Client("http://host:port")

The server's address is http://127.0.0.1:8090 unless an argument or WALLET_SYNC_URL says otherwise.
"""

import os
import secrets

from sync_api import Api1, Conflict, SyncError
from wallet_state import INITIAL, WalletState, merge

DEFAULT_URL = "http://127.0.0.1:8090"


class Client:
    """One device. It knows an account, a token, what it last shared with the server, and its own wallet."""

    def __init__(self, url=None, api=None):
        self._api = api or Api1(url or os.environ.get("WALLET_SYNC_URL", DEFAULT_URL))
        self._device = secrets.token_hex(8)
        self._email = self._password = self._token = None
        self._base = None  # the state the server and we agreed on last
        self._wallet = None  # what we have, local changes included
        self._listener = None
        self.heard = None  # the newest sequence the websocket has told of

    def set_account(self, email, password):
        """Which account the next calls are about; nothing is sent."""
        self._email, self._password = email, password

    def register(self):
        """Makes the account on the server."""
        with _told():
            self._api.signup(self._email, self._password)
            print("Registered")

    def get_auth_token(self):
        """Logs in; a token this device had before stops working."""
        with _told():
            self._token = self._api.auth(self._email, self._password, self._device)
            print("Got auth token: ", self._token)

    def new_wallet_state(self):
        """Begins a wallet that the server has not seen yet."""
        self._base = WalletState(0, INITIAL)
        self._wallet = INITIAL

    def get_wallet(self):
        """Fetches the server's state; local changes are put on top of it."""
        with _told():
            latest = self._api.get_wallet(self._token)
            self._take(latest)
            print("Got latest walletState:")
            print(latest)

    def update_wallet(self):
        """Sends our wallet as the next state. If the server is ahead of us, merges and leaves it at that."""
        if self._base is None:
            print("No wallet yet: get_wallet() or new_wallet_state() comes first.")
            return
        mine = WalletState(self._base.sequence + 1, self._wallet)
        with _told():
            try:
                latest = self._api.post_wallet(self._token, mine)
                print("Successfully updated wallet state on server")
            except Conflict as conflict:
                latest = conflict.current
                print("Wallet state out of date. Getting updated wallet state. Try posting again after this.")
            self._take(latest)
            print("Got new walletState:")
            print(latest)

    def start_websocket(self):
        """Listens to what the server tells of the account, and prints it as it comes."""
        if self.listening:
            print("The websocket is open already.")
            return
        with _told():
            self._listener = self._api.listen(self._token, self._hear, _closed)
            print("Websocket open")

    def stop_websocket(self):
        """Says good-bye."""
        if self.listening:
            self._listener.close()

    @property
    def listening(self):
        return self._listener is not None and self._listener.open

    @property
    def sequence(self):
        """Of the state that the server and we agreed on last."""
        return self._base.sequence if self._base else 0

    def change_encrypted_wallet(self):
        """Makes a local change: one more segment behind a colon."""
        if self._wallet is None:
            print("No wallet yet: get_wallet() or new_wallet_state() comes first.")
            return
        self._wallet += ":" + secrets.token_hex(2)

    def cur_encrypted_wallet(self):
        """Our wallet with its local changes."""
        return self._wallet

    def _hear(self, message):
        print("Websocket:", message)
        self.heard = int(message.removeprefix("wallet-update:"))

    def _take(self, latest):
        base = self._base.encrypted_wallet if self._base else ""
        self._wallet = merge(base, self._wallet, latest.encrypted_wallet)
        self._base = latest


def _closed(code):
    print("Websocket closed:", code)


class _told:
    """At a prompt a refusal by the server is a line to read, not a traceback."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is not None and issubclass(kind, SyncError):
            print(error)
            return True
        return False
