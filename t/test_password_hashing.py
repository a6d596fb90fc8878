"""Passwords: which library hashes them, how they are kept, and hashes that nobody waits for any more."""

import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest

from support import http2, raw, settings
from support.api import PASSWORD, Http, assert_error, new_email
from support.api3 import NEW_PASSWORD, WRONG, Api3, assert_success, key_of
from support.crowd import together
from support.ports import free_port
from support.wait import until
from support.websocket import Device, plant_token

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


# ---- how they are kept

SALT = "000102030405060708090a0b0c0d0e0f"
TODAY = (15, 8, 1)


def digits(cost=TODAY, password=PASSWORD, salt=SALT):
    log2_n, r, p = cost
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=1 << log2_n, r=r, p=p, maxmem=1 << 28, dklen=32).hex()


def tagged(cost=TODAY, **what):
    return "scrypt$%d$%d$%d$" % cost + digits(cost, **what)


class Kept:
    """The stored password of a new account."""

    def __init__(self, server):
        self.redis, self.api = server.redis, Api3(server.port)
        self.email = self.api.new_account()

    def put(self, key, salt=SALT):
        self.redis.cli("HSET", key_of(self.email), "password-key", key, "password-salt", salt)

    @property
    def key(self):
        return self.redis.cli("HGET", key_of(self.email), "password-key").decode()

    @property
    def salt(self):
        return self.redis.cli("HGET", key_of(self.email), "password-salt").decode()


@pytest.fixture
def kept(server):
    return Kept(server)


def test_a_new_password_says_how_it_was_hashed(kept):
    assert kept.key == tagged(salt=kept.salt)
    assert_success(kept.api.change(kept.email), {})
    assert kept.key == tagged(password=NEW_PASSWORD, salt=kept.salt)


@pytest.mark.parametrize("cost", [None, (10, 8, 1), (14, 8, 1), (15, 1, 1)], ids=str)
def test_a_login_brings_an_old_key_up_to_date(kept, cost):
    old = tagged(cost) if cost else digits()
    kept.put(old)
    assert_error(kept.api.auth(kept.email, "a wrong guess"), 401, WRONG)
    assert kept.key == old
    assert kept.api.auth(kept.email).status == 200
    assert (kept.key, kept.salt) == (tagged(), SALT)
    assert kept.api.auth(kept.email).status == 200
    assert_error(kept.api.auth(kept.email, "a wrong guess"), 401, WRONG)


@pytest.mark.parametrize("cost", [(16, 8, 1), (15, 8, 2)], ids=str)
def test_a_dearer_key_is_right_as_it_is(kept, cost):
    kept.put(tagged(cost))
    assert_error(kept.api.auth(kept.email, "a wrong guess"), 401, WRONG)
    assert kept.api.auth(kept.email).status == 200
    assert kept.key == tagged(cost)


def test_a_key_brought_up_to_date_closes_no_websocket_and_voids_no_token(own_server):
    kept = Kept(own_server)
    kept.put(tagged((12, 8, 1)))
    token = plant_token(kept.redis, key_of(kept.email)[7:31])
    laptop = Device(kept.api.port, token)
    assert kept.api.auth(kept.email, device="phone").status == 200
    assert kept.key == tagged()
    kept.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")  # the worker looks where its sockets' accounts stand
    assert kept.api.post_wallet(token, 1).status == 200
    laptop.wait_told(1)
    laptop.close()


@pytest.mark.parametrize("cost", [None, (12, 8, 1)], ids=["old form", "cheap"])
def test_logins_side_by_side_all_bring_it_up_to_date(kept, cost):
    kept.put(tagged(cost) if cost else digits())
    replies = together([lambda n=n: kept.api.auth(kept.email, device=f"device {n}") for n in range(8)])
    assert [reply.status for reply in replies] == [200] * 8
    assert kept.key == tagged()


@pytest.mark.parametrize("cost", [None, (12, 8, 1), (16, 8, 1)], ids=str)
def test_an_old_key_is_no_obstacle_to_a_new_password(kept, cost):
    kept.put(tagged(cost) if cost else digits())
    assert_success(kept.api.change(kept.email), {})
    assert kept.key == tagged(password=NEW_PASSWORD, salt=kept.salt)


@pytest.mark.parametrize("key", [
    "scrypt$30$8$1$" + "0" * 64, "scrypt$15$8$4294967295$" + "0" * 64, "scrypt$63$1073741823$1073741823$" + "0" * 64,
    "argon2id$15$8$1$" + "0" * 64, "scrypt$15$8$1$" + "0" * 63, "", "nonsense",
])
def test_a_record_that_asks_for_the_impossible_is_an_internal_error_of_its_account_alone(kept, key):
    kept.put(key)
    for reply in (kept.api.auth(kept.email), kept.api.change(kept.email)):
        assert_error(reply, 500, "Internal Server Error")
    assert kept.key == key
    assert kept.api.auth(kept.api.new_account()).status == 200


# ---- hashes that nobody waits for any more

CROWD = 24


