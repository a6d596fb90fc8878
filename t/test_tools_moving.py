"""wallet-sync-import and wallet-sync-export: from a server that keeps its accounts in SQLite, and back to one."""

import hashlib
import os
import re
import signal

import pytest

from support.api import PASSWORD, assert_error, new_email
from support.api3 import NEW_PASSWORD, WRONG, Api3, assert_success, key_of, state3, with_wallet
from support.tools import SCHEMA, Database, Tools
from support.wait import until
from support.websocket import Device

UNVERIFIED = {"verify_token": "ab" * 32, "verify_expiration": "2022-08-03 12:34:56.25+00:00"}


def scrypt(password, salt):
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32).hex()


@pytest.fixture
def old(tmp_path):
    return Database(tmp_path / "old.sqlite")


@pytest.fixture
def tools(server):
    return Tools(server.redis.unix_address)


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.fixture
def bare(make_server):
    """A Redis without a server."""
    redis = make_server().redis
    redis.start()
    return redis


def numbers(done):
    return done.lines[-1]


def skipped(done):
    """{email: reason}"""
    return {line["email"]: line["skipped"] for line in done.lines if isinstance(line.get("skipped"), str)}


# ---- in

def test_who_moved_in_logs_in_with_the_old_password_and_finds_the_wallet(old, tools, api):
    email, salt, seed = f"Ann-{new_email()}", "0f" * 16, "5a" * 32
    user = old.add(email, key=scrypt(PASSWORD, salt).upper(), salt=salt, seed=seed, user_id=4711)
    old.add_wallet(user, 12, "the old wallet", "its hmac")
    old.add_token(user)
    done = tools.take_in("--json", old.path)
    assert done.status == 0, done
    assert numbers(done)["created"] == 1 and numbers(done)["devices"] == 1
    reply = api.auth(email)
    assert reply.status == 200 and reply.json["userId"] == 4711
    assert_success(api.salt_seed(email), {"clientSaltSeed": seed})
    token = reply.json["token"]
    assert_success(api.get_wallet(token), state3(12, "the old wallet", "its hmac"))
    assert api.post_wallet(token, 13).status == 200
    assert_error(api.auth(email, "a wrong guess"), 401, WRONG)
    assert_success(api.change(email, **with_wallet(14)), {})
    assert api.signup(new_email()).status == 201
    assert api.auth(new_email()).status == 401


def test_nobody_who_signs_up_later_gets_an_old_user_id(old, own_server):
    old.add("ann@example.com", user_id=50)
    assert Tools(own_server.redis.unix_address).take_in(old.path).status == 0
    api = Api3(own_server.port)
    email = api.new_account()
    assert api.auth(email).json["userId"] == 51


def test_an_enormous_user_id_is_replaced_and_signing_up_goes_on(old, own_server):
    api, tools = Api3(own_server.port), Tools(own_server.redis.unix_address)
    old.add("ann@example.com", user_id=5)
    old.add("bob@example.com", user_id=1 << 40)
    old.add("eve@example.com", user_id=(1 << 63) - 1)
    for created in (3, 0):
        done = tools.take_in("--json", old.path)
        assert done.status == 0 and numbers(done)["created"] == created
    assert api.auth(api.new_account()).json["userId"] == 8


def test_a_user_id_that_is_taken_is_replaced_and_noted(old, own_server):
    api, tools = Api3(own_server.port), Tools(own_server.redis.unix_address)
    mine = api.new_account()
    assert api.auth(mine).json["userId"] == 1
    old.add("ann@example.com", user_id=1)
    old.add("bob@example.com", user_id=2)
    done = tools.take_in("--json", old.path)
    assert done.status == 0
    note, = [line for line in done.lines if "note" in line]
    assert note["email"] == "ann@example.com" and "user id 3" in note["note"]
    assert numbers(tools.take_in("--json", old.path))["unchanged"] == 2
    assert tools.json("check") == [{"accounts": 3, "problems": 0}]


def test_again_it_does_no_harm_and_takes_what_is_newer(old, tools, api):
    emails = [new_email() for _ in range(3)]
    users = [old.add(email, user_id=900 + n, key=scrypt(PASSWORD, "0f" * 16), salt="0f" * 16) for n, email in enumerate(emails)]
    for user in users:
        old.add_wallet(user, 5)
    assert tools.take_in(old.path).status == 0
    assert numbers(tools.take_in("--json", old.path)) | {"devices": 0} == {
        "dryRun": False, "stopped": False, "created": 0, "updated": 0, "unchanged": 3, "skipped": 0, "unverified": 0, "devices": 0}
    # One goes on there, one here.
    old.run("UPDATE wallets SET sequence = 6, encrypted_wallet = 'from there' WHERE user_id = ?", users[0])
    token = api.login(emails[1])
    assert api.post_wallet(token, 6, "from here").status == 200
    device = Device(api.port, api.login(emails[0]))
    done = tools.take_in("--json", old.path)
    assert done.status == 1 and numbers(done)["updated"] == 1 and numbers(done)["unchanged"] == 1
    assert skipped(done) == {emails[1]: "its wallet here is newer, and stays"}
    device.wait_told(6)
    assert api.get_wallet(token).json["encryptedWallet"] == "from here"
    assert api.get_wallet(device.token).json["encryptedWallet"] == "from there"


