"""Authorization: Bearer, ETag and If-None-Match: offers that disturb nobody who does not take them."""

import pytest

from support import raw
from support.api import Api1, assert_error
from support.api3 import NEW_PASSWORD, NO_TOKEN, NO_WALLET, Api3, assert_success, state3, with_wallet

NO_PARAMETER = "Bad Request: Missing token parameter"


@pytest.fixture(params=[Api1, Api3], ids=["API 1", "API 3"])
def api(request, server):
    return request.param(server.port)


@pytest.fixture(scope="module")
def stored(server):
    """A token of an account with a wallet of sequence 2."""
    api = Api3(server.port)
    token = api.new_token()
    for sequence in (1, 2):
        assert api.post_wallet(token, sequence).status == 200
    return token


def with_header(api, value, query=""):
    return api.get(f"{api.prefix}/wallet{query}", {"Authorization": value})


def asked(api, token, tags):
    return api.get_wallet(token, {"If-None-Match": tags})


# ---- Authorization

@pytest.mark.smoke
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_as_good_as_a_parameter(api, stored, scheme):
    reply = with_header(api, f"{scheme} {stored}")
    assert (reply.status, reply.body) == (200, api.get_wallet(stored).body)


def test_a_bearer_token_without_a_wallet_is_404(api, token):
    assert_error(with_header(api, f"Bearer {token}"), 404, NO_WALLET)


def test_a_bearer_token_that_was_not_issued_is_401(api, stored):
    for other in ("0" * 64, "x", stored.upper() if stored.upper() != stored else "X" + stored[1:], stored[:-1], stored + "0"):
        assert_error(with_header(api, f"Bearer {other}"), 401, NO_TOKEN)


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "{}", "Basic {}", "Bearer{}", "Token {}", "BearerX {}", ""])
def test_any_other_authorization_is_no_token(api, stored, value):
    assert_error(with_header(api, value.format(stored)), 400, NO_PARAMETER)


def test_an_empty_parameter_leaves_the_word_to_the_header(api, stored):
    assert with_header(api, f"Bearer {stored}", "?token=").status == 200


@pytest.mark.parametrize("value", ["Basic dXNlcjpwYXNz", "Bearer of-something-else", "Bearer", "Negotiate"])
def test_a_header_meant_for_somebody_else_does_not_disturb_a_parameter(api, stored, value):
    assert with_header(api, value, f"?token={stored}").status == 200


def test_a_wrong_parameter_is_not_mended_by_the_header(api, stored):
    assert_error(with_header(api, f"Bearer {stored}", "?token=wrong"), 401, NO_TOKEN)


def test_a_bearer_token_dies_with_a_password_change(server):
    api = Api3(server.port)
    email = api.new_account()
    token = api.login(email)
    assert with_header(api, f"Bearer {token}").status == 404
    assert api.change(email).status == 200
    assert_error(with_header(api, f"Bearer {token}"), 401, NO_TOKEN)


# ---- ETag

@pytest.mark.smoke
def test_a_wallet_has_its_sequence_as_etag(api, stored):
    assert api.get_wallet(stored).header("ETag") == '"2"'


@pytest.mark.smoke
@pytest.mark.parametrize("tags", ['"2"', 'W/"2"', "*", '"1", "2"', '"2","9"', '"x" , W/"2"'])
def test_a_wallet_the_client_has_already_is_304_without_a_body(api, stored, tags):
    reply = asked(api, stored, tags)
    assert (reply.status, reply.body, reply.header("ETag")) == (304, b"", '"2"')


@pytest.mark.parametrize("tags", ['"1"', '"3"', '"1", "3"', '"22"', '"02"', '"2 "', '""', "2", '"2', "", "-", 'W/"1"'])
def test_any_other_tag_gets_the_wallet(api, stored, tags):
    reply = asked(api, stored, tags)
    assert (reply.status, reply.body) == (200, api.get_wallet(stored).body)
    assert reply.header("ETag") == '"2"'


def test_the_connection_of_a_304_goes_on(server, stored):
    with raw.RawConnection(server.port) as link:
        for status, tag in ((304, '"2"'), (200, '"1"'), (304, '"2"'), (304, "*"), (200, '"5"')):
            link.send(raw.request("GET", f"/api/3/wallet?token={stored}", headers=[f"If-None-Match: {tag}"]))
            assert link.read().status == status


@pytest.mark.parametrize("tags", ['"0"', "*", '"1"'])
def test_errors_come_before_the_comparison_and_have_no_etag(api, token, tags):
    for reply, error in ((asked(api, token, tags), (404, NO_WALLET)), (asked(api, "0" * 64, tags), (401, NO_TOKEN)),
                         (asked(api, "", tags), (400, NO_PARAMETER))):
        assert_error(reply, *error)
        assert reply.header("ETag") is None


def test_the_tag_moves_with_each_write_and_with_a_password_change(server):
    api = Api3(server.port)
    email = api.new_account()
    token = api.login(email)
    for sequence in (1, 2):
        api.post_wallet(token, sequence)
        assert asked(api, token, f'"{sequence}"').status == 304
        assert asked(api, token, f'"{sequence - 1}"').status == 200
    assert api.change(email, **with_wallet(3)).status == 200
    assert_error(asked(api, token, '"2"'), 401, NO_TOKEN)
    token = api.login(email, NEW_PASSWORD)
    assert_success(asked(api, token, '"2"'), state3(3, "re-encrypted", "new hmac"))
    assert asked(api, token, '"3"').status == 304


def test_a_post_looks_at_no_condition(server):
    api = Api3(server.port)
    token = api.new_token()
    for sequence, tags in ((1, "*"), (2, '"1"'), (3, '"2"')):
        reply = api.post("/api/3/wallet", api.wallet_body(token, sequence), {"If-None-Match": tags})
        assert_success(reply, {})
        assert reply.header("ETag") is None
