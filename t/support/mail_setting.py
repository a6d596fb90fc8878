"""Fixtures and checks for servers in email mode. The tests import what they use of it."""

import hashlib
import re

import pytest

from support.api import assert_error, new_email
from support.mail import Api3, Certificate, MailServer
from support.server import Server

DOMAINS = "sending_domain=mail.example.org server_domain=sync.example.org"
NOT_SENT = "Service Unavailable: The mail could not be sent"
WRONG = "Unauthorized: No match for email and/or password"
SECRET = "kept-in-a-file-only"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return str(path)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(str(tmp_path_factory.mktemp("certificate")))


@pytest.fixture
def receiver(request):
    """receiver(kind, ...) starts a MailServer, MailApi or SilentServer that ends with the test."""

    def make(kind, *args, **options):
        made = kind(*args, **options)
        if kind is MailServer:
            made.start()
        request.addfinalizer(made.stop if kind is MailServer else made.close)
        return made

    return make


class Setting:
    """A server in email mode with where its mails go to."""

    def __init__(self, server, mails):
        self.server, self.mails, self.api = server, mails, Api3(server.port)

    def mail_for(self, email):
        """The only mail for an address."""
        mails = self.mails.to(email)
        assert len(mails) == 1
        return mails[0]

    def age(self, email, field, seconds):
        """Makes a time of the account's lie further back."""
        account = hashlib.sha256(email.lower().encode()).hexdigest()[:24]
        assert self.server.redis.cli("HEXISTS", "wsync:{%s}" % account, field) == 1
        self.server.redis.cli("HINCRBY", "wsync:{%s}" % account, field, -seconds)


@pytest.fixture
def start(make_server, receiver):
    """start(parameters, mails=None) runs a server that sends its mails to a MailServer, unencrypted."""

    def make(parameters="starttls=off", mails=None, address=None, **options):
        mails = mails or receiver(MailServer)
        line = f"wallet_sync_mail {address or mails.address} {DOMAINS} {parameters};"
        server = make_server(accounts="email", http=line, **options).start()
        return Setting(server, mails)

    return make


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all that concerns single accounts."""
    mails = MailServer()
    mails.start()
    line = f"wallet_sync_mail {mails.address} {DOMAINS} starttls=off;"
    server = Server(str(tmp_path_factory.mktemp("mail")), accounts="email", http=line).start()
    yield Setting(server, mails)
    server.stop()
    mails.stop()


def reasons(server):
    """What the log says of mails that were not taken."""
    return [line for line in server.nginx.log().splitlines() if "did not take a mail" in line]


def assert_not_sent(setting, reason, address=None):
    """A signup fails and leaves nothing behind; the log names server and reason, and not the recipient."""
    email = new_email()
    reply = setting.api.signup(email)
    assert_error(reply, 503, NOT_SENT)
    assert int(reply.header("Retry-After")) >= 1
    assert_error(setting.api.auth(email), 401, WRONG)
    last = reasons(setting.server)[-1]
    assert (address or setting.mails.address) in last
    assert re.search(reason, last), last
    assert email not in last
    return email


def assert_sent(setting, email=None):
    """A signup, of an address that failed before maybe, works."""
    email = email or new_email()
    reply = setting.api.signup(email)
    assert (reply.status, reply.json) == (201, {"verified": False})
    assert setting.api.verify(setting.mail_for(email).token).status == 200
    assert setting.api.auth(email).status == 200
    return setting.mail_for(email)
