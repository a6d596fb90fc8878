"""A Redis Cluster that speaks nothing but TLS, to clients and among its nodes."""

import pytest

from support.api import assert_unavailable, new_email, state
from support.certificates import Certificates
from support.cluster import Cluster, ClusterServer, TlsClusterNode, Writers
from support.wait import until
from support.websocket import devices_on_workers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("tls") / "certificates"))


@pytest.fixture
def cluster_of(tmp_path, request, certificates):
    """cluster_of(certificate, ...): a cluster whose nodes have that certificate, started."""
    def make(certificate, **options):
        conf = [f"tls-cert-file {certificate[0]}", f"tls-key-file {certificate[1]}",
                f"tls-ca-cert-file {certificates.authority}", *options.pop("conf", ())]
        made = Cluster(str(tmp_path), kind=TlsClusterNode, conf=conf, **options)
        request.addfinalizer(made.stop)
        return made.start()
    return make


@pytest.fixture
def server_of(tmp_path, request, certificates):
    def make(cluster, words="", address=None):
        made = ClusterServer(str(tmp_path / "nginx"), address or cluster.address,
                             f"tls=on tls_ca_file={certificates.authority} timeout=2s connect_timeout=1s {words}",
                             listen="reuseport")
        request.addfinalizer(made.stop)
        return made.start()
    return make


def test_accounts_sockets_and_failovers_over_tls(cluster_of, server_of, certificates):
    cluster = cluster_of(certificates.issue("nodes", "IP:127.0.0.1"))
    server = server_of(cluster)
    assert server.api.login(server.api.new_account())
    tokens = [cluster.plant_token(cluster.nodes[n % 3]) for n in range(6)]
    devices = {token: devices_on_workers(server, [token], 2) for token in tokens[:3]}
    writers = Writers(server.api, tokens)
    writers.progress()
    for number, token in enumerate(tokens):
        cluster.move(cluster.slot(token), cluster.nodes[(number + 1) % 3])
    cluster.fail_over(cluster.owner_of(tokens[0]))
    cluster.agreed()
    writers.progress()
    writers.stop()
    for token in tokens:
        assert cluster.sequence(token) >= writers.acknowledged[token] > 1
    for token, its in devices.items():
        for device in its:
            device.wait_told(writers.acknowledged[token])


def test_the_nodes_are_known_by_the_names_that_they_announce(cluster_of, server_of, certificates):
    cluster = cluster_of(certificates.issue("named", "DNS:node.example.com"), replicas=0,
                         conf=["cluster-announce-hostname node.example.com", "cluster-preferred-endpoint-type hostname"])
    api = server_of(cluster, "tls_name=node.example.com").api
    for node in cluster.nodes:
        assert api.post_wallet(cluster.plant_token(node), 1).status == 200


def test_a_node_without_a_certificate_for_its_address_serves_nobody(cluster_of, server_of, certificates):
    cluster = cluster_of(certificates.issue("good", "IP:127.0.0.1"), replicas=0)
    bad = certificates.issue("bad", "IP:127.0.0.9")
    node = cluster.nodes[2]
    node.cli("CONFIG", "SET", "tls-cert-file", bad[0], "tls-key-file", bad[1])
    address = "cluster://" + ",".join(n.tcp_address for n in cluster.nodes[:2])
    server = server_of(cluster, address=address)
    for good in cluster.nodes[:2]:
        assert server.api.post_wallet(cluster.plant_token(good), 1).json == state(1)
    token = cluster.plant_token(node)
    until(lambda: f"{node.tcp_address} is not available: " in server.nginx.log(), "the log names it")
    assert "certificate" in server.nginx.log()
    assert_unavailable(server.api.get_wallet(token))


def test_a_cluster_that_wants_tls_is_not_spoken_to_without(cluster_of, certificates, tmp_path, request):
    cluster = cluster_of(certificates.issue("nodes", "IP:127.0.0.1"), replicas=0)
    server = ClusterServer(str(tmp_path / "nginx"), cluster.address)
    request.addfinalizer(server.stop)
    server.start()
    assert_unavailable(server.api.signup(new_email()))
