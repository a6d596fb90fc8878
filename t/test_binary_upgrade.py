"""A new nginx, or a new build of the module, takes over while devices are at work: docs/operations.md has the steps."""

import os
import re

import pytest

from support import settings
from support.api import state
from support.daemon import Daemon
from support.load import Followers, Load
from support.settings import rounds
from support.wait import until
from support.websocket import plant_tokens

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def documented_steps():
    """The lines that docs/operations.md has the operator type: the steps, and the one that takes them back."""
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
        section = re.search(r"^## Another binary$(.*?)^## ", file.read(), re.M | re.S)[1]
    return [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)]


(TEST, USR2, WINCH, QUIT), (BACK,) = documented_steps()


@pytest.fixture(params=["", "reuseport"])
def server(request, make_server):
    """nginx in the background, with devices whose websockets it gives up within a moment."""
    return make_server(kind=Daemon, http="wallet_sync_drain_time 300ms;", redis_options="timeout=20s",
                       listen=request.param).start()


@pytest.fixture
def at_work(server):
    """Devices that write and read, and one for each of their accounts that listens; no request of theirs may fail."""
    load = Load(server.api, plant_tokens(server.redis, 4))
    followers = Followers(server.port, load.newest)
    yield load
    load.end()
    followers.know(load.newest)
    assert all(load.newest.values())
    followers.end()


def test_another_binary_takes_over_without_a_lost_request_or_update(server, at_work):
    nginx = server.nginx
    for _ in range(rounds(3)):
        at_work.more()
        former = nginx.pid
        nginx.install()
        assert not nginx.runs_what_is_installed(nginx._process)
        nginx.shell(TEST)
        nginx.upgrade(USR2)
        assert nginx.runs_what_is_installed(nginx._process)
        at_work.more()
        nginx.retire_former_workers(WINCH)
        at_work.more()
        nginx.retire_former(QUIT)
        assert nginx.pid != former


def test_an_upgrade_can_be_taken_back_without_a_lost_request(server, at_work):
    nginx = server.nginx
    former = nginx.pid
    nginx.upgrade(USR2)
    nginx.retire_former_workers(WINCH)
    at_work.more()
    nginx.roll_back(BACK)
    assert nginx.pid == former
    at_work.more()
    nginx.reload()
    at_work.more()


def test_a_binary_that_does_not_start_changes_nothing(make_server):
    server = make_server(kind=Daemon).start()
    nginx, token = server.nginx, server.api.new_token()
    workers, good = nginx.worker_pids(), nginx.http
    nginx.expect(r"\[emerg\].*wallet_sync_accounts|exited with code [1-9]")
    if settings.ASAN:
        nginx.expect("LeakSanitizer")  # nginx gives nothing back when a configuration is no good
    nginx.http = good.replace("wallet_sync_accounts open;", "wallet_sync_accounts ajar;")
    nginx.write_config()
    nginx.shell(USR2)
    until(lambda: re.search(r"process \d+ exited with code [1-9]", nginx.log()), "the new binary has given up")
    until(lambda: nginx.pid_in("nginx.pid") == nginx.pid, "the pid file is as it was")
    assert server.api.post_wallet(token, 1).json == state(1)
    assert nginx.worker_pids() == workers
