"""Loopback ports nobody listens on, each given once: not again to this process, nor to another that runs tests."""

import fcntl
import os
import random
import socket
import tempfile

# Below the range the kernel takes outgoing ports from, so that no client of a parallel run gets in between.
FIRST, LAST = 12000, 31999

_given = set()
# Of whoever is given a port, the byte at that offset is locked, until he ends.
_locks = os.open(os.path.join(tempfile.gettempdir(), f"wallet-sync-ports-{os.getuid()}"),
                 os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def free_port():
    return free_ports(1)


def free_ports(count):
    """The first of so many in a row."""
    while True:
        first = random.randint(FIRST, LAST + 1 - count)
        ports = range(first, first + count)
        if all(_take(port) for port in ports):
            return first


def _take(port):
    if port in _given:
        return False
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
