"""The connection to Redis breaks at the worst moment: around EXEC."""

import pytest

from support.api import Api1, assert_unavailable, new_email, state
from support.crowd import Background
from support.nginx import Nginx
from support.wait import until
from support.websocket import plant_token


def through(proxy_of, server):
    """(server, proxy): nginx reaches Redis through the middleman only."""
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    return server.start(), proxy


@pytest.fixture
def behind(make_server, proxy_of):
    # While Redis is held, a password may have to be hashed on a machine that others keep busy.
    return through(proxy_of, make_server(redis_options="timeout=20s"))


@pytest.fixture
def other(behind, tmp_path):
    """Another machine, with a way of its own to the same Redis: a held transaction holds up its own account there
    where it was begun, not here."""
    server, proxy = behind
    nginx = Nginx(str(tmp_path / "other"), http=server.nginx.http.replace(proxy.address, server.redis.unix_address))
    nginx.start()
    yield Api1(nginx.port)
    nginx.quit()


def test_a_write_whose_reply_was_lost_is_read_back_and_acknowledged(behind):
    server, proxy = behind
    token = server.api.new_token()
    for sequence in range(1, 11):
        proxy.lose_reply("EXEC")
        reply = server.api.post_wallet(token, sequence, f"wallet {sequence}")
        assert (reply.status, reply.json) == (200, state(sequence, f"wallet {sequence}"))
        assert proxy.lost == sequence
        assert server.api.get_wallet(token).json == state(sequence, f"wallet {sequence}")


def test_a_write_that_never_reached_redis_is_tried_again(behind):
    server, proxy = behind
    token = server.api.new_token()
    for sequence in range(1, 11):
        proxy.lose_command("EXEC")
        reply = server.api.post_wallet(token, sequence, f"wallet {sequence}")
        assert (reply.status, reply.json) == (200, state(sequence, f"wallet {sequence}"))
        assert proxy.lost == sequence
    assert server.api.get_wallet(token).json == state(10, "wallet 10")


@pytest.mark.parametrize("command", ["WATCH", "MULTI"])
def test_a_connection_lost_before_exec_never_leaves_half_a_write(behind, command):
    server, proxy = behind
    token = server.api.new_token()
    stored = 0
    for sequence in range(1, 11):
        proxy.lose_command(command)
        reply = server.api.post_wallet(token, sequence, f"wallet {sequence}", f"hmac {sequence}")
        if reply.status == 503:
            reply = until(lambda: (r := server.api.post_wallet(token, sequence, f"wallet {sequence}", f"hmac {sequence}"))
                          .status != 503 and r, "an answer")
        assert reply.status == 200, reply
        stored = sequence
        assert server.api.get_wallet(token).json == state(stored, f"wallet {stored}", f"hmac {stored}")
    assert proxy.lost == 10


def test_when_the_outcome_stays_unknown_the_answer_says_so(make_server, proxy_of):
    server, proxy = through(proxy_of, make_server(redis_options="timeout=1s connect_timeout=500ms"))
    token = server.api.new_token()
    hold = proxy.hold("EXEC")
    job = Background(lambda: server.api.post_wallet(token, 1))
    hold.wait()
    proxy.refuse = True
    proxy.cut()
    hold.release()
    reply = job.wait()
    assert_unavailable(reply)
    assert "unknown" in reply.error.lower()
    proxy.refuse = False
    until(lambda: server.api.get_wallet(token).status in (200, 404), "the server recovers", 20)


@pytest.mark.parametrize("name, ask", [("EXEC", lambda api, token: api.post_wallet(token, 1)),
                                       ("HMGET", lambda api, token: api.get_wallet(token))])
def test_what_takes_too_long_is_503_and_the_log_says_so(make_server, proxy_of, name, ask):
    server, proxy = through(proxy_of, make_server(redis_options="timeout=1s"))
    token = plant_token(server.redis)
    line = "did not do in time what was asked of it; see timeout= of wallet_sync_redis"
    assert line not in server.nginx.log()
    hold = proxy.hold(name)
    assert_unavailable(ask(server.api, token))
    assert line in server.nginx.log()
    hold.release()


