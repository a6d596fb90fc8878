"""nginx's own lines in the error log about requests of our locations: they name the path, never the arguments."""

import pytest

from support import http2, raw
from support.api import Api1
from support.modules import load_lua
from support.ports import free_port
from support.wait import until
from support.websocket import RawWebsocket, plant_token, upgrade

SECRET = "5ec2e7" * 10 + "5ec2"
TARGET = f"/wallet?token={SECRET}"


def lines(server, needle):
    return [line for line in server.nginx.log().splitlines() if needle in line]


def wait_for_line(server, needle):
    return until(lambda: lines(server, needle), f"the log has a line with {needle!r}")[0]


def assert_hidden(server, needle, path="/wallet"):
    """The line is there, names the path, and no line has the token."""
    line = wait_for_line(server, needle)
    assert f'request: "GET {path} HTTP/1.1"' in line, line
    assert "client: 127.0.0.1" in line and "server: " in line and 'host: "localhost' in line, line
    assert SECRET not in server.nginx.log()


def get(server, target=TARGET, headers=()):
    return raw.exchange(server.port, raw.request("GET", target, headers=headers))


def test_limit_req(make_server):
    server = make_server(http="limit_req_zone $binary_remote_addr zone=z:1m rate=1r/m;", location="limit_req zone=z; wallet_sync;").start()
    assert [get(server).status for _ in range(2)] == [401, 503]
    assert_hidden(server, "limiting requests")


LIMIT = "limit_req_zone $binary_remote_addr zone=z:1m rate=1r/m;"


def test_limit_req_before_a_rewrite_leads_to_us(make_server):
    server = make_server(http=LIMIT, location="limit_req zone=z; wallet_sync;",
                         server="location /before { rewrite ^ /wallet last; }").start()
    for _ in range(2):
        get(server, TARGET.replace("/wallet", "/before"))
    assert_hidden(server, "limiting requests", "/before")


def test_lines_of_an_error_page_that_a_request_left_us_for(make_server):
    server = make_server(http=LIMIT, location="limit_req zone=z; wallet_sync;",
                         server="error_page 503 @busy; location @busy { access_log /dev/full; return 429; }").start()
    server.nginx.expect("/dev/full")
    assert [get(server).status for _ in range(2)] == [401, 429]
    assert_hidden(server, "/dev/full")


def test_an_access_log_that_cannot_be_written(make_server):
    server = make_server(location="access_log /dev/full; wallet_sync;").start()
    server.nginx.expect("/dev/full")
    assert get(server).status == 401
    assert_hidden(server, "/dev/full")


def test_access_that_is_denied(make_server):
    server = make_server(location="deny all; wallet_sync;").start()
    assert get(server).status == 403
    assert_hidden(server, "access forbidden by rule")


def test_a_client_that_resets(make_server):
    server = make_server(location="wallet_sync; wallet_sync_max_body 8m;", workers=1).start()
    token = server.api.new_token()
    assert server.api.post_wallet(token, 1, "w" * 7_000_000).status == 200
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("GET", f"/wallet?token={token}"))
        assert link.read_head().status == 200
        link.abort()
    assert 'request: "GET /wallet HTTP/1.1"' in wait_for_line(server, 'request: "GET /wallet')
    assert token not in server.nginx.log()


def test_a_mirror_that_is_not_there(make_server):
    server = make_server(server=f"location = /copy {{ internal; proxy_pass http://127.0.0.1:{free_port()}; }}",
                         location="wallet_sync; mirror /copy;").start()
    assert get(server).status == 401
    assert_hidden(server, "connect() failed")
    line = wait_for_line(server, "connect() failed")
    assert 'subrequest: "/copy"' in line and '/copy"' in line.partition("upstream: ")[2], line


def test_a_guard_that_asks_us_whether_the_token_is_valid(make_server):
    """The token is the main request's, which is in no location of ours."""
    server = make_server(server="location = /guarded { set $token $arg_token; auth_request /check; access_log /dev/full; empty_gif; }\n"
                                "location = /check { internal; rewrite ^ /wallet?token=$token break; wallet_sync; }").start()
    server.nginx.expect("/dev/full")
    assert get(server, TARGET.replace("/wallet", "/guarded")).status == 401
    assert_hidden(server, "/dev/full", "/guarded")


@pytest.mark.parametrize("phase", ["rewrite", "access", "log"])
def test_a_module_that_runs_before_us_in_our_location(make_server, phase):
    server = make_server(main=load_lua(), location=f"{phase}_by_lua_block {{ ngx.log(ngx.ERR, 'a word of Lua') }} wallet_sync;").start()
    assert get(server).status == 401
    assert_hidden(server, "a word of Lua")


def test_the_page_that_led_to_a_request(make_server):
    """A browser names it with its arguments, and it may be the link of a verification mail."""
    server = make_server(location="deny all; wallet_sync;").start()
    get(server, TARGET, [f"Referer: http://localhost/api/3/verify?verifyToken={SECRET}"])
    assert_hidden(server, "access forbidden")
    assert 'referrer: "http://localhost/api/3/verify"' in wait_for_line(server, "access forbidden")


@pytest.mark.parametrize("line, shown", [
    (f"GET {TARGET}&x=y?z HTTP/1.0\r\n\r\n", "GET /wallet HTTP/1.0"),
    (f"GET {TARGET}\r\n", "GET /wallet"),
    (f"GET http://localhost{TARGET} HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET http://localhost/wallet HTTP/1.1"),
    ("GET /wallet HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /wallet HTTP/1.1"),
    (f"GET /wallet?{SECRET * 60} HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /wallet HTTP/1.1"),
    ("GET /" + "w" * 3000 + f"?{SECRET} HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /www"),
], ids=["1.0", "0.9", "absolute", "no arguments", "long arguments", "long path"])
def test_request_lines_of_every_form(make_server, line, shown):
    server = make_server(location="deny all; wallet_sync;", server="location = /ok { return 204; }").start()
    with raw.RawConnection(server.port) as link:
        link.send(line.encode())
        link._fill()
    assert f'request: "{shown}' in wait_for_line(server, "access forbidden")
    assert SECRET not in server.nginx.log()
    assert Api1(server.port).get("/ok").status == 204


def test_http_2(make_server):
    server = make_server(location="deny all; wallet_sync;", listen="http2").start()
    assert http2.post(server.port, f"/signup?token={SECRET}", b"{}")[0] == 403
    assert 'request: "POST /signup HTTP/2.0"' in wait_for_line(server, "access forbidden")
    assert SECRET not in server.nginx.log()


def test_a_websocket_that_is_reset(make_server):
    server = make_server(http="wallet_sync_drain_time 0;").start()
    token = plant_token(server.redis)
    RawWebsocket(server.port, token).abort()
    with raw.RawConnection(server.port) as link:
        link.send(upgrade(token))
        link.abort()
    assert server.api.get("/nothing").status == 404
    assert token not in server.nginx.log()


def test_locations_that_are_not_ours_are_described_as_ever(make_server):
    server = make_server(server="location /other { deny all; }").start()
    assert get(server, "/other?a=b").status == 403
    assert 'request: "GET /other?a=b HTTP/1.1"' in wait_for_line(server, "access forbidden")
