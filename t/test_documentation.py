"""README.md and docs/ say what the module is: its directives, its metrics, a configuration that works as printed, sessions
that go as shown."""

import os
import re
import ssl
import subprocess

import pytest

from support import raw
from support.api import Http
from support.bad_requests import BAD_REQUESTS, assert_json
from support.nginx import Nginx
from support.ports import free_port
from support.redis import Redis
from support.settings import MODULE
from support.wait import until

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTEXTS = {"NGX_HTTP_MAIN_CONF": "http", "NGX_HTTP_SRV_CONF": "server", "NGX_HTTP_LOC_CONF": "location"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


DIRECTIVES = read("docs", "directives.md")
OPERATIONS = read("docs", "operations.md")


def section(heading, text):
    """What stands below a heading, up to the next one of its level or of a higher one."""
    level = len(heading.split()[0])
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]


def rows(text, key):
    """The second cell of the table rows that begin with `key`."""
    cells = re.findall(rf"^\| {key} \| (.*) \|$", text, re.MULTILINE)
    return [cell.replace("\\|", "|") for cell in cells]


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


def command_table():
    """{directive: (contexts, how many arguments it takes)} of the module's C file."""
    source = re.sub(r"/\*.*?\*/", "", read("ngx_module", "ngx_http_wallet_sync_module.c"), flags=re.DOTALL)
    macros = dict(re.findall(r"^#define +(\w+) +(.+)$", source, re.MULTILINE))
    table = {}
    for name, flags in re.findall(r'\{ *ngx_string\("(\w+)"\),\s*([\w|\s]+),', source):
        words = {word for flag in flags.split("|") for word in macros.get(flag.strip(), flag.strip()).split("|")}
        table[name] = {CONTEXTS[word] for word in words & CONTEXTS.keys()}, words - CONTEXTS.keys()
    return table


def documented():
    return {name: section(f"## {name}", DIRECTIVES) for name in re.findall(r"^## (wallet_sync\w*)$", DIRECTIVES, re.MULTILINE)}


TABLE = command_table()
DOCUMENTED = documented()


def test_every_directive_is_documented_and_every_documented_one_is_there():
    assert read("ngx_module", "ngx_http_wallet_sync_module.c").count("ngx_string(") == len(TABLE) > 0
    assert set(DOCUMENTED) == set(TABLE)


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_a_directive_has_syntax_default_and_the_contexts_of_the_command_table(name):
    text = DOCUMENTED[name]
    for row in ("Syntax", "Default", "Context"):
        assert len(rows(text, row)) == 1, f"one row {row!r} for {name}"
    syntax, (default,), (context,) = codes(rows(text, "Syntax")[0]), rows(text, "Default"), rows(text, "Context")
    contexts, arguments = TABLE[name]
    assert set(codes(context)) == contexts
    assert syntax and all(re.match(rf"{name}[ ;]", line) for line in syntax if line.startswith("wallet_sync")), syntax
    assert all(line.endswith(";") for line in codes(default)), default
    if arguments == {"NGX_CONF_NOARGS"}:
        assert syntax == [f"{name};"]


@pytest.mark.parametrize("name", sorted(name for name in DOCUMENTED if codes(rows(DOCUMENTED[name], "Default")[0])))
def test_a_documented_default_may_be_written_down_in_every_context(tmp_path, name):
    line, = codes(rows(DOCUMENTED[name], "Default")[0])
    assert line.startswith(f"{name} ")
    for context in TABLE[name][0]:
        where = {context: line if context != "location" else f"wallet_sync; {line}"}
        fine, text = Nginx(str(tmp_path), **where).test()
        assert fine, text


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    nginx = Nginx(str(tmp_path_factory.mktemp("metrics")), location="wallet_sync_metrics;")
    nginx.start()
    try:
        yield Http(nginx.port).get("/").body.decode()
    finally:
        nginx.quit()


METRICS = section("## Metrics", OPERATIONS)


def metric_rows():
    """{name: (type, rest of the row)}"""
    found = re.findall(r"^\| (`wallet_sync_\w+`(?:, `wallet_sync_\w+`)*) \| (\w+)[^|]* \| (.*)\|$", METRICS, re.MULTILINE)
    return {name: (kind, rest) for names, kind, rest in found for name in codes(names)}


