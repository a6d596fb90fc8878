"""Accounts that are verified by mail: the mail, the link in it, and another one."""

import base64
import datetime
import re
import secrets

import pytest

from support.api import Api1, assert_error, new_email
from support.crowd import together
from support.mail import SEED, Api3, MailServer
from support.mail_setting import NOT_SENT, WRONG, receiver, shared, start
from support.settings import stretched

VERIFIED = b"Your account has been verified."
GONE = (b"The verification token was not found, already used, or expired. If you want to try again, generate a new one "
        b"from your app.")
UNVERIFIED = "Unauthorized: Account is not verified"


# ---- the mail

@pytest.mark.smoke
def test_a_signup_is_unverified_until_the_link_in_its_mail_is_opened(shared):
    email = shared.api.unverified()
    assert_error(shared.api.auth(email), 401, UNVERIFIED)
    reply = shared.api.verify(shared.mail_for(email).token)
    assert (reply.status, reply.body) == (200, VERIFIED)
    assert reply.header("Content-Type").startswith("text/plain")
    assert shared.api.auth(email).status == 200


def test_the_mail_says_who_sends_it_and_where_to_click(shared):
    email = shared.api.unverified()
    mail = shared.mail_for(email)
    assert (mail.sender, mail.recipients) == ("wallet-sync@mail.example.org", [email])
    message = mail.message
    assert message["From"] == "wallet-sync@mail.example.org"
    assert message["To"] == email
    assert message["Subject"] == "Verify your wallet sync account on sync.example.org"
    link = f"https://sync.example.org/api/3/verify?verifyToken={mail.token}"
    assert mail.part("plain") == f"Click here to verify your account:\n\n{link}"
    html = mail.part("html")
    assert "Click here to verify your account:" in html
    assert f'href="{link}"' in html
    assert re.fullmatch("[0-9a-f]{64}", mail.token)
    assert mail.greeting == "mail.example.org"


def test_the_mail_is_well_formed(shared):
    mail = shared.mail_for(shared.api.unverified())
    message = mail.message
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["MIME-Version"] == "1.0"
    assert not message.defects and not any(part.defects for part in message.walk())
    lines = mail.raw.split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) < 998
    assert mail.raw.isascii()
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert len(message.get_all(name)) == 1, name
    age = datetime.datetime.now(datetime.timezone.utc) - message["Date"].datetime
    assert abs(age.total_seconds()) < stretched(60)


