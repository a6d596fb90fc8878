"""A real server with a bug planted in it: the checker, shown what clients saw of it, names the promise that is broken.

Most bugs sit between nginx and Redis; some are in the configuration. All of these servers run at the same time, for they
mostly wait.
"""

import asyncio
import dataclasses

import pytest

from faults import bugs
from faults.campaign import Round
from faults.checker import check, coverage
from faults.deployment import Single
from faults.population import Mix
from faults.schedule import Act, Strike

AT_ONCE = 4
LONGEST = 90.0  # seconds until it has to be found
CROWD = Mix(quiet=0, crowded=1, crowd=4, restless=0, newcomers=0, pause=0.03)
RESTLESS = Mix(quiet=0, crowded=0, restless=2, newcomers=0, pause=0.05)


class Again:
    """A schedule of one act, again and again."""

    def __init__(self, act):
        self._act = act

    def next(self):
        return self._act


@dataclasses.dataclass
class Case:
    """promise: the one that the checker has to find broken; None: none."""

    promise: str | None
    bug: type | None = None
    mix: Mix = CROWD
    faults: tuple = ()  # (name, seconds)
    facts: dict = dataclasses.field(default_factory=dict)  # what the server promises, if not what it is configured for
    deployment: dict = dataclasses.field(default_factory=dict)

    def enough(self, history):
        if self.promise == LOST:  # nothing but the end shows it
            return False
        return bool(check(history, [self.promise]))


LOST = "no acknowledged write is lost"
CASES = {
    "no bug": Case(None, mix=Mix(quiet=1, crowded=1, crowd=4, restless=2, newcomers=1)),
    "no WATCH": Case("no sequence is given twice", bugs.NoWatch),
    "writes are forgotten": Case("no sequence is given twice", bugs.Forgetful),
    "nothing is on the disk": Case(LOST, faults=[("redis-kill", 0.2)], deployment={"redis_options": ["appendonly no"]}),
    "reads of the past": Case("no read is stale", bugs.OldReads),
    "reads of two writes": Case("wallet, sequence and hmac are of one write", bugs.MixedReads),
    "said to be raced": Case("what was refused was not done", bugs.SaysRaced),
    "said to be refused": Case("what was refused was not done", bugs.SaysRefused),
    "refused for nothing": Case("a conflict has a cause", bugs.WrongSequence),
    "tokens survive": Case("old tokens and passwords are dead", bugs.TokensStay, RESTLESS),
    "tokens vanish": Case("valid tokens and passwords are honoured", bugs.TokensVanish, RESTLESS),
    "half a password change": Case("a password change is whole", bugs.HalfAChange, RESTLESS),
    "signups are denied": Case("an address has one owner", bugs.DeniesSignups),
    "sockets survive": Case("old sockets are dead", bugs.NoGoodbye, RESTLESS),
    "no news": Case("connected devices learn the newest sequence", bugs.NoNews),
    "late news": Case("connected devices learn the newest sequence", bugs.LateNews),
    "wrong news": Case("a socket is told only what is true", bugs.WrongNews),
    "late answers": Case("every answer comes in time", faults=[("redis-freeze", 4.5)], deployment={"timeout": 4.0},
                         facts={"timeout": 0.3, "connect_timeout": 0.2, "slack": 1.0}),
    "errors in HTML": Case("every answer has its form",
                           deployment={"server": "location = /wallet { return 503 '<html>'; }"}),
    "no answers": Case("every request is answered",
                       deployment={"location": "if ($request_id ~ ^00) { return 444; } wallet_sync;"}),
    "gives up early": Case("the outcome is unknown only when time is up", bugs.LosesReplies, facts={"timeout": 5.0}),
    "comes back late": Case("the server recovers within a second", bugs.SlowStart, faults=[("redis-kill", 0.5)]),
}


async def play(case, directory):
    deployment = Single(str(directory), relayed=True, **case.deployment)
    deployment.facts.update(case.facts)
    if case.bug:
        deployment.relays[0].hooks.append(case.bug())
    schedule = Again(Act(tuple(Strike(name, 2.0, seconds, 1) for name, seconds in case.faults), 3.0))
    seconds = LONGEST if case.promise not in (None, LOST) else 10.0
    a_round = Round(deployment, schedule, 1, seconds, str(directory), case.mix, until=case.enough if case.promise else None)
    a_round.last_writes = 2
    return await a_round.run(), a_round.trouble


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    """Of all cases, by name: (history, what went wrong beside it)."""

    async def all_of_them():
        turnstile = asyncio.Semaphore(AT_ONCE)

        async def one(name, case):
            async with turnstile:
                return name, await play(case, tmp_path_factory.mktemp("planted"))

        return dict(await asyncio.gather(*(one(*item) for item in CASES.items())))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("name", CASES)
def test_the_checker_finds_it(histories, name):
    history, trouble = histories[name]
    assert not trouble, trouble[0]
    found = check(history)
    if CASES[name].promise is None:
        assert not found, "\n".join(map(str, found[:5]))
        assert coverage(history)["acknowledged writes"] > 20
    else:
        assert CASES[name].promise in {violation.promise for violation in found}, (coverage(history), [*map(str, found[:5])])


def test_every_promise_is_broken_by_one_of_them():
    from faults.checker import PROMISES

    assert set(PROMISES) == {case.promise for case in CASES.values()} - {None}
