"""A Redis Cluster: accounts on all masters, whatever becomes of slots and nodes meanwhile, and without a reload."""

import re
import time

import pytest

from support.api import PASSWORD, assert_unavailable, new_email, state
from support.api3 import Api3
from support.cluster import Cluster, ClusterServer, Writers
from support.crowd import together
from support.ports import free_port
from support.settings import rounds, stretched
from support.wait import until
from support.websocket import POLICY, Device, devices_on_workers

# From the map that names a new master until writes are accepted.
RESUME = 2


@pytest.fixture
def cluster_of(tmp_path, request):
    """cluster_of(...): a cluster, started."""
    def make(**options):
        made = Cluster(str(tmp_path), **options)
        request.addfinalizer(made.stop)
        return made.start()
    return make


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Three masters with a replica each, for what harms none of them."""
    cluster = Cluster(str(tmp_path_factory.mktemp("cluster")))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def server_of(tmp_path, request):
    """server_of(address, ...): an nginx, started; its log is read in the end."""
    def make(address, *options, name="nginx", **nginx):
        made = ClusterServer(str(tmp_path / name), address, *options, **nginx)
        request.addfinalizer(made.stop)
        return made.start()
    return make


def test_accounts_of_all_masters_are_served(shared, server_of):
    api = server_of(shared.address).api
    first = api.signup(new_email())  # the first request after the start is served
    assert first.status == 201, first
    emails = together([api.new_account] * 6)
    tokens = [api.login(email) for email in emails]
    while len({shared.owner_of(token).port for token in tokens}) < 3:
        tokens.append(api.new_token())
    for token in tokens:
        assert api.post_wallet(token, 1).json == state(1)
        conflict = api.post_wallet(token, 1, "other")
        assert (conflict.status, conflict.json["encryptedWallet"]) == (409, "wallet")
        assert api.post_wallet(token, 2, "next").status == 200
        assert api.get_wallet(token).json == state(2, "next")
        assert shared.sequence(token) == 2
    assert api.auth(emails[0], "wrong").status == 401
    users = [api.auth(email, device="other").json["userId"] for email in emails]
    assert len(set(users)) == len(users) and max(users) < 2 ** 53


def test_everything_of_an_account_is_at_its_master(shared, server_of):
    api = server_of(shared.address).api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    account = token[:24]
    slot = shared.slot(token)
    kept = {key.decode() for node in shared.nodes[:3] for key in node.cli("KEYS", f"*{account}*")}
    assert kept == {key.decode() for key in shared.owner_of(token).cli("KEYS", f"*{account}*")}
    assert kept == {"wsync:{%s}%s" % (account, rest) for rest in ("", ":wallet", ":tokens")}
    assert {shared.nodes[0].cli("CLUSTER", "KEYSLOT", key) for key in kept} == {slot}


def test_a_password_change_ends_the_sockets_of_two_machines(shared, server_of):
    first, second = (server_of(shared.address, name=name) for name in ("one", "two"))
    api = Api3(first.port)
    email = api.new_account()
    token = api.login(email)
    devices = [Device(server.port, token) for server in (first, second)]
    assert Api3(second.port).change(email).status == 200
    for device in devices:
        assert device.wait_closed() == POLICY
    assert api.get_wallet(token).status == 401


def test_a_deletion_ends_the_sockets_of_two_machines_and_leaves_nothing(shared, server_of):
    first, second = (server_of(shared.address, name=name, server="wallet_sync_account_deletion on;") for name in ("one", "two"))
    api = Api3(first.port)
    email = api.new_account()
    token = api.login(email)
    assert api.post_wallet(token, 1).status == 200
    devices = [Device(server.port, token) for server in (first, second)]
    reply = Api3(second.port).call("DELETE", "/api/3/account", {"email": email, "password": PASSWORD})
    assert reply.status == 200, reply
    for device in devices:
        assert device.wait_closed() == POLICY
    assert api.get_wallet(token).status == 401
    assert [key for node in shared.nodes[:3] for key in node.cli("KEYS", f"*{token[:24]}*")] == []


def test_two_machines_tell_each_others_writes(shared, server_of):
    first, second = (server_of(shared.address, name=name, listen="reuseport") for name in ("one", "two"))
    tokens = [shared.plant_token(node) for node in shared.nodes[:3]]
    devices = {token: devices_on_workers(first, [token], 2) + devices_on_workers(second, [token], 2) for token in tokens}
    for sequence in range(1, 6):
        for token in tokens:
            assert Api3((first if sequence % 2 else second).port).post_wallet(token, sequence).status == 200
            for device in devices[token]:
                device.wait_told(sequence)
    # What is published goes to those who listen at the account's master, and to no other node.
    for node in shared.nodes[:3]:
        assert node.cli("PUBSUB", "CHANNELS", "*:events") == []
        assert len(node.cli("PUBSUB", "SHARDCHANNELS")) == 1


def test_nothing_is_lost_while_slots_move_under_writes(cluster_of, server_of):
    cluster = cluster_of(replicas=0)
    api = server_of(cluster.address).api
    tokens = [cluster.plant_token() for _ in range(16)]
    writers = Writers(api, tokens)
    writers.progress()
    for round_ in range(rounds(6)):
        for number, token in enumerate(tokens):
            cluster.move(cluster.slot(token), cluster.nodes[(round_ + number) % 3])
    writers.progress()
    writers.stop()
    for token in tokens:
        assert cluster.sequence(token) == writers.acknowledged[token]
        assert api.get_wallet(token).json["sequence"] == writers.acknowledged[token]
    assert writers.refused == 0
    assert writers.slowest < stretched(2)


def test_sockets_hear_of_everything_while_slots_move(cluster_of, server_of):
    cluster = cluster_of(replicas=0)
    first, second = (server_of(cluster.address, name=name, listen="reuseport") for name in ("one", "two"))
    api = Api3(second.port)
    tokens = [cluster.plant_token() for _ in range(4)]
    devices = {token: devices_on_workers(first, [token], 2) for token in tokens}
    for sequence in range(1, 10):
        for token in tokens:
            cluster.move(cluster.slot(token), cluster.nodes[sequence % 3])
            assert api.post_wallet(token, sequence).status == 200
        for token in tokens:
            for device in devices[token]:
                device.wait_told(sequence)


def test_a_node_is_added_filled_emptied_and_removed(cluster_of, server_of):
    cluster = cluster_of(masters=2, replicas=0, spare=1)
    server = server_of(cluster.address)
    api = server.api
    tokens = [cluster.plant_token() for _ in range(6)]
    device = Device(server.port, tokens[0])
    writers = Writers(api, tokens)
    writers.progress()
    for token in tokens:
        cluster.move(cluster.slot(token), cluster.nodes[2])
    writers.progress()
    for token in tokens:
        cluster.move(cluster.slot(token), cluster.nodes[0])
    writers.progress()
    for node in cluster.nodes[:2]:
        node.cli("CLUSTER", "FORGET", cluster.nodes[2].id())
    cluster.nodes[2].kill()
    writers.progress()
    writers.stop()
    for token in tokens:
        assert cluster.sequence(token) == writers.acknowledged[token]
    assert writers.refused == 0
    device.wait_told(writers.acknowledged[tokens[0]])


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_writes_resume_when_a_master_has_a_successor(cluster_of, server_of, how):
    cluster = cluster_of()
    server = server_of(cluster.address, listen="reuseport")
    api = server.api
    former, other = cluster.nodes[:2]
    token, untouched = cluster.plant_token(former), cluster.plant_token(other)
    devices = devices_on_workers(server, [token], 2)
    assert api.post_wallet(token, 1).status == 200
    former.wait_replicated(1)
    getattr(cluster, how)(former)
    begin = time.monotonic()
    sequence = 0
    while time.monotonic() - begin < 0.5:  # the others' accounts are served all along
        sequence += 1
        assert api.post_wallet(untouched, sequence).status == 200
    cluster.promoted(former)

    def accepted():
        reply = api.post_wallet(token, 2)
        assert reply.status in (200, 409) or not assert_unavailable(reply)
        return reply.status == 200
    until(accepted, "writes resume", RESUME)
    for device in devices:
        device.wait_told(2)
    if how == "freeze":
        former.thaw()
    else:
        former.start()
    for sequence in range(3, 40):
        assert api.post_wallet(token, sequence).status == 200
        assert api.get_wallet(token).json["sequence"] == sequence
    until(lambda: former.in_step, "the former master follows", 60)
    assert cluster.sequence(token) == 39


def test_with_replicas_nothing_acknowledged_is_lost_to_a_kill(cluster_of, server_of):
    cluster = cluster_of()
    api = server_of(cluster.address, "timeout=2s connect_timeout=1s replicas=1,500ms").api
    tokens = [cluster.plant_token(cluster.nodes[n % 3]) for n in range(9)]
    writers = Writers(api, tokens, replicas=True)
    writers.progress()
    victim = cluster.nodes[0]
    cluster.kill(victim)
    cluster.promoted(victim)
    victim.start()  # the new master's replica; without one nothing could be acknowledged
    until(lambda: victim.in_step, "it follows", 60)
    writers.progress()
    writers.stop()
    for token in tokens:
        assert cluster.sequence(token) >= writers.acknowledged[token]


@pytest.mark.parametrize("how", [(), ("FORCE",)])
def test_a_manual_failover_loses_nothing(cluster_of, server_of, how):
    cluster = cluster_of()
    server = server_of(cluster.address)
    tokens = [cluster.plant_token(cluster.nodes[n % 3]) for n in range(9)]
    device = Device(server.port, tokens[0])
    # FORCE does not ask the master: what it has not passed on is lost, unless that is waited for.
    options = "replicas=1,500ms" if how else ""
    api = server_of(cluster.address, options, name="writing").api
    writers = Writers(api, tokens, replicas=bool(how))
    writers.progress()
    for _ in range(2):
        for token in tokens[:3]:
            master = cluster.owner_of(token)
            until(lambda m=master: cluster.replica_of(m).in_step, "the replica is in step", 30)
            cluster.fail_over(master, *how)
            cluster.agreed()
            writers.progress()
    writers.stop()
    for token in tokens:
        assert cluster.sequence(token) >= writers.acknowledged[token]
    device.wait_told(writers.acknowledged[tokens[0]])


def test_a_dead_seed_does_not_matter(cluster_of, server_of):
    cluster = cluster_of(replicas=0)
    token = cluster.plant_token(cluster.nodes[1])
    dead = cluster.nodes[2]
    assert cluster.owner(dead.cli("CLUSTER", "KEYSLOT", "wsync:schema")) is not dead, "whom a new worker has to ask first"
    dead.kill()
    api = server_of(cluster.address).api
    assert api.post_wallet(token, 1).status == 200


def test_without_any_node_requests_are_503_at_once(cluster_of, server_of):
    cluster = cluster_of(masters=2, replicas=0)
    token = cluster.plant_token()
    for node in cluster.nodes:
        node.stop()
    server = server_of(cluster.address)
    until(lambda: server.nginx.log().count("cluster node 127.0.0.1") >= 2, "the log tells of it")
    begin = time.monotonic()
    for _ in range(20):
        assert_unavailable(server.api.get_wallet(token))
    assert_unavailable(server.api.signup(new_email()))
    assert time.monotonic() - begin < stretched(1)
    for node in cluster.nodes:
        node.start()
    cluster.wait_settled()
    until(lambda: server.api.post_wallet(token, 1).status in (200, 409), "the cluster is found", 20)


def assert_not_served(server, pattern):
    """503, and one line of each worker that says why."""
    until(lambda: re.search(pattern, server.nginx.log()), f"the log says {pattern!r}")
    for _ in range(5):
        assert_unavailable(server.api.signup(new_email()))
        assert_unavailable(server.api.get_wallet("0" * 64))
    assert len(re.findall(pattern, server.nginx.log())) <= server.nginx.workers


def test_a_redis_that_is_no_cluster_is_named(own_server, server_of):
    server = server_of(f"cluster://{own_server.redis.tcp_address}")
    assert_not_served(server, "it is not a node of a Redis Cluster; write its address without cluster://")


def test_a_node_of_a_cluster_is_named(make_server):
    server = make_server(redis_conf=["cluster-enabled yes", f"cluster-port {free_port()}"]).start()
    assert_not_served(server, r"it is a node of a Redis Cluster; write cluster://host:port")


def test_a_node_without_slots_serves_nobody(make_server, server_of):
    lonely = make_server(redis_conf=["cluster-enabled yes", f"cluster-port {free_port()}"])
    lonely.redis.start()
    server = server_of(f"cluster://{lonely.redis.tcp_address}")
    assert_not_served(server, r"names no master for 16384 of 16384 slots; their accounts get 503")


def test_accounts_in_slots_without_a_master_are_503_and_the_log_says_why(cluster_of, server_of):
    cluster = cluster_of(replicas=0)
    server = server_of(cluster.address)
    kept, lost = (cluster.plant_token(node) for node in cluster.nodes[:2])
    for token in (kept, lost):
        assert server.api.post_wallet(token, 1).status == 200
    slot = cluster.slot(lost)
    for node in cluster.nodes:
        node.cli("CLUSTER", "DELSLOTS", slot)
    pattern = r"names no master for 1 of 16384 slots; their accounts get 503"
    until(lambda: len(re.findall(pattern, server.nginx.log())) == server.nginx.workers, "all workers say so")
    begin = time.monotonic()
    for _ in range(20):
        assert_unavailable(server.api.get_wallet(lost))
        assert_unavailable(server.api.post_wallet(lost, 2))
        assert server.api.get_wallet(kept).status == 200
    assert time.monotonic() - begin < stretched(2)
    cluster.nodes[1].cli("CLUSTER", "ADDSLOTS", slot)
    until(lambda: server.nginx.log().count("all slots of the cluster have masters again") == server.nginx.workers,
          "all workers have heard of it", 20)
    assert server.api.post_wallet(lost, 2).status == 200
    assert len(re.findall(pattern, server.nginx.log())) == server.nginx.workers


def test_a_worker_that_cannot_learn_the_schema_version_says_so(cluster_of, server_of):
    cluster = cluster_of(replicas=0)
    master = cluster.owner(cluster.nodes[0].cli("CLUSTER", "KEYSLOT", "wsync:schema"))
    others = [node for node in cluster.nodes if node is not master]
    for node in others:
        node.freeze()
    until(lambda: master.info()["cluster_state"] == "fail", "it is without the others", 30)
    server = server_of(f"cluster://{master.tcp_address}")
    assert_not_served(server, r"nobody is served until wsync:schema is known: .* says CLUSTERDOWN")
    for node in others:
        node.thaw()
    until(lambda: all(server.api.get_wallet("0" * 64).status == 401 for _ in range(10)), "all workers serve", 30)
    assert server.nginx.log().count("wsync:schema is known by now") == server.nginx.workers


