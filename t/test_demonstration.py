"""The demonstration client shows what its documents say it shows."""

import importlib
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(HERE, "test_client")


@pytest.fixture(scope="module")
def transcript():
    sys.path.insert(0, CLIENT)
    try:
        yield importlib.import_module("transcript")
    finally:
        sys.path.remove(CLIENT)


@pytest.fixture
def empty_server(make_server, monkeypatch):
    """A server without accounts, where the client looks for it."""
    server = make_server().start()
    monkeypatch.setenv("WALLET_SYNC_URL", f"http://127.0.0.1:{server.port}")
    return server


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


@pytest.mark.smoke
def test_the_users_document_replays_step_by_step(transcript, empty_server):
    document = read("seed_session.txt")
    assert len(transcript.commands(document)) == 34
    assert transcript.normalised(transcript.run(document)) == document


def test_the_readme_shows_what_a_run_shows(transcript, empty_server):
    session = transcript.session_of(read("test_client/README.md"))
    assert len(transcript.commands(session)) > 20
    assert transcript.normalised(transcript.run(session)) == transcript.normalised(session)


def test_the_client_needs_nothing_but_python_itself(empty_server):
    commands = "from test_client import Client; c = Client(); c.set_account('a@b.c', 'x'); c.register()"
    done = subprocess.run(["/usr/bin/python3", "-I", "-S", "-B", "-c", f"import sys; sys.path.insert(0, {CLIENT!r}); {commands}"],
                          capture_output=True, text=True, env=dict(os.environ), timeout=60, check=True)
    assert done.stdout == "Registered\n"


def test_without_a_server_the_client_says_so(capsys, transcript):
    client = importlib.import_module("test_client").Client("http://127.0.0.1:9")
    client.set_account("a@b.c", "x")
    client.register()
    assert capsys.readouterr().out.startswith("No answer from http://127.0.0.1:9: ")


@pytest.mark.parametrize("base, mine, latest, merged", [
    ("", None, "-:1", "-:1"), ("-", "-", "-", "-"), ("-", "-", "-:1", "-:1"), ("-", "-:2", "-:1", "-:1:2"),
    ("-:0", "-:0:2:3", "-:0:1", "-:0:1:2:3"), ("-", "-:2", "-", "-:2"), ("-", "-:2", "-:2", "-:2"),
])
def test_local_changes_are_put_on_top_of_the_latest_state(transcript, base, mine, latest, merged):
    assert importlib.import_module("wallet_state").merge(base, mine, latest) == merged
