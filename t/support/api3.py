"""A client of API 3 with salt seeds and password changes, and a look at what Redis keeps of an account."""

import base64
import hashlib
import urllib.parse

from support import mail
from support.api import PASSWORD

SEED = mail.SEED
OTHER_SEED = "fedcba9876543210" * 4
NEW_PASSWORD = "another battery and another staple"

MALFORMED = "Bad Request: Error parsing JSON"
NO_TOKEN = "Unauthorized: Token Not Found"
NO_WALLET = "Not Found: No wallet"
WRONG = "Unauthorized: No match for email and/or password"
BAD_SEQUENCE = "Conflict: Bad sequence number"
BAD_CHANGE = "Conflict: Bad sequence number or wallet does not exist"


def invalid(detail):
    return f"Bad Request: Request failed validation: {detail}"


def unknown(name):
    return f'Bad Request: json: unknown field "{name}"'


class Api3(mail.Api3):
    def salt_seed(self, email):
        return self.salt_seed_of(base64.b64encode(email.encode()))

    def salt_seed_of(self, coded):
        """coded: the base64 as it is, before it goes into the URL."""
        return self.get("/api/3/client-salt-seed?email=" + urllib.parse.quote(coded, safe=""))

    def change_body(self, email, old=PASSWORD, new=NEW_PASSWORD, seed=OTHER_SEED, **wallet):
        return {"email": email, "oldPassword": old, "newPassword": new, "clientSaltSeed": seed, **wallet}

    def change(self, email, old=PASSWORD, new=NEW_PASSWORD, seed=OTHER_SEED, **wallet):
        """A password change; wallet: encryptedWallet, sequence and hmac, or nothing."""
        return self.post("/api/3/password", self.change_body(email, old, new, seed, **wallet))


def with_wallet(sequence, wallet="re-encrypted", hmac="new hmac"):
    """The fields of a password change that carry a wallet."""
    return {"encryptedWallet": wallet, "sequence": sequence, "hmac": hmac}


def state3(sequence, wallet="wallet", hmac="hmac"):
    """What API 3 shows of a wallet."""
    return {"encryptedWallet": wallet, "sequence": sequence, "hmac": hmac}


def key_of(email, part=""):
    """The name of one of the account's keys: key_of(email), key_of(email, ":tokens")."""
    return "wsync:{%s}%s" % (hashlib.sha256(email.lower().encode()).hexdigest()[:24], part)


def dump(redis, email):
    """Everything that is stored of an account, byte for byte."""
    with redis.client() as client:
        return {key: client("DUMP", key) for key in client("KEYS", key_of(email) + "*")}


def assert_success(reply, fields, status=200):
    """The reply has exactly these fields."""
    assert (reply.status, reply.body and reply.json) == (status, fields), reply
    assert reply.header("Content-Type") == "application/json"
