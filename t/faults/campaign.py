"""One round: a deployment is started, clients work on it, faults strike, and the history of it is judged."""

import asyncio
import os
import random
import traceback

from faults import history as records
from faults.checker.view import SECOND, View
from faults.clients import seen_of
from faults.fault import KINDS
from faults.meter import Meter
from faults.population import Population

AFTERWARDS = 30  # seconds within which sockets have to know, at the very most
CONCLUSION = 5.0  # seconds that the end of a round takes, about


class Round:
    """seconds: from the start of the servers to their end, about; at least one act is played. directory: where the history
    goes, as history.jsonl. until(history): whether it may end sooner, and without what belongs to an orderly end."""

    def __init__(self, deployment, schedule, seed, seconds, directory=None, mix=None, say=lambda text: None, until=None):
        self.deployment, self.schedule, self.seconds, self.say, self.until = deployment, schedule, seconds, say, until
        path = os.path.join(directory, "history.jsonl") if directory else None
        self.recorder = records.Recorder({**deployment.facts, "seed": seed}, path)
        self.trouble, self.refused = [], []
        self.last_writes = 20  # seconds within which every account must be able to write once more
        self.population = Population(self.recorder, deployment.port, seed, mix or deployment.mix, deployment.plant)

    async def run(self):
        """The history. `trouble` has what went wrong beside it, `refused` the accounts that could not be written to at the
        end."""
        meter = Meter(self.recorder, self.deployment.pids)
        meter.start()
        try:
            await self._guarded(self._play())
        finally:
            meter.stop()
            self.recorder.close()
            await self._guarded(self.deployment.stop())
        return self.recorder.history

    async def _guarded(self, job):
        """A server that does not start or end as it should, a log with an alert, a fault that does not work."""
        try:
            await job
        except Exception:
            self.trouble.append(traceback.format_exc())

    async def _play(self):
        self._began = asyncio.get_running_loop().time()
        await self.deployment.start()
        await self.population.arrive()
        if await self._strike():
            await self._conclude()
        else:
            await self.population.calm_down()
            await self.population.leave()

    async def _strike(self):
        """False if it was ended early; no fault is left behind."""
        loop = asyncio.get_running_loop()
        end = max(self._began + self.seconds - CONCLUSION, loop.time() + 1)
        acts = 0
        while self.schedule and (not acts or loop.time() < end):
            act = self.schedule.next()
            await asyncio.gather(*(self._inflict(strike) for strike in act.strikes))
            if await self._enough(loop.time() + act.quiet):
                return False
            acts += 1
        return not await self._enough(end)

    async def _enough(self, end):
        """Waits until then, or until there is nothing more to wait for."""
        loop = asyncio.get_running_loop()
        while (left := end - loop.time()) > 0:
            if self.until and self.until(self.recorder.history):
                return True
            await asyncio.sleep(min(left, 0.5) if self.until else left)
        return False

    async def _inflict(self, strike):
        await asyncio.sleep(strike.after)
        fault = KINDS[strike.fault](self.deployment, random.Random(strike.seed))
        self.say(f"  {fault.name} {fault.detail}{f', {strike.seconds:.1f} s' if strike.seconds else ''}")
        begin = records.now()
        await fault.inject()
        await asyncio.sleep(strike.seconds)
        await fault.heal()
        for disturbance in fault.disturbances(begin):
            self.recorder.add(disturbance)

    async def _conclude(self):
        population = self.population
        await population.calm_down()
        self.refused = await population.write_once_more(records.now() + self.last_writes * SECOND)
        await self._wait_until_told()
        await population.prove()
        for account in population.living:
            operation = self.recorder.begin(records.STORED, "redis", account.name)
            stored = await self.deployment.stored(account.email)
            self.recorder.end(operation, records.OK, **(seen_of(*stored) if stored else {"seen_sequence": 0}))
        await population.leave()

    async def _wait_until_told(self):
        """Every socket has heard of its account's last write, or should have."""
        due = min(View(self.recorder.history).noticed_by(records.now()), records.now() + AFTERWARDS * SECOND)
        while records.now() < due and not all(account.told() for account in self.population.living):
            await asyncio.sleep(0.05)
