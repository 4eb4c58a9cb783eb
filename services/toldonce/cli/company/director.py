"""Runs the demo: opens the house, lets the agents sit down and the customers come, and watches.

The log is followed from the instant the doors open; the day is over when every story that began in
it has ended, or END_S after the last customer came.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

from toldonce.cli.company.chronicle import Chronicle
from toldonce.cli.company.customers import Visit, day
from toldonce.cli.company.entrance import Entrance
from toldonce.cli.company.judge import Verdict, judge
from toldonce.cli.company.notes import Notes
from toldonce.cli.company.staff import Day, Member
from toldonce.cli.house import TENANT, House, house
from toldonce.client import Client
from toldonce.client.desk import Desk
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.principal import Role
from toldonce.kernel.story.record import Logged
from toldonce.runtime.document import demo_text
from toldonce.runtime.envelope import decode_logged

SEATED_S = 30.0
END_S = 60.0
STEP_S = 0.25
VANISH_AT = 0.35
WIPE_AT = 0.55
WIPED_S = 10.0
READ_S = 20.0

type Progress = Callable[["Stage"], None]


class Stage:
    """A running demo; what `Progress` may look at while it runs."""

    def __init__(self, running: House, config: Config, contacts: int, seed: int) -> None:
        """Prepare a day of so many contacts."""
        self.house = running
        self.contacts = contacts
        self.notes = Notes()
        self.told = Chronicle(config)
        self.doing = "the agents sit down"
        self._draw = random.Random(seed)  # noqa: S311 - a demo, not a secret
        self._seed = seed
        self._day = Day(config, self.notes, random.Random(seed + 1))  # noqa: S311
        self._read = 0
        self._moved = asyncio.Event()

    async def run(self, progress: Progress) -> Verdict:
        """Play the day and judge it."""
        log, loop = self.house.ports.log, asyncio.get_running_loop()
        start = (await log.info()).last
        self._read = start
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(start))
            showing = group.create_task(self._show(progress))
            members = [Member(name, self.house, self._day) for name in self._day.config.agents]
            sitting = [group.create_task(member.run()) for member in members]
            async with asyncio.timeout(SEATED_S):
                await asyncio.gather(*(member.there.wait() for member in members))
            self.doing = "customers come"
            began_s = loop.time()
            async with Entrance(self.house, self.notes, self._draw) as entrance:
                opens_at = self.house.app.clock.now()
                visits = day(self.contacts, self._seed, opens_at)
                await self._play(visits, entrance)
                self.doing = "the last cases are dealt with"
                await self._until_over()
            seconds = loop.time() - began_s
            self.doing = "the log is read"
            await self._catch_up()
            for task in (*sitting, showing, following):
                task.cancel()
        self.told.timers.finish(self.house.app.clock.now())
        return judge(self.told, self.notes, seconds=seconds)

    async def _play(self, visits: list[Visit], entrance: Entrance) -> None:
        loop = asyncio.get_running_loop()
        opened_s, length_s = loop.time(), visits[-1].at_s
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mishaps(length_s))
            for visit in visits:
                await asyncio.sleep(opened_s + visit.at_s - loop.time())
                group.create_task(entrance.receive(visit))

    async def _mishaps(self, length_s: float) -> None:
        await asyncio.sleep(VANISH_AT * length_s)
        self._day.vanishes = True
        await asyncio.sleep((WIPE_AT - VANISH_AT) * length_s)
        await self._wipe()

    async def _wipe(self) -> None:
        """Wipe every view under load, then ask for the open cases until they are told again."""
        token = self.house.token(Role.SUPERVISOR, "demo")
        async with Client(self.house.address, token) as client:
            desk, clock = Desk(client), self.house.app.clock
            await self.house.ports.store.flushall()
            self.notes.wipes += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(WIPED_S):
                    while True:
                        sure = {case.case_id for case in self.told.open_cases()}
                        try:
                            listed = {case.case_id for case in await desk.cases(tries_max=1)}
                        except Unavailable:
                            await asyncio.sleep(STEP_S)
                            continue
                        await self._catch_up()
                        still = {case.case_id for case in self.told.open_cases()}
                        missing = (sure & still) - listed
                        stale = {one for one in listed if one not in self.told.cases}
                        self.notes.wiped_answers += 1
                        self.notes.wiped_wrong += bool(missing or stale)
                        if missing:
                            self.notes.troubles.append(
                                f"{len(missing)} open cases not listed after the wipe at "
                                f"{clock.now():%H:%M:%S}"
                            )
                        return

    async def _until_over(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                while self.told.open_stories:
                    await self._news()

    async def _follow(self, start: int) -> None:
        async with aclosing(self.house.ports.log.tail(after=start)) as batches:
            async for batch in batches:
                for stored in batch:
                    logged = decode_logged(stored.payload, stored.sequence)
                    self._take(logged)
                    await asyncio.sleep(0)
                self._read = batch[-1].sequence
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()

    def _take(self, logged: Logged) -> None:
        if logged.record.tenant == TENANT:
            self.told.take(logged)

    async def _catch_up(self) -> None:
        """Wait until everything that is in the log now has been read here."""
        last = (await self.house.ports.log.info()).last
        async with asyncio.timeout(READ_S):
            while self._read < last:
                await self._news()

    async def _news(self) -> None:
        """Wait for more of the log."""
        await self._moved.wait()

    async def _show(self, progress: Progress) -> None:
        while True:
            progress(self)
            await asyncio.sleep(STEP_S)


async def play(data: Path, contacts: int, seed: int, progress: Progress) -> Verdict:
    """Run the whole demo with its data under `data`; raises Unavailable when it cannot start."""
    async with house(data, metrics_port=0, document=demo_text()) as running:
        config = await running.ports.config.of(TENANT)
        return await Stage(running, config, contacts, seed).run(progress)
