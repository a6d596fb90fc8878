"""wallet-sync-admin: an operator's commands, while the server serves."""

import os
import re
import subprocess
import time

import pytest

from support.api import assert_error
from support.api3 import NO_TOKEN, Api3, assert_success, key_of
from support.crowd import together
from support.sentinels import Replicated
from support.tools import DIRECTORY, Database, Tools
from support.websocket import Device

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture(scope="module")
def tools(server):
    return Tools(server.redis.unix_address)


@pytest.fixture
def api3(server):
    return Api3(server.port)



# ---- looking

def test_show_tells_what_there_is_and_no_secret(tools, server, api3):
    email = api3.new_account()
    token = api3.login(email)
    assert api3.post_wallet(token, 1, wallet="the wallet itself", hmac="its hmac").status == 200
    shown, = tools.json("show", email.upper())
    assert (shown["email"], shown["verified"], shown["sequence"], shown["tokens"]) == (email, True, 1, 1)
    assert shown["walletBytes"] == len("the wallet itself")
    text = tools.admin("show", email).out
    assert "sequence 1" in text and "scrypt, N=32768" in text and email in text
    with server.redis.client() as client:
        fields = client("HMGET", key_of(email), "password-key", "password-salt", "client-salt-seed")
        fields += client("HGETALL", key_of(email, ":tokens"))
    for secret in [token, "the wallet itself", "its hmac", *(field.decode() for field in fields if field)]:
        assert secret not in text + str(shown), secret


def test_every_account_is_listed_once(tools, api3):
    verified = {api3.new_account() for _ in range(3)}
    listed = [line["email"] for line in tools.json("list")]
    assert verified <= set(listed) and len(listed) == len(set(listed))
    rows = tools.admin("list", "--verified").out.splitlines()
    assert "EMAIL" in rows[0] and verified <= {row.split()[-1] for row in rows[1:]}
    assert not verified & {line["email"] for line in tools.json("list", "--unverified")}


def test_a_list_of_thousands_is_whole(make_server):
    redis = make_server().redis
    redis.start()
    with redis.client() as client:
        for number in range(3000):
            client("HSET", key_of(f"{number}@example.com"), "email", f"{number}@example.com", "user-id", number + 1)
    lines = Tools(redis.unix_address).json("list")
    assert sorted(line["userId"] for line in lines) == list(range(1, 3001))


def test_statistics_count(make_server):
    server = make_server().start()
    api, tools = Api3(server.port), Tools(server.redis.unix_address)
    emails = [api.new_account() for _ in range(3)]
    token = api.login(emails[0])
    api.post_wallet(token, 1, wallet="x" * 1000)
    api.auth(emails[1], "a wrong guess")
    numbers, = tools.json("stats")
    assert numbers == {"accounts": 3, "verified": 3, "wallets": 1, "walletBytes": 1000, "largestWallet": 1000, "tokens": 1,
                       "expiredTokens": 0, "failedLogins": 1, "whitelisted": 0, "lastUserId": 3}
    assert re.search(r"^accounts +3$", tools.admin("stats").out, re.M)


# ---- changes

def test_revoked_tokens_are_void_and_sockets_closed(tools, server, api3):
    email = api3.new_account()
    tokens = [api3.login(email, device=name) for name in ("phone", "laptop")]
    devices = [Device(server.port, token) for token in tokens]
    assert tools.json("revoke", email) == [{"email": email, "result": "revoked"}]
    assert {device.wait_closed() for device in devices} == {1008}
    assert {device._link.close_reason for device in devices} == {"tokens revoked"}
    for token in tokens:
        assert_error(api3.get_wallet(token), 401, NO_TOKEN)
    api3.login(email)


def test_a_deleted_account_is_gone_and_its_sockets_closed(tools, server, api3):
    email = api3.new_account()
    former = api3.auth(email).json
    api3.post_wallet(former["token"], 1)
    device = Device(server.port, former["token"])
    assert tools.json("delete", "--yes", email) == [{"email": email, "result": "deleted"}]
    assert (device.wait_closed(), device._link.close_reason) == (1008, "account deleted")
    assert server.redis.cli("KEYS", key_of(email) + "*") == []
    assert_error(api3.get_wallet(former["token"]), 401, NO_TOKEN)
    assert api3.auth(email).status == 401
    assert api3.signup(email).status == 201
    again = api3.auth(email).json
    assert again["userId"] > former["userId"]
    assert api3.get_wallet(again["token"]).status == 404


def test_an_account_is_deleted_while_all_its_devices_write(tools, server, api3):
    email = api3.new_account()
    tokens = [api3.login(email, device=str(number)) for number in range(3)]

    def write(token):
        for sequence in range(1, 200):
            if api3.post_wallet(token, sequence).status == 401:
                return True
        return False

    *writers, deleted = together([lambda token=token: write(token) for token in tokens]
                                 + [lambda: tools.admin("delete", "--yes", email)])
    assert deleted.status == 0, deleted
    assert all(writers)
    assert server.redis.cli("KEYS", key_of(email) + "*") == []


