"""tools/wallet-sync-backup with the words of wallet_sync_redis: of a cluster, by way of sentinels, over TLS."""

import os

import pytest

from support.api3 import Api3
from support.certificates import Certificates
from support.cluster import Cluster, ClusterNode, ClusterServer, TlsClusterNode, Writers
from support.crowd import Background
from support.redis import Redis
from support.sentinels import Replicated
from support.wait import until
from test_backup import tool


@pytest.fixture
def cluster_of(tmp_path, request):
    def make(**options):
        cluster = Cluster(str(tmp_path / "cluster"), **options)
        request.addfinalizer(cluster.stop)
        return cluster.start()
    return make


@pytest.fixture
def server_of(tmp_path, request):
    def make(address, name):
        server = ClusterServer(str(tmp_path / name), address)
        request.addfinalizer(server.stop)
        return server.start()
    return make


@pytest.fixture
def redis(tmp_path):
    redis = Redis(str(tmp_path / "redis"))
    redis.start()
    yield redis
    redis.kill()


def restored(backup, directory, request):
    """The masters of the backup, which have met."""
    nodes = []
    for number, file in enumerate(sorted(backup.glob("*.rdb"))):
        node = ClusterNode(f"{directory}-{number}", ["cluster-node-timeout 1000"])
        tool("restore", str(file), node.directory)
        request.addfinalizer(node.kill)
        node.start()
        nodes.append(node)
    for node in nodes[1:]:
        nodes[0].cli("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
    for node in nodes:
        until(lambda n=node: n.info()["cluster_state"] == "ok" and n.info()["cluster_known_nodes"] == str(len(nodes)),
              "the cluster is whole", 60)
    return nodes


def test_a_cluster_is_saved_under_writes_and_restored_elsewhere(cluster_of, server_of, tmp_path, request):
    cluster = cluster_of()
    api = server_of(cluster.address, "before").api
    tokens = [cluster.plant_token(cluster.nodes[n % 3]) for n in range(6)]
    writers = Writers(api, tokens)
    writers.progress()
    before = dict(writers.acknowledged)
    backup = tmp_path / "backup"
    tool("save", str(backup), "--redis", cluster.address)
    writers.progress()
    writers.stop()
    assert "there already" in tool("save", str(backup), "--redis", cluster.address, status=1)
    cluster.stop()
    nodes = restored(backup, tmp_path / "new", request)
    assert len(nodes) == 3
    api = Api3(server_of("cluster://" + nodes[0].tcp_address, "after").port)
    for token in tokens:
        sequence = api.get_wallet(token).json["sequence"]
        assert sequence >= before[token] > 0
        assert api.post_wallet(token, sequence + 1).status == 200


@pytest.mark.parametrize("version, shard", [("redis-cli 7.0.15", ""), ("redis-cli 7.2.4", ",,shard-id=master"),
                                            ("redis-cli 8.0.2", ",,shard-id=master"), ("redis-cli", None)])
def test_a_restored_master_has_a_shard_where_redis_knows_shards(redis, tmp_path, version, shard):
    tool("save", str(tmp_path / "master.rdb"), "--redis", redis.unix_address)
    (tmp_path / "master.slots").write_text("0-16383\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-cli").write_text(f"#!/bin/sh\necho {version}\n")
    (tmp_path / "bin" / "redis-cli").chmod(0o755)
    (tmp_path / "new").mkdir()
    path = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    said = tool("restore", str(tmp_path / "master.rdb"), str(tmp_path / "new"), status=int(shard is None), env=path)
    if shard is None:
        assert "version" in said and not list((tmp_path / "new").iterdir())
    else:
        nodes = (tmp_path / "new" / "nodes.conf").read_text()
        assert nodes.startswith(f"master 127.0.0.1:0@0{shard} myself,master - 0 0 0 connected 0-16383\n")


def test_there_is_no_backup_of_a_cluster_whose_slots_move(cluster_of, tmp_path):
    cluster = cluster_of(masters=2, replicas=0)
    slot, (source, target) = 1, cluster.nodes
    target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id())
    source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id())
    words = ("save", str(tmp_path / "backup"), "--redis", cluster.address)
    assert "slots of the cluster move" in tool(*words, status=1)
    for node in cluster.nodes:
        node.cli("CLUSTER", "SETSLOT", slot, "STABLE")
    tool(*words)
    target.kill()
    until(lambda: source.info()["cluster_slots_pfail"] != "0", "it is missed", 20)
    assert "not all slots" in tool("save", str(tmp_path / "another"), "--redis", cluster.address, status=1)
    assert {path.name for path in tmp_path.iterdir()} == {"cluster", "backup"}


def test_slots_that_move_while_it_is_saved_are_noticed(cluster_of, tmp_path):
    cluster = cluster_of(masters=2, replicas=0, conf=["rdb-key-save-delay 20000"])
    token = cluster.plant_token(cluster.nodes[0])
    for _ in range(50):
        cluster.plant_token(cluster.nodes[0])
    saving = Background(lambda: tool("save", str(tmp_path / "backup"), "--redis", cluster.address, status=1))
    until(lambda: cluster.nodes[0].children(), "it is saved", 20)
    cluster.move(cluster.slot(token), cluster.nodes[1])
    saving.wait()
    assert {path.name for path in tmp_path.iterdir()} == {"cluster"}


def test_a_cluster_is_saved_over_tls_and_with_a_password(cluster_of, tmp_path):
    certificates = Certificates(str(tmp_path / "certificates"))
    certificate = certificates.issue("nodes", "IP:127.0.0.1")
    cluster = cluster_of(masters=2, replicas=0, kind=TlsClusterNode, conf=[
        f"tls-cert-file {certificate[0]}", f"tls-key-file {certificate[1]}", f"tls-ca-cert-file {certificates.authority}"])
    for node in cluster.nodes:
        node.cli("CONFIG", "SET", "requirepass", "a secret")
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    words = f"{cluster.address} tls=on tls_ca_file={certificates.authority}"
    tool("save", str(tmp_path / "backup"), "--redis", f"{words} password_file={secret} prefix=wsync links=3")
    assert len(list((tmp_path / "backup").glob("*.rdb"))) == 2
    assert "no node of the cluster answers" in tool("save", str(tmp_path / "more"), "--redis", words, status=1)
    for node in cluster.nodes:
        node.password = "a secret"


def test_the_master_that_sentinels_name_is_saved(tmp_path, request):
    replicated = Replicated(str(tmp_path / "replicated"))
    request.addfinalizer(replicated.stop)
    replicated.start()
    replicated.redis[0].cli("SET", "wsync:probe-of-the-test", "1")
    tool("save", str(tmp_path / "backup.rdb"), "--redis", replicated.address)
    directory = tmp_path / "restored"
    directory.mkdir()
    tool("restore", str(tmp_path / "backup.rdb"), str(directory))
    redis = Redis(str(directory))
    request.addfinalizer(redis.kill)
    redis.start()
    assert redis.cli("GET", "wsync:probe-of-the-test") == b"1"
    assert "no sentinel tells" in tool("save", str(tmp_path / "no.rdb"), "--redis",
                                       replicated.address.replace("//", "//other-"), status=1)


@pytest.mark.parametrize("words, hint", [("", "is empty"), ("redis://x", "write host:port")])
def test_a_wrong_address_is_refused_with_the_right_ones(tmp_path, words, hint):
    assert hint in tool("save", str(tmp_path / "b"), "--redis", words, status=1)
    assert not list(tmp_path.iterdir())
