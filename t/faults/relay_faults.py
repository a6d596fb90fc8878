"""What happens on the way from nginx to Redis."""

import asyncio

from faults.fault import RelayFault, fault
from faults.relay import COMMAND, CUT, PUSH, REPLY, Delay, Truncate


@fault
class HalfOpen(RelayFault):
    """Connections on which nothing passes any more, and which nobody closes.

    Those of then, or new ones as well; the subscriptions, the others, or all; later they are heard again, with all
    that was said meanwhile, or end in silence.
    """

    name = "half-open"
    settle = 20.0  # docs/operations.md: a subscription that died without a word is noticed within 20 s
    seconds = (1.2, 3.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._which = rng.choice(("subscriptions", "others", "all"))
        self._new_ones_too = self._which == "all" and rng.random() < 0.5
        self._heard_again = rng.random() < 0.5
        self.lag = deployment.facts["connect_timeout"] + deployment.facts["timeout"]
        self.detail = f"{self._which}{', new ones too' if self._new_ones_too else ''}, " \
                      f"{'heard again' if self._heard_again else 'never again'}"

    async def inject(self):
        self._links = [link for link in self.relay.links
                       if self._which == "all" or link.subscriber == (self._which == "subscriptions")]
        for link in self._links:
            link.deaf = True
        self.relay.deaf_from_now_on = self._new_ones_too

    async def heal(self):
        self.relay.deaf_from_now_on = False
        for link in [link for link in self.relay.links if link.deaf]:
            if self._heard_again or link not in self._links:
                link.hear_again()
        await self.deployment.ready()


class AtMessage(RelayFault):
    """Something happens to messages of a chosen kind."""

    choices = ()  # (COMMAND | REPLY | PUSH, name of the command)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._kind, self._name = rng.choice(self.choices)
        self._share = rng.choice((0.1, 0.5, 1.0))  # of these messages
        self.detail = f"{self._kind} of {self._name}, {self._share:.0%}"

    async def inject(self):
        self.relay.hooks.append(self._look)

    def _look(self, link, message):
        if message.kind == self._kind and (self._kind == PUSH or message.name == self._name) \
                and self.rng.random() < self._share:
            return self.action()
        return None

    def action(self):
        raise NotImplementedError

    async def heal(self):
        self.relay.hooks.remove(self._look)
        await self.deployment.ready()


REPLIES = ((REPLY, "EXEC"), (REPLY, "EXEC"), (REPLY, "WATCH"), (REPLY, "HMGET"), (REPLY, "PING"), (PUSH, "messages"))


@fault
class Cut(AtMessage):
    """The connection ends at a chosen message: before Redis sees it, or before nginx sees the answer."""

    name = "cut"
    choices = (*REPLIES, (COMMAND, "EXEC"), (COMMAND, "MULTI"), (COMMAND, "SUBSCRIBE"))

    def action(self):
        return CUT


@fault
class Cropped(AtMessage):
    """A part of a reply arrives, then the connection ends."""

    name = "truncate"
    choices = REPLIES

    def action(self):
        return Truncate(self.rng.uniform(0.1, 0.9))


@fault
class Slow(AtMessage):
    """A message is late: by a moment, or by more than anybody waits."""

    name = "delay"
    choices = (*REPLIES, (COMMAND, "EXEC"), (COMMAND, "WATCH"))

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self._longest = rng.choice((0.05, 0.4, 2.0))
        self.detail += f", up to {self._longest} s"

    def action(self):
        return Delay(self.rng.uniform(0.0, self._longest))

    async def heal(self):
        await super().heal()
        await asyncio.sleep(self._longest)  # until the last one has arrived
