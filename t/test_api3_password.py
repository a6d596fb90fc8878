"""POST /password: everything at once, or nothing at all."""

import itertools

import pytest

from support.api import PASSWORD, Api1, assert_error, new_email, state
from support.api3 import (BAD_CHANGE, MALFORMED, NEW_PASSWORD, NO_TOKEN, NO_WALLET, OTHER_SEED, SEED, WRONG, Api3,
                          assert_success, dump, invalid, key_of, state3, with_wallet)

PATH = "/api/3/password"
BAD_EMAIL, BAD_OLD, BAD_NEW, SAME, BAD_SEED, ALL_OR_NONE = (invalid(detail) for detail in (
    "Invalid or missing 'email'", "Invalid or missing 'oldPassword'", "Invalid or missing 'newPassword'",
    "'oldPassword' and 'newPassword' should not be the same", "Invalid or missing 'clientSaltSeed'",
    "Fields 'encryptedWallet', 'sequence', and 'hmac' should be all non-empty and non-zero, or all omitted"))
WALLET_EXISTS = "Conflict: Wallet exists; need an updated wallet when changing password"


@pytest.fixture
def api(server):
    return Api3(server.port)


@pytest.fixture(scope="module")
def synced(server):
    """(email, token) of an account with a wallet of sequence 3, of which nothing may ever change."""
    api = Api3(server.port)
    email = api.new_account()
    token = api.login(email)
    for sequence in (1, 2, 3):
        assert api.post_wallet(token, sequence).status == 200
    return email, token


@pytest.fixture
def unchanged(server, synced):
    """After the test the account is what it was before, byte for byte."""
    before = dump(server.redis, synced[0])
    assert len(before) == 3
    yield
    assert dump(server.redis, synced[0]) == before


@pytest.mark.smoke
def test_without_a_wallet_the_password_and_the_seed_are_new_and_all_tokens_dead(server, api):
    email = api.new_account()
    tokens = [client.login(email, device=device)
              for client, device in ((api, "phone"), (api, "laptop"), (Api1(server.port), "old"))]
    assert_success(api.change(email), {})
    for token in tokens:
        assert_error(api.get_wallet(token), 401, NO_TOKEN)
        assert_error(Api1(server.port).get_wallet(token), 401, NO_TOKEN)
        assert_error(api.post_wallet(token, 1), 401, NO_TOKEN)
    assert_error(api.auth(email), 401, WRONG)
    assert_success(api.salt_seed(email), {"clientSaltSeed": OTHER_SEED})
    assert_error(api.get_wallet(api.login(email, NEW_PASSWORD, "phone")), 404, NO_WALLET)


@pytest.mark.smoke
def test_with_a_wallet_it_is_the_next_one_in_sequence(server, api):
    email = api.new_account()
    old = api.login(email)
    api.post_wallet(old, 1)
    assert_success(api.change(email, **with_wallet(2)), {})
    assert_error(api.get_wallet(old), 401, NO_TOKEN)
    assert_error(api.post_wallet(old, 3), 401, NO_TOKEN)
    token = api.login(email, NEW_PASSWORD)
    assert_success(api.get_wallet(token), state3(2, "re-encrypted", "new hmac"))
    assert_success(Api1(server.port).get_wallet(token), state(2, "re-encrypted", "new hmac"))
    assert_success(api.post_wallet(token, 3), {})


def test_the_user_stays_who_they_are_and_can_change_the_password_again_and_back(api):
    email = api.new_account()
    user = api.auth(email).json["userId"]
    assert api.change(email).status == 200
    assert api.change(email, NEW_PASSWORD, PASSWORD, SEED).status == 200
    assert api.auth(email).json["userId"] == user
    assert_success(api.salt_seed(email), {"clientSaltSeed": SEED})


def test_the_address_may_be_spelled_in_another_case(api):
    email = api.new_account()
    assert_success(api.change(email.upper()), {})
    assert api.auth(email, NEW_PASSWORD).status == 200


