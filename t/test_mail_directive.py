"""What nginx -t says about wallet_sync_mail."""

import re

import pytest

from support.mail_setting import DOMAINS, SECRET
from support.nginx import Nginx


@pytest.fixture
def check(tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "empty").write_text("\n")

    def run(arguments, before="wallet_sync_redis unix:/tmp/never-opened.sock; wallet_sync_accounts email;"):
        http = f"{before} wallet_sync_mail {arguments};" if arguments else before
        return Nginx(str(tmp_path), http=http).test()

    return run


@pytest.mark.parametrize("arguments", [
    f"smtp://localhost {DOMAINS}", f"smtp://mail.example.com:587 {DOMAINS} user=joe password_file=secret",
    f"smtps://mail.example.com {DOMAINS} user=joe password_file=secret timeout=5s resend_interval=5m",
    f"smtp://[::1]:25 {DOMAINS} starttls=off", f"smtp://127.0.0.1 {DOMAINS} starttls=optional",
    f"smtp://mail_server:2525 {DOMAINS} starttls=on", f"mailgun {DOMAINS} key_file=secret",
    f"mailgun {DOMAINS} key_file=secret region=us", f"mailgun {DOMAINS} key_file=secret region=eu",
    f"mailgun {DOMAINS} key_file=secret base_url=https://mail.example.com:8443/some/path/",
    "smtp://localhost sending_domain=localhost server_domain=127.0.0.1:8090", f"smtp://localhost {DOMAINS} ca_file=secret",
])
def test_what_the_readme_shows_is_accepted(check, arguments):
    fine, text = check(arguments)
    assert fine, text
    assert SECRET not in text


@pytest.mark.parametrize("arguments, hint", [
    ("localhost", "smtp://host"), ("smtp://", "smtp://host"), ("smtp://a/b", "smtp://host"), ("smtp://x:0", "smtp://host:port"),
    ("smtp://x:70000", "smtp://host:port"), ("http://x", "mailgun"), ("smtp://x/path", "smtp://host"),
    ("smtp://[::1", "smtp://host"), ("smtp://joe:very-secret@x", "password_file"),
    ("smtp://x", "sending_domain=.*server_domain="), ("smtp://x sending_domain=a.b", "server_domain="),
    ("smtp://x server_domain=a.b", "sending_domain="), ("smtp://x sending_domain=a@b server_domain=c", "sending_domain=domain"),
    ("smtp://x sending_domain=a..b server_domain=c", "sending_domain=domain"),
    ("smtp://x sending_domain=bücher.example server_domain=c", "sending_domain=domain"),
    ("smtp://x sending_domain=a.b server_domain=https://c", "server_domain=domain"),
    ("smtp://x sending_domain=a.b server_domain=c:x", "server_domain=domain"),
    (f"smtp://x {DOMAINS} starttls=maybe", "starttls=optional"), (f"smtps://x {DOMAINS} starttls=on", "leave out starttls"),
    (f"smtp://x {DOMAINS} timeout=0", "timeout=10s"), (f"smtp://x {DOMAINS} timeout=soon", "timeout=10s"),
    (f"smtp://x {DOMAINS} resend_interval=never", "resend_interval=60s"), (f"smtp://x {DOMAINS} ca_file=", "ca_file=path"),
    (f"smtp://x {DOMAINS} resend_interval=100y", "resend_interval=60s"), (f"smtp://x {DOMAINS} colour=red", "colour="),
    (f"smtp://x {DOMAINS} extra", "extra"), (f"smtp://x {DOMAINS} user=joe", "password_file="),
    (f"smtp://x {DOMAINS} password_file=secret", "user="), (f"smtp://x {DOMAINS} user=joe password=very-secret", "password_file="),
    (f"smtp://x {DOMAINS} user=joe password_file=/no/such/file", "/no/such/file"),
    (f"smtp://x {DOMAINS} user=joe password_file=empty", "empty"), (f"smtp://x {DOMAINS} ca_file=/no/such/file", "/no/such/file"),
    (f"smtp://x {DOMAINS} key_file=secret", "password_file="), (f"smtp://x {DOMAINS} region=eu", "mailgun"),
    (f"mailgun {DOMAINS}", "key_file=path"), (f"mailgun {DOMAINS} key=very-secret", "key_file=path"),
    (f"mailgun {DOMAINS} key_file=secret region=mars", "region=us or region=eu"),
    (f"mailgun {DOMAINS} key_file=secret region=eu base_url=https://x", "base_url="),
    (f"mailgun {DOMAINS} key_file=secret base_url=x", "base_url=https://"),
    (f"mailgun {DOMAINS} key_file=secret base_url=https://api:very-secret@x", "base_url=https://"),
    (f"mailgun {DOMAINS} key_file=secret user=joe", "key_file="), (f"mailgun {DOMAINS} key_file=empty", "empty"),
])
def test_a_wrong_value_is_refused_with_what_to_write(check, arguments, hint):
    fine, text = check(arguments)
    assert not fine
    lines = [line for line in text.splitlines() if "[emerg]" in line]
    assert len(lines) == 1, text
    assert re.search(r"wallet_sync_mail\b", lines[0]) and re.search(hint, lines[0]), lines[0]
    assert re.search(r"nginx\.conf:\d+", lines[0]), lines[0]
    assert "very-secret" not in text


def test_the_email_mode_needs_a_mail_server(check):
    fine, text = check("")
    assert not fine
    line, = [line for line in text.splitlines() if "[emerg]" in line]
    assert "wallet_sync_accounts email" in line and "wallet_sync_mail" in line


def test_a_mail_server_without_the_email_mode_is_fine(check):
    fine, text = check(f"smtp://localhost {DOMAINS}", "wallet_sync_redis 127.0.0.1:6379; wallet_sync_accounts open;")
    assert fine, text


def test_the_directive_twice_in_a_block_is_refused(check):
    fine, text = check(f"smtp://a {DOMAINS}; wallet_sync_mail smtp://b {DOMAINS}")
    assert not fine
    assert "duplicate" in text


def test_a_password_over_an_open_line_is_warned_of(check):
    _, text = check(f"smtp://x {DOMAINS} starttls=off user=joe password_file=secret")
    assert re.search(r"\[warn\].*wallet_sync_mail.*unencrypted", text)
