"""Starts the servers and measures all cells, round by round."""

import collections
import itertools
import json
import subprocess
import urllib.error
import urllib.request

import load
from build import Failure, certificate
from scenarios import SYNCS
from servers import FIRST_SEQUENCE, Accounts, Nginx, Redis, return_200, wallet_body, wallet_sync
from watch import Watch

LOOPS = ("get", "watch", "batch", "evalsha")
MODULE = "module"  # this build; the earlier one goes by its commit


class Build:
    """A module, and an nginx with it for each number of workers."""

    def __init__(self, name, path, parameters=""):
        self.name, self.path, self.parameters = name, path, parameters
        self.tls = False
        self.nginx = {}

    def address(self, redis, transport):
        if transport == "unix":
            return f"unix:{redis.socket}", self.parameters
        port = redis.tls_port if transport == "tls" else redis.port
        more = f" tls=on tls_ca_file={redis.certificate} tls_name=localhost" if transport == "tls" else ""
        return f"127.0.0.1:{port}", self.parameters + more

    def knows_tls(self, directory, redis, binary):
        """Whether nginx takes the parameters; a build without TLS to Redis refuses them."""
        services = {"probe": wallet_sync(*self.address(redis, "tls"))}
        configuration = directory / f"probe-{self.name}.conf"
        loaded = f'load_module "{self.path}";' if self.path else ""
        configuration.write_text(
            f"{loaded} events {{ }} http {{ server {{ location / {{ {services['probe']} }} }} }}"
        )
        command = [binary, "-t", "-p", directory, "-e", "stderr", "-c", configuration]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and "tls" not in done.stderr:
            raise Failure(f"nginx refuses {self.name}: {done.stderr}")
        return done.returncode == 0


def service(cell):
    return f"{cell.sync} {cell.transport}"


def body_name(cell):
    return "answer {}" if cell.mode == "post" else f"answer {cell.size}"


