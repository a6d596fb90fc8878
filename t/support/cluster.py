"""A Redis Cluster on loopback: masters with replicas, slots that move, failovers; and an nginx that finds it."""

import os
import time

from support.crowd import Background
from support.ports import free_port
from support.redis import Redis
from support.resp import RedisError
from support.sentinels import SentinelServer
from support.wait import until
from support.websocket import plant_token

SLOTS = 16384
KEYS_PER_MIGRATE = 10


class ClusterNode(Redis):
    def __init__(self, directory, options=()):
        self.bus = free_port()
        super().__init__(directory, ["cluster-enabled yes", "cluster-config-file nodes.conf", f"cluster-port {self.bus}",
                                     "repl-diskless-sync-delay 0", *options])

    def info(self):
        return dict(line.split(":", 1) for line in self.cli("CLUSTER", "INFO").decode().splitlines() if ":" in line)

    def id(self):
        return self.cli("CLUSTER", "MYID").decode()

    @property
    def alive(self):
        return self.running and self.state() != "T"

    @property
    def role(self):
        return self.cli("ROLE")[0].decode()

    @property
    def in_step(self):
        """A replica that has all of its master's data."""
        role = self.cli("ROLE")
        return role[0] == b"slave" and role[3] == b"connected"


class TlsClusterNode(ClusterNode):
    """It speaks nothing else, neither to clients nor to other nodes. options have its certificate."""

    def __init__(self, directory, options=()):
        super().__init__(directory, ["tls-replication yes", "tls-cluster yes", "tls-auth-clients no", *options])
        self.options += ["port 0", f"tls-port {self.port}"]

    @property
    def own_address(self):  # a node tells of TLS ports by TLS alone
        return "tls:" + self.tcp_address


