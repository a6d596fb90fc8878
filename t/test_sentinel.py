"""Redis found by sentinels: whoever is master serves, whatever becomes of the former one, and without a reload."""

import re
import time

import pytest

from support.api import assert_unavailable, new_email, state
from support.api3 import Api3
from support.resp import RedisError
from support.settings import stretched
from support.sentinels import NAME, Replicated, SentinelServer, asked, role
from support.wait import until
from support.websocket import devices_on_workers

# From the promotion of the new master until writes are accepted.
RESUME = 2


@pytest.fixture
def replicated(tmp_path, request):
    """replicated(...): a master, two replicas and three sentinels, or what the arguments say; started."""
    def make(**options):
        made = Replicated(str(tmp_path), **options)
        request.addfinalizer(made.stop)
        return made.start()
    return make


@pytest.fixture
def server_of(tmp_path, request):
    """server_of(address, ...): an nginx, started; its log is read in the end."""
    def make(address, *options, **nginx):
        made = SentinelServer(str(tmp_path / "nginx"), address, *options, **nginx)
        request.addfinalizer(made.stop)
        return made.start()
    return make


@pytest.fixture
def alone(replicated):
    """One Redis and one sentinel, for what needs no failover."""
    return replicated(replicas=0, sentinels=1)


def serves(api, token, times=20):
    """All workers do."""
    return all(api.get_wallet(token).status == 200 for _ in range(times))


def next_sequence(api, token):
    reply = api.get_wallet(token)
    return reply.json["sequence"] + 1 if reply.status == 200 else 1


def stored(redis):
    """The sequence of the only wallet, as this Redis has it."""
    key, = redis.cli("KEYS", "wsync:*:wallet")
    return int(redis.cli("HGET", key, "sequence"))


def writes_resume(api, token, master):
    """Until every worker's writes reach the new master, within the time that is promised."""
    def resumed():
        sequence = next_sequence(api, token)
        return all(api.post_wallet(token, sequence + n).status == 200 and stored(master) == sequence + n for n in range(8))
    until(resumed, "writes resume", RESUME)


def accepts_failover(sentinel):
    try:
        return sentinel.cli("SENTINEL", "FAILOVER", NAME)
    except RedisError:
        return False


def fail_over(setup, how):
    """Ends the master's reign; the new master."""
    former, = setup.masters()
    if how == "kill":
        former.kill()
    elif how == "freeze":
        former.freeze()
    else:
        until(lambda: accepts_failover(setup.sentinels[0]), "the sentinel knows a replica that can take over", 60)
    return setup.promoted(former)


@pytest.mark.parametrize("how", ["kill", "freeze", "command"])
def test_writes_resume_after_a_failover(replicated, server_of, how):
    setup = replicated()
    api = server_of(setup.address).api
    token = api.new_token()
    for sequence in range(1, 6):
        assert api.post_wallet(token, sequence).status == 200
    setup.redis[0].wait_replicated(2)
    master = fail_over(setup, how)
    writes_resume(api, token, master)
    assert api.get_wallet(token).json["sequence"] == stored(master) >= 5 + 8


def test_failover_after_failover(replicated, server_of):
    setup = replicated()
    api = server_of(setup.address).api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    for _ in range(2):
        former, = setup.masters()
        former.wait_replicated(2)
        writes_resume(api, token, fail_over(setup, "command"))
        until(lambda: len(setup.masters()) == 1, "the former master follows", 30)
        master, = setup.masters()
        until(lambda m=master: asked(m, "INFO", "replication").count(b"state=online") == 2, "both follow", 30)


def test_a_frozen_master_that_wakes_up_as_the_former_one_answers_nobody(replicated, server_of):
    setup = replicated()
    api = server_of(setup.address).api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    setup.redis[0].wait_replicated(2)
    master = fail_over(setup, "freeze")
    writes_resume(api, token, master)
    last = api.get_wallet(token).json["sequence"]
    setup.redis[0].thaw()
    begin = time.monotonic()
    while time.monotonic() - begin < 2:
        last += 1
        assert api.post_wallet(token, last).status == 200
        assert api.get_wallet(token).json["sequence"] == last
    assert stored(master) == last