def test_no_two_mails_share_a_message_id(shared):
    ids = {shared.mail_for(shared.api.unverified()).message["Message-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"<[0-9a-f]+@mail\.example\.org>", name) for name in ids)


def test_the_mail_goes_to_the_address_as_it_was_written(shared):
    email = "Some.One+Tag-" + new_email().upper()
    assert shared.api.signup(email).status == 201
    assert shared.mail_for(email).message["To"] == email


@pytest.mark.parametrize("pattern", ["jörg.{}@example.com", "用户{}@example.com", "{}@bücher.example", "ж{}@例子.广告"])
def test_an_address_beyond_ascii_is_sent_as_utf8(shared, pattern):
    email = pattern.format(secrets.token_hex(6))
    assert shared.api.signup(email).status == 201
    mail = shared.mail_for(email)
    assert "SMTPUTF8" in mail.options
    assert f"\r\nTo: {email}\r\n".encode() in mail.raw
    assert shared.api.verify(mail.token).status == 200


def test_an_ascii_address_needs_no_smtputf8(start, receiver):
    setting = start(mails=receiver(MailServer, utf8=False))
    email = setting.api.unverified()
    assert "SMTPUTF8" not in setting.mail_for(email).options


def test_an_address_longer_than_smtp_allows_gets_no_account(shared):
    email = secrets.token_hex(100) + "@" + "x" * 54 + ".example"
    assert_error(shared.api.signup(email), 503, NOT_SENT)
    assert not shared.mails.to(email)
    assert_error(shared.api.auth(email), 401, WRONG)


def test_a_signup_by_api_1_gets_the_same_mail(shared):
    old = Api1(shared.server.port)
    email = new_email()
    reply = old.signup(email)
    assert (reply.status, reply.json) == (201, {})
    assert old.auth(email).status == 401
    assert shared.api.verify(shared.mail_for(email).token).status == 200
    assert old.auth(email).status == 200


def test_a_taken_address_gets_no_second_mail(shared):
    email = shared.api.unverified()
    assert_error(shared.api.signup(email), 409, "Conflict: Error registering")
    assert shared.api.verify(shared.mail_for(email).token).status == 200
    assert_error(shared.api.signup(email), 409, "Conflict: Error registering")
    assert len(shared.mails.to(email)) == 1


def test_many_who_sign_up_at_once_get_their_own_links(shared):
    emails = together([shared.api.unverified] * 12)
    tokens = {shared.mail_for(email).token for email in emails}
    assert len(tokens) == 12
    for email in emails[:3]:
        shared.api.verify(shared.mail_for(email).token)
        assert shared.api.auth(email).status == 200
    assert_error(shared.api.auth(emails[3]), 401, UNVERIFIED)


# ---- before and at the link

def test_that_an_account_is_not_verified_is_told_only_to_who_knows_the_password(shared):
    email = shared.api.unverified()
    assert_error(shared.api.auth(email, "not the password"), 401, WRONG)
    assert_error(shared.api.auth(email), 401, UNVERIFIED)


def test_an_unverified_account_has_its_salt_seed(shared):
    email = shared.api.unverified()
    reply = shared.api.get("/api/3/client-salt-seed?email=" + base64.b64encode(email.encode()).decode().replace("+", "%2B"))
    assert (reply.status, reply.json) == (200, {"clientSaltSeed": SEED})


def test_a_link_works_once(shared):
    email = shared.api.unverified()
    token = shared.mail_for(email).token
    assert shared.api.verify(token).status == 200
    again = shared.api.verify(token)
    assert (again.status, again.body) == (403, GONE)
    assert shared.api.auth(email).status == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_does_not_use_the_link_up(shared, method):
    email = shared.api.unverified()
    token = shared.mail_for(email).token
    reply = shared.api.verify(token, method)
    assert (reply.status, reply.header("Allow")) == (405, "GET")
    assert_error(shared.api.auth(email), 401, UNVERIFIED)
    assert shared.api.verify(token).status == 200


def test_a_browser_gets_a_page(shared):
    token = shared.mail_for(shared.api.unverified()).token
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for status, sentence in ((200, VERIFIED), (403, GONE)):
        reply = shared.api.verify(token, headers=browser)
        assert reply.status == status
        assert reply.header("Content-Type").startswith("text/html")
        assert b"<html" in reply.body and sentence in reply.body


def test_a_link_without_its_token_is_explained(shared):
    for path in ("/api/3/verify", "/api/3/verify?verifyToken=", "/api/3/verify?token=x"):
        reply = shared.api.get(path)
        assert (reply.status, reply.body) == (
            400, b"There seems to be a problem with this URL: Missing verifyToken parameter")


def test_a_token_that_is_not_quite_the_one_is_refused(shared):
    email = shared.api.unverified()
    token = shared.mail_for(email).token
    last = "0" if token[-1] != "0" else "1"
    for wrong in (token[:-1] + last, token[:-1], token + "0", token.upper() + "x", "x", "0" * 64):
        reply = shared.api.verify(wrong)
        assert (reply.status, reply.body) == (403, GONE), wrong
    assert_error(shared.api.auth(email), 401, UNVERIFIED)


@pytest.mark.parametrize("age, status", [(2 * 24 * 3600 - 60, 200), (2 * 24 * 3600 + 1, 403)])
def test_a_link_expires_after_two_days(shared, age, status):
    email = shared.api.unverified()
    shared.age(email, "verify-expires", age)
    assert shared.api.verify(shared.mail_for(email).token).status == status


# ---- another mail

def test_a_resent_mail_voids_the_first_link(shared):
    email = shared.api.unverified()
    reply = shared.api.resend(email)
    assert (reply.status, reply.json) == (200, {})
    first, second = shared.mails.to(email)
    assert first.token != second.token
    assert second.part("plain").endswith(second.token)
    assert shared.api.verify(first.token).status == 403
    assert_error(shared.api.auth(email), 401, UNVERIFIED)
    assert shared.api.verify(second.token).status == 200
    assert shared.api.auth(email).status == 200


def test_another_mail_goes_to_the_address_as_it_was_written_at_signup(shared):
    email = "Some.One-" + new_email()
    assert shared.api.signup(email).status == 201
    first = shared.mail_for(email)
    assert shared.api.resend(email.upper()).status == 200
    assert not shared.mails.to(email.upper())
    assert [mail.token for mail in shared.mails.to(email)][0] == first.token
    assert shared.api.verify(shared.mails.to(email)[1].token).status == 200


def test_another_mail_never_goes_to_a_look_alike_of_the_address(shared):
    name = secrets.token_hex(6)
    email, look_alike = f"{name}@github.example", f"{name}@g\u0130thub.example"
    assert shared.api.signup(email).status == 201
    assert_error(shared.api.resend(look_alike), 400, "Bad Request: Request failed validation: Invalid or missing 'email'")
    assert not shared.mails.to(look_alike)
    assert len(shared.mails.to(email)) == 1


def test_an_expired_link_can_be_replaced(shared):
    email = shared.api.unverified()
    shared.age(email, "verify-expires", 3 * 24 * 3600)
    assert shared.api.resend(email).status == 200
    assert shared.api.verify(shared.mails.to(email)[1].token).status == 200


def test_resend_cannot_be_used_to_flood_somebody(shared):
    email = shared.api.unverified()
    replies = [shared.api.resend(email) for _ in range(4)]
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"{}")] * 4
    assert len(shared.mails.to(email)) == 2
    shared.age(email, "resent", 55)
    assert shared.api.resend(email).status == 200
    assert len(shared.mails.to(email)) == 2
    shared.age(email, "resent", 6)
    assert shared.api.resend(email).status == 200
    assert len(shared.mails.to(email)) == 3


