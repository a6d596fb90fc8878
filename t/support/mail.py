"""Where mails go to in the tests: an SMTP server with moods, and the API of a mail provider."""

import asyncio
import email
import email.policy
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from support.api import Api1, new_email
from support.ports import free_port
from support.settings import stretched

SEED = "0123456789abcdef" * 4


class Api3(Api1):
    prefix = "/api/3"
    wallet_version = {}

    def signup(self, email, **more):
        return super().signup(email, **{"clientSaltSeed": SEED, **more})

    def resend(self, email):
        return self.post("/api/3/verify/resend", {"email": email})

    def verify(self, token, method="GET", headers=None):
        return self.call(method, f"/api/3/verify?verifyToken={token}", headers=headers)

    def unverified(self):
        """A new address that has signed up."""
        email = new_email()
        reply = self.signup(email)
        assert (reply.status, reply.json) == (201, {"verified": False}), reply
        return email


class Certificate:
    """Self-signed, for the names given; its own authority."""

    def __init__(self, directory, names="IP:127.0.0.1,DNS:localhost"):
        os.makedirs(directory, exist_ok=True)
        self.file, self.key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=mail.test", "-addext", f"subjectAltName={names}", "-keyout", self.key, "-out", self.file],
            check=True, capture_output=True)

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class Received:
    """One mail as the server took it."""

    def __init__(self, server, session, envelope):
        self.sender, self.recipients = envelope.mail_from, envelope.rcpt_tos
        self.options = envelope.mail_options
        self.raw = envelope.original_content
        self.greeting = session.host_name
        self.tls = server.transport.get_extra_info("ssl_object") is not None
        self.user = session.auth_data.login.decode() if session.authenticated else None

    @property
    def message(self):
        return email.message_from_bytes(self.raw, policy=email.policy.SMTPUTF8)

    def part(self, kind):
        """The text of the part of type text/KIND."""
        parts = [part for part in self.message.iter_parts() if part.get_content_type() == f"text/{kind}"]
        assert len(parts) == 1
        return parts[0].get_payload(decode=True).decode().replace("\r\n", "\n")

    @property
    def token(self):
        return re.search(r"verifyToken=(\w+)", self.part("plain"))[1]


class MailServer(Controller):
    """refusals: the reply to a command, such as {"RCPT": "550 No such user"}; may be changed while it runs.

    hold, if set, is an Event that the server waits for before it takes a mail.
    """

    def __init__(self, certificate=None, smtps=False, users=None, utf8=True, port=None):
        self.mails, self.refusals, self.hold = [], {}, None
        self.silent_at_quit = False
        self.arrived = threading.Event()  # a mail has come, though it may not be taken yet
        context = certificate.context() if certificate else None
        options = {"enable_SMTPUTF8": utf8, "ident": "test", "timeout": 60}
        if certificate and not smtps:
            options["tls_context"] = context
        if users is not None:
            options.update(auth_required=True, auth_require_tls=False, authenticator=self._authenticate)
        self._users = users or {}
        super().__init__(self, hostname="127.0.0.1", port=port or free_port(), ssl_context=context if smtps else None,
                         ready_timeout=stretched(10), **options)
        self.address = f"{'smtps' if smtps else 'smtp'}://127.0.0.1:{self.port}"

    def _trigger_server(self):
        # aiosmtpd tries whether it serves, by a client that would trip over TLS and moods; a connection is enough.
        socket.create_connection((self.hostname, self.port), 5).close()

    def _authenticate(self, server, session, envelope, mechanism, auth_data):
        fine = isinstance(auth_data, LoginPassword) and self._users.get(auth_data.login.decode()) == auth_data.password.decode()
        return AuthResult(success=fine, handled=False, auth_data=auth_data)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.refusals:
            return self.refusals["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.refusals:
            return self.refusals["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.arrived.set()
        if self.hold:
            await self._until(self.hold.is_set)
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        self.mails.append(Received(server, session, envelope))
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if self.silent_at_quit:
            await self._until(lambda: False)
        return "221 Bye"

    @staticmethod
    async def _until(condition):
        end = time.monotonic() + stretched(60)
        while not condition() and time.monotonic() < end:
            await asyncio.sleep(0.01)

    def to(self, address):
        """What has come for the address so far: a mail is here before the client has its reply."""
        return [mail for mail in self.mails if address in mail.recipients]


class SilentServer:
    """Takes connections and says nothing."""

    def __init__(self):
        self._socket, self.links = socket.create_server(("127.0.0.1", 0)), []
        self.address = f"smtp://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                self.links.append(self._socket.accept()[0])
        except OSError:  # closed
            pass

    def close(self):
        self._socket.close()
        for link in self.links:
            link.close()


class MailApi:
    """Takes what is posted, and answers with `status`."""

    def __init__(self, certificate=None):
        self.requests, self.status = [], 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), urllib.parse.parse_qs(body.decode(), strict_parsing=True)))
                answer = b'{"id": "<1@test>", "message": "Queued."}'
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            self._server.socket = certificate.context().wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
