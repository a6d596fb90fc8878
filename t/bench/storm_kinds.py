"""The storms of t/bench/storms, and the servers they come over."""

import dataclasses
import subprocess
import sys
import threading
import time

import build
import load
from build import Failure
from growth import resident
from logins import Bodies
from scenarios import GET
from servers import Accounts, Nginx, Process, Redis, wallet_sync
from socket_servers import Client, descriptors_allowed, slots

sys.path.append(str(build.ROOT / "t"))

from support.heap import Heap  # noqa: E402

MB = 1 << 20
SETTLED = 1024  # accounts before those of the slow clients: of the readers
READERS = GET.variant(connections=8)
READER_DELAY = 10  # ms between two reads of a connection
FULL = GET.variant(connections=64)
WARM = 2  # seconds
HEAD = "wallet_sync_thread_pool threads=2 max_queue=32;"


class ServerWithSmallBuffers(Nginx):
    """On loopback the kernel would take all that a slow reader does not; no network does it the favour."""

    def server(self, name, directives):
        return super().server(name, directives).replace(" reuseport;", " reuseport sndbuf=16k;", 1)


class Servers:
    def __init__(self, options, path, directory):
        self.options, self.directory, self.running, self.faults = options, directory, [], []
        self.room = descriptors_allowed(options.idle)
        try:
            self.redis = self.started(Redis(directory / "redis"))
            self.accounts = Accounts(directory, SETTLED + max(options.slow, 8192))
            self.accounts.register(self.redis)
            self.accounts.reset(self.redis, 1024)
            self.heap = Heap(directory / "heap")
            services = {"wallet_sync": wallet_sync(f"unix:{self.redis.socket}") + " wallet_sync_accounts open;"}
            more = {"workers": options.workers, "binary": options.nginx, "environment": self.heap.environment, "head": HEAD}
            room = slots(min(options.idle // options.workers + 2000, self.room))
            self.nginx = self.started(ServerWithSmallBuffers(directory / "nginx", services, module=path, connections=room, **more))
        except BaseException:
            self.stop()
            raise
        self.port, self.url = self.nginx.ports["wallet_sync"], self.nginx.url("wallet_sync")

    def started(self, server):
        self.running.append(server)
        return server

    def stop(self):
        for server in reversed(self.running):
            server.stop()
            if isinstance(server, Nginx):
                self.faults += [f"nginx complains: {line}" for line in server.complaints()]
        self.running = []

    def resident(self):
        return sum(resident(pid) for pid in self.nginx.children())

    def allocated(self):
        return self.heap.allocated(self.nginx.children())

    def reads(self, cell=READERS, delay_ms=READER_DELAY):
        result = load.wrk(cell, self.url, self.accounts, self.options.seconds, delay_ms=delay_ms, count=SETTLED)
        if result.not_200 or result.broken:
            self.faults.append(f"reads: {result.not_200} not 200, {result.broken} broken connections")
        return result


@dataclasses.dataclass
class Found:
    """In a round. Times in ms, memory in bytes."""

    capacity: float = 0  # per second, as goodput and refused
    goodput: float = 0
    refused: float = 0
    alone: float = 0  # p99 of the others' reads
    beside: float = 0
    before: int = 0
    most: int = 0
    after: int = 0
    left: int = 0  # that malloc counts beyond what was before

    @property
    def share(self):
        return self.goodput / self.capacity if self.capacity else 0

    @property
    def slower(self):
        return self.beside / self.alone if self.alone else 0


class Most:
    """The most memory while the `with` block runs."""

    def __init__(self, servers):
        self._servers, self._ended, self.bytes = servers, threading.Event(), 0

    def __enter__(self):
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _sample(self):
        while not self._ended.wait(0.05):
            self.bytes = max(self.bytes, self._servers.resident())


class Storm:
    bound_of_reads = None
    bound_of_rest = 4 * MB  # coroutine frames and buffers that are kept: once, not for each storm

    def __init__(self, servers):
        self.servers, self.options = servers, servers.options
        self.found, self.faults, self.notes, self.clients = [], [], [], ""

    def measure(self, progress):
        servers, found = self.servers, Found()
        progress(f"{self.title}: alone")
        self.prepare()
        found.alone = servers.reads().p99_ms
        found.capacity = self.capacity()
        progress(f"{self.title}: the storm")
        allocated, found.before = servers.allocated(), servers.resident()
        with Most(servers) as most:
            self.strike(found)
        time.sleep(0.5)
        found.left, found.after = servers.allocated() - allocated, servers.resident()
        found.most = max(most.bytes, found.after)
        self.found.append(found)


    def prepare(self):
        pass


class Crowd(Storm):
    """crowd.cpp's clients, ten times as many as can be served."""

    ramp = (4, 16, 64, 256)

    def crowd(self, clients, period, seconds, warm=1):
        command = [build.program("crowd"), self.servers.port, self.lines, clients, self.mode, 0, 0, period, warm, seconds]
        seconds, done, refused, _, other, broken = load.run(command)[:6]
        if other or broken:
            self.faults.append(f"{self.title}: {other:.0f} other answers, {broken:.0f} broken connections")
        return done / seconds, refused / seconds

    def capacity(self):
        best = 0.0
        for clients in self.ramp:
            goodput, _ = self.crowd(clients, 0, self.trial)
            if goodput < best:
                break
            best = goodput
        return best

    def strike(self, found):
        clients, period = self.wanting(found.capacity)
        beside = []
        thread = threading.Thread(target=lambda: (time.sleep(WARM), beside.append(self.servers.reads())))
        thread.start()
        found.goodput, found.refused = self.crowd(clients, period, self.options.seconds, WARM)
        thread.join()
        found.beside = beside[0].p99_ms


class Logins(Crowd):
    title, mode, trial = "logins", "login", 4
    bound_of_reads = 2
    bound_of_memory = 200 * MB  # 32 MiB for each hash that runs, and there are four threads

    def __init__(self, servers):
        super().__init__(servers)
        self.lines = Bodies(servers.directory, servers.url).tokens_file

    def wanting(self, capacity):
        clients = round(self.options.times * capacity)
        self.clients = f"{clients:,}, each once a second"
        return clients, 1


class Handshakes(Crowd):
    title, mode, trial = "handshakes", "handshake", 3
    bound_of_memory = 64 * MB
    most = 2000  # clients; they want more often instead

    def __init__(self, servers):
        super().__init__(servers)
        self.lines = servers.accounts.tokens_file

    def wanting(self, capacity):
        clients = min(self.most, self.servers.room)
        self.clients = f"{clients:,}, each {self.options.times * capacity / clients:.0f} times a second"
        return clients, clients / (self.options.times * capacity)


class Lot(Storm):
    """Many clients that do next to nothing. What counts is what others are served meanwhile."""

    def capacity(self):
        return self.servers.reads(FULL, 0).rate

    def strike(self, found):
        self.begin()
        found.beside = self.servers.reads().p99_ms
        found.goodput = self.servers.reads(FULL, 0).rate
        self.end()


class Slow(Lot):
    def __init__(self, servers):
        super().__init__(servers)
        self.count = min(self.options.slow, servers.room)
        self.bound_of_memory = self.count * (self.options.size + 16384) * 1.1
        self.clients = f"{self.count:,}, a byte every {self.options.pace:g} s"

    def prepare(self):
        """Large wallets for the slow, and small ones again for those who read them."""
        accounts, redis = self.servers.accounts, self.servers.redis
        accounts.reset(redis, self.options.size)
        self.sequence = accounts.sequence
        accounts.reset(redis, 1024, SETTLED)
        time.sleep(WARM)  # the file of 200 MB goes to the disk

    def begin(self):
        accounts, options = self.servers.accounts, self.options
        command = [build.program("slow"), self.mode, self.servers.port, accounts.tokens_file, self.count, options.size]
        command += [self.sequence, options.pace, SETTLED]
        self.process = self.servers.started(SlowClients(command))
        time.sleep(WARM)  # until Redis has told all the wallets

    def end(self):
        done, wrong, broken = self.process.finish()
        self.servers.running.remove(self.process)
        if done < self.count:
            self.faults.append(f"{self.title}: of {self.count} {done} were served, {wrong} wrongly, {broken} not at all")


class SlowClients(Process):
    """The program of slow.cpp."""

    def __init__(self, command):
        command = [str(word) for word in command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.answer("opened")

    def answer(self, name):
        line = self.process.stdout.readline()
        if not line.startswith(name):
            raise Failure(f"the slow clients have failed: {line}")
        return [int(word) for word in line.split()[1:]]

    def finish(self):
        print(file=self.process.stdin, flush=True)
        counts = self.answer("finished")
        self.process.wait(20)
        return counts


class SlowReaders(Slow):
    title, mode = "slow readers", "read"


class SlowWriters(Slow):
    title, mode = "slow writers", "write"


class Idle(Lot):
    title = "idle connections"

    def __init__(self, servers):
        super().__init__(servers)
        workers, most = self.options.workers, self.options.idle
        self.count = min(most, servers.room * workers, workers * (servers.room - 1000))
        if self.count < most:
            self.notes.append(f"The limit of open files (`ulimit -Hn`) leaves room for {self.count:,} of {most:,} idle connections.")
        self.clients = f"{self.count:,}"
        self.bound_of_memory = self.count * 2048

    def begin(self):
        """Of several processes, as each has a limit of its own."""
        tokens, port, each = self.servers.accounts.tokens_file, self.servers.port, self.servers.room
        self.processes = [self.servers.started(Client("keepalive", port, tokens, min(each, self.count - first), first))
                          for first in range(0, self.count, each)]
        for process in self.processes:
            process.opened()

    def end(self):
        for process in self.processes:
            process.ask("close", answer="closed")
            self.servers.running.remove(process)
            process.stop()


KINDS = {"logins": Logins, "handshakes": Handshakes, "readers": SlowReaders, "writers": SlowWriters, "idle": Idle}
