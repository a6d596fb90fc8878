"""The version of what Redis holds: written where there is none, and what is newer is left alone, by all of wallet-sync."""

import os
import re
import time

import pytest

from support import raw
from support.api import Http, assert_unavailable, new_email
from support.cluster import Cluster, ClusterServer, Writers
from support.sentinels import Replicated, SentinelServer
from support.settings import stretched
from support.tools import Database, Tools
from support.wait import until
from test_backup import tool as backup

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEY = "wsync:schema"
READY = "location = /ready { wallet_sync_health ready; }"
REFUSED = {"status": "unavailable", "redis": "another schema version"}
# From the new version until nobody's write is acknowledged any more.
NOTICED = 2


@pytest.fixture
def watched(make_server):
    return make_server(server=READY).start()


def health(server):
    return Http(server.port).get("/ready")


def refuses(server):
    """Every worker does: twenty requests in a row are refused at once."""
    def all_do():
        begin = time.monotonic()
        replies = [server.api.signup(new_email()) for _ in range(20)]
        if any(reply.status != 503 for reply in replies):
            return False
        for reply in replies:
            assert_unavailable(reply)
        assert time.monotonic() - begin < stretched(5), "they do not wait for anything"
        return all(health(server).json == REFUSED for _ in range(20))
    until(all_do, "it refuses")
    assert health(server).status == 503


def serves(server):
    until(lambda: all(server.api.get_wallet("0" * 64).status == 401 for _ in range(20)), "all workers serve", 20)
    assert server.api.signup(new_email()).status == 201
    until(lambda: all(health(server).status == 200 for _ in range(20)), "all workers say so", 20)


def lines(server):
    return [line for line in server.nginx.log().splitlines() if "schema version" in line and "again" not in line]


@pytest.mark.smoke
def test_where_there_is_none_it_is_written(own_server):
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "it is there")
    assert own_server.api.signup(new_email()).status == 201
    own_server.redis.cli("DEL", KEY)
    assert own_server.api.signup(new_email()).status == 201, "data from before there were versions are served"
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "it is there again")


def test_a_newer_one_ends_the_service_and_its_end_brings_it_back(watched):
    serves(watched)
    workers = watched.nginx.worker_pids()
    watched.redis.cli("SET", KEY, "2")
    refuses(watched)
    told = lines(watched)
    assert len(told) == watched.nginx.workers, told
    for line in told:
        assert re.search(r"\[error\].* its data are of schema version 2, and this build knows version 1; upgrade", line), line
    handshake = raw.exchange(watched.port, raw.request("GET", "/api/3/websocket?token=" + "0" * 64, headers=[
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]))
    assert handshake.status == 503
    assert watched.redis.cli("GET", KEY) == b"2"
    watched.redis.cli("SET", KEY, "1")
    serves(watched)
    assert watched.nginx.worker_pids() == workers
    assert len(lines(watched)) == len(told)


@pytest.mark.parametrize("version", ["2", "banana", "0"])
def test_a_server_that_starts_with_one_touches_nothing(make_server, version):
    server = make_server(server=READY)
    server.redis.start()
    server.redis.cli("SET", KEY, version)
    server.start()
    refuses(server)
    assert server.redis.cli("KEYS", "*") == [KEY.encode()]
    assert server.redis.cli("GET", KEY) == version.encode()
    told = lines(server)
    assert len(told) == server.nginx.workers and "[error]" in told[0] and version in told[0], told
    server.redis.cli("DEL", KEY)  # as when a backup of before is restored
    serves(server)


def test_no_write_is_acknowledged_once_a_newer_one_has_taken_over(watched):
    tokens = [watched.api.new_token() for _ in range(6)]
    writers = Writers(watched.api, tokens)
    try:
        writers.progress()
        watched.redis.cli("SET", KEY, "2")
        raised = time.monotonic()
        until(lambda: time.monotonic() > raised + stretched(NOTICED), "the time that they have")
        acknowledged = dict(writers.acknowledged)
        refused = writers.refused
        until(lambda: writers.refused > refused + 100, "they go on trying")
        assert writers.acknowledged == acknowledged
        watched.redis.cli("SET", KEY, "1")
        writers.progress()
    finally:
        writers.stop()


def check(api, redis):
    """It refuses, and serves again."""
    until(lambda: all(api.signup(new_email()).status == 503 for _ in range(10)), "it refuses")
    redis().cli("SET", KEY, "1")
    until(lambda: all(api.get_wallet("0" * 64).status == 401 for _ in range(10)), "it serves", 20)
    assert api.signup(new_email()).status == 201


