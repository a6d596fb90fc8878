"""A well-behaved client of API 1, one connection for each call."""

import http.client
import json
import secrets

from support import contract
from support.settings import stretched

PASSWORD = "correct horse battery staple"
JSON_TYPE = "application/json"


class Reply:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def error(self):
        return self.json["error"]

    def header(self, name):
        """The value of a header field that is there once; None if it is not there."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def new_email():
    return f"user-{secrets.token_hex(8)}@example.com"


def to_body(body):
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body).encode()


class Http:
    documented = True  # replies are as docs/openapi.yaml says; False where something else answers by our paths

    def __init__(self, port, timeout=20):
        self.port, self.timeout = port, stretched(timeout)

    def call(self, method, path, body=None, headers=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            link.request(method, path, body=to_body(body), headers=headers or {})
            answer = link.getresponse()
            reply = Reply(answer.status, answer.reason, answer.getheaders(), answer.read())
            if self.documented:
                contract.check(method, path, reply)
            return reply
        finally:
            link.close()

    def get(self, path, headers=None):
        return self.call("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.call("POST", path, body, headers)


class Api1(Http):
    """The endpoints without a prefix."""

    prefix = ""
    wallet_version = {"version": 1}

    def signup(self, email, password=PASSWORD, **more):
        return self.post(self.prefix + "/signup", {"email": email, "password": password, **more})

    def auth(self, email, password=PASSWORD, device="device-1"):
        return self.post(self.prefix + "/auth/full", {"email": email, "password": password, "deviceId": device})

    def get_wallet(self, token, headers=None):
        return self.get(f"{self.prefix}/wallet?token={token}", headers)

    def wallet_body(self, token, sequence, wallet="wallet", hmac="hmac"):
        return {**self.wallet_version, "token": token, "encryptedWallet": wallet, "sequence": sequence, "hmac": hmac}

    def post_wallet(self, token, sequence, wallet="wallet", hmac="hmac"):
        return self.post(self.prefix + "/wallet", self.wallet_body(token, sequence, wallet, hmac))

    def login(self, email, password=PASSWORD, device="device-1"):
        """The token of a login that must succeed."""
        reply = self.auth(email, password, device)
        assert reply.status == 200, reply
        return reply.json["token"]

    def new_account(self, **more):
        """A new address with an account; one KDF run."""
        email = new_email()
        reply = self.signup(email, **more)
        assert reply.status == 201, reply
        return email

    def new_token(self):
        """A token of a new account; two KDF runs."""
        return self.login(self.new_account())


def state(sequence, wallet="wallet", hmac="hmac", error=""):
    """What API 1 shows of a wallet."""
    return {"version": 1, "encryptedWallet": wallet, "sequence": sequence, "hmac": hmac, "error": error}


def assert_error(reply, status, text):
    assert (reply.status, reply.body and reply.json) == (status, {"error": text}), reply
    assert reply.header("Content-Type") == JSON_TYPE


def assert_unavailable(reply):
    """What every request gets while the store is away."""
    assert reply.status == 503, reply
    assert reply.error.startswith("Service Unavailable"), reply
    assert set(reply.json) == {"error"}
    assert reply.header("Content-Type") == JSON_TYPE
    assert int(reply.header("Retry-After")) >= 1
