"""Fixtures: one shared server for what concerns single accounts, servers of their own for what breaks things."""

import signal

import pytest

from support.proxy import FaultProxy
from support.recorder import Recorder
from support.server import Server


def pytest_configure():
    # A run that is ended from outside ends its servers too.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Open accounts, two workers; every test makes accounts of its own."""
    server = Server(str(tmp_path_factory.mktemp("shared"))).start()
    yield server
    server.stop()


@pytest.fixture
def api(server):
    return server.api


@pytest.fixture(scope="module")
def token(server):
    """A token of an account that no test of the module writes to."""
    return server.api.new_token()


@pytest.fixture
def make_server(tmp_path, proxy_of):
    """make_server(...) prepares a Server of the test's own; all are ended and their logs read afterwards.

    Before the proxies are: a write that is not quite done would be waited for otherwise."""
    made = []

    def make(**options):
        made.append(Server(str(tmp_path / f"server-{len(made)}"), **options))
        return made[-1]

    yield make
    failures = []
    for server in reversed(made):
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def own_server(make_server):
    """A server for one test that may break it."""
    return make_server().start()


@pytest.fixture
def proxy_of(request):
    """proxy_of(redis) is a middleman in front of a Redis."""

    def make(redis):
        proxy = FaultProxy(redis.unix_address)
        request.addfinalizer(proxy.close)
        return proxy

    return make


@pytest.fixture
def recorder(request):
    """A server that remembers the requests it gets."""
    recorder = Recorder()
    request.addfinalizer(recorder.close)
    return recorder
