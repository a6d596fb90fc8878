"""GET and POST /wallet of API 1: the state, its sequence, conflicts."""

import hashlib
import json

import pytest

from support.api import JSON_TYPE, assert_error, state

INVALID = "Bad Request: Request failed validation"
MALFORMED = "Bad Request: Request body JSON malformed or structure mismatch"
NO_TOKEN = "Unauthorized: Token Not Found"
NO_PARAMETER = "Bad Request: Missing token parameter"
FIRST_IS_NOT_ONE = "Conflict: Bad sequence number (No existing wallet)"
CONFLICT = "Bad sequence number"


@pytest.fixture
def fresh(api):
    """A token of an account without a wallet."""
    return api.new_token()


def assert_state(reply, *args, status=200, **more):
    assert (reply.status, reply.json) == (status, state(*args, **more)), reply
    assert reply.header("Content-Type") == JSON_TYPE
    assert type(reply.json["sequence"]) is int


@pytest.mark.smoke
def test_there_is_no_wallet_at_first(api, fresh):
    assert_error(api.get_wallet(fresh), 404, "Not Found: No wallet")


@pytest.mark.smoke
def test_a_post_answers_with_the_state_it_stored_and_get_shows_it(api, fresh):
    assert_state(api.post_wallet(fresh, 1, "first", "h1"), 1, "first", "h1")
    assert_state(api.get_wallet(fresh), 1, "first", "h1")
    assert_state(api.post_wallet(fresh, 2, "second", "h2"), 2, "second", "h2")
    assert_state(api.get_wallet(fresh), 2, "second", "h2")


@pytest.mark.parametrize("sequence", [2, 3, 4294967295])
def test_the_first_wallet_must_have_sequence_one(api, fresh, sequence):
    assert_error(api.post_wallet(fresh, sequence), 409, FIRST_IS_NOT_ONE)
    assert api.get_wallet(fresh).status == 404


@pytest.mark.smoke
def test_out_of_sequence_is_409_with_the_current_state(api, fresh):
    for sequence in (1, 2, 3):
        api.post_wallet(fresh, sequence, f"wallet {sequence}", f"hmac {sequence}")
    for sequence in (1, 2, 3, 5, 4294967295):
        reply = api.post_wallet(fresh, sequence, "mine", "my hmac")
        assert_state(reply, 3, "wallet 3", "hmac 3", status=409, error=CONFLICT)
    assert_state(api.get_wallet(fresh), 3, "wallet 3", "hmac 3")


def test_an_identical_repetition_is_a_conflict_too(api, fresh):
    api.post_wallet(fresh, 1)
    assert_state(api.post_wallet(fresh, 1), 1, status=409, error=CONFLICT)


def test_all_devices_of_an_account_see_one_wallet(api):
    email = api.new_account()
    phone, laptop = api.login(email, device="phone"), api.login(email, device="laptop")
    api.post_wallet(phone, 1, "from the phone")
    assert_state(api.get_wallet(laptop), 1, "from the phone")
    assert_state(api.post_wallet(laptop, 2, "from the laptop"), 2, "from the laptop")
    assert_state(api.post_wallet(phone, 2, "late"), 2, "from the laptop", status=409, error=CONFLICT)


def test_accounts_have_wallets_of_their_own(api, fresh):
    other = api.new_token()
    api.post_wallet(fresh, 1, "mine")
    assert api.get_wallet(other).status == 404
    api.post_wallet(other, 1, "theirs")
    assert_state(api.get_wallet(fresh), 1, "mine")


def set_stored_sequence(server, email, sequence):
    key = "wsync:{%s}:wallet" % hashlib.sha256(email.encode()).hexdigest()[:24]
    assert server.redis.cli("HEXISTS", key, "sequence") == 1
    server.redis.cli("HSET", key, "sequence", sequence)


def test_the_last_sequence_is_4294967295(server):
    api = server.api
    email = api.new_account()
    token = api.login(email)
    api.post_wallet(token, 1)
    set_stored_sequence(server, email, 4294967294)
    assert_state(api.post_wallet(token, 4294967295, "last"), 4294967295, "last")
    assert_state(api.get_wallet(token), 4294967295, "last")
    assert_state(api.post_wallet(token, 1), 4294967295, "last", status=409, error=CONFLICT)
    assert_error(api.post_wallet(token, 4294967296), 400, MALFORMED)


@pytest.mark.parametrize("literal", ["1.0", "1e0", "1E0", "10e-1", "-0", "-1", "4294967296", "4294967297", '"1"', "true",
                                     "18446744073709551617", "99999999999999999999999", "1e400", "[1]", "{}", "0.0",
                                     "01", "+1", "0x1", ".1", "1."])
def test_a_sequence_that_is_not_a_32_bit_integer_literal_is_a_parsing_error(api, token, literal):
    body = json.dumps(api.wallet_body(token, 77)).replace("77", literal)
    assert_error(api.post("/wallet", body), 400, MALFORMED)


@pytest.mark.parametrize("literal", ["1.0", "1e0", '"1"', "true", "[1]"])
def test_a_version_that_is_not_an_integer_literal_is_a_parsing_error(api, token, literal):
    body = json.dumps({**api.wallet_body(token, 1), "version": 77}).replace("77", literal)
    assert_error(api.post("/wallet", body), 400, MALFORMED)