def test_deleting_asks_first(tools, api3):
    email = api3.new_account()
    done = tools.admin("delete", email)
    assert done.status == 2 and "--yes" in done.err
    assert api3.auth(email).status == 200


def test_verifying_by_hand_lets_the_owner_in(tools, server, api3):
    email = api3.new_account()
    server.redis.cli("HSET", key_of(email), "verified", "0", "verify-token", "0" * 64, "verify-expires", "1")
    server.redis.cli("EXPIRE", key_of(email), 1000)
    assert_error(api3.auth(email), 401, "Unauthorized: Account is not verified")
    assert email in {line["email"] for line in tools.json("list", "--unverified")}
    assert "unless it is verified" in tools.admin("show", email).out
    assert tools.admin("verify", email).status == 0
    api3.login(email)
    assert server.redis.cli("TTL", key_of(email)) == -1
    assert server.redis.cli("HEXISTS", key_of(email), "verify-token") == 0


@pytest.mark.parametrize("command", ["show", "verify", "revoke", "delete"])
def test_nobody_of_that_address_is_status_1(tools, command):
    done = tools.admin(command, "nobody@example.com", "--yes")
    assert done.status == 1 and "no such account" in done.out


def test_a_whitelist_at_run_time(make_server):
    server = make_server(accounts="whitelist stored carl@example.com").start()
    api, tools = Api3(server.port), Tools(server.redis.unix_address)
    assert_error(api.signup("ann@example.com"), 403, "Forbidden: Account not whitelisted")
    assert tools.admin("whitelist", "add", "Ann@Example.com", "bob@example.com").status == 0
    assert_success(api.signup("ann@example.com"), {"verified": True}, 201)
    assert_success(api.signup("carl@example.com"), {"verified": True}, 201)
    assert {line["email"] for line in tools.json("whitelist", "list")} == {"ann@example.com", "bob@example.com"}
    assert tools.json("whitelist", "remove", "bob@example.com") == [{"email": "bob@example.com", "result": "removed"}]
    assert_error(api.signup("bob@example.com"), 403, "Forbidden: Account not whitelisted")
    api.login("ann@example.com")


def test_without_stored_the_list_in_redis_is_not_looked_at(make_server):
    server = make_server(accounts="whitelist").start()
    Tools(server.redis.unix_address).admin("whitelist", "add", "ann@example.com")
    assert_error(Api3(server.port).signup("ann@example.com"), 403, "Forbidden: Account not whitelisted")
    server.redis.stop()
    assert Api3(server.port).signup("ann@example.com").status == 403


# ---- check

def test_a_store_that_was_used_is_consistent(make_server):
    server = make_server().start()
    api, tools = Api3(server.port), Tools(server.redis.unix_address)
    for number in range(3):
        email = api.new_account()
        token = api.login(email)
        api.post_wallet(token, 1)
    api.auth(email, "a wrong guess")
    api.change(email, encryptedWallet="w", sequence=2, hmac="h")
    tools.admin("whitelist", "add", "x@example.com")
    assert tools.json("check") == [{"accounts": 3, "problems": 0}]


@pytest.mark.parametrize("damage, problem", [
    (("HSET", "{key}", "user-id", "999"), "beyond the last"), (("HSET", "{key}", "user-id", "1"), "is that of"),
    (("HDEL", "{key}", "password-salt"), "password"), (("HSET", "{key}", "email", "other@example.com"), "address"),
    (("DEL", "{key}"), "no account to its wallet"), (("EXPIRE", "{key}", "1000"), "will be gone"),
    (("HSET", "{key}", "verified", "0"), "is not verified and has tokens"), (("HSET", "{key}:wallet", "sequence", "0"), "sequence"),
    (("HDEL", "{key}:wallet", "wallet"), "not all there"), (("HSET", "{key}:tokens", "x", "y"), "token"),
    (("SET", "{key}:wallet", "x"), "another type"), (("SET", "wsync:stray", "x"), "wsync:stray"), (("SET", "{key}:stray", "x"), "none of wallet-sync's"),
    (("SET", "wsync:{{abc}}", "x"), "none of wallet-sync's"),
])
def test_what_does_not_fit_is_found(make_server, damage, problem):
    redis = make_server().redis
    redis.start()
    tools = Tools(redis.unix_address)
    with redis.client() as client:
        for number, email in enumerate(["first@example.com", "ann@example.com"], 1):
            key = key_of(email)
            client("HSET", key, "email", email, "user-id", number, "password-key", "0" * 64, "password-salt", "0" * 32,
                   "client-salt-seed", "", "verified", "1", "created", 1, "updated", 1)
            client("HSET", key + ":wallet", "sequence", 1, "hmac", "h", "wallet", "w", "updated", 1)
            client("HSET", key + ":tokens", "0" * 64, f"{int(time.time()) + 1000} * x")
        client("SET", "wsync:next-user-id", 2)
        assert tools.json("check") == [{"accounts": 2, "problems": 0}]
        client(*(word.format(key=key) for word in damage))
    done = tools.admin("--json", "check")
    assert done.status == 1, done
    assert any(problem in line.get("problem", "") for line in done.lines), done
    assert done.lines[-1]["problems"] >= 1


