"""Redis says which version its data have: those of a newer server are left alone."""

from support.api import assert_unavailable
from support.wait import until

KEY = "wsync:schema-version"


def test_the_first_worker_writes_the_version_down(own_server):
    own_server.api.new_account()
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "the version is there")


def test_data_of_a_newer_version_are_refused_with_one_line_a_worker_and_not_touched(make_server):
    server = make_server()
    server.redis.start()
    server.redis.cli("SET", KEY, "2")
    server.start()
    for _ in range(3):
        assert_unavailable(server.api.signup("ann@example.com"))
        assert_unavailable(server.api.get_wallet("0" * 64))
    assert server.redis.cli("KEYS", "*") == [KEY.encode()]
    lines = [line for line in server.nginx.log().splitlines() if "newer wallet-sync" in line]
    assert 1 <= len(lines) <= server.nginx.workers, lines
    assert "schema version 2" in lines[0] and "upgrade wallet-sync" in lines[0]
    # Whoever puts it back is served, without a reload.
    server.redis.cli("SET", KEY, "1")
    until(lambda: server.api.signup("ann@example.com").status == 201, "it serves", 20)


def test_data_from_before_there_were_versions_are_served(own_server):
    token = own_server.api.new_token()
    own_server.redis.cli("DEL", KEY)
    own_server.nginx.reload()
    assert own_server.api.post_wallet(token, 1).status == 200
    until(lambda: own_server.redis.cli("GET", KEY) == b"1", "the version is there")
