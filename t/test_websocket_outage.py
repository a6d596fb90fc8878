"""Redis goes away and comes back under open websockets: they stay, and what they missed is made good."""

import time

import pytest

from support import raw
from support.api3 import NEW_PASSWORD, Api3, with_wallet
from support.crowd import Background
from support.wait import until
from support.websocket import POLICY, Device, RawWebsocket, channels, devices_on_workers, plant_token, upgrade


@pytest.fixture
def pair(make_server):
    """Two machines with one Redis."""
    first = make_server(listen="reuseport", redis_options="timeout=1s connect_timeout=1s").start()
    second = make_server(listen="reuseport", redis_options="timeout=1s connect_timeout=1s")
    second.redis = _Shared(first.redis)
    second.nginx.http = second.nginx.http.replace("server-1/redis", "server-0/redis")
    return first, second.start()


class _Shared:
    """The other machine's Redis, which is not ours to stop."""

    running = False

    def __init__(self, redis):
        self._redis = redis

    def start(self):
        pass

    def kill(self):
        pass


@pytest.fixture
def behind(make_server, proxy_of):
    """(a machine whose way to Redis is the proxy, another with the same Redis, the proxy)."""
    # While Redis is held, a password may have to be hashed on a machine that others keep busy.
    first = make_server(listen="reuseport", redis_options="timeout=20s connect_timeout=1s")
    first.redis.start()
    proxy = proxy_of(first.redis)
    direct = first.redis.unix_address
    first.nginx.http = first.nginx.http.replace(direct, proxy.address)
    first.start()
    other = make_server()
    other.nginx.http = other.nginx.http.replace(other.redis.unix_address, direct)
    other.redis = _Shared(first.redis)
    return first, other.start(), proxy


def subscribers(redis):
    return [row for row in redis.clients() if int(row["sub"]) > 0]


def wait_subscribed(redis, connections=2, accounts=1):
    until(lambda: len(rows := subscribers(redis)) >= connections and sum(int(row["sub"]) - 1 for row in rows) >= accounts,
          "the workers listen again", 30)


def post(api, token, sequence):
    """A write that is tried until Redis is there for it."""
    def attempt():
        reply = api.post_wallet(token, sequence)
        assert reply.status in (200, 503), reply
        return reply.status == 200
    until(attempt, "the write is accepted", 30)


def test_two_machines_tell_each_others_writes(pair):
    first, second = pair
    token = plant_token(first.redis)
    devices = devices_on_workers(first, [token], 2) + devices_on_workers(second, [token], 2)
    for sequence in range(1, 11):
        api = Api3((first if sequence % 2 else second).port)
        assert api.post_wallet(token, sequence).status == 200
        for device in devices:
            device.wait_told(sequence)
    for device in devices:
        device.close()


def test_a_password_change_on_one_machine_closes_the_sockets_of_the_other(pair):
    first, second = pair
    api = Api3(first.port)
    email = api.new_account()
    token = api.login(email)
    devices = devices_on_workers(second, [token], 2)
    assert api.change(email).status == 200
    assert {device.wait_closed() for device in devices} == {POLICY}


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_sockets_stay_open_through_a_restart_of_redis_and_are_told_what_comes_then(make_server, way):
    server = make_server(listen="reuseport").start()
    api, token, idle = Api3(server.port), plant_token(server.redis), plant_token(server.redis)
    devices, others = devices_on_workers(server, [token], 3), devices_on_workers(server, [idle], 2)
    assert api.post_wallet(token, 1).status == 200
    getattr(server.redis, way)()
    server.redis.start()
    post(api, token, 2)
    for device in devices:
        device.wait_told(2, 30)
    post(api, token, 3)  # each worker finds its own way back
    for device in devices:
        device.wait_told(3)
        assert device.told == [1, 2, 3]
        device.close()
    for device in others:
        device.alive()
        assert device.messages == []
        device.close()


def test_when_the_subscriptions_are_cut_again_and_again_nothing_is_missing_at_last(make_server):
    server = make_server(listen="reuseport").start()
    api, tokens = Api3(server.port), [plant_token(server.redis) for _ in range(3)]
    devices = {token: devices_on_workers(server, [token], 2) for token in tokens}
    for sequence in range(1, 41):
        if sequence % 4 == 0:
            server.redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
        for token in tokens:
            post(api, token, sequence)
    for token in tokens:
        for device in devices[token]:
            device.wait_told(40, 30)
            assert device.told == sorted(device.told)
            device.close()


