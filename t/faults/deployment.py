"""What is under test: processes, how to start them, and which faults can strike them.

The clients and the checker know a Deployment by this interface alone, and the faults its nodes and machines. Another
topology (a cluster, a sentinel) is a class of its own that starts its Redis processes as further nodes.
"""

import asyncio
import glob
import os
import shutil
import subprocess

from faults.relay import Relay
from support.api3 import key_of
from support.nginx import Nginx
from support.redis import Redis
from support.resp import RedisError
from support.settings import stretched
from support.wait import until

READY_STEP = 0.01
TMPFS = "96m"
# Rewrites of a small file, and an ear for us while it loads.
QUICK = ["auto-aof-rewrite-min-size 16mb", "loading-process-events-interval-bytes 1024"]


class Node:
    """A Redis (support.redis) whose directory is a small file system, if that can be had. kill() has to follow in any
    case."""

    def __init__(self, redis):
        self.redis = redis
        self.volume = _mount(redis.directory)

    async def start(self):
        await asyncio.to_thread(self.redis.start)

    def kill(self):
        """Ends it and its file system; its log outlives it."""
        self.redis.kill()
        if os.path.exists(self.redis.log_path):
            shutil.copy(self.redis.log_path, self.redis.directory + ".log")
        if self.volume:
            self.volume = False
            subprocess.run(["umount", "-l", self.redis.directory], check=False)

    def assert_left(self):
        """Nobody is connected, but for other nodes."""
        if self.redis.running:
            self.redis.thaw()
            until(lambda: not [client for client in self.redis.clients() if not set(client["flags"]) & set("SM")],
                  "nginx leaves no connection to Redis")

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
    """nodes: the Redis processes; relays: on the way to them; machines: the nginx processes. facts: for the checker.

    nodes_may_end: a node that is killed and started again, or told to be a replica and a master again, is what it was.
    cluster: a support.cluster.Cluster, or None. promises: names of those that are kept, if not all are. mix: of accounts,
    if not the usual one.
    """

    name = "?"
    nodes, relays, machines = (), (), ()
    nodes_may_end = True
    cluster = None
    promises = None
    mix = None
    facts = {}

    async def start(self):
        """Everything runs and serves."""
        raise NotImplementedError

    async def stop(self):
        """Ends everything; raises AssertionError if a log has what it must not have."""
        raise NotImplementedError

    def kill(self):
        """The end of whatever still runs, if something went wrong. Nothing happens if all of it has ended."""
        raise NotImplementedError

    async def ready(self):
        """Waits until everything can be written again, as far as Redis is concerned."""
        for node in self.nodes:
            await node.ready()

    def suits(self, fault):
        """Whether the fault (its class) shows anything here that it does not show elsewhere."""
        return True

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

    async def plant(self, email):
        """A token of an account that nobody signs up for, as a login leaves it."""
        raise NotImplementedError


class OneMachine(Deployment):
    """One nginx with two workers, which reach Redis at `address`, which may be followed by parameters. more: of nginx'
    configuration, see support.nginx."""

    def __init__(self, directory, address, clock=False, timeout=1.0, connect_timeout=0.5, **more):
        self.machine = Machine(
            os.path.join(directory, "nginx"), clock=clock, listen="reuseport", worker_connections=2048,
            http=f"wallet_sync_redis {address} timeout={timeout * 1000:.0f}ms connect_timeout={connect_timeout * 1000:.0f}ms;"
                 "\n    wallet_sync_accounts open;\n    wallet_sync_login_attempts off;\n    wallet_sync_drain_time 500ms;",
            **more)
        self.machines = [self.machine]
        self.facts = {"timeout": timeout, "connect_timeout": connect_timeout, "deployment": self.name,
                      "slack": stretched(1.0), "hashing": stretched(3.0)}
        if self.promises:
            self.facts["promises"] = self.promises

    async def start(self):
        for node in self.nodes:
            await node.start()
        for relay in self.relays:
            await relay.start()
        await asyncio.to_thread(self.machine.start)

    async def stop(self):
        try:
            if self.machine.running:
                await asyncio.to_thread(self.machine.quit)
            for relay in self.relays:  # one that is deaf has kept connections open that nginx has left
                await relay.stop()
            for node in self.nodes:
                await asyncio.to_thread(node.assert_left)
        finally:
            await asyncio.to_thread(self.kill)

    def kill(self):
        for part in (self.machine, *self.nodes):
            part.kill()

    def port(self):
        return self.machine.port


class Single(OneMachine):
    """One Redis. relayed: nginx reaches it over TCP and through a relay, else by its unix socket."""

    def __init__(self, directory, relayed=False, redis_options=(), **more):
        self.name = "through a relay" if relayed else "by unix socket"
        self.node = Node(Redis(os.path.join(directory, "redis"), [*QUICK, *redis_options]))
        self.nodes = [self.node]
        self.relays = [Relay(self.node.redis.socket_path)] if relayed else []
        super().__init__(directory, self.relays[0].address if relayed else self.node.redis.unix_address, **more)

    async def stored(self, email):
        return await stored_in(self.node, email)


class Pair(OneMachine):
    """A master and a replica. The relay is their common address: new connections lead to whoever is the master."""

    name = "a master, a replica and an address that moves"
    nodes_may_end = False

    def __init__(self, directory, **more):
        self.nodes = [Node(Redis(os.path.join(directory, f"redis-{number}"), QUICK)) for number in range(2)]
        self.master, self.replica = self.nodes
        self.relays = [Relay(self.master.redis.socket_path)]
        super().__init__(directory, self.relays[0].address, **more)

    async def start(self):
        await super().start()
        await self.replica.ask("REPLICAOF", "127.0.0.1", self.master.redis.port)
        while b"state=online" not in await self.master.ask("INFO", "replication"):
            await asyncio.sleep(READY_STEP)

    async def ready(self):
        await self.master.ready()

    async def fail_over(self, cut):
        """The orderly way, which loses nothing. cut: ends the connections to the old master."""
        await self.master.ask("FAILOVER", "TO", "127.0.0.1", self.replica.redis.port)
        await self.replica.ready()
        self.master, self.replica = self.replica, self.master
        self.relays[0].target = self.master.redis.socket_path
        if cut:
            self.relays[0].cut()

    async def stored(self, email):
        return await stored_in(self.master, email)


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
