"""Who works on the server while faults strike: accounts with several devices each, as people have them.

What they do next is drawn from a generator of their own, seeded by the campaign's seed and their name.
"""

import asyncio
import dataclasses
import random

from faults import history as records
from faults.clients import Client

SELDOM = 60  # times as long a pause
SETTLED = (records.OK, records.CONFLICT, records.UNAUTHORIZED, records.ABSENT, records.NOT_MODIFIED)


@dataclasses.dataclass(frozen=True)
class Mix:
    """How many accounts of each sort there are."""

    quiet: int = 8  # three devices, which read more than they write, and one that is seldom used
    crowded: int = 1  # many devices, which all write
    crowd: int = 8
    restless: int = 4  # two devices, one of which changes the password again and again
    newcomers: int = 1  # signing up, one account after the other
    pause: float = 0.08  # seconds between two requests of a device, on average


class Account:
    def __init__(self, name, seed):
        self.name = name
        self.email = f"{name}@{seed:x}.example.com"
        self._passwords = 0
        self.password = self.next_password()
        self.maybe = []  # passwords of changes whose outcome nobody knows
        self.exists = False
        self.devices = []

    def told(self):
        """Every open socket of its has heard of the newest write that anybody here knows of."""
        newest = max(device.sequence for device in self.devices)
        return all(device.told >= newest for device in self.devices if device.socket)

    def next_password(self):
        self._passwords += 1
        return f"{self.name} password {self._passwords}"

    def proved(self, password, candidates):
        """It was accepted, a moment ago, as the first of the candidates; a change away from it that was under way
        before then has failed, for the login came in between."""
        if password in candidates:
            self.password = password if self.password in candidates else self.password
            self.maybe = [other for other in self.maybe if other not in candidates]


class Device:
    def __init__(self, population, account, number, writes=1.0, changes=0.0, pause=1.0):
        self.population, self.account = population, account
        self.name = f"{account.name}.{number}"
        self.rng = random.Random(f"{population.seed} {self.name}")
        self.client = population.client(self.name, account)
        self.token, self.old_tokens = None, []
        self.sequence = 0  # the newest it knows of
        self.socket, self.told = None, 0
        self._pause = pause * population.mix.pause
        self._actions = [(self.read, 3.0), (self.merge, 4.0 * writes), (self.write_ahead, 1.0 * writes),
                         (self.seed, 0.2), (self.use_old_token, 0.2), (self.log_in, 0.03),
                         (self.change_password, changes)]

    async def work(self):
        while not self.population.over.is_set():
            if self.token is None:
                if self.rng.random() < 0.4:  # a login would replace it
                    await self.use_old_token()
                settled = await self.log_in()
            else:
                actions, weights = zip(*self._actions)
                settled = await self.rng.choices(actions, weights)[0]()
            await asyncio.sleep(self.rng.expovariate(1 / self._pause) if settled else 0.02)

    async def listen(self):
        """Keeps a socket open, and comes back when it ends."""
        while not self.population.over.is_set():
            token = self.token
            if token:
                operation, websocket = await self.client.open_socket(token)
                self._noted(operation, token)
                if websocket:
                    self.socket, self.told = websocket, 0
                    await self.client.listen(operation, websocket, self._told)
                    self.socket = None
            await asyncio.sleep(self.rng.uniform(0.05, 0.3))

    def _told(self, sequence):
        self.told = sequence
        self.sequence = max(self.sequence, sequence)

    # ---- what a device does; true if the server had a say

    async def read(self):
        api = self.rng.choice((1, 3, 3))
        known = self.sequence if self.sequence and self.rng.random() < 0.3 else None
        return self._noted(await self.client.read(self.token, api, known), self.token)

    async def merge(self):
        """Read, merge, write; once more if somebody was faster."""
        if not await self.read() or self.token is None:
            return False
        return await self.write_ahead()

    async def write_ahead(self):
        """Writes after what the device knows of, which may be old."""
        token, api = self.token, self.rng.choice((1, 3, 3))
        operation = await self.client.write(token, self.sequence + 1, self._size(), api)
        settled = self._noted(operation, token)
        if operation.outcome == records.CONFLICT and api == 3 and self.token:
            await self.read()
        return settled

    async def seed(self):
        return (await self.client.seed()).outcome in SETTLED

    async def use_old_token(self):
        if not self.old_tokens:
            return True
        token = self.old_tokens[-1] if self.token is None else self.rng.choice(self.old_tokens[-8:])
        if self.rng.random() < 0.5:
            operation = await self.client.read(token)
        else:
            operation = await self.client.write(token, self.sequence + 1, self._size())
        return operation.outcome in SETTLED

    async def log_in(self):
        account = self.account
        async with self.population.hashing:
            candidates = [account.password, *account.maybe]
            for password in candidates:
                operation, token = await self.client.login(password)
                if operation.outcome != records.UNAUTHORIZED:
                    break
        if token:
            account.proved(password, candidates)
            self._forget_token()
            self.token = token
        return operation.outcome in SETTLED

    async def change_password(self):
        account = self.account
        if not await self.read() or self.token is None or account.maybe:
            return await self.log_in()
        if self.sequence == 0:  # a change never brings the first wallet
            return await self.write_ahead()
        new, old = account.next_password(), account.password
        async with self.population.hashing:
            operation = await self.client.change_password(old, new, self.sequence + 1, self._size())
        if operation.acknowledged:
            account.password = new
            self.sequence = operation.sequence
            for device in account.devices:
                device._forget_token()
        elif operation.possible:
            account.maybe.append(new)
        return operation.outcome in SETTLED

    # ---- what it learns

    def _noted(self, operation, token):
        if operation.seen_sequence is not None:
            self.sequence = max(self.sequence, operation.seen_sequence)
        if operation.acknowledged and operation.kind == records.WRITE:
            self.sequence = max(self.sequence, operation.sequence)
        if operation.outcome == records.UNAUTHORIZED and self.token == token:
            self._forget_token()
        return operation.outcome in SETTLED

    def _forget_token(self):
        if self.token:
            self.old_tokens.append(self.token)
            self.token = None

    def _size(self):
        return self.rng.choice((0, 200, 200, 1000)) if self.rng.random() < 0.98 else 40_000

    # ---- the end of a campaign

    async def write_for_sure(self, deadline):
        """One write that is acknowledged, whatever it takes; False if there is none in time."""
        while records.now() < deadline:
            if self.token is None:
                await self.log_in()
            elif await self.read() and self.token:
                operation = await self.client.write(self.token, self.sequence + 1, 200)
                self._noted(operation, self.token)
                if operation.acknowledged:
                    return True
            await asyncio.sleep(0.05)
        return False

    async def prove_tokens(self):
        """Uses all tokens it ever had: each has to be good, or void."""
        for token in [*self.old_tokens[-20:], *filter(None, [self.token])]:
            await self.client.read(token)

    async def leave(self):
        if self.socket:
            self.socket.left = True
            self.socket.drop()
        self.client.leave()


