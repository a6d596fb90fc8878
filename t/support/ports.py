"""Loopback ports nobody listens on."""

import random
import socket

# Below the range the kernel takes outgoing ports from, so that no client of a parallel run gets in between.
FIRST, LAST = 12000, 31999


def free_port():
    while True:
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def free_ports(count):
    """The first of so many in a row."""
    while True:
        first = random.randint(FIRST, LAST - count)
        probes = []
        try:
            for port in range(first, first + count):
                probes.append(socket.socket())
                probes[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
