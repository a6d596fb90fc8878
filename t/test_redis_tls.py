"""Redis spoken to by TLS: encrypted, and only with the server that the certificate names."""

import pytest

from support.certificates import Certificates
from support.ports import free_port
from support.sentinels import Replicated, SentinelServer
from support.tools import Tools
from support.wait import until


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(str(tmp_path_factory.mktemp("tls") / "certificates"))


@pytest.fixture
def tls_server(make_server, certificates):
    """tls_server(parameters, certificate, ...): the module speaks TLS to a Redis with that certificate."""

    def start(parameters, certificate, ask_clients="no"):
        port = free_port()
        redis_conf = [f"tls-port {port}", f"tls-cert-file {certificate[0]}", f"tls-key-file {certificate[1]}",
                      f"tls-ca-cert-file {certificates.authority}", f"tls-auth-clients {ask_clients}"]
        return make_server(address=f"127.0.0.1:{port}", redis_options=f"tls=on {parameters} connect_timeout=2s",
                           redis_conf=redis_conf).start()

    return start


def assert_not_served(server, reason):
    until(lambda: reason in server.nginx.log(), f"the log says {reason!r}")
    assert server.api.signup("a@example.com").status == 503


def test_a_session_over_tls(tls_server, certificates):
    server = tls_server(f"tls_ca_file={certificates.authority}", certificates.issue("redis", "IP:127.0.0.1"))
    token = server.api.new_token()
    for sequence in range(1, 6):
        assert server.api.post_wallet(token, sequence).status == 200
    assert server.api.get_wallet(token).json["sequence"] == 5


def test_large_wallets_over_tls(tls_server, certificates):
    server = tls_server(f"tls_ca_file={certificates.authority}", certificates.issue("redis", "IP:127.0.0.1"))
    token = server.api.new_token()
    wallet = "x" * 95_000
    assert server.api.post_wallet(token, 1, wallet=wallet).status == 200
    assert server.api.get_wallet(token).json["encryptedWallet"] == wallet


def test_a_name_can_be_given_that_differs_from_the_address(tls_server, certificates):
    certificate = certificates.issue("named", "DNS:redis.example.com")
    server = tls_server(f"tls_ca_file={certificates.authority} tls_name=redis.example.com", certificate)
    assert server.api.new_token()


def test_redis_may_ask_for_our_certificate(tls_server, certificates):
    ours = certificates.issue("nginx", "DNS:nginx.example.com")
    server = tls_server(f"tls_ca_file={certificates.authority} tls_certificate={ours[0]} tls_certificate_key={ours[1]}",
                        certificates.issue("redis", "IP:127.0.0.1"), ask_clients="yes")
    assert server.api.new_token()


def test_a_redis_that_asks_for_a_certificate_we_lack_is_not_available(tls_server, certificates):
    server = tls_server(f"tls_ca_file={certificates.authority}", certificates.issue("redis", "IP:127.0.0.1"), "yes")
    assert_not_served(server, "is not available")


def test_a_certificate_of_another_name_is_refused(tls_server, certificates):
    server = tls_server(f"tls_ca_file={certificates.authority}", certificates.issue("other", "IP:127.0.0.9"))
    assert_not_served(server, 'its certificate is not for "127.0.0.1"')


def test_a_certificate_of_an_unknown_authority_is_refused(tls_server, certificates, tmp_path):
    stranger = Certificates(str(tmp_path / "stranger"))
    server = tls_server(f"tls_ca_file={stranger.authority}", certificates.issue("redis", "IP:127.0.0.1"))
    assert_not_served(server, "its certificate is not trusted")


def test_the_systems_authorities_are_the_default(tls_server, certificates):
    """Ours is not among them."""
    server = tls_server("", certificates.issue("redis", "IP:127.0.0.1"))
    assert_not_served(server, "its certificate is not trusted")


def test_a_redis_without_tls_is_not_available(make_server):
    server = make_server(redis_options="tls=on tls_name=localhost connect_timeout=1s").start()
    assert_not_served(server, "is not available")


