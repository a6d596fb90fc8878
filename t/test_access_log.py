"""What $wallet_sync_* tell of a request in the access log, and that it is nothing a client sent."""

import re

import pytest

from support import raw
from support.api import Api1, Http, new_email
from support.crowd import together
from support.wait import until

FORMAT = "$request_method $uri $status $wallet_sync_endpoint $wallet_sync_error $wallet_sync_redis_time $wallet_sync_retries $request_time"


class Log:
    """The lines of our own access log, split at the blanks; each call gives those of the requests since the last one."""

    def __init__(self, server):
        self.path, self.seen = server.nginx.path("logs/ours.log"), 0

    def _lines(self):
        with open(self.path, encoding="utf-8") as file:
            return [line.split() for line in file.read().splitlines()]

    def __call__(self, count=1):
        until(lambda: len(self._lines()) >= self.seen + count, "the lines are written")
        lines = self._lines()[self.seen:]
        assert len(lines) == count, lines
        self.seen += count
        return lines if count != 1 else lines[0]


@pytest.fixture
def logged(make_server):
    """make(**options): (server, its log)."""

    def make(server="", http="", **options):
        made = make_server(server="access_log logs/ours.log ours; " + server,
                           http=f"log_format ours '{FORMAT}'; {http}", **options)
        return made.start(), Log(made)

    return make


def test_a_success_has_its_endpoint_its_time_and_no_error(logged):
    server, log = logged()
    email = new_email()
    assert server.api.signup(email).status == 201
    line = log()
    assert line[:5] == ["POST", "/signup", "201", "signup", "-"]
    assert re.fullmatch(r"\d+\.\d{3}", line[5]) and line[6] == "0"
    token = server.api.login(email)
    assert log()[3:5] == ["auth", "-"]
    assert server.api.post_wallet(token, 1).status == 200
    assert log()[3:5] == ["wallet", "-"]


@pytest.mark.parametrize("method, path, body, status, endpoint, error", [
    ("GET", "/wallet?token=" + "0" * 64, None, 401, "wallet", "unauthorized"),
    ("GET", "/api/3/wallet", None, 400, "wallet", "bad_request"),
    ("GET", "/signup", None, 405, "signup", "method_not_allowed"),
    ("GET", "/nowhere", None, 404, "none", "not_found"),
    ("POST", "/api/3/auth/full", "{", 400, "auth", "bad_request"),
    ("POST", "/api/3/signup", "x" * 100_001, 413, "signup", "too_large"),
    ("GET", "/api/3/verify?verifyToken=x", None, 403, "verify", "forbidden"),
])
def test_an_error_has_a_name(logged, method, path, body, status, endpoint, error):
    server, log = logged()
    assert Http(server.port).call(method, path, body).status == status
    assert log()[2:5] == [str(status), endpoint, error]


def test_what_did_not_come_to_us_or_to_redis_has_no_values(logged):
    server, log = logged(server="location = /other { return 204; }")
    assert Http(server.port).get("/other").status == 204
    assert log()[2:7] == ["204", "-", "-", "-", "-"]
    assert Http(server.port).get("/nowhere").status == 404
    assert log()[5:7] == ["-", "-"]


def test_the_causes_of_503_are_told_apart(logged):
    server, log = logged(redis_options="timeout=500ms connect_timeout=500ms")
    token = server.api.new_token()
    log(2)
    server.redis.cli("CONFIG", "SET", "maxmemory", "1")
    assert server.api.post_wallet(token, 1).status == 503
    assert log()[2:5] == ["503", "wallet", "store_refused"]
    server.redis.cli("CONFIG", "SET", "maxmemory", "0")
    server.redis.freeze()
    assert server.api.get_wallet(token).status == 503
    line = log()
    assert line[2:5] == ["503", "wallet", "store_unavailable"]
    assert 0.4 < float(line[5]) < 5, "it waited for the timeout"
    server.redis.thaw()
    server.redis.kill()
    assert server.api.get_wallet(token).status == 503
    assert log()[2:5] == ["503", "wallet", "store_unavailable"]