def test_the_new_salt_seed_keeps_its_case(api):
    email = api.new_account()
    seed = "aBcDeF0123456789" * 4
    assert_success(api.change(email, seed=seed), {})
    assert_success(api.salt_seed(email), {"clientSaltSeed": seed})


def test_the_salt_seed_may_stay_the_same(api):
    assert_success(api.change(api.new_account(), seed=SEED), {})


def test_other_accounts_are_not_touched(server, api, synced, unchanged):
    assert_success(api.change(api.new_account()), {})
    assert_success(api.get_wallet(synced[1]), state3(3))


@pytest.mark.parametrize("sequence", [1, 2, 3, 5, 4294967295])
def test_a_wrong_sequence_is_409_and_nothing_changes(api, synced, unchanged, sequence):
    assert_error(api.change(synced[0], **with_wallet(sequence)), 409, BAD_CHANGE)
    assert_success(api.get_wallet(synced[1]), state3(3))


def test_no_wallet_fields_while_a_wallet_is_stored_are_409_and_nothing_changes(api, synced, unchanged):
    assert_error(api.change(synced[0]), 409, WALLET_EXISTS)
    assert_success(api.get_wallet(synced[1]), state3(3))


@pytest.mark.parametrize("empty", [{"encryptedWallet": None, "sequence": None, "hmac": None},
                                   {"encryptedWallet": "", "sequence": 0, "hmac": ""}, {"sequence": 0}, {"hmac": None}])
def test_null_empty_and_zero_wallet_fields_count_as_omitted(api, synced, unchanged, empty):
    assert_error(api.change(synced[0], **empty), 409, WALLET_EXISTS)


def test_it_never_creates_a_first_wallet(server, api):
    email = api.new_account()
    token = api.login(email)
    before = dump(server.redis, email)
    for sequence in (1, 2):
        assert_error(api.change(email, **with_wallet(sequence)), 409, BAD_CHANGE)
    assert dump(server.redis, email) == before
    assert_error(api.get_wallet(token), 404, NO_WALLET)
    assert_success(api.change(email), {})


def test_a_wrong_password_and_an_unknown_address_are_the_401_of_a_login(api, synced):
    unknown = new_email()
    for wallet in ({}, with_wallet(4)):
        assert_error(api.change(synced[0], "a wrong password", **wallet), 401, WRONG)
        assert_error(api.change(unknown, **wallet), 401, WRONG)
    assert_success(api.get_wallet(synced[1]), state3(3))
    assert api.auth(synced[0], device="another").status == 200


def test_a_wrong_password_is_told_before_a_wrong_sequence_and_changes_nothing(server, api):
    email = api.new_account()
    token = api.login(email)
    api.post_wallet(token, 1)
    before = dump(server.redis, email)
    for wallet in ({}, with_wallet(1), with_wallet(2), with_wallet(9)):
        assert_error(api.change(email, "a wrong password", **wallet), 401, WRONG)
    after = dump(server.redis, email)
    assert {key: after[key] for key in before} == before
    assert_success(api.get_wallet(token), state3(1))


@pytest.mark.parametrize("field, error", [("email", BAD_EMAIL), ("oldPassword", BAD_OLD), ("newPassword", BAD_NEW),
                                          ("clientSaltSeed", BAD_SEED)])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_null_or_empty_field_is_named(api, synced, unchanged, field, error, value):
    body = api.change_body(synced[0], **with_wallet(4))
    assert_error(api.post(PATH, {**body, field: value}), 400, error)
    del body[field]
    assert_error(api.post(PATH, body), 400, error)


@pytest.mark.parametrize("field, value, error", [
    ("email", "no address", BAD_EMAIL), ("email", "<a@b.c>", BAD_EMAIL), ("oldPassword", "1234567", BAD_OLD),
    ("newPassword", "1234567", BAD_NEW), ("newPassword", "üü123", BAD_NEW), ("newPassword", PASSWORD, SAME),
    ("clientSaltSeed", "0" * 63, BAD_SEED), ("clientSaltSeed", "0" * 65, BAD_SEED), ("clientSaltSeed", "x" * 64, BAD_SEED),
])
def test_an_invalid_field_is_named(api, synced, unchanged, field, value, error):
    assert_error(api.post(PATH, {**api.change_body(synced[0], **with_wallet(4)), field: value}), 400, error)


