"""What happens to nginx."""

import asyncio
import os
import signal

from faults.deployment import faketime_library
from faults.fault import ELSEWHERE, MachineFault, fault
from support.wait import until

DAY = 24 * 3600


@fault
class KillWorker(MachineFault):
    """kill -9 of a worker; the master starts another."""

    name = "worker-kill"
    seconds = (0.0, 0.0)

    async def inject(self):
        await asyncio.to_thread(self.machine.kill_worker)

    async def heal(self):
        pass


@fault
class KillNginx(MachineFault):
    """kill -9 of the master and all workers, and another start."""

    name = "nginx-kill"
    seconds = (0.0, 1.5)

    async def inject(self):
        await asyncio.to_thread(self._kill)

    def _kill(self):
        workers = self.machine.worker_pids()
        self.machine.kill()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers are gone")

    async def heal(self):
        await asyncio.to_thread(self.machine.start)


@fault
class Reload(MachineFault):
    """Another generation of workers; the old ones finish what they have."""

    name = "nginx-reload"
    seconds = (0.0, 0.0)

    async def inject(self):
        self._old = await asyncio.to_thread(self.machine.reload, False)

    async def heal(self):
        await asyncio.to_thread(self.machine.wait_gone, self._old)


@fault
class StopWorker(MachineFault):
    """SIGSTOP of a worker, for seconds."""

    name = "worker-stop"
    seconds = (0.5, 3.0)

    async def inject(self):
        self._pid = self.rng.choice(sorted(self.machine.worker_pids()))
        os.kill(self._pid, signal.SIGSTOP)

    async def heal(self):
        os.kill(self._pid, signal.SIGCONT)


@fault
class ClockJump(MachineFault):
    """nginx' clock is set to another time, ahead or back, by an hour or by more than a token lives."""

    name = "clock-jump"
    touches = ("clock",)
    seconds = (2.0, 3.0)

    def __init__(self, deployment, rng):
        super().__init__(deployment, rng)
        self.offset = rng.choice((3600, -3600, 13 * DAY, 14 * DAY + 3600, -15 * DAY))
        self.detail = f"{self.offset / DAY:+.2f} days"

    @classmethod
    def missing(cls, deployment):
        if not faketime_library():
            return "libfaketime is not installed"
        return "" if all(machine.clock for machine in deployment.machines) else ELSEWHERE

    async def inject(self):
        self.machine.set_clock(self.offset)

    async def heal(self):
        self.machine.set_clock(0)
