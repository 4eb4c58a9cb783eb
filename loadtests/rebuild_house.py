"""The process that is measured: `python -m loadtests.rebuild_house`, started by `rebuild`.

It holds ownership, routing and sla, as a replica that has just started beside an empty store, and
writes down when each of them knew everything.
"""

import argparse
import asyncio
import contextlib
import cProfile
import json
import resource
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.rebuild_fill import QUEUES, TENANT
from toldonce.client.commands import BusDoor, LocalDoor
from toldonce.kernel.errors import Unavailable
from toldonce.ownership import bind as ownership_bind
from toldonce.routing import bind as routing_bind
from toldonce.routing.bind import Routing
from toldonce.runtime import names, secrets
from toldonce.runtime.app import App, run
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.listening import Listen
from toldonce.runtime.logs import set_up_logging
from toldonce.runtime.ports import Ports, Where, begin, connect
from toldonce.sla import bind as sla_bind

POLL_S = 0.05
STALL_POLL_S = 0.01
_KIB = 1024


@dataclass(slots=True)
class Times:
    """Seconds since the process was started by which each part was there."""

    began_s: float  # wall clock
    parts: dict[str, float] = field(default_factory=dict)
    stalled_s: float = 0.0

    def done(self, part: str) -> None:
        """Note a part, the first time it is said."""
        self.parts.setdefault(part, round(time.time() - self.began_s, 3))


def main() -> None:
    """Be the process."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.rebuild_house")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--nats", required=True)
    parser.add_argument("--monitor", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--stories", type=int, required=True)
    parser.add_argument("--waiting", type=int, required=True)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--profile", type=Path)
    asked = parser.parse_args()
    set_up_logging(level="warning", pretty=False)
    profile = cProfile.Profile() if asked.profile else None
    if profile is not None:
        profile.enable()
    times = Times(asked.began)
    times.done("imported")
    run(_house(asked, times))
    if profile is not None:
        profile.disable()
        profile.dump_stats(asked.profile)


async def _house(asked: argparse.Namespace, times: Times) -> None:
    where = Where((asked.nats,), (asked.monitor,), asked.store, tenants=(TENANT,))
    kept = secrets.make(asked.data / "secrets")
    async with App(Listen(port=0, metrics_port=None), kept, SystemClock()) as app:
        ports = await connect(app, where, service="toldonce", door=BusDoor)
        consumer = await ownership_bind.bind(app, ports)
        ports = replace(ports, door=LocalDoor(consumer.answer))
        routing = await routing_bind.bind(app, ports)
        await sla_bind.bind(app, ports)
        await begin(app, ports)
        await app.start()
        times.done("started")
        app.spawn("stalls", _stalls(times))
        await asyncio.gather(
            _views(ports, asked, times),
            _engine(routing, asked, times),
            _timers(ports, asked, times),
        )
        times.done("all")
        _say(asked.data, times)
        await app.wait()


async def _views(ports: Ports, asked: argparse.Namespace, times: Times) -> None:
    """Ask as a reader would, until the views answer and hold everything."""
    while True:
        try:
            depths = [
                (await ports.views.queue(TENANT, queue, min_sequence=asked.last)).waiting
                for queue in QUEUES
            ]
        except Unavailable:
            await asyncio.sleep(POLL_S)
            continue
        if sum(depths) != asked.waiting:
            raise Unavailable(f"The views show {sum(depths)} waiting, not {asked.waiting}.")
        times.done("views")
        return


async def _engine(routing: Routing, asked: argparse.Namespace, times: Times) -> None:
    shell = routing.engines.seat(TENANT).shell
    while shell.engine.waiting != asked.waiting:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(POLL_S)
    times.done("engine")


async def _timers(ports: Ports, asked: argparse.Namespace, times: Times) -> None:
    planned = names.redis_timers("stories")
    while True:
        with contextlib.suppress(Unavailable):
            if int(await ports.store.call("HLEN", planned)) == asked.stories:
                break
        await asyncio.sleep(POLL_S)
    times.done("timers")


async def _stalls(times: Times) -> None:
    """Note the longest time that nothing else could run in this process."""
    while True:
        before_s = time.monotonic()
        await asyncio.sleep(STALL_POLL_S)
        times.stalled_s = max(times.stalled_s, time.monotonic() - before_s - STALL_POLL_S)


def _say(data: Path, times: Times) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "parts_s": times.parts,
        "stalled_s": round(times.stalled_s, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_rss_mb": round(used.ru_maxrss / _KIB, 1),
    }
    draft = data / "rebuilt.draft"
    draft.write_text(json.dumps(said))
    draft.replace(data / "rebuilt.json")


if __name__ == "__main__":
    main()
