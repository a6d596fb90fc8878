"""Which faults strike when: drawn from a seed, and from nothing else.

A schedule is a row of acts. In an act one fault strikes, or one of Redis and one of nginx at the same time; then it is
quiet for as long as the server may take to serve everything again and to tell its sockets, and a little longer, in
which all of that is proved. Every kind of fault comes once before any comes again.
"""

import dataclasses
import random

import faults.cluster_faults
import faults.nginx_faults
import faults.redis_faults
import faults.relay_faults  # noqa: F401 - these enter themselves in the table
from faults.fault import KINDS, MachineFault

TOGETHER = 0.3  # of the acts
ACTS = 4  # of a short round, about
QUIET = (3.5, 4.5)  # seconds; sockets are to know after three


@dataclasses.dataclass(frozen=True)
class Strike:
    fault: str
    after: float  # seconds from the beginning of the act
    seconds: float  # from when it is injected until it is healed
    seed: int  # of the fault's own parameters


@dataclasses.dataclass(frozen=True)
class Act:
    strikes: tuple
    quiet: float  # seconds after the last one was healed


class Schedule:
    """An endless row of acts, those of a campaign's round `number`.

    All rounds share one order of the kinds, and each begins where the one before may have ended.
    """

    def __init__(self, seed, number, kinds):
        self._order = sorted(kinds)
        random.Random(f"order {seed}").shuffle(self._order)
        begin = number * ACTS % len(self._order)
        self._bag = self._order[begin:] + self._order[:begin]
        self._rng = random.Random(f"schedule {seed} {number}")

    def next(self):
        first = self._draw(self._order)
        strikes = [self._strike(first, 0.0)]
        other_side = [kind for kind in self._order if _is_nginx(kind) != _is_nginx(first)]
        if other_side and self._rng.random() < TOGETHER:
            strikes.append(self._strike(self._draw(other_side), round(self._rng.uniform(0.0, 1.0), 3)))
        return Act(tuple(strikes), round(self._rng.uniform(*QUIET), 3))

    def _draw(self, kinds):
        while not any(kind in kinds for kind in self._bag):
            self._bag += self._order
        kind = next(kind for kind in self._bag if kind in kinds)
        self._bag.remove(kind)
        return kind

    def _strike(self, kind, after):
        seconds = round(self._rng.uniform(*KINDS[kind].seconds), 3)
        return Strike(kind, after, seconds, self._rng.getrandbits(32))


def _is_nginx(kind):
    return issubclass(KINDS[kind], MachineFault)
