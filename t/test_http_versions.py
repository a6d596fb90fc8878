"""The API over every version of HTTP that nginx speaks, and over connections that stay."""

import json
import shutil
import subprocess

import pytest

from support import http2, raw
from support.api import JSON_TYPE, PASSWORD, new_email, state

MALFORMED = {"error": "Bad Request: Request body JSON malformed or structure mismatch"}
TOO_LARGE = {"error": "Request Entity Too Large"}


def test_http_0_9_gets_a_body_and_nothing_else(server, token):
    with raw.RawConnection(server.port) as link:
        link.send(f"GET /wallet?token={token}\r\n".encode())
        assert json.loads(link.read_rest()) == {"error": "Not Found: No wallet"}


@pytest.mark.parametrize("path", ["/signup", "/wallet", "/nothing", "/api/2/x"])
def test_http_0_9_errors_are_answered_too(server, path):
    with raw.RawConnection(server.port) as link:
        link.send(f"GET {path}\r\n".encode())
        assert "error" in json.loads(link.read_rest())


def test_http_1_0_needs_no_host(server, token):
    with raw.RawConnection(server.port) as link:
        link.send(f"GET /wallet?token={token} HTTP/1.0\r\n\r\n".encode())
        reply = link.read()
        assert (reply.status, reply.json) == (404, {"error": "Not Found: No wallet"})
        assert link.read_rest() == b"", "the connection ends with the reply"


def test_http_1_0_posts(server):
    body = json.dumps({"email": new_email(), "password": PASSWORD}).encode()
    assert raw.exchange(server.port, raw.request("POST", "/signup", body, version="HTTP/1.0")).status == 201
    assert raw.exchange(server.port, raw.request("POST", "/signup", version="HTTP/1.0", length=False)).json == MALFORMED


def test_pipelined_requests_are_answered_in_order(server):
    token = server.api.new_token()
    posts = [raw.request("POST", "/wallet", json.dumps(server.api.wallet_body(token, sequence, f"w{sequence}")).encode())
             for sequence in range(1, 11)]
    get, bad = raw.request("GET", f"/wallet?token={token}"), raw.request("GET", "/wallet")
    with raw.RawConnection(server.port) as link:
        link.send(b"".join(post + get + bad for post in posts))
        for sequence in range(1, 11):
            assert link.read().json == state(sequence, f"w{sequence}")
            assert link.read().json == state(sequence, f"w{sequence}")
            assert link.read().status == 400


def test_one_connection_serves_many_requests(server):
    token = server.api.new_token()
    with raw.RawConnection(server.port) as link:
        for _ in range(300):
            link.send(raw.request("GET", f"/wallet?token={token}"))
            assert link.read().status == 404


@pytest.mark.parametrize("data, status", [
    (raw.request("PUT", "/signup", b"x" * 50), 405),
    (raw.request("POST", "/nothing", b"x" * 50), 404),
    (raw.request("POST", "/signup", b"x" * 50), 400),
    (raw.request("GET", "/wallet", b"x" * 50), 400),
    (raw.chunked_head("/nothing") + b"".join(raw.chunks(b"x" * 500, 7)), 404),
    (raw.chunked_head("/signup", method="PUT") + b"".join(raw.chunks(b"x" * 500, 7)), 405),
])
def test_a_body_that_is_not_wanted_is_not_taken_for_the_next_request(server, data, status):
    with raw.RawConnection(server.port) as link:
        link.send(data + raw.request("GET", "/wallet"))
        assert link.read().status == status
        assert link.read().status == 400


def test_errors_keep_the_connection(server, token):
    with raw.RawConnection(server.port) as link:
        for target, status in [("/wallet?token=x", 401), ("/wallet", 400), ("/x", 404), (f"/wallet?token={token}", 404)]:
            link.send(raw.request("GET", target))
            assert link.read().status == status


class Curl:
    """Told to speak HTTP/2 from the first byte."""

    def __init__(self, port):
        self.port = port

    def call(self, path, body=None, *more):
        command = ["curl", "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code} %{content_type}", *more,
                   f"http://127.0.0.1:{self.port}{path}"]
        if body is not None:
            command[1:1] = ["--data-binary", "@-"]
        done = subprocess.run(command, input=body, capture_output=True, timeout=60, check=True)
        text, _, tail = done.stdout.rpartition(b"\n")
        version, status, kind = tail.decode().split(" ")
        assert (version, kind) == ("2", JSON_TYPE)
        return int(status), json.loads(text)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_http_2_serves_the_same(make_server):
    server = make_server(listen="http2").start()
    curl = Curl(server.port)
    email = new_email()
    credentials = {"email": email, "password": PASSWORD, "deviceId": "d"}
    assert curl.call("/signup", json.dumps(credentials).encode()) == (201, {})
    token = curl.call("/auth/full", json.dumps(credentials).encode())[1]["token"]
    assert curl.call(f"/wallet?token={token}") == (404, {"error": "Not Found: No wallet"})

    frame = json.dumps(server.api.wallet_body(token, 1, "@"))
    wallet = "w" * (100000 - len(frame) + 1)
    body = frame.replace("@", wallet).encode()
    assert curl.call("/wallet", body) == (200, state(1, wallet))
    assert curl.call(f"/wallet?token={token}") == (200, state(1, wallet))
    assert curl.call("/wallet", None, "-X", "DELETE") == (405, {"error": "Method Not Allowed"})


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_http_2_bodies_have_the_same_limit(make_server, announced):
    server = make_server(listen="http2").start()
    for size, status, error in [(0, 400, MALFORMED), (100000, 400, MALFORMED), (100001, 413, TOO_LARGE), (500000, 413, TOO_LARGE)]:
        answered, body = http2.post(server.port, "/wallet", b"x" * size, announced)
        assert (answered, json.loads(body)) == (status, error)
