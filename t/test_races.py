"""Clients that do the same thing at the same moment, over several workers."""

import itertools

import pytest

from support.api import new_email, state
from support.crowd import together
from support.settings import rounds

CLIENTS = 8


def statuses(replies):
    return sorted(reply.status for reply in replies)


@pytest.fixture(scope="module")
def racers(server):
    """One token for each device of an account."""
    email = server.api.new_account()
    return [server.api.login(email, device=f"device {number}") for number in range(CLIENTS)]


def test_of_many_posts_of_a_sequence_exactly_one_is_accepted(server, racers):
    for sequence in range(1, rounds(60) + 1):
        replies = together([lambda n=n, token=token: server.api.post_wallet(token, sequence, f"wallet {sequence} of {n}")
                            for n, token in enumerate(racers)])
        assert statuses(replies) == [200] + [409] * (CLIENTS - 1)
        winner = next(reply.json["encryptedWallet"] for reply in replies if reply.status == 200)
        current = server.api.get_wallet(racers[0]).json
        assert current == state(sequence, winner)
        for reply in replies:
            if reply.status == 409:
                assert reply.json == {**current, "error": "Bad sequence number"}


def test_of_many_identical_posts_exactly_one_is_accepted(server):
    for _ in range(rounds(5)):
        token = server.api.new_token()
        replies = together([lambda: server.api.post_wallet(token, 1)] * CLIENTS)
        assert statuses(replies) == [200] + [409] * (CLIENTS - 1)


def test_of_many_signups_of_an_address_exactly_one_is_accepted(server):
    for _ in range(rounds(4)):
        email = new_email()
        spellings = itertools.cycle([email, email.upper(), email.title()])
        jobs = [lambda n=n, spelling=next(spellings): server.api.signup(spelling, f"password {n}") for n in range(CLIENTS)]
        replies = together(jobs)
        assert statuses(replies) == [201] + [409] * (CLIENTS - 1)
        winner = [reply.status for reply in replies].index(201)
        assert server.api.auth(email, f"password {winner}").status == 200


def test_user_ids_of_simultaneous_signups_differ(server):
    emails = [new_email() for _ in range(CLIENTS)]
    assert statuses(together([lambda e=e: server.api.signup(e) for e in emails])) == [201] * CLIENTS
    ids = {server.api.auth(email).json["userId"] for email in emails}
    assert len(ids) == CLIENTS


def test_of_many_logins_of_a_device_one_token_remains(server):
    email = server.api.new_account()
    for _ in range(rounds(4)):
        replies = together([lambda: server.api.auth(email, device="same")] * CLIENTS)
        assert statuses(replies) == [200] * CLIENTS
        assert len({reply.json["token"] for reply in replies}) == CLIENTS
        assert statuses(server.api.get_wallet(reply.json["token"]) for reply in replies) == [401] * (CLIENTS - 1) + [404]


def test_simultaneous_logins_of_different_devices_all_keep_their_tokens(server):
    email = server.api.new_account()
    replies = together([lambda n=n: server.api.auth(email, device=f"device {n}") for n in range(CLIENTS)])
    assert statuses(server.api.get_wallet(reply.json["token"]) for reply in replies) == [404] * CLIENTS


def test_reading_merging_and_writing_clients_lose_nothing(server):
    email = server.api.new_account()
    tokens = [server.api.login(email, device=f"device {n}") for n in range(CLIENTS)]
    server.api.post_wallet(tokens[0], 1, "-")
    each = rounds(20)

    def edit(number):
        for change in range(each):
            current = server.api.get_wallet(tokens[number]).json
            while True:
                merged = current["encryptedWallet"] + f":{number}.{change}"
                reply = server.api.post_wallet(tokens[number], current["sequence"] + 1, merged)
                assert reply.status in (200, 409), reply
                current = reply.json
                if reply.status == 200:
                    break

    together([lambda n=n: edit(n) for n in range(CLIENTS)])
    final = server.api.get_wallet(tokens[0]).json
    changes = final["encryptedWallet"].split(":")[1:]
    assert len(changes) == len(set(changes)) == CLIENTS * each
    assert final["sequence"] == 1 + CLIENTS * each
    for number in range(CLIENTS):
        mine = [change for change in changes if change.startswith(f"{number}.")]
        assert mine == [f"{number}.{change}" for change in range(each)], "the order of one client's changes"


def test_reads_during_writes_see_whole_states_that_never_go_back(server):
    token = server.api.new_token()
    other = rounds(100)

    def write():
        for sequence in range(1, other + 1):
            letter = chr(ord("a") + sequence % 26)
            assert server.api.post_wallet(token, sequence, letter * 20000, letter * 64).status == 200

    def read():
        last = 0
        while last < other:
            reply = server.api.get_wallet(token)
            if reply.status == 404 and last == 0:
                continue
            seen = reply.json
            letter = chr(ord("a") + seen["sequence"] % 26)
            assert seen == state(seen["sequence"], letter * 20000, letter * 64)
            assert seen["sequence"] >= last
            last = seen["sequence"]

    together([write, read, read, read])
