"""Our location beside what else nginx does: blocks within it, mirror, auth_request, error pages and rewrites."""

import json

import pytest

from support import raw
from support.api import JSON_TYPE, PASSWORD, Api1, assert_error, new_email, state
from support.redis import Redis
from support.wait import until

TAKEN = {"X": "1"}  # with this header the `if` blocks of this file are taken
IF = "if ($http_x) { set $y 1; }"


class At(Api1):
    """API 1 below a prefix, with headers of its own in every request."""

    def __init__(self, port, prefix="", headers=None):
        super().__init__(port)
        self.prefix, self._headers = prefix, headers or {}

    def call(self, method, path, body=None, headers=None):
        return super().call(method, path, body, {**self._headers, **(headers or {})})


def serves_an_account(api):
    email = new_email()
    assert api.signup(email).status == 201
    token = api.login(email)
    posted, read = api.post_wallet(token, 1), api.get_wallet(token)
    assert (posted.status, posted.json) == (200, state(1))
    assert (read.status, read.json) == (200, state(1))


@pytest.mark.parametrize("headers", [{}, TAKEN], ids=["not taken", "taken"])
def test_an_if_block_leaves_the_handler_and_the_accounts_mode_of_its_location(make_server, headers):
    server = make_server(accounts=None, location=f"wallet_sync; wallet_sync_accounts open; {IF}").start()
    serves_an_account(At(server.port, headers=headers))


@pytest.mark.parametrize("headers", [{}, TAKEN], ids=["not taken", "taken"])
def test_an_if_block_leaves_a_location_without_accounts_closed(make_server, headers):
    server = make_server(accounts=None, server="location /open/ { wallet_sync; wallet_sync_accounts open; }",
                         location=f"wallet_sync; {IF}").start()
    assert At(server.port, headers=headers).signup(new_email()).status == 403


@pytest.mark.parametrize("size", [3000, 3_000_000])
def test_an_if_block_leaves_the_limit_of_bodies_and_its_answer(make_server, size):
    server = make_server(location=f"wallet_sync; wallet_sync_max_body 2k; {IF}").start()
    body = json.dumps({"email": new_email(), "password": "x" * size}).encode()
    plain, taken = [raw.exchange(server.port, raw.request("POST", "/signup", body[:1], [*header, "Connection: close"], length=False)
                                 .replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)))
                    for header in ([], ["X: 1"])]
    assert (plain.status, plain.header("Content-Type")) == (413, JSON_TYPE)
    assert (taken.status, taken.body, taken.header("Content-Type")) == (413, plain.body, JSON_TYPE)


@pytest.fixture
def two_stores(make_server, tmp_path):
    """A server whose locations /a/ and /b/ have a Redis each, with an `if` block in both."""
    other = Redis(str(tmp_path / "other"))
    server = make_server()
    server.nginx.server = "\n".join(
        f"location /{name}/ {{ {IF} rewrite ^/{name}(/.*)$ $1 break; wallet_sync; wallet_sync_redis {redis.unix_address}; }}"
        for name, redis in (("a", server.redis), ("b", other)))
    other.start()
    try:
        yield server.start()
    finally:
        server.nginx.quit()
        other.kill()


@pytest.mark.parametrize("here, there", ["ab", "ba"])
def test_an_if_block_leaves_the_redis_of_its_location(two_stores, here, there):
    port, email = two_stores.port, new_email()
    assert At(port, f"/{here}", TAKEN).signup(email).status == 201
    for headers in ({}, TAKEN):
        token = At(port, f"/{here}", headers).login(email, device=str(headers))
        assert At(port, f"/{here}", TAKEN).get_wallet(token).status == 404, "there is the token, and no wallet"
        assert At(port, f"/{there}", headers).auth(email).status == 401
        assert At(port, f"/{there}", headers).get_wallet(token).status == 401


