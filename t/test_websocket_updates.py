"""Every device of an account hears of each accepted write, on whatever worker it is; a password change closes them all."""

import collections

import pytest

from support.api import Http
from support.api3 import NEW_PASSWORD, Api3, with_wallet
from support.crowd import together
from support.server import Server
from support.settings import rounds
from support.wait import until
from support.websocket import CLOSE, PING, POLICY, PONG, TEXT, Device, RawWebsocket, channels, devices_on_workers, gauge, plant_token

METRICS = "location = /metrics { wallet_sync_metrics; }"


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    """A server whose connections spread over its workers."""
    server = Server(str(tmp_path_factory.mktemp("spread")), listen="reuseport", server=METRICS, worker_connections=1024,
                    http="wallet_sync_max_sockets_per_account 500;").start()
    yield server
    server.stop()


@pytest.fixture
def api3(spread):
    return Api3(spread.port)


def close_all(devices):
    for device in devices:
        device.close()


@pytest.mark.smoke
def test_a_write_is_told_to_every_socket_of_the_account_on_every_worker_and_to_nobody_else(spread, api3):
    phone = plant_token(spread.redis)
    laptop = plant_token(spread.redis, phone[:24])
    stranger = plant_token(spread.redis)
    devices = devices_on_workers(spread, [phone, laptop], 4)
    strangers = devices_on_workers(spread, [stranger], 3)
    for sequence, (api, token) in enumerate([(api3, phone), (spread.api, laptop), (api3, laptop), (spread.api, phone)], 1):
        assert api.post_wallet(token, sequence).status == 200
        for device in devices:
            device.wait_told(sequence)
    for device in devices + strangers:
        device.alive()
    assert [device.messages for device in devices] == [[f"wallet-update:{n}" for n in range(1, 5)]] * len(devices)
    assert [device.messages for device in strangers] == [[]] * len(strangers)
    close_all(devices + strangers)


def test_whatever_the_server_says_comes_in_one_piece(spread, api3):
    """Each send() is a segment of its own here; a frame in two of them would cost twice as much."""
    token = plant_token(spread.redis)
    with RawWebsocket(spread.port, token) as socket:
        before = socket.segments
        for sequence in range(1, 6):
            assert api3.post_wallet(token, sequence).status == 200
            assert socket.hear() == (TEXT, b"wallet-update:%d" % sequence)
            assert socket.segments == before + sequence
        socket.say(PING, b"x" * 125)
        assert socket.hear() == (PONG, b"x" * 125)
        assert socket.segments == before + 6
        socket.say(CLOSE, b"\x03\xe8" + b"x" * 100)
        assert socket.hear_close() == 1000
        assert socket.segments == before + 7


def test_the_message_is_one_text_frame(spread, api3):
    token = plant_token(spread.redis)
    with RawWebsocket(spread.port, token) as socket:
        assert api3.post_wallet(token, 1).status == 200
        assert socket.hear() == (1, b"wallet-update:1")
        socket.alive()


def test_the_largest_sequence_is_told_whole(spread, api3):
    token = plant_token(spread.redis)
    spread.redis.cli("HSET", "wsync:{%s}:wallet" % token[:24], "sequence", 4294967294, "hmac", "h", "wallet", "w")
    device = Device(spread.port, token)
    assert api3.post_wallet(token, 4294967295).status == 200
    device.wait_told(4294967295)
    device.close()


def test_a_refused_write_is_not_told(spread, api3):
    token = plant_token(spread.redis)
    devices = devices_on_workers(spread, [token], 2)
    assert api3.post_wallet(token, 1).status == 200
    for api in (api3, spread.api):
        assert [api.post_wallet(token, sequence).status for sequence in (1, 3, 4294967295)] == [409] * 3
        assert api.post_wallet("0" * 64, 2).status == 401
        assert api.post_wallet(token, 2, wallet="").status == 400
    assert api3.post_wallet(token, 2).status == 200
    for device in devices:
        device.wait_told(2)
        assert device.told == [1, 2]
    close_all(devices)


def test_many_writes_are_told_in_order_and_the_last_is_not_missing(spread, api3):
    tokens = [plant_token(spread.redis) for _ in range(4)]
    devices = {token: devices_on_workers(spread, [token], 3) for token in tokens}
    count = rounds(100)

    def write(token):
        for sequence in range(1, count + 1):
            assert api3.post_wallet(token, sequence).status == 200

    together([lambda token=token: write(token) for token in tokens])
    for token in tokens:
        for device in devices[token]:
            device.wait_told(count)
            assert device.told == sorted(set(device.told)), "each once, in order"
            device.close()


def test_of_two_writers_only_the_winners_write_is_told(spread, api3):
    token = plant_token(spread.redis)
    devices = devices_on_workers(spread, [token], 2)
    for sequence in range(1, rounds(20)):
        replies = together([lambda: api3.post_wallet(token, sequence)] * 4)
        assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
        for device in devices:
            device.wait_told(sequence)
    for device in devices:
        device.alive()
        assert device.told == list(range(1, rounds(20)))
        device.close()


def test_a_socket_that_opens_between_two_writes_hears_of_the_second(spread, api3):
    token = plant_token(spread.redis)
    for sequence in range(1, rounds(40)):
        with RawWebsocket(spread.port, token) as socket:
            assert api3.post_wallet(token, sequence).status == 200
            assert socket.hear() == (1, b"wallet-update:%d" % sequence)


