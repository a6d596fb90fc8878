"""The command-line tools: run against a Redis, their words and their database."""

import json
import os
import secrets
import sqlite3
import subprocess

from support import settings

DIRECTORY = os.environ.get("WALLET_SYNC_TOOLS") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), ".build/tools/tools")

# As a server writes it that keeps its accounts in SQLite.
SCHEMA = """
CREATE TABLE accounts(
  normalized_email TEXT NOT NULL UNIQUE, email TEXT NOT NULL, key TEXT NOT NULL, client_salt_seed TEXT NOT NULL,
  server_salt TEXT NOT NULL, verify_token TEXT UNIQUE, verify_expiration DATETIME,
  user_id INTEGER PRIMARY KEY AUTOINCREMENT, created DATETIME, updated DATETIME);
CREATE TABLE auth_tokens(
  token TEXT NOT NULL UNIQUE, user_id INTEGER NOT NULL, device_id TEXT NOT NULL, scope TEXT NOT NULL,
  expiration DATETIME NOT NULL, PRIMARY KEY (user_id, device_id));
CREATE TABLE wallets(
  user_id INTEGER NOT NULL PRIMARY KEY, encrypted_wallet TEXT NOT NULL, sequence INTEGER NOT NULL,
  hmac TEXT NOT NULL, updated DATETIME);
"""


class Done:
    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr

    @property
    def lines(self):
        """Of --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"<status {self.status}\n{self.out[-2000:]}\n{self.err[-2000:]}>"


class Tools:
    """redis: the words that follow --redis."""

    def __init__(self, redis):
        self.redis = redis

    def command(self, tool, *words):
        return [os.path.join(DIRECTORY, tool), "--redis", self.redis, *map(str, words)]

    def start(self, tool, *words):
        return subprocess.Popen(self.command(tool, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, tool, *words, **more):
        more = {"stdin": subprocess.DEVNULL, **more} if "input" not in more else more
        return Done(subprocess.run(self.command(tool, *words), capture_output=True, text=True, check=False,
                                   timeout=settings.stretched(60), **more))

    def admin(self, *words, **more):
        return self.run("wallet-sync-admin", *words, **more)

    def json(self, *words):
        """The lines of a command that succeeds."""
        done = self.admin("--json", *words)
        assert done.status == 0, done
        return done.lines

    def take_in(self, *words):
        return self.run("wallet-sync-import", *words)

    def write_out(self, *words):
        return self.run("wallet-sync-export", *words)


class Database:
    """A file of accounts; the key of a password is made up unless it is given."""

    def __init__(self, path):
        self.path = str(path)
        with self.connect() as db:
            db.executescript(SCHEMA)

    @classmethod
    def at(cls, path):
        """One that is there, or will be."""
        database = cls.__new__(cls)
        database.path = str(path)
        return database

    def connect(self):
        return sqlite3.connect(self.path)

    def run(self, sql, *values):
        with self.connect() as db:
            return db.execute(sql, values).fetchall()

    def add(self, email, user_id=None, key=None, salt=None, seed=None, verify_token=None, verify_expiration=None,
            created="2022-08-01 12:34:56.123456789+00:00", updated="2022-08-02 12:34:56+00:00", normalized=None):
        with self.connect() as db:
            row = (normalized or email.lower(), email, key or secrets.token_hex(32),
                   secrets.token_hex(32) if seed is None else seed, salt or secrets.token_hex(16), verify_token,
                   verify_expiration, user_id, created, updated)
            return db.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid

    def add_wallet(self, user_id, sequence=1, wallet="wallet", hmac="hmac", updated="2022-08-03 12:34:56.5"):
        self.run("INSERT INTO wallets VALUES (?, ?, ?, ?, ?)", user_id, wallet, sequence, hmac, updated)

    def add_token(self, user_id, device="phone", expiration="2199-01-01 00:00:00+00:00"):
        self.run("INSERT INTO auth_tokens VALUES (?, ?, ?, '*', ?)", secrets.token_hex(32), user_id, device, expiration)

    def rows(self, table):
        return self.run(f"SELECT * FROM {table} ORDER BY user_id")