# ---- how Redis is reached

def test_by_sentinels(tmp_path):
    replicated = Replicated(str(tmp_path))
    try:
        replicated.start()
        tools = Tools(replicated.address)
        assert tools.admin("whitelist", "add", "ann@example.com").status == 0
        assert replicated.redis[0].cli("HEXISTS", "wsync:whitelist", "ann@example.com") == 1
        assert tools.json("check") == [{"accounts": 0, "problems": 0}]
    finally:
        replicated.stop()


def test_with_user_password_file_database_and_prefix(make_server, tmp_path):
    redis = make_server(redis_conf=["user ann on >s3cret ~* &* +@all"]).redis
    redis.start()
    (tmp_path / "password").write_text("s3cret\n")
    tools = Tools(f"{redis.tcp_address} user=ann 'password_file={tmp_path}/password' database=2 prefix=other")
    assert tools.admin("whitelist", "add", "ann@example.com").status == 0
    with redis.client() as client:
        client("SELECT", "2")
        assert client("HEXISTS", "other:whitelist", "ann@example.com") == 1


def test_who_is_not_there_is_told_and_ends_the_tool(tmp_path):
    done = Tools(f"unix:{tmp_path}/nothing.sock").admin("stats")
    assert done.status == 1
    assert "is not available" in done.err and "nothing.sock" in done.err


@pytest.mark.parametrize("words, hint", [
    ([], "which command"), (["dance"], "unknown command dance"), (["show"], "one e-mail address"), (["show", "ann"], "no e-mail address"),
    (["list", "--colour"], "unknown option --colour"), (["whitelist"], "whitelist add"), (["whitelist", "add"], "whitelist add"),
    (["stats", "x"], "no argument"), (["stats", "--redis"], "needs a value"), (["stats", "--redis", "redis://x"], "host:port"),
    (["stats", "--redis", "cluster://"], "no address of a node of a cluster"),
])
def test_wrong_usage_is_status_2_and_says_what_to_write(words, hint):
    done = subprocess.run([os.path.join(DIRECTORY, "wallet-sync-admin"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert hint in done.stderr and "--help" in done.stderr


# ---- what README.md says

def lines_of_readme(pattern):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return re.findall(pattern, file.read(), re.M)


def test_the_commands_of_the_readme_do_what_they_say(make_server):
    server = make_server().start()
    api, tools = Api3(server.port), Tools(server.redis.unix_address)
    api.signup("ann@example.com")
    commands = [line.split("#")[0].split()[1:] for line in lines_of_readme(r"^wallet-sync-admin .*$")]
    assert {words[0] for words in commands} == set(completed("wallet-sync-admin", ""))
    for words in commands:
        done = tools.admin(*words, *(["--yes"] if words[0] == "delete" else []))
        assert done.status == 0, (words, done)
    assert api.auth("ann@example.com").status == 401


def test_the_rights_that_the_readme_gives_the_tools_are_all_they_need(make_server, tmp_path):
    (user,) = lines_of_readme(r"^user wallet-sync on >PASSWORD .*$")
    (more,) = lines_of_readme(r"^`(\+scan [^`]*)`")
    redis = make_server(redis_conf=[f"{user} {more}"]).redis
    redis.start()
    tools = Tools(f"{redis.unix_address} user=wallet-sync password=PASSWORD")
    old = Database(tmp_path / "old.sqlite")
    old.add("ann@example.com", user_id=7, verify_token="x")
    old.add_wallet(old.add("bob@example.com"))
    assert tools.take_in(old.path).status == 0
    for words in (["list"], ["show", "ann@example.com"], ["verify", "ann@example.com"], ["revoke", "bob@example.com"],
                  ["delete", "--yes", "ann@example.com"], ["whitelist", "add", "a@b.c"], ["whitelist", "list"],
                  ["whitelist", "remove", "a@b.c"], ["stats"], ["check"]):
        assert tools.admin(*words).status == 0, words
    assert tools.write_out(tmp_path / "new.sqlite").status == 0
    assert not redis.cli("ACL", "LOG")


# ---- help and completion

def completed(*words):
    script = (f"source {ROOT}/tools/completion.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _wallet_sync; "
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_completion_knows_the_commands_and_options_of_the_help():
    for tool in ("wallet-sync-admin", "wallet-sync-import", "wallet-sync-export"):
        text = subprocess.run([os.path.join(DIRECTORY, tool), "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"^  (--[\w-]+)", text, re.M))
        assert options and options <= set(completed(tool, "--")), tool
        if tool == "wallet-sync-admin":
            assert set(completed(tool, "")) == set(re.findall(r"^  ([a-z]+)\b", text, re.M))
    assert set(completed("wallet-sync-admin", "whitelist", "")) == {"list", "add", "remove"}
    assert set(completed("wallet-sync-admin", "--redis", "x", "list", "--v")) == {"--verified"}
    assert completed("wallet-sync-admin", "delete", "--y") == ["--yes"]