def test_a_password_changed_here_is_not_undone(old, tools, api):
    email = new_email()
    user = old.add(email, user_id=950, key=scrypt(PASSWORD, "0f" * 16), salt="0f" * 16)
    old.add_wallet(user, 1)
    assert tools.take_in(old.path).status == 0
    assert_success(api.change(email, **with_wallet(2)), {})
    done = tools.take_in("--json", old.path)
    assert done.status == 1 and "another password" in skipped(done)[email]
    api.login(email, NEW_PASSWORD)


def test_a_dry_run_writes_nothing(old, bare):
    old.add("ann@example.com")
    done = Tools(bare.unix_address).take_in("--dry-run", old.path)
    assert done.status == 0 and "Nothing was written" in done.out and "1 accounts created" in done.out
    assert bare.cli("KEYS", "*") == []


def test_what_cannot_be_taken_is_told_with_the_reason(old, bare):
    old.add("Ann@example.com", user_id=1)
    old.add("ANN@example.com", user_id=2, normalized="ANN@example.com")
    old.add("Bob <bob@example.com>", user_id=3)
    old.add("key@example.com", user_id=4, key="xyz")
    old.add("salt@example.com", user_id=5, salt="00")
    old.add("seed@example.com", user_id=6, seed="short")
    old.add("time@example.com", user_id=7, created="yesterday")
    old.add("wallet@example.com", user_id=8)
    old.add_wallet(8, 0)
    old.add_wallet(99, 1)
    old.add("fine@example.com", user_id=9, seed="")
    done = Tools(bare.unix_address).take_in("--json", old.path)
    assert done.status == 1
    reasons = skipped(done)
    assert set(reasons) == {"", "ANN@example.com", "Bob <bob@example.com>", "key@example.com", "salt@example.com",
                            "seed@example.com", "time@example.com", "wallet@example.com"}
    assert "address is that of user 1" in reasons["ANN@example.com"]
    assert "sequence" in reasons["wallet@example.com"] and "no account to this wallet" in reasons[""]
    assert numbers(done)["created"] == 3 and numbers(done)["skipped"] == 8
    assert Tools(bare.unix_address).json("check") == [{"accounts": 3, "problems": 0}]


def test_who_is_not_verified_waits_for_a_week(old, bare):
    old.add("ann@example.com", **UNVERIFIED)
    old.add("bob@example.com", **{**UNVERIFIED, "verify_token": "cd" * 32})
    tools = Tools(bare.unix_address)
    assert "not verified" in tools.take_in(old.path).out
    assert 7 * 86400 - 100 < bare.cli("TTL", key_of("ann@example.com")) <= 7 * 86400
    bare.cli("DEL", key_of("bob@example.com"))
    assert tools.take_in("--unverified-lifetime", "off", old.path).status == 0
    assert bare.cli("TTL", key_of("bob@example.com")) == -1


def test_it_goes_on_where_it_was_stopped(old, bare):
    with old.connect() as db:
        for number in range(4000):
            db.execute("INSERT INTO accounts VALUES (?, ?, ?, '', ?, NULL, NULL, NULL, '2022-08-01 12:34:56', '2022-08-01 12:34:56')",
                       (f"{number}@example.com", f"{number}@example.com", "0" * 64, "0" * 32))
    tools = Tools(bare.unix_address)
    process = tools.start("wallet-sync-import", "--progress", old.path)
    until(lambda: bare.cli("DBSIZE") > 100, "it has begun")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert re.search(r"\[#*.*\] \d+/4000", err)
    if process.returncode == 1:  # or else it was faster
        assert "run it again" in out
    done = tools.take_in("--json", old.path)
    assert done.status == 0 and numbers(done)["created"] + numbers(done)["unchanged"] == 4000
    assert tools.json("stats")[0]["accounts"] == 4000


def test_redis_may_go_away_for_a_moment(old, bare):
    with old.connect() as db:
        for number in range(2000):
            db.execute("INSERT INTO accounts VALUES (?, ?, ?, '', ?, NULL, NULL, NULL, '2022-08-01 12:34:56', '2022-08-01 12:34:56')",
                       (f"{number}@example.com", f"{number}@example.com", "0" * 64, "0" * 32))
    tools = Tools(bare.unix_address)
    process = tools.start("wallet-sync-import", "--json", old.path)
    until(lambda: bare.cli("DBSIZE") > 50, "it has begun")
    bare.kill()
    bare.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert tools.json("check")[-1] == {"accounts": 2000, "problems": 0}


@pytest.mark.parametrize("make, hint", [
    (lambda path: None, "cannot be opened"), (lambda path: path.write_text("no database, but long enough " * 100), "not a database"),
    (lambda path: Database(path).run("DROP TABLE accounts"), "no database of a wallet-sync server"),
])
def test_a_file_that_is_no_such_database_is_refused(tmp_path, bare, make, hint):
    make(tmp_path / "file")
    done = Tools(bare.unix_address).take_in(tmp_path / "file")
    assert done.status == 1 and hint in done.err, done


