"""What a crowd of requests took is given back to the system when it has gone."""

import json

import pytest

from support import raw, settings
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
