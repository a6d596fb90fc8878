"""Wallets whose content tells which write they came with, so that whoever sees one knows whose it is."""

import hashlib
import random

# What JSON has to escape, and what takes two, three and four bytes.
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789+/= \"\\\n\t/é€𝄞\u2028"


def digest_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def make(write, size):
    """(wallet, hmac, digest) of the write of this id; size: characters, about."""
    rng = random.Random(write)
    piece = "".join(rng.choices(ALPHABET, k=min(size, 200)))
    wallet = f"{write}|" + (piece * (size // max(len(piece), 1) + 1))[:size]
    return wallet, hmac_of(write), digest_of(wallet)


def hmac_of(write):
    return hashlib.sha256(f"hmac of {write}".encode()).hexdigest()


def write_of(wallet):
    return wallet.partition("|")[0]


def seed_of(password):
    """The salt seed that goes with a password; it can be read back."""
    return password.encode().ljust(32, b"\0").hex()


def password_of(seed):
    return bytes.fromhex(seed).rstrip(b"\0").decode("utf-8", "replace")