def test_a_write_made_while_nobody_listened_is_told_afterwards(behind):
    server, other, proxy = behind
    token = plant_token(server.redis)
    devices = devices_on_workers(server, [token], 3)
    proxy.refuse = True
    proxy.cut()
    until(lambda: not subscribers(server.redis), "nobody listens")
    assert Api3(other.port).post_wallet(token, 1).status == 200
    assert Api3(other.port).post_wallet(token, 2).status == 200
    for device in devices:
        device.alive()
        assert device.messages == []
    proxy.refuse = False
    for device in devices:
        device.wait_told(2, 30)
        assert device.told == [2], "once, and only the newest"
    # What was published between the subscription and the look at the wallet comes after it.
    for late in (1, 2):
        server.redis.cli("PUBLISH", channels(server.redis)[0], late)
    assert Api3(other.port).post_wallet(token, 3).status == 200
    for device in devices:
        device.wait_told(3)
        assert device.told == [2, 3]
        device.close()


def test_when_redis_has_gone_back_the_same_sequence_is_told_again(behind):
    """As when a replica is promoted that has not got everything."""
    server, other, proxy = behind
    token = plant_token(server.redis)
    device = Device(server.port, token)
    for change in (lambda: [Api3(other.port).post_wallet(token, sequence) for sequence in (1, 2)],
                   lambda: server.redis.cli("HSET", "wsync:{%s}:wallet" % token[:24], "sequence", 1)):
        proxy.refuse = True
        proxy.cut()
        until(lambda: not subscribers(server.redis), "nobody listens")
        change()
        proxy.refuse = False
        wait_subscribed(server.redis, connections=1)
        device.wait_told(2)
    assert Api3(other.port).post_wallet(token, 2).status == 200
    until(lambda: device.told == [2, 2], "it is told")
    device.close()


def test_a_password_change_made_while_nobody_listened_closes_the_sockets_afterwards(behind):
    server, other, proxy = behind
    direct = Api3(other.port)
    email = direct.new_account()
    token = direct.login(email)
    bystander = plant_token(server.redis)
    devices, bystanders = devices_on_workers(server, [token], 3), devices_on_workers(server, [bystander], 1)
    proxy.refuse = True
    proxy.cut()
    until(lambda: not subscribers(server.redis), "nobody listens")
    assert direct.change(email).status == 200
    proxy.refuse = False
    assert {device.wait_closed(30) for device in devices} == {POLICY}
    assert {tuple(device.messages) for device in devices} == {()}
    for device in bystanders:
        device.alive()
        assert device.messages == []
        device.close()


def test_a_password_change_with_a_wallet_closes_the_sockets_whatever_its_sequence(behind):
    server, other, proxy = behind
    direct = Api3(other.port)
    email = direct.new_account()
    token = direct.login(email)
    assert direct.post_wallet(token, 1).status == 200
    devices = devices_on_workers(server, [token], 2)
    proxy.refuse = True
    proxy.cut()
    until(lambda: not subscribers(server.redis), "nobody listens")
    assert direct.change(email, **with_wallet(2)).status == 200
    assert direct.post_wallet(direct.login(email, password=NEW_PASSWORD), 3).status == 200
    proxy.refuse = False
    assert {device.wait_closed(30) for device in devices} == {POLICY}
    assert {tuple(device.messages) for device in devices} == {()}


def test_a_frozen_redis_costs_no_socket_and_no_message(make_server):
    server = make_server(listen="reuseport", redis_options="timeout=500ms connect_timeout=500ms").start()
    api, token = Api3(server.port), plant_token(server.redis)
    devices = devices_on_workers(server, [token], 2)
    assert api.post_wallet(token, 1).status == 200
    server.redis.freeze()
    assert api.post_wallet(token, 2).status == 503
    for device in devices:
        device.alive()
        assert device.open
    server.redis.thaw()
    wallet = until(lambda: (reply := api.get_wallet(token)).status == 200 and reply, "Redis answers again", 30)
    at = wallet.json["sequence"]
    if at == 2:  # the write reached Redis, though its writer had to be told that nobody knows
        for device in devices:
            device.wait_told(2)
    post(api, token, at + 1)
    for device in devices:
        device.wait_told(at + 1)
        device.close()