class Hashing:
    """One worker with one thread for hashes, and a long queue. An HTTP/2 client finds it at h2_port."""

    def __init__(self, make_server):
        self.h2_port = free_port()
        self.server = make_server(http="wallet_sync_thread_pool threads=1 max_queue=64;", workers=1, server=f"""
            listen 127.0.0.1:{self.h2_port} http2;
            location = /metrics {{ wallet_sync_metrics; }}""").start()

    def tasks(self):
        return int(re.search(rb"^wallet_sync_kdf_tasks (\d+)$", Http(self.server.port).get("/metrics").body, re.M)[1])

    def await_tasks(self, condition, what):
        until(lambda: condition(self.tasks()), what)

    def accounts(self):
        return sum(key.endswith(b"}") for key in self.server.redis.cli("KEYS", "wsync:{*}"))

    def cpu_ticks(self):
        (pid,) = self.server.nginx.worker_pids()
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))


@pytest.fixture
def hashing(make_server):
    return Hashing(make_server)


def signup():
    return "/signup", json.dumps({"email": new_email(), "password": PASSWORD}).encode()


def leave_http_1(hashing, how):
    links = []
    for _ in range(CROWD):
        links.append(raw.RawConnection(hashing.server.port))
        links[-1].send(raw.request("POST", *signup()))
    yield
    for link in links:
        getattr(link, how)()


def leave_http_2(hashing, how):
    with http2.Sender(hashing.h2_port) as link:
        streams = [link.post(*signup()) for _ in range(CROWD)]
        yield
        if how == "reset":
            for stream in streams:
                link.reset(stream)
            yield


LEAVERS = {
    "close": lambda hashing: leave_http_1(hashing, "close"),
    "reset": lambda hashing: leave_http_1(hashing, "abort"),
    "close of HTTP/2": lambda hashing: leave_http_2(hashing, "close"),
    "reset of HTTP/2's streams": lambda hashing: leave_http_2(hashing, "reset"),
}


@pytest.mark.parametrize("leaver", LEAVERS)
def test_what_clients_that_have_left_were_waiting_for_is_not_hashed(hashing, leaver):
    before = hashing.cpu_ticks()
    for _ in range(4):
        assert hashing.server.api.signup(new_email()).status == 201
    ticks_per_hash = (hashing.cpu_ticks() - before) / 4

    crowd = LEAVERS[leaver](hashing)
    next(crowd)
    hashing.await_tasks(lambda tasks: tasks >= CROWD * 3 // 4, "the crowd waits")
    before = hashing.cpu_ticks()
    next(crowd, None)
    hashing.await_tasks(lambda tasks: tasks == 0, "nobody waits")
    assert hashing.server.api.signup(new_email()).status == 201, "who stays is served"
    assert hashing.cpu_ticks() - before < ticks_per_hash * CROWD / 2, "it was hashed all the same"
    assert hashing.accounts() - 5 < CROWD / 2, "accounts of clients that had left were made"
    list(crowd)


def test_a_client_that_leaves_is_logged_as_such(hashing):
    crowd = LEAVERS["close"](hashing)
    next(crowd)
    hashing.await_tasks(lambda tasks: tasks >= CROWD * 3 // 4, "the crowd waits")
    list(crowd)
    hashing.await_tasks(lambda tasks: tasks == 0, "nobody waits")
    until(lambda: hashing.server.nginx.access().count("POST /signup HTTP/1.1\" 499") > CROWD / 2, "the log has them")


def test_a_client_that_sends_its_next_request_meanwhile_has_not_left(hashing):
    with raw.RawConnection(hashing.server.port) as link:
        for _ in range(3):
            link.send(raw.request("POST", *signup()))
        assert [link.read().status for _ in range(3)] == [201] * 3


def test_hashes_for_a_mirror_are_done_although_the_client_has_its_answer(make_server):
    server = make_server(workers=1, server="""
        location = /copied { mirror /signup; proxy_pass http://127.0.0.1:$server_port/nothing; }
        location = /nothing { return 204; }""").start()
    email = new_email()
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    link = raw.RawConnection(server.port)
    link.send(raw.request("POST", "/copied", body))
    assert link.read().status == 204
    link.close()
    until(lambda: server.api.auth(email).status == 200, "the account is there")


def test_a_pool_by_name_skips_what_nobody_waits_for_too(make_server):
    """nginx' own bound counts there, and a job that is skipped gives its place back."""
    server = make_server(workers=1, http="wallet_sync_thread_pool hashing;",
                         main="thread_pool hashing threads=1 max_queue=8;").start()
    for how in ("close", "abort") * 3:
        links = [raw.RawConnection(server.port) for _ in range(CROWD)]
        for link in links:
            link.send(raw.request("POST", *signup()))
            link.wait_taken()
        for link in links:
            getattr(link, how)()
        until(lambda: server.api.signup(new_email()).status == 201, "there is room again")


# ---- beside the requests

def schedules(server):
    """(policy, niceness) of each thread of the worker, by its number; that of the worker itself comes first."""
    worker, = server.nginx.worker_pids()
    threads = sorted(int(path.name) for path in pathlib.Path(f"/proc/{worker}/task").iterdir())
    return [(os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)) for thread in threads]


def test_threads_that_hash_give_way_to_the_worker(make_server):
    server = make_server(workers=1, http="wallet_sync_thread_pool threads=1;").start()
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    Api3(server.port).signup(new_email())
    assert schedules(server)[0] == (os.sched_getscheduler(0), usual)
    assert (os.SCHED_BATCH, min(usual + 5, 19)) in schedules(server)


def test_threads_of_a_pool_by_name_keep_their_priority(make_server):
    server = make_server(workers=1, http="wallet_sync_thread_pool hashing;", main="thread_pool hashing threads=1;").start()
    Api3(server.port).signup(new_email())
    assert set(schedules(server)) == {(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))}
