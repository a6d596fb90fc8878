"""What nginx -t says about the module's directives: a wrong value gets a line that tells what to write."""

import re

import pytest

from support.nginx import Nginx

REDIS = "wallet_sync_redis unix:/tmp/never-opened.sock;"


@pytest.fixture
def check(tmp_path):
    def run(http=REDIS, **blocks):
        nginx = Nginx(str(tmp_path), http=http, **blocks)
        return nginx.test()

    return run


def assert_refused(answer, directive, hint):
    fine, text = answer
    assert not fine, "nginx -t finds nothing wrong"
    lines = [line for line in text.splitlines() if "[emerg]" in line]
    assert len(lines) == 1, text
    assert re.search(rf"\b{directive}\b", lines[0]), lines[0]
    assert re.search(hint, lines[0], re.IGNORECASE), f"no hint of {hint!r}: {lines[0]}"
    assert re.search(r"nginx\.conf:\d+", lines[0]), lines[0]


@pytest.mark.parametrize("line", [
    "wallet_sync_redis 127.0.0.1:6379;", "wallet_sync_redis [::1]:6379;", "wallet_sync_redis localhost:6379;",
    "wallet_sync_redis unix:/run/redis.sock;", "wallet_sync_accounts whitelist stored;",
    "wallet_sync_accounts whitelist a@b.c stored;", "wallet_sync_account_deletion on;",
    "wallet_sync_redis 127.0.0.1:6379 user=u password=p database=2 links=1 lanes=4 connect_timeout=100ms timeout=1s prefix=x;",
    "wallet_sync_redis 127.0.0.1:6379 replicas=1;", "wallet_sync_redis 127.0.0.1:6379 timeout=500ms replicas_fsync=2,400ms;",
    "wallet_sync_redis sentinel://wallets@127.0.0.1;", "wallet_sync_redis sentinel://wallets@127.0.0.1:1,[::1]:2,localhost:3;",
    "wallet_sync_redis sentinel://wallets@127.0.0.1:1 sentinel_user=u database=2 password=p tls=off;",
    "wallet_sync_redis cluster://127.0.0.1;", "wallet_sync_redis cluster://127.0.0.1:1,[::1]:2,localhost:3 user=u password=p;",
    "wallet_sync_redis cluster://127.0.0.1:1 lanes=64 links=1 replicas=1 database=0 prefix=x;",
    'wallet_sync_redis 127.0.0.1:6379 "password=with a blank;";',
    f"{REDIS} wallet_sync_accounts open;", f"{REDIS} wallet_sync_accounts whitelist;",
    f"{REDIS} wallet_sync_accounts whitelist a@b.c d@e.f;", f"{REDIS} wallet_sync_max_body 1;",
    f"{REDIS} wallet_sync_max_body 100k;", f"{REDIS} wallet_sync_max_body 1m;", f"{REDIS} wallet_sync_thread_pool threads=1;",
    f"{REDIS} wallet_sync_thread_pool threads=8 max_queue=1000;",
])
def test_what_the_readme_shows_is_accepted(check, line):
    fine, text = check(line)
    assert fine, text


def test_the_parameter_of_former_versions_is_accepted_with_a_warning(check):
    fine, text = check("wallet_sync_redis 127.0.0.1:6379 pool=16;")
    assert fine, text
    assert re.search(r"\[warn\].*pool=16.*lanes=", text), text


def test_certificates_are_read_when_the_configuration_is(check):
    answer = check("wallet_sync_redis 127.0.0.1:6379 tls=on tls_ca_file=/no/such/ca.pem;")
    assert not answer[0] and "/no/such/ca.pem" in answer[1]


def test_a_pool_of_nginx_can_be_named(check):
    fine, text = check(f"{REDIS} wallet_sync_thread_pool kdf;", main="thread_pool kdf threads=2 max_queue=8;")
    assert fine, text


