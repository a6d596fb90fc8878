"""What wallet_sync_metrics shows: every request counted once, by whatever worker, before and after a reload."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from support.api import Http, new_email
from support.crowd import Background, together
from support.nginx import Nginx
from support.redis import Redis
from support.websocket import Device
from support.wait import until

LOCATION = "location = /metrics { wallet_sync_metrics; }"
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? ([\d.]+)')
BOUNDS = ["0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "+Inf"]


class Metrics:
    """One scrape: metrics("name", label="value") is a number."""

    def __init__(self, text):
        self.series = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()
                key = (name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or "")))
                assert key not in self.series, f"{line} is there twice"
                self.series[key] = float(value)

    def __call__(self, name, **labels):
        return self.series["wallet_sync_" + name, frozenset(labels.items())]

    def sum(self, name):
        return sum(value for (key, _), value in self.series.items() if key == "wallet_sync_" + name)


def scrape(port):
    reply = Http(port).get("/metrics")
    assert reply.status == 200, reply
    return Metrics(reply.body.decode())


def awaited(port, condition):
    """The first scrape that meets the condition: a reply can be here before its worker has counted it."""

    def look():
        metrics = scrape(port)
        return metrics if condition(metrics) else None

    return until(look, "the metrics show it")


@pytest.fixture
def counted(make_server):
    return make_server(server=LOCATION).start()


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=30)


def assert_lint_clean(text):
    done = promtool(text)
    assert (done.returncode, done.stdout + done.stderr) == (0, b""), done


def test_every_series_is_there_from_the_start_and_zero(counted):
    metrics = scrape(counted.port)
    idle = re.compile("wallet_sync_(redis_(connect|trip)|workers|kdf_tasks_limit)")
    assert not [key for key, value in metrics.series.items() if value and not idle.match(key[0])]
    for method in ("GET", "POST"):
        metrics("requests_count", endpoint="wallet", method=method)
    for error_type in ("bad_request", "unauthorized", "forbidden", "not_found", "method_not_allowed", "request_timeout",
                       "conflict", "too_large", "too_many_logins", "internal", "password_hashing", "mail",
                       "store_unavailable", "store_refused", "store_unknown", "store_unreplicated", "store_contended"):
        metrics("error_count", error_type=error_type)
    for name in ("transactions_total", "transaction_retries_total", "outcomes_read_back_total", "redis_connects_total",
                 "redis_connections_lost_total", "kdf_tasks"):
        metrics(name)


def test_promtool_finds_nothing_to_say_before_and_after_requests(counted):
    before = Http(counted.port).get("/metrics")
    assert before.header("Content-Type") == "text/plain; version=0.0.4"
    assert_lint_clean(before.body)
    counted.api.get_wallet(counted.api.new_token())
    assert_lint_clean(Http(counted.port).get("/metrics").body)


def test_every_metric_has_its_help_and_type(counted):
    text = Http(counted.port).get("/metrics").body.decode()
    histograms = re.findall(r"^# TYPE (\w+) histogram$", text, re.MULTILINE)
    assert histograms
    parts = {f"{name}_{part}": name for name in histograms for part in ("bucket", "sum", "count")}
    for name in {SAMPLE.fullmatch(line)[1] for line in text.splitlines() if not line.startswith("#")}:
        name = parts.get(name, name)
        assert len(re.findall(rf"^# HELP {name} \S", text, re.MULTILINE)) == 1, name
        assert len(re.findall(rf"^# TYPE {name} (counter|gauge|histogram|untyped)$", text, re.MULTILINE)) == 1, name


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_than_get_are_405(counted, method):
    reply = Http(counted.port).call(method, "/metrics", b"x" if method in ("POST", "PUT") else None)
    assert (reply.status, reply.header("Allow")) == (405, "GET")


def test_wallet_requests_of_both_apis_are_counted_before_any_check(counted):
    http = Http(counted.port)
    for prefix in ("", "/api/3"):
        assert http.get(prefix + "/wallet").status == 400
        assert http.get(prefix + "/wallet?token=unknown").status == 401
        assert http.post(prefix + "/wallet", b"no JSON").status == 400
        assert http.post(prefix + "/wallet", b"x" * 100_001).status == 413
        assert http.call("DELETE", prefix + "/wallet").status == 405
    metrics = awaited(counted.port, lambda m: m.sum("responses_total") >= 10)
    assert metrics("requests_count", endpoint="wallet", method="GET") == 4
    assert metrics("requests_count", endpoint="wallet", method="POST") == 4
    assert metrics.sum("requests_count") == 8


def test_replies_and_errors_are_counted_by_what_they_say(counted):
    api = counted.api
    email = api.new_account()
    token = api.login(email)
    assert api.signup(email).status == 409
    assert api.post_wallet(token, 1).status == 200
    assert api.post_wallet(token, 3).status == 409
    version = api.get_wallet(token).header("ETag")
    assert api.get_wallet(token, {"If-None-Match": version}).status == 304
    assert api.get("/nowhere").status == 404
    assert api.get("/signup").status == 405
    metrics = awaited(counted.port, lambda m: m.sum("responses_total") >= 9)
    expected = {("signup", 201): 1, ("signup", 409): 1, ("signup", 405): 1, ("auth", 200): 1, ("wallet", 200): 2,
                ("wallet", 409): 1, ("wallet", 304): 1, ("none", 404): 1}
    for (endpoint, status), count in expected.items():
        assert metrics("responses_total", endpoint=endpoint, status=str(status)) == count, (endpoint, status)
    assert metrics.sum("responses_total") == sum(expected.values())
    assert metrics("error_count", error_type="conflict") == 2
    assert metrics("error_count", error_type="not_found") == 1
    assert metrics("error_count", error_type="method_not_allowed") == 1
    assert metrics.sum("error_count") == 4
    assert metrics("requests_count", endpoint="signup", method="GET") == 1
    assert metrics("transactions_total") >= 4
    assert metrics("redis_connects_total") >= 1


def test_a_store_that_is_away_is_counted_by_kind(counted):
    token = counted.api.new_token()
    counted.redis.kill()
    assert counted.api.get_wallet(token).status == 503
    metrics = awaited(counted.port, lambda m: m("responses_total", endpoint="wallet", status="503"))
    assert metrics("error_count", error_type="store_unavailable") == 1
    assert metrics("store_errors_total", kind="unavailable") == 1
    assert metrics("error_count", error_type="internal") == 0
    assert metrics("redis_connections_lost_total") >= 1


def test_a_lost_reply_to_exec_is_counted_as_read_back(make_server, proxy_of):
    server = make_server(server=LOCATION)
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    token = server.api.new_token()
    proxy.lose_reply("EXEC")
    assert server.api.post_wallet(token, 1).status == 200
    assert scrape(server.port)("outcomes_read_back_total") == 1


def test_all_workers_add_to_the_same_numbers(make_server):
    server = make_server(server=LOCATION, workers=4).start()
    token = server.api.new_token()
    together([lambda: [server.api.get_wallet(token) for _ in range(25)]] * 8)
    awaited(server.port, lambda m: m("requests_count", endpoint="wallet", method="GET") == 200
            and m("responses_total", endpoint="wallet", status="404") == 200)


def test_counters_survive_reloads_and_dead_workers(counted):
    token = counted.api.new_token()
    expected = 0
    for step in (counted.nginx.reload, counted.nginx.kill_worker, counted.nginx.reload):
        for _ in range(10):
            assert counted.api.get_wallet(token).status == 404
        expected += 10
        step()
        awaited(counted.port, lambda m: m("requests_count", endpoint="wallet", method="GET") == expected)


def test_counters_survive_a_reload_that_changes_the_number_of_workers(counted):
    counted.api.get_wallet("unknown")
    counted.nginx.workers = 3
    counted.nginx.reload()
    counted.api.get_wallet("unknown")
    awaited(counted.port, lambda m: m("requests_count", endpoint="wallet", method="GET") == 2
            and m("error_count", error_type="unauthorized") == 2)


@pytest.fixture
def hashing(make_server):
    """A server with one slow thread a worker, and a way to fill its queue."""
    server = make_server(server=LOCATION, http="wallet_sync_thread_pool threads=1 max_queue=64;", workers=1).start()
    email = server.api.new_account()

    def fill(count=12):
        return [Background(lambda n=n: server.api.auth(email, device=str(n))) for n in range(count)]

    return server, fill


def test_the_gauge_of_password_hashes_rises_and_falls_to_zero(hashing):
    server, fill = hashing
    jobs = fill()
    awaited(server.port, lambda m: 2 <= m("kdf_tasks") <= 12)
    assert {job.wait().status for job in jobs} == {200}
    awaited(server.port, lambda m: m("kdf_tasks") == 0)


def test_hashes_of_old_workers_stay_in_the_gauge_while_they_finish(hashing):
    server, fill = hashing
    jobs = fill(30)
    awaited(server.port, lambda m: m("kdf_tasks") >= 20)
    server.nginx.reload(wait_for_old=False)
    awaited(server.port, lambda m: 1 <= m("kdf_tasks") < 30)
    assert {job.wait().status for job in jobs} == {200}
    awaited(server.port, lambda m: m("kdf_tasks") == 0)


def test_the_share_of_a_killed_worker_is_gone_from_the_gauge(hashing):
    server, fill = hashing
    jobs = fill(40)
    awaited(server.port, lambda m: m("kdf_tasks") >= 20)
    server.nginx.kill_worker()
    for job in jobs:
        with contextlib.suppress(OSError):  # one may have been answered a moment before
            job.wait()
    assert scrape(server.port)("kdf_tasks") == 0


def test_a_worker_killed_while_it_quits_leaves_nothing_in_the_gauge(hashing):
    server, fill = hashing
    jobs = fill(40)
    awaited(server.port, lambda m: m("kdf_tasks") >= 30)
    old = server.nginx.reload(wait_for_old=False)
    server.nginx.expect(r"worker process \d+ exited on signal 9")
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    server.nginx.wait_gone(old)
    for job in jobs:
        with pytest.raises(OSError):
            job.wait()
    awaited(server.port, lambda m: m("kdf_tasks") == 0)


def test_a_full_queue_of_hashes_is_counted_as_its_own_error(make_server):
    server = make_server(server=LOCATION, http="wallet_sync_thread_pool threads=1 max_queue=1;", workers=1).start()
    replies = together([lambda: server.api.signup(new_email())] * 12)
    refused = sum(reply.status == 503 for reply in replies)
    assert refused
    metrics = awaited(server.port, lambda m: m("responses_total", endpoint="signup", status="503") == refused)
    assert metrics("error_count", error_type="password_hashing") == refused
    assert metrics.sum("store_errors_total") == 0


def durations(metrics, name, **labels):
    """The classes of a histogram: cumulative, as Prometheus wants them."""
    found = [metrics(name + "_bucket", le=bound, **labels) for bound in BOUNDS]
    assert found == sorted(found) and found[-1] == metrics(name + "_count", **labels)
    return found


def test_each_request_falls_into_a_class_of_its_duration(counted):
    api = counted.api
    token = api.new_token()
    for _ in range(5):
        api.get_wallet(token)
    metrics = awaited(counted.port, lambda m: m.sum("responses_total") >= 7)
    assert durations(metrics, "request_duration_seconds", endpoint="wallet")[-1] == 5
    logins = durations(metrics, "request_duration_seconds", endpoint="auth")
    assert logins[-1] == 1 and logins[BOUNDS.index("0.01")] == 0, "a hash takes longer"
    assert metrics("request_duration_seconds_sum", endpoint="auth") > 0.01
    assert durations(metrics, "kdf_duration_seconds")[-1] == 2
    assert metrics("kdf_duration_seconds_sum") > 0.02


def test_a_slow_redis_shows_in_its_trips_and_in_the_requests(make_server, proxy_of):
    server = make_server(server=LOCATION, workers=1)
    server.redis.start()
    proxy = proxy_of(server.redis)
    server.nginx.http = server.nginx.http.replace(server.redis.unix_address, proxy.address)
    server.start()
    token = server.api.new_token()
    before = scrape(server.port)
    hold = proxy.hold("HMGET")
    job = Background(lambda: server.api.get_wallet(token))
    hold.wait()
    seen = time.monotonic()
    until(lambda: time.monotonic() - seen > 0.15, "it has taken its time")
    hold.release()
    assert job.wait().status == 404
    metrics = awaited(server.port, lambda m: m("responses_total", endpoint="wallet", status="404") == 1)
    assert durations(metrics, "request_duration_seconds", endpoint="wallet")[BOUNDS.index("0.1")] == 0
    assert metrics("redis_trip_duration_seconds_sum") - before("redis_trip_duration_seconds_sum") > 0.1


def test_changes_that_share_a_transaction_are_counted_together(make_server):
    server = make_server(server=LOCATION, workers=1, redis_options="lanes=1").start()
    tokens = [server.api.new_token() for _ in range(8)]
    before = scrape(server.port)
    together([lambda token=token: [server.api.post_wallet(token, n + 1) for n in range(10)] for token in tokens])
    metrics = awaited(server.port, lambda m: m("responses_total", endpoint="wallet", status="200") == 80)
    assert metrics("batch_changes_sum") - before("batch_changes_sum") == 80
    assert metrics("batch_changes_count") - before("batch_changes_count") < 80
    assert metrics("batch_changes_bucket", le="1") < metrics("batch_changes_bucket", le="+Inf")
    assert metrics("batch_changes_bucket", le="64") == metrics("batch_changes_bucket", le="+Inf") == metrics("batch_changes_count")


def test_the_state_of_the_connections_is_told(counted):
    api = counted.api
    token = api.new_token()
    api.get_wallet(token)
    metrics = awaited(counted.port, lambda m: (m("redis_connections", use="reads"), m("redis_connections", use="changes")) == (4, 4))
    assert (metrics("workers"), metrics("redis_unreachable"), metrics("redis_connections", use="events")) == (2, 0, 0)
    assert metrics("kdf_tasks_limit") == 2 * 34
    counted.redis.kill()
    awaited(counted.port, lambda m: m("redis_unreachable") == 2 and m.sum("redis_connections") == 0)
    counted.redis.start()
    awaited(counted.port, lambda m: m("redis_unreachable") == 0 and m.sum("redis_connections") == 8)


def test_what_waits_for_redis_is_told(make_server):
    server = make_server(server=LOCATION, workers=1, redis_options="timeout=20s lanes=1").start()
    tokens = [server.api.new_token() for _ in range(3)]
    server.redis.freeze()
    jobs = [Background(lambda token=tokens[0]: server.api.post_wallet(token, 1))]
    awaited(server.port, lambda m: m("redis_changes_in_flight") == 1)
    jobs += [Background(lambda token=token: server.api.post_wallet(token, 1)) for token in tokens[1:]]
    awaited(server.port, lambda m: m("redis_waiting", use="changes") == 2)
    server.redis.thaw()
    assert [job.wait().status for job in jobs] == [200] * 3
    awaited(server.port, lambda m: m.sum("redis_waiting") == m("redis_changes_in_flight") == 0)


def test_websockets_and_what_they_are_told_are_counted(counted):
    email = counted.api.new_account()
    token = counted.api.login(email)
    device = Device(counted.port, token)
    try:
        assert counted.api.post_wallet(token, 1).status == 200
        metrics = awaited(counted.port, lambda m: m("websocket_updates_total") == 1)
        assert (metrics("websockets_opened_total"), metrics("events_total", event="update")) == (1, 1)
        awaited(counted.port, lambda m: m("websockets") == m("redis_connections", use="events") == 1)
        counted.redis.restart()
        awaited(counted.port, lambda m: m("event_gaps_total") == 1)
    finally:
        device.close()
    awaited(counted.port, lambda m: m("websockets") == 0)


def test_metrics_work_where_nothing_is_served(tmp_path):
    nginx = Nginx(str(tmp_path), server=LOCATION, location="return 204;")
    nginx.start()
    try:
        assert_lint_clean(Http(nginx.port).get("/metrics").body)
        nginx.reload()
        assert scrape(nginx.port).sum("requests_count") == 0
    finally:
        nginx.quit()


def test_counting_goes_on_from_zero_for_a_location_added_by_a_reload(tmp_path):
    nginx = Nginx(str(tmp_path / "nginx"), server=LOCATION, location="return 204;")
    nginx.start()
    redis = Redis(str(tmp_path / "redis"))
    try:
        redis.start()
        nginx.http, nginx.location = f"wallet_sync_redis {redis.unix_address};", "wallet_sync;"
        nginx.reload()
        Http(nginx.port).get("/wallet")
        awaited(nginx.port, lambda m: m("requests_count", endpoint="wallet", method="GET") == 1)
    finally:
        nginx.quit()
        redis.kill()


@pytest.mark.parametrize("location", ["wallet_sync; wallet_sync_metrics;", "wallet_sync_metrics; wallet_sync;"])
def test_one_location_does_not_do_both(tmp_path, location):
    fine, text = Nginx(str(tmp_path), http="wallet_sync_redis 127.0.0.1:1;", location=location).test()
    assert not fine
    assert re.search(r"\[emerg\].*wallet_sync.* needs a location without", text), text


@pytest.mark.parametrize("location, words", [("wallet_sync_metrics on;", "number of arguments"),
                                             ("wallet_sync_metrics; wallet_sync_metrics;", "duplicate")])
def test_the_directive_stands_once_and_takes_no_argument(tmp_path, location, words):
    fine, text = Nginx(str(tmp_path), location=location).test()
    assert not fine
    assert re.search(rf"\[emerg\].*{words}", text), text


def test_the_directive_belongs_into_a_location(tmp_path):
    fine, text = Nginx(str(tmp_path), server="wallet_sync_metrics;", location="return 204;").test()
    assert not fine
    assert re.search(r"\[emerg\].*wallet_sync_metrics.*not allowed here", text), text