@pytest.mark.parametrize("field, value", [
    ("version", 0), ("version", 2), ("version", 3), ("version", None), ("token", ""), ("token", None),
    ("encryptedWallet", ""), ("encryptedWallet", None), ("hmac", ""), ("hmac", None), ("sequence", 0), ("sequence", None),
])
def test_a_missing_null_empty_or_zero_field_fails_validation(api, token, field, value):
    body = {**api.wallet_body(token, 1), field: value}
    assert_error(api.post("/wallet", body), 400, INVALID)
    if value is None:
        del body[field]
        assert_error(api.post("/wallet", body), 400, INVALID)


@pytest.mark.parametrize("field", ["token", "encryptedWallet", "hmac"])
@pytest.mark.parametrize("value", [1, True, [], {}, ["x"]])
def test_a_text_field_of_another_type_is_a_parsing_error(api, token, field, value):
    assert_error(api.post("/wallet", {**api.wallet_body(token, 1), field: value}), 400, MALFORMED)


@pytest.mark.parametrize("query", ["", "?", "?token", "?token=", "?Token={}", "?TOKEN={}", "?xtoken={}", "?token2={}",
                                   "?token=&token={}", "?a=token={}", "?&&"])
def test_a_get_without_a_token_is_400(api, token, query):
    assert_error(api.get("/wallet" + query.format(token)), 400, NO_PARAMETER)


@pytest.mark.parametrize("query", ["?token={}", "?token={}&token=other", "?token={}&token=", "?a=b&token={}", "?&token={}&",
                                   "?a&token={}", "?token={}&encryptedWallet=x", "?atoken=1&token={}", "?=&token={}"])
def test_the_first_token_parameter_counts(api, token, query):
    assert_error(api.get("/wallet" + query.format(token)), 404, "Not Found: No wallet")


def test_a_token_parameter_is_percent_decoded(api, token):
    escaped = "".join(f"%{ord(letter):02x}" for letter in token)
    assert_error(api.get_wallet(escaped), 404, "Not Found: No wallet")


def other_tokens(token):
    return [token.upper(), token[:-1], token + "0", token[:-1] + ("0" if token[-1] != "0" else "1"), "0" * 64, "x",
            token[:24] + "0" * 40, " " + token, token + "\n", token + "\x00", token[:24], "Z" * 64, "é" * 32, "*",
            "a" * 1000]


@pytest.mark.parametrize("number", range(15))
def test_a_token_that_is_not_exactly_one_that_was_issued_is_401(api, token, number):
    other = other_tokens(token if token.upper() != token else token[:-1] + "a")[number]
    assert_error(api.post_wallet(other, 1), 401, NO_TOKEN)
    escaped = "".join(f"%{byte:02x}" for byte in other.encode())
    assert_error(api.get_wallet(escaped), 401, NO_TOKEN)


def test_the_token_is_checked_before_the_sequence(api, fresh):
    api.post_wallet(fresh, 1)
    assert_error(api.post_wallet("0" * 64, 9), 401, NO_TOKEN)


def test_validation_comes_before_the_token(api):
    assert_error(api.post_wallet("0" * 64, 0), 400, INVALID)
    assert_error(api.post("/wallet", {**api.wallet_body("0" * 64, 1), "version": 2}), 400, INVALID)


def test_a_post_takes_its_token_from_the_body_only(api, token):
    body = api.wallet_body("", 1)
    assert_error(api.post(f"/wallet?token={token}", body), 400, INVALID)
    body["token"] = "0" * 64
    assert_error(api.post(f"/wallet?token={token}", body), 401, NO_TOKEN)


TEXTS = {
    "quotes and backslashes": '"\\"/\\\\"',
    "control characters": "".join(map(chr, range(32))) + "\x7f",
    "only NUL": "\x00",
    "percent signs": "%s%n%%%d%1$s %00",
    "non-BMP": "𝄞😀\U0010ffff",
    "edges of UTF-8": "\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000",
    "line separators": "\u2028\u2029\u0085",
    "markup": "<script>&amp;</script>'",
    "combining": "e\u0301 \u202e",
    "text like an escape": "\\u0041\\n\\\\u0000",
    "blanks": "  \t\r\n  ",
    "byte order mark": "\ufeffx\ufeff",
    "a number": "1.0",
    "null": "null",
    "Redis protocol": "*1\r\n$4\r\nPING\r\n",
    "base64": "a+/=" * 50,
}


@pytest.mark.parametrize("escaped", [True, False], ids=["as escapes", "as UTF-8"])
def test_wallet_and_hmac_come_back_as_they_were_sent(api, fresh, escaped):
    for sequence, text in enumerate(TEXTS.values(), 1):
        body = json.dumps(api.wallet_body(fresh, sequence, text, text[::-1]), ensure_ascii=escaped)
        assert_state(api.post("/wallet", body.encode()), sequence, text, text[::-1])
        assert_state(api.get_wallet(fresh), sequence, text, text[::-1])


@pytest.mark.parametrize("letter", ["x", "\\u0000", "\\\\", "😀", "\\ud83d\\ude00", "é", "\\n"])
def test_a_wallet_as_large_as_the_limit_allows_comes_back_whole(api, fresh, letter):
    frame = json.dumps(api.wallet_body(fresh, 1, "@", "hmac"))
    room = 100000 - (len(frame) - 1)
    text = letter * (room // len(letter.encode()))
    body = frame.replace("@", text).encode()
    body += b" " * (100000 - len(body))
    expected = json.loads(body)["encryptedWallet"]
    assert_state(api.post("/wallet", body), 1, expected, "hmac")
    assert_state(api.get_wallet(fresh), 1, expected, "hmac")
    assert_state(api.post_wallet(fresh, 5), 1, expected, "hmac", status=409, error=CONFLICT)
