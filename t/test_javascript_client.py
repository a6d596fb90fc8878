"""The client library for browsers, run by node against the server; its websockets are tested in a browser (browser/)."""

import json
import os
import subprocess

import pytest

import support.clients as clients
from support.api import new_email
from support.clients import ROOT, another
from support.settings import stretched
from wallet_sync import PasswordCipher, Wallet

NEW_PASSWORD = "a better password"


class Session:
    """Devices of one account in one process."""

    def __init__(self, port):
        self.port, self.email = port, new_email()
        module = os.path.join(ROOT, "clients", "web", "wallet_sync.mjs")
        self._process = subprocess.Popen(["node", os.path.join(ROOT, "t", "support", "session.mjs"), module,
                                          clients.url_of(port), self.email, clients.PASSWORD],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *call):
        """What the call resolves to; (kind, text) if it fails."""
        print(json.dumps(call), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return answer["value"] if "value" in answer else (answer["kind"], answer["error"])

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(stretched(60)) == 0


@pytest.fixture
def session(server):
    session = Session(server.port)
    for device in ("phone", "laptop"):
        session(device, "make")
    yield session
    session.close()


def state(sequence, data):
    return {"sequence": sequence, "data": data}


def log_in(session):
    assert session("phone", "signup") is True
    for device in ("phone", "laptop"):
        assert session(device, "login") is None


def test_two_devices_save_and_merge(session):
    log_in(session)
    assert session("laptop", "get") is None
    assert session("phone", "save", "-") == session("laptop", "get") == state(1, "-")
    assert session("phone", "save", "-:1") == state(2, "-:1")
    for _ in range(2):
        assert session("laptop", "save", "-:2") == ("Conflict", "Conflict: Bad sequence number")
    assert session("laptop", "merge", "-:2") == state(3, "-:1:2")
    assert session("phone", "get") == session("phone", "get") == state(3, "-:1:2")


def test_a_device_in_python_shares_the_account(session):
    log_in(session)
    session("phone", "save", "b\u00fccher")
    device = another(clients.device(session.port, session.email, "tablet"), cipher=PasswordCipher())
    assert device.get_wallet() == Wallet(1, "b\u00fccher".encode())
    device.save_wallet(b"coins")
    assert session("phone", "get") == state(2, "coins")
    assert device.change_password(NEW_PASSWORD) == Wallet(3, b"coins")
    assert session("phone", "get") == ("SyncError", "Unauthorized: Token Not Found")


def test_a_password_change_takes_the_wallet_along(session):
    log_in(session)
    session("phone", "save", "coins")
    assert session("phone", "changePassword", NEW_PASSWORD) == state(2, "coins")
    assert session("laptop", "login") == ("SyncError", "Unauthorized: No match for email and/or password")
    device = another(clients.device(session.port, session.email, "tablet"), password=NEW_PASSWORD, cipher=PasswordCipher())
    assert device.get_wallet() == Wallet(2, b"coins")


def test_an_answer_that_is_lost_changes_nothing(session):
    session("phone", "lose", 1)
    assert session("phone", "signup") is False, "nobody has told"
    session("phone", "login")
    session("phone", "lose", 2)
    assert session("phone", "save", "coins") == state(1, "coins")
    session("phone", "lose", 1)
    assert session("phone", "changePassword", NEW_PASSWORD) == state(2, "coins")


def test_a_wallet_that_nobody_of_the_account_wrote_and_an_older_one_are_refused(session, server):
    log_in(session)
    session("phone", "save", "coins")
    session("phone", "known", 5)
    assert session("phone", "get") == ("IntegrityError", "The server has sequence 1; it had 5 before")
    session("phone", "known", 1)
    session("phone", "login")
    assert session("phone", "get") == ("IntegrityError", "The server has another wallet of sequence 1 than it had before")
    session("phone", "known", 0)
    assert session("phone", "get") == state(1, "coins")
    device = another(clients.device(session.port, session.email, "tablet"))
    forged = {"token": device.token, "encryptedWallet": "forged", "sequence": 2, "hmac": "forged"}
    assert server.api.post("/api/3/wallet", forged).status == 200
    kind, text = session("phone", "get")
    assert kind == "IntegrityError" and "HMAC" in text