def test_every_metric_is_documented_and_every_documented_one_is_there(metrics):
    rendered = dict(re.findall(r"^# TYPE (\w+) (\w+)$", metrics, re.MULTILINE))
    assert len(rendered) > 5
    table = metric_rows()
    assert set(table) == set(rendered)
    for name, kind in rendered.items():
        assert table[name][0] == ("counter" if kind == "untyped" else kind), name


@pytest.mark.parametrize("label, place", [
    ("endpoint", r"^`endpoint` is (.*?)\."), ("method", r"^\| `wallet_sync_requests_count` .*? and (`method`.*)$"),
    ("kind", r"^\| `wallet_sync_store_errors_total` .*?(`kind`.*)$"), ("error_type", r"^\| error_type \|.*?\n\n"),
    ("event", r"^\| `wallet_sync_events_total` .*?(`event`.*)$"),
])
def test_the_documented_values_of_a_metrics_label_are_those_there(metrics, label, place):
    found = re.search(place, METRICS, re.MULTILINE | re.DOTALL)[0]
    if label == "error_type":
        found = "".join(line.split(" | ")[0] for line in found.splitlines())
    else:
        found = re.split(rf"`{label}`", found, maxsplit=1)[1].split("\n|")[0]
    assert set(codes(found)) == set(re.findall(rf'[{{,]{label}="([^"]*)"', metrics)) != set()


BALANCER = "127.0.0.9"


