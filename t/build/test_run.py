"""What ./run starts: who its workers are, what they can reach, and what its nginx answers."""

import grp
import os
import pathlib
import pwd
import socket
import stat
import subprocess

import pytest

from support import raw
from support.api import Api1, state
from support.bad_requests import BAD_REQUESTS, assert_json
from support.ports import free_port
from support.redis import Redis
from support.wait import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="another user's workers are that user's")


class Run:
    """./run --detach in a directory of its own that nobody else may enter, as root's home is."""

    def __init__(self, directory):
        self.directory, self.port = directory, free_port()

    def call(self, *options):
        done = subprocess.run([ROOT / "run", "--dir", self.directory, *options], text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, check=False, timeout=600)
        return done.returncode, done.stdout, done.stderr

    def start(self, *options):
        status, _, said = self.call("--detach", "--port", str(self.port), "--workers", "2", *options)
        assert status == 0, said
        return self

    @property
    def api(self):
        return Api1(self.port)

    def workers(self):
        """The processes of nginx's workers."""
        master = (self.directory / "nginx.pid").read_text().strip()
        return pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()

    @property
    def socket(self):
        conf = (self.directory / "redis.conf").read_text()
        return pathlib.Path(conf.split("\nunixsocket ")[1].split("\n")[0].strip('"'))


@pytest.fixture
def run(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    run = Run(closed / "state")
    yield run
    status, _, said = run.call("--stop")
    assert status == 0, said


def user_of(pid):
    """(user, all groups) of a process."""
    rows = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    users, groups = set(rows["Uid"].split()), set(rows["Gid"].split()) | set(rows["Groups"].split())
    assert len(users) == 1
    return pwd.getpwuid(int(users.pop())).pw_name, {grp.getgrgid(int(group)).gr_name for group in groups}


def serves_an_account(api):
    token = api.new_token()
    assert api.post_wallet(token, 1).json == state(1)
    assert api.get_wallet(token).json == state(1)


def test_what_runs_serves_and_the_errors_of_nginx_are_json(run):
    run.start()
    until(lambda: run.api.get("/health").json == {"status": "ok", "redis": "ok"}, "it is ready")
    assert b"\nwallet_sync_requests_count{" in run.api.get("/metrics").body
    serves_an_account(run.api)
    for name, (data, status, error) in BAD_REQUESTS.items():
        print(name)  # of the one that fails
        with raw.RawConnection(run.port) as link:
            link.send_while_open([data])
            assert_json(link.read(), status, error)


@only_root
def test_the_workers_of_root_are_nobody_and_only_they_reach_redis(run):
    run.start()
    workers = run.workers()
    assert len(workers) == 2
    assert {user_of(pid)[0] for pid in workers} == {"www-data"}
    path = run.socket
    www_data = grp.getgrnam("www-data").gr_gid
    for place, mode in ((path, 0o770), (path.parent, 0o750)):
        found = place.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, www_data, mode), place
    assert stat.S_IMODE((run.directory / "data").stat().st_mode) == 0o700
    assert run.call("--stop")[0] == 0
    assert not path.parent.exists()
    run.start()
    serves_an_account(run.api)


@only_root
@pytest.mark.parametrize("user", ["nobody", "root"])
def test_root_can_name_another_user_for_the_workers(run, user):
    run.start("--user", user)
    assert {user_of(pid)[0] for pid in run.workers()} == {user}
    serves_an_account(run.api)


@only_root
def test_a_redis_that_the_workers_may_not_use_is_refused_in_one_line(run, tmp_path):
    redis = Redis(str(tmp_path / "closed" / "redis"))
    redis.start()
    try:
        status, _, said = run.call("--detach", "--port", str(run.port), "--redis", redis.unix_address)
        assert status != 0
        assert len(said.splitlines()) == 1
        assert "www-data" in said and "--user" in said
        run.start("--redis", redis.unix_address, "--user", "root")
        serves_an_account(run.api)
        run.call("--stop")
    finally:
        redis.kill()


@only_root
def test_a_directory_may_be_deeper_than_a_sockets_name_is_long(tmp_path):
    run = Run(tmp_path / ("d" * 100) / "state")
    run.start()
    try:
        serves_an_account(run.api)
    finally:
        assert run.call("--stop")[0] == 0


def test_a_second_start_finds_the_first(run):
    run.start()
    status, _, said = run.call("--detach", "--port", str(free_port()))
    assert status != 0
    assert "already running" in said
    assert socket.create_connection(("127.0.0.1", run.port))
