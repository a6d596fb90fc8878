"""What the benchmarks start: Redis with the shipped settings, accounts in it, and nginx beside it."""

import hashlib
import os
import pathlib
import resource
import secrets
import signal
import socket
import subprocess
import time

from build import ROOT, Failure

FIRST_SEQUENCE = 1_000_000  # all that are used have seven digits, so that all requests are equally long
STEP = 10_000
HMAC = "h" * 64
REWRITE_BEYOND = 1 << 30  # bytes of the append-only file


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(condition, process, what, log, patience=10):
    deadline = time.monotonic() + patience
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"{what} does not start: {log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.02)


class Process:
    """A server in the foreground, which is stopped by its pid."""

    def __init__(self, command, log, environment=None):
        """environment: variables besides ours."""
        self.log = log
        more = {"env": {**os.environ, **(environment or {})}}
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **more)
        self.pid = self.process.pid

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Redis(Process):
    """Started with redis.conf as it is shipped, but for where its files are, what `settings` replaces, and two things:
    it listens on TCP (and TLS, given a certificate) as well; and the append-only file is rewritten between two
    measurements instead of in the middle of one."""

    def __init__(self, directory, certificate=None, **settings):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.socket = directory / "redis.sock"
        self.port, self.tls_port = free_ports(2)
        own = {
            "dir": f'"{directory}"',
            "unixsocket": f'"{self.socket}"',
            "bind": "127.0.0.1",
            "port": self.port,
            "auto-aof-rewrite-percentage": 0,
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        if certificate:
            own |= {"tls-port": self.tls_port, "tls-cert-file": certificate[0], "tls-key-file": certificate[1]}
            own |= {"tls-ca-cert-file": certificate[0], "tls-auth-clients": "no"}
        dropped = (*own, "pidfile", "logfile", "daemonize")
        shipped = (ROOT / "redis/redis.conf").read_text().splitlines()
        lines = [line for line in shipped if line.split(" ")[0] not in dropped]
        lines += [f"{name} {value}" for name, value in own.items()]
        (directory / "redis.conf").write_text("\n".join(lines) + "\n")
        super().__init__(["redis-server", directory / "redis.conf"], directory / "redis.log")
        wait_for(lambda: self.cli("ping") == "PONG", self.process, "Redis", self.log, patience=60)

    def cli(self, *words, commands=""):
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *(str(word) for word in words)],
            input=commands,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def info(self, name):
        return self.cli("info", "everything").split(f"\n{name}:")[1].split()[0]

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

    def tidy(self):
        """Rewrites the append-only file if it has become large."""
        if int(self.info("aof_current_size")) > REWRITE_BEYOND + 2 * int(self.info("aof_base_size")):
            self.cli("bgrewriteaof")
            while self.info("aof_rewrite_in_progress") != "0" or self.info("aof_rewrite_scheduled") != "0":
                time.sleep(0.1)


class Accounts:
    """Accounts with one token each, written straight into Redis: by way of HTTP each would cost two password hashes.

    The token's first 24 digits are the account's id, as everywhere in wallet-sync."""

    def __init__(self, directory, count, tokens=None):
        """tokens: those of the accounts, if they are not to be drawn."""
        self.sequence = FIRST_SEQUENCE
        self.tokens_file = directory / "tokens"
        self.digests_file = directory / "digests"
        self.tokens = tokens or [secrets.token_hex(32) for _ in range(count)]
        self.ids = [token[:24] for token in self.tokens]
        self.digests = [hashlib.sha256(token.encode()).hexdigest() for token in self.tokens]
        self.tokens_file.write_text("".join(f"{token}\n" for token in self.tokens))
        self.digests_file.write_text("".join(f"{id_} {digest}\n" for id_, digest in zip(self.ids, self.digests)))

    def register(self, redis):
        expiry = int(time.time()) + 14 * 24 * 3600
        redis.pipe(
            ("HSET", f"wsync:{{{account}}}:tokens", digest, f"{expiry} * bench")
            for account, digest in zip(self.ids, self.digests)
        )

    @staticmethod
    def wallet_key(account):
        return f"wsync:{{{account}}}:wallet"

    def reset(self, redis, size, count=None):
        """Puts every wallet far ahead: a write still under way from the run before comes too late."""
        self.sequence += STEP
        script = (
            "for i = 4, #ARGV do redis.call('HSET', 'wsync:{' .. ARGV[i] .. '}:wallet',"
            " 'sequence', ARGV[1], 'hmac', ARGV[2], 'wallet', ARGV[3]) end"
        )
        redis.tidy()
        ids = self.ids[:count]
        redis.pipe(
            ("EVAL", script, 0, self.sequence, HMAC, "w" * size, *ids[i : i + 1000]) for i in range(0, len(ids), 1000)
        )

    def writes(self, redis, accounts):
        """How many writes Redis has taken of each of these since the reset."""
        asked = "".join(f"HGET {self.wallet_key(account)} sequence\n" for account in accounts)
        return [int(line) - self.sequence for line in redis.cli(commands=asked).split()]


