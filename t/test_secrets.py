"""What must never be in a log."""

from support.api import PASSWORD, new_email


def logs(server):
    return server.nginx.log() + server.nginx.access()


def test_tokens_and_passwords_are_in_no_log(make_server):
    server = make_server(redis_options="timeout=500ms").start()
    api = server.api
    email = new_email()
    api.signup(email)
    api.auth(email, "a-wrong-password")
    token = api.login(email)
    api.get_wallet(token)
    api.post_wallet(token, 1, "the-wallet", "the-hmac")
    api.post_wallet(token, 7)
    api.get_wallet(token, {"Authorization": f"Bearer {token}"})
    api.get_wallet(token + "x")
    api.post("/wallet", '{"token":"' + token)
    server.redis.freeze()
    assert api.get_wallet(token).status == 503
    server.redis.thaw()
    server.redis.kill()
    for call in (lambda: api.get_wallet(token), lambda: api.post_wallet(token, 2), lambda: api.auth(email)):
        assert call().status == 503
    server.redis.start()
    written = logs(server)
    assert "/wallet" in server.nginx.access()
    for secret in (token, PASSWORD, "a-wrong-password", "the-wallet", "the-hmac"):
        assert secret not in written, secret


def test_an_outage_is_logged_with_the_server_and_the_reason(make_server):
    server = make_server().start()
    server.api.new_token()
    server.redis.kill()
    server.api.get_wallet("0" * 64)
    lines = [line for line in server.nginx.log().splitlines() if server.redis.socket_path in line]
    assert lines, "no line names the Redis that is away"


def test_a_long_outage_does_not_fill_the_log(make_server):
    server = make_server().start()
    server.redis.kill()
    for _ in range(500):
        server.api.get_wallet("0" * 64)
    lines = [line for line in server.nginx.log().splitlines() if "wallet_sync" in line or "edis" in line]
    assert 0 < len(lines) < 200
