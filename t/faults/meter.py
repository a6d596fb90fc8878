"""How long we and the servers stood ready and the machine did something else: the kernel counts it for each thread.

Deadlines are about the server. On a machine that others keep busy, a deadline that is missed proves nothing; so what
was lost goes into the history, and the checker takes it into account.
"""

import asyncio
import os

from faults import history as records

TICK = 0.05
WORTH_A_WORD = 0.2  # of a tick


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
        self._waited()
        while True:
            begin = records.now()
            await asyncio.sleep(TICK)
            end = records.now()
            main, others = self._waited()
            lost = max(main, end - begin - int(TICK * 1e9))  # we may have been late for other reasons too
            if lost + others > WORTH_A_WORD * TICK * 1e9:
                self._recorder.add(records.Stall(begin, end, lost, others))

    def _waited(self):
        """Nanoseconds since the last time: (of the main threads, one after the other; of the threads that hash)."""
        before, self._waits = self._waits, {}
        main = others = 0
        for pid in [os.getpid(), *self._pids()]:
            for thread in _threads(pid):
                waited = _wait_of(pid, thread)
                self._waits[thread] = waited
                grown = max(0, waited - before.get(thread, waited))
                if thread == pid:
                    main += grown
                else:
                    others += grown
        return main, others


def _threads(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _wait_of(pid, thread):
    try:
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as numbers:
            return int(numbers.read().split()[1])
    except (OSError, IndexError):  # it has ended; or a kernel that does not count
        return 0
