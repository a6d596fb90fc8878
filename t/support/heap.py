"""What the processes of an nginx have allocated: malloc's own figures, by way of heap.cpp, which is preloaded."""

import os
import pathlib
import struct
import subprocess

from support.wait import until

SOURCE = pathlib.Path(__file__).with_name("heap.cpp")


class Heap:
    """Give `environment` to the Nginx. Not for a sanitizer build, which has a malloc of its own."""

    def __init__(self, directory):
        self._directory = str(directory)
        os.makedirs(self._directory, exist_ok=True)
        library = os.path.join(self._directory, "heap.so")
        subprocess.run(["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(SOURCE),
                        "-o", library], check=True, timeout=120)
        # Blocks in a thread's cache would count as allocated.
        self.environment = {"LD_PRELOAD": library, "HEAP_DIRECTORY": self._directory,
                            "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

    def _count(self, pid):
        """(how often the process has counted, bytes, calls of operator new)"""
        try:
            with open(os.path.join(self._directory, str(pid)), "rb") as file:
                return struct.unpack("=QQQ", file.read(24))
        except (FileNotFoundError, struct.error):
            return 0, 0, 0

    def allocated(self, pids):
        """Bytes that these processes, all together, hold when each of them has been idle for a moment from now on."""
        self._settle(pids)
        return sum(self._count(pid)[1] for pid in pids)

    def news(self, pids):
        """How often they have called operator new until then."""
        self._settle(pids)
        return sum(self._count(pid)[2] for pid in pids)

    def _settle(self, pids):
        # The first count from now on may have begun before.
        wanted = {pid: self._count(pid)[0] + 2 for pid in pids}
        until(lambda: all(self._count(pid)[0] >= times for pid, times in wanted.items()), "the workers are idle", 30)

    def latest(self, pid):
        """Bytes that a process which waits for signals, such as nginx' master, held when it began to wait."""
        times, size, _ = self._count(pid)
        assert times, "this process has never waited"
        return size
