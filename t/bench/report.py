"""The tables of t/bench/run, in Markdown."""

import os
import pathlib
import platform
import statistics
import subprocess

from measure import LOOPS, MODULE

NAMES = {"return 200": "`return 200`", "get": "loop", "watch": "WATCH", "batch": "batched WATCH", "evalsha": "EVALSHA"}


def spread(values, form="{:,.0f}"):
    """Median (lowest–highest)."""
    if not values:
        return ""
    median, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return median if low == high else f"{median} ({low}–{high})"


def median(values, form="{:,.1f}"):
    return form.format(statistics.median(values)) if values else ""


def table(heads, rows):
    """A column in which nothing stands is left out; the first ones are to the left."""
    rows = [[str(cell) for cell in row] for row in rows]
    used = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    lines = [[heads[i] for i in used], ["---" if i == 0 else "--:" for i in used]]
    lines += [[row[i] for i in used] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def machine():
    cpu = next((line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":?")
    redis = version("redis-server", "--version").split(" sha=")[0].replace("Redis server v=", "Redis ")
    nginx = version("/usr/sbin/nginx", "-v").replace("nginx version: nginx/", "nginx ")
    return f"{os.cpu_count()} cores ({cpu.split(':')[1].strip()}), Linux {platform.release()}, {nginx}, {redis}"


class Figures:
    """Values of the rounds. A ratio is taken round by round, as both of a round ran within seconds of each other."""

    def __init__(self, bench):
        self.bench = bench
        self.earlier = bench.builds[1].name if len(bench.builds) > 1 else None

    def results(self, cell, target):
        return [result for result, _ in self.bench.rounds(cell, target)]

    def values(self, cell, target, field="rate"):
        return [getattr(result, field) for result in self.results(cell, target)]

    def cpu(self, cell, target, group):
        """Microseconds on a core for each request that was answered."""
        rounds = self.bench.rounds(cell, target)
        return [w.cpu[group] * 1e6 / max(r.requests, 1) for r, w in rounds if group in w.cpu]

    def share(self, cell, target, group, what):
        return [w.shares[group][what] for _, w in self.bench.rounds(cell, target) if group in w.shares]

    @staticmethod
    def ratios(values, others):
        return [value / other for value, other in zip(values, others) if other]

    def ratio(self, cell, target, other, field="rate", other_cell=None):
        return self.ratios(self.values(cell, target, field), self.values(other_cell or cell, other, field))


def heads_of(cell):
    return [cell.request, cell.connections + cell.crowd, cell.workers, cell.redis]


def rates(figures):
    earlier = figures.earlier
    heads = ["request", "connections", "workers", "Redis", "/s", "p50 ms", "p99 ms"]
    heads += [f"÷ {earlier}"] + [f"÷ {NAMES[floor]}" for floor in NAMES]
    rows = []
    for cell in figures.bench.cells:
        row = heads_of(cell) + [spread(figures.values(cell, MODULE))]
        row += [spread(figures.values(cell, MODULE, field), "{:.2f}") for field in ("p50_ms", "p99_ms")]
        row += [spread(figures.ratio(cell, MODULE, other), "{:.2f}") for other in (earlier, *NAMES)]
        rows.append(row)
    return table(heads, rows)


def others(figures):
    targets = ([figures.earlier] if figures.earlier else []) + list(NAMES)
    rows = []
    for cell in figures.bench.cells:
        for target in targets:
            if figures.results(cell, target):
                row = [NAMES.get(target, target), *heads_of(cell), spread(figures.values(cell, target))]
                row += [spread(figures.values(cell, target, field), "{:.2f}") for field in ("p50_ms", "p99_ms")]
                rows.append(row)
    return table(["", "request", "connections", "workers", "Redis", "/s", "p50 ms", "p99 ms"], rows)


def crowds(figures):
    """What the contended account did, and how often its writers came second."""
    rows = []
    for cell in (cell for cell in figures.bench.cells if cell.crowd):
        for target in filter(None, (MODULE, figures.earlier)):
            results = [result.beside or result for result in figures.results(cell, target)]
            row = ["wallet_sync" if target == MODULE else target, *heads_of(cell), spread([r.rate for r in results])]
            row += [spread([r.conflicts / max(r.succeeded, 1) for r in results], "{:.2f}")]
            rows.append(row + [spread([r.p99_ms for r in results], "{:.1f}")])
    heads = ["", "request", "connections", "workers", "Redis", "increments /s", "409 for each", "p99 ms of an increment"]
    return table(heads, rows)


def costs(figures):
    earlier = figures.earlier
    heads = ["request", "connections", "workers", "Redis", "worker µs", f"{earlier}", "earlier ÷ this", "`return 200`"]
    heads += ["`return 200` ÷ this", "Redis µs", f"{earlier} ", *(f"{NAMES[loop]} " for loop in LOOPS)]
    rows = []
    for cell in figures.bench.cells:
        ours, old, plain = (figures.cpu(cell, target, "nginx") for target in (MODULE, earlier, "return 200"))
        row = heads_of(cell) + [spread(ours, "{:.1f}"), median(old), spread(figures.ratios(old, ours), "{:.2f}")]
        row += [median(plain), spread(figures.ratios(plain, ours), "{:.2f}")]
        row += [spread(figures.cpu(cell, MODULE, "redis"), "{:.1f}"), median(figures.cpu(cell, earlier, "redis"))]
        rows.append(row + [median(figures.cpu(cell, loop, "redis")) for loop in LOOPS])
    return table(heads, rows)


def shares(figures):
    heads = ["request", "connections", "workers", "Redis", "worker: CPU", "queued", "idle"]
    heads += ["Redis: CPU", "queued", "disk", "idle", "client: CPU", "machine idle", "other work"]
    rows = []
    for cell in figures.bench.cells:
        row = heads_of(cell)
        row += [median(figures.share(cell, MODULE, "nginx", what), "{:.0f} %") for what in ("cpu", "queued", "idle")]
        whats = ("cpu", "queued", "disk", "idle")
        row += [median(figures.share(cell, MODULE, "redis", what), "{:.0f} %") for what in whats]
        rounds = [watch for _, watch in figures.bench.rounds(cell, MODULE)]
        row += [median([getattr(w, what) for w in rounds], "{:.0f} %") for what in ("client", "idle", "foreign")]
        rows.append(row)
    return table(heads, rows)


def disturbance(figures):
    """What other processes took of the machine, at worst: figures of a busy machine are to be read with care."""
    foreign = [watch.foreign for rounds in figures.bench.results.values() for _, watch in rounds]
    busy = sum(value > 10 for value in foreign)
    return (
        f"Other work took {statistics.median(foreign):.0f} % of the machine (median of all measurements; at most "
        f"{max(foreign):.0f} %, above 10 % in {busy} of {len(foreign)})."
    )


def sections(bench, describe):
    """Pairs of a title and a text."""
    options, figures = bench.options, Figures(bench)
    against = f", beside an earlier build, {figures.earlier}" if figures.earlier else ""
    lines = [
        f"{machine()}. wallet_sync: {describe}{against}. {options.rounds} rounds of {options.seconds} s for each, one "
        "after the other in changing order. Medians (lowest–highest); ratios are taken round by round.",
        disturbance(figures),
        *(f"Left out: {text}." for text in bench.skipped),
    ]
    yield "", "\n\n".join(lines) + "\n"
    yield "Rates", rates(figures)
    if any(cell.crowd for cell in bench.cells):
        yield "A contended account", crowds(figures)
    yield "CPU of a request, in µs", (
        "Of the worker and of Redis, all threads, for each answered request; on a busy machine steadier than the rates. A "
        "ratio above 1 means that this build takes less.\n\n" + costs(figures)
    )
    yield "What the processes did meanwhile", (
        "In percent of the time, of one process (100 % is a core). queued: ready to run, but the cores were taken. idle: "
        "nothing to do.\n\n" + shares(figures)
    )
    text = others(figures)
    if text.count("\n") > 2:
        yield "What it was compared with", text
