"""The command line, and the tables."""

import argparse
import os
import signal
import subprocess
import tempfile
import time

from endurance import meter
from endurance.campaign import Campaign
from support import settings


def number(text):
    return int(text.replace(",", "").replace("_", ""))


def parse_options():
    parser = argparse.ArgumentParser(
        prog="./test endurance",
        description="Requests of all kinds, people and websockets, then reloads under the same load: each answer has to be as "
        "expected, and what nginx holds has to stay as it is. See t/endurance/README.md.")
    parser.add_argument("--requests", type=number, default=10_000_000, help="(default 10,000,000)")
    parser.add_argument("--reloads", type=number, default=1_000, help="(default 1,000)")
    parser.add_argument("--dir", help="where the temporary directory goes (default /tmp)")
    parser.add_argument("--verbose", action="store_true", help="prints each reading")
    parser.add_argument("--junitxml", metavar="FILE", help="writes the verdict there, too")
    return parser.parse_args()


def table(heads, rows):
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def report(campaign, seconds):
    answers, visitors = campaign.load.answers, campaign.visitors
    print(f"{campaign.requests:,} requests and {campaign.reloads:,} reloads in {seconds:,.0f} s.\n")
    rows = sorted((kind, str(status), f"{count:,}") for (status, kind), count in answers.counts.items())
    print(table(["request", "status", "answers"], rows))
    print(table(["beside them", "done"], [[name, f"{count:,}"] for name, count in visitors.done.items()]))
    for part, figures in campaign.growth().items():
        rows = [[meter.FIGURES[each.name], f"{each.before:,.0f}", f"{each.after:,.0f}", f"{each.after - each.before:+,.0f}",
                 f"{each.allowed:,.0f}", f"{each.creep:+,.0f}" if each.allowed_creep else "", "yes" if each.flat else "NO"]
                for each in figures]
        print(table([f"over the {part}", "second tenth", "last tenth", "change", "allowed", "median step", "flat"], rows))


def write_xml(path, wrong):
    lines = "\n".join(wrong).replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "")
    inside = f"<failure>{lines}</failure>" if wrong else ""
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'<testsuite><testcase classname="endurance" name="endurance">{inside}</testcase></testsuite>\n')


def run_in(directory, options):
    campaign = Campaign(directory, say=(lambda text: print(text, flush=True)) if options.verbose else (lambda text: None))
    begun = time.monotonic()
    try:
        wrong = campaign.run(options.requests, options.reloads).verdict()
    except AssertionError as failure:
        wrong = [str(failure), *(campaign.complaints() if campaign.visitors else [])]
    if campaign.visitors:
        report(campaign, time.monotonic() - begun)
    print("\n".join([f"WRONG {text}" for text in wrong] or ["Nothing was wrong."]))
    if options.junitxml:
        write_xml(options.junitxml, wrong)
    return 1 if wrong else 0


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # whoever ends us ends the servers too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "WALLET_SYNC_MODULE" not in os.environ and "WALLET_SYNC_NGINX" not in os.environ:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        done = subprocess.run([f"{root}/t/lib/build_module.sh"], stdout=subprocess.PIPE, text=True, check=True)
        settings.MODULE = done.stdout.strip()
    try:
        with tempfile.TemporaryDirectory(prefix="wallet-sync-endurance-", dir=options.dir) as directory:
            return run_in(directory, options)
    except KeyboardInterrupt:
        return 130
