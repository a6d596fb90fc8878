"""Password changes against everything that still believes in the old password, one step held and then let go.

Once a change is acknowledged no old token is accepted, no write made with one lands, no token of a login with the
old password lives; and a change that is refused has changed nothing. The crowds are in test_password_crowds.py.
"""

import collections
import os
import signal

import pytest

from support.account import NO_LIMIT, Account, passwords, times
from support.api import assert_error
from support.api3 import BAD_CHANGE, NO_TOKEN, WRONG, Api3, assert_success, dump, state3
from support.crowd import Background
from support.nginx import Nginx
from support.wait import until

Machines = collections.namedtuple("Machines", "slow fast redis proxy server")


@pytest.fixture
def machines(make_server, proxy_of, tmp_path):
    """Two nginx over one Redis: what the slow one says to it can be held, the fast one goes directly."""
    server = make_server(redis_options="timeout=30s", http=NO_LIMIT)
    server.redis.start()
    proxy = proxy_of(server.redis)
    fast = Nginx(str(tmp_path / "fast"), http=server.nginx.http, workers=1)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    fast.start()
    yield Machines(Api3(server.port), Api3(fast.port), server.redis, proxy, server)
    fast.quit()


# ---- what is under way when the password changes, held at its last step or its first

@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
@pytest.mark.parametrize("wallet", [True, False], ids=["with wallet", "without"])
def test_a_login_that_checked_the_old_password_leaves_no_token(machines, step, wallet):
    """One is held; the others wait behind it, or are through before the change, which takes their tokens away."""
    account = Account(machines.fast, machines.redis, wallet)
    for _ in range(times(2)):
        hold = machines.proxy.hold(step)
        jobs = [Background(lambda n=n: machines.slow.auth(account.email, account.password, f"held {n}")) for n in range(3)]
        hold.wait()
        new = next(passwords)
        assert_success(account.change(machines.fast, new), {})
        hold.release()
        refused = 0
        for reply in (job.wait() for job in jobs):
            if reply.status == 200:
                assert_error(machines.fast.get_wallet(reply.json["token"]), 401, NO_TOKEN)
            else:
                assert_error(reply, 401, WRONG)
                refused += 1
        assert refused
        account.changed(new)


@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_a_write_with_an_old_token_does_not_land(machines, step):
    """Neither the one that was right before the change, nor the one that would be the next after it."""
    account = Account(machines.fast, machines.redis)
    for _ in range(times(4)):
        hold = machines.proxy.hold(step)
        ahead = 2 if step == "WATCH" else 1  # the one two ahead would be refused before its EXEC
        job = Background(lambda: machines.slow.post_wallet(account.token, account.sequence + ahead, "too late"))
        hold.wait()
        new = next(passwords)
        assert_success(account.change(machines.fast, new), {})
        hold.release()
        assert_error(job.wait(), 401, NO_TOKEN)
        account.changed(new)


@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_a_first_wallet_with_an_old_token_does_not_land(machines, step):
    account = Account(machines.fast, machines.redis, wallet=False)
    for _ in range(times(2)):
        hold = machines.proxy.hold(step)
        job = Background(lambda: machines.slow.post_wallet(account.token, 1, "too late"))
        hold.wait()
        new = next(passwords)
        assert_success(account.change(machines.fast, new), {})
        hold.release()
        assert_error(job.wait(), 401, NO_TOKEN)
        account.changed(new)


@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_a_change_behind_another_change_is_401_and_changes_nothing(machines, step):
    account = Account(machines.fast, machines.redis)
    for _ in range(times(2)):
        hold = machines.proxy.hold(step)
        late, new = next(passwords), next(passwords)
        job = Background(lambda: account.change(machines.slow, late))
        hold.wait()
        assert_success(account.change(machines.fast, new), {})
        after = dump(machines.redis, account.email)
        hold.release()
        assert_error(job.wait(), 401, WRONG)
        assert dump(machines.redis, account.email) == after
        assert_error(machines.fast.auth(account.email, late), 401, WRONG)
        account.changed(new)


# ---- what gets in between while a change is under way

