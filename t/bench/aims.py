"""What the figures are meant to reach, and whether they do."""

import dataclasses
import statistics

from measure import MODULE
from report import spread, table
from scenarios import GET, POST, Cell

KB = 1024


@dataclasses.dataclass
class Aim:
    what: str
    asked: float
    values: list  # of the rounds; empty if it was not measured
    at_most: bool = False

    @property
    def reached(self):
        middle = statistics.median(self.values)
        return middle <= self.asked if self.at_most else middle >= self.asked

    @property
    def row(self):
        sign = "≤" if self.at_most else "≥"
        return [self.what, f"{sign} {self.asked:g}", spread(self.values, "{:.2f}"), "yes" if self.reached else "no"]


def of_reads(figures):
    one, two, large = GET, GET.variant(workers=2), GET.variant(workers=2, size=10 * KB)
    cpu = figures.ratios(*(figures.cpu(one, target, "nginx") for target in ("return 200", MODULE)))
    yield Aim("GET 1 KB, one worker: CPU of `return 200` ÷ ours", 0.75, cpu)
    yield Aim("GET 1 KB, two workers ÷ `return 200`", 0.70, figures.ratio(two, MODULE, "return 200"))
    yield Aim("GET 10 KB, two workers ÷ `return 200`", 0.55, figures.ratio(large, MODULE, "return 200"))
    yield Aim("GET answered 304 ÷ GET 1 KB", 1.1, figures.ratio(Cell("conditional"), MODULE, MODULE, other_cell=one))


def of_writes(figures):
    earlier = figures.earlier
    for sync, few in (("everysec", 1.25), ("always", 1.5)):
        cell = POST.variant(sync=sync)
        yield Aim(f"POST 1 KB, 64 connections, {sync} ÷ EVALSHA", 1.0, figures.ratio(cell, MODULE, "evalsha"))
        yield Aim(f"POST 1 KB, 64 connections, {sync} ÷ earlier build", 1.7, figures.ratio(cell, MODULE, earlier))
        cell = cell.variant(connections=16)
        yield Aim(f"POST 1 KB, 16 connections, {sync} ÷ earlier build", few, figures.ratio(cell, MODULE, earlier))
        cell = cell.variant(connections=1)
        latency = figures.ratio(cell, MODULE, earlier, "p50_ms")
        yield Aim(f"POST 1 KB, one client, {sync}: median latency ÷ earlier build", 1.0, latency, at_most=True)
    yield Aim("POST 1 KB, 64 connections, everysec: Redis µs", 12, figures.cpu(POST, MODULE, "redis"), at_most=True)
    yield Aim("POST 1 KB, 64 connections, everysec: worker µs", 18, figures.cpu(POST, MODULE, "nginx"), at_most=True)


def of_crowds(figures):
    for sync in ("everysec", "always"):
        crowd = Cell("writers", connections=0, crowd=16, sync=sync)
        ratio = figures.ratio(crowd, MODULE, figures.earlier)
        yield Aim(f"one account, 16 writers, {sync}: increments ÷ earlier build", 2.0, ratio)
        quiet = Cell("writers", sync=sync)
        ratio = figures.ratio(quiet.variant(crowd=16), MODULE, MODULE, other_cell=quiet)
        yield Aim(f"64 quiet accounts beside it ÷ without it, {sync}", 0.8, ratio)


def of_matrix(figures):
    return [*of_reads(figures), *of_writes(figures), *of_crowds(figures)]


def table_of(aims):
    rows = [aim.row for aim in aims if aim.values]
    return table(["", "asked", "measured", "reached"], rows) if rows else ""
