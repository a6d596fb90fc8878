"""What a fault is, and the table of all of them."""

from faults import history as records

KINDS = {}
ELSEWHERE = "it belongs to another topology"


class Fault:
    """One fault at one place. The parameters are drawn from `rng` when it is made, so that a seed reproduces them.

    inject() returns when the fault is there, heal() when what it took away is back, as far as its owner can tell:
    Redis answers as a master, workers run. What the server has to notice by itself is not waited for.
    """

    name = "?"
    touches = ("redis",)  # what it strikes: "redis", "network", "nginx", "clock"
    spares = ()  # kinds of requests that go on as if nothing were
    lag, settle = 0.0, 0.0  # seconds after heal(), see history.Disturbance
    seconds = (0.3, 2.0)  # how long it lasts
    offset = 0.0  # seconds by which nginx' clock is ahead meanwhile
    loses = False  # see history.Disturbance
    detail = ""

    def __init__(self, deployment, rng):
        self.deployment, self.rng = deployment, rng
        self._turns = []

    @classmethod
    def missing(cls, deployment):
        """Why it cannot strike this deployment; "" if it can."""
        return ""

    async def inject(self):
        raise NotImplementedError

    async def heal(self):
        raise NotImplementedError

    def turn(self, spares):
        """From now on it spares these."""
        self._turns.append((records.now(), spares))

    def disturbances(self, begin):
        """What goes into the history of it when it is over; begin: since when it was there."""
        turns = [(begin, self.spares), *self._turns, (records.now(), ())]
        for (since, spares), (until, _) in zip(turns, turns[1:]):
            yield records.Disturbance(self.name, since, until, list(self.touches), list(spares), self.lag, self.settle,
                                      self.offset, self.loses, self.detail)


class NodeFault(Fault):
    """Strikes one Redis."""

    @classmethod
    def missing(cls, deployment):
        return "" if deployment.nodes_may_end else ELSEWHERE

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.node = rng.choice(deployment.nodes)
        self.redis = self.node.redis


class MachineFault(Fault):
    """Strikes one nginx."""

    touches = ("nginx",)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.machine = rng.choice(deployment.machines)


class RelayFault(Fault):
    """Strikes the way from nginx to one Redis."""

    touches = ("network",)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.relay = rng.choice(deployment.relays)

    @classmethod
    def missing(cls, deployment):
        return "" if deployment.relays else ELSEWHERE


def fault(cls):
    """Enters the class in the table."""
    KINDS[cls.name] = cls
    return cls
