"""The measurements of t/bench/sockets, one function each. They print their tables."""

import signal

from aims import Aim, table_of
from measure import MODULE
from report import spread, table
from socket_servers import SIZE_OF_SLOT, Client, Server, gone, slots
from watch import Watch

MIB = 2**20
MOST_IN_TLS = 5000  # handshakes take their time, and the bytes are as exact with fewer


def shown(subject):
    return "wallet_sync" if subject.name == MODULE else subject.name


# ---- memory

# What is opened, in what kind of connection, by how many accounts: "count" or a part of it.
KINDS = (
    ("websocket, one an account", "websocket", "wallet_sync", 1),
    ("websocket, three an account", "websocket", "wallet_sync", 3),
    ("websocket, TLS, one an account", "websocket-tls", "wallet_sync tls", 1),
    ("idle connection after a GET", "keepalive", "wallet_sync", 1),
    ("idle connection after a GET, TLS", "keepalive-tls", "wallet_sync tls", 1),
    ("nginx's own, after `return 200`", "keepalive", "return 200", 1),
    ("nginx's own, after `return 200`, TLS", "keepalive-tls", "return 200 tls", 1),
)


def memory(bench):
    print("## Memory of idle sockets\n")
    print("RSS of the only worker in MiB; (bytes for each connection beyond the start).\n")
    rows, sizes = [], {}
    for subject in bench.subjects:
        for kind in KINDS:
            if subject is bench.subjects[0] or kind[2].startswith("wallet_sync"):
                row, size = memory_row(bench, subject, kind)
                sizes[subject, kind[1:]] = size
                rows.append(row)
    heads = ["", "", "connections", "at the start", "all open", "each was pinged", "all closed", "all open again"]
    print(table([*heads, "handshakes /s"], rows))
    arrays = slots(bench.count) * SIZE_OF_SLOT / MIB
    print(f"At the start nginx's own arrays are there: {SIZE_OF_SLOT} bytes for each of worker_connections, which are")
    print(f"{arrays:,.1f} MiB for {bench.count:,} connections.")
    ours = sizes[bench.subjects[0], KINDS[0][1:]]
    bare, tls = sizes[bench.subjects[0], KINDS[5][1:]], sizes[bench.subjects[0], KINDS[6][1:]]
    print(f"TLS by itself, in nginx's own connections: {tls - bare:,.0f} bytes each.\n")
    print(table_of([Aim("bytes of a websocket, one an account", 1000, [ours], at_most=True)]))