def test_a_killed_master_that_comes_back_as_a_master_gets_no_writes(replicated, server_of):
    setup = replicated(down_after=2000)
    server = server_of(setup.address)
    api = server.api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    setup.redis[0].wait_replicated(2)
    writes_resume(api, token, fail_over(setup, "kill"))
    last = api.get_wallet(token).json["sequence"]
    setup.redis[0].start()
    server.nginx.reload()
    for sequence in range(last + 1, last + 30):
        assert api.post_wallet(token, sequence).status == 200
        assert api.get_wallet(token).json["sequence"] == sequence


def test_websockets_hear_of_writes_after_a_failover(replicated, server_of):
    setup = replicated()
    server = server_of(setup.address, listen="reuseport")
    api = Api3(server.port)
    token = api.new_token()
    devices = devices_on_workers(server, [token], 2)
    assert api.post_wallet(token, 1).status == 200
    for device in devices:
        device.wait_told(1)
    setup.redis[0].wait_replicated(2)
    fail_over(setup, "kill")
    until(lambda: api.post_wallet(token, 2).status in (200, 409), "a write is accepted", 20)
    for device in devices:
        device.wait_told(2)
    until(lambda: api.post_wallet(token, 3).status in (200, 409), "a write is accepted", 20)
    for device in devices:
        device.wait_told(3)


@pytest.mark.parametrize("end", ["kill", "freeze"])
def test_a_failover_with_a_dead_sentinel(replicated, server_of, end):
    setup = replicated()
    server = server_of(setup.address)
    api = server.api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    setup.redis[0].wait_replicated(2)
    getattr(setup.sentinels[0], end)()
    writes_resume(api, token, fail_over(setup, "kill"))
    # A start finds the master without it, too.
    server.nginx.reload()
    until(lambda: serves(api, token), "the new workers serve")


def test_a_sentinel_that_missed_the_failover_leads_nobody_back(replicated, server_of):
    setup = replicated()
    server = server_of(setup.address)
    api = server.api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    setup.redis[0].wait_replicated(2)
    setup.sentinels[0].kill()
    writes_resume(api, token, fail_over(setup, "freeze"))
    last = api.get_wallet(token).json["sequence"]
    for sentinel in setup.sentinels[1:]:
        sentinel.freeze()  # it cannot learn from them
    setup.redis[0].thaw()
    setup.sentinels[0].start()
    until(lambda: setup.sentinels[0].clients(), "the workers have found it again")
    for sequence in range(last + 1, last + 30):
        assert api.post_wallet(token, sequence).status == 200
        assert api.get_wallet(token).json["sequence"] == sequence


def test_without_sentinels_the_master_stays_in_use(alone, server_of):
    api = server_of(alone.address).api
    token = api.new_token()
    alone.sentinels[0].kill()
    for sequence in range(1, 4):
        assert api.post_wallet(token, sequence).status == 200
    alone.redis[0].restart()
    until(lambda: serves(api, token), "it is found again at its address", 20)
    assert api.get_wallet(token).json == state(3)


def test_while_no_master_is_known_requests_are_503_at_once(alone, server_of):
    alone.sentinels[0].kill()
    server = server_of(alone.address)
    until(lambda: "sentinel at" in server.nginx.log(), "the log tells of it")
    begin = time.monotonic()
    for _ in range(20):
        assert_unavailable(server.api.get_wallet("0" * 64))
    assert_unavailable(server.api.signup(new_email()))
    assert time.monotonic() - begin < stretched(1)
    alone.sentinels[0].start()
    until(lambda: server.api.signup(new_email()).status == 201, "the server finds the master")


def test_the_first_request_after_the_start_is_served(alone, server_of):
    assert server_of(alone.address).api.signup(new_email()).status == 201


