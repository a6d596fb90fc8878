"""The client library for Python, against the server."""

import asyncio
import doctest
import json
import os
import random
import threading

import pytest

import support.clients as clients
from support.api import new_email
from support.clients import Told, another, device, lines, new_device
from support.settings import stretched
from support.wait import until
from wallet_sync import (ApiError, AsyncClient, BadAnswer, Backoff, Client, Conflict, IntegrityError, NoAnswer, NotFound,
                         PasswordChanged, PasswordCipher, RolledBack, SyncError, TooManyRequests, Unauthorized, Unavailable, Wallet,
                         derive_keys)

NEW_PASSWORD = "a better password"


class Lossy(Client):
    """The network loses some answers: the server has done what it was asked to, and nobody hears of it."""

    lose = 0

    def _exchange(self, *request):
        answer = super()._exchange(*request)
        if self.lose and request[0] == "POST":
            self.lose -= 1
            raise NoAnswer("lost")
        return answer


@pytest.fixture
def phone(server):
    return new_device(server.port)


@pytest.fixture
def laptop(phone):
    return another(phone)


@pytest.mark.smoke
def test_what_one_device_saves_the_other_one_gets(phone, laptop):
    assert laptop.get_wallet() is None
    assert phone.save_wallet(b"coins") == Wallet(1, b"coins")
    assert laptop.get_wallet() == laptop.known == Wallet(1, b"coins")
    assert laptop.save_wallet(b"more coins") == Wallet(2, b"more coins")
    assert phone.get_wallet() == Wallet(2, b"more coins")


def test_the_server_sees_neither_the_password_nor_the_wallet(server):
    phone = new_device(server.port, cipher=PasswordCipher())
    phone.save_wallet(b"coins in clear")
    phone.known = None
    assert phone.get_wallet() == Wallet(1, b"coins in clear")
    stored = json.dumps(server.api.get("/api/3/wallet", {"Authorization": f"Bearer {phone.token}"}).json)
    assert "coins" not in stored and clients.PASSWORD not in stored
    assert server.api.auth(phone.email, clients.PASSWORD).status == 401


def test_a_conflict_is_merged(phone, laptop):
    phone.save_wallet(b"1\n")
    laptop.get_wallet()
    phone.save_wallet(b"1\n2\n")
    assert laptop.save_wallet(b"1\n3\n", merge=lines) == Wallet(3, b"1\n2\n3\n")
    assert phone.get_wallet() == Wallet(3, b"1\n2\n3\n")


def test_a_merge_is_told_what_both_had(phone, laptop):
    asked = []
    phone.save_wallet(b"a")
    assert laptop.save_wallet(b"b", merge=lambda *all_three: asked.append(all_three) or b"ab") == Wallet(2, b"ab")
    phone.save_wallet(b"c", merge=lambda *all_three: asked.append(all_three) or b"abc")
    assert asked == [(None, b"b", b"a"), (b"a", b"c", b"ab")]


def test_what_is_the_servers_already_is_not_written_again(phone, laptop):
    phone.save_wallet(b"same")
    assert laptop.save_wallet(b"mine", merge=lambda base, mine, theirs: theirs) == Wallet(1, b"same")


def test_without_a_merge_a_conflict_is_an_error_and_stays_one(phone, laptop):
    phone.save_wallet(b"theirs")
    for _ in range(2):
        with pytest.raises(Conflict, match="Conflict: Bad sequence number") as conflict:
            laptop.save_wallet(b"mine")
        assert conflict.value.theirs == Wallet(1, b"theirs")
        assert laptop.known is None
    laptop.get_wallet()
    assert laptop.save_wallet(b"both") == Wallet(2, b"both")


def test_who_is_always_late_gives_up_after_so_many_attempts(phone, laptop):
    def late(base, mine, theirs):
        phone.save_wallet(phone.known.data + b"x")
        return theirs + mine

    phone.save_wallet(b"-")
    with pytest.raises(Conflict) as conflict:
        laptop.save_wallet(b"mine", merge=late, attempts=3)
    assert conflict.value.theirs == Wallet(3, b"-xx")
    assert phone.known.sequence == 4


def test_a_wallet_that_is_known_is_not_sent_again(own_server):
    phone = new_device(own_server.port)
    phone.save_wallet(b"coins")
    assert phone.get_wallet() == Wallet(1, b"coins")
    until(lambda: '"GET /api/3/wallet HTTP/1.1" 304' in own_server.nginx.access(), "the request is in the log")
    assert phone.token not in own_server.nginx.access()


def test_an_application_that_starts_again_goes_on_from_what_it_knew(server, phone, laptop):
    phone.save_wallet(b"1\n")
    laptop.save_wallet(b"1\n2\n", merge=lines)
    restarted = another(phone, "phone", known=phone.known)
    assert restarted.save_wallet(b"1\n3\n", merge=lines) == Wallet(3, b"1\n2\n3\n")


