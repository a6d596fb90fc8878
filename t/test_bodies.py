"""How a body travels: its size, its chunks, its pieces. It never touches the disk."""

import json
import os
import shutil

import pytest

from support import raw
from support.api import assert_error, state

LIMIT = 100000
TOO_LARGE = "Request Entity Too Large"


@pytest.fixture
def fresh(api):
    return api.new_token()


def padded(api, token, size):
    """A valid POST of exactly size bytes, and the wallet in it."""
    frame = json.dumps(api.wallet_body(token, 1, "@", "hmac"))
    wallet = "w" * (size - len(frame) + 1)
    body = frame.replace("@", wallet).encode()
    assert len(body) == size
    return body, wallet


def assert_stored(reply, wallet):
    assert (reply.status, reply.json) == (200, state(1, wallet, "hmac")), reply


@pytest.mark.parametrize("path", ["/wallet", "/signup", "/auth/full"])
@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT, 3_000_000, 2 ** 31, 2 ** 40])
def test_a_body_announced_as_too_large_is_413_at_once(server, path, size):
    head = raw.request("POST", path, headers=[f"Content-Length: {size}"], length=False)
    assert_error(raw.exchange(server.port, head), 413, TOO_LARGE)


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT, 3_000_000])
@pytest.mark.parametrize("chunk", [1000, 65536, 4_000_000])
def test_a_chunked_body_that_becomes_too_large_is_413(server, size, chunk):
    with raw.RawConnection(server.port) as link:
        link.send(raw.chunked_head("/wallet"))
        link.send_while_open(raw.chunks(b"x" * size, chunk))
        assert_error(link.read(), 413, TOO_LARGE)


@pytest.mark.parametrize("size", [LIMIT + 1, 3_000_000])
def test_a_too_large_body_that_is_sent_whole_is_413(server, size):
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {size}"], length=False))
        link.send_while_open([b"x" * size])
        assert_error(link.read(), 413, TOO_LARGE)


def test_the_size_is_checked_before_the_json(api):
    assert_error(api.post("/signup", b"x" * (LIMIT + 1)), 413, TOO_LARGE)
    assert_error(api.post("/signup", b"x" * LIMIT), 400,
                 "Bad Request: Request body JSON malformed or structure mismatch")


def test_a_client_that_waits_for_100_continue_is_refused_without_it(server):
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"],
                              length=False))
        assert link.read().status == 413


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_body_up_to_the_limit_is_fine_announced(api, fresh, size):
    body, wallet = padded(api, fresh, size)
    assert_stored(api.post("/wallet", body), wallet)


@pytest.mark.parametrize("chunk", [97, 1024, 8192, LIMIT])
def test_a_body_up_to_the_limit_is_fine_chunked(server, fresh, chunk):
    body, wallet = padded(server.api, fresh, LIMIT)
    reply = raw.exchange(server.port, raw.chunked_head("/wallet") + b"".join(raw.chunks(body, chunk)))
    assert_stored(reply, wallet)


def test_a_chunked_body_byte_by_byte_with_extensions_and_a_trailer_is_fine(server, fresh):
    body, wallet = padded(server.api, fresh, 300)
    coded = b"".join(b"1;ext=x\r\n%c\r\n" % byte for byte in body) + b"0\r\nTrailer: x\r\n\r\n"
    assert_stored(raw.exchange(server.port, raw.chunked_head("/wallet") + coded), wallet)


def test_a_chunked_body_with_a_broken_frame_is_400(server):
    reply = raw.exchange(server.port, raw.chunked_head("/wallet") + b"zz\r\n{}\r\n0\r\n\r\n")
    assert reply.status == 400


def test_a_post_without_length_and_chunks_has_an_empty_body(server):
    reply = raw.exchange(server.port, raw.request("POST", "/signup", length=False))
    assert_error(reply, 400, "Bad Request: Request body JSON malformed or structure mismatch")


@pytest.mark.parametrize("cuts", [1, 7, 40])
@pytest.mark.parametrize("size", [400, LIMIT])
def test_a_body_may_arrive_in_pieces(server, fresh, size, cuts):
    body, wallet = padded(server.api, fresh, size)
    step = len(body) // (cuts + 1) + 1
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {size}"], length=False))
        link.wait_taken()
        link.send_slowly([body[at:at + step] for at in range(0, len(body), step)])
        assert_stored(link.read(), wallet)


def test_a_chunked_body_may_arrive_in_pieces_that_cut_through_its_frames(server, fresh):
    body, wallet = padded(server.api, fresh, 5000)
    sent = raw.chunked_head("/wallet") + b"".join(raw.chunks(body, 611))
    with raw.RawConnection(server.port) as link:
        link.send_slowly([sent[at:at + 103] for at in range(0, len(sent), 103)])
        assert_stored(link.read(), wallet)


def test_a_client_that_asks_for_100_continue_gets_it(server, fresh):
    body, wallet = padded(server.api, fresh, 2000)
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("POST", "/wallet", headers=["Content-Length: 2000", "Expect: 100-continue"], length=False))
        assert link.read().status == 100
        link.send(body)
        assert_stored(link.read(), wallet)


def test_bodies_never_touch_the_disk(make_server):
    server = make_server().start()
    shutil.rmtree(server.nginx.body_temp)
    with open(server.nginx.body_temp, "w", encoding="ascii"):
        pass  # a file where nginx wants its directory: to write a body there would fail
    token = server.api.new_token()
    body, wallet = padded(server.api, token, LIMIT)
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("POST", "/wallet", headers=[f"Content-Length: {LIMIT}"], length=False))
        link.send_slowly([body[at:at + 9973] for at in range(0, LIMIT, 9973)])
        assert_stored(link.read(), wallet)
    token = server.api.new_token()
    body, wallet = padded(server.api, token, LIMIT)
    reply = raw.exchange(server.port, raw.chunked_head("/wallet") + b"".join(raw.chunks(body, 4096)))
    assert_stored(reply, wallet)
    os.remove(server.nginx.body_temp)


@pytest.mark.parametrize("directives", ["client_body_buffer_size 1k;", "client_body_in_single_buffer on;"])
def test_how_nginx_is_told_to_buffer_bodies_does_not_matter(make_server, directives):
    server = make_server(http=directives).start()
    token = server.api.new_token()
    body, wallet = padded(server.api, token, LIMIT)
    assert_stored(server.api.post("/wallet", body), wallet)


def test_a_lower_limit_can_be_set(make_server):
    server = make_server(server="wallet_sync_max_body 1k;").start()
    reply = raw.exchange(server.port, raw.request("POST", "/signup", b" " * 1025))
    assert_error(reply, 413, TOO_LARGE)
    assert raw.exchange(server.port, raw.request("POST", "/signup", b" " * 1024)).status == 400


def test_a_higher_limit_can_be_set(make_server):
    server = make_server(location="wallet_sync; wallet_sync_max_body 3m;").start()
    token = server.api.new_token()
    body, wallet = padded(server.api, token, 3 * 1024 * 1024)
    assert_stored(server.api.post("/wallet", body), wallet)
    assert server.api.get_wallet(token).json == state(1, wallet, "hmac")
    assert_error(server.api.post("/signup", body + b" "), 413, TOO_LARGE)
