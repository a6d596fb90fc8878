"""What a crowd of requests took is given back to the system when it has gone; and what is asked most takes nothing
beyond its pool."""

import json

import pytest

from support import raw, settings
from support.heap import Heap
from support.wait import until
from support.websocket import plant_tokens

CROWD, SIZE = 1500, 90_000
MB = 1 << 20


def resident(server):
    total = 0
    for pid in server.nginx.worker_pids():
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            total += 1024 * int(status.read().split("VmRSS:")[1].split()[0])
    return total


def write_of(api, token):
    body = json.dumps(api.wallet_body(token, 1, "w" * SIZE)).encode()
    return raw.request("POST", "/wallet", body)


@pytest.mark.skipif(settings.ASAN, reason="the sanitizer's malloc keeps what was freed")
@pytest.mark.parametrize("end", ["served", "gone"])
def test_what_a_crowd_of_slow_writers_took_is_given_back(make_server, end):
    """Also while some of them are still there."""
    server = make_server(workers=1, worker_connections=4 * CROWD).start()
    writes = [write_of(server.api, token) for token in plant_tokens(server.redis, CROWD)]
    before = resident(server)
    links = [raw.RawConnection(server.port) for _ in writes]
    try:
        for link, text in zip(links, writes):
            link.send(text[:-1])
        until(lambda: resident(server) - before > CROWD * SIZE * 0.9, "the bodies are in memory", 30)
        for number, (link, text) in enumerate(zip(links, writes)):
            if number % 50 != 0:
                if end == "served":
                    link.send(text[-1:])
                    assert link.read().status == 200
                link.close()
        until(lambda: resident(server) - before < CROWD * SIZE * 0.2, "the memory is given back")
        for link, text in list(zip(links, writes))[::50]:
            link.send(text[-1:])
            assert link.read().status == 200
    finally:
        for link in links:
            link.close()


@pytest.mark.skipif(settings.ASAN, reason="under the sanitizer frames of coroutines are not used again")
@pytest.mark.parametrize("path", ["/wallet", "/api/3/wallet"])
@pytest.mark.parametrize("condition, status", [((), 200), (('If-None-Match: "1"',), 304)], ids=["whole", "unchanged"])
def test_a_read_takes_no_memory_but_its_pool(make_server, tmp_path, path, condition, status):
    """What it needs besides is there from the reads before it: operator new is not called at all."""
    reads = 500
    heap = Heap(tmp_path / "heap")
    server = make_server(workers=1, environment=heap.environment).start()
    workers = server.nginx.worker_pids()
    [token] = plant_tokens(server.redis, 1)
    assert server.api.post_wallet(token, 1, "w" * 1024, "h" * 64).status == 200
    text = raw.request("GET", f"{path}?token={token}", headers=condition)
    with raw.RawConnection(server.port) as link:

        def read(count):
            for _ in range(count):
                link.send(text)
                assert link.read().status == status

        read(100)
        before = heap.news(workers)
        read(reads)
        # What the worker does for itself meanwhile, such as asking Redis whether it is a master, may take some.
        assert heap.news(workers) - before < reads / 5