def test_a_password_change_takes_the_wallet_along_and_ends_the_other_device(phone, laptop):
    phone.save_wallet(b"coins")
    with Told(laptop, since=0) as told:
        until(lambda: told.sequences == [1], "the laptop listens")
        assert phone.change_password(NEW_PASSWORD) == Wallet(2, b"coins")
        until(lambda: told.ends, "the listener ends")
        assert isinstance(told.listener.ended, PasswordChanged) and told.ends == [told.listener.ended]
    with pytest.raises(Unauthorized, match="^Unauthorized: Token Not Found$"):
        laptop.get_wallet()
    with pytest.raises(Unauthorized, match="^Unauthorized: No match for email and/or password$"):
        laptop.login()
    assert phone.save_wallet(b"more") == Wallet(3, b"more")
    assert another(phone, password=NEW_PASSWORD).get_wallet() == Wallet(3, b"more")


def test_a_password_change_saves_and_merges(phone, laptop):
    phone.save_wallet(b"1\n")
    laptop.get_wallet()
    phone.save_wallet(b"1\n2\n")
    with pytest.raises(Conflict):
        laptop.change_password(NEW_PASSWORD, b"1\n3\n")
    assert laptop.change_password(NEW_PASSWORD, b"1\n3\n", merge=lines) == Wallet(3, b"1\n2\n3\n")


def test_a_password_changes_without_a_wallet_too_and_with_the_first_one(phone):
    assert phone.change_password(NEW_PASSWORD) is None
    assert phone.change_password(clients.PASSWORD, b"first").data == b"first"
    assert another(phone).get_wallet().data == b"first"


@pytest.mark.parametrize("answers", [1, 2])
def test_an_answer_that_is_lost_changes_nothing(server, answers):
    phone = device(server.port, new_email(), "phone", Lossy)
    phone.lose = answers
    assert phone.signup() is False, "nobody has told"
    phone.login()
    phone.lose = answers
    assert phone.save_wallet(b"coins") == Wallet(1, b"coins")
    phone.lose = answers
    assert phone.change_password(NEW_PASSWORD) == Wallet(2, b"coins")
    assert another(phone, password=NEW_PASSWORD).get_wallet() == Wallet(2, b"coins")


def test_who_signs_up_an_address_that_is_taken_is_told_so(server, phone):
    with pytest.raises(Conflict, match="^Conflict: Error registering$"):
        device(server.port, phone.email, "laptop").signup()
    thief = device(server.port, phone.email, "laptop", Lossy)
    thief.lose = 1
    with pytest.raises(Conflict, match="^Conflict: Error registering$"):
        thief.signup()


def test_errors_have_the_servers_text(server, phone):
    with pytest.raises(NotFound, match="^Not Found: No match for email$") as error:
        device(server.port, new_email(), "phone").login()
    assert error.value.status == 404
    with pytest.raises(ApiError, match="^Request Entity Too Large$"):
        phone.save_wallet(b"x" * 100000)
    with pytest.raises(SyncError, match="login"):
        device(server.port, phone.email, "laptop").get_wallet()
    with pytest.raises(NoAnswer, match="^No answer from 127.0.0.1:9: "):
        device(9, phone.email, "laptop", patience=0).login()
    with pytest.raises(ValueError, match="http"):
        Client("sync.example.com", "a@b.c", "x", "y")


def test_what_is_no_such_server_is_no_answer(recorder):
    with pytest.raises(BadAnswer):
        Client(recorder.address, "a@b.c", "x", "y").login()


def test_a_wallet_that_nobody_of_the_account_wrote_is_refused(server, phone, laptop):
    phone.save_wallet(b"coins")
    forged = {"token": laptop.token, "encryptedWallet": "forged", "sequence": 2, "hmac": "forged"}
    assert server.api.post("/api/3/wallet", forged).status == 200
    for attempt in (laptop.get_wallet, lambda: phone.save_wallet(b"x", lines), lambda: phone.change_password(NEW_PASSWORD)):
        with pytest.raises(IntegrityError, match="HMAC"):
            attempt()


def test_an_older_wallet_than_before_is_refused_until_the_application_forgets(phone):
    phone.save_wallet(b"coins")
    phone.known = Wallet(5, b"newer")
    for attempt in (phone.get_wallet, lambda: phone.save_wallet(b"x", lines)):
        with pytest.raises(RolledBack, match="sequence 1; it had 5 before"):
            attempt()
    phone.known = None
    assert phone.get_wallet() == Wallet(1, b"coins")
    stranger = new_device(phone._url.port)
    stranger.known = Wallet(1, b"coins")
    with pytest.raises(RolledBack, match="no wallet any more"):
        stranger.get_wallet()


def test_a_wallet_of_the_same_sequence_in_another_life_of_the_account_is_not_taken_for_the_known_one(own_server):
    phone = new_device(own_server.port)
    laptop = another(phone)
    phone.save_wallet(b"coins")
    assert laptop.get_wallet() == Wallet(1, b"coins")
    assert own_server.redis.cli("FLUSHALL")
    phone = clients.device(own_server.port, phone.email, "phone")
    assert phone.signup() is True
    phone.login()
    phone.save_wallet(b"other coins")
    laptop.login()
    for attempt in (laptop.get_wallet, lambda: laptop.change_password(NEW_PASSWORD)):
        with pytest.raises(RolledBack, match="another wallet of sequence 1"):
            attempt()
    laptop.known = None
    assert laptop.get_wallet() == Wallet(1, b"other coins")


