"""What happens to Redis."""

import asyncio
import errno
import os
import signal

from faults import history as records
from faults.fault import ELSEWHERE, Fault, NodeFault, fault
from support.resp import RedisError
from support.wait import until

READS = (records.READ, records.SEED)


@fault
class Kill(NodeFault):
    """kill -9, and a start on the append-only file."""

    name = "redis-kill"
    seconds = (0.0, 2.0)

    async def inject(self):
        await asyncio.to_thread(self.redis.kill)

    async def heal(self):
        await asyncio.to_thread(self.redis.start)
        await self.node.ready()


@fault
class Freeze(NodeFault):
    """SIGSTOP for longer than the timeout; what was sent to it is done afterwards, whether anybody still wants it or not."""

    name = "redis-freeze"
    seconds = (1.2, 2.5)

    async def inject(self):
        await asyncio.to_thread(self.redis.freeze)

    async def heal(self):
        self.redis.thaw()
        await self.node.ready()


@fault
class KillClients(NodeFault):
    """CLIENT KILL, again and again."""

    name = "redis-client-kill"

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.detail = rng.choice(("normal", "pubsub", "both"))
        self._kinds = ("normal", "pubsub") if self.detail == "both" else (self.detail,)
        self._pause = rng.uniform(0.02, 0.3)
        self._task = None

    async def inject(self):
        self._task = asyncio.create_task(self._go_on())

    async def _go_on(self):
        while True:
            for kind in self._kinds:
                await self.node.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            await asyncio.sleep(self._pause)

    async def heal(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.node.ready()


@fault
class PauseClients(NodeFault):
    """CLIENT PAUSE, of everything or of writes. It ends by itself: to be told so, Redis would have to listen."""

    name = "redis-client-pause"
    seconds = (0.0, 0.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._mode = rng.choice(("ALL", "WRITE"))
        self._milliseconds = round(rng.uniform(300, 2200))
        self.detail = f"{self._mode} {self._milliseconds} ms"

    async def inject(self):
        await self.node.ask("CLIENT", "PAUSE", self._milliseconds, self._mode)

    async def heal(self):
        await asyncio.sleep(self._milliseconds / 1000)
        await self.node.ready()


class Refuse(NodeFault):
    """A setting with which Redis refuses to write; reading goes on."""

    spares = READS
    setting, strict, usual = "", "", ""

    async def inject(self):
        await self.node.ask("CONFIG", "SET", self.setting, self.strict)

    async def heal(self):
        await self.node.ask("CONFIG", "SET", self.setting, self.usual)
        await self.node.ready()


@fault
class MaxMemory(Refuse):
    """No memory for another write."""

    name = "redis-maxmemory"
    setting, strict, usual = "maxmemory", "1mb", "0"


@fault
class MinReplicas(Refuse):
    """More replicas are asked for than there are."""

    name = "redis-min-replicas"
    setting, strict, usual = "min-replicas-to-write", "9", "0"


@fault
class FullDisk(NodeFault):
    """No room for the append-only file. Redis ends, for it could not keep its promise."""

    name = "redis-full-disk"
    seconds = (0.5, 2.0)

    @classmethod
    def missing(cls, deployment):
        elsewhere = super().missing(deployment)
        if not elsewhere and not all(node.volume for node in deployment.nodes):
            return "a small file system could not be mounted"
        return elsewhere

    @property
    def _ballast(self):
        return os.path.join(self.redis.directory, "ballast")

    async def inject(self):
        await asyncio.to_thread(self._fill)

    def _fill(self):
        with open(self._ballast, "wb") as out:
            until(lambda: self._take_all(out), "the disk is full")

    def _take_all(self, out):
        volume = os.statvfs(self.redis.directory)
        try:
            if volume.f_bavail:
                os.posix_fallocate(out.fileno(), out.seek(0, os.SEEK_END), volume.f_bavail * volume.f_frsize)
        except OSError as error:
            if error.errno != errno.ENOSPC:  # Redis has taken some of it in between
                raise
            return False
        return True

    async def heal(self):
        await asyncio.to_thread(self.redis.kill)
        os.remove(self._ballast)
        await asyncio.to_thread(self.redis.start)
        await self.node.ready()


@fault
class Loading(NodeFault):
    """A restart after which Redis loads its data for seconds."""

    name = "redis-loading"
    seconds = (0.0, 0.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._load_seconds = rng.uniform(1, 3)
        self.detail = f"{self._load_seconds:.1f} s"

    async def inject(self):
        await rewrite(self.node)  # so that what is loaded are keys, of which we know the number
        keys = await self.node.ask("DBSIZE")
        await asyncio.to_thread(self.redis.kill)
        usual = list(self.redis.options)
        self.redis.options.append(f"key-load-delay {int(self._load_seconds * 1e6 / max(keys, 1))}")
        try:
            await asyncio.to_thread(self.redis.start, False)
        finally:
            self.redis.options = usual

    async def heal(self):
        await self.node.ready()
        await self.node.ask("CONFIG", "SET", "key-load-delay", "0")


@fault
class KillInRewrite(NodeFault):
    """kill -9 of Redis and of the process that rewrites its append-only file."""

    name = "redis-rewrite-kill"
    seconds = (0.0, 0.5)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._after = rng.uniform(0.0, 0.6)
        self.detail = f"after {self._after:.2f} s"

    async def inject(self):
        keys = await self.node.ask("DBSIZE")
        await self.node.ask("CONFIG", "SET", "rdb-key-save-delay", int(5e5 / max(keys, 1)))
        await start_rewrite(self.node)
        await asyncio.sleep(self._after)
        children = await asyncio.to_thread(self.redis.children)
        await asyncio.to_thread(self.redis.kill)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    async def heal(self):
        await asyncio.to_thread(self.redis.start)
        await self.node.ready()


@fault
class Demote(NodeFault):
    """Redis becomes the replica of nobody who is there, as a master does that a failover has passed by."""

    name = "redis-demote"

    @classmethod
    def missing(cls, deployment):
        return ELSEWHERE if deployment.cluster else super().missing(deployment)

    async def inject(self):
        await self.node.ask("REPLICAOF", "127.0.0.1", "1")

    async def heal(self):
        await self.node.ask("REPLICAOF", "NO", "ONE")
        await self.node.ready()


@fault
class Failover(Fault):
    """Another Redis becomes the master, with all that was acknowledged, and takes over the address.

    The connections that are there either end, or survive and lead to what is a replica now.
    """

    name = "failover"
    touches = ("redis", "network")
    seconds = (0.0, 0.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._survive = rng.random() < 0.7
        self.detail = f"connections {'survive' if self._survive else 'end'}"

    @classmethod
    def missing(cls, deployment):
        return "" if hasattr(deployment, "fail_over") else ELSEWHERE

    async def inject(self):
        await self.deployment.fail_over(cut=not self._survive)

    async def heal(self):
        await self.deployment.ready()


async def start_rewrite(node):
    try:
        await node.ask("BGREWRITEAOF")
    except RedisError:
        pass  # one is under way


async def rewrite(node):
    await start_rewrite(node)
    while b"aof_rewrite_in_progress:1" in await node.ask("INFO", "persistence") \
            or b"aof_rewrite_scheduled:1" in await node.ask("INFO", "persistence"):
        await asyncio.sleep(0.02)
