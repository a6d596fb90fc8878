"""An nginx of our own with the module in it, and what its log must never say."""

import os
import re
import signal
import socket
import subprocess

from support import settings
from support.ports import free_port
from support.wait import until

SUPPRESSIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp")

# Nothing of this may be in an error log, whatever a test did, unless the test says that it caused it.
FORBIDDEN = [
    r"\[alert\]", r"\[emerg\]", r"\[crit\]", r"exited on signal", r"exited with code [1-9]",
    r"ERROR: AddressSanitizer", r"runtime error:", r"LeakSanitizer", r"open socket .* left in connection",
    r"buffered to a temporary file",
]


class Nginx:
    """Master and workers in the foreground, everything in one directory.

    http, server and location are further directives for these blocks; location replaces `wallet_sync;`. environment:
    variables that nginx is started with besides ours.
    """

    def __init__(self, directory, http="", server="", location="wallet_sync;", main="", workers=2,
                 listen="", worker_connections=512, environment=None):
        self.directory = directory
        self.port = free_port()
        self.http, self.server, self.location, self.main = http, server, location, main
        self.workers, self.listen, self.worker_connections = workers, listen, worker_connections
        self.environment = environment or {}
        self.expected = []
        self._process = None
        os.makedirs(os.path.join(directory, "logs"), exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    @property
    def error_log(self):
        return self.path("logs/error.log")

    @property
    def access_log(self):
        return self.path("logs/access.log")

    @property
    def body_temp(self):
        return self.path("client_body_temp")

    def config(self):
        load = f"load_module {settings.MODULE};" if settings.MODULE else ""
        user = "user root;" if os.geteuid() == 0 else ""
        temps = "\n".join(f"    {name}_temp_path {self.path(name + '_temp')};"
                          for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""{load}
{user}
daemon off;
master_process on;
worker_processes {self.workers};
pid {self.path("nginx.pid")};
error_log {self.error_log} info;
{self.main}
events {{
    worker_connections {self.worker_connections};
}}
http {{
{temps}
    log_format no_arguments '$remote_addr [$time_local] "$request_method $uri $server_protocol" $status $body_bytes_sent $wallet_sync_error $wallet_sync_redis_time $wallet_sync_retries';
    access_log {self.access_log} no_arguments;
    {self.http}
    server {{
        listen 127.0.0.1:{self.port} {self.listen};
        {self.server}
        location / {{
            {self.location}
        }}
    }}
}}
"""

    def write_config(self):
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as out:
            out.write(self.config())

    def _command(self, *extra):
        return [settings.NGINX, "-p", self.directory, "-c", self.path("nginx.conf"), "-e", self.error_log, *extra]

    def _environment(self):
        environment = {**os.environ, **self.environment}
        environment.setdefault("LSAN_OPTIONS", f"print_suppressions=0:suppressions={SUPPRESSIONS}")
        reports = self.path("logs/sanitizer")
        environment.setdefault("ASAN_OPTIONS", f"detect_leaks=1:fast_unwind_on_malloc=0:log_path={reports}")
        environment.setdefault("UBSAN_OPTIONS", f"print_stacktrace=1:log_path={reports}")
        return environment

    def test(self):
        """nginx -t: (whether it is content, what it says)."""
        self.write_config()
        # After a test of its configuration nginx ends without a thought for its memory.
        environment = {**self._environment(), "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(self._command("-t"), capture_output=True, text=True, check=False,
                              env=environment, timeout=settings.stretched(20))
        return done.returncode == 0, done.stderr

    def start(self):
        self.write_config()
        with open(self.path("logs/stderr"), "ab") as stderr:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=stderr,
                                             stderr=stderr, env=self._environment())
        until(self._serves, "nginx listens and has its workers")

    def _serves(self):
        assert self._process.poll() is None, "nginx ended at once: " + self.log()[-2000:]
        if len(self.worker_pids()) < self.workers:
            return False
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    @property
    def running(self):
        return self._process is not None

    @property
    def pid(self):
        """The master's, or None."""
        return getattr(self._process, "pid", None)

    def worker_pids(self):
        """The living children of the master, old workers that still finish their work too."""
        return children(self._process.pid)

    def reload(self, wait_for_old=True):
        old = self.worker_pids()
        self.write_config()
        self._process.send_signal(signal.SIGHUP)
        until(lambda: len(self.worker_pids() - old) >= self.workers, "new workers run")
        if wait_for_old:
            self.wait_gone(old)
        return old

    def wait_gone(self, pids, seconds=15):
        until(lambda: not self.worker_pids() & pids, "old workers are gone", seconds)

    def kill_worker(self):
        """Kills one worker the hard way and waits for its successor."""
        self.expect(r"worker process \d+ exited on signal 9")
        old = self.worker_pids()
        victim = min(old)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(self.worker_pids() - {victim}) >= self.workers, "the killed worker has a successor")
        return victim

    def signal(self, name):
        """"QUIT", "HUP" and so on to the master, without waiting for what comes of it."""
        self._process.send_signal(getattr(signal, "SIG" + name))

    def quit(self, seconds=15):
        """Ends nginx the graceful way and reads its logs."""
        if self._process is None:
            return
        process, workers = self._process, self.worker_pids()
        process.send_signal(signal.SIGQUIT)
        try:
            code = process.wait(settings.stretched(seconds))
        except subprocess.TimeoutExpired:
            self.kill(workers)
            raise AssertionError("nginx did not end within its time after quit: " + self.log()[-3000:]) from None
        self._process = None
        assert code == 0, f"the master ended with {code}: " + self.log()[-3000:]
        self.assert_clean()

    def kill(self, workers=()):
        """The end of an nginx that does not end by itself."""
        if self._process is not None:
            workers = set(workers) | self.worker_pids()
            self._process.kill()
            self._process.wait()
            self._process = None
            for pid in workers:
                _kill(pid)

    def expect(self, pattern):
        """The test causes log lines that match the pattern; they are no fault."""
        self.expected.append(pattern)

    def log(self):
        text = ""
        for folder, _, names in os.walk(self.path("logs")):
            for name in sorted(names):
                if name == "error.log" or name == "stderr" or name.startswith("sanitizer"):
                    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as log:
                        text += log.read()
        return text

    def access(self):
        with open(self.access_log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def assert_clean(self):
        bad = [line for line in self.log().splitlines()
               if any(re.search(pattern, line) for pattern in FORBIDDEN)
               and not any(re.search(pattern, line) for pattern in self.expected)]
        assert not bad, "nginx' log has what it must not have:\n" + "\n".join(bad[:30])
        assert not files_below(self.body_temp), "a request body was left on the disk"


def children(parent_pid):
    """The living children of a process."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
            except OSError:
                continue
            if int(parent) == parent_pid and state not in "ZX":
                found.add(int(name))
    return found


def files_below(directory):
    return [os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names]


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