@pytest.fixture
def printed_configuration(tmp_path):
    """docs/nginx.conf, with nothing changed but where files are, which port it is, and who a load balancer is."""
    text = read("docs", "nginx.conf")
    key, certificate = tmp_path / "sync.key", tmp_path / "sync.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=sync.example.com",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    changes = {r"^load_module .*;": f"load_module {MODULE};" if MODULE else "", r"^user .*;": "",
               r"(?<=listen )443": f"127.0.0.1:{free_port()}", r"^ *listen \[::\]:443 .*;\n": "",
               r"192\.0\.2\.10": BALANCER, r"/etc/ssl/\S+\.crt": str(certificate),
               r"/etc/ssl/\S+\.key": str(key), r"(/run|/var/log/nginx)(?=/[\w.]+( |;))": str(tmp_path)}
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, f"nothing like {pattern}"
    temps = "".join(f"{name}_temp_path {tmp_path / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return text.replace("http {", "http { " + temps, 1)


def test_the_complete_configuration_is_accepted_as_printed(tmp_path, printed_configuration):
    nginx = Nginx(str(tmp_path))
    nginx.config = lambda: printed_configuration
    fine, text = nginx.test()
    assert fine, text
    assert "wallet_sync" not in text, "a warning about our own directives"


@pytest.fixture
def printed_server(tmp_path, printed_configuration):
    """nginx with that configuration, a Redis behind it, and a client's TLS context."""
    redis = Redis(str(tmp_path / "redis"))
    text, count = re.subn(r"unix:/run/wallet-sync/redis.sock", redis.unix_address, printed_configuration)
    assert count == 1
    nginx = Nginx(str(tmp_path), workers=os.cpu_count())
    user = "user root;" if os.geteuid() == 0 else ""
    nginx.config = lambda: f"daemon off; {user}\n{text}"
    nginx.port = int(re.search(r"listen 127.0.0.1:(\d+)", text)[1])
    redis.start()
    try:
        nginx.start()
        yield nginx
        nginx.quit()
    finally:
        nginx.kill()
        redis.kill()


def tls_context(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def over_tls(nginx, data, context=None, source="127.0.0.1"):
    with raw.RawConnection(nginx.port, source=source) as link:
        link._socket = (context or tls_context()).wrap_socket(link._socket, server_hostname="sync.example.com")
        link.send_while_open([data])
        return link._socket.version(), link.read()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_complete_configuration_speaks_the_tls_of_today(printed_server, version):
    context = tls_context(ssl.TLSVersion[version])
    spoken, reply = over_tls(printed_server, raw.request("GET", "/wallet?token=" + "0" * 64), context)
    assert (spoken, reply.status) == (version.replace("_", "."), 401)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_the_complete_configuration_speaks_no_tls_of_yesterday(printed_server):
    context = tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        over_tls(printed_server, b"", context)


def test_in_the_complete_configuration_the_errors_of_nginx_are_json_too(printed_server):
    for name, (data, status, error) in BAD_REQUESTS.items():
        print(name)  # of the one that fails
        assert_json(over_tls(printed_server, data)[1], status, error)
    plain = raw.exchange(printed_server.port, raw.request("GET", "/wallet"))
    assert_json(plain, 400, "Bad Request")
    assert_json(over_tls(printed_server, raw.request("GET", "/metrics"), source="127.0.0.2")[1], 403, "Forbidden")
    assert over_tls(printed_server, raw.request("GET", "/metrics"))[1].status == 200


@pytest.mark.parametrize("path, burst", [("/nothing", 40), ("/api/3/signup", 10)])
def test_in_the_complete_configuration_who_asks_too_often_is_told_so_in_json(printed_server, path, burst):
    replies = [over_tls(printed_server, raw.request("GET", path))[1] for _ in range(3 * burst)]
    assert replies[0].status in (404, 405)
    assert_json(next(reply for reply in replies if reply.status == 429), 429, "Too Many Requests")


def test_every_variable_is_documented_and_every_documented_one_is_there():
    documented_ones = re.findall(r"^\| `\$(wallet_sync_\w+)` \|", section("## The access log", OPERATIONS), re.MULTILINE)
    assert documented_ones == re.findall(r'Variable\{"(wallet_sync_\w+)"', read("ngx_module", "variables.cpp")) != []


def test_the_documented_log_format_is_that_of_the_configuration():
    shown, = re.findall(r"^```nginx\n(log_format .*?;)\n```$", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert " ".join(shown.split()) in " ".join(read("docs", "nginx.conf").split())


def over_http2(nginx, path, *options, source="127.0.0.1"):
    """(version of HTTP, status, header, body) by curl."""
    done = subprocess.run(["curl", "-sSk", "--http2", "--max-time", "20", "--interface", source, "-D-", "-w", "\n%{http_version}",
                           "--resolve", f"sync.example.com:{nginx.port}:127.0.0.1", *options,
                           f"https://sync.example.com:{nginx.port}{path}"], capture_output=True, text=True, check=True, timeout=60)
    head, _, rest = done.stdout.partition("\n\n")
    body, version = rest.rsplit("\n", 1)
    lines = head.splitlines()
    header = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return version, int(lines[0].split()[1]), header, body


ORIGIN = "https://wallet.example.com"


def test_the_complete_configuration_speaks_http2(printed_server):
    version, status, header, body = over_http2(printed_server, "/api/3/wallet?token=" + "0" * 64)
    assert (version, status, body) == ("2", 401, '{"error":"Unauthorized: Token Not Found"}')
    assert header["strict-transport-security"]


def test_the_complete_configuration_lets_pages_of_the_named_origin_in(printed_server):
    ask = ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST"]
    for path in ("/api/3/wallet", "/api/3/auth/full", "/wallet"):
        _, status, header, body = over_http2(printed_server, path, *ask, "-H", "Origin: " + ORIGIN)
        assert (status, body, header["access-control-allow-origin"]) == (204, "", ORIGIN)
        assert "POST" in header["access-control-allow-methods"] and "Authorization" in header["access-control-allow-headers"]
    _, status, header, _ = over_http2(printed_server, "/api/3/wallet", "-H", "Origin: " + ORIGIN)
    assert (status, header["access-control-allow-origin"], header["vary"]) == (400, ORIGIN, "Origin")
    _, status, header, _ = over_http2(printed_server, "/metrics", "-H", "Origin: " + ORIGIN, source="127.0.0.2")
    assert (status, header["access-control-allow-origin"]) == (403, ORIGIN), "a page can read what nginx answers, too"


@pytest.mark.parametrize("origin", ["https://evil.example.com", ORIGIN + ".evil.example", "null"])
def test_the_complete_configuration_lets_no_other_pages_in(printed_server, origin):
    for options in (["-X", "OPTIONS", "-H", "Access-Control-Request-Method: POST"], []):
        _, status, header, _ = over_http2(printed_server, "/api/3/wallet", *options, "-H", "Origin: " + origin)
        assert "access-control-allow-origin" not in header
        assert status == (405 if options else 400)


def test_in_the_complete_configuration_health_is_for_those_who_watch(printed_server):
    def asked(source):
        return over_http2(printed_server, "/health", source=source)[1:]

    until(lambda: asked("127.0.0.1")[0] == 200, "it is ready")
    assert asked(BALANCER)[0] == 200
    status, _, body = asked("127.0.0.2")
    assert (status, body) == (403, '{"error":"Forbidden"}')


def test_in_the_complete_configuration_only_the_balancer_says_who_the_client_is(printed_server):
    forwarded = ["-H", "X-Forwarded-For: 198.51.100.7"]
    assert over_http2(printed_server, "/metrics", *forwarded, source=BALANCER)[1] == 403
    assert over_http2(printed_server, "/metrics", *forwarded)[1] == 200, "from nobody else it counts"
    over_http2(printed_server, "/wallet", *forwarded, source=BALANCER)

    def line_of_log():
        with open(printed_server.path("access.log"), encoding="utf-8") as log:
            return re.search(r'.* "GET /wallet .*', log.read())

    line = until(line_of_log, "the line is written")[0]
    assert re.fullmatch(r'198\.51\.100\.7 \[\S+\] "GET /wallet HTTP/2\.0" 400 \d+ time=\d+\.\d{3} endpoint=wallet '
                        r"error=bad_request redis_time=- retries=-", line), line


DOCUMENTS = ["README.md", "SECURITY.md", "CONTRIBUTING.md", *("docs/" + name for name in sorted(os.listdir(os.path.join(ROOT, "docs")))
                                                          if name.endswith(".md"))]


def test_the_readme_leads_to_every_document():
    readme = read("README.md")
    for document in [*DOCUMENTS[1:], "docs/openapi.yaml", "docs/nginx.conf", "t/README.md"]:
        assert f"]({document})" in readme, document


def test_the_readme_is_short():
    assert len(read("README.md").splitlines()) < 150


INVARIANTS = re.findall(r"^\| ([^|]+) \| (`[^|]+) \|$", section("## What always holds", read("docs", "architecture.md")), re.MULTILINE)


@pytest.mark.parametrize("claim, tests", INVARIANTS, ids=[claim for claim, _ in INVARIANTS])
def test_a_test_that_is_named_for_an_invariant_is_there(claim, tests):
    assert len(INVARIANTS) > 10
    for test in codes(tests):
        path, _, name = test.partition("::")
        if name:
            assert re.search(rf"^def {name}\(", read(*path.split("/")), re.MULTILINE), test
        else:
            assert path == "./test lint", claim


def test_the_documented_keys_are_those_of_the_keyspace():
    table = section("## Keys in Redis", read("docs", "architecture.md"))
    names = {name for cell in re.findall(r"^\| (`wsync[^|]*) \|", table, re.MULTILINE) for name in codes(cell)}
    suffixes = set(re.findall(r'"\}?:([a-z-]+)"', read("redis", "keyspace.hpp")))
    assert suffixes
    assert {name.rsplit(":", 1)[1] for name in names if not name.endswith("}")} == suffixes


def sessions():
    """What is typed in README.md and docs/http-api.md at a server of ./run: [(line, what it answers)]."""
    for name in ("README.md", "docs/http-api.md"):
        for block in re.findall(r"^```sh\n(.*?)^```$", read(*name.split("/")), re.MULTILINE | re.DOTALL):
            if block.startswith("url="):
                yield pytest.param(block, id=name)


@pytest.mark.parametrize("session", sessions())
def test_a_documented_session_goes_as_shown(make_server, session):
    """An answer stands behind its command; … is whatever it is, of a token that is to be pasted too."""
    server = make_server().start()
    url = f"http://127.0.0.1:{server.port}"
    script, expected = ['curl() { { command curl -sS --max-time 20 "$@"; echo; } | tee last; }'], []
    for line in session.replace("http://127.0.0.1:8090", url).splitlines():
        if answer := re.match(r"# (\{.*)|.*# answers the same", line):
            expected.append(answer[1] or expected[-1])
        if line.startswith("token=") and "…" in line:
            line = "token=$(grep -o '[0-9a-f]\\{64\\}' last)"
        script.append(line)
    done = subprocess.run(["bash", "-ec", "\n".join(script)], capture_output=True, text=True, check=False, timeout=60,
                          cwd=server.nginx.directory)
    answers = [line for line in done.stdout.splitlines() if line]
    assert len(answers) == len(expected) >= 5, done
    for answer, shown in zip(answers, expected):
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        pattern = re.sub(r'"expiration":"[^"]*"', '"expiration":"[^"]*"', pattern)
        assert re.fullmatch(pattern, answer), (answer, shown)


def anchors(text):
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    text = read(*document.split("/"))
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = os.path.join(ROOT, os.path.dirname(document), path) if path else os.path.join(ROOT, document)
        assert os.path.exists(target), link
        if anchor:
            with open(target, encoding="utf-8") as file:
                assert anchor in anchors(file.read()), link
