"""nginx in the background, as a machine runs it: a binary and a module that can be replaced while it serves."""

import os
import re
import shutil
import signal
import subprocess
import time

from support import settings
from support.nginx import Nginx, children
from support.wait import until


class Master:
    """A master process that is nobody's child, in the words of subprocess.Popen."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as stat:
                return 0 if stat.read().rsplit(")", 1)[1].split()[0] in "ZX" else None
        except OSError:
            return 0

    def wait(self, timeout=None):
        """Its status is its parent's to know."""
        end = time.monotonic() + (timeout if timeout is not None else settings.stretched(15))
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"nginx {self.pid}", timeout)
            time.sleep(0.01)
        return 0

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)


class Daemon(Nginx):
    """Its nginx and its module are copies of its own. `former` is the master whose binary was replaced."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.former = None
        self.binary = self.path("nginx")
        self.install()

    def install(self):
        """A new build comes: other files under the same names, as a package manager or `install` does it."""
        for built, name in ((settings.NGINX, "nginx"), (settings.MODULE, "module.so")):
            if built:
                shutil.copy(built, self.path(name + ".new"))
                os.rename(self.path(name + ".new"), self.path(name))

    def runs_what_is_installed(self, master):
        files = [os.stat(self.path(name)) for name in (("nginx", "module.so") if settings.MODULE else ("nginx",))]
        with open(f"/proc/{master.pid}/maps", encoding="utf-8") as maps:
            mapped = {int(line.split()[4]) for line in maps}
        return all(file.st_ino in mapped for file in files)

    def config(self):
        text = super().config().replace("daemon off;", "daemon on;")
        return text.replace(f"load_module {settings.MODULE};", f'load_module {self.path("module.so")};')

    def _command(self, *extra):
        return [self.binary, *super()._command(*extra)[1:]]

    def pid_in(self, name):
        try:
            with open(self.path(name), encoding="ascii") as file:
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    def start(self):
        self.write_config()
        with open(self.path("logs/stderr"), "ab") as stderr:
            subprocess.run(self._command(), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                           env=self._environment(), check=True, timeout=settings.stretched(20))
        self._process = Master(until(lambda: self.pid_in("nginx.pid"), "nginx tells its process"))
        until(self._serves, "nginx listens and has its workers")

    def worker_pids(self):
        """Those of the master that serves; of another one: workers_of."""
        return self.workers_of(self._process)

    def workers_of(self, master):
        """A new binary's master is a child of the former one, but no worker of it."""
        masters = {self.pid_in("nginx.pid"), self.pid_in("nginx.pid.oldbin")}
        return children(master.pid) - masters

    def shell(self, line):
        """A line for /run/nginx.pid and the installed nginx."""
        line = line.replace("/run/nginx.pid", self.path("nginx.pid"))
        line = re.sub(r"^nginx ", " ".join(self._command()) + " ", line)
        environment = {**self._environment(), "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(["sh", "-ec", line], capture_output=True, text=True, check=False, env=environment,
                              timeout=settings.stretched(20))
        assert done.returncode == 0, done

    def upgrade(self, line):
        """USR2: the former master and a new one of what is installed now serve side by side."""
        former = self._process
        self.shell(line)
        until(lambda: self.pid_in("nginx.pid.oldbin") == former.pid and self.pid_in("nginx.pid") not in (0, former.pid),
              "there is a new master")
        self.former, self._process = former, Master(self.pid_in("nginx.pid"))
        until(self._serves, "the new binary has its workers")

    def retire_former_workers(self, line):
        """WINCH: the former master's workers finish what they have."""
        self.shell(line)
        until(lambda: not self.workers_of(self.former), "the former workers are gone", 20)

    def retire_former(self, line):
        """QUIT: only the new binary is left."""
        self.shell(line)
        self.former.wait()
        self.former = None
        until(lambda: not os.path.exists(self.path("nginx.pid.oldbin")), "its file is gone")

    def roll_back(self, line):
        """QUIT to the new master: the former one has workers again, and the pid file."""
        new, self._process, self.former = self._process, self.former, None
        self.shell(line)
        new.wait(settings.stretched(20))
        until(lambda: self.pid_in("nginx.pid") == self._process.pid, "the former master is the one that counts")
        until(self._serves, "it has workers again")

    def quit(self, seconds=15):
        if self.former is not None:  # a test that failed half way
            self.former.send_signal(signal.SIGQUIT)
            self.former.wait()
            self.former = None
        super().quit(seconds)

    def kill(self, workers=()):
        if self.former is not None:
            super().kill(set(workers) | self.workers_of(self.former))
            self.former.kill()
            self.former = None
        super().kill(workers)
