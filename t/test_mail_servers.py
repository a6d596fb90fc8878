"""How mails are handed over: by SMTP or the API of a provider, and what happens when they cannot be."""

import base64
import re
import secrets
import threading
import time

import pytest

from support.api import Api1, assert_error, new_email
from support.crowd import Background, together
from support.mail import Certificate, MailApi, MailServer, SilentServer
from support.mail_setting import (
    NOT_SENT, SECRET, assert_not_sent, assert_sent, certificate, receiver, secret_file, shared, start)
from support.ports import free_port
from support.settings import stretched
from support.wait import until


# ---- SMTP

@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("status", ["550 5.1.1 no such user", "451 4.3.0 try later"])
def test_a_signup_whose_mail_is_refused_can_be_repeated(shared, command, status):
    shared.mails.refusals[command] = status
    try:
        email = assert_not_sent(shared, status[:3])
    finally:
        shared.mails.refusals.clear()
    assert_sent(shared, email)


def test_a_resend_whose_mail_is_refused_can_be_repeated_at_once(shared):
    email = shared.api.unverified()
    shared.mails.refusals["RCPT"] = "550 no such user"
    try:
        assert_error(shared.api.resend(email), 503, NOT_SENT)
    finally:
        shared.mails.refusals.clear()
    assert shared.api.resend(email).status == 200
    assert shared.api.verify(shared.mails.to(email)[-1].token).status == 200


def test_a_signup_while_the_mail_server_is_away_can_be_repeated(start, receiver):
    port = free_port()
    setting = start(address=f"smtp://127.0.0.1:{port}")
    email = assert_not_sent(setting, "connect", f"smtp://127.0.0.1:{port}")
    setting.mails = receiver(MailServer, port=port)
    assert_sent(setting, email)


def test_a_name_that_does_not_resolve_is_an_error_of_the_mail_not_of_the_configuration(start):
    setting = start(address="smtp://no-such-host.invalid")
    assert_not_sent(setting, "resolve|timed out", "smtp://no-such-host.invalid")


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(start, receiver):
    setting = start("starttls=off timeout=700ms", receiver(SilentServer))
    begin = time.monotonic()
    assert_not_sent(setting, "time")
    assert 0.6 < time.monotonic() - begin < stretched(5)


def test_mails_that_wait_behind_a_silent_server_are_given_up_in_time_too(start, receiver):
    setting = start("starttls=off timeout=1s", receiver(SilentServer), workers=1)
    begin = time.monotonic()
    replies = together([lambda: setting.api.signup(new_email())] * 8)
    assert {reply.status for reply in replies} == {503}
    assert time.monotonic() - begin < stretched(6)


def test_a_slow_mail_server_keeps_nobody_else_waiting(start):
    setting = start(workers=1)
    setting.mails.hold = threading.Event()
    email = new_email()
    signup = Background(lambda: setting.api.signup(email))
    assert setting.mails.arrived.wait(stretched(10))
    for _ in range(20):
        assert setting.api.get_wallet("0" * 64).status == 401
    assert signup.running
    setting.mails.hold.set()
    assert signup.wait().status == 201


def test_a_server_that_does_not_say_goodbye_has_the_mail_all_the_same(start):
    setting = start("starttls=off timeout=30s")
    setting.mails.silent_at_quit = True
    begin = time.monotonic()
    assert_sent(setting)
    assert time.monotonic() - begin < stretched(5)


def test_user_and_password_go_to_the_server(start, receiver, secret_file):
    mails = receiver(MailServer, users={"postman": SECRET})
    setting = start(f"starttls=off user=postman password_file={secret_file}", mails)
    assert assert_sent(setting).user == "postman"
    assert SECRET not in setting.server.nginx.log()


def test_a_wrong_password_is_an_error_that_shows_no_secret(start, receiver, secret_file):
    setting = start(f"starttls=off user=postman password_file={secret_file}", receiver(MailServer, users={"postman": "other"}))
    assert_not_sent(setting, "[Ll]ogin denied|auth|535")
    assert SECRET not in setting.server.nginx.log()


def test_starttls_is_the_default_and_the_certificate_is_checked(start, receiver, certificate):
    mails = receiver(MailServer, certificate)
    assert_not_sent(start("", mails), "certificate")
    assert not mails.mails


def test_a_certificate_of_ones_own_is_named_by_ca_file(start, receiver, certificate, secret_file):
    mails = receiver(MailServer, certificate, users={"postman": SECRET})
    setting = start(f"ca_file={certificate.file} user=postman password_file={secret_file}", mails)
    mail = assert_sent(setting)
    assert (mail.tls, mail.user) == (True, "postman")


def test_a_certificate_for_another_name_is_refused(start, receiver, tmp_path):
    other = Certificate(str(tmp_path / "other"), "DNS:other.example")
    mails = receiver(MailServer, other)
    assert_not_sent(start(f"ca_file={other.file}", mails), "subject name|certificate")
    assert not mails.mails


def test_a_server_without_starttls_gets_no_mail_where_it_is_required(start):
    setting = start("starttls=on")
    assert_not_sent(setting, "STARTTLS")
    assert not setting.mails.mails


def test_optional_starttls_is_used_where_there_is_one(start, receiver, certificate):
    plain = start("starttls=optional")
    assert not assert_sent(plain).tls
    encrypted = start(f"starttls=optional ca_file={certificate.file}", receiver(MailServer, certificate))
    assert assert_sent(encrypted).tls


