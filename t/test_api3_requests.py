"""The checks that all endpoints of API 3 share, and their order: path, method, size, JSON, unknown fields, fields."""

import json

import pytest

from support import raw
from support.api import JSON_TYPE, PASSWORD, assert_error, new_email
from support.api3 import MALFORMED, NEW_PASSWORD, SEED, Api3, invalid, unknown
from test_requests import BAD_INSIDE, NOT_ONE_OBJECT

UNKNOWN_ENDPOINT = "Not Found: Unknown Endpoint"
WRONG_VERSION = "Not Found: Wrong API version. Current version is 3."
TOO_LARGE = "Request Entity Too Large"
NOT_EMAIL_MODE = "Forbidden: Account verification mode is not set to EmailVerify"
METHODS = {"signup": {"POST"}, "auth/full": {"POST"}, "password": {"POST"}, "wallet": {"GET", "POST"},
           "client-salt-seed": {"GET"}, "verify": {"GET"}}
# A body for each endpoint that takes one; none of them changes anything.
GOOD = {
    "signup": {"email": "no address", "password": PASSWORD, "clientSaltSeed": SEED},
    "auth/full": {"email": "no address", "password": PASSWORD, "deviceId": "d"},
    "password": {"email": "no address", "oldPassword": PASSWORD, "newPassword": NEW_PASSWORD, "clientSaltSeed": SEED},
    "wallet": {"token": "", "encryptedWallet": "w", "sequence": 1, "hmac": "h"},
}
FIRST_DETAIL = {"signup": "Invalid or missing 'email'", "auth/full": "Invalid 'email'",
                "password": "Invalid or missing 'email'", "wallet": "Missing 'token'"}
POSTS = list(GOOD)


@pytest.fixture
def api(server):
    return Api3(server.port)


def path_of(name):
    return "/api/3/" + name


# ---- path and method