def memory_row(bench, subject, kind):
    title, way, service, each = kind
    count = min(bench.count, MOST_IN_TLS) if way.endswith("-tls") else bench.count
    name = f"memory-{way}-{service.replace(' ', '-')}-{each}"
    server = bench.started(Server(bench, subject, name, 1, count, "20s"))
    tokens = bench.tokens("tokens-memory", bench.accounts.tokens[: -(-count // each)])
    port = server.ports[service]
    bench.close(server, bench.open(way, port, tokens, 1))  # what the first one needs is not the price of each
    values = [server.resident()]
    client = bench.open(way, port, tokens, count)
    speed = count / client.seconds
    values.append(server.resident())
    if way.startswith("websocket"):
        client.ask("pinged")
        values.append(server.resident())
    else:
        values.append(None)
    bench.close(server, client)
    values.append(server.resident())
    client = bench.open(way, port, tokens, count)
    values.append(server.resident())
    bench.close(server, client)
    bench.ended(server)
    size = (values[1] - values[0]) / count
    cells = [f"{v / MIB:,.1f} ({(v - values[0]) / count:,.0f})" if v else "" for v in values[1:]]
    return [title, shown(subject), f"{count:,}", f"{values[0] / MIB:,.1f}", *cells, f"{speed:,.0f}"], size


# ---- as many as there can be

def many(bench):
    print("## As many sockets as there can be, on two workers\n")
    wanted = bench.options.many
    # The kernel deals connections out at random: a worker can get some more than its half.
    room = round(1.94 * bench.room)
    count = min(wanted, room)
    if count < wanted:
        print(f"The limit of open files (`ulimit -Hn`) leaves room for {count:,} of {wanted:,}.\n")
    rows = []
    for subject in bench.subjects:
        server = bench.started(Server(bench, subject, "many", 2, bench.room))
        before = server.resident()
        shares = [count // 3, count // 3, count - 2 * (count // 3)]
        clients, first = [], 0
        for share in shares:
            tokens = bench.tokens(f"tokens-many-{first}", bench.accounts.tokens[first : first + share])
            clients.append(bench.started(Client("websocket", server.ports["wallet_sync"], tokens, share, first)))
            first += share
        seconds = max(client.opened() for client in clients)
        after = server.resident()
        told = clients[0].ask("publish", shares[0], 2_000_000, 1000, 5, bench.redis.socket, answer="done")
        values = clients[0].table()["PUBLISH to nginx sent → a socket told"]
        held = " and ".join(f"{value:,}" for value in server.descriptors())
        rows.append([shown(subject), f"{count:,}", held, f"{count / seconds:,.0f}", f"{after / MIB:,.0f}"])
        rows[-1] += [f"{(after - before) / count:,.0f}", *(f"{value:.2f}" for value in values)]
        bench.expected(told[3])
        for client in clients:
            client.ask("close", answer="closed")
            bench.ended(client)
        bench.ended(server)
    heads = ["", "sockets", "descriptors of the workers", "handshakes /s", "workers, RSS MiB", "bytes each"]
    print(table([*heads, "told after ms: p50", "p99", "max"], rows))
    print("Told: 1,000 updates a second of different accounts meanwhile.\n")


# ---- updates

def latency(bench):
    options = bench.options
    print("## Latency of notifications\n")
    print(f"Two workers, {options.idle:,} idle sockets, {options.rate:,} writes/s of 1 KB by POST to {options.accounts}")
    print(f"accounts of 3 sockets each, for {options.seconds} s; milliseconds.\n")
    updates(bench, "latency", "write", options.accounts, 3, options.idle, options.rate)


def fanout(bench):
    options = bench.options
    print("## Updates told, many accounts\n")
    print(f"Two workers, {options.updates:,} updates/s, published straight into Redis, of {options.many_accounts:,} accounts")
    print(f"of 3 sockets each, for {options.seconds} s; milliseconds. The messages are all that the workers have to do.\n")
    updates(bench, "fanout", "publish", options.many_accounts, 3, 0, options.updates)


def one(bench):
    options = bench.options
    print("## Updates told, one account\n")
    print(f"Two workers, one account with {bench.idle:,} sockets, {options.one_rate} updates/s for {options.seconds} s;")
    print("milliseconds.\n")
    updates(bench, "one", "publish", 1, bench.idle, 0, options.one_rate)


def updates(bench, name, command, accounts, each, idle, rate):
    """Round by round, each build in turn, with the workers' CPU for each message."""
    found, cpu, notes = {}, {}, []
    servers = {subject: bench.started(Server(bench, subject, name, 2, bench.room)) for subject in bench.subjects}
    tokens = bench.accounts.tokens
    path = bench.tokens(f"tokens-{name}", *[tokens[:accounts]] * each, tokens[accounts : accounts + idle])
    for number in range(bench.options.rounds):
        for subject, server in servers.items():
            bench.accounts.reset(bench.redis, 1024, accounts)
            client = bench.open("websocket", server.ports["wallet_sync"], path, accounts * each + idle)
            load = [command, accounts, bench.accounts.sequence, rate, bench.options.seconds, bench.redis.socket]
            with Watch(nginx=server.children(), redis=[bench.redis.pid], client=[client.pid]) as watch:
                done, late, seconds, strange = (float(word) for word in client.ask(*load, answer="done"))
            for what, values in client.table().items():
                found.setdefault((what, subject), []).append(values)
            cpu.setdefault(subject, []).append(1e6 * watch.cpu["nginx"] / max(done * each, 1))
            shares = " and ".join(f"{count:,}" for count in server.descriptors())
            notes.append(
                f"Round {number + 1}, {shown(subject)}: {done:,.0f} updates, {done / seconds:,.0f}/s, {late:,.0f} of them sent "
                f"over 10 ms late, {strange:.0f} unexpected messages; the workers had {shares} descriptors; the machine was "
                f"idle for {watch.idle:.0f} %, other work took {watch.foreign:.0f} %."
            )
            bench.expected(strange)
            bench.close(server, client)
    for server in servers.values():
        bench.ended(server)
    rows = []
    for (what, subject), rounds in found.items():
        cells = [spread([values[i] for values in rounds], "{:.3f}") for i in range(3)]
        rows.append([what, shown(subject), *cells])
    print(table(["", "", "p50", "p99", "max"], sorted(rows, key=lambda row: list(found_order(found)).index(row[0]))))
    if command == "publish":
        print(table(*messages(bench, cpu)))
    print("\n".join(notes) + "\n")
    if command == "publish" and len(cpu) > 1:
        print(table_of([Aim("messages per second and core ÷ earlier build", 2.0, cheaper(bench, cpu))]))


def messages(bench, cpu):
    """What a message costs the workers: heads and rows."""
    rows = []
    for subject, values in cpu.items():
        row = [shown(subject), spread(values, "{:.1f}"), spread([1e6 / value for value in values if value])]
        ratio = spread(cheaper(bench, cpu), "{:.2f}") if subject is bench.subjects[0] and len(cpu) > 1 else ""
        rows.append([*row, ratio])
    return ["", "worker CPU for each message, µs", "messages for each second of a core", "÷ earlier"], rows


def cheaper(bench, cpu):
    new, old = cpu[bench.subjects[0]], cpu[bench.subjects[-1]]
    return [before / after for before, after in zip(old, new) if after]


def found_order(found):
    return dict.fromkeys(what for what, _ in found)


# ---- quit and reload

def leave(bench):
    print("## Quit and reload\n")
    print(f"Two workers, {bench.idle:,} sockets, wallet_sync_drain_time {bench.options.drain_time}.\n")
    rows = []
    for name, number in (("reload", signal.SIGHUP), ("quit", signal.SIGQUIT)):
        server = bench.started(Server(bench, bench.subjects[0], name, 2, bench.room))
        tokens = bench.tokens("tokens-quit", bench.accounts.tokens[: bench.idle])
        old = server.children()
        client = bench.open("websocket", server.ports["wallet_sync"], tokens, bench.idle)
        client.command("drained")
        server.process.send_signal(number)
        seconds = gone(old, 60)
        by_1001, first, last, most = client.line("drained")
        rows.append([name, f"{seconds:.2f}", f"{float(first):.2f}", f"{float(last):.2f}", most, by_1001])
        bench.ended(client)
        bench.ended(server)
    heads = ["", "old workers gone after, s", "first close", "last close", "most closes in 0.1 s", "closed by 1001"]
    print(table(heads, rows))


PARTS = {"memory": memory, "many": many, "latency": latency, "fanout": fanout, "one": one, "quit": leave}
