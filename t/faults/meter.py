"""When the servers, or we, stood ready and the machine did something else: the kernel counts it for each thread.

Deadlines are about the server. On a machine that others keep busy, a deadline that is missed proves nothing; so what
was lost goes into the history, and the checker takes it into account.
"""

import asyncio
import os

from faults import history as records

TICK = 0.05
STARVED = 0.5  # of a tick spent waiting: what a thread does takes more than twice as long


class Meter:
    """pids(): the servers' processes, asked at each tick."""

    def __init__(self, recorder, pids):
        self._recorder, self._pids = recorder, pids
        self._waits = {}
        self._task = None

    def start(self):
        self._task = asyncio.create_task(self._watch())

    def stop(self):
        self._task.cancel()

    async def _watch(self):
        self._starved(0)
        while True:
            begin = records.now()
            await asyncio.sleep(TICK)
            end = records.now()
            main, others = self._starved(STARVED * (end - begin))
            # Whoever asks waits for one after the other. And we may have been late for other reasons.
            lost = main * (end - begin) or (end - begin - int(TICK * 1e9) if end - begin > 3 * TICK * 1e9 else 0)
            if lost or others:
                self._recorder.add(records.Stall(begin, end, lost, others * (end - begin)))

    def _starved(self, limit):
        """Since the last time: (how many main threads waited for longer than that, how many of those that hash)."""
        before, self._waits = self._waits, {}
        main = others = 0
        for pid in [os.getpid(), *self._pids()]:
            for thread in _threads(pid):
                waited = _wait_of(pid, thread)
                self._waits[thread] = waited
                if waited - before.get(thread, waited) > limit:
                    main += thread == pid
                    others += thread != pid
        return main, others


def _threads(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _wait_of(pid, thread):
    """Nanoseconds, since it began."""
    try:
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as numbers:
            return int(numbers.read().split()[1])
    except (OSError, IndexError):  # it has ended; or a kernel that does not count
        return 0
