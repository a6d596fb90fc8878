"""One measurement: wrk, the bare loops on Redis, or the clients that read, merge and write."""

import dataclasses
import os
import pathlib
import subprocess

from build import Failure, program

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Result:
    rate: float  # of what succeeded, per second
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    requests: int = 0  # all that were answered
    not_200: int = 0
    broken: int = 0  # connections refused, cut or timed out
    conflicts: int = 0  # writes that came second: expected of a contended account, an error anywhere else
    beside: "Result | None" = None  # what a contended account did meanwhile

    @property
    def succeeded(self):
        return self.requests - self.not_200 - self.conflicts


def run(command, **more):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise Failure(f"{pathlib.Path(command[0]).name} failed: {done.stdout}{done.stderr}")
    return [float(word) for word in lines[0].split()[1:]]


def accounts_for(cell, accounts):
    """So many that no account has two writers at once, and no more than necessary if the wallets are large."""
    return min(len(accounts.tokens), max(8 * cell.connections, 4096 * 1024 // max(cell.size, 1024)))


def wrk(cell, url, accounts, seconds, *, delay_ms=0, count=None, stride=1, threads=2):
    """cell.mode is get, conditional, post, mix or login; of the same bytes for everyone who is compared."""
    threads = min(threads, cell.connections)
    count = count or accounts_for(cell, accounts)
    environment = {
        **os.environ,
        "BENCH_MODE": cell.mode,
        "BENCH_TOKENS": str(accounts.tokens_file),
        "BENCH_COUNT": str(count),
        "BENCH_STRIDE": str(stride),
        "BENCH_THREADS": str(threads),
        "BENCH_SIZE": str(cell.size),
        "BENCH_SEQUENCE": str(accounts.sequence),
        "BENCH_CLOSE": "" if cell.keepalive else "1",
        "BENCH_DELAY": str(delay_ms),
    }
    command = ["wrk", f"-t{threads}", f"-c{cell.connections}", f"-d{seconds}s", "--timeout", "10s"]
    numbers = run([*command, "-s", HERE / "wallet.lua", url], env=environment)
    requests, microseconds, not_200, broken, p50, p99 = numbers
    rate = (requests - not_200) * 1e6 / max(microseconds, 1)
    return Result(rate, p50 / 1000, p99 / 1000, int(requests), int(not_200), int(broken))


def redis_loop(kind, cell, redis, accounts, seconds):
    """kind is get, watch, batch or evalsha: see redis_loop.cpp."""
    command = [program("redis_loop"), kind, redis.socket, accounts.digests_file, accounts_for(cell, accounts)]
    rate, p50, p99, done = run([*command, cell.size, accounts.sequence, cell.connections, seconds])
    return Result(rate, p50 / 1000, p99 / 1000, int(done))


def writers(cell, port, accounts, seconds):
    """cell.connections quiet accounts with a writer each, beside cell.crowd writers of one other account."""
    command = [program("writers"), port, accounts.tokens_file, cell.size, accounts.sequence]
    numbers = run([*command, cell.crowd, cell.connections, seconds])
    elapsed, groups = numbers[0], []
    for stored, conflicts, errors, p50, p99 in (numbers[1:6], numbers[6:11]):
        total = int(stored + conflicts + errors)
        groups.append(Result(stored / elapsed, p50 / 1000, p99 / 1000, total, int(errors), 0, int(conflicts)))
    contended, quiet = groups
    if not cell.connections:
        return contended
    quiet.not_200, quiet.conflicts = quiet.not_200 + quiet.conflicts, 0  # nobody else writes to these accounts
    quiet.beside = contended if cell.crowd else None
    return quiet
