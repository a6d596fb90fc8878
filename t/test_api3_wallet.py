"""GET and POST /wallet of API 3: like API 1, but a conflict tells nothing of the wallet."""

import json

import pytest

from support.api import Api1, assert_error, state
from support.api3 import (BAD_SEQUENCE, MALFORMED, NO_TOKEN, NO_WALLET, Api3, assert_success, dump, invalid, key_of,
                          state3, unknown)
from test_wallet import TEXTS, other_tokens

PATH = "/api/3/wallet"
NO_PARAMETER = "Bad Request: Missing token parameter"
DETAILS = {"token": "Missing 'token'", "encryptedWallet": "Missing 'encryptedWallet'", "hmac": "Missing 'hmac'",
           "sequence": "Missing or zero-value 'sequence'"}


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.fixture
def fresh(api):
    """A token of an account without a wallet."""
    return api.new_token()


@pytest.mark.smoke
def test_there_is_no_wallet_at_first(api, fresh):
    assert_error(api.get_wallet(fresh), 404, NO_WALLET)


@pytest.mark.smoke
def test_a_post_answers_with_an_empty_object_and_get_shows_the_wallet(api, fresh):
    for sequence in (1, 2, 3):
        assert_success(api.post_wallet(fresh, sequence, f"wallet {sequence}", f"hmac {sequence}"), {})
        reply = api.get_wallet(fresh)
        assert_success(reply, state3(sequence, f"wallet {sequence}", f"hmac {sequence}"))
        assert type(reply.json["sequence"]) is int


@pytest.mark.parametrize("sequence", [2, 3, 4294967295])
def test_the_first_wallet_must_have_sequence_one(api, token, sequence):
    assert_error(api.post_wallet(token, sequence), 409, BAD_SEQUENCE)
    assert_error(api.get_wallet(token), 404, NO_WALLET)


@pytest.mark.smoke
def test_out_of_sequence_is_409_and_changes_nothing(server, api):
    email = api.new_account()
    token = api.login(email)
    for sequence in (1, 2, 3):
        api.post_wallet(token, sequence, f"wallet {sequence}", f"hmac {sequence}")
    before = dump(server.redis, email)
    for sequence in (1, 2, 3, 5, 4294967295):
        assert_error(api.post_wallet(token, sequence, "mine", "my hmac"), 409, BAD_SEQUENCE)
    assert_error(api.post_wallet(token, 3, "wallet 3", "hmac 3"), 409, BAD_SEQUENCE)
    assert dump(server.redis, email) == before


def test_an_identical_repetition_of_the_first_wallet_is_a_conflict_too(api, fresh):
    api.post_wallet(fresh, 1)
    assert_error(api.post_wallet(fresh, 1), 409, BAD_SEQUENCE)


def test_both_apis_read_and_write_the_same_wallet(server, api, fresh):
    api1 = Api1(server.port)
    assert_success(api1.post_wallet(fresh, 1, "by API 1"), state(1, "by API 1"))
    assert_success(api.get_wallet(fresh), state3(1, "by API 1"))
    assert_success(api.post_wallet(fresh, 2, "by API 3"), {})
    assert_success(api1.get_wallet(fresh), state(2, "by API 3"))
    assert_success(api1.post_wallet(fresh, 2, "late"), state(2, "by API 3", error="Bad sequence number"), 409)
    assert_error(api.post_wallet(fresh, 2, "late"), 409, BAD_SEQUENCE)


def test_the_last_sequence_is_4294967295(server, api):
    email = api.new_account()
    token = api.login(email)
    api.post_wallet(token, 1)
    assert server.redis.cli("HEXISTS", key_of(email, ":wallet"), "sequence") == 1
    server.redis.cli("HSET", key_of(email, ":wallet"), "sequence", 4294967294)
    assert_success(api.post_wallet(token, 4294967295, "last"), {})
    assert_success(api.get_wallet(token), state3(4294967295, "last"))
    assert_error(api.post_wallet(token, 1), 409, BAD_SEQUENCE)
    assert_error(api.post_wallet(token, 4294967296), 400, MALFORMED)


@pytest.mark.parametrize("literal", ["1.0", "1e0", "10e-1", "-0", "-1", "4294967296", "18446744073709551617", '"1"', "true", "[1]",
                                     "{}", "0.0", "01", "+1"])