def test_a_device_hears_of_what_the_others_save_and_of_what_it_missed(phone, laptop):
    phone.save_wallet(b"1")
    with Told(laptop) as told:
        until(lambda: told.sequences == [1], "it is told of what was there before")
        phone.save_wallet(b"2")
        until(lambda: told.sequences == [1, 2], "it is told of the next one")
    assert not told.ends and told.listener.ended is None
    phone.save_wallet(b"3")
    with Told(laptop, since=2) as again:
        until(lambda: again.sequences == [3], "it is told of what it missed")
    assert told.sequences == [1, 2]


def test_a_listener_comes_back_after_a_reload(make_server):
    server = make_server(http="wallet_sync_drain_time 0;").start()
    phone = new_device(server.port)
    laptop = another(phone)
    phone.save_wallet(b"1")
    with Told(laptop) as told:
        until(lambda: told.sequences == [1], "the laptop listens")
        server.nginx.reload()
        phone.save_wallet(b"2")
        until(lambda: told.sequences == [1, 2], "it listens again")
        assert not told.ends


def test_a_listener_whose_token_is_void_ends(phone, laptop):
    phone.save_wallet(b"1")
    laptop.token = "0" * 64
    with Told(laptop) as told:
        until(lambda: told.ends, "the listener ends")
    assert isinstance(told.listener.ended, Unauthorized) and not told.sequences


def test_a_server_that_is_out_of_order_is_asked_again(make_server, proxy_of):
    server = make_server()
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    phone, saved = new_device(server.port), []
    proxy.refuse = True
    proxy.cut()
    saving = threading.Thread(target=lambda: saved.append(phone.save_wallet(b"coins")))
    saving.start()
    until(lambda: '"POST /api/3/wallet HTTP/1.1" 503' in server.nginx.access(), "it is refused")
    assert not saved
    proxy.refuse = False
    saving.join(stretched(60))
    assert saved == [Wallet(1, b"coins")]
    proxy.refuse = True
    proxy.cut()
    phone._patience = 0
    with pytest.raises(Unavailable, match="^Service Unavailable") as error:
        phone.get_wallet()
    assert error.value.retry_after >= 1


def test_it_waits_as_long_as_the_server_asks_for_but_not_for_ever(make_server):
    server = make_server(http="wallet_sync_login_attempts 1 2s;").start()
    phone = new_device(server.port)
    thief = device(server.port, phone.email, "thief", password="a guess")
    with pytest.raises(Unauthorized):
        thief.login()
    thief._patience = 0
    with pytest.raises(TooManyRequests, match="^Too Many Requests: Too many failed logins$") as error:
        thief.login()
    assert 1 <= error.value.retry_after <= 2
    phone.login()
    assert phone.get_wallet() is None


def test_pauses_grow_up_to_a_limit_and_differ_by_chance():
    random.seed(7)
    backoff = Backoff(1.0, 10.0)
    pauses = [backoff.pause() for _ in range(8)]
    for pause, longest in zip(pauses, [1, 2, 4, 8, 10, 10, 10, 10]):
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 8
    backoff.reset()
    assert backoff.pause() <= 1


def test_letters_that_are_composed_otherwise_are_the_same_password():
    keys = [derive_keys(password, "a@b.c", "0" * 64, clients.QUICK) for password in ("p\u00e4ss", "pa\u0308ss", "pass")]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].hmac.hex() not in repr(keys[0])


def test_on_asyncio_two_devices_save_at_once_and_hear_of_each_other(server):
    async def session():
        email = new_email()
        phone, laptop = (device(server.port, email, name, AsyncClient) for name in ("phone", "laptop"))
        assert await phone.signup()
        await asyncio.gather(phone.login(), laptop.login())
        assert await phone.get_wallet() is None
        saved = await asyncio.gather(phone.save_wallet(b"1\n", lines), laptop.save_wallet(b"2\n", lines))
        assert sorted(wallet.sequence for wallet in saved) == [1, 2]
        updates = laptop.updates(since=0)
        assert await updates.__anext__() == 2
        assert sorted((await phone.get_wallet()).data.split()) == [b"1", b"2"]
        await phone.change_password(NEW_PASSWORD)
        with pytest.raises(PasswordChanged):
            await updates.__anext__()

    asyncio.run(asyncio.wait_for(session(), stretched(120)))


def test_the_session_of_the_readme_goes_as_it_says(make_server):
    server = make_server().start()
    with open(os.path.join(clients.ROOT, "clients", "python", "README.md"), encoding="utf-8") as file:
        text = file.read().replace("http://127.0.0.1:8090", clients.url_of(server.port)).replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    assert len(test.examples) > 15
    runner, said = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL), []
    assert runner.run(test, out=said.append).failed == 0, "".join(said)
