"""wallet_sync_login_attempts: after so many wrong guesses an account is closed to guessing for a while."""

import json

import pytest

from support import raw
from support.api import PASSWORD, Api1, assert_error, new_email
from support.api3 import NEW_PASSWORD, WRONG, Api3, assert_success, invalid, key_of, with_wallet
from support.crowd import Background, together
from support.nginx import Nginx
from support.server import Server
from support.wait import until

LIMIT = 3
GUESS = "not the password"


class Guessing:
    """A server that allows three wrong guesses in a time; the account is a new one."""

    def __init__(self, server):
        self.server, self.redis = server, server.redis
        self.api, self.api1 = Api3(server.port), Api1(server.port)

    def guess(self, email, times=1):
        """Wrong guesses that are all answered as such."""
        for _ in range(times):
            assert_error(self.api.auth(email, GUESS), 401, WRONG)

    def forget(self, email):
        """As if the window were over."""
        assert self.redis.cli("DEL", key_of(email, ":failures")) == 1


@pytest.fixture(scope="module")
def guessing(tmp_path_factory):
    server = Server(str(tmp_path_factory.mktemp("guessing")), http=f"wallet_sync_login_attempts {LIMIT} 15m;").start()
    yield Guessing(server)
    server.stop()


@pytest.fixture
def email(guessing):
    return guessing.api.new_account()


def assert_closed(reply, seconds=900):
    assert reply.status == 429, reply
    assert reply.error.startswith("Too Many Requests")
    assert set(reply.json) == {"error"}
    assert 1 <= int(reply.header("Retry-After")) <= seconds


# ---- the count

@pytest.mark.smoke
def test_after_the_last_wrong_guess_even_the_right_password_is_429(guessing, email):
    guessing.guess(email, LIMIT)
    for password in (GUESS, PASSWORD, PASSWORD, "another guess"):
        assert_closed(guessing.api.auth(email, password))
    assert_closed(guessing.api.auth(email, device="another device"))


@pytest.mark.smoke
def test_a_success_before_the_last_guess_forgets_them(guessing, email):
    for _ in range(3):
        guessing.guess(email, LIMIT - 1)
        assert guessing.api.auth(email).status == 200
    guessing.guess(email, LIMIT)
    assert_closed(guessing.api.auth(email))


def test_any_number_of_successes_is_fine(guessing, email):
    for _ in range(LIMIT + 3):
        assert guessing.api.auth(email).status == 200
    replies = together([lambda n=n: guessing.api.auth(email, device=str(n)) for n in range(LIMIT + 3)])
    assert {reply.status for reply in replies} == {200}


def test_an_unknown_address_is_closed_in_the_same_words(guessing, email):
    stranger = new_email()
    for _ in range(LIMIT + 2):
        known, unknown = (guessing.api.auth(address, GUESS) for address in (email, stranger))
        assert (known.status, known.body) == (unknown.status, unknown.body)
        assert [name for name, _ in known.headers] == [name for name, _ in unknown.headers]
    assert_closed(unknown)


def test_guesses_at_an_address_count_for_the_account_that_it_becomes(guessing):
    email = new_email()
    guessing.guess(email, LIMIT)
    assert guessing.api.signup(email).status == 201
    assert_closed(guessing.api.auth(email))


def test_an_account_is_closed_in_every_spelling_of_its_address(guessing, email):
    for spelling in (email.upper(), email, email.title()):
        guessing.guess(spelling)
    assert_closed(guessing.api.auth(email.swapcase()))


def test_other_accounts_stay_open(guessing, email):
    guessing.guess(email, LIMIT)
    assert_closed(guessing.api.auth(email))
    assert guessing.api.auth(guessing.api.new_account()).status == 200


def test_tokens_of_a_closed_account_go_on_working(guessing, email):
    token = guessing.api.login(email)
    guessing.guess(email, LIMIT)
    assert_closed(guessing.api.auth(email))
    assert guessing.api.post_wallet(token, 1).status == 200
    assert guessing.api.get_wallet(token).status == 200


def test_requests_that_fail_validation_do_not_count(guessing, email):
    for _ in range(LIMIT + 1):
        assert_error(guessing.api.auth(email, "short"), 400, invalid("Invalid or missing 'password'"))
        assert_error(guessing.api.auth(email, GUESS, device=""), 400, invalid("Missing 'deviceId'"))
        assert guessing.api.change(email, GUESS, seed="x").status == 400
    assert guessing.api.auth(email).status == 200


def test_validation_comes_before_the_count(guessing, email):
    guessing.guess(email, LIMIT)
    assert_error(guessing.api.auth(email, device=""), 400, invalid("Missing 'deviceId'"))
    assert_closed(guessing.api.auth(email))