@pytest.mark.parametrize("arguments, hint", [
    ("unix:", "unix"), ("127.0.0.1:0", "port"), ("127.0.0.1:65536", "port"), ("127.0.0.1:port", "port"), (":6379", "host"),
    ("127.0.0.1:6379 lanes=0", "lanes"), ("127.0.0.1:6379 lanes=-1", "lanes"), ("127.0.0.1:6379 lanes=many", "lanes"),
    ("127.0.0.1:6379 lanes=", "lanes"), ("127.0.0.1:6379 lanes=65", "lanes"), ("127.0.0.1:6379 links=0", "links"),
    ("127.0.0.1:6379 tls=yes", "tls=on or tls=off"), ("127.0.0.1:6379 tls_ca_file=/ca.pem", "tls=on"),
    ("127.0.0.1:6379 tls=on tls_certificate=/a.pem", "tls_certificate_key"), ("unix:/r.sock tls=on", "tls_name"),
    ("127.0.0.1:6379 tls=on tls_name=", "behind ="), ("127.0.0.1:6379 database=-1", "database"), ("127.0.0.1:6379 database=x", "database"),
    ("127.0.0.1:6379 timeout=0", "timeout"), ("127.0.0.1:6379 timeout=soon", "timeout"),
    ("127.0.0.1:6379 connect_timeout=0", "connect_timeout"), ("127.0.0.1:6379 connect_timeout=1parsec", "connect_timeout"),
    ("127.0.0.1:6379 password_file=/no/such/file", "/no/such/file"),
    ("cluster://", "a node of a cluster.*host:port"), ("cluster://127.0.0.1:1,", "a node of a cluster"),
    ("cluster://unix:/r.sock", "a node of a cluster"), ("cluster://127.0.0.1:0", "port"), ("cluster://127.0.0.1 database=1", "database"),
    ("cluster://127.0.0.1 sentinel_user=u", "sentinel://"),
    ("127.0.0.1:6379 colour=red", "colour"), ("127.0.0.1:6379 extra", "extra"), ("127.0.0.1:6379 prefix=", "prefix"),
    ("no-such-host.invalid:6379", "no-such-host.invalid"), ("redis://127.0.0.1:6379", "host:port"),
    ("sentinel://127.0.0.1:26379", "sentinel://NAME@"), ("sentinel://@127.0.0.1:26379", "sentinel://NAME@"),
    ("sentinel://wallets@", "sentinel://NAME@"), ("sentinel://wallets@127.0.0.1:0", "port"),
    ("sentinel://wallets@127.0.0.1:1,", "host:port"), ("sentinel://wallets@127.0.0.1:1,127.0.0.1:1", "once"),
    ("sentinel://wallets@unix:/sentinel.sock", "host:port"), ("sentinel://wallets@no-such-host.invalid", "no-such-host.invalid"),
    ("127.0.0.1:6379 replicas=0", "from 1 to 64"), ("127.0.0.1:6379 replicas=x", "replicas=number"),
    ("127.0.0.1:6379 replicas=1,", "replicas=number"), ("127.0.0.1:6379 replicas=1,soon", "replicas=number"),
    ("127.0.0.1:6379 replicas=1,2s", "less than timeout"), ("127.0.0.1:6379 timeout=1s replicas=1,1s", "less than 1000ms"),
    ("127.0.0.1:6379 replicas=1 replicas_fsync=1", "once"),
    ("127.0.0.1:6379 sentinel_user=u", "sentinel://NAME@"), ("127.0.0.1:6379 sentinel_password_file=/f", "sentinel://NAME@"),
    ("sentinel://wallets@127.0.0.1 sentinel_password_file=/no/such/file", "/no/such/file"),
    ("127.0.0.1:6379 database=2147483648", "database=number, from 0 to 2147483647"), ("127.0.0.1:6379 database=4294967296", "from 0 to"),
    ("127.0.0.1:6379 database=99999999999999999999", "from 0 to"), ("127.0.0.1:6379 timeout=25d", "timeout"),
    ("127.0.0.1:6379 timeout=106751991167d", "timeout"), ("127.0.0.1:6379 connect_timeout=2147483648ms", "connect_timeout"),
])
def test_a_wrong_redis_parameter_is_named(check, arguments, hint):
    assert_refused(check(f"wallet_sync_redis {arguments};"), "wallet_sync_redis", hint)


