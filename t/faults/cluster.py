"""Deployments on a Redis Cluster of three masters with a replica each, and a node that is not in it yet."""

import asyncio
import binascii

from faults.checker import PROMISES
from faults.deployment import QUICK, Node, OneMachine, stored_in
from faults.fault import NodeFault
from faults.population import Mix
from support.api3 import key_of
from support.cluster import SLOTS, Cluster
from support.resp import RedisError
from support.websocket import plant_token

# No replica takes over by itself unless a fault lets it, so that a busy machine loses no master.
CONF = [*QUICK, "cluster-replica-no-failover yes", "cluster-allow-replica-migration no"]
# More than 200 accounts, most of which nobody signs up for.
CROWD = Mix(quiet=3, crowded=1, crowd=4, restless=2, newcomers=1, planted=200)


class Member(Node):
    """A node of a cluster: ready when it serves and has its replica, or when it follows its master."""

    def _is_ready(self, role):
        try:
            with self.redis.client(timeout=30) as client:
                if b"cluster_state:ok" not in client("CLUSTER", "INFO"):
                    return False
                replication = client("INFO", "replication")
                return b"state=online" in replication or b"master_link_status:up" in replication
        except (OSError, RedisError):
            return False


class Clustered(OneMachine):
    """Nodes come and go, slots move, replicas take over in the orderly way: nothing may be lost, or be seen of it but
    that some answers take longer."""

    name = "a cluster"
    words = ""  # of wallet_sync_redis
    loses_nodes = replicated = False
    node_timeout = 5000  # ms
    mix = CROWD

    def __init__(self, directory, **more):
        self.cluster = Cluster(directory, outside=1, node_timeout=self.node_timeout, conf=CONF)
        members = [Member(node) for node in self.cluster.nodes]
        self.nodes, self.spare = members[:-1], members[-1]
        self._map, self._slots = None, set()
        super().__init__(directory, self.cluster.address + self.words, **{"timeout": 2.0, "connect_timeout": 1.0, **more})
        self.facts["recovery"] = 2.0

    async def start(self):
        await asyncio.to_thread(self.cluster.start)
        await asyncio.to_thread(self.machine.start)

    def kill(self):
        super().kill()
        self.spare.kill()

    async def ready(self):
        await super().ready()
        await asyncio.to_thread(self.cluster.agreed)
        self._map = None

    def pids(self):
        return super().pids() + [pid for pid in [self.spare.redis.pid] if pid]

    def slots(self):
        """Of the accounts that were planted."""
        return sorted(self._slots)

    async def stored(self, email):
        return await stored_in(await self.owner(email), email)

    async def plant(self, email):
        self._slots.add(slot_of(email))
        owner = await self.owner(email)
        return await asyncio.to_thread(plant_token, owner.redis, account_of(email))

    async def owner(self, email):
        """The master of the account, as of the last time when everything was ready."""
        if self._map is None:
            self._map = await self.nodes[0].ask("CLUSTER", "SLOTS")
        slot = slot_of(email)
        port = next(master[1] for first, last, master, *_ in self._map if first <= slot <= last)
        return next(node for node in (*self.nodes, self.spare) if node.redis.port == port)


class Mortal(Clustered):
    """Masters die, or are passed by. What is acknowledged has a replica, which is the one that takes over."""

    name = "a cluster that loses nodes, replicas=1"
    words = " replicas=1"
    loses_nodes = replicated = True
    node_timeout = 1500
    # What is found stored, but has no replica in time, is not looked for any longer.
    promises = tuple(name for name in PROMISES if name != "the outcome is unknown only when time is up")


    def suits(self, fault):
        return fault.loses or not issubclass(fault, NodeFault)


class Forgetful(Mortal):
    """The same without replicas: Redis may lose what it had acknowledged, and how much of it is counted."""

    name = "a cluster that loses nodes, without replicas="
    words = ""
    replicated = False
    promises = ("wallet, sequence and hmac are of one write", "every answer comes in time", "every answer has its form",
                "every request is answered", "the outcome is unknown only when time is up",
                "the server recovers within a second")


def account_of(email):
    """What stands in the braces of its keys."""
    return key_of(email).partition("{")[2].partition("}")[0]


def slot_of(email):
    return binascii.crc_hqx(account_of(email).encode(), 0) % SLOTS
