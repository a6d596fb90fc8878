"""What t/bench/run measures: a Redis with the shipped settings, accounts in it, and nginx beside it."""

import hashlib
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIRST_SEQUENCE = 1_000_000  # all that are used have seven digits, so that all requests are equally long
STEP = 10_000
HMAC = "h" * 64


class Failure(Exception):
    """Something that the user should read; there is no result."""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(condition, process, what, log):
    deadline = time.monotonic() + 10
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"{what} does not start: {log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.02)


class Process:
    """A server in the foreground, which is stopped by its pid."""

    def __init__(self, command, log):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Redis(Process):
    def __init__(self, directory):
        self.socket = directory / "redis.sock"
        own = ("dir", "unixsocket", "pidfile", "logfile", "daemonize")
        shipped = (ROOT / "redis/redis.conf").read_text().splitlines()
        lines = [line for line in shipped if line.split(" ")[0] not in own]
        lines += [f'dir "{directory}"', f'unixsocket "{self.socket}"']
        (directory / "redis.conf").write_text("\n".join(lines) + "\n")
        super().__init__(["redis-server", directory / "redis.conf"], directory / "redis.log")
        wait_for(lambda: self.cli("ping") == "PONG", self.process, "Redis", self.log)

    def cli(self, *words, commands=""):
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *words], input=commands, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def pipe(self, commands):
        text = bytearray()
        for words in commands:
            text += b"*%d\r\n" % len(words)
            for word in words:
                word = str(word).encode()
                text += b"$%d\r\n%s\r\n" % (len(word), word)
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, "--pipe"], input=bytes(text), capture_output=True, check=False
        )
        if b"errors: 0" not in done.stdout:
            raise Failure(f"Redis does not take the accounts: {done.stdout.decode()}")


class Accounts:
    """Accounts with one token each, written straight into Redis: by way of HTTP each would cost two password hashes."""

    def __init__(self, redis, directory, count):
        self.redis = redis
        self.sequence = FIRST_SEQUENCE
        self.tokens_file = directory / "tokens"
        self.digests_file = directory / "digests"
        self.tokens = [secrets.token_hex(32) for _ in range(count)]
        self.ids = [token[:24] for token in self.tokens]
        digests = [hashlib.sha256(token.encode()).hexdigest() for token in self.tokens]
        expiry = int(time.time()) + 14 * 24 * 3600
        redis.pipe(
            ("HSET", f"wsync:{{{account}}}:tokens", digest, f"{expiry} * bench")
            for account, digest in zip(self.ids, digests)
        )
        self.tokens_file.write_text("".join(f"{token}\n" for token in self.tokens))
        self.digests_file.write_text("".join(f"{account} {digest}\n" for account, digest in zip(self.ids, digests)))

    def wallet_key(self, account):
        return f"wsync:{{{account}}}:wallet"

    def reset(self, size):
        """Puts every wallet far ahead: a write still under way from the run before comes too late."""
        self.sequence += STEP
        self.redis.pipe(
            ("HSET", self.wallet_key(account), "sequence", self.sequence, "hmac", HMAC, "wallet", "w" * size)
            for account in self.ids
        )

    def writes(self):
        """How many writes Redis has taken since the reset."""
        asked = "".join(f"HGET {self.wallet_key(account)} sequence\n" for account in self.ids)
        return sum(int(line) - self.sequence for line in self.redis.cli(commands=asked).split())


def wallet_body(size, sequence=FIRST_SEQUENCE):
    return f'{{"encryptedWallet":"{"w" * size}","sequence":{sequence},"hmac":"{HMAC}"}}'


class Nginx(Process):
    """The module on one port; on the others `return 200` with the body that the module answers with.

    self.ports maps "wallet_sync" and each of `bodies` to a port.
    """

    def __init__(self, directory, options, redis, workers, bodies):
        self.workers = workers
        self.directory = directory / f"nginx-{workers}"
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (self.directory / name).mkdir(parents=True)
        names = ["wallet_sync", *bodies]
        self.ports = dict(zip(names, free_ports(len(names))))
        configuration = self.directory / "nginx.conf"
        configuration.write_text(self.configuration(options, redis, bodies))
        command = [options.nginx, "-p", self.directory, "-e", "stderr", "-c", configuration]
        super().__init__(command, self.directory / "log")
        wait_for(lambda: self.answers() and len(self.children()) == workers, self.process, "nginx", self.log)

    def configuration(self, options, redis, bodies):
        lines = ["daemon off;", f'pid "{self.directory}/pid";', "error_log stderr warn;"]
        lines += [f"worker_processes {self.workers};", "worker_rlimit_nofile 8192;"]
        if options.module:
            lines.insert(0, f'load_module "{options.module}";')
        if os.geteuid() == 0:
            lines.append("user root;")
        lines += ["events { worker_connections 4096; }", "http {", "access_log off;", "keepalive_requests 1000000000;"]
        lines += [f'{name}_temp_path "{self.directory}/{name}";' for name in ("proxy", "fastcgi", "uwsgi", "scgi")]
        lines += [f'client_body_temp_path "{self.directory}/body";', "default_type application/json;"]
        pool = f" pool={options.pool}" if options.pool else ""
        lines += [f'wallet_sync_redis "unix:{redis.socket}"{pool};']
        lines += [self.server("wallet_sync", "wallet_sync;")]
        lines += [self.server(name, self.return_200(body)) for name, body in bodies.items()]
        return "\n".join(lines) + "\n}\n"

    def server(self, name, directives):
        return f"server {{ listen 127.0.0.1:{self.ports[name]}; location / {{ {directives} }} }}"

    @staticmethod
    def return_200(body):
        """nginx takes no parameter above 4 KB, so a long body is put together from variables."""
        pieces = [body[i : i + 3000] for i in range(0, len(body), 3000)]
        if len(pieces) == 1:
            return f"return 200 '{body}';"
        variables = [f"set $piece{i} '{piece}';" for i, piece in enumerate(pieces)]
        return " ".join(variables) + " return 200 '" + "".join(f"${{piece{i}}}" for i in range(len(pieces))) + "';"

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["wallet_sync"])) == 0

    def children(self):
        path = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}"

    def stop(self, signal_number=signal.SIGQUIT):
        super().stop(signal_number)
