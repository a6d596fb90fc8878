"""The command-line tools on a Redis Cluster, while the server serves; and the list of who may sign up, which it keeps."""

import pytest

from support.api import new_email
from support.api3 import Api3, key_of
from support.cluster import Cluster, ClusterServer
from support.crowd import Background
from support.tools import Database, Tools
from support.wait import until
from support.websocket import POLICY, Device

FIRST_OF_CLUSTER = 1 << 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(str(tmp_path_factory.mktemp("cluster")), replicas=0)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def prefix(request):
    """Of the test's own keys."""
    return request.node.name[5:25].replace("_", "-")


@pytest.fixture
def server_of(tmp_path, request, cluster, prefix):
    def make(accounts="wallet_sync_accounts open;"):
        server = ClusterServer(str(tmp_path / "nginx"), cluster.address, f"prefix={prefix}")
        server.nginx.http = server.nginx.http.replace("wallet_sync_accounts open;", accounts)
        request.addfinalizer(server.stop)
        return server.start()
    return make


@pytest.fixture
def tools(cluster, prefix):
    return Tools(f"{cluster.address} prefix={prefix}")


def test_accounts_of_all_masters_are_looked_after(cluster, server_of, tools):
    api = Api3(server_of().port)
    emails = [new_email() for _ in range(8)]
    for email in emails:
        assert api.signup(email).status == 201
    token = api.login(emails[0])
    assert api.post_wallet(token, 1).status == 200
    device = Device(api.port, token)
    assert sorted(line["email"] for line in tools.json("list")) == sorted(emails)
    stats = tools.json("stats")[0]
    assert (stats["accounts"], stats["wallets"], stats["tokens"]) == (8, 1, 1)
    assert stats["lastUserId"] == max(line["userId"] for line in tools.json("list")) > FIRST_OF_CLUSTER
    assert tools.json("check")[-1] == {"accounts": 8, "problems": 0}
    for email in emails:
        shown = tools.json("show", email)[0]
        assert (shown["email"], shown["sequence"]) == (email, 1 if email == emails[0] else 0)
    assert tools.json("revoke", emails[0])[0]["result"] == "revoked"
    assert device.wait_closed() == POLICY
    assert api.get_wallet(token).status == 401
    for email in emails:
        assert tools.json("delete", "--yes", email)[0]["result"] == "deleted"
    assert tools.json("list") == []
    assert tools.admin("show", emails[0]).status == 1


def test_check_finds_what_does_not_fit(cluster, server_of, tools, prefix):
    api = Api3(server_of().port)
    email = new_email()
    assert api.signup(email).status == 201
    account = key_of(email).partition("{")[2][:-1]
    owner = cluster.owner_of(account)
    beyond = int(owner.cli("HGET", f"{prefix}:{{{account}}}", "user-id")) + 16384
    owner.cli("HSET", f"{prefix}:{{{account}}}", "user-id", beyond)
    done = tools.admin("check")
    assert done.status == 1 and f"{beyond} is beyond the last one drawn" in done.out


def test_who_is_on_the_list_may_sign_up_at_once(server_of, tools):
    api = Api3(server_of("wallet_sync_accounts whitelist stored;").port)
    email = new_email()
    assert api.signup(email).status == 403
    assert tools.json("whitelist", "add", email)[0]["result"] == "added"
    assert [line["email"] for line in tools.json("whitelist", "list")] == [email]
    assert api.signup(email).status == 201
    assert tools.json("whitelist", "remove", email)[0]["result"] == "removed"
    assert api.signup(new_email()).status == 403
    assert tools.json("stats")[0]["whitelisted"] == 0


def test_nobody_is_overlooked_while_slots_move(cluster, server_of, tools, prefix):
    server_of()
    accounts = [f"{number:024x}" for number in range(300)]
    slots = {account: cluster.slot(account) for account in accounts}
    for account in accounts:
        cluster.owner(slots[account]).cli("HSET", f"{prefix}:{{{account}}}:tokens", "no digest", "no token")

    def move_some():
        for number, account in enumerate(accounts[:40]):
            cluster.move(slots[account], cluster.nodes[number % 3])
    moving = Background(move_some)
    seen = [tools.admin("check") for _ in range(2)]
    moving.wait()
    seen.append(tools.admin("check"))
    for done in seen:  # all of them, or the word that it may not be all
        found = {account for account in accounts if account in done.out}
        assert len(found) == len(accounts) or "slots of the cluster move" in done.err, done
    assert "slots" not in seen[-1].err


