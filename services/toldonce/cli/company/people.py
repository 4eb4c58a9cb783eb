"""The demo's people in a process of their own: agents and gateways, as anybody's would be.

    python -m toldonce.cli.company.people

Takes a job, one JSON line, on stdin; says on stdout, a JSON line each, when everybody sits, when
the doors open, how many contacts came, and when all were served. Then it waits for `close` (or the
end of stdin), and writes down what its people saw.
"""

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import msgspec

from toldonce.cli.company.customers import Visit, day
from toldonce.cli.company.day import Day
from toldonce.cli.company.entrance import Entrance
from toldonce.cli.company.notes import Notes
from toldonce.cli.company.place import Place, place_of
from toldonce.cli.company.staff import Member
from toldonce.runtime.app import run
from toldonce.runtime.document import check, demo_text
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.logs import set_up_logging
from toldonce.runtime.zones import WheelZones

SEATED_S = 30.0
TOLD_EVERY_S = 0.5
VANISH_AT = 0.35
CLOSE = "close"


class Job(msgspec.Struct, frozen=True):
    """What to play, where, and the file for the notes."""

    address: str
    tenant: str
    data: str
    notes: str
    contacts: int
    seed: int


class People:
    """Everybody."""

    def __init__(self, job: Job, place: Place) -> None:
        """Prepare a day."""
        self._job = job
        self._place = place
        self._draw = random.Random(job.seed)  # noqa: S311 - a demo, not a secret
        config = check(demo_text(), WheelZones(), WheelHolidays(place.clock.now().year))
        self.notes = Notes()
        self._day = Day(config, self.notes, random.Random(job.seed + 1))  # noqa: S311

    async def run(self, closing: asyncio.Event) -> None:
        """Play the day; stay until `closing` is set."""
        async with asyncio.TaskGroup() as group:
            members = [Member(name, self._place, self._day) for name in self._day.config.agents]
            sitting = [group.create_task(member.run()) for member in members]
            async with asyncio.timeout(SEATED_S):
                await asyncio.gather(*(member.there.wait() for member in members))
            tell(event="seated", agents=len(members))
            async with Entrance(self._place, self.notes, self._draw) as entrance:
                visits = day(self._job.contacts, self._job.seed, self._place.clock.now())
                tell(event="open", length_s=visits[-1].at_s)
                telling = group.create_task(self._tell_on())
                await self._play(visits, entrance)
                telling.cancel()
                tell(event="served", sent=len(self.notes.sent))
                await closing.wait()
            for task in sitting:
                task.cancel()

    async def _play(self, visits: list[Visit], entrance: Entrance) -> None:
        loop = asyncio.get_running_loop()
        opened_s, vanishes = loop.time(), int(VANISH_AT * len(visits))
        async with asyncio.TaskGroup() as group:
            for number, visit in enumerate(visits):
                await asyncio.sleep(opened_s + visit.at_s - loop.time())
                await self._day.room()
                await entrance.room()
                group.create_task(entrance.receive(visit))
                if number == vanishes:
                    self._day.vanishes = True

    async def _tell_on(self) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY_S)
            tell(event="sent", sent=len(self.notes.sent))


def tell(**said: Any) -> None:  # noqa: ANN401 - plain values
    """Say something to whoever started us."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = await reader.readline()
    if not line:
        return
    job = msgspec.json.decode(line, type=Job)
    people = People(job, place_of(job.address, job.tenant, Path(job.data)))
    closing = asyncio.Event()
    playing = asyncio.create_task(people.run(closing))
    heard = asyncio.create_task(reader.readline())
    await asyncio.wait((playing, heard), return_when=asyncio.FIRST_COMPLETED)
    if heard.done() and heard.result().decode().strip() == CLOSE:
        closing.set()
        await playing
    elif heard.done():
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return
    heard.cancel()
    playing.result()
    _write_down(Path(job.notes), people.notes)
    tell(event="closed")


def _write_down(file: Path, notes: Notes) -> None:
    file.write_bytes(msgspec.json.encode(notes))


if __name__ == "__main__":
    set_up_logging(level="error")
    run(_main())
