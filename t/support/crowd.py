"""Several clients at the same moment."""

import threading

from support.settings import stretched


def together(jobs, seconds=120):
    """Runs the jobs in threads of their own, all let go at once; their results in order."""
    results, failures = [None] * len(jobs), []
    gate = threading.Barrier(len(jobs))

    def run(index, job):
        try:
            gate.wait()
            results[index] = job()
        except Exception as failure:  # of whatever kind: it is raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(stretched(seconds))
        assert not thread.is_alive(), "a client still waits"
    if failures:
        raise failures[0]
    return results


class Background:
    """A job in a thread of its own: wait() gives its result or raises what it raised."""

    def __init__(self, job):
        self._result = self._failure = None
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()

    def _run(self, job):
        try:
            self._result = job()
        except Exception as failure:  # raised again in wait()
            self._failure = failure

    @property
    def running(self):
        return self._thread.is_alive()

    def wait(self, seconds=60):
        self._thread.join(stretched(seconds))
        assert not self._thread.is_alive(), "the job still runs"
        if self._failure:
            raise self._failure
        return self._result
