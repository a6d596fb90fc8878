"""Bodies that another module (mirror, Lua, a proxy that failed) reads or has begun to read before they come to us."""

import json
import os
import socket
import threading

import pytest

from support import http2, raw
from support.api import JSON_TYPE, Api1, assert_error, assert_unavailable, new_email, state
from support.modules import load_lua
from support.nginx import files_below
from support.ports import free_port
from support.wait import until

TOO_LARGE = "Request Entity Too Large"
LIMIT = 20_000
LIMITED = f"wallet_sync_max_body {LIMIT};"


def mirrored(recorder):
    return {"server": f"location = /copy {{ internal; proxy_pass {recorder.address}; }}",
            "location": f"wallet_sync; {LIMITED} mirror /copy;"}


READERS = {
    "access": "access_by_lua_block { ngx.req.read_body() }",
    "rewrite": "rewrite_by_lua_block { ngx.req.read_body() }",
}


@pytest.fixture(params=["mirror", *READERS])
def early(request, make_server, recorder):
    """A server with LIMIT where something reads the bodies before us."""
    if request.param == "mirror":
        server = make_server(workers=1, **mirrored(recorder))
    else:
        server = make_server(workers=1, main=load_lua(), location=f"wallet_sync; {LIMITED} {READERS[request.param]}")
    server.nginx.expect("buffered to a temporary file")
    return server.start()