def test_a_signup_whose_reply_was_lost_is_acknowledged(behind):
    server, proxy = behind
    email = new_email()
    proxy.lose_reply("EXEC")
    assert server.api.signup(email).status == 201
    assert proxy.lost == 1
    assert server.api.auth(email).status == 200


def test_a_login_whose_reply_was_lost_ends_with_a_token_that_works(behind):
    server, proxy = behind
    email = server.api.new_account()
    proxy.lose_reply("EXEC")
    token = server.api.login(email)
    assert proxy.lost == 1
    assert server.api.get_wallet(token).status == 404


def test_a_held_write_and_a_faster_writer_are_a_conflict(behind, other):
    server, proxy = behind
    email = server.api.new_account()
    slow, fast = server.api.login(email, device="slow"), server.api.login(email, device="fast")
    server.api.post_wallet(slow, 1)
    hold = proxy.hold("EXEC")
    job = Background(lambda: server.api.post_wallet(slow, 2, "slow"))
    hold.wait()
    assert other.post_wallet(fast, 2, "fast").status == 200
    hold.release()
    reply = job.wait()
    assert (reply.status, reply.json) == (409, state(2, "fast", error="Bad sequence number"))


def test_a_token_replaced_while_its_write_waits_is_refused(behind, other):
    server, proxy = behind
    email = server.api.new_account()
    old = server.api.login(email, device="phone")
    hold = proxy.hold("EXEC")
    job = Background(lambda: server.api.post_wallet(old, 1, "too late"))
    hold.wait()
    newer = other.login(email, device="phone")
    hold.release()
    assert job.wait().status == 401
    assert server.api.get_wallet(newer).status == 404


def test_a_write_that_lost_its_reply_is_acknowledged_though_others_wrote_since(behind, other):
    """The wallet keeps the marks of its last few writes."""
    server, proxy = behind
    email = server.api.new_account()
    slow, fast = server.api.login(email, device="slow"), server.api.login(email, device="fast")
    for first in (1, 4, 7):
        exec_ = proxy.hold("EXEC")
        proxy.lose_reply("EXEC")
        job = Background(lambda: server.api.post_wallet(slow, first, "slow"))
        exec_.wait()
        again = proxy.hold("WATCH")
        exec_.release()
        again.wait()
        assert other.post_wallet(fast, first + 1, "faster").status == 200
        assert other.post_wallet(fast, first + 2, "fastest").status == 200
        again.release()
        reply = job.wait()
        assert (reply.status, reply.json) == (200, state(first, "slow")), reply


def test_what_became_of_a_write_is_found_out_while_redis_restarts(make_server):
    """kill -9 right behind EXEC, and Redis is back long before the deadline: the answer is no "unknown"."""
    server = make_server(redis_options="timeout=15s connect_timeout=1s").start()
    token = server.api.new_token()
    for sequence in range(1, 4):
        server.redis.cli("CLIENT", "PAUSE", 60_000, "WRITE")  # the EXEC waits in Redis
        job = Background(lambda: server.api.post_wallet(token, sequence))
        until(lambda: "blocked_clients:1" in server.redis.cli("INFO", "clients").decode(), "the EXEC is at Redis")
        server.redis.kill()
        server.redis.start()
        reply = job.wait()
        assert (reply.status, reply.json) == (200, state(sequence)), reply


def test_reads_lost_on_the_way_are_answered_and_the_link_is_renewed(behind):
    server, proxy = behind
    token = server.api.new_token()
    server.api.post_wallet(token, 1)
    for _ in range(10):
        proxy.cut()
        reply = server.api.get_wallet(token)
        assert reply.status in (200, 503)
        until(lambda: server.api.get_wallet(token).status == 200, "the link is renewed")
