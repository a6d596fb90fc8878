"""A master, its replicas, and sentinels that watch them; and an nginx that asks these."""

import os

from support.api import Api1
from support.nginx import Nginx
from support.redis import Redis
from support.wait import until

NAME = "wallets"


class Sentinel(Redis):
    """Options are lines of sentinel.conf. Started again, it knows what is written there and no more."""

    arguments = ("--sentinel",)

    def config(self):
        return [*self._place(), *self.options]

    def about(self, command):
        """A row of SENTINEL MASTER, or all rows of SENTINEL REPLICAS and the like, as dicts."""
        reply = self.cli("SENTINEL", command, NAME)
        rows = [dict(zip(row[::2], row[1::2])) for row in (reply if reply and isinstance(reply[0], list) else [reply])]
        return rows[0] if command == "MASTER" else rows


def asked(redis, *words):
    """What it answers. A sentinel that makes it master or replica ends all its connections: then it is asked again."""
    for _ in range(3):
        try:
            return redis.cli(*words)
        except ConnectionError as failure:
            last = failure
    raise last


def role(redis):
    return asked(redis, "ROLE")[0]


class Replicated:
    """redis: the first is the master to begin with. Sentinels take `down_after` milliseconds to give it up."""

    def __init__(self, directory, replicas=2, sentinels=3, redis_conf=(), sentinel_conf=(), down_after=500):
        self.redis = [Redis(os.path.join(directory, f"redis-{n}"), ["repl-diskless-sync-delay 0", *redis_conf])
                      for n in range(1 + replicas)]
        for replica in self.redis[1:]:
            replica.options.append(f"replicaof 127.0.0.1 {self.redis[0].port}")
        self.sentinels = [Sentinel(os.path.join(directory, f"sentinel-{n}"), sentinel_conf) for n in range(sentinels)]
        self.down_after = down_after

    def watch(self, sentinel, redis):
        """What its sentinel.conf has to say."""
        sentinel.options = [*sentinel.options, f"sentinel monitor {NAME} 127.0.0.1 {redis.port} {len(self.sentinels) // 2 + 1}",
                            f"sentinel down-after-milliseconds {NAME} {self.down_after}",
                            f"sentinel failover-timeout {NAME} 5000"]

    @property
    def address(self):
        return f"sentinel://{NAME}@" + ",".join(sentinel.tcp_address for sentinel in self.sentinels)

    def start(self):
        for redis in self.redis:
            redis.start()
        for replica in self.redis[1:]:
            until(lambda r=replica: b"master_link_status:up" in r.cli("INFO", "replication"), "the replica is in step", 30)
        for sentinel in self.sentinels:
            self.watch(sentinel, self.redis[0])
            sentinel.start()
        for sentinel in self.sentinels:
            self.wait_knows_all(sentinel)
        return self

    def wait_knows_all(self, sentinel):
        def knows():
            master = sentinel.about("MASTER")
            return (int(master[b"num-slaves"]) == len(self.redis) - 1
                    and int(master[b"num-other-sentinels"]) == len(self.sentinels) - 1)
        until(knows, "the sentinel knows the replicas and the others", 30)

    def masters(self):
        return [redis for redis in self.redis if redis.running and redis.state() != "T" and role(redis) == b"master"]

    def promoted(self, former):
        """The new master, once there is one."""
        return until(lambda: next((r for r in self.masters() if r is not former), None), "a replica is promoted", 60)

    def stop(self):
        for server in [*self.sentinels, *self.redis]:
            server.kill()


class SentinelServer:
    """An nginx that finds its Redis by sentinels; these are not its own."""

    def __init__(self, directory, address, redis_options="timeout=2s connect_timeout=1s", **nginx):
        http = f"wallet_sync_redis {address} {redis_options};\n    wallet_sync_accounts open;"
        self.nginx = Nginx(directory, http=http, **nginx)

    def start(self):
        try:
            self.nginx.start()
        except BaseException:
            self.nginx.kill()
            raise
        return self

    @property
    def port(self):
        return self.nginx.port

    @property
    def api(self):
        return Api1(self.port)

    def stop(self):
        if self.nginx.running:
            self.nginx.quit()
        else:
            self.nginx.assert_clean()
