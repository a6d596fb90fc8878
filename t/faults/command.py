"""The command line: a campaign is a number of rounds, each with servers of its own."""

import argparse
import asyncio
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import xml.sax.saxutils

from faults import history as records
from faults.campaign import Round
from faults.checker import PROMISES, check, coverage
from faults.checker.answers import recovery_times
from faults.checker.view import SECOND, View
from faults.checker.wallets import lost
from faults.cluster import Clustered, Forgetful, Mortal
from faults.deployment import Pair, Single, faketime_library
from faults.fault import ELSEWHERE, KINDS
from faults.schedule import Schedule
from support import settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUND = 60  # seconds, about
SHOWN = 3  # violations of each promise
KEPT = 20  # rounds in .build/faults

# Of the rounds, in turn. A sanitizer wants to be the first library that is loaded, and so does libfaketime.
TOPOLOGIES = (
    lambda directory: Single(directory, clock=bool(faketime_library()) and not settings.ASAN),
    lambda directory: Single(directory, relayed=True),
    Pair,
)
CLUSTERS = (Clustered, Mortal, Forgetful)

KEPT_PROMISE = "no acknowledged write is lost"
# Of each there has to be some, or nothing was proved.
NEEDED = ("acknowledged writes", "read ok", "login ok", "password ok", "socket ok", "messages", "stored ok")


def parse_options():
    parser = argparse.ArgumentParser(
        prog="t/faults/run",
        description="Clients work on a real nginx and a real Redis, faults strike, and a checker proves from what was "
        "recorded that the server kept its promises; see t/faults/README.md.")
    parser.add_argument("--seconds", type=float, default=600, help="in all, about (default 600)")
    parser.add_argument("--seed", type=int, help="of the faults and of what clients do (default: another one each time)")
    parser.add_argument("--round", type=int, help="only this round of the campaign")
    parser.add_argument("--cluster", action="store_true", help="on Redis Clusters of three masters with replicas: nodes that "
                        "stay, that are lost with replicas=1, and that are lost without, in turn")
    parser.add_argument("--faults", metavar="A,B,…", help="only these (default: all; “none”; “list” tells which there are)")
    parser.add_argument("--keep", metavar="DIR", help="keeps the history and log of each round there (default: of rounds "
                        "that failed, in .build/faults)")
    parser.add_argument("--check", metavar="HISTORY", help="judges a history that was kept, and does nothing else")
    parser.add_argument("--junitxml", metavar="FILE", help="writes a test case for each round")
    options = parser.parse_args()
    names = [] if options.faults in (None, "none", "list") else options.faults.split(",")
    for name in names:
        if name not in KINDS:
            parser.error(f"there is no fault “{name}”; there are: {', '.join(sorted(KINDS))}")
    options.kinds = sorted(KINDS) if options.faults is None else names
    return options