def wallet_body(size, sequence=FIRST_SEQUENCE):
    return f'{{"encryptedWallet":"{"w" * size}","sequence":{sequence},"hmac":"{HMAC}"}}'


class Nginx(Process):
    """One port for each of `services`, and in self.ports their numbers.

    A service is a name and the directives of its location. The directives are ours or, for comparison,
    return_200(body)."""

    def __init__(self, directory, services, *, module, workers=1, binary="/usr/sbin/nginx", head="", connections=4096, environment=None):
        self.workers, self.module, self.services = workers, module, services
        self.head, self.connections, self.directory = head, connections, directory
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (directory / name).mkdir(parents=True)
        self.ports = dict(zip(services, free_ports(len(services))))
        configuration = directory / "nginx.conf"
        configuration.write_text(self.configuration())
        command = [binary, "-p", directory, "-e", "stderr", "-c", configuration]
        super().__init__(command, directory / "log", environment)
        wait_for(lambda: self.answers() and len(self.children()) == workers, self.process, "nginx", self.log)

    def configuration(self):
        lines = ["daemon off;", f'pid "{self.directory}/pid";', "error_log stderr warn;"]
        limit = min(2 * self.connections + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        lines += [f"worker_processes {self.workers};", f"worker_rlimit_nofile {limit};"]
        if self.module:
            lines.insert(0, f'load_module "{self.module}";')
        if os.geteuid() == 0:
            lines.append("user root;")
        lines += [f"events {{ worker_connections {self.connections}; }}", "http {", "access_log off;"]
        lines += ["keepalive_requests 1000000000;", "keepalive_timeout 1h;", "default_type application/json;"]
        lines += [f'{name}_temp_path "{self.directory}/{name}";' for name in ("proxy", "fastcgi", "uwsgi", "scgi")]
        lines += [f'client_body_temp_path "{self.directory}/body";', self.head]
        lines += [self.server(name, directives) for name, directives in self.services.items()]
        return "\n".join(lines) + "\n}\n"

    def server(self, name, directives):
        """The kernel deals connections out to the workers: two of them get about the same."""
        return f"server {{ listen 127.0.0.1:{self.ports[name]} reuseport; location / {{ {directives} }} }}"

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", next(iter(self.ports.values())))) == 0

    def children(self):
        path = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}"

    def complaints(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if "[alert]" in line or "[crit]" in line or "[emerg]" in line]

    def stop(self, signal_number=signal.SIGQUIT):
        super().stop(signal_number)


def wallet_sync(address, parameters=""):
    return f'wallet_sync; wallet_sync_redis "{address}" {parameters};'


def return_200(body):
    """nginx takes no parameter above 4 KB, so a long body is put together from variables."""
    pieces = [body[i : i + 3000] for i in range(0, len(body), 3000)]
    if len(pieces) == 1:
        return f"return 200 '{body}';"
    variables = [f"set $piece{i} '{piece}';" for i, piece in enumerate(pieces)]
    return " ".join(variables) + " return 200 '" + "".join(f"${{piece{i}}}" for i in range(len(pieces))) + "';"