def test_tls_comes_back_after_a_restart_of_redis(tls_server, certificates):
    server = tls_server(f"tls_ca_file={certificates.authority}", certificates.issue("redis", "IP:127.0.0.1"))
    token = server.api.new_token()
    server.redis.kill()
    server.redis.start()
    until(lambda: server.api.post_wallet(token, 1).status == 200, "a worker is back")
    until(lambda: server.api.get_wallet(token).status == 200, "the other one, too")


@pytest.fixture
def tls_sentinel(tmp_path, request, certificates):
    """tls_sentinel(parameters, certificate of Redis, certificate of the sentinel): an nginx that asks it by TLS."""

    def start(parameters, of_redis, of_sentinel):
        setup = Replicated(str(tmp_path), replicas=0, sentinels=1)
        request.addfinalizer(setup.stop)
        (redis,), (sentinel,) = setup.redis, setup.sentinels
        for server, certificate in ((redis, of_redis), (sentinel, of_sentinel)):
            server.tls_port = free_port()
            server.options += [f"tls-port {server.tls_port}", f"tls-cert-file {certificate[0]}", f"tls-key-file {certificate[1]}",
                               f"tls-ca-cert-file {certificates.authority}", "tls-auth-clients no", "tls-replication yes"]
        redis.start()
        redis.port, plain = redis.tls_port, redis.port
        setup.watch(sentinel, redis)
        redis.port = plain
        sentinel.start()
        server = SentinelServer(str(tmp_path / "nginx"), f"sentinel://wallets@127.0.0.1:{sentinel.tls_port}",
                                f"tls=on tls_ca_file={certificates.authority} {parameters} connect_timeout=2s")
        request.addfinalizer(server.stop)
        return server.start()

    return start


def test_sentinels_are_asked_by_tls_each_with_a_name_of_its_own(tls_sentinel, certificates):
    certificate = certificates.issue("both", "IP:127.0.0.1")
    assert tls_sentinel("", certificate, certificate).api.new_token()


def test_one_name_may_be_that_of_sentinels_and_redis(tls_sentinel, certificates):
    certificate = certificates.issue("named-both", "DNS:redis.example.com")
    assert tls_sentinel("tls_name=redis.example.com", certificate, certificate).api.new_token()


def test_a_sentinel_with_a_certificate_of_another_name_is_not_believed(tls_sentinel, certificates):
    server = tls_sentinel("", certificates.issue("fine", "IP:127.0.0.1"), certificates.issue("foreign", "IP:127.0.0.9"))
    assert_not_served(server, 'its certificate is not for "127.0.0.1"')
    assert "sentinel at" in server.nginx.log()


def test_a_master_that_sentinels_name_needs_a_certificate_of_its_address(tls_sentinel, certificates):
    server = tls_sentinel("", certificates.issue("elsewhere", "IP:127.0.0.9"), certificates.issue("here", "IP:127.0.0.1"))
    assert_not_served(server, 'its certificate is not for "127.0.0.1"')


def test_the_tools_speak_tls_too(tls_server, certificates):
    issued = certificates.issue("redis", "IP:127.0.0.1")
    server = tls_server(f"tls_ca_file={certificates.authority}", issued)
    token = server.api.new_token()
    assert server.api.post_wallet(token, 1, wallet="x" * 95_000).status == 200
    port = server.redis.cli("CONFIG", "GET", "tls-port")[1].decode()
    trusting = f"127.0.0.1:{port} tls=on tls_ca_file={certificates.authority}"
    assert Tools(trusting).json("stats")[0]["walletBytes"] == 95_000
    assert Tools(trusting).json("check")[-1]["problems"] == 0
    for words, reason in ((f"{trusting} tls_name=other.example", 'its certificate is not for "other.example"'),
                          (f"127.0.0.1:{port} tls=on", "its certificate is not trusted"),
                          (f"127.0.0.1:{port} tls=on tls_ca_file=/no/such/file", "tls_ca_file cannot be used")):
        done = Tools(words).admin("stats")
        assert done.status == 1 and reason in done.err, done
