"""A server under load for so many requests, then over so many reloads; in between it is read what it holds."""

import base64

from endurance import meter
from endurance.load import CONNECTIONS, Load
from endurance.visitors import Visitors
from support import settings
from support.api3 import Api3
from support.heap import Heap
from support.server import Server
from support.websocket import plant_token, plant_tokens

ACCOUNTS = 8 * CONNECTIONS
READINGS = 100  # of each part, about
FEWEST = 20  # of so many the median step is one after the buffers have grown, on a busy machine as well
LONGEST = 20  # seconds between two readings
RELOAD_DELAY = 10  # ms before each request of a connection during reloads, which need the cores too

LOCATION = "wallet_sync; access_log off;"
METRICS = "location = /metrics { wallet_sync_metrics; access_log off; }"
HTTP = "wallet_sync_drain_time 200ms;"


class Campaign:
    def __init__(self, directory, say=lambda text: None):
        self._directory, self._say = directory, say
        self.heap = None if settings.ASAN else Heap(f"{directory}/heap")
        self.server = Server(directory, redis_conf=["appendfsync everysec"], http=HTTP, location=LOCATION, server=METRICS,
                             environment=self.heap and self.heap.environment)
        self.requests = self.reloads = 0
        self.readings = {"requests": [], "reloads": []}
        self.load = self.visitors = None

    def run(self, requests, reloads):
        try:
            self.server.start()
            email = base64.b64encode(Api3(self.server.port).new_account().encode()).decode()
            tokens = plant_tokens(self.server.redis, ACCOUNTS)
            self.load = Load(self.server.port, self._directory, tokens, email)
            self.visitors = Visitors(self.server.port, plant_token(self.server.redis))
            self._ask(requests)
            self._reload(reloads)
            self.visitors.end()
            self.server.stop()
        except BaseException:
            self._kill()
            raise
        return self

    def _kill(self):
        if self.load:
            self.load.kill()
        self.server.nginx.kill()
        self.server.redis.kill()

    def _ask(self, requests):
        seconds = 1
        while self.requests < requests or len(self.readings["requests"]) < FEWEST:
            self.visitors.start()
            self.load.start(seconds)
            answered = self.load.wait()
            self.visitors.pause()
            self.requests += answered
            self._read("requests")
            seconds = min(max(1, round(requests / READINGS / (answered / seconds))), LONGEST)
            if self.complaints():
                break

    def _reload(self, reloads):
        self.visitors.reloads = True
        batch = max(1, reloads // READINGS)
        for done in range(0, reloads, batch):
            self.visitors.start()
            self.load.start(close=True, delay_ms=RELOAD_DELAY)
            for _ in range(min(batch, reloads - done)):
                self.server.nginx.reload()
                self.reloads += 1
            self.visitors.pause()
            self.requests += self.load.stop()
            self._read("reloads")
            if self.complaints():
                break

    def _read(self, part):
        reading = meter.read(self.server, self.heap, self.requests, self.reloads)
        self.readings[part].append(reading)
        self._say(f"{self.requests:,} requests, {self.reloads:,} reloads: {reading}")

    # ---- what was found

    def growth(self):
        """For each part, what its readings show."""
        return {part: meter.growth(readings) for part, readings in self.readings.items() if len(readings) > 2}

    def complaints(self):
        """Of what clients saw."""
        return self.load.answers.complaints() + [f"visitors: {text}" for text in self.visitors.failures[:10]]

    def verdict(self):
        """All that is wrong."""
        wrong = self.complaints()
        for part, figures in self.growth().items():
            wrong += [f"over the {part}, {meter.FIGURES[each.name]}: {each.before:,.0f} → {each.after:,.0f}, "
                      f"by {each.creep:,.0f} from one reading to the next"
                      for each in figures if not each.flat]
        return wrong