def test_a_handshake_during_an_outage_is_503_soon_and_fine_again_afterwards(behind):
    server, _, proxy = behind
    token = plant_token(server.redis)
    proxy.refuse = True
    proxy.cut()
    reply = raw.exchange(server.port, upgrade(token))
    assert reply.status == 503
    assert int(reply.header("Retry-After")) >= 1
    proxy.refuse = False
    until(lambda: raw.exchange(server.port, upgrade(token)).status == 101, "websockets open again", 30)


def test_a_client_that_leaves_while_its_handshake_waits_for_redis_leaves_nothing(behind):
    server, _, proxy = behind
    token = plant_token(server.redis)
    for command in ("HGET", "SUBSCRIBE", "HMGET"):
        for leave in ("close", "abort"):
            hold = proxy.hold(command)
            link = raw.RawConnection(server.port)
            link.send(upgrade(token))
            hold.wait()
            getattr(link, leave)()
            hold.release()
            until(lambda: channels(server.redis) == [], "the subscription is given up")
    with RawWebsocket(server.port, token) as socket:
        socket.alive()


def test_a_write_between_subscription_and_upgrade_is_not_missed(behind):
    """The socket is told of it, or had been opened with the knowledge of it."""
    server, other, proxy = behind
    token = plant_token(server.redis)
    hold = proxy.hold("HMGET")
    opening = Background(lambda: RawWebsocket(server.port, token))
    hold.wait()
    assert Api3(other.port).post_wallet(token, 1).status == 200
    hold.release()
    with opening.wait() as socket:
        assert Api3(other.port).post_wallet(token, 2).status == 200
        heard = socket.hear()
        assert heard == (1, b"wallet-update:2") or (heard == (1, b"wallet-update:1") and socket.hear() == (1, b"wallet-update:2"))


def test_a_password_change_between_subscription_and_upgrade_lets_no_socket_through(behind):
    server, other, proxy = behind
    direct = Api3(other.port)
    email = direct.new_account()
    token = direct.login(email)
    hold = proxy.hold("HMGET")
    opening = Background(lambda: raw.exchange(server.port, upgrade(token)))
    hold.wait()
    assert direct.change(email).status == 200
    hold.release()
    assert opening.wait().status == 401


def test_a_token_that_is_replaced_while_the_events_are_subscribed_to_opens_no_socket(behind):
    server, other, proxy = behind
    direct = Api3(other.port)
    email = direct.new_account()
    token = direct.login(email)
    hold = proxy.hold("SUBSCRIBE")
    opening = Background(lambda: raw.exchange(server.port, upgrade(token)))
    hold.wait()
    assert direct.login(email) != token
    hold.release()
    assert opening.wait().status == 401
    until(lambda: channels(server.redis) == [], "the subscription is given up")


def test_a_new_socket_of_an_account_waits_for_its_subscription(behind):
    """Redis is slow to subscribe: there is no 101 before it has, so no write can be missed."""
    server, other, proxy = behind
    RawWebsocket(server.port, plant_token(server.redis)).close()
    token = plant_token(server.redis)
    hold = proxy.hold("SUBSCRIBE")
    opening = Background(lambda: RawWebsocket(server.port, token))
    hold.wait()
    assert opening.running
    assert Api3(other.port).post_wallet(token, 1).status == 200
    hold.release()
    with opening.wait() as socket:
        assert Api3(other.port).post_wallet(token, 2).status == 200
        assert socket.hear() == (1, b"wallet-update:2")


def test_a_redis_user_without_channels_gets_no_websocket_and_no_storm_of_connections(make_server):
    server = make_server(redis_options="user=u password=p")
    server.redis.start()
    server.redis.cli("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "resetchannels")
    server.start()
    token = server.api.new_token()
    reply = raw.exchange(server.port, upgrade(token))
    assert reply.status == 503
    assert int(reply.header("Retry-After")) >= 1
    with server.redis.client() as client:
        def received():
            return int(dict(row.split(b":") for row in client("INFO", "stats").split() if b":" in row)[b"total_connections_received"])
        before, end = received(), time.monotonic() + 2
        until(lambda: time.monotonic() > end or received() - before >= 60, "two seconds pass")
        assert received() - before < 60
    assert raw.exchange(server.port, upgrade(token)).status == 503
    assert server.api.get_wallet(token).status == 404
    assert server.api.get_wallet(server.api.new_token()).status == 404
    server.redis.cli("ACL", "SETUSER", "u", "allchannels")
    assert server.api.post_wallet(token, 1).status == 200
    until(lambda: raw.exchange(server.port, upgrade(token)).status == 101, "websockets open when the right is given", 30)