def test_a_sequence_that_is_not_a_32_bit_integer_literal_is_a_parsing_error(api, token, literal):
    body = json.dumps(api.wallet_body(token, 77)).replace("77", literal)
    assert_error(api.post(PATH, body), 400, MALFORMED)


@pytest.mark.parametrize("field", DETAILS)
def test_a_missing_null_empty_or_zero_field_is_named(api, token, field):
    body = api.wallet_body(token, 1)
    for value in (None, 0 if field == "sequence" else ""):
        assert_error(api.post(PATH, {**body, field: value}), 400, invalid(DETAILS[field]))
    del body[field]
    assert_error(api.post(PATH, body), 400, invalid(DETAILS[field]))


def test_of_several_bad_fields_the_first_in_the_protocols_order_is_named(api, token):
    body = {}
    for field, value in api.wallet_body(token, 1).items():
        missing = next(name for name in DETAILS if name not in body)
        assert_error(api.post(PATH, body), 400, invalid(DETAILS[missing]))
        body[field] = value
    assert_error(api.post(PATH, {"token": token, "sequence": 1}), 400, invalid(DETAILS["encryptedWallet"]))
    assert_error(api.post(PATH, {"token": token, "encryptedWallet": "w"}), 400, invalid(DETAILS["hmac"]))


@pytest.mark.parametrize("field", ["token", "encryptedWallet", "hmac"])
@pytest.mark.parametrize("value", [1, True, {}, ["x"]])
def test_a_text_field_of_another_type_is_a_parsing_error(api, token, field, value):
    assert_error(api.post(PATH, {**api.wallet_body(token, 1), field: value}), 400, MALFORMED)


def test_the_version_of_api_1_is_an_unknown_field(api, token):
    assert_error(api.post(PATH, {**api.wallet_body(token, 1), "version": 1}), 400, unknown("version"))


@pytest.mark.parametrize("query", ["", "?", "?token", "?token=", "?Token={}", "?token=&token={}", "?tokens={}"])
def test_a_get_without_a_token_is_400(api, token, query):
    assert_error(api.get(PATH + query.format(token)), 400, NO_PARAMETER)


@pytest.mark.parametrize("query", ["?token={}&token=other", "?a=b&token={}", "?&token={}&", "?token={}&unknown=x"])
def test_the_first_token_parameter_counts(api, token, query):
    assert_error(api.get(PATH + query.format(token)), 404, NO_WALLET)


def test_a_token_that_is_not_exactly_one_that_was_issued_is_401(api, token):
    for other in other_tokens(token):
        if other != token:
            assert_error(api.post_wallet(other, 1), 401, NO_TOKEN)
            assert_error(api.get_wallet("".join(f"%{byte:02x}" for byte in other.encode())), 401, NO_TOKEN)


def test_validation_comes_before_the_token_and_the_token_before_the_sequence(api, token):
    assert_error(api.post_wallet("0" * 64, 0), 400, invalid(DETAILS["sequence"]))
    assert_error(api.post_wallet("0" * 64, 9), 401, NO_TOKEN)


def test_a_post_takes_its_token_from_the_body_only(api, token):
    assert_error(api.post(f"{PATH}?token={token}", api.wallet_body("", 1)), 400, invalid(DETAILS["token"]))
    assert_error(api.post(f"{PATH}?token={token}", api.wallet_body("0" * 64, 1)), 401, NO_TOKEN)


@pytest.mark.parametrize("escaped", [True, False], ids=["as escapes", "as UTF-8"])
def test_wallet_and_hmac_come_back_as_they_were_sent(api, fresh, escaped):
    for sequence, text in enumerate(TEXTS.values(), 1):
        body = json.dumps(api.wallet_body(fresh, sequence, text, text[::-1]), ensure_ascii=escaped)
        assert_success(api.post(PATH, body.encode()), {})
        assert_success(api.get_wallet(fresh), state3(sequence, text, text[::-1]))


def test_a_wallet_as_large_as_the_limit_allows_comes_back_whole(api, fresh):
    room = 100000 - len(json.dumps(api.wallet_body(fresh, 1, "")))
    assert_success(api.post_wallet(fresh, 1, "w" * room), {})
    assert_success(api.get_wallet(fresh), state3(1, "w" * room))
    assert_error(api.post_wallet(fresh, 2, "w" * (room + 1)), 413, "Request Entity Too Large")
