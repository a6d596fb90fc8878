"""The README says what the module is: its directives, its metrics, a configuration that works as printed."""

import os
import re
import subprocess

import pytest

from support.api import Http
from support.nginx import Nginx
from support.ports import free_port
from support.settings import MODULE

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTEXTS = {"NGX_HTTP_MAIN_CONF": "http", "NGX_HTTP_SRV_CONF": "server", "NGX_HTTP_LOC_CONF": "location"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


README = read("README.md")


def section(heading):
    """What stands below a heading, up to the next one of its level or of a higher one."""
    level = len(heading.split()[0])
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", README, re.MULTILINE | re.DOTALL)
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
    return {name: section(f"#### {name}") for name in re.findall(r"^#### (wallet_sync\w*)$", section("## Directives"), re.MULTILINE)}


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


def metric_rows():
    """{name: (type, rest of the row)}"""
    found = re.findall(r"^\| `(wallet_sync_\w+)` \| (\w+)[^|]* \| (.*)\|$", DOCUMENTED["wallet_sync_metrics"], re.MULTILINE)
    return {name: (kind, rest) for name, kind, rest in found}


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
])
def test_the_documented_values_of_a_metrics_label_are_those_there(metrics, label, place):
    found = re.search(place, DOCUMENTED["wallet_sync_metrics"], re.MULTILINE | re.DOTALL)[0]
    if label == "error_type":
        found = "".join(line.split(" | ")[0] for line in found.splitlines())
    else:
        found = re.split(rf"`{label}`", found, maxsplit=1)[1].split("\n|")[0]
    assert set(codes(found)) == set(re.findall(rf'[{{,]{label}="([^"]*)"', metrics)) != set()


@pytest.fixture
def printed_configuration(tmp_path):
    """The complete nginx.conf as printed, with nothing changed but where files are and which port it is."""
    text, = re.findall(r"^```nginx\n(.*?)^```$", section("### A complete nginx.conf"), re.MULTILINE | re.DOTALL)
    key, certificate = tmp_path / "sync.key", tmp_path / "sync.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=sync.example.com",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    changes = {r"^load_module .*;": f"load_module {MODULE};" if MODULE else "", r"^user .*;": "",
               r"(?<=listen )443": f"127.0.0.1:{free_port()}", r"/etc/ssl/\S+\.crt": str(certificate),
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


def anchors():
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        assert os.path.exists(os.path.join(ROOT, path)) if path else anchor in anchors(), link
