"""Waiting for a condition, the only place where the tests let time pass."""

import time

from support.settings import stretched

STEP = 0.01


def until(condition, what, seconds=10):
    """Returns the first true value of condition(); fails when there is none in time."""
    end = time.monotonic() + stretched(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {stretched(seconds)} s in vain: {what}")
        time.sleep(STEP)