@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_a_change_whose_sequence_was_taken_meanwhile_is_409_and_changes_nothing(machines, step):
    account = Account(machines.fast, machines.redis)
    for _ in range(times(3)):
        hold = machines.proxy.hold(step)
        job = Background(lambda: account.change(machines.slow, "never the password"))
        hold.wait()
        assert_success(machines.fast.post_wallet(account.token, account.sequence + 1, "faster"), {})
        before = dump(machines.redis, account.email)
        hold.release()
        assert_error(job.wait(), 409, BAD_CHANGE)
        assert dump(machines.redis, account.email) == before
        account.sequence += 1
        assert_success(machines.fast.get_wallet(account.token), state3(account.sequence, "faster"))


@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_a_first_wallet_written_meanwhile_makes_a_change_without_one_409(machines, step):
    account = Account(machines.fast, machines.redis, wallet=False)
    hold = machines.proxy.hold(step)
    job = Background(lambda: account.change(machines.slow, "never the password"))
    hold.wait()
    assert_success(machines.fast.post_wallet(account.token, 1, "faster"), {})
    before = dump(machines.redis, account.email)
    hold.release()
    assert_error(job.wait(), 409, "Conflict: Wallet exists; need an updated wallet when changing password")
    assert dump(machines.redis, account.email) == before
    assert_success(machines.fast.get_wallet(account.token), state3(1, "faster"))


@pytest.mark.parametrize("step", ["WATCH", "EXEC"])
def test_tokens_of_logins_during_a_change_die_with_it(machines, step):
    account = Account(machines.fast, machines.redis)
    for _ in range(times(2)):
        hold = machines.proxy.hold(step)
        new = next(passwords)
        job = Background(lambda: account.change(machines.slow, new))
        hold.wait()
        tokens = [machines.fast.login(account.email, account.password, device) for device in ("device-1", "another")]
        assert machines.fast.get_wallet(tokens[0]).status == 200
        hold.release()
        assert_success(job.wait(), {})
        for token in tokens:
            assert_error(machines.fast.get_wallet(token), 401, NO_TOKEN)
            assert_error(machines.slow.post_wallet(token, account.sequence + 2), 401, NO_TOKEN)
        account.changed(new)


# ---- broken connections

@pytest.mark.parametrize("wallet", [True, False], ids=["with wallet", "without"])
@pytest.mark.parametrize("fault", ["lose_reply", "lose_command"])
def test_a_change_whose_exec_is_cut_off_is_made_once_and_acknowledged(machines, fault, wallet):
    account = Account(machines.fast, machines.redis, wallet)
    for number in range(1, times(2) + 1):
        getattr(machines.proxy, fault)("EXEC")
        new = next(passwords)
        assert_success(account.change(machines.slow, new), {})
        assert machines.proxy.lost == number
        account.changed(new)


def test_a_change_whose_reply_was_lost_stays_one_though_a_login_and_a_write_come_behind_it(machines):
    """The change is in Redis and the server that made it does not know; others use the new password already."""
    account = Account(machines.fast, machines.redis)
    for _ in range(times(2)):
        new, old = next(passwords), account.token
        exec_ = machines.proxy.hold("EXEC")
        machines.proxy.lose_reply("EXEC")
        job = Background(lambda: account.change(machines.slow, new))
        exec_.wait()
        again = machines.proxy.hold("WATCH")
        exec_.release()
        again.wait()
        account.password = new
        account.log_in()
        assert_success(machines.fast.post_wallet(account.token, account.sequence + 2, "behind it"), {})
        again.release()
        answer = job.wait()
        assert answer.status == 200 or answer.status == 503 and "unknown" in answer.error.lower(), answer
        account.sequence += 2
        assert_error(machines.fast.get_wallet(old), 401, NO_TOKEN)
        assert_success(machines.fast.get_wallet(account.token), state3(account.sequence, "behind it"))


# ---- Redis and workers that stand still

def paused(server, seconds=60):
    """All writes wait at Redis until they are let go together, in the order they came."""
    return server.redis.cli("CLIENT", "PAUSE", seconds * 1000, "WRITE")


