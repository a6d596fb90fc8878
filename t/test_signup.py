"""POST /signup of API 1."""

import hashlib

import pytest

from support.api import JSON_TYPE, PASSWORD, assert_error, new_email

TAKEN = "Conflict: Error registering"
INVALID = "Bad Request: Request failed validation"


@pytest.mark.smoke
def test_a_new_account_is_201_with_an_empty_object(api):
    reply = api.signup(new_email())
    assert (reply.status, reply.reason, reply.json) == (201, "Created", {})
    assert reply.header("Content-Type") == JSON_TYPE


@pytest.mark.smoke
def test_a_taken_address_is_409(api):
    email = api.new_account()
    assert_error(api.signup(email), 409, TAKEN)
    assert_error(api.signup(email, "another password"), 409, TAKEN)


def test_a_refused_second_signup_changes_nothing(api):
    email = api.new_account()
    api.signup(email, "another password")
    assert api.auth(email).status == 200
    assert api.auth(email, "another password").status == 401


@pytest.mark.parametrize("body", [
    {"password": PASSWORD}, {"email": "", "password": PASSWORD}, {"email": None, "password": PASSWORD},
    {"email": "no-at-sign", "password": PASSWORD}, {}, {"email": "valid@example.com"},
    {"email": "valid@example.com", "password": ""}, {"email": "valid@example.com", "password": None},
])
def test_a_missing_null_or_empty_field_fails_validation(api, body):
    assert_error(api.post("/signup", body), 400, INVALID)


@pytest.mark.parametrize("body", [
    {"email": 5, "password": PASSWORD}, {"email": ["a@b.c"], "password": PASSWORD},
    {"email": {"a": 1}, "password": PASSWORD}, {"email": True, "password": PASSWORD},
    {"email": "a@example.com", "password": 12345678}, {"email": "a@example.com", "password": False},
    {"email": "", "password": 1.5},
])
def test_a_field_of_the_wrong_type_is_a_parsing_error_whatever_else_is_wrong(api, body):
    assert_error(api.post("/signup", body), 400, "Bad Request: Request body JSON malformed or structure mismatch")


@pytest.mark.parametrize("password", ["x", "1234567", "ü", " ", "\x00", "p\x00q", "𝄞", '"\\/', "%s%n%d", "y" * 5000])
def test_any_password_that_is_not_empty_is_fine_and_compared_exactly(api, password):
    email = api.new_account(password=password)
    assert api.auth(email, password).status == 200
    assert api.auth(email, password + "x").status == 401


def test_a_password_with_a_nul_is_not_cut_there(api):
    email = api.new_account(password="begin\x00end")
    assert api.auth(email, "begin").status == 401
    assert api.auth(email, "begin\x00other").status == 401


def test_the_query_string_of_a_post_is_ignored(api):
    email = new_email()
    reply = api.post("/signup?email=other&token=x&%zz", {"email": email, "password": PASSWORD})
    assert reply.status == 201
    assert api.auth(email).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "garbage;;"])
def test_content_type_and_accept_of_a_request_are_ignored(api, content_type):
    headers = {"Content-Type": content_type, "Accept": "image/png;q=1"}
    reply = api.post("/signup", {"email": new_email(), "password": PASSWORD}, headers)
    assert (reply.status, reply.header("Content-Type")) == (201, JSON_TYPE)


def test_the_original_spelling_of_an_address_is_kept(server):
    email = "Mixed.Case-" + new_email().upper()
    server.api.signup(email)
    account = hashlib.sha256(email.lower().encode()).hexdigest()[:24]
    stored = server.redis.cli("HGETALL", "wsync:{%s}" % account)
    assert email.encode() in stored


def test_neither_password_nor_token_is_stored_in_clear(server):
    password = "plain-text-that-must-not-be-found"
    email = server.api.new_account(password=password)
    token = server.api.login(email, password)
    written = server.redis.written()
    assert email.encode() in written, "the test looks into the wrong files"
    assert password.encode() not in written
    assert token.encode() not in written
    assert bytes.fromhex(token) not in written