def size(path):
    """Bytes of a file; 0 when nginx has deleted it since it was listed."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def on_disk(server):
    return sum(size(path) for path in files_below(server.nginx.body_temp))


def assert_bounded(server):
    """Of what was refused no more than the limit was kept, and nothing is left of it."""
    assert on_disk(server) <= LIMIT
    until(lambda: on_disk(server) == 0, "the file of a body goes with its request")
    assert server.api.signup(new_email()).status == 201, "the worker serves as ever"


@pytest.mark.parametrize("announced", [LIMIT + 1, 10 ** 11])
@pytest.mark.parametrize("sent", [0, 1000, 3_000_000])
def test_a_body_announced_as_too_large_is_refused_before_it_is_read(early, announced, sent):
    with raw.RawConnection(early.port) as link:
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {announced}"], length=False))
        link.send_while_open([b"x" * 1000] * (min(sent, announced) // 1000))
        assert_error(link.read(), 413, TOO_LARGE)
        assert link.read_rest() == b"", "the connection ends with the reply"
    assert_bounded(early)


@pytest.mark.parametrize("chunk", [1000, LIMIT, 1_000_000])
def test_a_chunked_body_that_becomes_too_large_is_refused(early, chunk):
    with raw.RawConnection(early.port) as link:
        link.send(raw.chunked_head("/wallet"))
        link.send_while_open(raw.chunks(b"x" * 3_000_000, chunk))
        assert_error(link.read(), 413, TOO_LARGE)
    assert_bounded(early)


def test_a_chunked_body_that_becomes_too_large_piece_by_piece_is_refused(early):
    parts = raw.chunks(b"x" * (LIMIT + 1), 5000)
    with raw.RawConnection(early.port) as link:
        link.send_slowly([raw.chunked_head("/signup"), *parts[:-2]])
        link.send(parts[-2])
        assert_error(link.read(), 413, TOO_LARGE)
    assert_bounded(early)


def test_a_body_as_large_as_allowed_is_served(early):
    token = early.api.new_token()
    frame = json.dumps(early.api.wallet_body(token, 1, "@"))
    wallet = "w" * (LIMIT - len(frame) + 1)
    body = frame.replace("@", wallet).encode()
    assert len(body) == LIMIT
    reply = raw.exchange(early.port, raw.chunked_head("/wallet") + b"".join(raw.chunks(body, 777)))
    assert (reply.status, reply.json) == (200, state(1, wallet))


@pytest.mark.parametrize("method, path, status, error", [
    ("POST", "/nothing", 404, "Not Found"), ("PUT", "/wallet", 405, "Method Not Allowed"),
    ("GET", "/wallet", 413, TOO_LARGE), ("POST", "/api/3/password", 413, TOO_LARGE)])
def test_path_and_method_are_checked_first(early, method, path, status, error):
    head = raw.request(method, path, headers=[f"Content-Length: {10 ** 11}"], length=False)
    assert_error(raw.exchange(early.port, head), status, error)
    with raw.RawConnection(early.port) as link:
        link.send(raw.chunked_head(path, method=method))
        link.send_while_open(raw.chunks(b"x" * 1_000_000, 3000))
        assert_error(link.read(), status, error)


def test_a_refused_request_is_not_mirrored(make_server, recorder):
    server = make_server(**mirrored(recorder)).start()
    head = raw.request("POST", "/wallet", headers=[f"Content-Length: {LIMIT + 1}"], length=False)
    assert raw.exchange(server.port, head).status == 413
    assert raw.exchange(server.port, raw.chunked_head("/wallet") + raw.chunks(b"x" * (LIMIT + 1), 10 ** 6)[0]).status == 413
    assert server.api.get_wallet("0" * 64).status == 401
    until(lambda: recorder.requests, "the request that was answered is mirrored")
    assert recorder.requests == [("GET", 0, b"")]
    server.nginx.expect("buffered to a temporary file")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("size", [LIMIT + 1, 500_000])
def test_over_http_2_it_is_the_same(make_server, recorder, announced, size):
    server = make_server(**{**mirrored(recorder), "listen": "http2"}).start()
    status, body = http2.post(server.port, "/wallet", b"x" * size, announced)
    assert (status, json.loads(body)) == (413, {"error": TOO_LARGE})
    status, body = http2.post(server.port, "/nothing", b"x" * size, announced)
    assert (status, json.loads(body)) == (404, {"error": "Not Found"})
    assert recorder.requests == []
    until(lambda: on_disk(server) == 0, "the file of a body goes with its request")
    server.nginx.expect("buffered to a temporary file")


def test_an_error_page_for_413_does_not_replace_the_answer(make_server, recorder):
    setup = mirrored(recorder)
    setup["server"] += " error_page 413 /sorry; location = /sorry { return 200 sorry; }"
    server = make_server(**setup).start()
    head = raw.request("POST", "/wallet", headers=[f"Content-Length: {LIMIT + 1}"], length=False)
    assert_error(raw.exchange(server.port, head), 413, TOO_LARGE)


def test_what_is_refused_early_is_counted_and_logged_as_what_it_is(make_server, recorder):
    setup = mirrored(recorder)
    setup["server"] += " location = /metrics { wallet_sync_metrics; }"
    server = make_server(**setup).start()
    head = raw.request("POST", "/wallet", headers=[f"Content-Length: {LIMIT + 1}"], length=False)
    assert raw.exchange(server.port, head).status == 413
    metrics = server.api.get("/metrics").body.decode().splitlines()
    assert 'wallet_sync_responses_total{endpoint="wallet",status="413"} 1' in metrics
    assert 'wallet_sync_requests_count{endpoint="wallet",method="POST"} 1' in metrics
    assert 'wallet_sync_error_count{error_type="too_large"} 1' in metrics
    until(lambda: '"POST /wallet HTTP/1.1" 413 ' in server.nginx.access(), "the access log has it")


def test_who_leaves_while_being_refused_harms_nobody(early):
    workers = early.nginx.worker_pids()
    for _ in range(20):
        link = raw.RawConnection(early.port)
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {10 ** 9}"], length=False) + b"x" * 10_000)
        link.abort()
        link = raw.RawConnection(early.port)
        link.send(raw.chunked_head("/wallet") + raw.chunks(b"x" * LIMIT * 2, 10 ** 6)[0])
        link.abort()
    assert_bounded(early)
    assert early.nginx.worker_pids() == workers


def test_other_locations_keep_their_own_limit(make_server, recorder):
    server = make_server(server=f"location /other/ {{ proxy_pass {recorder.address}; client_max_body_size 1m; }}",
                         location=f"wallet_sync; {LIMITED}").start()
    server.nginx.expect("buffered to a temporary file")
    server.nginx.expect("too large body")
    assert Api1(server.port).post("/other/", b"x" * 500_000).status == 200
    assert recorder.requests == [("POST", 500_000, b"x" * 500_000)]
    reply = server.api.post("/other/", b"x" * 2_000_000)
    assert (reply.status, reply.header("Content-Type")) == (413, "text/html")
    assert JSON_TYPE == server.api.post("/signup", b"x" * 500_000).header("Content-Type")


# ---- what a proxy without buffering leaves to its error page


@pytest.fixture
def fallback(make_server):
    """Everything goes to a backend that is not there, unbuffered, and from there to us."""
    server = make_server(server="error_page 502 504 = @sync; proxy_request_buffering off; proxy_http_version 1.1; "
                                f"location @sync {{ wallet_sync; {LIMITED} }}",
                         location=f"proxy_pass http://127.0.0.1:{free_port()};", workers=1)
    server.nginx.expect("buffered to a temporary file")
    return server.start()


def wallet_request(api, token, sequence, wallet, chunked):
    body = json.dumps(api.wallet_body(token, sequence, wallet)).encode()
    if chunked:
        return [raw.chunked_head("/wallet"), *raw.chunks(body, len(body) // 5 + 1)]
    step = len(body) // 5 + 1
    whole = raw.request("POST", "/wallet", body)
    return [whole[:-len(body)], *(body[at:at + step] for at in range(0, len(body), step))]


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("size", [5, 15_000])
@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "slowly"])
def test_a_body_that_comes_while_a_proxy_fails_is_taken_once(fallback, chunked, size, slowly):
    token = fallback.api.new_token()
    with raw.RawConnection(fallback.port) as link:
        for sequence in (1, 2):
            parts = wallet_request(fallback.api, token, sequence, "w" * size, chunked)
            link.send_slowly(parts) if slowly else link.send(b"".join(parts))
            reply = link.read()
            assert (reply.status, reply.json) == (200, state(sequence, "w" * size))


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_behind_a_proxy_that_failed_the_limit_is_ours(fallback, chunked):
    fallback.nginx.expect("too large")
    token = fallback.api.new_token()
    with raw.RawConnection(fallback.port) as link:
        link.send_while_open(wallet_request(fallback.api, token, 1, "w" * (LIMIT + 1), chunked))
        assert_error(link.read(), 413, TOO_LARGE)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("size", [5, 15_000])
def test_over_http_2_a_proxy_that_fails_changes_nothing(make_server, announced, size):
    server = make_server(server="error_page 502 504 = @sync; proxy_request_buffering off; proxy_http_version 1.1; "
                                "location @sync { wallet_sync; }", listen="http2",
                         location=f"proxy_pass http://127.0.0.1:{free_port()};", workers=1).start()
    email = new_email()
    body = json.dumps({"email": email, "password": "p" * size}).encode()
    assert http2.post(server.port, "/signup", body, announced)[0] == 201
    assert http2.post(server.port, "/signup", body, announced)[0] == 409


class Taker:
    """A backend that takes the beginning of a request and hangs up."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link:
                data = b""
                while b"BEGINNING" not in data:
                    data += link.recv(65536)

    def close(self):
        self._listener.close()


