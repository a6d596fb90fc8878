"""POST /signup of API 3."""

import pytest

from support.api import PASSWORD, Api1, assert_error, new_email
from support.api3 import MALFORMED, SEED, Api3, assert_success, dump, invalid

TAKEN = "Conflict: Error registering"
NOT_LISTED = "Forbidden: Account not whitelisted"
BAD_EMAIL, BAD_PASSWORD, BAD_SEED = (invalid(f"Invalid or missing '{name}'")
                                     for name in ("email", "password", "clientSaltSeed"))


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.mark.smoke
def test_a_new_account_of_an_open_server_is_201_and_verified_at_once(api):
    email = new_email()
    assert_success(api.signup(email), {"verified": True}, 201)
    assert api.auth(email).status == 200


@pytest.mark.smoke
def test_a_taken_address_is_409_and_the_account_stays_as_it_is(server, api):
    email = api.new_account()
    before = dump(server.redis, email)
    assert_error(api.signup(email), 409, TAKEN)
    assert_error(api.signup(email.upper(), password="another password", clientSaltSeed="f" * 64), 409, TAKEN)
    assert before and dump(server.redis, email) == before


def test_an_address_taken_through_one_api_is_taken_for_the_other(server, api):
    api1 = Api1(server.port)
    first, second = api1.new_account(), api.new_account()
    assert_error(api.signup(first), 409, TAKEN)
    assert_error(api1.signup(second), 409, TAKEN)


def test_an_account_of_one_api_can_log_in_at_the_other(server, api):
    api1 = Api1(server.port)
    first, second = api1.new_account(), api.new_account()
    assert api1.auth(second).json["userId"] == api.auth(second).json["userId"]
    assert api.auth(first).json["userId"] == api1.auth(first).json["userId"]


FIELDS = {"email": "valid@example.com", "password": PASSWORD, "clientSaltSeed": SEED}


@pytest.mark.parametrize("field, error", [("email", BAD_EMAIL), ("password", BAD_PASSWORD), ("clientSaltSeed", BAD_SEED)])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_null_or_empty_field_is_named(api, field, error, value):
    assert_error(api.post("/api/3/signup", {**FIELDS, field: value}), 400, error)
    assert_error(api.post("/api/3/signup", {key: FIELDS[key] for key in FIELDS if key != field}), 400, error)


def test_of_several_bad_fields_the_first_in_the_protocols_order_is_named(api):
    assert_error(api.post("/api/3/signup", {}), 400, BAD_EMAIL)
    assert_error(api.post("/api/3/signup", {"clientSaltSeed": "x", "password": "short", "email": "x"}), 400, BAD_EMAIL)
    assert_error(api.post("/api/3/signup", {"clientSaltSeed": "x", "password": "short", "email": "a@b.c"}), 400, BAD_PASSWORD)


@pytest.mark.parametrize("password", ["1234567", "üü123", "ééé1", "😀123", "x"])
def test_a_password_of_less_than_eight_bytes_is_refused(api, password):
    assert_error(api.signup(new_email(), password=password), 400, BAD_PASSWORD)


@pytest.mark.parametrize("password", ["12345678", "éééé", "😀😀", " " * 8, "\x00" * 8])
def test_a_password_of_eight_bytes_is_long_enough(api, password):
    email = new_email()
    assert api.signup(email, password=password).status == 201
    assert api.auth(email, password).status == 200


@pytest.mark.parametrize("seed", ["0" * 63, "0" * 65, "0" * 128, "g" + "0" * 63, "0" * 63 + " ", " " + "0" * 63, "0x" + "0" * 62,
                                  "0" * 63 + "\n", "0" * 64 + "\x00", "0" * 63 + "\x00", "é" * 32, "０" * 64, "-" + "0" * 63])
def test_a_salt_seed_that_is_not_64_hexadecimal_digits_is_refused(api, seed):
    assert_error(api.signup(new_email(), clientSaltSeed=seed), 400, BAD_SEED)


@pytest.mark.parametrize("field, value", [("email", 1), ("password", 12345678), ("clientSaltSeed", 0), ("clientSaltSeed", [SEED]),
                                          ("password", {"a": 1}), ("email", True)])
def test_a_field_of_the_wrong_type_is_a_parsing_error(api, field, value):
    assert_error(api.post("/api/3/signup", {**FIELDS, field: value}), 400, MALFORMED)


def test_the_rules_for_addresses_are_those_of_api_1(api):
    for email in ("plain", "<a@b.c>", "a..b@c.d", '"quoted"@b.c', "a@[127.0.0.1]", " a@b.c", "a@b.c\n"):
        assert_error(api.signup(email), 400, BAD_EMAIL)


def test_a_whitelist_holds_in_api_3_after_validation_and_before_the_address_is_looked_up(make_server):
    server = make_server(accounts="whitelist joe@example.com").start()
    api = Api3(server.port)
    assert_success(api.signup("JOE@example.com"), {"verified": True}, 201)
    assert api.auth("joe@example.com").status == 200
    assert_error(api.signup("joe@example.com"), 409, TAKEN)
    assert_error(api.signup("jane@example.com"), 403, NOT_LISTED)
    assert_error(api.signup("jane@example.com", clientSaltSeed=""), 400, BAD_SEED)
    server.nginx.http = server.nginx.http.replace("whitelist joe@example.com", "whitelist")
    server.nginx.reload()
    assert_error(api.signup("joe@example.com"), 403, NOT_LISTED)
