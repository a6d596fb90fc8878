"""tools/wallet-sync-backup: saved while clients write, restored elsewhere, and nothing acknowledged is missing."""

import os
import subprocess
import threading

import pytest

from support.api import PASSWORD, new_email, state
from support.redis import Redis
from support.wait import until

TOOL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools", "wallet-sync-backup")
WRITERS = 4


def tool(*words, status=0, **more):
    done = subprocess.run([TOOL, *words], capture_output=True, text=True, check=False, timeout=60, **more)
    assert done.returncode == status, done.stderr
    return done.stderr


class Writer:
    """Writes the next sequence again and again; `acknowledged` is the last that was."""

    def __init__(self, api):
        self.api, self.email = api, api.new_account()
        self.token = api.login(self.email)
        self.acknowledged, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            sequence = self.acknowledged + 1
            if self.api.post_wallet(self.token, sequence, f"wallet {sequence} of {self.email}").status == 200:
                self.acknowledged = sequence

    def stop(self):
        self.ended.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def backup(own_server, tmp_path):
    """A file that was saved under load, the writers, and what each had acknowledged before."""
    writers = [Writer(own_server.api) for _ in range(WRITERS)]
    try:
        until(lambda: all(writer.acknowledged >= 5 for writer in writers), "all write")
        before = [writer.acknowledged for writer in writers]
        file = tmp_path / "backup.rdb"
        tool("save", str(file), "-s", own_server.redis.socket_path)
        until(lambda: all(w.acknowledged > b + 5 for w, b in zip(writers, before)), "they go on writing")
    finally:
        for writer in writers:
            writer.stop()
    return file, writers, before


def test_what_was_acknowledged_before_the_backup_is_served_after_a_restore(backup, make_server):
    file, writers, before = backup
    server = make_server()
    tool("restore", str(file), server.redis.directory)
    api = server.start().api
    for writer, acknowledged in zip(writers, before):
        wallet = api.get_wallet(writer.token)
        assert wallet.status == 200 and wallet.json["sequence"] >= acknowledged
        sequence = wallet.json["sequence"]
        assert wallet.json == state(sequence, f"wallet {sequence} of {writer.email}")
        assert api.post_wallet(writer.token, sequence + 1).status == 200
        assert api.auth(writer.email, PASSWORD).status == 200
    assert api.signup(new_email()).status == 201


def test_a_restored_redis_keeps_what_is_written_to_it(backup, make_server):
    file, writers, _ = backup
    server = make_server()
    tool("restore", str(file), server.redis.directory)
    api = server.start().api
    sequence = api.get_wallet(writers[0].token).json["sequence"] + 1
    assert api.post_wallet(writers[0].token, sequence, "written after the restore").status == 200
    server.redis.kill()
    server.redis.start()
    written = state(sequence, "written after the restore")
    until(lambda: api.get_wallet(writers[0].token).json == written, "Redis is back, with what it had")


def test_a_backup_is_readable_by_its_owner_only_and_replaced_as_a_whole(own_server, tmp_path):
    file = tmp_path / "backup.rdb"
    file.write_text("the backup of yesterday")
    tool("save", str(file), "-s", own_server.redis.socket_path)
    assert file.read_bytes().startswith(b"REDIS") and file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.rdb"]


def test_a_backup_that_fails_leaves_the_one_before(tmp_path):
    file = tmp_path / "backup.rdb"
    file.write_text("the backup of yesterday")
    assert "there is no backup" in tool("save", str(file), "-s", str(tmp_path / "nobody"), status=1)
    assert file.read_text() == "the backup of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["backup.rdb"]


def test_a_directory_with_data_is_not_overwritten(own_server, tmp_path):
    file = tmp_path / "backup.rdb"
    tool("save", str(file), "-s", own_server.redis.socket_path)
    assert "holds data already" in tool("restore", str(file), own_server.redis.directory, status=1)


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"X" + data[1:], lambda data: b""],
                         ids=["cut", "changed", "empty"])
def test_a_damaged_backup_is_refused(own_server, tmp_path, damage):
    own_server.api.new_token()
    good, bad, directory = tmp_path / "good.rdb", tmp_path / "bad.rdb", tmp_path / "new"
    tool("save", str(good), "-s", own_server.redis.socket_path)
    bad.write_bytes(damage(good.read_bytes()))
    directory.mkdir()
    assert "damaged" in tool("restore", str(bad), str(directory), status=1)
    assert not list(directory.iterdir())
    tool("restore", str(good), str(directory))
    restored = Redis(str(directory))
    restored.start()
    try:
        assert restored.cli("DBSIZE") > 0
    finally:
        restored.kill()
