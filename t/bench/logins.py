"""Logins a second beside the bare password hash, and what reads feel of them."""

import json
import subprocess
import threading
import urllib.request

import load
from aims import Aim
from build import Failure, program
from measure import MODULE
from report import median, spread, table
from scenarios import GET, Cell
from servers import Accounts, Nginx, Redis, wallet_sync
from watch import Watch

ACCOUNTS = 32
THREADS = 2  # of wallet_sync_thread_pool; the bare function gets as many
LOGIN = Cell("login", connections=8)
READERS = GET.variant(connections=8)
READER_DELAY = 10  # ms between two reads of a connection: reads that wait for nobody but the logins
NAMES = ("openssl", "libscrypt-kdf")


def hash_of(path, binary):
    """The library that the module is linked with."""
    linked = subprocess.run(["ldd", path or binary], capture_output=True, text=True, check=False).stdout
    return "libscrypt-kdf" if "libscrypt-kdf" in linked else "openssl"


class Bodies:
    """What Accounts are to load.wrk: each line is the body of a login. A build has accounts of its own: it may keep passwords in
    a form that an earlier one cannot read."""

    def __init__(self, directory, name, url):
        self.tokens_file = directory / f"logins-{name}"
        self.sequence = 0
        self.tokens = []
        for i in range(ACCOUNTS):
            account = {"email": f"{name}-{i}@example.com", "password": "a password of some length"}
            post(url + "/api/3/signup", {**account, "clientSaltSeed": "5a" * 32})
            self.tokens.append(json.dumps({**account, "deviceId": "bench"}))
        self.tokens_file.write_text("\n".join(self.tokens) + "\n")


def post(url, fields):
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(fields).encode()), timeout=20) as reply:
        if reply.status != 201:
            raise Failure(f"{url} answers {reply.status}")


class Logins:
    title = "Logins"

    def __init__(self, options, builds, directory):
        self.options, self.builds, self.seconds = options, builds, max(options.seconds, 3)
        self.servers, self.faults = [], []
        self.results = {}  # name → one of each round
        directory.mkdir()
        try:
            self.redis = Redis(directory)
            self.servers.append(self.redis)
            self.accounts = Accounts(directory, 1024)
            self.accounts.register(self.redis)
            self.accounts.reset(self.redis, 1024)
            self.nginx = {build.name: self.start(build, directory) for build in builds}
            self.bodies = {name: Bodies(directory, name, nginx.url("logins")) for name, nginx in self.nginx.items()}
        except BaseException:
            self.stop()
            raise

    def start(self, build, directory):
        services = {"logins": wallet_sync(f"unix:{self.redis.socket}", build.parameters) + " wallet_sync_accounts open;"}
        head = f"wallet_sync_thread_pool threads={THREADS} max_queue=32;"
        more = {"module": build.path, "binary": self.options.nginx, "head": head}
        self.servers.append(Nginx(directory / f"nginx-{build.name}", services, **more))
        return self.servers[-1]

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
        self.servers = []

    def keep(self, name, value):
        self.results.setdefault(name, []).append(value)

    def measure(self, progress):
        for number in range(self.options.rounds):
            order = [*NAMES, *self.nginx]
            shift = number % len(order)
            for name in order[shift:] + order[:shift]:
                progress(f"round {number + 1} of {self.options.rounds}: logins, {name}")
                if name in self.nginx:
                    self.measure_build(name, self.nginx[name])
                else:
                    command = [program("scrypt"), name, THREADS, self.seconds]
                    with Watch() as watch:
                        result = load.Result(*load.run(command))
                    self.keep(f"bare {name}", result)
                    self.keep(f"bare {name} cpu", 1e3 * watch.client_seconds / max(result.rate * self.seconds, 1))

    def measure_build(self, name, nginx):
        url = nginx.url("logins")
        self.keep(f"{name} reads alone", self.reads(url))
        beside = []
        reader = threading.Thread(target=lambda: beside.append(self.reads(url)))
        with Watch(nginx=nginx.children()) as watch:
            reader.start()
            result = load.wrk(LOGIN, url, self.bodies[name], self.seconds)
            reader.join()
        self.keep(f"{name} logins", result)
        self.keep(f"{name} cpu", 1e3 * watch.cpu["nginx"] / max(result.requests, 1))
        self.keep(f"{name} reads beside", beside[0])
        if result.not_200 or result.broken:
            self.faults.append(f"logins, {name}: {result.not_200} not 200, {result.broken} broken connections")

    def reads(self, url):
        return load.wrk(READERS, url, self.accounts, self.seconds, delay_ms=READER_DELAY)

    def plots(self):
        return {}

    # ---- the report

    def of(self, name, field="rate"):
        return [getattr(result, field) for result in self.results.get(name, [])]

    def ratio(self, name, other):
        return [value / base for value, base in zip(self.of(name), self.of(other)) if base]

    def section(self):
        rows = []
        for build in self.builds:
            name, bare = build.name, f"bare {hash_of(build.path, self.options.nginx)}"
            row = ["wallet_sync" if name == MODULE else name, bare[5:], spread(self.of(f"{name} logins"), "{:.1f}")]
            row += [spread(self.of(f"{name} logins", "p50_ms"), "{:.0f}"), spread(self.ratio(f"{name} logins", bare), "{:.2f}")]
            row += [median(self.results[f"{name} cpu"], "{:.1f}")]
            rows.append(row + [spread(self.of(f"{name} reads {where}", "p99_ms"), "{:.2f}") for where in ("alone", "beside")])
        for name in NAMES:
            rates = self.of(f"bare {name}")
            if any(rates):
                cpu = median(self.results[f"bare {name} cpu"], "{:.1f}")
                rows.append(["the bare function", name, spread(rates, "{:.1f}"), "", "", cpu, "", ""])
            else:
                rows.append(["the bare function", name, "not installed"] + [""] * 5)
        heads = ["", "function", "logins /s", "p50 ms", "÷ the bare function", "CPU ms each"]
        heads += ["GET p99 ms", "GET p99 ms beside logins"]
        text = (
            f"{LOGIN.connections} connections that log in, one worker with {THREADS} threads; the bare function in as many. "
            f"Meanwhile {READERS.connections} connections read a wallet every {READER_DELAY} ms each, "
            "which is in the worker's CPU.\n\n"
        )
        return text + table(heads, rows)

    def aims(self):
        bare = f"bare {hash_of(self.builds[0].path, self.options.nginx)}"
        yield Aim("logins ÷ the bare function", 0.95, self.ratio(f"{MODULE} logins", bare))
        if len(self.builds) > 1:
            ratio = self.ratio(f"{MODULE} logins", f"{self.builds[1].name} logins")
            yield Aim("logins ÷ earlier build", 1.3, ratio)
