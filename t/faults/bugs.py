"""Bugs to plant between nginx and Redis: hooks of a relay that make a right server a wrong one.

Each is a class; an instance is a hook. What it does to a transaction, it does in a way that keeps the replies in step.
"""

import asyncio
import random

from faults.relay import COMMAND, CUT, PUSH, REPLY, Answer, Delay, Replace
from support.resp import encode

NOWHERE = b"wsync:{nowhere}"
ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


class Bug:
    """at: what it looks at, as (kind, name of the command). share: of the messages that it would change."""

    at = ()
    share = 1.0

    def __init__(self):
        self._rng = random.Random(type(self).__name__)

    def __call__(self, link, message):
        if (message.kind, message.name) in self.at and self._concerns(message) and self._rng.random() < self.share:
            return self.change(link, message)
        return None

    def _concerns(self, message):
        return True

    def change(self, link, message):
        raise NotImplementedError


def is_wallet_write(words):
    return words[0].upper() == b"HSET" and words[1].endswith(b":wallet")


class NoWatch(Bug):
    """Transactions that watch nothing."""

    at = ((COMMAND, "WATCH"),)

    def change(self, link, message):
        return Answer(b"+OK\r\n")


class Transaction(Bug):
    """Lies about transactions that write a wallet. instead: what is sent in place of EXEC."""

    instead = None

    def __init__(self):
        super().__init__()
        self._queued, self._lies = {}, {}  # names of commands, by link

    def __call__(self, link, message):
        if message.kind == COMMAND and message.name == "MULTI":
            self._queued[link] = []
        elif message.kind == COMMAND and message.name == "EXEC":
            queued = self._queued.pop(link, [])
            if any(map(is_wallet_write, queued)) and self._rng.random() < self.share:
                self._lies[link] = queued
                return self.instead
        elif message.kind == COMMAND and link in self._queued:
            self._queued[link].append(message.words)
        elif message.kind == REPLY and message.name == "EXEC" and link in self._lies:
            return Replace(self.lie(self._lies.pop(link)))
        return None

    def lie(self, queued):
        """What is said of EXEC. queued: the commands before it."""
        raise NotImplementedError


class Forgetful(Transaction):
    """A write that is said to be done, and is not."""

    share = 0.05
    instead = Replace(encode("DISCARD"))

    def lie(self, queued):
        return b"*%d\r\n" % len(queued) + b":1\r\n" * len(queued)


class SaysRaced(Transaction):
    """A write that is said to have come too late, and is done: the server looks again and finds a conflict."""

    share = 0.05

    def lie(self, queued):
        return b"*-1\r\n"


class SaysRefused(Transaction):
    """A write that is said to be refused, and is done."""

    share = 0.05

    def lie(self, queued):
        return ABORTED


def wallet_fields(message):
    """What an HMGET of a wallet that is there has shown: a dict by field; else an empty one."""
    if not message.words[1].endswith(b":wallet") or message.value[0] is None:
        return {}
    return dict(zip(message.words[2:], message.value))


def array(values):
    items = (b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value) for value in values)
    return b"*%d\r\n" % len(values) + b"".join(items)


class OldReads(Bug):
    """Reads that show what was there a while ago."""

    at = ((REPLY, "HMGET"),)
    share = 0.05

    def __init__(self):
        super().__init__()
        self._first = {}

    def _concerns(self, message):
        return b"wallet" in wallet_fields(message)

    def change(self, link, message):
        return Replace(self._first.setdefault(message.words[1], message.raw))


class MixedReads(OldReads):
    """Reads that show the hmac of another write."""

    def change(self, link, message):
        fields = wallet_fields(message)
        fields[b"hmac"] = self._first.setdefault(message.words[1], fields[b"hmac"])
        return Replace(array(list(fields.values())))


class WrongSequence(Bug):
    """Changes that see a sequence which is not there yet."""

    at = ((REPLY, "HMGET"),)
    share = 0.2

    def _concerns(self, message):
        fields = wallet_fields(message)
        return b"sequence" in fields and b"wallet" not in fields

    def change(self, link, message):
        fields = wallet_fields(message)
        fields[b"sequence"] = b"%d" % (int(fields[b"sequence"]) + 1)
        return Replace(array(list(fields.values())))


class NoNews(Bug):
    """Nobody is told of a write."""

    at = ((COMMAND, "PUBLISH"),)

    def _concerns(self, message):
        return message.words[2].isdigit()

    def change(self, link, message):
        return Replace(encode("PUBLISH", NOWHERE, message.words[2]))


class NoGoodbye(NoNews):
    """Nobody is told of a password change."""

    def _concerns(self, message):
        return not message.words[2].isdigit()


class LateNews(Bug):
    """Everybody is told, but late."""

    at = ((PUSH, "MESSAGE"),)

    def change(self, link, message):
        return Delay(60.0)


class WrongNews(Bug):
    """Sockets are told of a sequence that is far away."""

    at = ((PUSH, "MESSAGE"),)
    share = 0.05

    def _concerns(self, message):
        return message.words[2].isdigit()

    def change(self, link, message):
        kind, channel, sequence = message.words
        return Replace(encode(kind, channel, int(sequence) + 1000))


class TokensStay(Bug):
    """A password change that revokes nothing."""

    at = ((COMMAND, "DEL"),)

    def _concerns(self, message):
        return message.words[1].endswith(b":tokens")

    def change(self, link, message):
        return Replace(encode("DEL", NOWHERE))


class TokensVanish(Bug):
    """A login whose token is not kept."""

    at = ((COMMAND, "HSET"),)
    share = 0.3

    def _concerns(self, message):
        return message.words[1].endswith(b":tokens")

    def change(self, link, message):
        return Replace(encode("HSET", NOWHERE, *message.words[2:]))


class HalfAChange(Bug):
    """A password change that leaves the wallet as it was."""

    def __init__(self):
        super().__init__()
        self._changing = set()

    def __call__(self, link, message):
        if message.kind == COMMAND and message.name == "MULTI":
            self._changing.discard(link)
        elif message.kind == COMMAND and message.name == "HSET" and b"client-salt-seed" in message.words:
            self._changing.add(link)
        elif message.kind == COMMAND and message.name == "HSET" and is_wallet_write(message.words) \
                and link in self._changing:
            return Replace(encode("HSET", NOWHERE, *message.words[2:]))
        return None


class DeniesSignups(Bug):
    """A signup that is said to be refused, and is done."""

    def __init__(self):
        super().__init__()
        self._signups = set()

    def __call__(self, link, message):
        if message.kind == COMMAND and message.name == "HSET" and b"user-id" in message.words:
            self._signups.add(link)
        elif message.kind == REPLY and message.name == "EXEC" and link in self._signups:
            self._signups.discard(link)
            return Replace(ABORTED)
        return None


class SlowStart(Bug):
    """Redis is back, and for three seconds more nobody gets through to it."""

    at = ((COMMAND, "PING"),)

    def change(self, link, message):
        away = link.relay.failed_at
        return CUT if away and asyncio.get_running_loop().time() - away < 3.0 else None


class LosesReplies(Bug):
    """The answer to a change is lost, and then Redis cannot be reached for a while."""

    at = ((REPLY, "EXEC"),)
    share = 0.3

    def __init__(self):
        super().__init__()
        self._until = 0.0

    def __call__(self, link, message):
        now = asyncio.get_running_loop().time()
        if (message.kind, message.name) == (COMMAND, "PING"):
            return CUT if now < self._until else None
        action = super().__call__(link, message)
        if action is CUT and now > self._until + 1.0:
            self._until = now + 2.0
        return action

    def change(self, link, message):
        return CUT
