"""The page of figures: results.md and its plots."""

import subprocess

from build import HERE, Failure
from plots import svg

HEAD = """# Figures

Written by `t/bench/run{arguments}` ([what it does](README.md)); do not edit.

"""
ALT = {
    "throughput.svg": "requests per second against the number of connections",
    "latency.svg": "latency against the number of connections",
    "growth.svg": "requests per second against the number of accounts and of idle connections",
}


def of_program(name, *arguments):
    """What another of the benchmarks prints."""
    done = subprocess.run([HERE / name, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failure(f"t/bench/{name} has failed: {done.stdout[-2000:]}")
    return done.stdout


def write(directory, arguments, text, plots):
    """results.md, and the plots beside it."""
    (directory / "plots").mkdir(parents=True, exist_ok=True)
    images = ""
    for name, panels in plots.items():
        (directory / "plots" / name).write_text(svg(panels))
        images += f"![{ALT[name]}](plots/{name})\n\n"
    head = HEAD.format(arguments="".join(f" {argument}" for argument in arguments))
    (directory / "results.md").write_text(head + images + text)
