"""A headless Chromium, driven by its DevTools protocol."""

import base64
import json
import os
import re
import subprocess
import threading

import websockets

from support.api import Http
from support.settings import stretched
from support.wait import until
from support.websocket import _shared_loop


class Chromium:
    """One page. requests: the URLs it asked for; complaints: what it wrote to the console or did not catch."""

    def __init__(self, directory):
        self.requests, self.complaints, self._answers, self._number = [], [], {}, 0
        self._log = open(os.path.join(directory, "chromium.log"), "wb")
        # As root there is no sandbox, and a page may not reach anything but this machine.
        self._process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking",
             f"--user-data-dir={directory}", "--remote-debugging-port=0", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        port_file = os.path.join(directory, "DevToolsActivePort")
        until(lambda: os.path.exists(port_file) and os.path.getsize(port_file), "Chromium listens", 60)
        with open(port_file, encoding="utf-8") as file:
            port = int(file.readline())
        page = until(lambda: [each for each in Http(port, 60).get("/json/list").json if each["type"] == "page"], "a page")[0]
        self._loop = _shared_loop()
        self._link = self._loop.run(self._connect(page["webSocketDebuggerUrl"]), 60)
        self._reader = self._loop.submit(self._read())
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    async def _connect(uri):
        return await websockets.connect(uri, max_size=None, ping_interval=None)

    async def _read(self):
        async for text in self._link:
            message = json.loads(text)
            if "id" in message:
                answered, _ = self._answers[message["id"]]
                self._answers[message["id"]] = answered, message
                answered.set()
            else:
                self._note(message["method"], message["params"])

    def _note(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(params["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif method == "Log.entryAdded" and params["entry"]["source"] != "network":
            self.complaints.append(params["entry"])

    def call(self, method, **params):
        self._number += 1
        number, answered = self._number, threading.Event()
        self._answers[number] = answered, None
        self._loop.run(self._link.send(json.dumps({"id": number, "method": method, "params": params})))
        assert answered.wait(stretched(120)), f"no answer to {method}"
        _, message = self._answers.pop(number)
        assert "error" not in message, message
        return message["result"]

    def run(self, script):
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, condition, seconds=240):
        """Until the expression is true; the page's words explain a failure."""
        try:
            return until(lambda: self.run(condition), condition, seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; the page says: {self.run('document.body.innerText')}") from None

    def open(self, url, wide=1280, high=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && document.querySelectorAll('.device').length === 2")

    def picture(self, path):
        """Of the whole page, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        size["width"] = self.run("innerWidth")  # there is no scroll bar in a picture
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**size, "x": 0, "y": 0, "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def names(self):
        """(role, name) of everything a person can operate, as a screen reader is told."""
        roles = {"button", "textbox", "checkbox", "combobox", "DisclosureTriangle"}
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes
                if not node["ignored"] and node["role"]["value"] in roles]

    def close(self):
        self._loop.run(self._link.close(), 30)
        self._process.terminate()
        try:
            self._process.wait(stretched(30))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def luminance(color):
    """Of "rgb(r, g, b)", by WCAG 2."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