def test_a_full_queue_of_hashes_is_told(logged):
    server, log = logged(http="wallet_sync_thread_pool threads=1 max_queue=1;", workers=1)
    replies = together([lambda: server.api.signup(new_email())] * 12)
    lines = log(12)
    assert {(line[2], line[4]) for line in lines} == {("201", "-"), ("503", "password_hashing")}
    assert sum(line[2] == "503" for line in lines) == sum(reply.status == 503 for reply in replies)


def test_attempts_in_vain_are_counted(make_server, proxy_of):
    server = make_server(server="access_log logs/ours.log ours;", http=f"log_format ours '{FORMAT}';", workers=1)
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    log, token = Log(server), server.api.new_token()
    log(2)
    proxy.lose_reply("EXEC")
    assert server.api.post_wallet(token, 1).status == 200
    assert log()[6] == "1"
    proxy.lose_reply("HMGET")
    assert server.api.get_wallet(token).status == 200
    assert log()[6] == "1"
    assert server.api.get_wallet(token).status == 200
    assert log()[6] == "0"


def test_the_time_is_that_of_redis_and_not_that_of_the_hash(logged):
    server, log = logged(http="wallet_sync_thread_pool threads=1 max_queue=20;", workers=1)
    email = server.api.new_account()
    together([lambda n=n: server.api.auth(email, device=str(n)) for n in range(6)])
    assert max(float(line[7]) - float(line[5]) for line in log(7)) > 0.2, "of the last one, who waited for all hashes"


def test_nothing_a_client_sends_is_in_them(logged):
    server, log = logged(server="location /error { wallet_sync; }")
    secret = "a" * 40
    field = Api1(server.port).post("/api/3/signup", {"email": new_email(), secret: "x"})
    assert field.status == 400 and secret in field.error
    assert secret not in " ".join(log())
    assert Http(server.port).get("/api/3/wallet?token=" + secret).status == 401
    assert secret not in " ".join(log())


def test_a_websocket_is_logged_at_its_upgrade(logged):
    server, log = logged()
    token = server.api.new_token()
    log(2)
    head = raw.request("GET", f"/api/3/websocket?token={token}",
                       headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
    with raw.RawConnection(server.port) as link:
        link.send(head)
        assert link.read(no_body=True).status == 101
        assert log()[2:5] == ["101", "websocket", "-"]


def test_a_client_that_left_before_its_hash_is_told(logged):
    server, log = logged(http="wallet_sync_thread_pool threads=1 max_queue=20;", workers=1)
    email = server.api.new_account()
    log()
    body = b'{"email":"%s","password":"correct horse battery staple","deviceId":"x"}' % email.encode()
    links = [raw.RawConnection(server.port) for _ in range(8)]
    for link in links:
        link.send(raw.request("POST", "/auth/full", body))
    for link in links:
        link.close()
    lines = log(8)
    assert {line[4] for line in lines if line[2] == "499"} == {"client_left"}
    assert any(line[2] == "499" for line in lines)


def test_they_outlive_an_error_page(logged):
    """A body that nginx cannot read is answered by nginx, and by another location."""
    server, log = logged(server="error_page 400 = /page; location = /page { return 200 page; }")
    with raw.RawConnection(server.port) as link:
        link.send_slowly([raw.chunked_head("/signup"), b"zz\r\n"])
        assert link.read().status == 200
    assert log()[3:5] == ["signup", "bad_request"]


def test_they_can_stand_in_a_header(logged):
    server, _ = logged(server="location /with/ { rewrite ^/with(/.*)$ $1 break; wallet_sync; "
                              "add_header X-Error $wallet_sync_error always; }")
    assert Http(server.port).get("/with/nowhere").header("X-Error") == "not_found"
