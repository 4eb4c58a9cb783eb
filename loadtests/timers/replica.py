"""A replica of sla beside the desk: `python -m loadtests.timers.replica`, started by `timers`.

The real feed, timekeeper and timers on a real store; only the log and the way to ownership are the
desk's. It says in a file when it has read everything, and is then killed or ends with its parent.
"""

import argparse
import asyncio
import cProfile
import os
import random
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.timers.wire import SocketDoor, SocketLog, SocketTable
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.story.record import Logged
from toldonce.runtime import names
from toldonce.runtime.app import run
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.feed import Feed
from toldonce.runtime.ids import new_id
from toldonce.runtime.logs import set_up_logging
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import OpenStory
from toldonce.runtime.store import RedisStore
from toldonce.runtime.zones import WheelZones
from toldonce.sla.consumer import Lookout, Timekeeper
from toldonce.sla.core import Outlook
from toldonce.sla.handler import RedisTimers, Risk


class Ready:
    """A subscriber that writes a file once everything was read."""

    def __init__(self, path: Path) -> None:
        """Write `path`."""
        self._path = path

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        """See `Subscriber.snapshot`."""
        self._path.write_text(f"{os.getpid()} {len(stories)} {position}")

    async def records(self, batch: Sequence[Logged]) -> None:
        """See `Subscriber.records`."""


def main() -> None:
    """Be the process."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.timers.replica")
    parser.add_argument("--desk", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--lease-s", type=float, required=True)
    parser.add_argument("--ready", type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    asked = parser.parse_args()
    set_up_logging(level="warning", pretty=False)
    profile = cProfile.Profile() if asked.profile else None
    if profile is not None:
        profile.enable()
    run(_replica(asked))
    if profile is not None:
        profile.disable()
        profile.dump_stats(asked.profile)


class NoLines:
    """No engine leads here, so nothing is predicted; nobody watches either."""

    async def outlooks(self, tenant: str) -> Mapping[str, Outlook]:
        """See `AsksLines.outlooks`."""
        raise Unavailable(f"no engine leads for {tenant}")


async def _replica(asked: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    clock, meter = SystemClock(), Meter()
    store = RedisStore.open(asked.store)
    log = SocketLog(asked.desk)
    door = SocketDoor(asked.desk)
    cache = ConfigCache(SocketTable(asked.desk, names.CONFIG.prefix), WheelZones())
    feed = Feed(log, SocketTable(asked.desk, names.OPEN.prefix), meter=meter)
    replica = new_id()
    keeper = Timekeeper(
        timers=RedisTimers(store, replica, lease_s=asked.lease_s),
        log=log,
        feed=feed,
        door=door,
        config=cache,
        clock=clock,
        meter=meter,
        rng=random.Random(replica),  # noqa: S311  another order for each
    )
    lookout = Lookout(
        risk=Risk(keeper.book),
        lines=NoLines(),
        config=cache,
        clock=clock,
        meter=meter,
        behind=lambda: keeper.behind,
    )
    feed.subscribe("ready", Ready(asked.ready))
    parts = [door.run(), feed.run(), keeper.run(), lookout.run(), cache.run()]
    tasks = [asyncio.ensure_future(part) for part in parts]
    stop = asyncio.ensure_future(stopping.wait())
    try:
        done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


if __name__ == "__main__":
    main()