def test_by_way_of_sentinels_and_with_a_replica(tmp_path, request):
    replicated = Replicated(str(tmp_path), replicas=1, sentinels=1)
    request.addfinalizer(replicated.stop)
    replicated.start()
    server = SentinelServer(str(tmp_path / "nginx"), replicated.address, "replicas=1")
    request.addfinalizer(server.stop)
    api = server.start().api
    assert api.signup(new_email()).status == 201
    until(lambda: replicated.redis[1].cli("GET", KEY) == b"1", "the replica has it, too")
    replicated.redis[0].cli("SET", KEY, "2")
    check(api, lambda: replicated.redis[0])


def test_in_a_cluster_the_key_counts_for_all_masters(tmp_path, request):
    cluster = Cluster(str(tmp_path), replicas=0)
    request.addfinalizer(cluster.stop)
    cluster.start()
    server = ClusterServer(str(tmp_path / "nginx"), cluster.address, server=READY)
    request.addfinalizer(server.stop)
    api = server.start().api
    for _ in range(6):
        assert api.signup(new_email()).status == 201
    slot = cluster.nodes[0].cli("CLUSTER", "KEYSLOT", KEY)
    until(lambda: cluster.owner(slot).cli("GET", KEY) == b"1", "it is there")
    cluster.owner(slot).cli("SET", KEY, "2")
    until(lambda: all(health(server).json == REFUSED for _ in range(20)), "all workers say so")
    tools = Tools(cluster.address)
    assert tools.admin("list").status == 3
    err = backup("save", str(tmp_path / "backup"), "--redis", cluster.address, status=3)
    assert 'wsync:schema holds "2"' in err and not (tmp_path / "backup").exists()
    assert len(lines(server)) == server.nginx.workers, lines(server)
    check(api, lambda: cluster.owner(slot))
    assert tools.admin("list").status == 0


# ---- tools

@pytest.mark.parametrize("version", ["2", "banana"])
def test_the_tools_leave_it_alone_and_say_so(own_server, tmp_path, version):
    redis, tools = own_server.redis, Tools(own_server.redis.unix_address)
    email = own_server.api.new_account()
    database = Database(tmp_path / "old.db")
    database.add("somebody@example.com")
    redis.cli("SET", KEY, version)
    size = redis.cli("DBSIZE")
    out = tmp_path / "new.db"
    for done in (tools.admin("list"), tools.admin("delete", "--yes", email), tools.admin("whitelist", "add", email),
                 tools.take_in(database.path), tools.write_out(out)):
        assert done.status == 3, done
        assert "schema version" in done.err and "upgrade" in done.err and version in done.err, done
    assert redis.cli("DBSIZE") == size and redis.cli("GET", KEY) == version.encode()
    assert not out.exists()
    for words in (["-s", redis.socket_path], ["--redis", redis.unix_address]):
        err = backup("save", str(tmp_path / "backup.rdb"), *words, status=3)
        assert f'wsync:schema holds "{version}", and this release knows schema version 1' in err
    assert not list(tmp_path.glob("backup*"))


def test_tools_that_look_write_none(make_server):
    redis = make_server().redis
    redis.start()
    assert Tools(redis.unix_address).admin("check").status == 0
    assert redis.cli("DBSIZE") == 0


def test_what_is_checked_knows_the_key(own_server):
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "it is there")
    done = Tools(own_server.redis.unix_address).admin("check")
    assert done.status == 0, done


def test_a_backup_brings_the_key_and_one_of_before_needs_none(own_server, make_server, tmp_path):
    email = own_server.api.new_account()
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "it is there")
    for name, version in (("with", b"1"), ("without", None)):
        if version is None:
            # The server writes it again within half a second, unless it cannot.
            own_server.redis.cli("ACL", "SETUSER", "default", "-set")
            own_server.redis.cli("DEL", KEY)
        backup("save", str(tmp_path / name), "--redis", own_server.redis.unix_address)
        restored = make_server()
        backup("restore", str(tmp_path / name), restored.redis.directory)
        restored.redis.start()
        assert restored.redis.cli("GET", KEY) == version
        restored.start()
        assert restored.api.auth(email).status == 200
        until(lambda r=restored: r.redis.cli("GET", KEY) == b"1", "it is there")


def test_the_backup_tool_has_another_prefix_and_database(make_server, tmp_path):
    redis = make_server().redis
    redis.start()
    with redis.client() as client:
        client("SELECT", 3)
        client("SET", "other:schema", "2")
    fine, file = redis.unix_address, str(tmp_path / "backup.rdb")
    backup("save", file, "--redis", fine + " prefix=other")
    backup("save", file, "--redis", fine + " database=3")
    backup("save", file, "--redis", fine + " prefix=other database=3", status=3)


def test_the_backup_tool_knows_the_version_that_the_module_knows():
    def number(path, pattern):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return re.search(pattern, file.read(), re.M)[1]
    assert number("tools/wallet-sync-backup", r"^schema=(\d+)$") == number("redis/schema.hpp", r"kSchemaVersion = (\d+);")