class Cluster:
    """nodes: the masters to begin with, then their replicas in the same order, then those without slots (spare), then
    those that run and are not in the cluster (outside) until they are added."""

    def __init__(self, directory, masters=3, replicas=1, spare=0, outside=0, node_timeout=1000, conf=(), kind=ClusterNode):
        self.shards, self.replicas = masters, replicas
        options = [f"cluster-node-timeout {node_timeout}", "cluster-require-full-coverage no", *conf]
        self.nodes = [kind(os.path.join(directory, f"node-{n}"), options)
                      for n in range(masters * (1 + replicas) + spare + outside)]
        self._outside = set(self.nodes[len(self.nodes) - outside:])

    @property
    def address(self):
        return "cluster://" + ",".join(node.tcp_address for node in self.nodes[:self.shards])

    def start(self):
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.alive()):
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self.shards:
                node.cli("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // self.shards, SLOTS * (number + 1) // self.shards - 1)
            if number:
                self.nodes[0].cli("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
        self.wait_settled()
        for number in range(self.shards * self.replicas):
            self.nodes[self.shards + number].cli("CLUSTER", "REPLICATE", self.nodes[number % self.shards].id())
        for replica in self.nodes[self.shards:self.shards * (1 + self.replicas)]:
            until(lambda r=replica: r.in_step, "the replica is in step", 30)
        # A master vouches for a failover only if it knows whose replica asks.
        for node in self.alive():
            until(lambda n=node: n.cli("CLUSTER", "NODES").count(b"slave") == self.shards * self.replicas,
                  "the node knows the replicas", 30)
        return self

    def wait_settled(self):
        size = str(len(self.nodes) - len(self._outside))

        def settled(node):
            info = node.info()
            # A node counts another from the handshake on, and learns of its slots only afterwards.
            return info["cluster_state"] == "ok" and (info["cluster_known_nodes"], info["cluster_slots_ok"]) == (size, str(SLOTS))
        for node in self.alive():
            until(lambda n=node: settled(n), "the node sees the whole cluster", 60)

    def stop(self):
        for node in self.nodes:
            node.kill()

    # ---- who is who

    def alive(self):
        """Those of the cluster that run."""
        return [node for node in self.nodes if node.alive and node not in self._outside]

    def owner(self, slot):
        """The master of the slot, as most of the nodes that run see it."""
        votes = {}
        for node in self.alive():
            for first, last, master, *_ in node.cli("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    votes[master[1]] = votes.get(master[1], 0) + 1
        port = max(votes, key=votes.get)
        return next(node for node in self.nodes if node.port == port)

    def slot(self, token):
        return self.alive()[0].cli("CLUSTER", "KEYSLOT", token[:24])

    def owner_of(self, token):
        return self.owner(self.slot(token))

    def replica_of(self, master):
        return next(node for node in self.alive()
                    if node.role == "slave" and node.cli("ROLE")[2] == master.port)

    def plant_token(self, at=None):
        """Of a new account, whose master is the node `at` if that is given."""
        while True:
            token = os.urandom(12).hex()
            owner = self.owner_of(token)
            if at in (None, owner):
                return plant_token(owner, token)

    def sequence(self, token):
        """As its master has it."""
        return int(self.owner_of(token).cli("HGET", "wsync:{%s}:wallet" % token[:24], "sequence") or 0)

    # ---- what happens to it

    def add(self, node):
        """One that was outside; it serves no slot."""
        self._outside.discard(node)
        self.alive()[0].cli("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
        self.wait_settled()

    def remove(self, node):
        """A master without slots; afterwards it may be added again."""
        identity = node.id()
        self._outside.add(node)
        for other in self.alive():
            other.cli("CLUSTER", "FORGET", identity)
        node.cli("CLUSTER", "RESET", "HARD")

    def move(self, slot, target, together=KEYS_PER_MIGRATE):
        """As redis-cli --cluster reshard does it. together: keys of one MIGRATE. True: it was elsewhere."""
        source = self.owner(slot)
        if source is target:
            return False
        target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id())
        source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id())
        while keys := source.cli("CLUSTER", "GETKEYSINSLOT", slot, together):
            source.cli("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        # The target takes the highest epoch that it knows of. Were the source's higher, from a move a moment ago, one
        # of its heartbeats that is on its way would take the slot back, and the target delete the keys.
        until(lambda: len({node.info()["cluster_current_epoch"] for node in self.alive()}) == 1, "all know the epoch", 30)
        for node in [target, source, *(n for n in self.alive() if n not in (target, source) and n.role == "master")]:
            try:
                node.cli("CLUSTER", "SETSLOT", slot, "NODE", target.id())
            except RedisError as error:  # one whose last slot has left becomes a replica by itself
                assert "only with masters" in str(error), error
        return True

    def promoted(self, former):
        """The new master in the place of one that is gone, once the others know it."""
        slot = next(first for first, _, master, *_ in self._former_map if master[1] == former.port)
        return until(lambda: self._other_owner(slot, former), "a replica is promoted", 60)

    def _other_owner(self, slot, former):
        owner = self.owner(slot)
        return owner if owner is not former and owner.role == "master" else None

    def kill(self, node):
        self._former_map = self.alive()[0].cli("CLUSTER", "SLOTS")
        node.kill()

    def freeze(self, node):
        self._former_map = self.alive()[0].cli("CLUSTER", "SLOTS")
        node.freeze()

    def fail_over(self, master, *how):
        """CLUSTER FAILOVER at its replica; the new master."""
        self._former_map = self.alive()[0].cli("CLUSTER", "SLOTS")
        replica = self.replica_of(master)
        for attempt in range(4):
            replica.cli("CLUSTER", "FAILOVER", *how)
            try:
                until(lambda: replica.role == "master", "the replica takes over", 8)
                break
            except AssertionError:  # Redis gives a manual failover up after 5 s, and forgets that it was asked
                if attempt == 3:
                    raise
        return self.promoted(master)

    def agreed(self):
        """All that run name the same masters."""
        def views():
            return {tuple(sorted((first, last, master[1]) for first, last, master, *_ in node.cli("CLUSTER", "SLOTS")))
                    for node in self.alive()}
        until(lambda: len(views()) == 1, "the nodes agree", 30)


class ClusterServer(SentinelServer):
    """An nginx that finds its Redis in a cluster, which is not its own."""


class Writers:
    """One thread for each token writes the next version again and again. A 503 is JSON, and tried again.

    acknowledged: the highest sequence of each token that was answered 200, or 409 when the answer before was 503; refused: how
    many 503 there were. replicas: the server waits for some. Then a 409 may show what is lost with the master, and counts for
    nothing."""

    def __init__(self, api, tokens, replicas=False):
        self._api, self._ends, self._replicas = api, False, replicas
        self.acknowledged = {token: 0 for token in tokens}
        self.refused, self.slowest = 0, 0
        self._jobs = [Background(lambda t=token: self._write(t)) for token in tokens]

    def _write(self, token):
        sequence = 1
        while not self._ends:
            begin = time.monotonic()
            reply = self._api.post_wallet(token, sequence)
            self.slowest = max(self.slowest, time.monotonic() - begin)
            assert reply.status in (200, 409, 503), reply
            assert set(reply.json) >= {"error"}, reply
            if reply.status == 503:
                self.refused += 1
                time.sleep(0.01)
                continue
            if reply.status == 409 and self._replicas:
                assert reply.json["sequence"] >= self.acknowledged[token], reply
                sequence = reply.json["sequence"] + 1
                continue
            if reply.status == 409:  # one that was answered 503 has been stored all the same
                assert reply.json["sequence"] == sequence, reply
            self.acknowledged[token] = sequence
            sequence += 1

    def progress(self):
        """Every token's next acknowledged write, from now on."""
        before = dict(self.acknowledged)
        until(lambda: all(self.acknowledged[token] > before[token] for token in before) or self._failed(),
              "every account is written to", 30)

    def _failed(self):
        for job in self._jobs:
            if not job.running:
                job.wait()
        return False

    def stop(self):
        self._ends = True
        for job in self._jobs:
            job.wait()