def test_sockets_that_come_and_go_do_not_cost_the_others_a_message(spread, api3):
    """Subscriptions end and begin anew all the time; whoever is open is told."""
    token = plant_token(spread.redis)
    stop = []

    def come_and_go():
        while not stop:
            socket = RawWebsocket(spread.port, token)
            socket.alive()
            socket.abort()

    def write():
        try:
            for sequence in range(1, rounds(100)):
                with RawWebsocket(spread.port, token) as socket:
                    assert api3.post_wallet(token, sequence).status == 200
                    assert socket.hear() == (1, b"wallet-update:%d" % sequence)
        finally:
            stop.append(True)

    def come_and_go_undisturbed():
        try:
            come_and_go()
        except AssertionError:  # its pong came behind an update
            come_and_go_undisturbed()

    together([come_and_go_undisturbed, come_and_go_undisturbed, write])


def test_a_password_change_closes_every_socket_on_every_worker_and_tells_no_update(spread, api3):
    email = api3.new_account()
    phone, laptop = api3.login(email, device="phone"), api3.login(email, device="laptop")
    stranger = Device(spread.port, plant_token(spread.redis))
    devices = devices_on_workers(spread, [phone, laptop], 3)
    assert api3.post_wallet(phone, 1).status == 200
    assert api3.change(email, **with_wallet(2)).status == 200
    assert {device.wait_closed() for device in devices} == {POLICY}
    assert {tuple(device.told) for device in devices} == {(1,)}
    stranger.alive()
    assert stranger.open and stranger.messages == []
    stranger.close()
    anew = Device(spread.port, api3.login(email, password=NEW_PASSWORD))
    anew.alive()
    assert anew.messages == []
    anew.close()


def test_a_password_change_that_fails_closes_nothing(spread, api3):
    email = api3.new_account()
    token = api3.login(email)
    assert api3.post_wallet(token, 1).status == 200
    devices = devices_on_workers(spread, [token], 1)
    assert api3.change(email, old="a wrong password", **with_wallet(2)).status == 401
    assert api3.change(email).status == 409
    assert api3.change(email, **with_wallet(3)).status == 409
    for device in devices:
        device.alive()
        assert device.open and device.messages == []
    assert api3.post_wallet(token, 2).status == 200
    for device in devices:
        device.wait_told(2)
    close_all(devices)


def test_a_new_login_of_the_device_leaves_its_socket_open(spread, api3):
    email = api3.new_account()
    device = Device(spread.port, api3.login(email))
    token = api3.login(email)
    assert api3.post_wallet(token, 1).status == 200
    device.wait_told(1)
    device.close()


@pytest.mark.parametrize("attempt", range(3))
def test_no_socket_slips_past_a_password_change(spread, api3, attempt):
    """Sockets that open while the password changes are refused or closed."""
    email = api3.new_account()
    token = api3.login(email)
    opened, refused, changed = collections.deque(), [], []

    def change():
        try:
            assert api3.change(email).status == 200
        finally:
            changed.append(True)

    def open_many():
        while not changed or len(refused) < 1:
            try:
                opened.append(RawWebsocket(spread.port, token))
            except AssertionError:
                refused.append(True)
            if len(opened) > 100:
                opened.popleft().abort()

    together([change, open_many])
    for socket in opened:
        assert socket.hear_close() == POLICY
        socket.close()


def test_the_closing_of_a_socket_is_the_last_that_is_said(spread, api3):
    """Behind our close frame there is no pong, no update and no second close frame."""
    email = api3.new_account()
    token = api3.login(email)
    with RawWebsocket(spread.port, token) as socket:
        assert api3.change(email).status == 200
        assert socket.hear_close() == POLICY
        socket.say(9, b"still there?")
        socket.say(1, b"a message")
        socket.say(8, b"\x03\xf0")
        socket.assert_ended()


def test_a_client_that_does_not_answer_our_close_is_disconnected(spread, api3):
    email = api3.new_account()
    token = api3.login(email)
    with RawWebsocket(spread.port, token) as socket:
        assert api3.change(email).status == 200
        socket.assert_closed(POLICY)


def test_subscriptions_and_the_gauge_follow_the_sockets(make_server):
    server = make_server(listen="reuseport", server=METRICS).start()
    tokens = [plant_token(server.redis) for _ in range(5)]
    devices = devices_on_workers(server, tokens, 3)
    assert channels(server.redis) == sorted(b"wsync:{%s}:events" % token[:24].encode() for token in tokens)
    assert gauge(server.port) == len(devices)
    assert server.api.post_wallet(tokens[0], 1).status == 200
    mine = [device for device in devices if device.token == tokens[0]]
    for device in mine:
        device.wait_told(1)
    assert f"wallet_sync_websocket_updates_total {len(mine)}\n" in Http(server.port).get("/metrics").body.decode()
    for device in devices[:-1]:
        device.close()
    until(lambda: gauge(server.port) == 1, "one socket is left")
    until(lambda: len(channels(server.redis)) == 1, "one subscription is left")
    devices[-1].close()
    until(lambda: gauge(server.port) == 0 and channels(server.redis) == [], "nothing is left")


def test_a_refused_handshake_leaves_no_subscription(make_server):
    server = make_server().start()
    for _ in range(10):
        assert Http(server.port).get("/api/3/websocket?token=" + "ab" * 32).status == 401
    until(lambda: channels(server.redis) == [], "nobody listens")
    with RawWebsocket(server.port, plant_token(server.redis)) as socket:
        socket.alive()
        assert len(channels(server.redis)) == 1