@pytest.fixture
def taker(request):
    taker = Taker()
    request.addfinalizer(taker.close)
    return taker


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("slowly", [False, True], ids=["half", "in pieces"])
def test_a_body_that_a_failing_proxy_has_passed_on_is_lost_and_said_to_be(make_server, taker, chunked, slowly):
    server = make_server(server="error_page 502 504 = @sync; proxy_request_buffering off; proxy_http_version 1.1; "
                                "location @sync { wallet_sync; }",
                         location=f"proxy_pass {taker.address};", workers=1).start()
    body = json.dumps({"email": new_email(), "password": "BEGINNING" + "x" * 500}).encode()
    with raw.RawConnection(server.port) as link:
        if chunked:
            parts = [raw.chunked_head("/signup"), *raw.chunks(body, 400)]
        else:
            parts = [raw.request("POST", "/signup", body)[:-len(body)], body[:400], body[400:]]
        link.send(b"".join(parts[:2]))
        if slowly:
            link.wait_taken()
            link.send_while_open(parts[2:])
        assert_unavailable(link.read())


def test_a_body_that_a_buffering_proxy_has_passed_on_is_still_there(make_server, taker):
    server = make_server(server="error_page 502 504 = @sync; location @sync { wallet_sync; }",
                         location=f"proxy_pass {taker.address};", workers=1).start()
    body = json.dumps({"email": new_email(), "password": "BEGINNING" + "x" * 500}).encode()
    assert raw.exchange(server.port, raw.request("POST", "/signup", body)).status == 201


def test_a_body_that_broke_off_elsewhere_is_not_taken_for_a_whole_one(make_server, recorder):
    """A body that is complete JSON as far as it can be read."""
    server = make_server(server="error_page 400 = @sync; location @sync { wallet_sync; }\n"
                                f"location = /signup {{ proxy_pass {recorder.address}; }}", workers=1).start()
    email = new_email()
    body = json.dumps({"email": email, "password": "12345678"}).encode()
    with raw.RawConnection(server.port) as link:
        link.send_slowly([raw.chunked_head("/signup"), raw.chunks(body, 1000)[0], b"zz\r\n"])
        assert_error(link.read(), 400, "Bad Request")
    assert server.api.auth(email).status == 401, "nothing was done"
    assert recorder.requests == []
