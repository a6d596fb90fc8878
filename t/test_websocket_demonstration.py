"""The demonstration client's websocket."""

import importlib
import os
import sys

import pytest

from support.wait import until

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_client")


@pytest.fixture
def client(server):
    """A client of an account that is logged in."""
    sys.path.insert(0, CLIENT)
    try:
        client = importlib.import_module("test_client").Client(f"http://127.0.0.1:{server.port}")
    finally:
        sys.path.remove(CLIENT)
    client.set_account(server.api.new_account(), "correct horse battery staple")
    client.get_auth_token()
    yield client
    client.stop_websocket()


def test_it_prints_what_comes_and_says_good_bye(client, capsys):
    client.start_websocket()
    client.new_wallet_state()
    client.update_wallet()
    until(lambda: client.heard == 1, "the update is printed")
    client.stop_websocket()
    assert not client.listening
    printed = capsys.readouterr().out.splitlines()
    assert "Websocket open" in printed and "Websocket: wallet-update:1" in printed
    assert printed[-1] == "Websocket closed: 1000"


def test_started_twice_it_says_so(client, capsys):
    client.start_websocket()
    client.start_websocket()
    assert capsys.readouterr().out.endswith("Websocket open\nThe websocket is open already.\n")


def test_without_a_good_token_it_prints_the_refusal(client, server, capsys):
    stranger = type(client)(f"http://127.0.0.1:{server.port}")
    stranger.start_websocket()
    assert capsys.readouterr().out.endswith("Error 400: Bad Request: Missing token parameter\n")
    stranger._token = "0" * 64
    stranger.start_websocket()
    assert capsys.readouterr().out == "Error 401: Unauthorized: Token Not Found\n"


def test_without_a_server_it_says_so(client, capsys):
    stranger = type(client)("http://127.0.0.1:9")
    stranger.start_websocket()
    assert "No answer from http://127.0.0.1:9: " in capsys.readouterr().out
