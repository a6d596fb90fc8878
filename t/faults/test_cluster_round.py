"""A short round on a cluster, of what a campaign (t/faults/run --cluster) does for minutes."""

import asyncio

from faults.campaign import Round
from faults.checker import check, coverage
from faults.cluster import Mortal
from faults.population import Mix
from faults.schedule import Act, Strike

CROWD = Mix(quiet=1, crowded=1, crowd=3, restless=1, newcomers=1, planted=30)
SECONDS = 25


class InTurn:
    def __init__(self, *kinds):
        self._kinds, self._acts = kinds, 0

    def next(self):
        self._acts += 1
        return Act((Strike(self._kinds[(self._acts - 1) % len(self._kinds)], 0.0, 0.5, self._acts),), 2.5)


async def play(deployment, directory):
    a_round = Round(deployment, InTurn("cluster-move", "cluster-kill", "cluster-failover"), 1, SECONDS, directory, CROWD)
    return await a_round.run(), a_round


def test_slots_move_and_a_master_dies_while_clients_work(tmp_path):
    deployment = Mortal(str(tmp_path))
    try:
        history, a_round = asyncio.run(play(deployment, str(tmp_path)))
    finally:
        deployment.kill()
    assert not a_round.trouble, a_round.trouble[0]
    assert not a_round.refused
    found = check(history)
    assert not found, "\n".join(map(str, found[:5]))
    counts = coverage(history)
    assert counts["acknowledged writes"] > 20 and counts["messages"] > 20 and counts["disturbances"] > 0
