"""The Redis that docs/operations.md and redis/redis.conf describe: the rights of nginx' user there, and how records are kept."""

import os
import re

import pytest

from support.api import PASSWORD
from support.api3 import WRONG, Api3, assert_success, key_of, with_wallet
from support.mail import MailServer
from support.mail_setting import DOMAINS
from support.websocket import Device

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def lines_of(path, pattern):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.findall(pattern, file.read(), re.M)


def shipped(*names):
    """These lines of redis.conf."""
    found = lines_of("redis/redis.conf", rf"^(?:{'|'.join(names)}) .*$")
    assert len(found) == len(names)
    return found


@pytest.fixture
def mails(request):
    mails = MailServer()
    mails.start()
    request.addfinalizer(mails.stop)
    return mails


def test_the_documented_rights_are_all_that_is_needed(make_server, mails):
    (user,) = lines_of("docs/operations.md", r"^user wallet-sync on >PASSWORD .*$")
    line = f"wallet_sync_mail {mails.address} {DOMAINS} starttls=off resend_interval=0;"
    server = make_server(accounts="email", http=line, redis_conf=[user],
                         redis_options="user=wallet-sync password=PASSWORD").start()
    api = Api3(server.port)
    email = api.unverified()
    assert api.resend(email).status == 200
    assert api.verify(mails.to(email)[1].token).status == 200
    assert api.auth(email, "a wrong guess").error == WRONG
    token = api.login(email)
    assert api.salt_seed(email).status == 200
    device = Device(server.port, token)
    assert api.post_wallet(token, 1).status == 200
    device.wait_told(1)
    assert api.get_wallet(token).status == 200
    assert_success(api.change(email, **with_wallet(2)), {})
    device.wait_closed()
    assert "NOPERM" not in server.nginx.log()
    assert not server.redis.cli("ACL", "LOG")


def test_accounts_and_tokens_are_kept_in_the_compact_form(make_server):
    server = make_server(redis_conf=shipped("hash-max-listpack-value")).start()
    api = Api3(server.port)
    email = api.new_account()
    for device in ("phone", "laptop"):
        api.login(email, PASSWORD, device)
    for key in (key_of(email), key_of(email, ":tokens")):
        assert server.redis.cli("OBJECT", "ENCODING", key) == b"listpack"
