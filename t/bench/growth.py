"""Throughput, latency and memory as accounts and idle connections grow in number."""

import pathlib
import socket

import load
from plots import Line, Panel
from report import spread, table
from scenarios import GET, POST
from servers import Accounts, Nginx, Redis, wallet_sync
from watch import Watch

ACCOUNTS = (1_000, 10_000, 100_000, 1_000_000)
IDLE = (1, 100, 1_000, 10_000)
STRIDE = 7919  # a prime: all accounts have their turn, neighbours long after each other
LOADS = (("GET", GET), ("POST", POST))


def resident(pid):
    """Bytes."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


class Population:
    """A Redis of its own with so many accounts, and an nginx."""

    def __init__(self, options, build, directory, count):
        self.count, self.servers = count, []
        directory.mkdir()
        try:
            self.redis = self.started(Redis(directory, appendfsync="everysec"))
            self.empty = int(self.redis.info("used_memory"))
            self.accounts = Accounts(directory, count)
            self.accounts.register(self.redis)
            self.accounts.reset(self.redis, 1024)
            self.full = int(self.redis.info("used_memory"))
            services = {"growth": wallet_sync(f"unix:{self.redis.socket}", build.parameters)}
            self.nginx = self.started(Nginx(directory / "nginx", services, module=build.path, binary=options.nginx))
        except BaseException:
            self.stop()
            raise

    def started(self, server):
        self.servers.append(server)
        return server

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
        self.servers = []

    def measure(self, cell, seconds):
        if cell.writes:
            self.accounts.reset(self.redis, cell.size)
        url = self.nginx.url("growth")
        with Watch(nginx=self.nginx.children(), redis=[self.redis.pid]) as watch:
            # While wrk's second thread reads a million lines, the first would be at work, before its clock starts.
            result = load.wrk(cell, url, self.accounts, seconds, count=self.count, stride=STRIDE, threads=1)
        return result, watch


class Idlers:
    """An nginx with so many connections that have asked once, and are kept."""

    def __init__(self, options, build, directory, population, count):
        self.count, self.population = count, population
        services = {"growth": wallet_sync(f"unix:{population.redis.socket}", build.parameters)}
        more = {"module": build.path, "binary": options.nginx, "connections": 16384}
        self.nginx = Nginx(directory / f"idle-{count}", services, **more)
        try:
            self.sockets = [self.connect(0)]
            self.before = resident(self.nginx.children()[0])
            self.sockets += [self.connect(i) for i in range(1, count)]
            self.after = resident(self.nginx.children()[0])
        except BaseException:
            self.nginx.stop()
            raise

    def connect(self, i):
        link = socket.create_connection(("127.0.0.1", self.nginx.ports["growth"]), 10)
        tokens = self.population.accounts.tokens
        link.sendall(f"GET /api/3/wallet?token={tokens[i % len(tokens)]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b'"}'):
            answer += link.recv(65536)
        return link

    def measure(self, cell, seconds):
        population = self.population
        with Watch(nginx=self.nginx.children(), redis=[population.redis.pid]) as watch:
            return load.wrk(cell, self.nginx.url("growth"), population.accounts, seconds), watch

    def stop(self):
        for link in self.sockets:
            link.close()
        self.nginx.stop()


class Growth:
    title = "Growth"

    def __init__(self, options, builds, directory):
        self.options, self.faults = options, []
        self.populations, self.idlers = [], []
        self.results = {}  # (subject, cell) → (Result, Watch) of each round
        directory.mkdir()
        build = builds[0]
        try:
            for count in ACCOUNTS:
                self.populations.append(Population(options, build, directory / str(count), count))
            for count in IDLE:
                self.idlers.append(Idlers(options, build, directory, self.populations[0], count))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for subject in reversed(self.populations + self.idlers):
            subject.stop()
        self.populations, self.idlers = [], []

    def measure(self, progress):
        subjects = [(each, cell) for each in self.populations for _, cell in LOADS] + [(each, GET) for each in self.idlers]
        for number in range(self.options.rounds):
            for subject, cell in subjects:
                progress(f"round {number + 1} of {self.options.rounds}: {type(subject).__name__} {subject.count:,}")
                result, watch = subject.measure(cell, self.options.seconds)
                self.results.setdefault((subject, cell), []).append((result, watch))
                if result.not_200 or result.broken:
                    what = f"{result.not_200} not 200, {result.broken} broken connections"
                    self.faults.append(f"growth, {subject.count}: {what}")
        self.rows = self.accounts_rows(), self.idle_rows()  # while the processes are there

    def of(self, subject, cell, field):
        return [getattr(result, field) for result, _ in self.results[subject, cell]]

    def cells(self, subject, cell, first):
        """Rate, its ratio to the smallest one's, p99, CPU of the worker."""
        rates, base = (self.of(each, cell, "rate") for each in (subject, first))
        cpu = [w.cpu["nginx"] * 1e6 / max(r.requests, 1) for r, w in self.results[subject, cell]]
        ratios = [rate / other for rate, other in zip(rates, base)]
        late = self.of(subject, cell, "p99_ms")
        return [spread(rates), spread(ratios, "{:.2f}"), spread(late, "{:.2f}"), spread(cpu, "{:.1f}")]

    def accounts_rows(self):
        rows = []
        for each in self.populations:
            memory = [f"{(each.full - each.empty) / each.count:,.0f}", f"{resident(each.redis.pid) / 2**20:,.0f}"]
            memory.append(f"{resident(each.nginx.children()[0]) / 2**20:,.1f}")
            for name, cell in LOADS:
                rows.append([f"{each.count:,}", name, *self.cells(each, cell, self.populations[0]), *memory])
        return rows

    def idle_rows(self):
        rows = []
        for each in self.idlers:
            bytes_each = f"{(each.after - each.before) / (each.count - 1):,.0f}" if each.count > 1000 else ""
            memory = [bytes_each, f"{resident(each.nginx.children()[0]) / 2**20:,.1f}"]
            rows.append([f"{each.count:,}", *self.cells(each, GET, self.idlers[0]), *memory])
        return rows

    def section(self):
        heads = ["/s", "÷ the first row's", "p99 ms", "worker µs"]
        first = ["accounts", "", *heads, "bytes of Redis each", "Redis, RSS MiB", "worker, RSS MiB"]
        second = ["idle connections", *heads, "bytes of the worker each", "worker, RSS MiB"]
        return (
            "Accounts with a wallet of 1 KB and one token, read and written in turn by 64 connections; one worker, everysec.\n\n"
            + table(first, self.rows[0])
            + "\nReads by 64 connections beside others that have asked once and are kept open.\n\n"
            + table(second, self.rows[1])
        )

    def plots(self):
        subjects = list(dict.fromkeys(subject for subject, _ in self.results))
        people = [each for each in subjects if isinstance(each, Population)]
        idle = [each for each in subjects if isinstance(each, Idlers)]
        lines = [
            Line(name, [(each.count, self.of(each, cell, "rate")) for each in people], colour=colour)
            for colour, (name, cell) in enumerate(LOADS)
        ]
        beside = [Line("GET", [(each.count, self.of(each, GET, "rate")) for each in idle])]
        panels = [Panel("accounts", lines, x="accounts"), Panel("idle connections", beside, x="idle connections")]
        return {"growth.svg": panels}

    def aims(self):
        return ()
