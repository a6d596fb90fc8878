"""POST /auth/full of API 3. What becomes of tokens is in test_auth.py, both APIs issue the same ones."""

import re

import pytest

from support.api import JSON_TYPE, PASSWORD, Api1, assert_error, new_email
from support.api3 import MALFORMED, NO_TOKEN, NO_WALLET, WRONG, Api3, invalid

BAD_EMAIL, BAD_PASSWORD, NO_DEVICE = (invalid(text) for text in (
    "Invalid 'email'", "Invalid or missing 'password'", "Missing 'deviceId'"))


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.fixture(scope="module")
def email(server):
    """An account of which only logins are made."""
    return Api3(server.port).new_account()


@pytest.mark.smoke
def test_a_login_tells_token_device_scope_user_and_expiry(api, email):
    reply = api.auth(email, device="phone")
    assert (reply.status, reply.header("Content-Type")) == (200, JSON_TYPE)
    fields = reply.json
    assert set(fields) == {"token", "deviceId", "scope", "userId", "expiration"}
    assert re.fullmatch("[0-9a-f]{64}", fields["token"])
    assert (fields["deviceId"], fields["scope"]) == ("phone", "*")
    assert type(fields["userId"]) is int and fields["userId"] >= 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", fields["expiration"])


@pytest.mark.smoke
def test_a_wrong_password_and_an_unknown_address_get_the_same_401(api, email):
    wrong, stranger = api.auth(email, "wrong password"), api.auth(new_email())
    assert_error(wrong, 401, WRONG)
    assert_error(stranger, 401, WRONG)
    assert wrong.headers[2:] == stranger.headers[2:], "all but Server and Date"


@pytest.mark.parametrize("field, error", [("email", BAD_EMAIL), ("password", BAD_PASSWORD), ("deviceId", NO_DEVICE)])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_null_or_empty_field_is_named(api, email, field, error, value):
    fields = {"email": email, "password": PASSWORD, "deviceId": "d"}
    assert_error(api.post("/api/3/auth/full", {**fields, field: value}), 400, error)
    del fields[field]
    assert_error(api.post("/api/3/auth/full", fields), 400, error)


def test_of_several_bad_fields_the_first_in_the_protocols_order_is_named(api):
    assert_error(api.post("/api/3/auth/full", {}), 400, BAD_EMAIL)
    assert_error(api.auth("no address", "", ""), 400, BAD_EMAIL)
    assert_error(api.auth(new_email(), "", ""), 400, BAD_PASSWORD)
    assert_error(api.auth(new_email(), PASSWORD, ""), 400, NO_DEVICE)


@pytest.mark.parametrize("field, value", [("email", 1), ("password", []), ("deviceId", 7), ("deviceId", False)])
def test_a_field_of_the_wrong_type_is_a_parsing_error(api, email, field, value):
    body = {"email": email, "password": PASSWORD, "deviceId": "d", field: value}
    assert_error(api.post("/api/3/auth/full", body), 400, MALFORMED)


def test_a_password_too_short_for_api_3_can_log_in_through_api_1_only(server, api):
    api1 = Api1(server.port)
    email = api1.new_account(password="1234567")
    assert api1.auth(email, "1234567").status == 200
    assert_error(api.auth(email, "1234567"), 400, BAD_PASSWORD)


@pytest.mark.smoke
def test_a_device_has_one_token_whatever_api_it_logs_in_through(server, api):
    api1 = Api1(server.port)
    email = api.new_account()
    tokens = [api.login(email, device="phone"), api1.login(email, device="phone"), api.login(email, device="laptop"),
              api.login(email, device="phone")]
    for token, alive in zip(tokens, [False, False, True, True]):
        for client in (api, api1):
            assert_error(client.get_wallet(token), *((404, NO_WALLET) if alive else (401, NO_TOKEN)))


def test_the_address_of_a_login_may_be_spelled_in_another_case(api, email):
    assert api.auth(email.upper()).json["userId"] == api.auth(email).json["userId"]


@pytest.mark.parametrize("device", [" ", "ünïcödé 😀", "a\x00b", '"\\', "x" * 1000, "%s\n"])
def test_a_device_id_is_any_text_and_comes_back_as_sent(api, email, device):
    assert api.auth(email, device=device).json["deviceId"] == device
