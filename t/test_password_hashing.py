"""Passwords: which library hashes them, how they are kept, and hashes that nobody waits for any more."""

import re
import subprocess

import pytest

from support import settings
from support.api import new_email

NOTICE = r"\[notice\] .*: wallet_sync: passwords are hashed by (.*)"


def notices(server):
    return re.findall(NOTICE, server.nginx.log())


# ---- which library

@pytest.mark.smoke
def test_the_log_tells_at_start_and_at_each_reload_what_hashes_passwords(own_server):
    assert len(notices(own_server)) == 1
    own_server.nginx.reload()
    first, second = notices(own_server)
    assert first == second
    assert re.fullmatch("(OpenSSL|libscrypt-kdf)(; it is faster here than (OpenSSL|libscrypt-kdf))?", first)


def test_an_nginx_without_accounts_says_nothing_of_hashes(make_server):
    server = make_server(location="return 204;").start()
    assert not notices(server)


IMPOSTOR = """
#include <stddef.h>
#include <string.h>
int crypto_scrypt(const void *a, size_t b, const void *c, size_t d, unsigned long e, unsigned f, unsigned g,
    unsigned char *key, size_t length) { memset(key, 7, length); return 0; }
"""


@pytest.mark.skipif(settings.ASAN, reason="the sanitizer wants to be the first library itself")
def test_a_foreign_function_of_the_same_name_hashes_no_password(make_server, tmp_path, monkeypatch):
    source, library = tmp_path / "impostor.c", tmp_path / "impostor.so"
    source.write_text(IMPOSTOR)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    plain = make_server().start()
    if "libscrypt-kdf" not in notices(plain)[0]:
        pytest.skip("built without libscrypt-kdf")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    server = make_server(address=plain.redis.unix_address).start()
    monkeypatch.delenv("LD_PRELOAD")
    assert notices(server) == ["OpenSSL; libscrypt-kdf gives wrong keys in this process"]
    email = new_email()
    assert server.api.signup(email).status == 201
    assert plain.api.auth(email).status == 200, "the key is the one that the other server computes"