def test_limit_except_lets_pass_what_it_allows(make_server):
    server = make_server(accounts=None, location="wallet_sync; wallet_sync_accounts open; limit_except GET { allow all; }").start()
    serves_an_account(server.api)


def test_limit_except_refuses_what_it_denies(make_server):
    server = make_server(server="location /read/ { rewrite ^/read(/.*)$ $1 break; wallet_sync; limit_except GET { deny all; } }").start()
    token = server.api.new_token()
    reader = At(server.port, "/read")
    assert reader.post_wallet(token, 1).status == 403
    assert reader.get_wallet(token).status == 404
    assert server.api.post_wallet(token, 1).status == 200
    assert reader.get_wallet(token).json == state(1)


@pytest.mark.parametrize("reading", ["at once", "slowly", "chunked"])
@pytest.mark.parametrize("size", [6, 40_000])
def test_a_mirrored_post_is_answered_as_ever_and_mirrored_as_a_whole(make_server, recorder, size, reading):
    server = make_server(server=f"location = /copy {{ internal; proxy_pass {recorder.address}; }}\n"
                                "location = /wallet { wallet_sync; mirror /copy; }").start()
    server.nginx.expect("buffered to a temporary file")  # mirror reads the body, in nginx' own way
    token = server.api.new_token()
    body = json.dumps(server.api.wallet_body(token, 1, "w" * size)).encode()
    with raw.RawConnection(server.port) as link:
        if reading == "chunked":
            link.send(raw.chunked_head("/wallet") + b"".join(raw.chunks(body, 1000)))
        elif reading == "slowly":
            whole = raw.request("POST", "/wallet", body)
            link.send_slowly([whole[:-len(body)], body[:len(body) // 2], body[len(body) // 2:]])
        else:
            link.send(raw.request("POST", "/wallet", body))
        reply = link.read()
        assert (reply.status, reply.json) == (200, state(1, "w" * size))
        until(lambda: recorder.requests, "the copy arrives")
        assert recorder.requests == [("POST", len(body), body)]
        link.send(raw.request("POST", "/wallet", json.dumps(server.api.wallet_body(token, 2)).encode()))
        reply = link.read()
        assert (reply.status, reply.json) == (200, state(2)), "the connection is as good as ever"


def test_a_mirrored_body_that_is_too_large_is_refused_as_ever(make_server, recorder):
    server = make_server(server=f"location = /copy {{ internal; proxy_pass {recorder.address}; }}",
                         location="wallet_sync; wallet_sync_max_body 20k; mirror /copy;").start()
    server.nginx.expect("buffered to a temporary file")
    reply = server.api.signup(new_email(), "x" * 30_000)
    assert (reply.status, reply.header("Content-Type")) == (413, JSON_TYPE)
    assert server.api.signup(new_email()).status == 201


def test_two_locations_of_ours_may_share_a_body_by_mirror(make_server):
    server = make_server(server="location = /wallet { wallet_sync; mirror /copy; }\n"
                                "location = /copy { internal; rewrite ^ /wallet break; wallet_sync; }").start()
    server.nginx.expect("buffered to a temporary file")
    token = server.api.new_token()
    for sequence, size in ((1, 6), (2, 40_000)):
        reply = server.api.post_wallet(token, sequence, "w" * size)
        # Of the two writes one is the first; the other finds its sequence taken.
        assert (reply.status, reply.json["sequence"]) in ((200, sequence), (409, sequence)), reply
        assert server.api.get_wallet(token).json == state(sequence, "w" * size)


@pytest.mark.parametrize("wallet", ["/wallet", "/api/3/wallet"])
def test_auth_request_may_ask_for_a_wallet(make_server, wallet):
    server = make_server(server=f"location = /guarded {{ auth_request {wallet}; empty_gif; }}").start()
    token = server.api.new_token()
    assert server.api.post_wallet(token, 1, "w" * 20_000).status == 200
    with raw.RawConnection(server.port) as link:
        for _ in range(3):
            link.send(raw.request("GET", "/guarded", headers=[f"Authorization: Bearer {token}"]))
            reply = link.read()
            assert (reply.status, reply.header("Content-Type")) == (200, "image/gif")
            assert reply.body.startswith(b"GIF8") and len(reply.body) < 100
            link.send(raw.request("GET", "/guarded", headers=[f"Authorization: Bearer {'0' * 64}"]))
            reply = link.read()
            assert reply.status == 401
            assert not reply.body.startswith(b"GIF8")


def test_auth_request_may_hand_on_the_token_of_the_query(make_server):
    server = make_server(server="location = /guarded { set $token $arg_token; auth_request /check; empty_gif; }\n"
                                "location = /check { internal; rewrite ^ /wallet?token=$token break; wallet_sync; }").start()
    token = server.api.new_token()
    assert server.api.post_wallet(token, 1).status == 200
    assert server.api.get(f"/guarded?token={token}").status == 200
    assert server.api.get(f"/guarded?token={'0' * 64}").status == 401


def test_error_pages_leave_our_errors_alone(make_server):
    pages = "error_page 400 401 403 404 405 409 413 426 500 503 /sorry; location = /sorry { return 200 sorry; }"
    server = make_server(server=pages, location="wallet_sync; wallet_sync_max_body 5k;",
                         redis_options="timeout=500ms connect_timeout=500ms").start()
    api = server.api
    token = api.new_token()
    replies = {400: api.post("/signup", "{"), 401: api.get_wallet("0" * 64), 404: api.get_wallet(token),
               405: api.get("/signup"), 413: api.signup(new_email(), "x" * 6000)}
    assert api.post_wallet(token, 1).status == 200
    replies[409] = api.post_wallet(token, 1, "other")
    server.redis.stop()
    replies[503] = api.get_wallet(token)
    for status, reply in replies.items():
        assert (reply.status, reply.header("Content-Type")) == (status, JSON_TYPE), reply
        assert reply.json["error"]
    server.redis.start()
    assert_error(replies[401], 401, "Unauthorized: Token Not Found")


def test_an_error_page_that_takes_its_time_survives_the_rest_of_a_broken_body(make_server, proxy_of):
    """The page of a body that nginx cannot read waits for Redis while more of that body comes."""
    server = make_server(server="error_page 400 /sorry; location = /sorry { auth_request /check; empty_gif; }\n"
                                "location = /check { internal; rewrite ^ /wallet break; wallet_sync; }",
                         workers=1, redis_options="timeout=20s")
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    workers, token = server.nginx.worker_pids(), server.api.new_token()
    assert server.api.post_wallet(token, 1).status == 200
    hold = proxy.hold("HGET")
    with raw.RawConnection(server.port) as link:
        link.send_slowly([raw.chunked_head("/signup", [f"Authorization: Bearer {token}"]), b"5\r\nhello\r\n", b"zz\r\n"])
        hold.wait()
        link.send_while_open([b"more", b"of", b"it"])
        assert server.api.get("/nothing").status == 404, "the worker has seen that more came"
        hold.release()
        assert link.read().status == 400
    assert server.nginx.worker_pids() == workers
    assert server.api.get_wallet(token).status == 200


@pytest.mark.parametrize("flag", ["last", "break"])
def test_a_rewrite_to_our_paths_works(make_server, flag):
    ours = "wallet_sync;" if flag == "break" else ""
    server = make_server(server=f"location /sync/ {{ rewrite ^/sync(/.*)$ $1 {flag}; {ours} }}").start()
    serves_an_account(At(server.port, "/sync"))
    reply = At(server.port, "/sync").post("/sync/signup", {"email": new_email(), "password": PASSWORD, "more": "x" * 40_000})
    assert reply.status in (201, 400), reply
    assert At(server.port, "/sync").get("/sync/nothing").status == 404