def test_of_several_bad_fields_the_first_in_the_protocols_order_is_named(api):
    repairs = [(BAD_EMAIL, {"email": new_email()}), (BAD_OLD, {"oldPassword": PASSWORD}),
               (BAD_NEW, {"newPassword": PASSWORD}), (SAME, {"newPassword": NEW_PASSWORD}),
               (BAD_SEED, {"clientSaltSeed": SEED}), (ALL_OR_NONE, {"hmac": "", "sequence": 0})]
    body = {"hmac": "only the hmac"}
    for error, repair in repairs:
        assert_error(api.post(PATH, body), 400, error)
        body.update(repair)
    assert_error(api.post(PATH, body), 401, WRONG)


def test_equal_passwords_are_told_before_they_are_checked(api):
    assert_error(api.change(new_email(), "same password", "same password"), 400, SAME)
    assert_error(api.change("joe@example.com", "short", "short"), 400, BAD_OLD)


@pytest.mark.parametrize("there", [names for count in (1, 2)
                                   for names in itertools.combinations(("encryptedWallet", "sequence", "hmac"), count)])
def test_some_of_the_wallet_fields_without_the_others_are_400(api, synced, unchanged, there):
    whole = with_wallet(4)
    some = {name: whole[name] for name in there}
    rest = {name: None if name in there else 0 if name == "sequence" else "" for name in whole}
    assert_error(api.change(synced[0], **some), 400, ALL_OR_NONE)
    assert_error(api.change(synced[0], **{**rest, **some}), 400, ALL_OR_NONE)


@pytest.mark.parametrize("field, value", [
    ("email", 1), ("oldPassword", []), ("newPassword", 12345678), ("clientSaltSeed", 0), ("encryptedWallet", {}), ("hmac", True),
    ("sequence", "4"), ("sequence", 4.5), ("sequence", -4), ("sequence", 4294967296),
])
def test_a_field_of_the_wrong_type_is_a_parsing_error(api, synced, unchanged, field, value):
    assert_error(api.post(PATH, {**api.change_body(synced[0], **with_wallet(4)), field: value}), 400, MALFORMED)


def test_wallet_and_hmac_come_back_as_they_were_sent(api):
    email = api.new_account()
    api.post_wallet(api.login(email), 1)
    text = 'quotes " \\ control \x00\x1f % 😀 \u2028 ' * 500
    assert_success(api.change(email, **with_wallet(2, text, text[::-1])), {})
    assert_success(api.get_wallet(api.login(email, NEW_PASSWORD)), state3(2, text, text[::-1]))


def test_a_password_with_a_nul_is_not_cut_there(api):
    email = api.new_account(password="beginning\x00end")
    assert_error(api.change(email, "beginning\x00", "beginning\x00other"), 401, WRONG)
    assert_success(api.change(email, "beginning\x00end", "beginning\x00other"), {})
    assert_error(api.auth(email, "beginning\x00end"), 401, WRONG)
    assert api.auth(email, "beginning\x00other").status == 200


def test_nothing_of_the_old_secrets_is_kept_of_an_account(server, api):
    email = api.new_account()
    token = api.login(email)
    api.post_wallet(token, 1, "old wallet", "old hmac")
    assert api.change(email, **with_wallet(2)).status == 200
    keys = [key_of(email, part) for part in ("", ":wallet")]
    assert set(dump(server.redis, email)) == {key.encode() for key in keys}, "the tokens' key is gone"
    stored = b"".join(b"".join(server.redis.cli("HGETALL", key)) for key in keys)
    assert email.encode() in stored and b"re-encrypted" in stored
    for old in (b"old wallet", b"old hmac", SEED.encode(), PASSWORD.encode(), NEW_PASSWORD.encode(), token.encode()):
        assert old not in stored
