"""How nginx reaches Redis: addresses, passwords, databases, the number of connections."""

import os

import pytest

from support.api import Api1, assert_unavailable, new_email, state
from support.crowd import together
from support.wait import until


def assert_works(api):
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    assert api.get_wallet(token).json == state(1)


def keys_of(redis, database):
    with redis.client() as client:
        client("SELECT", database)
        return client("KEYS", "*")


@pytest.mark.smoke
def test_over_tcp(make_server):
    server = make_server()
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, server.redis.tcp_address)
    assert_works(server.start().api)


def test_by_host_name(make_server):
    server = make_server(redis_conf=["bind 127.0.0.1 -::1"])  # either may be the first address of localhost
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, f"localhost:{server.redis.port}")
    assert_works(server.start().api)


def test_the_first_request_after_the_start_is_served(make_server):
    server = make_server().start()
    assert server.api.signup(new_email()).status == 201


def test_keys_begin_with_the_prefix_and_are_in_database_zero(make_server):
    server = make_server().start()
    assert_works(server.api)
    keys = keys_of(server.redis, 0)
    assert keys and all(key.startswith(b"wsync:") for key in keys)


def test_another_prefix_and_database(make_server):
    server = make_server(redis_options="prefix=my-sync database=5").start()
    assert_works(server.api)
    keys = keys_of(server.redis, 5)
    assert keys and all(key.startswith(b"my-sync:") for key in keys)
    assert not keys_of(server.redis, 0)


SECRET = "s3cret with blank"


def with_password(make_server, redis_options, conf=None):
    server = make_server(redis_options=redis_options, redis_conf=conf or [f'requirepass "{SECRET}"'])
    server.redis.password = SECRET
    return server.start()


def test_a_password_opens_redis(make_server):
    assert_works(with_password(make_server, f'"password={SECRET}"').api)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_may_be_in_a_file(make_server, tmp_path, end):
    path = tmp_path / "password"
    path.write_bytes((SECRET + end).encode())
    assert_works(with_password(make_server, f"password_file={path}").api)


def test_a_user_with_a_password(make_server):
    conf = [f'requirepass "{SECRET}"', "user sync on >hunter2 ~wsync:* &wsync:* +@all"]
    server = with_password(make_server, "user=sync password=hunter2", conf)
    assert_works(server.api)
    assert {row["user"] for row in server.redis.clients()} == {"sync"}


def test_with_a_wrong_password_every_request_is_503_and_the_log_says_why(make_server):
    server = with_password(make_server, "password=wrong-horse timeout=1s")
    assert_unavailable(server.api.signup(new_email()))
    assert_unavailable(server.api.get_wallet("0" * 64))
    log = server.nginx.log()
    assert "WRONGPASS" in log
    assert "wrong-horse" not in log


def test_without_the_password_every_request_is_503(make_server):
    server = with_password(make_server, "timeout=1s")
    assert_unavailable(server.api.signup(new_email()))
    assert "NOAUTH" in server.nginx.log()


def test_a_password_that_becomes_right_is_enough_without_a_reload(make_server):
    server = with_password(make_server, "password=new-password timeout=1s")
    assert_unavailable(server.api.signup(new_email()))
    server.redis.cli("CONFIG", "SET", "requirepass", "new-password")
    server.redis.password = "new-password"
    until(lambda: server.api.signup(new_email()).status == 201, "nginx tries again", 20)


def test_the_pool_bounds_the_connections_of_a_worker(make_server):
    server = make_server(redis_options="pool=2").start()
    tokens = [server.api.new_token() for _ in range(4)]
    crowd = [lambda n=n: [server.api.post_wallet(tokens[n % 4], s) for s in range(1, 20)] for n in range(16)]
    for replies in together(crowd):
        assert {reply.status for reply in replies} <= {200, 409}
    # For each worker: the shared one, two for transactions, one subscriber.
    assert len(server.redis.clients()) <= 2 * (1 + 2 + 1)
    assert sorted(api_state["sequence"] for api_state in (server.api.get_wallet(t).json for t in tokens)) == [19] * 4


def test_a_pool_of_one_serves_many_clients(make_server):
    server = make_server(redis_options="pool=1", workers=2).start()
    token = server.api.new_token()
    replies = together([lambda: server.api.post_wallet(token, 1)] * 30)
    assert sorted(reply.status for reply in replies) == [200] + [409] * 29


def test_connections_stay_few_and_are_used_again(own_server):
    api = own_server.api
    token = api.new_token()
    for sequence in range(1, 100):
        assert api.post_wallet(token, sequence).status == 200
    received = own_server.redis.cli("INFO", "stats").decode()
    total = int(next(line.split(":")[1] for line in received.splitlines() if line.startswith("total_connections_received")))
    mine = 20  # what the tests themselves open, with room
    assert total <= mine + 2 * (1 + 16 + 1)


def hash_commands(redis):
    """How many commands on hashes Redis has run: every account, token and wallet is one."""
    lines = redis.cli("INFO", "commandstats").decode().splitlines()
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in lines if line.startswith("cmdstat_h")
               and not line.startswith("cmdstat_hello"))


def test_requests_that_fail_before_the_store_send_nothing_to_redis(own_server):
    api, redis = own_server.api, own_server.redis
    token = api.new_token()
    before = hash_commands(redis)
    assert before > 0
    for _ in range(10):
        assert api.get("/wallet").status == 400
        assert api.post("/signup", b"{}").status == 400
        assert api.get("/nothing").status == 404
        assert api.post_wallet(token, 0).status == 400
        assert api.call("PUT", "/wallet").status == 405
    assert hash_commands(redis) == before
    api.get_wallet(token)
    assert hash_commands(redis) > before


def test_a_refused_connection_is_503_at_once(make_server, tmp_path):
    server = make_server(address=f"unix:{tmp_path}/nobody.sock")
    server.nginx.start()
    assert_unavailable(Api1(server.port).signup(new_email()))
    assert not os.path.exists(tmp_path / "nobody.sock")
