"""One run of load, and what the servers did meanwhile."""

import dataclasses
import os
import pathlib
import resource
import subprocess
import threading
import time

from servers import Failure

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Result:
    rate: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    requests: int = 0
    not_200: int = 0
    broken: int = 0  # connections refused, cut or timed out


def wrk(options, url, accounts, mode, size):
    environment = {
        **os.environ,
        "BENCH_MODE": mode,
        "BENCH_TOKENS": str(accounts.tokens_file),
        "BENCH_THREADS": str(options.threads),
        "BENCH_SIZE": str(size),
        "BENCH_SEQUENCE": str(accounts.sequence),
    }
    command = ["wrk", f"-t{options.threads}", f"-c{options.connections}", f"-d{options.seconds}s", "--timeout", "10s"]
    done = subprocess.run(
        [*command, "-s", HERE / "wallet.lua", url], env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise Failure(f"wrk failed: {done.stdout}{done.stderr}")
    requests, microseconds, not_200, broken, p50, p99 = (int(word) for word in lines[0].split()[1:])
    rate = requests * 1e6 / max(microseconds, 1)
    return Result(rate, p50 / 1000, p99 / 1000, requests, not_200, broken)


def redis_loop(options, program, redis, accounts, mode, size):
    command = [program, mode, redis.socket, accounts.digests_file, size, accounts.sequence]
    command += [options.connections, options.pool or 16, options.seconds]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr.strip())
    return Result(float(done.stdout))


class Watch:
    """What processes do while the `with` block runs, in percent of its time, averaged over each group.

    cpu: on a core; queued: ready, but the cores are taken. Both by the kernel's account of the main thread.
    disk: in uninterruptible sleep, by samples of its state; in Redis that is the fsync.
    idle: in any other sleep, so in epoll_wait, with nothing to do.
    """

    def __init__(self, **groups):
        self.groups = groups
        self.samples = {pid: {"R": 0, "D": 0, "S": 0} for pids in groups.values() for pid in pids}
        self.ended = threading.Event()

    def __enter__(self):
        self.before = {pid: self.schedule(pid) for pid in self.samples}
        self.children = self.children_seconds()
        self.begun = time.monotonic()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()
        return self

    def __exit__(self, *_):
        elapsed = time.monotonic() - self.begun
        after = {pid: self.schedule(pid) for pid in self.samples}
        self.ended.set()
        self.thread.join()
        self.generator = 100 * (self.children_seconds() - self.children) / elapsed
        self.report = {}
        for name, pids in self.groups.items():
            scheduled = ([after[pid][i] - self.before[pid][i] for pid in pids] for i in (0, 1))
            cpu, queued = (100 * sum(each) / elapsed / len(pids) for each in scheduled)
            count = sum(sum(self.samples[pid].values()) for pid in pids) or 1
            disk, idle = (100 * sum(self.samples[pid][state] for pid in pids) / count for state in "DS")
            self.report[name] = {"cpu": cpu, "queued": queued, "disk": disk, "idle": idle}

    def sample(self):
        while not self.ended.wait(0.01):
            for pid, counts in self.samples.items():
                counts[pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]] += 1

    @staticmethod
    def schedule(pid):
        """Seconds on a core, and seconds in the queue for one."""
        words = pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(words[0]) / 1e9, int(words[1]) / 1e9

    @staticmethod
    def children_seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