@pytest.mark.parametrize("name", ["", "signup/", "Signup", "SIGNUP", "auth", "auth/", "auth/full/", "auth/Full", "wallet/", "Wallet",
                                  "wallets", "wallet/x", "password/", "verify/", "verify/resend/", "client-salt-seed/",
                                  "client_salt_seed", "websocket/", "metrics", "api/3/wallet", "x", "signup.json"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_below_api_3_that_is_no_endpoint_is_404_whatever_the_method(api, method, name):
    assert_error(api.call(method, path_of(name), b"x" if method == "POST" else None), 404, UNKNOWN_ENDPOINT)


@pytest.mark.parametrize("version", ["1", "2", "4", "30", "33", "03", "3.0", "v3", "three", "-3"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_any_other_version_is_404_and_says_which_is_current(api, method, version):
    for name in ("wallet", "signup", "nothing"):
        assert_error(api.call(method, f"/api/{version}/{name}"), 404, WRONG_VERSION)


def assert_method_not_allowed(reply, name):
    assert reply.status == 405, reply
    assert {method.strip() for method in reply.header("Allow").split(",")} == METHODS[name]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_a_wrong_method_is_405_and_names_the_right_ones(api, name, method):
    if method not in METHODS[name]:
        reply = api.call(method, path_of(name))
        assert_method_not_allowed(reply, name)
        if name != "verify":  # it answers a person, not a program
            assert_error(reply, 405, "Method Not Allowed")


@pytest.mark.parametrize("name", METHODS)
def test_head_is_a_wrong_method_too(server, name):
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("HEAD", path_of(name) + "?token=x"))
        assert_method_not_allowed(link.read(no_body=True), name)
        link.send(raw.request("GET", path_of("wallet")))
        assert link.read().status == 400, "the reply to HEAD had a body"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_resend_looks_at_the_account_mode_before_anything_else(server, api, method):
    assert_error(api.call(method, path_of("verify/resend")), 403, NOT_EMAIL_MODE)
    assert_error(api.call(method, path_of("verify/resend"), b"{"), 403, NOT_EMAIL_MODE)
    head = raw.request(method, path_of("verify/resend"), headers=["Content-Length: 200000"], length=False)
    assert_error(raw.exchange(server.port, head), 403, NOT_EMAIL_MODE)


# ---- size

@pytest.mark.parametrize("name", POSTS)
def test_a_body_over_the_limit_is_413_and_one_of_the_limit_is_read(server, name):
    head = raw.request("POST", path_of(name), headers=["Content-Length: 100001"], length=False)
    assert_error(raw.exchange(server.port, head), 413, TOO_LARGE)
    with raw.RawConnection(server.port) as link:
        link.send(raw.chunked_head(path_of(name)))
        link.send_while_open(raw.chunks(b"x" * 100001, 20000))
        assert_error(link.read(), 413, TOO_LARGE)
    whole = json.dumps(GOOD[name]).encode()
    reply = raw.exchange(server.port, raw.request("POST", path_of(name), whole + b" " * (100000 - len(whole))))
    assert_error(reply, 400, invalid(FIRST_DETAIL[name]))


@pytest.mark.parametrize("name", POSTS)
def test_path_method_and_size_are_checked_in_this_order(server, name):
    def answer(method, path):
        return raw.exchange(server.port, raw.request(method, path, headers=["Content-Length: 200000"], length=False))

    assert_error(answer("PUT", path_of(name + "/")), 404, UNKNOWN_ENDPOINT)
    assert_error(answer("PUT", f"/api/2/{name}"), 404, WRONG_VERSION)
    assert_method_not_allowed(answer("PUT", path_of(name)), name)
    assert_error(answer("POST", path_of(name)), 413, TOO_LARGE)


# ---- JSON

@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("body", NOT_ONE_OBJECT.values(), ids=NOT_ONE_OBJECT.keys())
def test_a_body_that_is_not_one_json_object_is_400(api, name, body):
    assert_error(api.post(path_of(name), body), 400, MALFORMED)


@pytest.mark.parametrize("value", BAD_INSIDE.values(), ids=BAD_INSIDE.keys())
def test_a_syntax_error_anywhere_wins_over_an_unknown_field(api, value):
    whole = json.dumps(GOOD["wallet"]).encode()
    assert_error(api.post(path_of("wallet"), whole[:-1] + b',"unknown":' + value + b"}"), 400, MALFORMED)
    assert_error(api.post(path_of("wallet"), b'{"unknown":1,' + whole[1:-1] + b',"more":' + value + b"}"), 400, MALFORMED)


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("text", ['{"unknown":1}x', '{"unknown":1', '{"unknown":1,}', '{"unknown":1}{}',
                                  '{"unknown":1,"a":"\\x"}'])
def test_a_syntax_error_behind_an_unknown_field_wins(api, name, text):
    assert_error(api.post(path_of(name), text), 400, MALFORMED)


@pytest.mark.parametrize("name", POSTS)
def test_a_field_of_the_wrong_type_wins_over_an_unknown_field(api, name):
    for field in GOOD[name]:
        whole = {**GOOD[name], field: []}
        assert_error(api.post(path_of(name), {**whole, "unknown": 1}), 400, MALFORMED)
        assert_error(api.post(path_of(name), {"unknown": 1, **whole}), 400, MALFORMED)


def test_nesting_is_fine_down_to_ten_thousand_levels(api):
    def nested(levels):  # the object itself is the first level
        return f'{{"unknown":{"[" * (levels - 1)}{"]" * (levels - 1)}}}'

    assert_error(api.post(path_of("wallet"), nested(10000)), 400, unknown("unknown"))
    assert_error(api.post(path_of("wallet"), nested(10001)), 400, MALFORMED)


# ---- unknown fields

@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("value", [1, None, "", "x", [], {"email": 1}, [{"deep": 1}], True, 1.5])
def test_an_unknown_field_of_any_value_is_refused_by_name(api, name, value):
    assert_error(api.post(path_of(name), {**GOOD[name], "surprise": value}), 400, unknown("surprise"))
    assert_error(api.post(path_of(name), {"surprise": value, **GOOD[name]}), 400, unknown("surprise"))


@pytest.mark.parametrize("name", POSTS)
def test_the_first_unknown_field_in_the_text_is_named(api, name):
    assert_error(api.post(path_of(name), {"zz": {"aa": 1}, **GOOD[name], "bb": 1}), 400, unknown("zz"))
    assert_error(api.post(path_of(name), {**GOOD[name], "bb": 1, "zz": 1, "aa": 1}), 400, unknown("bb"))


@pytest.mark.parametrize("name", POSTS)
def test_an_unknown_field_wins_over_a_missing_one(api, name):
    assert_error(api.post(path_of(name), {"unknown": 1}), 400, unknown("unknown"))


@pytest.mark.parametrize("name, field", [
    ("signup", "deviceId"), ("signup", "token"), ("auth/full", "clientSaltSeed"), ("auth/full", "scope"), ("wallet", "version"),
    ("wallet", "email"), ("wallet", "deviceId"), ("password", "password"), ("password", "token"), ("password", "deviceId"),
])
def test_the_fields_of_other_endpoints_are_unknown(api, name, field):
    assert_error(api.post(path_of(name), {**GOOD[name], field: "x"}), 400, unknown(field))


@pytest.mark.parametrize("field", ["", " ", "emai", "emails", "email ", "ema\u0131l", "e-mail", "ünïcödé", "😀", "%s%n", "x" * 1000,
                                   "password\x00", "pa\u017fsword"])
def test_the_name_is_told_as_it_was_sent(api, field):
    assert_error(api.post(path_of("signup"), {**GOOD["signup"], field: 1}), 400, unknown(field))


@pytest.mark.parametrize("name", POSTS)
def test_names_match_without_regard_to_ascii_case(api, name):
    for spell in (str.upper, str.title):
        body = {spell(field): value for field, value in GOOD[name].items()}
        assert_error(api.post(path_of(name), body), 400, invalid(FIRST_DETAIL[name]))


def test_of_equal_names_the_last_counts(api):
    email = new_email()
    fields = f'"password":"{PASSWORD}","clientSaltSeed":"{SEED}"'
    path = path_of("signup")
    assert_error(api.post(path, f'{{"email":"{email}",{fields},"EMAIL":"x"}}'), 400, invalid(FIRST_DETAIL["signup"]))
    assert_error(api.post(path, f'{{"email":7,{fields},"email":"{email}"}}'), 400, MALFORMED)
    assert api.post(path, f'{{"Email":"x",{fields},"email":"{email}"}}').status == 201
    assert api.auth(email).status == 200


# ---- what is ignored

def test_the_query_string_of_a_post_is_ignored(api):
    body = {**GOOD["signup"], "email": new_email()}
    assert api.post(path_of("signup") + "?email=other&unknown=1&%zz", body).status == 201


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                                     {"Accept": "image/png;q=1"}, {"Content-Type": ";;", "Accept": "text/html"}])
def test_content_type_and_accept_of_a_request_are_ignored(api, headers):
    reply = api.post(path_of("auth/full"), {"email": "a@b.c", "password": "x", "deviceId": "d"}, headers)
    assert_error(reply, 400, invalid("Invalid or missing 'password'"))
    assert reply.header("Content-Type") == JSON_TYPE