def test_both_apis_share_the_count(guessing, email):
    guessing.guess(email)
    for _ in range(LIMIT - 1):
        assert_error(guessing.api1.auth(email, GUESS), 401, "Unauthorized: No match for email and password")
    assert_closed(guessing.api1.auth(email))
    assert_closed(guessing.api.auth(email))


def test_a_success_at_one_api_resets_the_count_of_both(guessing, email):
    guessing.guess(email, LIMIT - 1)
    assert guessing.api1.auth(email).status == 200
    guessing.guess(email, LIMIT)
    assert_closed(guessing.api1.auth(email))


# ---- password change

def test_wrong_old_passwords_count_as_guesses(guessing, email):
    for _ in range(LIMIT - 1):
        assert_error(guessing.api.change(email, GUESS), 401, WRONG)
    guessing.guess(email)
    assert_closed(guessing.api.change(email))
    assert_closed(guessing.api.auth(email))
    guessing.forget(email)
    assert guessing.api.auth(email).status == 200, "the password is the old one still"


def test_wrong_old_passwords_for_an_unknown_address_count_too(guessing):
    stranger = new_email()
    for _ in range(LIMIT):
        assert_error(guessing.api.change(stranger, GUESS, **with_wallet(2)), 401, WRONG)
    assert_closed(guessing.api.change(stranger, GUESS))


def test_a_password_change_forgets_the_guesses(guessing, email):
    guessing.guess(email, LIMIT - 1)
    assert_success(guessing.api.change(email), {})
    guessing.guess(email, LIMIT - 1)
    assert guessing.api.auth(email, NEW_PASSWORD).status == 200


# ---- the window

def test_when_the_window_is_over_the_account_is_open_again(make_server):
    guessing = Guessing(make_server(http="wallet_sync_login_attempts 1 2s;").start())
    email = guessing.api.new_account()
    guessing.guess(email)
    assert_closed(guessing.api.auth(email), seconds=2)
    assert 0 < guessing.redis.cli("PTTL", key_of(email, ":failures")) <= 2000
    until(lambda: guessing.redis.cli("EXISTS", key_of(email, ":failures")) == 0, "the window is over")
    assert guessing.api.auth(email).status == 200


def test_requests_that_are_refused_do_not_make_the_window_longer(guessing, email):
    guessing.guess(email, LIMIT)
    guessing.redis.cli("PEXPIRE", key_of(email, ":failures"), 700000)
    for _ in range(5):
        assert_closed(guessing.api.auth(email), seconds=700)
    assert guessing.redis.cli("PTTL", key_of(email, ":failures")) <= 700000


def test_retry_after_is_what_is_left_of_the_window(guessing, email):
    guessing.guess(email, LIMIT)
    for milliseconds, seconds in ((300000, (290, 300)), (30000, (20, 30)), (15000, (10, 15))):
        guessing.redis.cli("PEXPIRE", key_of(email, ":failures"), milliseconds)
        left = int(guessing.api.auth(email).header("Retry-After"))
        assert seconds[0] <= left <= seconds[1]


# ---- no work for a refused guess

def test_a_refused_guess_runs_no_kdf(make_server):
    server = make_server(http=f"wallet_sync_login_attempts {LIMIT} 15m; wallet_sync_thread_pool threads=1 max_queue=64;",
                         workers=1).start()
    guessing = Guessing(server)
    email = guessing.api.new_account()
    guessing.guess(email, LIMIT)
    crowd = [Background(lambda: guessing.api.signup(new_email())) for _ in range(24)]
    until(lambda: not all(job.running for job in crowd), "the only thread is at work")
    assert sum(job.running for job in crowd) > 10
    assert_closed(guessing.api.auth(email))
    assert_closed(guessing.api.change(email))
    assert sum(job.running for job in crowd) > 5, "the refused guesses waited for the thread"
    assert {job.wait().status for job in crowd} == {201}


# ---- many at once

def outcomes(replies):
    statuses = [reply.status for reply in replies]
    assert set(statuses) <= {401, 429}, statuses
    return statuses.count(401), statuses.count(429)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_of_many_guesses_at_once_no_more_than_the_limit_are_answered(guessing, known):
    email = guessing.api.new_account() if known else new_email()
    replies = together([lambda n=n: guessing.api.auth(email, f"guess number {n}") for n in range(12)])
    answered, refused = outcomes(replies)
    assert answered <= LIMIT, "more guesses were answered than allowed"
    assert refused
    assert_closed(guessing.api.auth(email))


def test_guesses_at_once_over_all_endpoints_share_the_limit(guessing, email):
    calls = [lambda n=n: guessing.api.auth(email, f"guess number {n}") for n in range(4)]
    calls += [lambda n=n: guessing.api1.auth(email, f"guess number {n + 4}") for n in range(4)]
    calls += [lambda n=n: guessing.api.change(email, f"guess number {n + 8}") for n in range(4)]
    assert outcomes(together(calls))[0] <= LIMIT