@pytest.mark.parametrize("arguments, hint", [
    ("closed", "(?=.*open)(?=.*whitelist)(?=.*email)"), ("Open", "(?=.*open)(?=.*whitelist)(?=.*email)"), ("open a@b.c", "open"),
    ("whitelist not-an-address", "not-an-address"), ("whitelist a@b.c <d@e.f>", "<d@e.f>"),
])
def test_a_wrong_account_mode_is_refused_with_the_right_ones(check, arguments, hint):
    assert_refused(check(f"{REDIS} wallet_sync_accounts {arguments};"), "wallet_sync_accounts", hint)


@pytest.mark.parametrize("value", ["yes", "On", "1"])
def test_a_wrong_word_for_deletion_is_refused(check, value):
    assert_refused(check(f"{REDIS} wallet_sync_account_deletion {value};"), "wallet_sync_account_deletion", "on or off")


@pytest.mark.parametrize("value", ["x", "-1", "1.5m", "10q", "0"])
def test_a_wrong_size_is_refused(check, value):
    assert_refused(check(f"{REDIS} wallet_sync_max_body {value};"), "wallet_sync_max_body", "size|value|bytes")


@pytest.mark.parametrize("line, hint", [
    ("wallet_sync_max_body 99999999999999999999", "bytes above 0, such as"), ("wallet_sync_ping_interval 0", "time above 0 .*such as 60s"),
    ("wallet_sync_ping_interval soon", "such as 60s"), ("wallet_sync_drain_time -1s", "such as 5s"),
    ("wallet_sync_max_sockets_per_account 0", "number above 0, such as 32"), ("wallet_sync_max_sockets_per_account many", "such as 32"),
    ("wallet_sync_unverified_lifetime 0", "time above 0, such as 7d, or off"), ("wallet_sync_unverified_lifetime OFF", "or off"),
    ("wallet_sync_unverified_lifetime 200y", "such as 7d"), ("wallet_sync_login_attempts 0", "such as 10 15m, or off"),
])
def test_what_is_no_value_is_shown_with_what_would_be_one(check, line, hint):
    answer = check(f"{REDIS} {line};")
    directive, value = line.split()
    assert_refused(answer, directive, f'"{value}"; write .*{hint}')


@pytest.mark.parametrize("line", ["wallet_sync_drain_time 0;", "wallet_sync_unverified_lifetime off;",
                                  "wallet_sync_unverified_lifetime 4294967295s;", "wallet_sync_max_sockets_per_account 1;"])
def test_the_ends_of_a_range_belong_to_it(check, line):
    fine, text = check(f"{REDIS} {line}")
    assert fine, text


@pytest.mark.parametrize("arguments, hint", [
    ("threads=0", "threads"), ("threads=x", "threads"), ("threads=-1", "threads"), ("threads=2 max_queue=x", "max_queue"),
    ("threads=2 max_queue=-1", "max_queue"), ("threads=9223372036854775807", "threads"),
    ("threads=2 max_queue=9223372036854775807", "max_queue"), ("threads=2 colour=red", "threads=.*max_queue="), ("max_queue=3", "threads"),
])
def test_a_wrong_thread_pool_is_refused(check, arguments, hint):
    assert_refused(check(f"{REDIS} wallet_sync_thread_pool {arguments};"), "wallet_sync_thread_pool", hint)


@pytest.mark.parametrize("line", ["wallet_sync_redis;", f"{REDIS} wallet_sync_accounts;", f"{REDIS} wallet_sync_max_body;",
                                  f"{REDIS} wallet_sync_max_body 1k 2k;", f"{REDIS} wallet_sync_thread_pool;"])
def test_a_wrong_number_of_arguments_is_refused(check, line):
    directive = re.findall(r"wallet_sync_\w+", line)[-1]
    assert_refused(check(line), directive, "number of arguments")


def test_wallet_sync_takes_no_argument_and_belongs_in_a_location(check):
    assert_refused(check(location="wallet_sync on;"), "wallet_sync", "number of arguments")
    assert_refused(check(f"{REDIS} wallet_sync;"), "wallet_sync", "not allowed here")
    assert_refused(check(server="wallet_sync;"), "wallet_sync", "not allowed here")


