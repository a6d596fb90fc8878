"""What t/bench/run can measure: cells, each a kind of load on a kind of server, by scenarios."""

import dataclasses

KB = 1024


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row of a table. Cells that are equal are measured once, whatever scenarios they are part of."""

    mode: str  # get, conditional, post, mix: wrk's (wallet.lua); writers: of writers.cpp
    size: int = KB
    connections: int = 64
    workers: int = 1
    sync: str = "everysec"  # appendfsync
    transport: str = "unix"  # between nginx and Redis: unix, tcp, tls
    keepalive: bool = True  # of the clients
    crowd: int = 0  # writers of one account, besides those of `connections` quiet ones
    # What is measured beside the module, and reported as a ratio. Not what makes a cell another.
    floors: tuple = dataclasses.field(default=(), compare=False)

    @property
    def writes(self):
        return self.mode in ("post", "mix", "writers")

    @property
    def request(self):
        size = f"{self.size // KB} KB"
        if self.mode == "writers":
            crowd = f"{self.crowd} writers of one account" if self.crowd else ""
            quiet = f"{self.connections} quiet accounts" if self.connections else ""
            return ", beside ".join(filter(None, (quiet, crowd))) + f", {size}"
        names = {"get": "GET", "post": "POST", "mix": "9 GET : 1 POST", "conditional": "GET, 304,"}
        return f"{names[self.mode]} {size}" + ("" if self.keepalive else ", no keep-alive")

    @property
    def redis(self):
        return self.sync + ("" if self.transport == "unix" else f", {self.transport}")

    def variant(self, **changes):
        return dataclasses.replace(self, **changes)


GET = Cell("get", floors=("return 200",))
POST = Cell("post", floors=("evalsha",))
WRITES = ("watch", "batch", "evalsha")
SYNCS = ("everysec", "always")


def get(full):
    cells = [GET.variant(floors=("return 200", "get")), GET.variant(workers=2), GET.variant(workers=2, size=10 * KB)]
    return cells + ([GET.variant(workers=w, size=s) for w in (1, 2) for s in (10 * KB, 90 * KB)] if full else [])


def conditional(full):
    return [cell for w in ((1, 2) if full else (1,)) for cell in (GET.variant(workers=w), Cell("conditional", workers=w))]


def post(full):
    cells = [POST.variant(sync=sync, floors=WRITES) for sync in SYNCS]
    cells[0] = cells[0].variant(floors=("return 200", *WRITES))
    cells += [POST.variant(sync=sync, connections=16) for sync in SYNCS]
    if full:
        cells += [POST.variant(sync=sync, workers=2) for sync in SYNCS]
        cells += [POST.variant(sync=sync, size=size) for sync in SYNCS for size in (10 * KB, 90 * KB)]
    return cells


def latency(full):
    cells = [POST.variant(sync=sync, connections=1, floors=("watch", "evalsha")) for sync in SYNCS]
    return cells + ([GET.variant(connections=1)] if full else [])


def contended(full):
    crowd = Cell("writers", connections=0, crowd=16)
    quiet = Cell("writers")
    cells = [crowd, crowd.variant(sync="always"), quiet, quiet.variant(crowd=16)]
    if full:
        more = [cell.variant(workers=2) for cell in cells[:2]]
        cells += [*more, *(cell.variant(sync="always") for cell in cells[2:])]
    return cells


def connections(full):
    counts = (1, 4, 16, 64, 256) if full else (16, 64, 256)
    curves = [GET, POST, POST.variant(sync="always")]
    return [curve.variant(connections=count) for curve in curves for count in counts]


def mix(full):
    cell = Cell("mix")
    return [cell, *([cell.variant(sync="always"), cell.variant(workers=2)] if full else [])]


def transport(full):
    cells = [base.variant(transport=kind, floors=()) for base in (GET, POST) for kind in ("unix", "tcp", "tls")]
    return cells + ([cell.variant(workers=2) for cell in cells] if full else [])


def close(full):
    cells = [GET.variant(keepalive=False), POST.variant(keepalive=False, floors=())]
    return cells + ([GET.variant(keepalive=False, workers=2)] if full else [])


SCENARIOS = {
    "get": (get, "reads of wallets"),
    "conditional": (conditional, "reads that are answered 304"),
    "post": (post, "writes, of many accounts"),
    "latency": (latency, "one client by itself"),
    "contended": (contended, "16 devices that read, merge and write one account; quiet accounts beside it"),
    "connections": (connections, "throughput and latency against the number of connections"),
    "mix": (mix, "nine reads to a write"),
    "transport": (transport, "Redis by unix socket, TCP and TLS"),
    "close": (close, "a connection for each request"),
}


def cells_of(names, full):
    """In the order in which they are measured; the floors of equal cells are joined."""
    found = {}
    for name in names:
        for cell in SCENARIOS[name][0](full):
            known = found.get(cell, cell)
            found[cell] = known.variant(floors=tuple(dict.fromkeys((*known.floors, *cell.floors))))
    return list(found.values())
