"""What the processes of an nginx hold, and whether that stays the same."""

import dataclasses
import os
import statistics

FIGURES = {
    "allocated": "bytes allocated, workers",
    "resident": "bytes resident, workers",
    "descriptors": "descriptors, workers",
    "threads": "threads, workers",
    "connections": "connections to Redis",
    "master_allocated": "bytes allocated, master",
    "master_resident": "bytes resident, master",
    "master_descriptors": "descriptors, master",
    "processes": "workers",
}

# How much more may be held at the end: `base`, and so much for each request or reload. A worker keeps some buffers and
# tables that have grown, once: up to half a megabyte for each connection to Redis. So what is allocated must also not
# creep: the median of its steps from one reading to the next is as good as nothing.
KB, MB = 1 << 10, 1 << 20
ALLOWED = {  # name: (base, for each request, for each reload)
    "allocated": (4 * MB, 0.05, 0),
    "resident": (6 * MB, 0.05, 0),
    "master_allocated": (16 * KB, 0, 16),
    "master_resident": (1 * MB, 0, 256),
}
CREEP = {"allocated": (8 * KB, 0.02, 0)}


@dataclasses.dataclass
class Reading:
    """Sums over the workers. Of a sanitizer build, whose memory says nothing, the bytes are None."""

    requests: int
    reloads: int
    allocated: int | None
    resident: int | None
    descriptors: int
    threads: int
    connections: int
    master_allocated: int | None
    master_resident: int | None
    master_descriptors: int
    processes: int


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return KB * int(status.read().split("VmRSS:")[1].split()[0])


def count(pids, what):
    return sum(len(os.listdir(f"/proc/{pid}/{what}")) for pid in pids)


def read(server, heap, requests, reloads):
    """While nobody asks anything. heap: support.heap.Heap, or None."""
    workers, master = server.nginx.worker_pids(), server.nginx.pid
    allocated = heap.allocated(workers) if heap else None  # waits until they are idle
    return Reading(
        requests, reloads, allocated, sum(map(resident, workers)) if heap else None,
        count(workers, "fd"), count(workers, "task"), len(server.redis.clients()),
        heap.latest(master) if heap else None, resident(master) if heap else None, count([master], "fd"), len(workers))


@dataclasses.dataclass
class Growth:
    """Of one figure, from the second tenth of the readings to the last tenth."""

    name: str
    before: float
    after: float
    allowed: float
    creep: float = 0
    allowed_creep: float = 0

    @property
    def flat(self):
        # A descriptor that is gone is as strange as one that is new; less memory is fine.
        grown = self.after - self.before
        return (grown <= self.allowed if self.name in ALLOWED else grown == 0) and self.creep <= self.allowed_creep


def middle(readings, name):
    return statistics.median(getattr(reading, name) for reading in readings)


def step(readings, name):
    """The median one."""
    return statistics.median(getattr(b, name) - getattr(a, name) for a, b in zip(readings, readings[1:]))


def bound(table, name, requests, reloads):
    base, per_request, per_reload = table.get(name, (0, 0, 0))
    return base + per_request * requests + per_reload * reloads


def growth(readings):
    """By the medians of the second tenth (the first is for warming up) and of the last."""
    tenth = max(1, len(readings) // 10)
    early, late = readings[tenth:2 * tenth], readings[-tenth:]
    assert len(readings) > 2 and early[-1] is not late[0], "too few readings"
    passed = [middle(late, name) - middle(early, name) for name in ("requests", "reloads")]
    between = [step(readings, name) for name in ("requests", "reloads")]
    found = []
    for name in FIGURES:
        if getattr(readings[0], name) is None:
            continue
        each = Growth(name, middle(early, name), middle(late, name), bound(ALLOWED, name, *passed))
        if name in CREEP and between[1] == 0:  # after a reload there are other workers
            each.creep, each.allowed_creep = step(readings[tenth:], name), bound(CREEP, name, *between)
        found.append(each)
    return found
