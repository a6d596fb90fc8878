"""The checks that all endpoints of API 1 share, and their order: path, method, size, JSON, fields."""

import json

import pytest

from support import raw
from support.api import JSON_TYPE, PASSWORD, assert_error, new_email

MALFORMED = "Bad Request: Request body JSON malformed or structure mismatch"
INVALID = "Bad Request: Request failed validation"
METHODS = {"/signup": {"POST"}, "/auth/full": {"POST"}, "/wallet": {"GET", "POST"}}
POSTS = list(METHODS)


def assert_method_not_allowed(reply, path):
    assert reply.status == 405, reply
    assert {method.strip() for method in reply.header("Allow").split(",")} == METHODS[path]


@pytest.mark.parametrize("path", ["/", "/signup/", "/Signup", "/SIGNUP", "/auth", "/auth/", "/auth/full/", "/wallet/", "/wallets",
                                  "/Wallet", "/wallet/x", "/auth/full/x", "/signup.json", "/verify", "/password", "/metrics",
                                  "/client-salt-seed", "/websocket", "/x/wallet", "/apix", "/ap"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_any_other_path_is_404_whatever_the_method(api, method, path):
    reply = api.call(method, path, b"x" if method == "POST" else None)
    assert reply.status == 404
    assert reply.header("Content-Type") == JSON_TYPE
    assert reply.error.startswith("Not Found")


@pytest.mark.parametrize("path", ["/api/1/wallet", "/api/2/signup", "/api/4/auth/full", "/api/03/wallet", "/api/33/wallet",
                                  "/api/v3/wallet", "/api/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_version_below_api_is_404_and_says_which_is_current(api, method, path):
    assert_error(api.call(method, path), 404, "Not Found: Wrong API version. Current version is 3.")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "BREW"])
def test_a_wrong_method_is_405_and_names_the_right_ones(api, path, method):
    if method not in METHODS[path]:
        reply = api.call(method, path)
        assert_error(reply, 405, "Method Not Allowed")
        assert_method_not_allowed(reply, path)


@pytest.mark.parametrize("path", POSTS)
def test_head_is_a_wrong_method_too(server, path):
    with raw.RawConnection(server.port) as link:
        link.send(raw.request("HEAD", path + "?token=x"))
        reply = link.read(no_body=True)
        assert_method_not_allowed(reply, path)
        link.send(raw.request("GET", "/wallet"))
        assert link.read().status == 400, "the reply to HEAD had a body"


@pytest.mark.parametrize("path", POSTS)
def test_the_method_is_checked_before_the_size(server, path):
    reply = raw.exchange(server.port, raw.request("PUT", path, headers=["Content-Length: 200000"], length=False))
    assert_method_not_allowed(reply, path)


@pytest.mark.parametrize("path", ["/nothing", "/api/2/x"])
def test_the_path_is_checked_before_method_and_size(server, path):
    reply = raw.exchange(server.port, raw.request("PUT", path, headers=["Content-Length: 200000"], length=False))
    assert reply.status == 404


GOOD = {
    "/signup": {"email": "json@example.com", "password": PASSWORD},
    "/auth/full": {"email": "json@example.com", "password": PASSWORD, "deviceId": "d"},
    "/wallet": {"version": 1, "token": "0" * 64, "encryptedWallet": "w", "sequence": 1, "hmac": "h"},
}
NOT_ONE_OBJECT = {
    "empty": b"", "blank": b" \n", "half": b'{"email":"a@b.c"', "brace": b"{", "array": b"[]", "array of objects": b"[{}]",
    "text": b'"text"', "number": b"1", "true": b"true", "null": b"null", "garbage": b"garbage", "two objects": b"{}{}",
    "trailing text": b"{} x", "trailing comma after": b"{},", "trailing brace": b"{}}", "trailing NUL": b"{}\x00",
    "byte order mark": b"\xef\xbb\xbf{}", "UTF-16": "{}".encode("utf-16-le"), "no-break space": b"\xc2\xa0{}",
    "form feed": b"\x0c{}", "form": b"email=a%40b.c&password=x",
}
BAD_INSIDE = {
    "raw newline": b'"a\nb"', "raw tab": b'"a\tb"', "raw NUL": b'"a\x00b"', "raw 0x1f": b'"\x1f"', "bad escape": b'"\\x41"',
    "escaped quote style": b"'a'", "short escape": b'"\\u12"', "not hex": b'"\\u12G4"', "lone high": b'"\\ud800"',
    "lone low": b'"\\udc00"', "high and text": b'"\\ud800x"', "high and high": b'"\\ud800\\ud800"', "swapped": b'"\\udc00\\ud800"',
    "high and escape": b'"\\ud800\\n"', "high and BMP": b'"\\ud800\\u0041"', "invalid UTF-8": b'"\xff"', "cut UTF-8": b'"\xe2\x82"',
    "overlong": b'"\xc0\xaf"', "overlong NUL": b'"\xc0\x80"', "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "above Unicode": b'"\xf4\x90\x80\x80"', "lone continuation": b'"\x80"', "Latin-1": b'"caf\xe9"', "unended text": b'"a',
    "unended escape": b'"a\\', "leading zero": b"01", "plus": b"+1", "dot": b".5", "dot at the end": b"1.", "exponent": b"1e",
    "minus": b"-", "hex": b"0x1", "NaN": b"NaN", "Infinity": b"Infinity", "True": b"True", "undefined": b"undefined",
    "nothing": b"", "comma in array": b"[1,]", "comma first": b"[,1]", "open array": b"[", "wrong end": b"[}", "comment": b"1/**/",
    "line comment": b"1//\n", "two values": b"1 2", "single word": b"nul", "comma in object": b'{"a":1,}', "no colon": b'{"a" 1}',
    "key not text": b"{1:1}", "key bare": b"{a:1}",
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", NOT_ONE_OBJECT.values(), ids=NOT_ONE_OBJECT.keys())
def test_a_body_that_is_not_one_json_object_is_400(api, path, body):
    assert_error(api.post(path, body), 400, MALFORMED)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("value", BAD_INSIDE.values(), ids=BAD_INSIDE.keys())
def test_a_syntax_error_anywhere_is_400_even_in_an_unknown_field(api, path, value):
    whole = json.dumps(GOOD[path]).encode()
    assert_error(api.post(path, whole[:-1] + b',"unknown":' + value + b"}"), 400, MALFORMED)
    assert_error(api.post(path, b'{"unknown":' + value + b"," + whole[1:]), 400, MALFORMED)


@pytest.mark.parametrize("key", [b'"\xff"', b'"\\ud800"', b'"a\nb"', b'"\\q"'])
def test_a_bad_field_name_is_400(api, key):
    whole = json.dumps(GOOD["/wallet"]).encode()
    assert_error(api.post("/wallet", whole[:-1] + b"," + key + b":1}"), 400, MALFORMED)


@pytest.mark.parametrize("value", ["1", "-0", "1e400", "-1.5E-7", "123456789012345678901234567890", "null", "[]", "{}", '"\\u0000"',
                                   '[[{"token":"x"}],null]', '{"token":1,"sequence":"x"}', '""', "true", '"\\ud83d\\ude00"'])
def test_an_unknown_field_of_any_value_is_ignored(api, token, value):
    body = json.dumps(api.wallet_body(token, 9))
    expected = (409, {"error": "Conflict: Bad sequence number (No existing wallet)"})
    for spelled in (f'{{"unknown":{value},{body[1:]}', f'{body[:-1]},"":{value}}}', f'{body[:-1]},"tokens":{value}}}'):
        reply = api.post("/wallet", spelled)
        assert (reply.status, reply.json) == expected


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_nesting_is_fine_down_to_ten_thousand_levels(api, token, opening, closing):
    body = json.dumps(api.wallet_body(token, 9))[:-1]

    def nested(levels):  # the object itself is the first level
        return f'{body},"unknown":{opening * (levels - 1)}{"1" if closing == "}" else ""}{closing * (levels - 1)}}}'

    assert api.post("/wallet", nested(10000)).status == 409
    assert_error(api.post("/wallet", nested(10001)), 400, MALFORMED)
    assert_error(api.post("/wallet", f'{body},"unknown":{"[" * 50000}'), 400, MALFORMED)


@pytest.mark.parametrize("spelling", [" {} ", "\r\n\t{}\n\n", "{}\n"])
def test_blanks_around_the_object_are_fine(api, token, spelling):
    reply = api.post("/wallet", spelling.format(json.dumps(api.wallet_body(token, 9))))
    assert reply.status == 409


def spelled(secret, names):
    """A POST of sequence 9 to an account without a wallet (409 if all fields are understood), fields renamed."""
    fields = {"version": "1", "token": f'"{secret}"', "encryptedWallet": '"w"', "sequence": "9", "hmac": '"h"'}
    return "{" + ",".join(f'"{names.get(name, name)}":{value}' for name, value in fields.items()) + "}"


@pytest.mark.parametrize("names", [
    {"token": "TOKEN"}, {"token": "Token"}, {"encryptedWallet": "encryptedwallet"}, {"encryptedWallet": "ENCRYPTEDWALLET"},
    {"sequence": "Sequence"}, {"hmac": "HMAC"}, {"version": "vErSiOn"}, {"token": "\\u0074oken"}, {"hmac": "h\\u004dac"},
])
def test_field_names_match_without_regard_to_ascii_case(api, token, names):
    assert api.post("/wallet", spelled(token, names)).status == 409


@pytest.mark.parametrize("names", [{"token": "to\u212aen"}, {"sequence": "\u017fequence"}, {"hmac": "hmac "}, {"hmac": "hma"},
                                   {"hmac": "hmac\\u0000"}, {"token": "t\\u00f6ken"}])
def test_field_names_match_in_no_other_way(api, token, names):
    assert_error(api.post("/wallet", spelled(token, names).encode()), 400, INVALID)


@pytest.mark.parametrize("first, second", [("sequence", "sequence"), ("sequence", "SEQUENCE"), ("SEQUENCE", "sequence"),
                                           ("Sequence", "sEQUENCE")])
def test_of_equal_names_the_last_counts(api, token, first, second):
    body = spelled(token, {"sequence": second})
    assert api.post("/wallet", f'{{"{first}":0,{body[1:]}').status == 409
    assert_error(api.post("/wallet", f'{body[:-1]},"{first}":0}}'), 400, INVALID)


def test_every_one_of_equal_names_must_have_the_right_type(api, token):
    assert_error(api.post("/wallet", '{"sequence":"x",' + spelled(token, {})[1:]), 400, MALFORMED)


def test_of_equal_addresses_the_last_one_is_signed_up(api):
    one, other = new_email(), new_email()
    reply = api.post("/signup", f'{{"email":"{one}","password":"{PASSWORD}","EMAIL":"{other}"}}')
    assert reply.status == 201
    assert api.auth(one).status == 401
    assert api.auth(other).status == 200


def test_the_field_names_of_one_endpoint_are_nothing_to_another(api):
    body = {"email": new_email(), "password": PASSWORD, "sequence": "x", "token": 5, "deviceId": [], "hmac": {}}
    assert api.post("/signup", body).status == 201