class Population:
    """port(): where the next connection goes to."""

    def __init__(self, recorder, port, seed, mix=None, patience=20):
        self.recorder, self.port, self.seed, self.mix, self.patience = recorder, port, seed, mix or Mix(), patience
        self.over = asyncio.Event()
        self.hashing = asyncio.Semaphore(6)  # a crowd that logs in must not fill the queue for hashes
        self.accounts, self.devices, self._working, self._listening = [], [], [], []
        self._rng = random.Random(f"{seed} newcomers")

    def client(self, name, account):
        return Client(self.recorder, name, account.name, account.email, self.port, self.patience)

    async def arrive(self):
        """Makes the accounts of the beginning, and lets everybody work."""
        plan = [("quiet", self.mix.quiet, 4, 0.3, 0.0), ("crowded", self.mix.crowded, self.mix.crowd, 1.0, 0.0),
                ("restless", self.mix.restless, 2, 0.02, 0.3)]
        await asyncio.gather(*(self._settle(f"{sort}{number}", devices, writes, changes)
                               for sort, count, devices, writes, changes in plan for number in range(count)))
        self._working += [asyncio.create_task(self._newcomers(number)) for number in range(self.mix.newcomers)]

    async def _settle(self, name, devices, writes, changes):
        account = Account(name, self.seed)
        client = self.client(name, account)
        self.accounts.append(account)
        while not account.exists and not self.over.is_set():
            async with self.hashing:
                operation = await client.signup(account.password)
            # 409: an attempt of which we did not learn the outcome was successful after all
            account.exists = operation.outcome in (records.OK, records.CONFLICT)
            await asyncio.sleep(0 if account.exists else 0.1)
        client.leave()
        if not account.exists:
            return
        for number in range(devices):
            # Who changes the password writes too; the others get in its way now and then.
            first = number == 0 and changes
            pause = SELDOM if name.startswith("quiet") and number == devices - 1 else 1.0
            device = Device(self, account, number, 0.5 if first else writes, changes if first else 0.0, pause)
            account.devices.append(device)
            self.devices.append(device)
        await asyncio.gather(*(device.log_in() for device in account.devices))
        self._working += [asyncio.create_task(device.work()) for device in account.devices]
        self._listening += [asyncio.create_task(device.listen()) for device in account.devices]

    async def _newcomers(self, line):
        number = 0
        while not self.over.is_set():
            await asyncio.sleep(self._rng.uniform(1.5, 3))
            await self._settle(f"newcomer{line}-{number}", 1, 1.0, 0.0)
            number += 1

    async def calm_down(self):
        """No new requests; those under way are answered."""
        self.over.set()
        while working := [task for task in self._working if not task.done()]:  # a newcomer brings more
            await asyncio.gather(*working)

    async def conclude(self, deadline):
        """A last write for each account; then every token and password is tried."""
        living = [account for account in self.accounts if account.exists and account.devices]
        await asyncio.gather(*(account.devices[0].write_for_sure(deadline) for account in living))
        return living

    async def prove(self):
        await asyncio.gather(*(device.prove_tokens() for device in self.devices))
        await asyncio.gather(*(account.devices[-1].log_in() for account in self.accounts if account.devices))

    async def leave(self):
        await asyncio.gather(*(device.leave() for device in self.devices))
        await asyncio.gather(*self._listening)