# ---- out

def fill(old):
    for number in range(1, 201):
        verified = number % 7
        user = old.add(f"User-{number}@Ex{'ä' if number % 5 == 0 else 'a'}mple.com", seed="" if number % 9 == 0 else None,
                       normalized=f"user-{number}@ex{'ä' if number % 5 == 0 else 'a'}mple.com",
                       created=f"2022-08-01 12:34:{number % 60:02}{'.5' * (number % 2)}{'+00:00' * (number % 3 > 0)}",
                       **({} if verified else {**UNVERIFIED, "verify_token": f"{number:064}"}))
        if number % 3 and verified:
            old.add_wallet(user, number, "w" * (number * 50) + "\u20ac\\\"", f"hmac {number}",
                           f"2022-09-01 00:00:00.{number:09}+00:00" if number % 2 else "2022-09-01 00:00:00+00:00")
        old.add_token(user)


def comparable(rows):
    """But for the verification tokens, of which Redis has hashes: it is only told whether there is one."""
    return [(*row[:5], row[5] is not None, *row[6:]) for row in rows]


def test_there_and_back_nothing_is_lost(old, bare, tmp_path):
    fill(old)
    tools = Tools(bare.unix_address)
    assert tools.take_in(old.path).status == 0
    done = tools.write_out("--json", tmp_path / "new.sqlite")
    assert done.status == 0, done
    assert done.lines == [{"accounts": 200, "wallets": len(old.rows("wallets")), "skipped": 0, "unverified": 28, "devices": 0}]
    new = Database.__new__(Database)
    new.path = str(tmp_path / "new.sqlite")
    assert comparable(new.rows("accounts")) == comparable(old.rows("accounts"))
    assert new.rows("wallets") == old.rows("wallets")
    assert new.rows("auth_tokens") == []
    # And there again: into an empty Redis, as it was.
    before = {key: bare.cli("HGETALL", key) for key in bare.cli("KEYS", "wsync:{*}")}
    bare.cli("FLUSHALL")
    assert tools.take_in(new.path).status == 0
    after = {key: bare.cli("HGETALL", key) for key in bare.cli("KEYS", "wsync:{*}")}
    for stored in (before, after):
        for fields in stored.values():
            if b"write" in fields:  # the mark of the write, random
                fields[fields.index(b"write") + 1] = b""
    assert after == before


def test_the_columns_are_those_of_the_other_server(bare, tmp_path):
    path = tmp_path / "new.sqlite"
    assert Tools(bare.unix_address).write_out(path).status == 0
    new = Database.__new__(Database)
    new.path = str(path)
    expected = Database(tmp_path / "expected.sqlite")
    for table in re.findall(r"CREATE TABLE (\w+)", SCHEMA):
        columns = [[row[1:3] for row in each.run(f"PRAGMA table_info({table})")] for each in (new, expected)]
        assert columns[0] == columns[1]
    assert os.stat(path).st_mode & 0o077 == 0


def test_what_changed_here_goes_out_as_it_is_now(old, own_server, tmp_path):
    api, tools = Api3(own_server.port), Tools(own_server.redis.unix_address)
    user = old.add("ann@example.com", key=scrypt(PASSWORD, "0f" * 16), salt="0f" * 16)
    old.add_wallet(user, 1)
    assert tools.take_in(old.path).status == 0
    assert_success(api.change("ann@example.com", **with_wallet(2, "new wallet", "new hmac")), {})
    api.login("ann@example.com", NEW_PASSWORD)
    done = tools.write_out(tmp_path / "new.sqlite")
    assert done.status == 0 and "1 devices have to log in again" in done.out
    new = Database.__new__(Database)
    new.path = str(tmp_path / "new.sqlite")
    (row,), (wallet,) = new.rows("accounts"), new.rows("wallets")
    assert row[2] == scrypt(NEW_PASSWORD, row[4]) and row[4] != "0f" * 16
    assert wallet[1:4] == ("new wallet", 2, "new hmac")
    assert row[8] == old.rows("accounts")[0][8] and row[9] > old.rows("accounts")[0][9]


def test_a_file_that_is_there_stays(bare, tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = Tools(bare.unix_address).write_out(tmp_path / "mine")
    assert done.status == 2 and "there already" in done.err
    assert (tmp_path / "mine").read_text() == "precious"


def test_what_the_other_server_could_not_check_is_skipped(bare, tmp_path):
    for number, key in enumerate(["scrypt$16$8$1$" + "0" * 64, "scrypt$15$8$1$" + "0" * 64, "0" * 64], 1):
        email = f"{number}@example.com"
        bare.cli("HSET", key_of(email), "email", email, "user-id", number, "password-key", key, "password-salt", "0" * 32,
                 "client-salt-seed", "", "verified", "1", "created", 1, "updated", 1)
    done = Tools(bare.unix_address).write_out("--json", tmp_path / "new.sqlite")
    assert done.status == 1 and numbers(done)["accounts"] == 2
    assert "hashed in another way" in skipped(done)["1@example.com"]
