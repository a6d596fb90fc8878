"""replicas=number: a change is acknowledged when so many replicas have it."""

import time

import pytest

from support.api import assert_error, assert_unavailable, new_email, state
from support.crowd import Background, together
from support.redis import Redis
from support.wait import until

STORED = "Service Unavailable: Stored, but not yet replicated"


@pytest.fixture
def pair(make_server, tmp_path, request):
    """pair(options, conf): a server whose Redis has one replica; both."""

    def make(options="replicas=1,2s timeout=8s", conf=()):
        server = make_server(redis_options=options, redis_conf=["repl-diskless-sync-delay 0", *conf])
        server.redis.start()
        replica = Redis(str(tmp_path / "replica"), ["repl-diskless-sync-delay 0", f"replicaof 127.0.0.1 {server.redis.port}"])
        request.addfinalizer(replica.kill)
        server.nginx.start()
        return server, replica

    return make


def in_step(replica):
    if not replica.running:
        replica.start()
    until(lambda: b"master_link_status:up" in replica.cli("INFO", "replication"), "the replica is in step", 30)


def leave(server, replica):
    """The replica's connection would be left on the server's Redis."""
    replica.kill()
    until(lambda: not [row for row in server.redis.clients() if row["flags"] == "S"], "the replica is gone")


def stored(redis):
    key, = redis.cli("KEYS", "wsync:*:wallet")
    return int(redis.cli("HGET", key, "sequence"))


def acknowledges(api, token):
    """A replica that has just come takes its time for the first word."""
    until(lambda: api.post_wallet(token, api.get_wallet(token).json["sequence"] + 1).status == 200, "writes are acknowledged", 30)


def test_what_is_acknowledged_the_replica_has(pair):
    server, replica = pair()
    in_step(replica)
    token = server.api.new_token()
    for sequence in range(1, 50):
        assert server.api.post_wallet(token, sequence).status == 200
        assert stored(replica) == sequence
    leave(server, replica)


def test_without_the_replica_a_write_is_stored_and_the_answer_says_so(pair):
    server, replica = pair()
    in_step(replica)
    api = server.api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    leave(server, replica)
    begin = time.monotonic()
    reply = api.post_wallet(token, 2)
    assert_error(reply, 503, STORED)
    assert int(reply.header("Retry-After")) >= 1
    assert time.monotonic() - begin >= 2
    assert api.get_wallet(token).json == state(2), "it is there"
    assert api.post_wallet(token, 2).json == state(2, error="Bad sequence number"), "it is not stored twice"
    in_step(replica)
    until(lambda: stored(replica) == 2, "the replica has caught up")
    assert "0 of 1 replicas have in time" in server.nginx.log()

    def the_worker_that_missed_it_has_written_again():
        acknowledges(api, token)
        return "enough replicas again" in server.nginx.log()

    until(the_worker_that_missed_it_has_written_again, "the log says that it is over")
    leave(server, replica)


def test_a_frozen_replica_delays_writes_and_no_reads(pair):
    server, replica = pair()
    in_step(replica)
    api = server.api
    token = api.new_token()
    assert api.post_wallet(token, 1).status == 200
    replica.freeze()
    write = Background(lambda: api.post_wallet(token, 2))
    reads = 0
    while write.running:
        assert api.get_wallet(token).status == 200
        reads += 1
    assert_error(write.wait(), 503, STORED)
    assert reads > 1
    replica.thaw()
    until(lambda: stored(replica) == 2, "the replica goes on")
    acknowledges(api, token)
    leave(server, replica)


def test_a_replica_that_comes_in_time_is_waited_for(pair):
    server, replica = pair("replicas=1,8s timeout=9s")
    in_step(replica)
    api = server.api
    token = api.new_token()
    replica.freeze()
    write = Background(lambda: api.post_wallet(token, 1))
    until(lambda: api.get_wallet(token).status == 200, "the write is in Redis")
    assert write.running
    replica.thaw()
    assert write.wait().status == 200
    leave(server, replica)


def test_of_a_crowd_each_is_told_the_truth(pair):
    server, replica = pair()
    in_step(replica)
    api = server.api
    token = api.new_token()
    answers = together([lambda: api.post_wallet(token, 1)] * 16)
    assert sorted(reply.status for reply in answers) == [200] + [409] * 15
    leave(server, replica)
    answers = together([lambda: api.post_wallet(token, 2)] * 16)
    assert sorted({reply.status for reply in answers}) == [409, 503]
    assert [reply.error for reply in answers if reply.status == 503] == [STORED]


def test_signups_and_logins_wait_as_well(pair):
    server, _ = pair()
    email = new_email()
    assert_error(server.api.signup(email), 503, STORED)
    assert server.api.signup(email).status == 409
    assert_error(server.api.auth(email), 503, STORED)


def test_refusals_of_redis_itself_stay_what_they_are(pair):
    server, replica = pair("replicas=1,2s timeout=8s", ["min-replicas-to-write 1", "min-replicas-max-lag 10"])
    reply = server.api.signup(new_email())
    assert_unavailable(reply)
    assert reply.error == "Service Unavailable"
    assert "NOREPLICAS" in server.nginx.log()
    in_step(replica)
    until(lambda: server.api.signup(new_email()).status == 201, "it accepts writes")
    leave(server, replica)


def test_a_lost_answer_is_looked_up_and_waited_for(pair):
    """What another connection finds as written has to be on the replica, too."""
    server, replica = pair("replicas=1,4s timeout=10s")
    in_step(replica)
    api = server.api
    token = api.new_token()
    replica.freeze()
    write = Background(lambda: api.post_wallet(token, 1))
    until(lambda: api.get_wallet(token).status == 200, "the write is in Redis")
    waiting = until(lambda: [row["id"] for row in server.redis.clients() if "b" in row["flags"]], "it is in WAIT")
    for client in waiting:
        server.redis.cli("CLIENT", "KILL", "ID", client)
    reply = write.wait()
    assert_unavailable(reply)
    assert reply.error in (STORED, "Service Unavailable: The outcome is unknown")
    replica.thaw()
    leave(server, replica)


def test_replicas_fsync_waits_until_it_is_on_their_disk(pair):
    server, replica = pair("replicas_fsync=1,3s timeout=8s", ["appendonly yes"])
    if server.redis.cli("COMMAND", "INFO", "WAITAOF") == [None]:
        pytest.skip("this Redis has it not")
    in_step(replica)
    replica.cli("CONFIG", "SET", "appendonly", "yes")
    replica.cli("CONFIG", "SET", "appendfsync", "always")
    api = server.api
    token = api.new_token()
    until(lambda: api.post_wallet(token, 1).status in (200, 409), "the replica has its file", 30)
    acknowledges(api, token)
    sequence = api.get_wallet(token).json["sequence"]
    replica.cli("CONFIG", "SET", "appendonly", "no")
    assert_error(api.post_wallet(token, sequence + 1), 503, STORED)
    replica.cli("CONFIG", "SET", "appendonly", "yes")
    acknowledges(api, token)
    leave(server, replica)


def test_a_redis_without_waitaof_is_refused_before_anything_is_stored(pair):
    server, _ = pair("replicas_fsync=1")
    if server.redis.cli("COMMAND", "INFO", "WAITAOF") != [None]:
        pytest.skip("this Redis has it")
    assert_unavailable(server.api.signup(new_email()))
    assert not server.redis.cli("KEYS", "*")
    assert "it has no WAITAOF, as Redis before 7.2; write replicas=number" in server.nginx.log()
