"""A small campaign, and whether a campaign would notice."""

import pytest

from endurance import meter
from endurance.campaign import Campaign
from endurance.load import Load
from support import settings
from support.websocket import plant_tokens


def small(seconds):
    return settings.rounds(seconds)


@pytest.mark.slow
def test_thousands_of_requests_and_some_reloads_leave_nothing_behind(tmp_path):
    campaign = Campaign(str(tmp_path)).run(requests=small(20_000), reloads=5)
    assert campaign.verdict() == []
    assert campaign.requests >= small(20_000) and campaign.reloads == 5
    kinds = {kind for _, kind in campaign.load.answers.counts}
    assert {"read", "write", "write, stale", "unknown token", "broken JSON", "wrong method", "unknown path", "salt seed",
            "too large, announced", "too large, in chunks", "handshake of an unknown token"} <= kinds
    done = campaign.visitors.done
    assert done["password change"] and done["update"] and done["socket closed by a reload"] >= 5


# ---- it would notice

def reading(requests, reloads=0, **changes):
    usual = dict.fromkeys(meter.FIGURES, 100)
    return meter.Reading(requests=requests, reloads=reloads, **{**usual, **changes})


def of_growing(name, each, requests=100_000, reloads=0):
    return [reading(n * requests, n * reloads, **{name: 5_000_000 + n * each}) for n in range(100)]


def grown(readings):
    return {figure.name for figure in meter.growth(readings) if not figure.flat}


def test_what_stays_as_it_is_is_flat():
    assert grown(of_growing("allocated", 0)) == set()


@pytest.mark.parametrize("name", ["allocated", "resident"])
def test_a_byte_of_each_of_ten_million_requests_is_noticed(name):
    assert grown(of_growing(name, 100_000)) == {name}


def test_sixteen_bytes_of_every_fifth_of_a_few_thousand_requests_are_noticed():
    assert grown(of_growing("allocated", 4_000 * 16 // 5, requests=4_000)) == {"allocated"}


def test_a_buffer_that_has_grown_is_no_leak():
    readings = [reading(n * 4_000, allocated=100 if n < 30 else 500_000) for n in range(100)]
    assert grown(readings) == set()


@pytest.mark.parametrize("name", ["master_allocated", "master_resident"])
def test_a_block_of_each_of_a_thousand_reloads_is_noticed(name):
    size = 64 if name == "master_allocated" else 4096
    assert grown(of_growing(name, 10 * size, requests=0, reloads=10)) == {name}


@pytest.mark.parametrize("name", ["descriptors", "threads", "connections", "master_descriptors", "processes"])
def test_one_of_what_is_counted_is_noticed(name):
    readings = [reading(n) for n in range(99)]
    assert grown(readings) == set()
    assert grown([*readings[:80], *(reading(n, **{name: 101}) for n in range(20))]) == {name}


def test_what_was_taken_while_it_warmed_up_is_no_growth():
    readings = [reading(n, allocated=min(n, 10) * 1_000_000) for n in range(100)]
    assert grown(readings) == set()


def test_a_wrong_answer_is_noticed(server, tmp_path):
    unknown = ["%064x" % number for number in range(64)]
    load = Load(server.port, tmp_path, unknown, "bm9ib2R5QGV4YW1wbGUuY29t")
    load.start(seconds=1)
    assert load.wait() == load.answers.total > 0
    assert any(text.startswith("wrong answer: first look: 401") for text in load.answers.complaints())


def test_a_connection_that_is_cut_is_noticed(make_server, tmp_path):
    server = make_server(http="keepalive_requests 100000;", location="return 444;").start()
    load = Load(server.port, tmp_path, plant_tokens(server.redis, 64), "")
    load.start(seconds=1)
    with pytest.raises(AssertionError, match="nothing"):
        load.wait()


def test_a_write_of_somebody_else_is_noticed(server, tmp_path):
    """As would be one that was lost, or done twice."""
    tokens = plant_tokens(server.redis, 64)
    load = Load(server.port, tmp_path, tokens, "")
    load.start(delay_ms=2)
    try:
        for _ in range(100):
            for token in tokens[:4]:
                state = server.api.get_wallet(token)
                server.api.post_wallet(token, state.json.get("sequence", 0) + 1)
    finally:
        load.stop()
    assert any(kind in text for text in load.answers.complaints() for kind in ("read", "write"))
