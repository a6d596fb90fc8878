"""Who may sign up, and how the directives that say so inherit."""

import pytest

from support.api import PASSWORD, Api1, assert_error, new_email
from support.ports import free_port

NOT_LISTED = "Forbidden: Account not whitelisted"


def test_by_default_nobody_may_sign_up(make_server):
    server = make_server(accounts=None).start()
    assert_error(server.api.signup(new_email()), 403, NOT_LISTED)


def test_an_empty_whitelist_lets_nobody_in(make_server):
    server = make_server(accounts="whitelist").start()
    assert_error(server.api.signup(new_email()), 403, NOT_LISTED)


def test_a_whitelist_lets_in_whom_it_names_in_any_spelling(make_server):
    server = make_server(accounts="whitelist joe@example.com Élan@Example.COM third@localhost").start()
    for email in ("JOE@example.com", "éLAN@example.com", "third@localhost"):
        assert server.api.signup(email).status == 201, email
        assert server.api.auth(email).status == 200, "verified at once"
    assert_error(server.api.signup("other@example.com"), 403, NOT_LISTED)
    assert_error(server.api.signup("joe@example.co"), 403, NOT_LISTED)
    assert_error(server.api.signup("joe@example.com"), 409, "Conflict: Error registering")


def test_validation_comes_before_the_whitelist(make_server):
    server = make_server(accounts="whitelist joe@example.com").start()
    invalid = "Bad Request: Request failed validation"
    assert_error(server.api.signup("not an address"), 400, invalid)
    assert_error(server.api.signup("stranger@example.com", ""), 400, invalid)


def test_an_account_outlives_its_place_on_the_whitelist(make_server):
    server = make_server(accounts="whitelist joe@example.com").start()
    assert server.api.signup("joe@example.com").status == 201
    server.nginx.http = server.nginx.http.replace("whitelist joe@example.com", "whitelist jane@example.com")
    server.nginx.reload()
    assert server.api.auth("joe@example.com").status == 200
    assert_error(server.api.signup("other@example.com"), 403, NOT_LISTED)
    assert server.api.signup("jane@example.com").status == 201


@pytest.fixture
def three_ports(make_server):
    """Servers in one nginx: open as http says, whitelist by server, and a location of its own Redis database."""
    listed, apart = free_port(), free_port()
    server = make_server()
    server.nginx.http += f"""
    server {{
        listen 127.0.0.1:{listed};
        wallet_sync_accounts whitelist listed@example.com;
        location / {{ wallet_sync; }}
    }}
    server {{
        listen 127.0.0.1:{apart};
        location / {{
            wallet_sync;
            wallet_sync_redis {server.redis.unix_address} database=3 prefix=other pool=2;
        }}
    }}
    """
    server.start()
    return server, Api1(listed), Api1(apart)


def test_a_server_overrides_what_http_says_and_keeps_the_rest(three_ports):
    server, listed, _ = three_ports
    assert_error(listed.signup(new_email()), 403, NOT_LISTED)
    assert listed.signup("listed@example.com").status == 201
    assert server.api.auth("listed@example.com").status == 200, "both use the Redis that http names"


def test_a_location_may_have_a_redis_of_its_own(three_ports):
    server, _, apart = three_ports
    email = new_email()
    assert apart.signup(email).status == 201
    assert server.api.auth(email).status == 401
    assert server.api.signup(email).status == 201
    token = apart.login(email)
    assert server.api.get_wallet(token).status == 401
    assert apart.post_wallet(token, 1).status == 200
    with server.redis.client() as redis:
        redis("SELECT", 3)
        keys = redis("KEYS", "*")
    assert keys and all(key.startswith(b"other:") for key in keys)


def test_the_module_serves_the_location_it_is_in_and_no_other(make_server):
    server = make_server(server='location /plain { return 200 "plain"; }').start()
    assert server.api.get("/plain").body == b"plain"
    assert server.api.get("/wallet").status == 400


def test_locations_may_name_the_endpoints_one_by_one(make_server):
    server = make_server(location="return 204;", server="""
        location = /signup { wallet_sync; }
        location = /auth/full { wallet_sync; }
        location /wallet { wallet_sync; }
    """).start()
    email = new_email()
    assert server.api.signup(email, PASSWORD).status == 201
    assert server.api.get_wallet(server.api.login(email)).status == 404
    assert server.api.get("/other").status == 204


def test_error_pages_of_nginx_do_not_replace_the_replies(make_server):
    server = make_server(server='error_page 400 401 404 405 409 413 = /page; location /page { return 200 "page"; }').start()
    assert_error(server.api.get("/wallet"), 400, "Bad Request: Missing token parameter")
    assert_error(server.api.get("/wallet?token=x"), 401, "Unauthorized: Token Not Found")
