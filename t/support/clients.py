"""The client library of clients/python, for tests: with keys and a cipher that cost little."""

import base64
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "clients", "python"))

import wallet_sync  # noqa: E402
from support.api import new_email  # noqa: E402
from support.settings import stretched  # noqa: E402

QUICK = wallet_sync.Kdf(n=1 << 10)
PASSWORD = "a good password"


class QuickCipher:
    """No secret, but it knows its password."""

    def encrypt(self, password, data):
        return base64.b64encode(password.encode() + b"|" + data).decode()

    def decrypt(self, password, text):
        written_with, _, data = base64.b64decode(text).partition(b"|")
        if written_with != password.encode():
            raise ValueError("another password")
        return data


def url_of(port):
    return f"http://127.0.0.1:{port}"


def device(port, email, name, kind=wallet_sync.Client, password=PASSWORD, **options):
    options = {"kdf": QUICK, "cipher": QuickCipher(), "timeout": stretched(60), "patience": stretched(120), **options}
    return kind(url_of(port), email, password, name, **options)


def new_device(port, name="phone", kind=wallet_sync.Client, **options):
    """A device that is logged in to an account of its own."""
    first = device(port, new_email(), name, kind, **options)
    assert first.signup() is True
    first.login()
    return first


def another(first, name="laptop", **options):
    """A second device of its account, logged in."""
    second = device(first._url.port, first.email, name, **options)
    second.login()
    return second


def lines(base, mine, theirs):
    """A merge of wallets that only ever get new lines."""
    had = (base or b"").splitlines()
    assert mine.splitlines()[:len(had)] == had
    ours = [line for line in mine.splitlines()[len(had):] if line not in theirs.splitlines()]
    return b"".join(line + b"\n" for line in theirs.splitlines() + ours)


class Told:
    """What a listener tells, in order, and why it ended."""

    def __init__(self, client, **options):
        self.sequences, self.ends = [], []
        options = {"backoff": wallet_sync.Backoff(0.05, 1.0), **options}
        self.listener = client.listen(self.sequences.append, self.ends.append, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
