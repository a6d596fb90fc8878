"""What happens to a Redis Cluster."""

import asyncio
import subprocess

from faults.fault import ELSEWHERE, Fault, fault
from faults.history import LOGIN, PASSWORD, READ, SEED, SIGNUP, SOCKET, WRITE

EVERYTHING = (LOGIN, PASSWORD, READ, SEED, SIGNUP, SOCKET, WRITE)
READS = (READ, SEED, SOCKET)
MASTERS = 3


class ClusterFault(Fault):
    """Strikes a shard (its number, for masters and replicas change places), or all of them."""

    @classmethod
    def missing(cls, deployment):
        return "" if deployment.cluster and (deployment.loses_nodes or not cls.loses) else ELSEWHERE

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.cluster = deployment.cluster
        self._shard = rng.randrange(MASTERS)

    def pair(self):
        """(master, replica) of the shard."""
        pair = self.cluster.nodes[self._shard], self.cluster.nodes[self._shard + MASTERS]
        return pair if pair[0].role == "master" else pair[::-1]

    def masters(self):
        return [node for node in self.cluster.nodes[:2 * MASTERS] if node.role == "master"]

    async def heal(self):
        await self.deployment.ready()


@fault
class MoveSlots(ClusterFault):
    """Slots with accounts in them move to and fro between masters, with their keys one by one or all at once."""

    name = "cluster-move"
    spares = EVERYTHING
    seconds = (0.0, 0.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._together = rng.choice((1, 10))
        self._moves = [(rng.random(), rng.randrange(MASTERS)) for _ in range(rng.randint(20, 80))]
        self.detail = f"{len(self._moves)} slots, {self._together} keys at once"

    async def inject(self):
        await asyncio.to_thread(self._move_all)

    def _move_all(self):
        slots, masters = self.deployment.slots(), self.masters()
        for place, master in self._moves:
            self.cluster.move(slots[int(place * len(slots))], masters[master], self._together)


@fault
class Reshard(ClusterFault):
    """redis-cli --cluster reshard, from one master to another, and as many slots back."""

    name = "cluster-reshard"
    spares = EVERYTHING
    seconds = (0.0, 1.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._count = rng.randint(100, 400)
        self._target = (self._shard + rng.choice((1, 2))) % MASTERS
        self._pipeline = rng.choice((1, 10))
        self.detail = f"{self._count} slots, {self._pipeline} keys at once"

    async def inject(self):
        await asyncio.to_thread(self._reshard, self._shard, self._target)

    async def heal(self):
        await asyncio.to_thread(self._reshard, self._target, self._shard)
        await super().heal()

    def _reshard(self, source, target):
        self.cluster.agreed()
        nodes = self.cluster.nodes
        of_shard = [next(node for node in (nodes[shard], nodes[shard + MASTERS]) if node.role == "master")
                    for shard in (source, target)]
        done = subprocess.run(
            ["redis-cli", "--cluster", "reshard", of_shard[0].tcp_address, "--cluster-from", of_shard[0].id(),
             "--cluster-to", of_shard[1].id(), "--cluster-slots", str(self._count), "--cluster-pipeline",
             str(self._pipeline), "--cluster-yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-1000:]


@fault
class AddAndRemove(ClusterFault):
    """A node is added and gets slots with accounts of every master; later it is emptied and removed."""

    name = "cluster-add-remove"
    spares = EVERYTHING
    seconds = (0.5, 3.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._share = rng.uniform(0.1, 0.4)
        self._seed = rng.random()
        self.detail = f"with {self._share:.0%} of the accounts"

    async def inject(self):
        await asyncio.to_thread(self._add_and_fill)

    def _add_and_fill(self):
        spare = self.deployment.spare.redis
        self.cluster.add(spare)
        slots = self.deployment.slots()
        self.rng.shuffle(slots)
        self._taken = slots[:int(self._share * len(slots))]
        for slot in self._taken:
            self.cluster.move(slot, spare)

    async def heal(self):
        await asyncio.to_thread(self._empty_and_remove)
        await super().heal()

    def _empty_and_remove(self):
        masters = self.masters()
        for slot in self._taken:
            self.cluster.move(slot, self.rng.choice(masters))
        self.cluster.agreed()
        self.cluster.remove(self.deployment.spare.redis)


@fault
class FailoverInOrder(ClusterFault):
    """CLUSTER FAILOVER: the master waits for its replica, and hands over."""

    name = "cluster-failover"
    seconds = (0.0, 0.0)
    how = ()

    async def inject(self):
        await asyncio.to_thread(self._fail_over)

    def _fail_over(self):
        self.cluster.fail_over(self.pair()[0], *self.how)
        self.cluster.agreed()


class Loss(ClusterFault):
    """A master is lost or passed by, with whatever its replica does not have. At first nobody can use its accounts; as
    soon as its successor is known they are read, and when that one has a replica they are written."""

    loses = True
    seconds = (0.0, 0.0)

    def succeeded(self):
        """All have the new map."""
        self.cluster.agreed()
        self.turn(READS if self.deployment.replicated else EVERYTHING)


@fault
class KillMaster(Loss):
    """kill -9 of a master; its replica is elected, and it comes back as the replica of that one."""

    name = "cluster-kill"
    ends, comes_back = "kill", "start"

    async def inject(self):
        await asyncio.to_thread(self._lose)

    def _lose(self):
        self._master, replica = self.pair()
        replica.cli("CONFIG", "SET", "cluster-replica-no-failover", "no")
        getattr(self.cluster, self.ends)(self._master)
        self.cluster.promoted(self._master)
        replica.cli("CONFIG", "SET", "cluster-replica-no-failover", "yes")
        self.succeeded()

    async def heal(self):
        await asyncio.to_thread(getattr(self._master, self.comes_back))
        await super().heal()


@fault
class FreezeMaster(KillMaster):
    """SIGSTOP of a master until its replica has been elected; it wakes as a master, with all that was sent to it."""

    name = "cluster-freeze"
    ends, comes_back = "freeze", "thaw"


@fault
class Takeover(Loss):
    """CLUSTER FAILOVER TAKEOVER, or FORCE: nobody asks the master, which goes on until it hears of it."""

    name = "cluster-takeover"

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.detail = rng.choice(("TAKEOVER", "FORCE"))

    async def inject(self):
        await asyncio.to_thread(self._take_over)

    def _take_over(self):
        self.cluster.fail_over(self.pair()[0], self.detail)
        self.succeeded()
