"""Which addresses are addresses, and which of them are the same one."""

import secrets
import unicodedata

import pytest

from support.api import PASSWORD, assert_error, new_email
from support.api3 import WRONG, Api3, dump, key_of

INVALID = "Bad Request: Request failed validation"


def unique(local="u"):
    return f"{local}{secrets.token_hex(8)}"


@pytest.mark.parametrize("pattern", [
    "{}@example.com", "{}@localhost", "{}@a", "{}@127.0.0.1", "{}@1", "{}@example.1", "{}@bücher.example",
    "jörg.{}@example.com", "用户{}@例子.广告", "{}.b.c@d.e.f", "{}+tag@example.com", "{}!#$%&'*+-/=?^_`{{|}}~@example.com",
    "{}@ex!#$%&'*+-/=?^_`{{|}}~ample", "{}%percent@example.com", "{}@-a-.-b-", "😀{}@example.com", "{}@😀.example",
])
def test_a_bare_addr_spec_is_accepted(api, pattern):
    email = pattern.format(unique())
    assert api.signup(email).status == 201


@pytest.mark.parametrize("email", [
    "plain", "@", "a@", "@b", ".a@b.c", "a.@b.c", "a..b@c.d", "a@.b", "a@b.", "a@b..c", "a@.", ".@a",
    " a@b.c", "a@b.c ", "\ta@b.c", "a@b.c\n", "a @b.c", "a@ b.c", "a b@c.d", "a@b c",
    "<a@b.c>", "Name <a@b.c>", "a@b.c (comment)", "(comment)a@b.c", "a(c)@b.c", '"quoted"@b.c', '"a b"@c.d', '"a@b.c',
    "a@[127.0.0.1]", "a@[IPv6:::1]", "a@b@c", "a@@b", "a,b@c.d", "a@b.c,d@e.f", "a;b@c.d", "a@b.c;", "a:b@c.d",
    "a\\b@c.d", "a@b\\c", "a>@b.c", "a]@b.c", "a\x00@b.c", "a@b.c\x00", "a\x1f@b.c", "a\x7f@b.c", "a\r@b.c",
    "mailto:a@b.c", "group:a@b.c;",
])
@pytest.mark.parametrize("path", ["/signup", "/auth/full"])
def test_anything_else_fails_validation(api, path, email):
    assert_error(api.post(path, {"email": email, "password": PASSWORD, "deviceId": "d"}), 400, INVALID)


@pytest.mark.parametrize("first, second", [
    ("joe", "JOE"), ("Élan", "élan"), ("ΣΑΣ", "σασ"), ("Ж", "ж"), ("Ǆ", "ǆ"), ("ǅ", "ǆ"), ("ẞ", "ß"), ("𐐀", "𐐨"),
    ("Å", "å"), ("Ａ", "ａ"), ("Ⅷ", "ⅷ"), ("Ω", "ω"),
])
@pytest.mark.parametrize("part", ["local", "domain"])
def test_addresses_that_differ_in_case_only_are_one_account(api, first, second, part):
    name = unique()
    spell = (lambda text: f"{text}{name}@example.com") if part == "local" else (lambda text: f"{name}@{text}.example")
    api.signup(spell(first))
    assert_error(api.signup(spell(second)), 409, "Conflict: Error registering")
    assert api.auth(spell(second)).status == 200
    assert api.auth(spell(second).upper() if first == "joe" else spell(first)).status == 200


@pytest.mark.parametrize("email", ["m\u0130ke@example.com", "mike@g\u0130thub.com", "\u212a@example.com", "jürgen@g\u0130thub.com"])
def test_a_letter_that_would_become_an_ascii_one_is_refused(api, email):
    """U+0130 and the Kelvin sign: the account would be that of the address in plain letters, and its mail would go elsewhere."""
    for path in ("/signup", "/auth/full"):
        assert_error(api.post(path, {"email": email, "password": PASSWORD, "deviceId": "d"}), 400, INVALID)


@pytest.mark.parametrize("first, second", [
    ("ς", "σ"), ("ß", "ss"), ("é", "e"), (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
    ("ı", "i"), ("ﬁ", "fi"),
])
def test_addresses_whose_lower_case_differs_are_two_accounts(api, first, second):
    name = unique()
    assert api.signup(f"{first}{name}@example.com").status == 201
    assert api.signup(f"{second}{name}@example.com").status == 201


def test_an_account_that_only_shares_the_id_of_an_address_is_not_its_account(server, api):
    """The id is a part of a hash; the address that is stored decides."""
    api3, email = Api3(server.port), new_email()
    assert api3.signup(email).status == 201
    server.redis.cli("HSET", key_of(email), "email", new_email())
    before = dump(server.redis, email)
    assert_error(api3.salt_seed(email), 404, "Not Found: No match for email")
    assert_error(api3.signup(email), 409, "Conflict: Error registering")
    assert dump(server.redis, email) == before
    for reply in (api3.auth(email), api3.change(email)):
        assert_error(reply, 401, WRONG)


def test_the_answer_to_a_login_is_the_same_for_each_spelling(api):
    email = new_email()
    api.signup(email.upper())
    assert api.auth(email).json["userId"] == api.auth(email.title()).json["userId"]
