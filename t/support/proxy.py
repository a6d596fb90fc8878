"""A middleman between nginx and Redis that loses, holds or cuts what a test tells it to.

It reads both directions message by message, so that it knows which reply belongs to which command.
"""

import collections
import select
import socket
import threading

from support.ports import free_port
from support.resp import Stream, connect


class Hold:
    """A command that waits at the middleman: wait() until it is there, release() to let it pass."""

    def __init__(self, name):
        self.name = name
        self._arrived, self._released = threading.Event(), threading.Event()

    def wait(self, seconds=20):
        assert self._arrived.wait(seconds), f"no {self.name} came by"

    def release(self):
        self._released.set()

    def pass_through(self):
        self._arrived.set()
        self._released.wait(60)


class FaultProxy:
    def __init__(self, redis_address):
        self._target = redis_address
        self._lock = threading.Lock()
        self._lose_command, self._lose_reply = collections.Counter(), collections.Counter()
        self._holds = []
        self._links = set()
        self.lost = 0
        self.refuse = False
        self.port = free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def lose_command(self, name, times=1):
        """The connection ends when this command comes; Redis never sees it."""
        with self._lock:
            self._lose_command[name] += times

    def lose_reply(self, name, times=1):
        """The connection ends when Redis has answered this command; nginx never sees the answer."""
        with self._lock:
            self._lose_reply[name] += times

    def hold(self, name):
        """The next command of this name waits, with everything behind it on its connection."""
        hold = Hold(name)
        with self._lock:
            self._holds.append(hold)
        return hold

    def cut(self):
        """Ends all connections at once."""
        with self._lock:
            links = list(self._links)
        for link in links:
            _shut(link)

    def close(self):
        _shut(self._listener)
        self._listener.close()
        for hold in self._holds:
            hold.release()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            redis = connect(self._target, None)
        except OSError:
            client.close()
            return
        with self._lock:
            self._links |= {client, redis}
        try:
            self._shuttle(client, redis)
        except OSError:
            pass
        finally:
            with self._lock:
                self._links -= {client, redis}
            client.close()
            redis.close()

    def _shuttle(self, client, redis):
        commands, replies, waiting = Stream(), Stream(), collections.deque()
        while True:
            for source in select.select([client, redis], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                if source is client:
                    for command, raw in commands.feed(data):
                        name = command[0].decode().upper()
                        if self._takes(self._lose_command, name):
                            return
                        self._obey_hold(name)
                        waiting.append(name)
                        redis.sendall(raw)
                else:
                    for _, raw in replies.feed(data):
                        name = waiting.popleft() if waiting else "push"
                        if self._takes(self._lose_reply, name):
                            return
                        client.sendall(raw)

    def _takes(self, faults, name):
        with self._lock:
            if not faults[name]:
                return False
            faults[name] -= 1
            self.lost += 1
            return True

    def _obey_hold(self, name):
        with self._lock:
            hold = next((h for h in self._holds if h.name == name), None)
            if hold:
                self._holds.remove(hold)
        if hold:
            hold.pass_through()


def _shut(link):
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
