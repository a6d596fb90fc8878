"""Who works on the server while faults strike: accounts with several devices each, as people have them."""

import asyncio
import dataclasses
import random

from faults import history as records
from faults.clients import Client
from faults.device import Account, Device

SELDOM = 60  # times as long a pause


@dataclasses.dataclass(frozen=True)
class Sort:
    """Of accounts. writes, changes: weights of these among what a device does."""

    devices: int
    writes: float
    changes: float = 0.0  # of the password, by the first device
    seldom: bool = False  # the last device is used seldom
    rivals: int = 1  # how many want the address
    planted: bool = False  # nobody signed up: its devices begin with a token each, and have no password
    pace: float = 1.0  # times as long all pauses


QUIET = Sort(4, 0.3, seldom=True)
PLANTED = Sort(2, 0.5, planted=True, pace=30.0)
RESTLESS = Sort(2, 0.02, changes=0.3)
NEWCOMER = Sort(1, 1.0, rivals=2)


@dataclasses.dataclass(frozen=True)
class Mix:
    """How many accounts of each sort there are."""

    quiet: int = 8
    crowded: int = 1  # all of its devices write
    crowd: int = 8  # devices of such an account
    restless: int = 4  # the password changes again and again
    newcomers: int = 1  # who sign up one after the other
    planted: int = 0  # many, of whom each does little
    pause: float = 0.08  # seconds between two requests of a device, on average


class Population:
    """port(): where the next connection goes to. plant(email): see Deployment."""

    def __init__(self, recorder, port, seed, mix=None, plant=None, patience=60):
        self.recorder, self.port, self.seed, self.mix, self.patience = recorder, port, seed, mix or Mix(), patience
        self.plant = plant
        self.over = asyncio.Event()
        self._over = asyncio.ensure_future(self.over.wait())
        self.hashing = asyncio.Semaphore(6)  # a crowd that logs in must not fill the queue for hashes
        self.accounts, self.devices, self._working, self._listening = [], [], [], []
        self._rng = random.Random(f"{seed} newcomers")

    def client(self, name, account):
        return Client(self.recorder, name, account.name, account.email, self.port, self.patience)

    async def arrive(self):
        """Makes the accounts of the beginning, and lets everybody work."""
        plan = [("quiet", self.mix.quiet, QUIET), ("crowded", self.mix.crowded, Sort(self.mix.crowd, 1.0)),
                ("restless", self.mix.restless, RESTLESS), ("planted", self.mix.planted, PLANTED)]
        await asyncio.gather(*(self._settle(f"{name}{number}", sort) for name, count, sort in plan for number in range(count)))
        self._working += [asyncio.create_task(self._newcomers(number)) for number in range(self.mix.newcomers)]

    async def _settle(self, name, sort):
        account = Account(name, self.seed)
        self.accounts.append(account)
        if sort.planted:
            account.exists = account.planted = True
        else:
            await asyncio.gather(*(self._sign_up(account, number) for number in range(sort.rivals)))
        if not account.exists:
            return
        for number in range(sort.devices):
            # Who changes the password writes too; the others get in its way now and then.
            changer = number == 0 and sort.changes
            weights = (0.5, sort.changes) if changer else (sort.writes, 0.0)
            seldom = sort.seldom and number == sort.devices - 1
            device = Device(self, account, number, *weights, self.mix.pause * sort.pace * (SELDOM if seldom else 1))
            account.devices.append(device)
            self.devices.append(device)
        await asyncio.gather(*(device.log_in() for device in account.devices))
        self._working += [asyncio.create_task(device.work()) for device in account.devices]
        self._listening += [asyncio.create_task(device.listen()) for device in account.devices]

    async def _sign_up(self, account, number):
        """Takes the address, unless somebody else is faster, who wants it with another password."""
        client = self.client(f"{account.name}:{number}", account)
        password = account.password if number == 0 else account.next_password()
        while not account.exists and not self.over.is_set():
            async with self.hashing:
                operation = await client.signup(password)
            if operation.acknowledged:
                account.password, account.maybe, account.exists = password, [], True
            elif operation.possible and password != account.password:
                account.maybe.append(password)
            elif operation.outcome == records.CONFLICT:
                account.exists = True  # perhaps by an attempt of ours of which we did not learn the outcome
            await asyncio.sleep(0 if account.exists else 0.1)
        client.leave()

    async def _newcomers(self, line):
        number = 0
        while not self.over.is_set():
            await self.pause(self._rng.uniform(1.5, 3))
            await self._settle(f"newcomer{line}-{number}", NEWCOMER)
            number += 1

    async def pause(self, seconds):
        """Until then, or until all is over."""
        if seconds < 0.5:
            return await asyncio.sleep(seconds)
        await asyncio.wait([self._over], timeout=seconds)

    async def calm_down(self):
        """No new requests; those under way are answered."""
        self.over.set()
        while working := [task for task in self._working if not task.done()]:  # a newcomer brings more
            await asyncio.gather(*working)

    @property
    def living(self):
        return [account for account in self.accounts if account.exists and account.devices]

    async def write_once_more(self, deadline):
        """A last write for each account; the names of those that were granted none."""
        done = await asyncio.gather(*(account.devices[0].write_for_sure(deadline) for account in self.living))
        return [account.name for account, written in zip(self.living, done) if not written]

    async def prove(self):
        """Tokens and passwords, old ones and new ones: each has to be good, or void."""
        await asyncio.gather(*(device.prove_tokens() for device in self.devices))
        await asyncio.gather(*(account.devices[-1].prove_passwords() for account in self.living if not account.planted))

    async def leave(self):
        await asyncio.gather(*(device.leave() for device in self.devices))
        await asyncio.gather(*self._listening)
