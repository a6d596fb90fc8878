"""The page for people that ./run serves, in a real browser. With WALLET_SYNC_PICTURES=DIR it leaves pictures there."""

import os
import pathlib
import shutil
import signal
import subprocess
import urllib.parse

import pytest

from support.api import Http
from support.browser import Chromium, contrast
from support.ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
if not shutil.which("chromium"):
    pytest.skip("this machine has no chromium", allow_module_level=True)


class Site:
    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        self._run("--detach", "--port", str(self.port), "--workers", "2")

    def _run(self, *options):
        subprocess.run([ROOT / "run", "--dir", self.directory, *options], check=True, stdin=subprocess.DEVNULL, timeout=900)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def reload(self):
        os.kill(int((self.directory / "nginx.pid").read_text()), signal.SIGHUP)

    def stop(self):
        self._run("--stop")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)  # as root's home: no place where the workers' user can look
    site = Site(closed / "state")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Chromium(str(tmp_path_factory.mktemp("chromium")))
    yield browser
    browser.close()


@pytest.fixture
def page(chromium, site):
    """The browser, with no complaint and no request to anywhere else while the test runs."""
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.open(site.url + "?fast")
    yield chromium
    assert not chromium.complaints
    hosts = {urllib.parse.urlsplit(url).netloc for url in chromium.requests if not url.startswith("data:")}
    assert hosts == {urllib.parse.urlsplit(site.url).netloc}


def picture(page, name):
    folder = os.environ.get("WALLET_SYNC_PICTURES")
    if folder:
        page.picture(os.path.join(folder, name + ".png"))


def press(page, device, what):
    """Clicks, and waits until it is done."""
    page.run(f"document.querySelector('#{device} [data-do={what}]').click()")
    page.wait(f"!document.querySelector('#{device}').hasAttribute('aria-busy')")


def says(page, device):
    return page.run(f"document.querySelector('#{device} .says').textContent")


def wallet(page, device):
    return page.run(f"document.querySelector('#{device} textarea').value")


def write(page, device, text):
    page.run(f"document.querySelector('#{device} textarea').value = {text!r}")


def requests_of(page, device):
    return page.run(f"[...document.querySelectorAll('#{device} li')].map((each) => each.innerText.split('\\n')[0]).reverse()")


def two_devices(page):
    press(page, "phone", "signup")
    press(page, "laptop", "login")
    page.wait("document.querySelectorAll('.listening').length === 2")


def test_the_story_is_told_to_its_end(page):
    page.run("document.querySelector('#story').click()")
    page.wait("document.body.dataset.story === 'told' && !document.querySelector('#story').disabled")
    assert sorted(wallet(page, "phone").split("\n")) == ["books 20", "food 30", "rent 700"]
    assert wallet(page, "phone") == wallet(page, "laptop")
    laptop, phone = requests_of(page, "laptop"), requests_of(page, "phone")
    assert "POST /api/3/signup 201" in phone and "websocket: wallet-update:3" in phone
    wallets = [line for line in laptop if "/api/3/wallet" in line]
    refused = wallets.index("POST /api/3/wallet 409")
    assert wallets[refused + 1:refused + 3] == ["GET /api/3/wallet 200", "POST /api/3/wallet 200"], laptop
    seen = page.run("[...document.querySelectorAll('pre')].map((each) => each.textContent).join()")
    assert "encryptedWallet" in seen and "books" not in seen and "correct horse" not in seen
    picture(page, "story")


def test_two_devices_by_hand_and_a_password_that_changes(page):
    two_devices(page)
    write(page, "phone", "rent")
    press(page, "phone", "save")
    assert says(page, "phone") == "saved as 1"
    page.wait("document.querySelector('#laptop textarea').value === 'rent'")
    write(page, "laptop", "rent\nnot saved yet")
    write(page, "phone", "rent\nfood")
    press(page, "phone", "save")
    page.wait("document.querySelector('#laptop textarea').value === 'rent\\nfood\\nnot saved yet'")
    press(page, "laptop", "password")
    assert says(page, "laptop") == "new password; all other devices are logged out"
    page.wait("document.querySelector('#phone .says').textContent === 'logged out: the password was changed'")
    assert page.run("document.querySelector('#phone textarea').disabled")
    assert wallet(page, "laptop") == "rent\nfood\nnot saved yet"
    press(page, "phone", "login")
    assert wallet(page, "phone") == "rent\nfood"
    press(page, "laptop", "save")
    page.wait("document.querySelector('#phone textarea').value.endsWith('not saved yet')")


def test_the_websockets_come_back_after_a_reload(page, site):
    two_devices(page)
    opened = "[...document.querySelectorAll('#laptop .event')].filter((each) => each.textContent === 'websocket opened').length"
    assert page.run(opened) == 1
    site.reload()
    page.wait(f"{opened} === 2")
    write(page, "phone", "after the reload")
    press(page, "phone", "save")
    page.wait("document.querySelector('#laptop textarea').value === 'after the reload'")


def test_what_the_server_refuses_is_said_in_its_words(page):
    press(page, "laptop", "login")
    assert says(page, "laptop") == "Not Found: No match for email"
    press(page, "phone", "signup")
    press(page, "laptop", "signup")
    assert says(page, "laptop") == "Conflict: Error registering"
    assert page.run("document.querySelector('#laptop').classList.contains('trouble')")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("wide", [1280, 360])
def test_it_is_readable_on_every_screen(page, site, wide, dark):
    page.open(site.url + "?fast", wide, 800, dark)
    press(page, "phone", "signup")
    page.run("document.querySelector('#phone details').open = true")
    assert page.run("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth")
    picture(page, f"{wide}-{'dark' if dark else 'light'}")
    colors = page.run("""[...document.querySelectorAll('h1, p, label, button:not(:disabled), .says, .status, .event, pre, span')]
        .filter((each) => each.innerText?.trim()).map((each) => {
            let behind = each;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [each.innerText, getComputedStyle(each).color, getComputedStyle(behind).backgroundColor];
        })""")
    assert len(colors) > 15
    for text, color, behind in colors:
        assert contrast(color, behind) >= 4.5, (text, color, behind)
    assert (contrast(colors[0][2], "rgb(0, 0, 0)") < 2) is dark


def test_everything_that_can_be_operated_has_a_name(page):
    press(page, "phone", "signup")
    names = page.names()
    assert ("textbox", "Address") in names and ("button", "Show me") in names
    assert ("textbox", "Wallet of the laptop, an entry on each line") in names
    assert all(name for _, name in names), names


def test_only_the_pages_own_paths_are_taken_from_the_api(site):
    http = Http(site.port)
    for path, kind in (("/", "text/html"), ("/index.html", "text/html"), ("/page.css", "text/css"),
                       ("/page.mjs", "text/javascript"), ("/wallet_sync.mjs", "text/javascript")):
        reply = http.get(path)
        assert (reply.status, reply.header("Content-Type")) == (200, kind), path
        assert "default-src 'none'" in reply.header("Content-Security-Policy")
    for path in ("/page", "/page.css/", "/api/3/index.html", "/README.md"):
        assert http.get(path).status == 404
    assert http.get("/wallet").json == {"error": "Bad Request: Missing token parameter"}
    assert http.post("/", "{}").json == {"error": "Method Not Allowed"}
