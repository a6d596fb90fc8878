"""The client libraries derive what clients/vectors.json says: all of them the same, so that devices can share an account."""

import hashlib
import json
import os
import subprocess

import pytest

from support.clients import ROOT
from support.settings import stretched
from wallet_sync import Kdf, PasswordCipher, derive_keys, wallet_hmac

VECTORS = os.path.join(ROOT, "clients", "vectors.json")
MODULE = os.path.join(ROOT, "clients", "web", "wallet_sync.mjs")
KINDS = ["scrypt", "keys", "hmac", "cipher"]

with open(VECTORS, encoding="utf-8") as file:
    GIVEN = json.load(file)


def by_python(kind, given):
    """What the vector says, with the results as they come out here."""
    if kind == "scrypt":
        derived = hashlib.scrypt(given["password"].encode(), salt=given["salt"].encode(), n=given["n"], r=given["r"],
                                 p=given["p"], dklen=64, maxmem=1 << 26)
        return {**given, "derived": derived.hex()}
    if kind == "keys":
        kdf = Kdf(given["n"], given["r"], given["p"], given["saltDigits"])
        keys = derive_keys(given["password"], given["email"], given["saltSeed"], kdf)
        return {**given, "login": keys.login, "hmac": keys.hmac.hex()}
    if kind == "hmac":
        signature = wallet_hmac(bytes.fromhex(given["key"]), given["sequence"], given["encryptedWallet"])
        return {**given, "hmac": signature}
    cipher, password = PasswordCipher(), given["password"]
    return {**given, "data": cipher.decrypt(password, given["encryptedWallet"]).decode(),
            "encryptedWallet": cipher.encrypt_with(password, given["data"].encode(), bytes.fromhex(given["vector"]))}


@pytest.mark.parametrize("kind", KINDS)
def test_python_derives_what_the_vectors_say(kind):
    assert [by_python(kind, given) for given in GIVEN[kind]] == GIVEN[kind] != []


# One gigabyte at JavaScript's pace is enough.
FOR_JAVASCRIPT = {**GIVEN, "keys": GIVEN["keys"][1:]}


@pytest.fixture(scope="module")
def by_javascript(tmp_path_factory):
    file = tmp_path_factory.mktemp("vectors") / "vectors.json"
    file.write_text(json.dumps(FOR_JAVASCRIPT))
    done = subprocess.run(["node", os.path.join(ROOT, "t", "support", "vectors.mjs"), MODULE, file], text=True,
                          capture_output=True, check=False, timeout=stretched(900))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_javascript_derives_what_the_vectors_say(kind, by_javascript):
    assert by_javascript[kind] == FOR_JAVASCRIPT[kind]


def test_the_first_keys_cost_what_is_the_default():
    assert Kdf(*(GIVEN["keys"][1][name] for name in ("n", "r", "p", "saltDigits"))) == Kdf()


@pytest.mark.parametrize("text", ["", "?", "czo4MTkyOjE2OjE6", "dDo4MTkyOjE2OjE6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                  "czoxMDQ4NTc2OjE2OjE6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])
def test_what_is_no_encrypted_wallet_is_refused(text):
    with pytest.raises(ValueError):
        PasswordCipher().decrypt("a good password", text)


def test_another_password_does_not_decrypt():
    given = GIVEN["cipher"][0]
    with pytest.raises(ValueError):
        PasswordCipher().decrypt(given["password"] + "x", given["encryptedWallet"])
