"""wallet_sync_unverified_lifetime: an address that nobody verifies becomes free again."""

import pytest

from support.api import assert_error, new_email
from support.api3 import Api3, key_of
from support.crowd import together
from support.mail_setting import WRONG, receiver, shared, start
from support.nginx import Nginx
from support.wait import until

WEEK = 7 * 24 * 3600
UNVERIFIED = "Unauthorized: Account is not verified"


def left(setting, email):
    """Seconds that are left to the account; -1: it stays."""
    return setting.server.redis.cli("TTL", key_of(email))


def expire(setting, email):
    """As if its time were over."""
    assert setting.server.redis.cli("PEXPIRE", key_of(email), 1) == 1
    until(lambda: not setting.server.redis.cli("EXISTS", key_of(email)), "the account is gone")


def assert_no_account(setting, email):
    api = Api3(setting.server.port)
    assert_error(api.auth(email), 401, WRONG)
    assert_error(api.change(email), 401, WRONG)
    assert_error(api.salt_seed(email), 404, "Not Found: No match for email")
    assert_error(setting.api.resend(email), 401, "Unauthorized: No match for email")


def test_an_account_that_is_not_verified_has_a_week(shared):
    email = shared.api.unverified()
    assert WEEK - 60 < left(shared, email) <= WEEK
    assert_error(shared.api.auth(email), 401, UNVERIFIED)


@pytest.mark.smoke
def test_a_verified_account_stays(shared):
    email = shared.api.unverified()
    assert shared.api.verify(shared.mail_for(email).token).status == 200
    assert left(shared, email) == -1
    assert shared.api.auth(email).status == 200


def test_where_no_mail_is_asked_for_accounts_stay(server, api):
    email = api.new_account()
    assert server.redis.cli("TTL", key_of(email)) == -1


def test_after_its_time_an_account_is_as_if_it_had_never_been(shared):
    email = shared.api.unverified()
    expire(shared, email)
    assert_no_account(shared, email)
    assert shared.api.verify(shared.mail_for(email).token).status == 403
    assert not shared.server.redis.cli("EXISTS", key_of(email))


def test_who_took_an_address_that_is_not_theirs_loses_it(shared):
    email, api1 = new_email(), shared.server.api
    assert api1.signup(email, "the squatter's password").status == 201
    assert_error(api1.signup(email, "the owner's password"), 409, "Conflict: Error registering")
    expire(shared, email)
    assert api1.signup(email, "the owner's password").status == 201
    first, second = shared.mails.to(email)
    assert shared.api.verify(first.token).status == 403
    assert shared.api.verify(second.token).status == 200
    assert_error(shared.api.auth(email, "the squatter's password"), 401, WRONG)
    assert shared.api.auth(email, "the owner's password").status == 200


def test_of_many_who_sign_up_for_a_freed_address_one_gets_it(shared):
    email = shared.api.unverified()
    expire(shared, email)
    replies = together([lambda: shared.api.signup(email)] * 6)
    assert sorted(reply.status for reply in replies) == [201] + [409] * 5
    assert shared.api.verify(shared.mails.to(email)[1].token).status == 200


def test_asking_for_another_mail_does_not_keep_an_address(shared):
    email = shared.api.unverified()
    shared.server.redis.cli("EXPIRE", key_of(email), 1000)
    assert shared.api.resend(email).status == 200
    assert left(shared, email) <= 1000
    assert shared.api.verify(shared.mails.to(email)[1].token).status == 200
    assert left(shared, email) == -1


def test_the_time_can_be_set_and_passes_by_itself(start):
    setting = start(location="wallet_sync; wallet_sync_unverified_lifetime 1s;")
    email = setting.api.unverified()
    until(lambda: setting.api.auth(email).error == WRONG, "the account is gone")
    assert_no_account(setting, email)
    assert setting.api.signup(email).status == 201


@pytest.mark.parametrize("value, seconds", [("3h", 3 * 3600), ("90", 90), ("1w 2d", None), ("off", -1)])
def test_the_time_is_read_as_nginx_reads_times(start, value, seconds):
    quoted = f'"{value}"'
    setting = start(location=f"wallet_sync; wallet_sync_unverified_lifetime {quoted};")
    email = setting.api.unverified()
    wanted = 9 * 24 * 3600 if seconds is None else seconds
    assert wanted - 60 < left(setting, email) <= wanted
    assert setting.api.verify(setting.mail_for(email).token).status == 200


@pytest.mark.parametrize("arguments", ["", "0", "0s", "-1d", "soon", "on", "200y", "7d 1d"])
def test_a_wrong_value_is_refused_by_name(tmp_path, arguments):
    http = f"wallet_sync_redis 127.0.0.1:1; wallet_sync_unverified_lifetime {arguments};"
    fine, text = Nginx(str(tmp_path), http=http).test()
    assert not fine, "nginx -t finds nothing wrong"
    lines = [line for line in text.splitlines() if "[emerg]" in line]
    assert len(lines) == 1 and "wallet_sync_unverified_lifetime" in lines[0], text