def blocked(server):
    with server.redis.client() as client:
        info = client("INFO", "clients").decode()
    return int(info.split("blocked_clients:")[1].split()[0])


@pytest.fixture
def workers(make_server, tmp_path):
    """A server, and an API for each of five workers: what one worker does to an account goes to Redis in turn."""
    server = make_server(redis_options="timeout=30s", http=NO_LIMIT, workers=1).start()
    others = [Nginx(str(tmp_path / f"other-{n}"), http=server.nginx.http, workers=1) for n in range(4)]
    for other in others:
        other.start()
    yield server, [Api3(port) for port in (server.port, *(other.port for other in others))]
    server.redis.cli("CLIENT", "UNPAUSE")
    for other in others:
        other.quit()


def test_what_waits_at_redis_with_a_change_is_decided_in_one_order(workers):
    """The change, logins with the old password and writes with an old token are all at Redis, none is done."""
    server, (api, writer, changer, *rest) = workers
    account = Account(api, server.redis)
    won = lost = 0
    for number in range(max(2, times(6))):  # both orders
        new, sequence = next(passwords), account.sequence
        paused(server)
        change_first = number % 2 == 0
        change = Background(lambda: account.change(changer, new)) if change_first else None
        if change_first:
            until(lambda: blocked(server) >= 1, "the change waits at Redis")
        write = Background(lambda: writer.post_wallet(account.token, sequence + 1, "writer"))
        next_write = Background(lambda: api.post_wallet(account.token, sequence + 2, "too early"))
        until(lambda: blocked(server) >= (2 if change_first else 1), "the write waits at Redis")
        if not change_first:
            change = Background(lambda: account.change(changer, new))
        logins = [Background(lambda n=n: rest[n].auth(account.email, account.password, f"device {n}")) for n in range(2)]
        until(lambda: blocked(server) >= 4, "all wait at Redis")
        server.redis.cli("CLIENT", "UNPAUSE")
        assert_error(next_write.wait(), 409, "Conflict: Bad sequence number")
        wrote, answer = write.wait(), change.wait()
        tokens = [reply.json["token"] for reply in (job.wait() for job in logins) if reply.status == 200]
        if answer.status == 200:
            won += 1
            assert_error(wrote, 401, NO_TOKEN)
            for token in tokens:
                assert_error(api.get_wallet(token), 401, NO_TOKEN)
            account.changed(new)
        else:
            lost += 1
            assert_error(answer, 409, BAD_CHANGE)
            assert_success(wrote, {})
            assert len(tokens) == 2 and {api.get_wallet(token).status for token in tokens} == {200}
            assert_error(api.auth(account.email, new), 401, WRONG)
            account.sequence += 1
            assert_success(api.get_wallet(account.token), state3(account.sequence, "writer"))
    assert won and lost, (won, lost)


def cpu_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))


def test_a_login_whose_worker_stood_still_during_the_change_saves_no_token(make_server, tmp_path):
    server = make_server(redis_options="timeout=30s", http=NO_LIMIT, workers=1).start()
    other = Nginx(str(tmp_path / "other"), http=server.nginx.http, workers=1)
    other.start()
    slow, fast = Api3(server.port), Api3(other.port)
    account = Account(fast, server.redis)
    worker, = server.nginx.worker_pids()
    try:
        for number in range(times(8)):
            new, begin = next(passwords), cpu_time(worker)
            job = Background(lambda: slow.auth(account.email, account.password, "held"))
            # A hash is some seven ticks of the clock: it is stopped at its start, in the middle, behind its end.
            until(lambda: cpu_time(worker) - begin > number % 8 or not job.running, "the worker hashes")
            os.kill(worker, signal.SIGSTOP)
            try:
                assert_success(account.change(fast, new), {})
            finally:
                os.kill(worker, signal.SIGCONT)
            reply = job.wait()
            if reply.status == 200:
                assert_error(fast.get_wallet(reply.json["token"]), 401, NO_TOKEN)
            else:
                assert_error(reply, 401, WRONG)
            account.changed(new)
    finally:
        other.quit()
