"""A relay between nginx and Redis that knows where messages begin and end, and can be told to misbehave.

What passes goes through `hooks`, functions of (link, message) that may return an action; the first action counts.
Without hooks everything passes as it comes.
"""

import asyncio
import collections
import dataclasses
import socket
import struct

from support.ports import free_port
from support.resp import Stream

COMMAND, REPLY, PUSH = "command", "reply", "push"

CUT = "cut"  # what a hook may want to be done with a message, as are the classes below: the connection ends


@dataclasses.dataclass
class Message:
    """kind: COMMAND, REPLY (words: those of its command) or PUSH. raw: its bytes; value: of a reply."""

    kind: str
    words: list
    raw: bytes
    value: object = None

    @property
    def name(self):
        return self.words[0].decode().upper() if self.words else ""


@dataclasses.dataclass
class Replace:
    """Pass these bytes on instead."""

    raw: bytes


@dataclasses.dataclass
class Answer:
    """Of a command: this is its reply, Redis is not asked."""

    raw: bytes


@dataclasses.dataclass
class Truncate:
    """Pass on a part of it, then end the connection."""

    share: float


@dataclasses.dataclass
class Delay:
    """Pass it on later, and what follows on the connection behind it."""

    seconds: float


class _Side(asyncio.Protocol):
    def __init__(self, link, name):
        self._link, self._name = link, name
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._link.received(self._name, data)

    def connection_lost(self, error):
        self._link.lost()


class Link:
    """One connection of nginx, and the one to Redis that belongs to it."""

    def __init__(self, relay):
        self.relay = relay
        self.nginx, self.redis = _Side(self, "nginx"), _Side(self, "redis")
        self.subscriber = False
        self.deaf = False  # takes what comes, and neither passes it on nor ends
        self._kept = []  # while it is deaf, and until it is connected
        self._commands, self._replies = Stream(), Stream()
        self._waiting = collections.deque()  # words of commands without a reply; bytes: the reply to give
        # Bytes to pass on; a number: not before this time of the loop; None: then close.
        self._out = {"nginx": collections.deque(), "redis": collections.deque()}
        self._held = set()

    async def connect(self):
        while self.nginx.transport is None:
            await asyncio.sleep(0)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self.redis, self.relay.target)
        except OSError:
            self.relay.failed_at = asyncio.get_running_loop().time()
            reset(self.nginx.transport)  # as a port nobody listens on, as far as a relay can
            self.relay.links.discard(self)
            return
        if self.nginx.transport.is_closing() and not self.deaf:
            self.close()
        self._flush_kept()

    def received(self, side, data):
        if self.deaf or self.redis.transport is None:
            self._kept.append((side, data))
            return
        if side == "nginx":
            for words, raw in self._commands.feed(data):
                self._on_command(Message(COMMAND, words, raw))
        else:
            for value, raw in self._replies.feed(data):
                self._on_reply(value, raw)

    def _flush_kept(self):
        kept, self._kept = self._kept, []
        for side, data in kept:
            self.received(side, data)

    def _on_command(self, message):
        if message.name == "SUBSCRIBE":
            self.subscriber = True
        action = self._ask_hooks(message)
        if isinstance(action, Answer):
            self._waiting.append(action.raw)
            self._answer_ourselves()
            return
        if not self.subscriber:
            self._waiting.append(message.words)
        self._act("redis", message.raw, action)

    def _on_reply(self, value, raw):
        if self.subscriber and not self._waiting:
            message = Message(PUSH, value if isinstance(value, list) else [], raw, value)
        else:
            words = self._waiting.popleft() if self._waiting else []
            message = Message(REPLY, words, raw, value)
        self._act("nginx", raw, self._ask_hooks(message))
        self._answer_ourselves()

    def _answer_ourselves(self):
        while self._waiting and isinstance(self._waiting[0], bytes):
            self._act("nginx", self._waiting.popleft(), None)

    def _ask_hooks(self, message):
        for hook in self.relay.hooks:
            action = hook(self, message)
            if action is not None:
                return action
        return None

    def _act(self, towards, raw, action):
        if action is CUT:
            self.close()
            return
        if isinstance(action, Truncate):
            self._send(towards, raw[:int(len(raw) * action.share)])
            self._out[towards].append(None)
            self._drain(towards)
            return
        if isinstance(action, Replace):
            raw = action.raw
        if isinstance(action, Delay):
            self._out[towards].append(asyncio.get_running_loop().time() + action.seconds)
        self._send(towards, raw)

    def _send(self, towards, raw):
        self._out[towards].append(raw)
        self._drain(towards)

    def _drain(self, towards):
        out = self._out[towards]
        while out and towards not in self._held:
            item = out.popleft()
            if item is None:
                self.close()
            elif isinstance(item, float):
                self._held.add(towards)
                asyncio.get_running_loop().call_at(item, self._release, towards)
            else:
                transport = getattr(self, towards).transport
                if transport and not transport.is_closing():
                    transport.write(item)

    def _release(self, towards):
        self._held.discard(towards)
        self._drain(towards)

    def hear_again(self):
        """The end of deafness: what came meanwhile passes now."""
        self.deaf = False
        self._flush_kept()
        if any(side.transport is None or side.transport.is_closing() for side in (self.nginx, self.redis)):
            self.close()

    def lost(self):
        if not self.deaf:
            self.close()

    def close(self):
        self.relay.links.discard(self)
        for side in (self.nginx, self.redis):
            if side.transport:
                side.transport.close()


class Relay:
    """target: Redis' unix socket, which may become another one. Listens on a port of 127.0.0.1."""

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.hooks = []
        self.links = set()
        self.deaf_from_now_on = False
        self.failed_at = None  # when Redis was last not there for a new connection
        self._server = None
        self._connecting = set()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    async def start(self):
        self._server = await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", self.port, backlog=512)

    def _accept(self):
        link = Link(self)
        link.deaf = self.deaf_from_now_on
        self.links.add(link)
        task = asyncio.get_running_loop().create_task(link.connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return link.nginx

    def cut(self):
        """Ends all connections."""
        for link in list(self.links):
            link.deaf = False
            link.close()

    async def stop(self):
        if self._server:
            self._server.close()
        self.cut()


def reset(transport):
    """Ends a connection as a peer does that knows nothing of it."""
    if transport:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