def behind_wrong_guesses(server, email):
    """The reply to a right guess that waits behind as many wrong ones as are allowed."""
    links = []
    for password in [GUESS] * LIMIT + [PASSWORD]:
        body = json.dumps({"email": email, "password": password, "deviceId": "d"}).encode()
        links.append(raw.RawConnection(server.port))
        links[-1].send(raw.request("POST", "/api/3/auth/full", body))
    replies = [link.read() for link in links]
    for link in links:
        link.close()
    assert outcomes(replies[:-1]) == (LIMIT, 0)
    return replies[-1]


@pytest.mark.parametrize("verified", [True, False], ids=["verified", "not verified"])
def test_a_right_guess_that_comes_behind_too_many_wrong_ones_is_429_though_all_were_under_way(make_server, verified):
    server = make_server(http=f"wallet_sync_login_attempts {LIMIT} 15m; wallet_sync_thread_pool threads=1 max_queue=64;",
                         workers=1).start()
    email = Api3(server.port).new_account()
    server.redis.cli("HSET", key_of(email), "verified", int(verified))
    assert_closed(behind_wrong_guesses(server, email))
    server.redis.cli("DEL", key_of(email, ":failures"))
    reply = Api3(server.port).auth(email)
    assert (reply.status, verified) in ((200, True), (401, False))


@pytest.mark.parametrize("what", ["auth", "change"])
def test_a_right_guess_refused_at_the_last_moment_is_told_what_is_left(make_server, proxy_of, what):
    server = make_server(http=f"wallet_sync_login_attempts {LIMIT} 15m;", redis_options="timeout=10s")
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    api = Api3(server.start().port)
    email = api.new_account()
    hold = proxy.hold("WATCH")
    request = Background(lambda: getattr(api, what)(email))
    hold.wait()
    server.redis.cli("SET", key_of(email, ":failures"), LIMIT, "EX", 100)
    hold.release()
    reply = request.wait()
    assert_closed(reply, seconds=100)
    assert int(reply.header("Retry-After")) > 80


# ---- who counts

def test_workers_and_machines_share_the_count(make_server, tmp_path):
    http = f"wallet_sync_login_attempts {LIMIT} 15m;"
    server = make_server(http=http).start()
    other = Nginx(str(tmp_path / "other"), http=server.nginx.http, workers=1)
    other.start()
    try:
        here, there = Api3(server.port), Api3(other.port)
        email = here.new_account()
        for api in (here, there, here):
            assert_error(api.auth(email, GUESS), 401, WRONG)
        for api in (there, here, there, here):
            assert_closed(api.auth(email))
    finally:
        other.quit()


def test_a_reload_forgets_nothing(make_server):
    guessing = Guessing(make_server(http=f"wallet_sync_login_attempts {LIMIT} 15m;").start())
    email = guessing.api.new_account()
    guessing.guess(email, LIMIT)
    guessing.server.nginx.reload()
    assert_closed(guessing.api.auth(email))


def test_the_default_is_ten_in_fifteen_minutes(server):
    guessing = Guessing(server)
    email = guessing.api.new_account()
    guessing.guess(email, 10)
    reply = guessing.api.auth(email)
    assert_closed(reply)
    assert int(reply.header("Retry-After")) > 800


def test_it_can_be_switched_off(make_server):
    guessing = Guessing(make_server(http="wallet_sync_login_attempts off;").start())
    email = guessing.api.new_account()
    guessing.guess(email, 12)
    assert guessing.api.auth(email).status == 200
    with pytest.raises(AssertionError):
        guessing.forget(email)


@pytest.mark.parametrize("arguments", ["", "0 15m", "-1 15m", "many 15m", "3 0", "3 0s", "3 soon", "3 -1s", "off 15m", "on",
                                       "3 15m 2"])
def test_a_wrong_value_is_refused_by_name(tmp_path, arguments):
    http = f"wallet_sync_redis 127.0.0.1:1; wallet_sync_login_attempts {arguments};"
    fine, text = Nginx(str(tmp_path), http=http).test()
    assert not fine, "nginx -t finds nothing wrong"
    lines = [line for line in text.splitlines() if "[emerg]" in line]
    assert len(lines) == 1 and "wallet_sync_login_attempts" in lines[0], text


def test_a_location_may_have_a_limit_of_its_own(make_server):
    server = make_server(http="wallet_sync_login_attempts 5 15m;",
                         server="location /api/3/ { wallet_sync; wallet_sync_login_attempts 1 15m; }").start()
    guessing = Guessing(server)
    email = guessing.api.new_account()
    guessing.guess(email)
    assert_closed(guessing.api.auth(email))
    assert guessing.api1.auth(email).status == 200