class Bench:
    def __init__(self, options, cells, builds, directory):
        self.options, self.cells, self.builds, self.directory = options, cells, builds, directory
        self.servers, self.faults, self.skipped = [], [], []
        self.results = collections.defaultdict(list)  # (cell, target) → (Result, Watch) of each round
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        pair = certificate(self.directory)
        self.accounts = Accounts(self.directory, self.options.accounts)
        self.redis = {}
        for sync in sorted({cell.sync for cell in self.cells}, key=SYNCS.index):
            redis = self.started(Redis(self.directory / sync, pair, appendfsync=sync))
            redis.certificate = pair[0]
            self.accounts.register(redis)
            self.accounts.reset(redis, 1024)
            self.redis[sync] = redis
        for build in self.builds:
            some = next(iter(self.redis.values()))
            build.tls = build.knows_tls(self.directory, some, self.options.nginx)
        self.skip_what_cannot_be()
        for build, workers in itertools.product(self.builds, sorted({cell.workers for cell in self.cells})):
            self.start_nginx(build, workers)

    def start_nginx(self, build, workers):
        cells = [cell for cell in self.cells if cell.workers == workers]
        services = {
            service(cell): wallet_sync(*build.address(self.redis[cell.sync], cell.transport))
            for cell in cells
            if build.tls or cell.transport != "tls"
        }
        if build is self.builds[0]:
            services |= {body_name(cell): return_200(self.answer(cell)) for cell in cells if "return 200" in cell.floors}
        directory = self.directory / f"nginx-{build.name}-{workers}"
        path, binary = build.path, self.options.nginx
        build.nginx[workers] = self.started(Nginx(directory, services, module=path, workers=workers, binary=binary))

    @staticmethod
    def answer(cell):
        return "{}" if cell.mode == "post" else wallet_body(cell.size)

    def skip_what_cannot_be(self):
        if not self.builds[0].tls and any(cell.transport == "tls" for cell in self.cells):
            self.skipped.append("TLS to Redis: this build does not know `tls=on`")
            self.cells = [cell for cell in self.cells if cell.transport != "tls"]

    def started(self, server):
        self.servers.append(server)
        return server

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
            if isinstance(server, Nginx):
                self.faults += [f"nginx complains: {line}" for line in server.complaints()]
        self.servers = []

    # ---- measuring

    def targets(self, cell):
        builds = [build.name for build in self.builds if build.tls or cell.transport != "tls"]
        return [*builds, *cell.floors]

    def measure(self, progress):
        self.check_answers()
        for number in range(self.options.rounds):
            for cell in self.cells:
                targets = self.targets(cell)
                shift = number % len(targets)  # nobody is always first, or always after the same one
                for target in targets[shift:] + targets[:shift]:
                    progress(f"round {number + 1} of {self.options.rounds}: {cell.request}, {target}")
                    self.keep(cell, target, *self.measure_one(cell, target))

    def measure_one(self, cell, target):
        redis, seconds = self.redis[cell.sync], self.options.seconds
        if target == "return 200":
            nginx = self.builds[0].nginx[cell.workers]
            with Watch(nginx=nginx.children()) as watch:
                return load.wrk(cell, nginx.url(body_name(cell)), self.accounts, seconds), watch
        self.accounts.reset(redis, cell.size, load.accounts_for(cell, self.accounts))
        if target in LOOPS:
            with Watch(redis=[redis.pid]) as watch:
                return load.redis_loop(target, cell, redis, self.accounts, seconds), watch
        nginx = next(build for build in self.builds if build.name == target).nginx[cell.workers]
        with Watch(nginx=nginx.children(), redis=[redis.pid]) as watch:
            if cell.mode == "writers":
                result = load.writers(cell, nginx.ports[service(cell)], self.accounts, seconds)
            else:
                result = load.wrk(cell, nginx.url(service(cell)), self.accounts, seconds)
        if cell.writes:
            self.check_writes(cell, redis, result)
        return result, watch

    def keep(self, cell, target, result, watch):
        self.results[cell, target].append((result, watch))
        if result.not_200 or result.broken:
            name = f"{cell.request}, {cell.connections} connections, {cell.redis}, {target}"
            self.faults.append(f"{name}: {result.not_200} not 200, {result.broken} broken connections")

    # ---- what makes the figures worth something

    def check_writes(self, cell, redis, result):
        """The wallets are as many steps ahead as writes were acknowledged; what was sent and not waited for may be, too."""
        if cell.mode == "writers":
            parts = [(result, self.accounts.ids[1 : 1 + cell.connections])] if cell.connections else []
            parts += [(result.beside or result, self.accounts.ids[:1])] if cell.crowd else []
        else:
            parts = [(result, self.accounts.ids[: load.accounts_for(cell, self.accounts)])]
        for part, ids in parts:
            found, acknowledged = sum(self.accounts.writes(redis, ids)), part.succeeded
            if cell.mode == "mix":
                acknowledged = acknowledged // 10 - cell.connections - 2
            exact = cell.mode == "writers" and not part.not_200  # all answers were waited for
            if found < acknowledged or (exact and found > acknowledged):
                raise Failure(f"Redis has {found} writes, {acknowledged} were acknowledged")

    def check_answers(self):
        """The comparison is fair only if all send the same body, and 304 is what If-None-Match gets."""
        token = self.accounts.tokens[0]
        for cell in (cell for cell in self.cells if cell.mode in ("get", "conditional")):
            redis = self.redis[cell.sync]
            self.accounts.reset(redis, cell.size, 1)
            for target in (target for target in self.targets(cell) if target not in LOOPS):
                build = next((build for build in self.builds if build.name == target), self.builds[0])
                name = body_name(cell) if target == "return 200" else service(cell)
                sequence = FIRST_SEQUENCE if target == "return 200" else self.accounts.sequence
                request = urllib.request.Request(f"{build.nginx[cell.workers].url(name)}/api/3/wallet?token={token}")
                expected = 200, wallet_body(cell.size, sequence)
                if cell.mode == "conditional":
                    request.add_header("If-None-Match", f'"{sequence}"')
                    expected = 304, ""
                if fetch(request) != expected:
                    raise Failure(f"{target} answers {cell.request} with something else than expected")

    # ---- for the report

    def rounds(self, cell, target):
        return self.results.get((cell, target), [])

    def raw(self):
        """All figures of all rounds, for whoever wants to look closer."""
        rows = []
        for (cell, target), rounds in self.results.items():
            for number, (result, watch) in enumerate(rounds):
                seen = {"cpu": watch.cpu, "shares": watch.shares, "client": watch.client}
                seen |= {"idle": watch.idle, "foreign": watch.foreign}
                rows.append({"cell": vars(cell), "target": target, "round": number, "result": vars(result), **seen})
        return json.dumps(rows, indent=1, default=vars)


def fetch(request):
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
