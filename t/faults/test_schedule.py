"""A seed reproduces a schedule, and in a campaign every fault has its turn."""

import random

import pytest

from faults.cluster import Mortal
from faults.cluster_faults import ClusterFault
from faults.deployment import Single
from faults.fault import KINDS
from faults.nginx_faults import MachineFault
from faults.schedule import Schedule


def acts(seed, number=0, kinds=KINDS, count=20):
    schedule = Schedule(seed, number, kinds)
    return [schedule.next() for _ in range(count)]


def kinds_of(some_acts):
    return [strike.fault for act in some_acts for strike in act.strikes]


def test_a_seed_reproduces_a_schedule():
    assert acts(7) == acts(7)
    assert acts(7) != acts(8)
    assert acts(7, 0) != acts(7, 1)


@pytest.mark.parametrize("topology", [lambda directory: Single(directory, relayed=True, clock=True), Mortal])
def test_a_seed_reproduces_what_each_fault_does(tmp_path, topology):
    deployment = topology(str(tmp_path))
    kinds = [kind for kind in KINDS if not KINDS[kind].missing(deployment)]
    try:
        for strike in (strike for act in acts(7, kinds=kinds, count=40) for strike in act.strikes):
            first, second = (KINDS[strike.fault](deployment, random.Random(strike.seed)) for _ in range(2))
            assert (first.detail, first.offset, first.settle) == (second.detail, second.offset, second.settle)
    finally:
        deployment.kill()


def test_every_fault_comes_before_any_comes_for_the_third_time():
    kinds = [kind for kind in KINDS if not issubclass(KINDS[kind], ClusterFault)]
    for seed in range(20):
        seen = []
        for kind in kinds_of(acts(seed, kinds=kinds, count=2 * len(kinds))):
            seen.append(kind)
            if set(seen) == set(kinds):
                break
        assert set(seen) == set(kinds)
        assert max(seen.count(kind) for kind in kinds) <= 2


def test_rounds_that_follow_each_other_begin_with_different_faults():
    assert kinds_of(acts(7, 0, count=3)) != kinds_of(acts(7, 1, count=3))


def test_of_two_faults_at_once_one_is_of_nginx():
    for act in acts(7, count=200):
        assert 1 <= len(act.strikes) <= 2
        assert len({issubclass(KINDS[strike.fault], MachineFault) for strike in act.strikes}) == len(act.strikes)
        assert all(strike.seconds >= 0 for strike in act.strikes) and act.quiet > 3


def test_one_kind_alone_makes_a_schedule():
    assert set(kinds_of(acts(7, kinds=["redis-kill"]))) == {"redis-kill"}