def test_the_thread_pool_belongs_into_http(check):
    assert_refused(check(server="wallet_sync_thread_pool threads=1;"), "wallet_sync_thread_pool", "not allowed here")


@pytest.mark.parametrize("line", ["wallet_sync_redis 127.0.0.1:1;", "wallet_sync_accounts open;", "wallet_sync_max_body 1k;",
                                  "wallet_sync_account_deletion on;", "wallet_sync_login_attempts off;",
                                  "wallet_sync_unverified_lifetime off;", "wallet_sync_unverified_lifetime 1d;",
                                  "wallet_sync_ping_interval 1s;", "wallet_sync_drain_time 0;",
                                  "wallet_sync_max_sockets_per_account 1;",
                                  "wallet_sync_thread_pool threads=1;"])
def test_a_directive_given_twice_in_one_block_is_refused(check, line):
    assert_refused(check(f"{line} {line}"), line.split()[0], "duplicate")


def test_nothing_but_wallet_sync_is_needed(check):
    fine, text = check("")
    assert fine, text


def test_a_password_is_not_shown_in_an_error(check):
    _, text = check("wallet_sync_redis 127.0.0.1:6379 password=very-secret pool=0;")
    assert "pool" in text
    assert "very-secret" not in text


@pytest.mark.parametrize("words", [
    "redis://:very-secret@127.0.0.1", "redis://user:very-secret@127.0.0.1:6379", "rediss://very-secret@127.0.0.1", ":very-secret@127.0.0.1",
    "very-secret@with-at@no-such-host.invalid:6379", "password=very-secret 127.0.0.1", "127.0.0.1 passwort=very-secret",
    "127.0.0.1 auth=very-secret", "127.0.0.1 user:very-secret@other", "127.0.0.1 password_file=/no/such/file password=very-secret",
])
def test_a_password_in_a_word_that_is_not_understood_is_not_shown(check, words):
    fine, text = check(f"wallet_sync_redis {words};")
    assert not fine
    assert "very-secret" not in text, text
    assert "wallet_sync_redis" in text and "write" in text


@pytest.mark.parametrize("words, shown", [
    ("redis://:very-secret@127.0.0.1", "@127.0.0.1"), ("127.0.0.1 passwort=very-secret", "passwort="), ("redis://127.0.0.1", "redis://127.0.0.1"),
])
def test_the_rest_of_such_a_word_is_shown(check, words, shown):
    assert shown in check(f"wallet_sync_redis {words};")[1]


@pytest.mark.parametrize("word", ["secret=very-secret", "passwort=very-secret", "password=very-secret", "key=very-secret",
                                  "user:very-secret@mail.example.com"])
def test_a_password_in_a_mail_parameter_that_is_not_understood_is_not_shown(check, word):
    fine, text = check(f"wallet_sync_mail smtp://localhost sending_domain=a.example server_domain=b.example {word};")
    assert not fine
    assert "very-secret" not in text, text


@pytest.mark.parametrize("line, fine", [
    ("wallet_sync_redis 127.0.0.1:6379 database=2147483647 timeout=24d connect_timeout=2147483647ms;", True),
    ("wallet_sync_login_attempts 10 2147483647s;", True), ("wallet_sync_login_attempts 10 2147483648s;", False),
    ("wallet_sync_login_attempts 10 4294967297s;", False), ("wallet_sync_login_attempts 10 137y;", False),
    ("wallet_sync_login_attempts 9223372036854775807 1s;", True), ("wallet_sync_login_attempts 9223372036854775808 1s;", False),
    ("wallet_sync_ping_interval 24d;", True), ("wallet_sync_ping_interval 25d;", False), ("wallet_sync_drain_time 1y;", False),
    ("wallet_sync_ping_interval 4294967297ms;", False),
])
def test_a_number_that_would_not_fit_is_refused_and_the_largest_that_does_is_taken(check, line, fine):
    directive = line.split()[0]
    if fine:
        assert check(line)[0], check(line)[1]
    else:
        assert_refused(check(line), directive, "such as")
