"""GET /client-salt-seed: what a new device needs before it can derive the password."""

import base64
import urllib.parse

import pytest

from support.api import Api1, assert_error, new_email
from support.api3 import OTHER_SEED, SEED, Api3, assert_success

INVALID = "Bad Request: Invalid email"
NO_MATCH = "Not Found: No match for email"
PATH = "/api/3/client-salt-seed"


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.fixture(scope="module")
def email(server):
    """Its base64 has a plus, a slash and padding."""
    email = "xx~xx?y" + new_email()
    assert {"+", "/", "="} <= set(coded(email))
    assert Api3(server.port).signup(email).status == 201
    return email


def coded(email):
    return base64.b64encode(email.encode()).decode()


@pytest.mark.smoke
def test_it_is_told_to_everybody_who_knows_the_address(api, email):
    assert_success(api.salt_seed(email), {"clientSaltSeed": SEED})


@pytest.mark.parametrize("seed", ["0123456789abcdefABCDEF9876543210" * 2, "F" * 64, "aB" * 32])
def test_it_comes_back_in_the_case_it_was_sent_in(api, seed):
    email = api.new_account(clientSaltSeed=seed)
    assert_success(api.salt_seed(email), {"clientSaltSeed": seed})


def test_the_address_may_be_spelled_in_another_case(api, email):
    assert_success(api.salt_seed(email.upper()), {"clientSaltSeed": SEED})


def breaks():
    yield "as Python's encodebytes does it", lambda text: base64.encodebytes(base64.b64decode(text)).decode()
    yield "a line feed first", lambda text: "\n" + text
    yield "in the middle", lambda text: text[:7] + "\r\n" + text[7:]
    yield "everywhere", lambda text: "".join(f"\r{letter}\n" for letter in text)
    yield "within the padding", lambda text: text.replace("=", "\n=\r")


@pytest.mark.parametrize("spell", [spell for _, spell in breaks()], ids=[name for name, _ in breaks()])
def test_line_ends_in_the_base64_are_ignored(api, email, spell):
    assert_success(api.salt_seed_of(spell(coded(email))), {"clientSaltSeed": SEED})


@pytest.mark.parametrize("spell", [
    lambda text: text.rstrip("="), lambda text: text + "=", lambda text: text + "====", lambda text: "=" + text,
    lambda text: text.replace("+", "-"), lambda text: text.replace("/", "_"), lambda text: " " + text, lambda text: text + " ",
    lambda text: text[:4] + " " + text[4:], lambda text: text[:4] + "\t" + text[4:], lambda text: text[:4] + "." + text[4:],
    lambda text: text + "\x00", lambda text: text[:4] + "\x0b" + text[4:], lambda text: text[:-4] + "é", lambda text: "====",
    lambda text: "\n", lambda text: "a", lambda text: text + text,
], ids=range(18))
def test_anything_but_padded_standard_base64_of_an_address_is_400(api, email, spell):
    text = spell(coded(email))
    assert text != coded(email)
    assert_error(api.salt_seed_of(text), 400, INVALID)


@pytest.mark.parametrize("content", [b"", b"no address", b"<a@b.c>", b" a@b.c", b"a@b.c\n", b"a@b.c\x00", b"\xff@b.c", b"@", b"a@",
                                     b'"a"@b.c', b"a..b@c.d"])
def test_base64_of_something_else_is_400(api, content):
    assert_error(api.salt_seed_of(base64.b64encode(content)), 400, INVALID)


@pytest.mark.parametrize("query", ["", "?", "?email", "?email=", "?Email={}", "?email=&email={}", "?mail={}", "?token=x"])
def test_a_missing_or_empty_parameter_is_400(api, email, query):
    assert_error(api.get(PATH + query.format(urllib.parse.quote(coded(email), safe=""))), 400, INVALID)


def test_the_address_itself_without_base64_is_400(api):
    assert_error(api.get(f"{PATH}?email={api.new_account()}"), 400, INVALID)


def test_the_first_of_several_parameters_counts(api, email):
    mine, other = (urllib.parse.quote(coded(address), safe="") for address in (email, new_email()))
    assert_success(api.get(f"{PATH}?email={mine}&email={other}"), {"clientSaltSeed": SEED})
    assert_error(api.get(f"{PATH}?x=y&email={other}&email={mine}"), 404, NO_MATCH)


@pytest.mark.smoke
def test_an_unknown_address_is_404(api):
    assert_error(api.salt_seed(new_email()), 404, NO_MATCH)


def test_an_account_of_api_1_has_none_until_a_password_change_sets_one(server, api):
    email = Api1(server.port).new_account()
    assert_error(api.salt_seed(email), 404, NO_MATCH)
    assert api.change(email, seed=OTHER_SEED).status == 200
    assert_success(api.salt_seed(email), {"clientSaltSeed": OTHER_SEED})
