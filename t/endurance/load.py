"""Requests of all kinds by wrk, and how many of each were answered how: see requests.lua."""

import collections
import os
import pathlib
import signal
import subprocess

CONNECTIONS = 16
SCRIPT = pathlib.Path(__file__).with_name("requests.lua")
LONG = 24 * 3600  # seconds: until it is stopped


class Answers:
    """What came of the requests so far."""

    def __init__(self):
        self.counts = collections.Counter()  # by (status, kind)
        self.wrong, self.broken = [], 0

    @property
    def total(self):
        return sum(self.counts.values())

    def add(self, output):
        """The lines that requests.lua prints."""
        seen = collections.Counter()
        for line in output.splitlines():
            name, _, rest = line.partition(" ")
            if name == "COUNT":
                number, status, kind = rest.split(" ", 2)
                seen[int(status), kind] += int(number)
            elif name == "WRONG":
                self.wrong.append(rest)
            elif name == "BROKEN":
                self.broken += int(rest)
        assert seen, f"wrk has sent nothing: {output}"
        self.counts += seen
        return sum(seen.values())

    def complaints(self):
        found = [f"wrong answer: {text}" for text in self.wrong[:10]]
        return found + ([f"{self.broken} requests without an answer"] if self.broken else [])


class Load:
    """tokens: of accounts that nobody else writes to. email: the address of an account, in base64."""

    def __init__(self, port, directory, tokens, email):
        self.answers = Answers()
        self._url = f"http://127.0.0.1:{port}"
        path = pathlib.Path(directory, "tokens")
        path.write_text("".join(f"{token}\n" for token in tokens), encoding="ascii")
        self._environment = {"ENDURANCE_TOKENS": str(path), "ENDURANCE_EMAIL": email,
                             "ENDURANCE_THREADS": str(CONNECTIONS)}
        self._wrk = None

    def start(self, seconds=LONG, close=False, delay_ms=0):
        """close: a connection for each request. Whoever keeps connections has to expect that a server that reloads closes
        one in the very moment in which it sends its next request; with a new one there is no excuse."""
        environment = {**os.environ, **self._environment, "ENDURANCE_CLOSE": "1" if close else "",
                       "ENDURANCE_DELAY": str(delay_ms)}
        threads = str(CONNECTIONS)
        command = ["wrk", "-t", threads, "-c", threads, "-d", f"{seconds}s", "--timeout", "20s", "-s", str(SCRIPT), self._url]
        self._wrk = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)

    def wait(self):
        """Until it has ended by itself; how many requests were answered."""
        output = self._wrk.communicate()[0]
        self._wrk = None
        return self.answers.add(output)

    def stop(self):
        self._wrk.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self):
        if self._wrk:
            self._wrk.kill()
            self._wrk.communicate()
