"""What is under test: processes, how to start them, and which faults can strike them.

The clients and the checker know a Deployment by this interface alone, and the faults its nodes and machines. Another
topology (a cluster, a sentinel) is a class of its own that starts its Redis processes as further nodes.
"""

import asyncio
import glob
import os
import subprocess

from faults.relay import Relay
from support.api3 import key_of
from support.nginx import Nginx
from support.redis import Redis
from support.resp import RedisError
from support.settings import stretched

READY_STEP = 0.01
TMPFS = "96m"


class Node:
    """A Redis, and the relay on the way to it if there is one. volume: its directory is a small file system."""

    def __init__(self, directory, relayed=False, volume=False, options=()):
        self.redis = Redis(directory, options)
        self.relay = Relay(self.redis.socket_path) if relayed else None
        self.volume = volume and _mount(directory)

    @property
    def address(self):
        return self.relay.address if self.relay else self.redis.unix_address

    async def start(self):
        await asyncio.to_thread(self.redis.start)
        if self.relay:
            await self.relay.start()

    async def stop(self):
        if self.relay:
            await self.relay.stop()
        await asyncio.to_thread(self.redis.kill)
        self.unmount()

    def unmount(self):
        if self.volume:
            subprocess.run(["umount", "-l", self.redis.directory], check=False)

    async def ask(self, *words):
        return await asyncio.to_thread(self.redis.cli, *words)

    async def ready(self, role=b"master"):
        """Waits until it answers PING and has this role; None: any."""
        while not await asyncio.to_thread(self._is_ready, role):
            await asyncio.sleep(READY_STEP)

    def _is_ready(self, role):
        try:
            with self.redis.client(timeout=30) as client:
                return client("PING") == b"PONG" and role in (None, client("ROLE")[0])
        except (OSError, RedisError):
            return False


class Machine(Nginx):
    """An nginx. clock: its clock can be set to another day; only its own, not that of the machine it runs on."""

    def __init__(self, directory, clock=False, **options):
        self.clock = os.path.join(directory, "clock") if clock else None
        if clock:
            options["main"] = options.get("main", "") + "".join(f"env {name};\n" for name in self._faketime(""))
        super().__init__(directory, **options)
        if clock:
            self.set_clock(0)

    def set_clock(self, seconds):
        """Seconds by which it is ahead."""
        with open(self.clock + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+.0f}s\n")
        os.rename(self.clock + ".new", self.clock)

    def workers_now(self):
        """The workers as the kernel has them, without a look at every process of the machine."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as pids:
                return [int(pid) for pid in pids.read().split()]
        except OSError:
            return []

    @staticmethod
    def _faketime(path):
        return {"FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_CACHE_DURATION": "1", "DONT_FAKE_MONOTONIC": "1"}

    def _environment(self):
        environment = super()._environment()
        if self.clock:
            environment.update(LD_PRELOAD=faketime_library(), **self._faketime(self.clock))
        return environment


class Deployment:
    """nodes: the Redis processes; machines: the nginx processes. facts: for the checker."""

    name = "?"
    nodes, machines = (), ()
    facts = {}

    async def start(self):
        """Everything runs and serves."""
        raise NotImplementedError

    async def stop(self):
        """Ends everything; raises AssertionError if a log has what it must not have."""
        raise NotImplementedError

    async def ready(self):
        """Waits until all data can be written again, as far as Redis is concerned."""
        await asyncio.gather(*(node.ready() for node in self.nodes))

    def pids(self):
        """Of all processes that answer, now."""
        machines = [pid for machine in self.machines for pid in machine.workers_now()]
        return machines + [node.redis.pid for node in self.nodes if node.redis.pid]

    def port(self):
        """Where a client's next connection goes to."""
        raise NotImplementedError

    async def stored(self, email):
        """(sequence, wallet, hmac) as Redis has it, or None."""
        raise NotImplementedError


class Single(Deployment):
    """One Redis and one nginx with two workers.

    relayed: nginx reaches Redis over TCP, through a relay; else by the unix socket. clock: nginx runs under libfaketime.
    more: of nginx' configuration, see support.nginx.
    """

    def __init__(self, directory, relayed=False, clock=False, timeout=1.0, connect_timeout=0.5, redis_options=(), **more):
        self.name = "through a relay" if relayed else "by unix socket"
        self.node = Node(os.path.join(directory, "redis"), relayed, volume=True, options=[
            "auto-aof-rewrite-min-size 16mb", "loading-process-events-interval-bytes 1024", *redis_options])
        self.machine = Machine(
            os.path.join(directory, "nginx"), clock=clock, listen="reuseport", worker_connections=1024,
            http=f"wallet_sync_redis {self.node.address} timeout={timeout * 1000:.0f}ms "
                 f"connect_timeout={connect_timeout * 1000:.0f}ms;\n"
                 "    wallet_sync_accounts open;\n    wallet_sync_login_attempts off;\n    wallet_sync_drain_time 500ms;",
            **more)
        self.nodes, self.machines = [self.node], [self.machine]
        self.facts = {"timeout": timeout, "connect_timeout": connect_timeout, "deployment": self.name,
                      "slack": stretched(1.0), "hashing": stretched(3.0)}

    async def start(self):
        await self.node.start()
        await asyncio.to_thread(self.machine.start)

    async def stop(self):
        try:
            if self.machine.running:
                await asyncio.to_thread(self.machine.quit)
        finally:
            await asyncio.to_thread(self.machine.kill)
            await self.node.stop()

    def port(self):
        return self.machine.port

    async def stored(self, email):
        return await stored_in(self.node, email)


async def stored_in(node, email):
    sequence, wallet, hmac = await node.ask("HMGET", key_of(email, ":wallet"), "sequence", "wallet", "hmac")
    return (int(sequence), wallet.decode(), hmac.decode()) if sequence is not None else None


def faketime_library():
    """libfaketime for programs with threads, or None."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def _mount(directory):
    """Makes the directory a file system of its own, so that a disk can be full; False where that is not permitted."""
    os.makedirs(directory, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "wallet-sync-faults", directory],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0