def test_a_master_that_is_monitored_anew_elsewhere_is_followed(replicated, server_of):
    """Its epoch begins at 0 again."""
    setup = replicated()
    api = server_of(setup.address).api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    setup.redis[0].wait_replicated(2)
    writes_resume(api, token, fail_over(setup, "command"))
    other = next(redis for redis in setup.redis if role(redis) != b"master")
    until(lambda: other.cli("KEYS", "wsync:*:wallet"), "it has the data")
    for sentinel in setup.sentinels:
        sentinel.cli("SENTINEL", "REMOVE", NAME)
    other.cli("REPLICAOF", "NO", "ONE")
    for sentinel in setup.sentinels:
        sentinel.cli("SENTINEL", "MONITOR", NAME, "127.0.0.1", other.port, 2)

    def everywhere():
        sequence = next_sequence(api, token)
        return all(api.post_wallet(token, sequence + n).status == 200 for n in range(6)) and \
            stored(other) == sequence + 5
    until(everywhere, "the writes go to the new master", 20)


@pytest.mark.parametrize("conf, options", [
    (['requirepass "sesame"', 'sentinel sentinel-pass "sesame"'], ""),
    (["user default off", "user watcher on >sesame &* -@all +ping +hello +role +subscribe +unsubscribe "
      "+sentinel|get-master-addr-by-name +sentinel|master"], "sentinel_user=watcher"),
])
def test_sentinels_with_a_password(tmp_path, replicated, server_of, conf, options):
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    setup = replicated(replicas=0, sentinels=1)
    sentinel, = setup.sentinels
    sentinel.stop()
    sentinel.options += conf
    sentinel.start(wait=False)
    server = server_of(setup.address, f"{options} sentinel_password_file={secret}")
    assert server.api.signup(new_email()).status == 201
    assert "sesame" not in server.nginx.log()


def test_a_wrong_password_is_named(tmp_path, replicated, server_of):
    secret = tmp_path / "secret"
    secret.write_text("open barley\n")
    setup = replicated(replicas=0, sentinels=1, sentinel_conf=[])
    sentinel, = setup.sentinels
    sentinel.stop()
    sentinel.options += ['requirepass "sesame"']
    sentinel.start(wait=False)
    server = server_of(setup.address, f"sentinel_password_file={secret}")
    assert_not_served(server, "sentinel at .*WRONGPASS")
    assert "barley" not in server.nginx.log()


def assert_not_served(server, pattern):
    """503, and one line of each worker that says why."""
    until(lambda: re.search(pattern, server.nginx.log()), f"the log says {pattern!r}")
    for _ in range(5):
        assert_unavailable(server.api.signup(new_email()))
        assert_unavailable(server.api.get_wallet("0" * 64))
    assert len(re.findall(pattern, server.nginx.log())) <= server.nginx.workers


def test_a_name_that_no_sentinel_knows_is_named(alone, server_of):
    server = server_of(alone.address.replace(NAME, "purses"))
    assert_not_served(server, r'knows no master "purses"; write sentinel://NAME@')


def test_a_sentinel_that_names_its_master_by_host_name_is_refused(replicated, server_of):
    setup = replicated(replicas=0, sentinels=1)
    sentinel, = setup.sentinels
    sentinel.stop()
    sentinel.options = ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes",
                        *(option.replace("127.0.0.1", "localhost") for option in sentinel.options)]
    sentinel.start()
    server = server_of(setup.address)
    assert_not_served(server, 'names the master by "localhost", which is no IP address; write "sentinel announce-hostnames no"')


def test_a_redis_in_place_of_a_sentinel_is_refused(alone, server_of):
    server = server_of(f"sentinel://{NAME}@{alone.redis[0].tcp_address}")
    assert_not_served(server, "it is a Redis, not a sentinel; write the addresses of sentinels")


def test_a_sentinel_in_place_of_a_redis_is_refused(alone, server_of):
    server = server_of(alone.sentinels[0].tcp_address)
    assert_not_served(server, "it is a sentinel; write sentinel://NAME@host:port")


