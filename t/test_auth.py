"""POST /auth/full of API 1, and what becomes of tokens."""

import calendar
import re
import time

import pytest

from support.api import JSON_TYPE, PASSWORD, assert_error, new_email

NO_MATCH = "Unauthorized: No match for email and password"
INVALID = "Bad Request: Request failed validation"
MALFORMED = "Bad Request: Request body JSON malformed or structure mismatch"
NO_TOKEN = "Unauthorized: Token Not Found"
FORTNIGHT = 14 * 24 * 3600


@pytest.fixture(scope="module")
def email(server):
    """An account of which only logins are made."""
    return server.api.new_account()


@pytest.mark.smoke
def test_a_login_tells_token_device_scope_user_and_expiry(api, email):
    reply = api.auth(email, device="phone")
    assert (reply.status, reply.header("Content-Type")) == (200, JSON_TYPE)
    fields = reply.json
    assert set(fields) == {"token", "deviceId", "scope", "userId", "expiration"}
    assert re.fullmatch("[0-9a-f]{64}", fields["token"])
    assert fields["deviceId"] == "phone"
    assert fields["scope"] == "*"
    assert type(fields["userId"]) is int and fields["userId"] >= 1


def test_a_token_is_valid_for_fourteen_days(api, email):
    before = int(time.time())
    expiration = api.auth(email).json["expiration"]
    after = time.time()
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", expiration)
    assert match, f"not RFC 3339 in UTC: {expiration}"
    at = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    assert before + FORTNIGHT - 1 <= at <= after + FORTNIGHT + 1


def test_the_user_id_belongs_to_the_account(api, email):
    ids = {api.auth(email, device=device).json["userId"] for device in ("a", "b")}
    assert len(ids) == 1
    assert api.auth(api.new_account()).json["userId"] not in ids


@pytest.mark.smoke
def test_a_wrong_password_and_an_unknown_address_get_the_same_401(api, email):
    wrong, unknown = api.auth(email, "wrong password"), api.auth(new_email())
    assert_error(wrong, 401, NO_MATCH)
    assert_error(unknown, 401, NO_MATCH)
    assert wrong.body == unknown.body


def test_an_unknown_address_costs_as_much_time_as_a_wrong_password(api):
    email = api.new_account()

    def fastest(address):
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            api.auth(address, "wrong password")
            times.append(time.perf_counter() - begin)
        return min(times)

    assert fastest(new_email()) > 0.5 * fastest(email)


@pytest.mark.parametrize("change", [
    {"email": ""}, {"email": None}, {"email": "no at sign"}, {"password": ""}, {"password": None},
    {"deviceId": ""}, {"deviceId": None},
])
def test_a_missing_null_empty_or_invalid_field_fails_validation(api, email, change):
    body = {"email": email, "password": PASSWORD, "deviceId": "d", **change}
    assert_error(api.post("/auth/full", body), 400, INVALID)
    if None in change.values():
        body = {key: value for key, value in body.items() if value is not None}
        assert_error(api.post("/auth/full", body), 400, INVALID)


@pytest.mark.parametrize("change", [{"email": 1}, {"password": []}, {"deviceId": 7}, {"deviceId": {}},
                                    {"email": "", "deviceId": True}])
def test_a_field_of_the_wrong_type_is_a_parsing_error(api, email, change):
    assert_error(api.post("/auth/full", {"email": email, "password": PASSWORD, "deviceId": "d", **change}),
                 400, MALFORMED)


def test_validation_comes_before_credentials(api):
    assert_error(api.auth(new_email(), "wrong password", device=""), 400, INVALID)


@pytest.mark.parametrize("device", ["d", " ", "ünïcödé", "a\x00b", "😀", '"quotes"\\', "x" * 1000, "\n", "%s", "{}"])
def test_a_device_id_is_any_text_and_comes_back_as_sent(api, email, device):
    assert api.auth(email, device=device).json["deviceId"] == device


@pytest.mark.smoke
def test_a_new_login_of_a_device_replaces_its_token_and_no_other(api):
    email = api.new_account()
    phone, laptop = api.login(email, device="phone"), api.login(email, device="laptop")
    newer = api.login(email, device="phone")
    assert len({phone, laptop, newer}) == 3
    assert_error(api.get_wallet(phone), 401, NO_TOKEN)
    assert_error(api.post_wallet(phone, 1), 401, NO_TOKEN)
    assert_error(api.get_wallet(laptop), 404, "Not Found: No wallet")
    assert_error(api.get_wallet(newer), 404, "Not Found: No wallet")


@pytest.mark.parametrize("one, other", [("Phone", "phone"), ("a", "a "), ("a", "a\x00"), ("é", "e\u0301"), ("1", "01")])
def test_device_ids_are_compared_exactly(api, email, one, other):
    first = api.login(email, device=one)
    api.login(email, device=other)
    assert api.get_wallet(first).status == 404


def test_a_failed_login_revokes_nothing(api):
    email = api.new_account()
    token = api.login(email)
    api.auth(email, "wrong password")
    assert api.get_wallet(token).status == 404


def test_accounts_do_not_share_devices(api, email):
    mine = api.login(email, device="same name")
    api.login(api.new_account(), device="same name")
    assert api.get_wallet(mine).status == 404


def test_an_unverified_field_in_the_body_is_ignored(api, email):
    reply = api.post("/auth/full", {"email": email, "password": PASSWORD, "deviceId": "d", "scope": "none", "x": [1]})
    assert (reply.status, reply.json["scope"]) == (200, "*")