def test_smtps_is_encrypted_from_the_start(start, receiver, certificate):
    mails = receiver(MailServer, certificate, smtps=True)
    assert mails.address.startswith("smtps:")
    assert assert_sent(start(f"ca_file={certificate.file}", mails)).tls
    assert_not_sent(start("", mails), "certificate")


# ---- the API of a mail provider

@pytest.fixture
def start_mailgun(start, secret_file):
    def make(mails, parameters=""):
        return start(f"base_url={mails.url} key_file={secret_file} {parameters}", mails, "mailgun")

    return make


def test_mailgun_gets_the_mail_as_a_form(start_mailgun, receiver):
    mails = receiver(MailApi)
    setting = start_mailgun(mails)
    email = "Some.One+tag&more=%41-" + new_email()
    assert setting.api.signup(email).status == 201
    (path, headers, form), = mails.requests
    assert path == "/v3/mail.example.org/messages"
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"api:{SECRET}".encode()).decode()
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert set(form) == {"from", "to", "subject", "text", "html"}
    assert form["from"] == ["wallet-sync@mail.example.org"]
    assert form["to"] == [email]
    assert form["subject"] == ["Verify your wallet sync account on sync.example.org"]
    link = re.fullmatch(r"Click here to verify your account:\n\n(https://sync.example.org/api/3/verify\?verifyToken=(\w+))",
                        form["text"][0])
    assert f'href="{link[1]}"' in form["html"][0]
    assert setting.api.verify(link[2]).status == 200


def test_mailgun_gets_an_address_beyond_ascii_as_utf8(start_mailgun, receiver):
    mails = receiver(MailApi)
    email = f"jörg{secrets.token_hex(4)}@bücher.example"
    assert start_mailgun(mails).api.signup(email).status == 201
    assert mails.requests[0][2]["to"] == [email]


def test_mailgun_is_asked_over_https_and_its_certificate_is_checked(start_mailgun, receiver, certificate):
    mails = receiver(MailApi, certificate)
    assert start_mailgun(mails, f"ca_file={certificate.file}").api.signup(new_email()).status == 201
    assert len(mails.requests) == 1
    assert_not_sent(start_mailgun(mails), "certificate", mails.url)
    assert len(mails.requests) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500])
def test_what_mailgun_refuses_can_be_repeated(start_mailgun, receiver, status):
    mails = receiver(MailApi)
    setting = start_mailgun(mails)
    mails.status = status
    email = assert_not_sent(setting, f"HTTP status {status}", mails.url)
    assert SECRET not in setting.server.nginx.log()
    mails.status = 202
    assert setting.api.signup(email).status == 201
    assert len(mails.requests) == 2


# ---- the worker's life

def test_a_worker_that_quits_finishes_its_mail(start):
    setting = start()
    setting.mails.hold = threading.Event()
    email = new_email()
    signup = Background(lambda: setting.api.signup(email))
    assert setting.mails.arrived.wait(stretched(10))
    old = setting.server.nginx.reload(wait_for_old=False)
    assert signup.running
    setting.mails.hold.set()
    assert signup.wait().status == 201
    assert setting.api.verify(setting.mail_for(email).token).status == 200
    setting.server.nginx.wait_gone(old)


def test_a_worker_that_is_terminated_drops_its_mails_and_ends_at_once(start, receiver):
    setting = start("starttls=off timeout=60s", receiver(SilentServer), workers=1)
    signups = [Background(lambda: _no_answer(setting.api)) for _ in range(5)]
    until(lambda: len(setting.mails.links) == 2, "as many mails are on their way as there are threads")
    setting.server.nginx.signal("TERM")
    until(lambda: not setting.server.nginx.worker_pids(), "the worker is gone", 4)
    for signup in signups:
        signup.wait()


def _no_answer(api):
    try:
        api.signup(new_email())
    except OSError:
        pass


def test_after_a_reload_mails_go_where_the_new_configuration_says(start, receiver):
    setting = start()
    assert_sent(setting)
    other = receiver(MailServer)
    setting.server.nginx.http = setting.server.nginx.http.replace(setting.mails.address, other.address)
    setting.server.nginx.reload()
    setting.mails = other
    assert_sent(setting)


def test_a_location_can_have_mails_of_its_own(start, receiver):
    other = receiver(MailServer)
    location = f"""wallet_sync; location /api/3/ {{ wallet_sync;
        wallet_sync_mail {other.address} sending_domain=other.example server_domain=other.example:8443 starttls=off; }}"""
    setting = start(location=location)
    email = new_email()
    assert Api1(setting.server.port).signup(email).status == 201
    assert setting.mail_for(email).message["From"] == "wallet-sync@mail.example.org"
    email = setting.api.unverified()
    assert "https://other.example:8443/api/3/verify?" in other.to(email)[0].part("plain")


def test_no_token_or_password_of_a_mail_is_in_a_log(start, receiver, certificate, secret_file):
    mails = receiver(MailServer, certificate, users={"postman": SECRET})
    setting = start(f"ca_file={certificate.file} user=postman password_file={secret_file}", mails)
    token = assert_sent(setting).token
    email = new_email()
    mails.refusals["DATA"] = "550 I do not like it"
    setting.api.signup(email)
    written = setting.server.nginx.log() + setting.server.nginx.access()
    assert "/api/3/verify" in written
    for secret in (token, SECRET, email):
        assert secret not in written
    with open(setting.server.nginx.path("nginx.conf"), encoding="utf-8") as conf:
        assert SECRET not in conf.read()
    stored = setting.server.redis.written()
    assert token.encode() not in stored