class Campaign:
    def __init__(self, options):
        self.options = options
        self.seed = random.randrange(1 << 31) if options.seed is None else options.seed
        self.keep = pathlib.Path(options.keep or ROOT / ".build/faults").resolve()
        self.rounds = max(2, round(options.seconds / ROUND))
        self.topologies = CLUSTERS if options.cluster else TOPOLOGIES
        self.words = f"{'--cluster ' if options.cluster else ''}--seconds {options.seconds:g} --seed {self.seed}"
        self.results = []  # (name, what is wrong)

    def run(self):
        print(f"faults: {self.words}", flush=True)
        for number in range(self.rounds) if self.options.round is None else [self.options.round]:
            self._run_round(number)
        return not any(wrong for _, wrong in self.results)

    def _run_round(self, number):
        with tempfile.TemporaryDirectory(prefix="wallet-sync-faults-") as directory:
            self._run_round_in(pathlib.Path(directory), number)

    def _run_round_in(self, directory, number):
        deployment = self.topologies[number % len(self.topologies)](str(directory))
        print(f"round {number}, {deployment.name}", flush=True)
        began = time.monotonic()
        try:
            history, trouble = asyncio.run(self._play(number, deployment, str(directory)))
        finally:
            deployment.kill()
        wrong = trouble + judge(history)
        print(summary(history))
        self.results.append((f"round {number}", wrong))
        verdict = "FAIL" if wrong else "ok  "
        print(f"{verdict} round {number} ({time.monotonic() - began:.0f} s)", *wrong, sep="\n     ", flush=True)
        if wrong or self.options.keep:
            print(f"     kept: {self._preserve(directory, number)}")
            print(f"     again: t/faults/run {self.words} --round {number}")

    async def _play(self, number, deployment, directory):
        kinds = [kind for kind in self.options.kinds if deployment.suits(KINDS[kind]) and not self._missing(kind, deployment)]
        schedule = Schedule(self.seed, number, kinds) if kinds else None
        seconds = self.options.seconds / self.rounds
        a_round = Round(deployment, schedule, self.seed * 1000 + number, seconds, directory, say=say)
        history = await a_round.run()
        return history, a_round.trouble + [f"{name} could not be written to at the end" for name in a_round.refused]

    @staticmethod
    def _missing(kind, deployment):
        why = KINDS[kind].missing(deployment)
        if why and why is not ELSEWHERE:
            say(f"  without {kind}: {why}")
        return why

    def _preserve(self, directory, number):
        """Copies what there is to look at, and says where it is."""
        place = self.keep / f"{self.seed}-{number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in (directory / "history.jsonl", directory / "nginx/nginx.conf", directory / "nginx/logs/error.log",
                     *directory.glob("redis*.log"), *directory.glob("node*.log")):
            if path.exists():
                shutil.copy(path, place)
        if not self.options.keep:
            for old in sorted(self.keep.iterdir(), key=os.path.getmtime)[:-KEPT]:
                shutil.rmtree(old)
        return place

    def write_xml(self, path):
        quoted = xml.sax.saxutils.quoteattr
        cases = (f"<testcase classname=\"faults\" name={quoted(name)}>"
                 + (f"<failure message={quoted(chr(10).join(wrong))}/>" if wrong else "") + "</testcase>"
                 for name, wrong in self.results)
        pathlib.Path(path).write_text(f"<testsuite>{''.join(cases)}</testsuite>\n", encoding="utf-8")


def judge(history):
    """What is wrong with it: violations, a few of each promise, and what there should have been to be proved."""
    found, shown = check(history), collections.Counter()
    wrong = []
    for violation in found:
        shown[violation.promise] += 1
        if shown[violation.promise] <= SHOWN:
            wrong.append(str(violation))
    wrong += [f"{promise}: {count} violations in all" for promise, count in shown.items() if count > SHOWN]
    counts = coverage(history)
    return wrong + [f"nothing was proved: no “{what}”" for what in NEEDED if not counts[what]]


def summary(history):
    counts = coverage(history)
    total = sum(operation.kind != records.STORED for operation in history.operations)
    slowest = max(recovery_times(history), default=0.0)
    elsewhere = sum(stall.lost for stall in history.stalls) / SECOND
    unreplicated = counts["write unreplicated"]
    forgotten = len(list(lost(View(history)))) if KEPT_PROMISE not in history.facts.get("promises", PROMISES) else 0
    return (f"     {total} requests; writes: {counts['acknowledged writes']} acknowledged, "
            f"{counts['write conflict']} conflicts, {counts['write unavailable']} refused, {counts['write unknown']} unknown"
            f"{f', {unreplicated} not replicated in time' if unreplicated else ''}; "
            f"{counts['password ok']} password changes; {counts['messages']} messages to {counts['socket ok']} sockets;\n"
            f"     {counts['disturbances']} faults, served again after {slowest:.2f} s at most; "
            f"the machine was elsewhere for {elsewhere:.1f} s"
            f"{f'; Redis lost {forgotten} acknowledged writes' if forgotten else ''}")


def say(text):
    print(text, flush=True)


def find_module():
    """The module to load: the one that the environment names, or one that is built now."""
    if "WALLET_SYNC_MODULE" not in os.environ and "WALLET_SYNC_NGINX" not in os.environ:
        done = subprocess.run([ROOT / "t/lib/build_module.sh"], stdout=subprocess.PIPE, text=True, check=True)
        settings.MODULE = done.stdout.strip()


def main():
    options = parse_options()
    if options.faults == "list":
        for name in sorted(KINDS):
            print(f"{name:20} {KINDS[name].__doc__.strip().splitlines()[0]}")
        return 0
    if options.check:
        wrong = judge(records.load(options.check))
        print(*wrong or ["nothing is wrong"], sep="\n")
        return 1 if wrong else 0
    find_module()
    # Whoever ends us ends the servers too; in the background of a shell SIGINT would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    campaign = Campaign(options)
    try:
        good = campaign.run()
    except KeyboardInterrupt:
        return 130
    if options.junitxml:
        campaign.write_xml(options.junitxml)
    return 0 if good else 1
