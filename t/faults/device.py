"""A device of an account: what it does next, and what it remembers of the answers.

What it does is drawn from a generator of its own, seeded by the campaign's seed and its name.
"""

import random

from faults import history as records

# Answers with which the server has had its say; after others a client tries again soon.
SETTLED = (records.OK, records.CONFLICT, records.UNAUTHORIZED, records.ABSENT, records.NOT_MODIFIED)


class Account:
    def __init__(self, name, seed):
        self.name = name
        self.email = f"{name}@{seed:x}.example.com"
        self._passwords = 0
        self.password = self.next_password()
        self.former = None
        self.maybe = []  # passwords of changes whose outcome nobody knows
        self.exists = self.planted = False
        self.devices = []

    def told(self):
        """Every open socket of its has heard of the newest write that anybody here knows of."""
        newest = max(device.sequence for device in self.devices)
        return all(device.told >= newest for device in self.devices if device.socket)

    def next_password(self):
        self._passwords += 1
        return f"{self.name} password {self._passwords}"

    def proved(self, password, tried):
        """It was accepted, and is one of those that were to be tried. What came before it there was refused; what comes
        after it are changes of unknown outcome, which have failed: they did not get in before this login."""
        if self.password == tried[0]:
            self.changed_to(password)
        self.maybe = [other for other in self.maybe if other not in tried]

    def changed_to(self, password):
        if password != self.password:
            self.former, self.password = self.password, password


class Device:
    """writes, changes: weights among what it does. pause: seconds between two requests, on average."""

    def __init__(self, population, account, number, writes, changes, pause):
        self.population, self.account = population, account
        self.name = f"{account.name}.{number}"
        self.rng = random.Random(f"{population.seed} {self.name}")
        self.client = population.client(self.name, account)
        self.token, self.old_tokens = None, []
        self.sequence = 0  # the newest it knows of
        self.socket, self.told = None, 0
        self._pause = pause
        self._actions = [(self.read, 3.0), (self.merge, 4.0 * writes), (self.write_ahead, 1.0 * writes)]
        if not account.planted:
            self._actions += [(self.seed, 0.2), (self.use_old_token, 0.2), (self.log_in, 0.03), (self.use_old_password, 0.05),
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
            await self.population.pause(self.rng.expovariate(1 / self._pause) if settled else 0.02)

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
            await self.population.pause(self.rng.uniform(0.05, 0.3))

    def _told(self, sequence):
        self.told = sequence
        self.sequence = max(self.sequence, sequence)

    # ---- what a device does; true if the server had a say

    async def read(self, as_base=False):
        """as_base: what it shows is what the next write follows, even if the device was told of a later one, which may be
        lost with its Redis."""
        token, api, bearer = self.token, self.rng.choice((1, 3, 3)), self.rng.random() < 0.3
        known = self.sequence if self.sequence and self.rng.random() < 0.3 else None
        operation = await self.client.read(token, api, known, bearer)
        settled = self._noted(operation, token)
        if as_base and operation.seen_sequence is not None:
            self.sequence = operation.seen_sequence
        return settled

    async def merge(self):
        """Read, merge, write; once more if somebody was faster."""
        if not await self.read(as_base=True) or self.token is None:
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

    async def use_old_password(self):
        if self.account.former:
            async with self.population.hashing:
                await self.client.login(self.account.former)
        return True

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
        if account.planted:
            self.token = await self.client.plant(account.password, self.population.plant)
            return True
        async with self.population.hashing:
            passwords = [account.password, *account.maybe]
            for password in passwords:
                operation, token = await self.client.login(password)
                if operation.outcome != records.UNAUTHORIZED:
                    break
        if token:
            account.proved(password, passwords)
            self._forget_token()
            self.token = token
        return operation.outcome in SETTLED

    async def change_password(self):
        account = self.account
        if not await self.read(as_base=True) or self.token is None or account.maybe:
            return await self.log_in()
        if self.sequence == 0:  # a change never brings the first wallet
            return await self.write_ahead()
        new, old = account.next_password(), account.password
        async with self.population.hashing:
            operation = await self.client.change_password(old, new, self.sequence + 1, self._size())
        if operation.acknowledged:
            account.changed_to(new)
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
        if self.token and not self.account.planted:  # it has no other one
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
            elif await self.read(as_base=True) and self.token:
                operation = await self.client.write(self.token, self.sequence + 1, 200)
                self._noted(operation, self.token)
                if operation.acknowledged:
                    return True
            await self.population.pause(0.05)
        return False

    async def prove_passwords(self):
        await self.log_in()
        await self.use_old_password()

    async def prove_tokens(self):
        for token in [*self.old_tokens[-20:], *filter(None, [self.token])]:
            await self.client.read(token)

    async def leave(self):
        if self.socket:
            self.socket.left = True
            self.socket.drop()
        self.client.leave()