def test_what_moves_in_and_out_is_the_same(cluster, server_of, tools, tmp_path):
    api = Api3(server_of().port)
    file = Database(tmp_path / "old.sqlite")
    for number in range(40):
        user = file.add(f"Old{number}@example.com", user_id=100 + number)
        file.add_wallet(user, 5, f"wallet {number}")
    email = new_email()
    assert api.signup(email).status == 201
    assert tools.take_in(file.path).status == 0
    again = tools.run("wallet-sync-import", "--json", file.path)
    assert again.lines[-1]["unchanged"] == 40
    assert {line["userId"] for line in tools.json("list")} > set(range(100, 140))
    assert tools.json("check")[-1]["problems"] == 0
    out = tmp_path / "new.sqlite"
    assert tools.write_out(out).status == 0
    with Database.at(out).connect() as db:
        assert db.execute("SELECT count(*) FROM accounts").fetchone() == (41,)
        mine, = db.execute("SELECT user_id FROM accounts WHERE normalized_email = ?", [email]).fetchone()
        wallets = db.execute("SELECT user_id, encrypted_wallet, sequence FROM wallets ORDER BY user_id").fetchall()
    assert mine > FIRST_OF_CLUSTER
    assert wallets == [(100 + number, f"wallet {number}", 5) for number in range(40)]


def test_ids_that_a_cluster_gave_are_kept_and_not_given_again(server_of, tools, cluster, prefix, tmp_path):
    api = Api3(server_of().port)
    email, newcomer = new_email(), new_email()
    slot = cluster.slot(key_of(email).partition("{")[2])
    kept = FIRST_OF_CLUSTER + 7 * 16384 + slot
    file = Database(tmp_path / "old.sqlite")
    file.add(email, user_id=kept)
    file.add(newcomer, user_id=kept + 1)  # of another slot: it will be given away there, or is
    done = tools.run("wallet-sync-import", "--json", file.path)
    assert done.status == 0, done
    ids = {line["email"]: line["userId"] for line in tools.json("list")}
    assert ids[email] == kept
    other = cluster.slot(key_of(newcomer).partition("{")[2])
    assert ids[newcomer] == (FIRST_OF_CLUSTER + 16384 + other if other != slot + 1 else kept + 1)
    owner = cluster.owner(slot)
    assert owner.cli("HGET", f"{prefix}:{{{tag_of(owner, slot)}}}:user-ids", "last") == b"7"
    assert tools.json("check")[-1]["problems"] == 0


def tag_of(node, slot):
    number = 0
    while node.cli("CLUSTER", "KEYSLOT", str(number)) != slot:
        number += 1
    return number


def test_an_import_tells_the_sockets_of_all_masters(server_of, tools, tmp_path):
    api = Api3(server_of().port)
    emails = [new_email() for _ in range(4)]
    for email in emails:
        assert api.signup(email).status == 201
    devices = [Device(api.port, api.login(email)) for email in emails]
    out = Database.at(tmp_path / "out.sqlite")
    assert tools.write_out(out.path).status == 0
    for user, in out.run("SELECT user_id FROM accounts"):
        out.add_wallet(user, 3)
    assert tools.take_in(out.path).status == 0
    for device in devices:
        device.wait_told(3)


def test_a_cluster_without_all_of_its_slots_is_not_looked_at(tmp_path):
    cluster = Cluster(str(tmp_path), masters=2, replicas=0)
    cluster.start()
    try:
        cluster.nodes[1].stop()
        done = Tools(cluster.address).admin("stats")
        assert done.status == 1 and "is not available" in done.err
        cluster.nodes[1].start()
        cluster.wait_settled()
        until(lambda: Tools(cluster.address).admin("stats").status == 0, "it is whole again", 20)
    finally:
        cluster.stop()
