"""A Redis server of our own: started, stopped, killed and frozen at will."""

import os
import signal
import subprocess

from support import settings
from support.ports import free_port
from support.resp import RedisClient, RedisError
from support.wait import until


class Redis:
    """Append-only file with fsync always, as shipped. Options are lines of redis.conf."""

    arguments = ()

    def __init__(self, directory, options=()):
        self.directory = directory
        self.port = free_port()
        self.password = None
        self.options = list(options)
        self._process = None
        os.makedirs(directory, exist_ok=True)

    @property
    def socket_path(self):
        return os.path.join(self.directory, "redis.sock")

    @property
    def unix_address(self):
        return "unix:" + self.socket_path

    @property
    def own_address(self):
        """Where the tests ask it."""
        return self.unix_address

    @property
    def tcp_address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log_path(self):
        return os.path.join(self.directory, "redis.log")

    def config(self):
        return [*self._place(), "save \"\"", "appendonly yes", "appendfsync always", "maxmemory-policy noeviction",
                *self.options]

    def _place(self):
        return ["bind 127.0.0.1", f"port {self.port}", f"unixsocket {self.socket_path}", "unixsocketperm 777",
                f"dir {self.directory}", f"logfile {self.log_path}", "daemonize no"]

    def start(self, wait=True):
        assert self._process is None, "this Redis runs already"
        config = os.path.join(self.directory, "redis.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write("\n".join(self.config()) + "\n")
        self._process = subprocess.Popen([settings.REDIS, config, *self.arguments], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, "Redis listens")
        if wait:
            self.wait_ready()

    def wait_ready(self):
        until(self._answers, "Redis answers PING", 30)

    def _listens(self):
        assert self._process.poll() is None, f"Redis ended at once, see {self.log_path}"
        try:
            self.client().close()
            return True
        except OSError:
            return False

    def _answers(self):
        assert self._process.poll() is None, f"Redis ended, see {self.log_path}"
        try:
            return self.cli("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def client(self, timeout=10):
        client = RedisClient(self.own_address, timeout)
        if self.password:
            client("AUTH", self.password)
        return client

    def cli(self, *args):
        with self.client() as client:
            return client(*args)

    @property
    def running(self):
        return self._process is not None

    @property
    def pid(self):
        return getattr(self._process, "pid", None)

    def stop(self):
        """The orderly way, as an init system does it."""
        self._end(signal.SIGTERM)

    def kill(self):
        """What a power cut looks like to the clients."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        self._process.wait(30)
        self._process = None

    def restart(self):
        self.stop()
        self.start()

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)
        until(lambda: self.state() == "T", "Redis is frozen")

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def state(self):
        with open(f"/proc/{self._process.pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    def children(self):
        """The processes it has forked, to rewrite its file."""
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children", encoding="ascii") as pids:
            return [int(pid) for pid in pids.read().split()]

    def wait_replicated(self, replicas):
        """Until so many replicas have all that it holds by now. WAIT covers only what its own connection wrote (from Redis
        7.2 on), and these writes are others'."""
        offset = self.cli("ROLE")[1]

        def have():
            role = self.cli("ROLE")
            assert role[0] == b"master", role
            return sum(int(acknowledged) >= offset for _, _, acknowledged in role[2]) >= replicas
        until(have, f"{replicas} replicas have it", 30)

    def clients(self):
        """One dict for each connection but the one that asks."""
        with self.client() as client:
            me = client("CLIENT", "ID")
            rows = client("CLIENT", "LIST").decode().splitlines()
        rows = [dict(item.partition("=")[::2] for item in row.split()) for row in rows]
        return [row for row in rows if int(row["id"]) != me]

    def written(self):
        """Everything Redis has on its disk and could show to a thief."""
        found = b""
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as data:
                        found += data.read()
        return found