def test_resends_at_the_same_moment_make_one_mail(shared):
    email = shared.api.unverified()
    replies = together([lambda: shared.api.resend(email)] * 8)
    assert {reply.status for reply in replies} == {200}
    assert len(shared.mails.to(email)) == 2
    assert shared.api.verify(shared.mails.to(email)[1].token).status == 200


def test_the_resend_interval_can_be_set(start):
    setting = start("starttls=off resend_interval=0")
    email = setting.api.unverified()
    for _ in range(3):
        assert setting.api.resend(email).status == 200
    assert len(setting.mails.to(email)) == 4


def test_resending_to_a_verified_account_sends_nothing(shared):
    email = shared.api.unverified()
    shared.api.verify(shared.mail_for(email).token)
    reply = shared.api.resend(email)
    assert (reply.status, reply.json) == (200, {})
    assert len(shared.mails.to(email)) == 1
    assert shared.api.auth(email).status == 200


def test_resending_to_an_unknown_address_is_401(shared):
    assert_error(shared.api.resend(new_email()), 401, "Unauthorized: No match for email")
    assert_error(shared.api.resend("no address"), 400, "Bad Request: Request failed validation: Invalid or missing 'email'")


@pytest.mark.parametrize("accounts", ["open", "whitelist a@b.c"])
def test_resend_belongs_to_the_email_mode(make_server, accounts):
    api = Api3(make_server(accounts=accounts).start().port)
    mode = "Forbidden: Account verification mode is not set to EmailVerify"
    assert_error(api.resend(new_email()), 403, mode)
    assert_error(api.get("/api/3/verify/resend"), 403, mode)
    reply = api.verify("0" * 64)
    assert (reply.status, reply.body) == (403, GONE)


def test_in_email_mode_resend_is_a_post(shared):
    reply = shared.api.get("/api/3/verify/resend")
    assert_error(reply, 405, "Method Not Allowed")
    assert reply.header("Allow") == "POST"
