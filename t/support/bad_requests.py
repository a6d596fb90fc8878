"""Requests that nginx answers itself, before any module sees them, and what the documented configurations make of it."""

from support import raw
from support.api import JSON_TYPE

# name: (what is sent, status, the error in the reply)
BAD_REQUESTS = {
    "no request": (b"hello\r\n\r\n", 400, "Bad Request"),
    "a control character in the path": (b"GET /wal\x01let HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request"),
    "no host": (b"GET /wallet HTTP/1.1\r\n\r\n", 400, "Bad Request"),
    "two hosts": (b"GET /wallet HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "Bad Request"),
    "a host that is none": (b"GET /wallet HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Bad Request"),
    "a length that is none": (b"POST /wallet HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400, "Bad Request"),
    "a path above the root": (b"GET /../wallet HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request"),
    "a broken chunk": (raw.chunked_head("/wallet") + b"zz\r\n", 400, "Bad Request"),
    "a long header": (b"GET /wallet HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 400, "Bad Request"),
    "many headers": (b"GET /wallet HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"x" * 7000 + b"\r\n") * 6 + b"\r\n", 400, "Bad Request"),
    "a long path": (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "Request-URI Too Large"),
    "TRACE": (b"TRACE /wallet HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Method Not Allowed"),
    "CONNECT": (b"CONNECT /wallet HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Method Not Allowed"),
    "another transfer coding": (b"POST /wallet HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "Not Implemented"),
    "another version": (b"GET /wallet HTTP/3.1\r\nHost: x\r\n\r\n", 505, "HTTP Version Not Supported"),
    "the page itself": (b"GET /.error HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "Not Found"),
}


def assert_json(reply, status, error):
    assert (reply.status, reply.body and reply.json) == (status, {"error": error}), reply
    assert reply.header("Content-Type") == JSON_TYPE
    assert reply.header("Cache-Control") == "no-store"
    assert reply.header("Retry-After") == ("1" if status in (429, 503) else None)
