"""docs/alerts.yml and docs/dashboard.json: rules that fire when they should, and queries that a real Prometheus answers."""

import json
import pathlib
import re
import subprocess
import urllib.parse

import pytest

from support.api import Http
from support.ports import free_port
from support.server import Server
from support.wait import until
from support.websocket import Device

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
ALERTS = DOCS / "alerts.yml"
DASHBOARD = json.loads((DOCS / "dashboard.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
NAMES = re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8"))

RISES, STANDS = "0+1x60", "7x60"
SAME = {"job": "wallet-sync", "instance": "sync"}


def error(kind):
    return "wallet_sync_error_count", {"error_type": kind}


def store(kind):
    return "wallet_sync_store_errors_total", {"kind": kind}


def slow(name, **labels):
    """Every observation is above ten seconds."""
    return [((f"{name}_bucket", {**labels, "le": bound}), values) for bound, values in (("1", STANDS), ("10", STANDS), ("+Inf", "0+10x60"))]


def fast(name, **labels):
    return [((f"{name}_bucket", {**labels, "le": bound}), "0+10x60") for bound in ("0.1", "1", "+Inf")]


def reply(status):
    return "wallet_sync_responses_total", {"endpoint": "wallet", "status": status}


# alert: (series after whose half hour it fires, series after which it does not)
CASES = {
    "WalletSyncDown": ([(("up", {}), "0x60")], [(("up", {}), "1x60")]),
    "WalletSyncRedisUnreachable": ([(("wallet_sync_redis_unreachable", {}), "2x60")], [(("wallet_sync_redis_unreachable", {}), "0x60")]),
    "WalletSyncWritesRefused": ([(store("refused"), RISES)], [(store("refused"), STANDS)]),
    "WalletSyncOutcomeUnknown": ([(store("unreplicated"), RISES)], [(store("unknown"), STANDS), (store("contended"), RISES)]),
    "WalletSyncInternalError": ([(error("internal"), RISES)], [(error("internal"), STANDS), (error("conflict"), RISES)]),
    "WalletSyncMailFails": ([(error("mail"), RISES)], [(error("mail"), STANDS)]),
    "WalletSyncUnavailable": ([(reply("503"), RISES), (reply("200"), RISES)], [(reply("503"), RISES), (reply("200"), "0+200x60")]),
    "WalletSyncOverloaded": ([(store("overloaded"), RISES)], [(store("overloaded"), STANDS)]),
    "WalletSyncPasswordsRefused": ([(error("password_hashing"), RISES)], [(error("password_hashing"), STANDS)]),
    "WalletSyncSlow": (slow("wallet_sync_request_duration_seconds", endpoint="wallet"),
                       fast("wallet_sync_request_duration_seconds", endpoint="wallet")
                       + slow("wallet_sync_request_duration_seconds", endpoint="auth")),
    "WalletSyncRedisSlow": (slow("wallet_sync_redis_trip_duration_seconds"), fast("wallet_sync_redis_trip_duration_seconds")),
    "WalletSyncRedisFlaps": ([(("wallet_sync_redis_connections_lost_total", {}), "0+10x60")],
                             [(("wallet_sync_redis_connections_lost_total", {}), RISES)]),
    "WalletSyncSentinelsMissing": ([(("wallet_sync_sentinels", {}), "6x60"), (("wallet_sync_sentinels_connected", {}), "4x60")],
                                   [(("wallet_sync_sentinels", {}), "6x60"), (("wallet_sync_sentinels_connected", {}), "6x60")]),
    "WalletSyncMasterChanged": ([(("wallet_sync_sentinel_switches_total", {}), RISES)], [(("wallet_sync_sentinel_switches_total", {}), STANDS)]),
    "WalletSyncPasswordGuessing": ([(error("too_many_logins"), "0+120x60")], [(error("too_many_logins"), RISES)]),
}


def promtool(*words):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_promtool_finds_the_rules_fine():
    status, said = promtool("check", "rules", str(ALERTS))
    assert (status, f"SUCCESS: {len(NAMES)} rules found" in said) == (0, True), said


def test_every_alert_has_its_case():
    assert sorted(CASES) == sorted(NAMES)


def fires(tmp_path, name, series):
    """Whether promtool finds that alert, and no other labels than those of a machine, at the half hour."""
    def text(metric, labels):
        return metric + "{" + ",".join(f'{key}="{value}"' for key, value in {**SAME, **labels}.items()) + "}"

    rows = [{"series": text(*metric), "values": values} for metric, values in series]
    tests = tmp_path / "tests.yml"  # JSON is YAML
    tests.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": rows, "alert_rule_test": [{"eval_time": "30m", "alertname": name, "exp_alerts": []}]}]}))
    status, said = promtool("test", "rules", str(tests))
    assert (status == 0) == ("SUCCESS" in said), said
    if status:
        got = said.partition("got:")[2]
        assert f'alertname="{name}"' in got and 'instance="sync"' in got, said
    return status != 0


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_alert_fires_when_it_should_and_not_otherwise(tmp_path, name):
    bad, good = CASES[name]
    assert fires(tmp_path, name, bad)
    assert not fires(tmp_path, name, good)


def test_the_dashboard_has_a_panel_once_each_and_a_query_for_each():
    everything = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len(everything) == len(PANELS) > 10
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["targets"] for panel in everything)
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A server that has served something, and a Prometheus that has scraped it for a while: ask(query) gives its results."""
    directory = tmp_path_factory.mktemp("watched")
    server = Server(str(directory / "server"), server="location = /metrics { wallet_sync_metrics; }").start()
    port = free_port()
    config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(ALERTS)],
              "scrape_configs": [{"job_name": "wallet-sync", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}]}
    (directory / "prometheus.yml").write_text(json.dumps(config))
    with open(directory / "prometheus.log", "wb") as log:
        process = subprocess.Popen(["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(query):
        answer = Http(port).get("/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        assert (answer.status, answer.json["status"]) == (200, "success"), (query, answer)
        return answer.json["data"]["result"]

    def serves():
        assert process.poll() is None, (directory / "prometheus.log").read_text()
        try:
            return Http(port).get("/-/ready").status == 200 and ask("up") != []
        except OSError:
            return False

    try:
        until(serves, "Prometheus has scraped", 60)
        token = server.api.new_token()
        device = Device(server.port, token)
        for sequence in range(1, 4):
            assert server.api.post_wallet(token, sequence).status == 200
            assert server.api.get_wallet(token).status == 200
        assert server.api.get_wallet("0" * 64).status == 401
        device.wait_told(3)
        device.close()
        until(lambda: ask('wallet_sync_responses_total{endpoint="wallet",status="401"} > 0'), "it has scraped what was done", 60)
        until(lambda: float(ask("count_over_time(wallet_sync_workers[1m])")[0]["value"][1]) > 5, "it has scraped some more", 60)
        yield ask, server
        server.stop()
    finally:
        server.nginx.kill()
        server.redis.kill()
        process.terminate()
        process.wait(30)


def test_every_metric_of_the_dashboard_and_of_the_alerts_is_there(watched):
    _, server = watched
    text = Http(server.port).get("/metrics").body.decode()
    shown = set(re.findall(r"^(wallet_sync_\w+)", text, re.MULTILINE))
    queries = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]
    asked = set(re.findall(r"wallet_sync_\w+", " ".join(queries) + ALERTS.read_text(encoding="utf-8")))
    assert len(asked) > 20
    assert not asked - shown
    described = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    parts = re.compile("_(bucket|sum|count)$")
    unwatched = described - asked - {parts.sub("", name) for name in asked}
    assert not unwatched, "metrics that neither the dashboard nor an alert shows"


def filled(expr):
    """As Grafana sends it: all jobs, all instances."""
    return expr.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")


@pytest.mark.parametrize("title", sorted(PANELS))
def test_prometheus_answers_the_queries_of_a_panel(watched, title):
    ask, _ = watched
    for target in PANELS[title]["targets"]:
        assert "$" not in filled(target["expr"])
        rows = ask(filled(target["expr"]))
        assert rows, f"nothing comes of {target['expr']}"
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert all(label in row["metric"] for row in rows), (label, rows)


def test_the_variables_of_the_dashboard_find_our_instances(watched):
    ask, server = watched
    wanted = [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    assert wanted
    for query in wanted:
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        assert {row["metric"][label] for row in ask(filled(metric))} <= {"wallet-sync", f"127.0.0.1:{server.port}"}


def test_no_alert_fires_where_all_is_well(watched):
    ask, _ = watched
    assert not ask('ALERTS{alertstate="firing"}')
