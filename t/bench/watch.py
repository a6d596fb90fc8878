"""What the machine and its processes did during a measurement."""

import pathlib
import resource
import threading
import time


def threads(pid):
    return pathlib.Path(f"/proc/{pid}/task").iterdir()


def cpu_seconds(pid):
    """On a core, of all threads of the process, by the scheduler's account: to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in threads(pid)) / 1e9


def queued_seconds(pid):
    """The main thread's, ready to run while the cores were taken."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def machine_jiffies():
    """Of all cores: those without work, and all."""
    words = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return words[3] + words[4], sum(words)


class Watch:
    """Groups of processes, and the machine, while the `with` block runs. Afterwards:

    cpu[group]     seconds on a core, of all its processes and threads
    shares[group]  percent of the time, averaged over the group's processes:
      cpu     on a core (the fsync of appendfsync everysec runs in a thread: above 100 is possible)
      queued  the main thread was ready, but the cores were taken
      disk    uninterruptible sleep, by samples of the state; in Redis that is the fsync
      idle    any other sleep, so in epoll_wait, with nothing to do
    client         percent of a core that the client took: wrk, or another child that has ended meanwhile;
                   client_seconds is the same in seconds
    idle           percent of the machine's cores without work
    foreign        percent of the machine that went to none of the above: other work disturbs
    """

    def __init__(self, **groups):
        self.groups = groups
        self.pids = [pid for pids in groups.values() for pid in pids]
        self.samples = {pid: {"R": 0, "D": 0, "S": 0} for pid in self.pids}
        self.ended = threading.Event()

    def __enter__(self):
        self.before = {pid: (cpu_seconds(pid), queued_seconds(pid)) for pid in self.pids}
        self.children, self.machine = children_seconds(), machine_jiffies()
        self.begun = time.monotonic()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def __exit__(self, *_):
        elapsed = time.monotonic() - self.begun
        after = {pid: (cpu_seconds(pid), queued_seconds(pid)) for pid in self.pids}
        machine = machine_jiffies()
        self.ended.set()
        self.thread.join()
        client = self.client_seconds = children_seconds() - self.children
        self.client = 100 * client / elapsed
        self.cpu, self.shares = {}, {}
        for name, pids in self.groups.items():
            cpu, queued = (sum(after[pid][i] - self.before[pid][i] for pid in pids) for i in (0, 1))
            count = sum(sum(self.samples[pid].values()) for pid in pids) or 1
            disk, idle = (100 * sum(self.samples[pid][state] for pid in pids) / count for state in "DS")
            each = 100 / elapsed / max(len(pids), 1)
            self.cpu[name] = cpu
            self.shares[name] = {"cpu": cpu * each, "queued": queued * each, "disk": disk, "idle": idle}
        idle, total = machine[0] - self.machine[0], max(machine[1] - self.machine[1], 1)
        self.idle = 100 * idle / total
        ours = (client + sum(self.cpu.values())) * 100  # jiffies of a hundredth
        self.foreign = max(0.0, 100 * (total - idle - ours) / total)

    def sample(self):
        while not self.ended.wait(0.01):
            for pid, counts in self.samples.items():
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                counts[state] = counts.get(state, 0) + 1
