"""What t/bench/sockets starts: an nginx with room for many connections, and the clients that open them."""

import os
import pathlib
import resource
import signal
import subprocess
import time

import build
from build import Failure
from growth import resident
from servers import Nginx, Process, return_200, wallet_body, wallet_sync

SPARE = 150  # descriptors of a process that are not for the connections to be measured
SIZE_OF_SLOT = 232 + 2 * 96  # ngx_connection_t and its two ngx_event_t, on x86-64


def slots(count):
    """nginx closes connections to make room when less than a sixteenth of worker_connections is free."""
    return (count + SPARE) * 16 // 15


def descriptors_allowed(wanted):
    """Raises the limit as far as we may; what we start inherits it. Returns how many connections a process can have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = max(wanted + SPARE, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        most = hard
    return most - SPARE


class Server(Nginx):
    """nginx with the module, on a plain port and one with TLS, and the same with `return 200`; room for `count`
    connections in each worker."""

    def __init__(self, bench, subject, name, workers, count, ping_interval="60s"):
        ours = wallet_sync(f"unix:{bench.redis.socket}", subject.parameters)
        ours += f" wallet_sync_drain_time {bench.options.drain_time}; wallet_sync_ping_interval {ping_interval};"
        ours += f" wallet_sync_max_sockets_per_account {slots(count)};"
        plain = return_200(wallet_body(1024))
        services = {"wallet_sync": ours, "wallet_sync tls": ours, "return 200": plain, "return 200 tls": plain}
        head = f'ssl_certificate "{bench.certificate[0]}"; ssl_certificate_key "{bench.certificate[1]}";'
        more = {"workers": workers, "binary": bench.options.nginx, "connections": slots(count), "head": head}
        directory = bench.directory / f"{name}-{subject.name}"
        super().__init__(directory, services, module=subject.path, **more)

    def server(self, name, directives):
        line = super().server(name, directives)
        return line.replace(" reuseport;", " ssl reuseport;", 1) if name.endswith(" tls") else line

    def resident(self):
        """Of all workers, in bytes."""
        return sum(resident(pid) for pid in self.children())

    def descriptors(self):
        """Of each worker."""
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in self.children()]

    def wait_for_few(self):
        """Until the workers are done with the sockets that were closed."""
        deadline = time.monotonic() + 30
        while max(self.descriptors()) > SPARE:
            if time.monotonic() > deadline:
                raise Failure(f"nginx keeps {self.descriptors()} descriptors of closed sockets")
            time.sleep(0.02)


class Client(Process):
    """The program of sockets.cpp. It has opened its connections when self.opened() returns."""

    def __init__(self, kind, port, tokens, count, first=0):
        command = [build.program("sockets"), kind, str(port), tokens, str(count), str(first)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def opened(self):
        """Seconds that it took."""
        return float(self.line("opened")[0])

    def line(self, name):
        text = self.process.stdout.readline()
        if not text.startswith(name):
            raise Failure(f"the client has failed at '{name}': {text.strip() or self.ended()}")
        return text.removeprefix(name).split()

    def ended(self):
        status = self.process.wait(5)
        return f"signal {-status}" if status < 0 else "see above"

    def command(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def ask(self, *words, answer=None):
        self.command(*words)
        return self.line(answer or words[0])

    def table(self):
        """Lines "name p50 p99 max" in milliseconds, until "end"."""
        found = {}
        while (line := self.process.stdout.readline().strip()) != "end":
            if not line:
                raise Failure(f"the client has failed: {self.ended()}")
            name, *values = line.split("\t")
            found[name] = [float(value) for value in values]
        return found

    def stop(self, signal_number=signal.SIGTERM):
        self.process.stdin.close()
        super().stop(signal_number)


def gone(pids, seconds):
    """Waits until the processes have ended; returns how long it took."""
    begun = time.monotonic()
    while any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < begun + seconds:
        time.sleep(0.01)
    return time.monotonic() - begun
