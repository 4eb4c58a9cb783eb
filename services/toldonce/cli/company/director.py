"""Runs the demo: opens the house, lets the people in, follows the log, and has it judged.

The day is over when every story that began in it has ended, or END_S after the last contact.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

from toldonce.cli.company.chronicle import Chronicle
from toldonce.cli.company.judge import judge
from toldonce.cli.company.people import SEATED_S, Job
from toldonce.cli.company.troupe import Troupe
from toldonce.cli.company.verdict import Verdict
from toldonce.cli.company.wipe import Wipe
from toldonce.cli.house import TENANT, House, house
from toldonce.kernel.config import Config
from toldonce.runtime.document import demo_text
from toldonce.runtime.envelope import decode_logged

END_S = 45.0
STEP_S = 0.25
WIPE_AT = 0.55
READ_S = 20.0
SERVED_S = 120.0

type Progress = Callable[["Stage"], None]


class Stage:
    """A running demo; what `Progress` may look at while it runs."""

    def __init__(self, running: House, config: Config, troupe: Troupe, job: Job) -> None:
        """Prepare a day."""
        self.house = running
        self.troupe = troupe
        self.job = job
        self.told = Chronicle(config)
        self.doing = "the agents sit down"
        self._read = 0
        self._moved = asyncio.Event()

    async def run(self, progress: Progress) -> Verdict:
        """Play the day and judge it."""
        loop, start = asyncio.get_running_loop(), (await self.house.ports.log.info()).last
        self._read = start
        wipe = Wipe(self.house, self.told, self.caught_up)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(start))
            showing = group.create_task(self._show(progress))
            await self.troupe.begin(self.job)
            async with asyncio.timeout(SEATED_S):
                await self.troupe.wait("open")
            self.doing, began_s = "customers come", loop.time()
            wiping = group.create_task(wipe.after(WIPE_AT * self.troupe.length_s))
            async with asyncio.timeout(self.troupe.length_s + SERVED_S):
                await self.troupe.wait("served")
            self.doing = "the last cases are dealt with"
            await wiping
            await self._until_over()
            seconds = loop.time() - began_s
            self.doing = "people go home, the log is read"
            notes = await self.troupe.close()
            await self.caught_up()
            following.cancel()
            showing.cancel()
        notes.wipes, notes.wiped_answers, notes.wiped_wrong = wipe.wipes, wipe.answers, wipe.wrong
        notes.troubles += wipe.troubles
        self.told.timers.finish(self.house.app.clock.now())
        return judge(self.told, notes, seconds=seconds)

    async def caught_up(self) -> None:
        """Wait until everything that is in the log now has been read here."""
        last = (await self.house.ports.log.info()).last
        async with asyncio.timeout(READ_S):
            while self._read < last:
                await self._news()

    async def _until_over(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.caught_up()
                while self.told.open_stories:
                    await self._news()

    async def _news(self) -> None:
        """Wait for more of the log."""
        await self._moved.wait()

    async def _follow(self, start: int) -> None:
        async with aclosing(self.house.ports.log.tail(after=start)) as batches:
            async for batch in batches:
                for stored in batch:
                    logged = decode_logged(stored.payload, stored.sequence)
                    if logged.record.tenant == TENANT:
                        self.told.take(logged)
                    await asyncio.sleep(0)
                self._read = batch[-1].sequence
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()

    async def _show(self, progress: Progress) -> None:
        while True:
            progress(self)
            await asyncio.sleep(STEP_S)


async def play(data: Path, contacts: int, seed: int, progress: Progress) -> Verdict:
    """Run the whole demo with its data under `data`; raises Unavailable when it cannot start."""
    async with Troupe() as troupe, house(data, metrics_port=0, document=demo_text()) as running:
        config = await running.ports.config.of(TENANT)
        job = Job(
            address=running.address,
            tenant=TENANT,
            data=str(data),
            notes=str(data / "people.json"),
            contacts=contacts,
            seed=seed,
        )
        return await Stage(running, config, troupe, job).run(progress)
