"""What the two stores of timers cost, side by side: each with servers of its own.

Everything goes through `TimerStore` as the timekeeper uses it: plans of 256 stories, claims of at
most 512 timers, settled after each claim. Ownership takes no part. One store after the other.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.alarms import open_alarms
from toldonce.runtime.child import Child
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.embedded import embedded
from toldonce.runtime.nats_link import Link
from toldonce.runtime.store import RedisStore
from toldonce.sla.handler import Plan, RedisTimers, ScheduledTimers, Settled, TimerStore, Wiped

ABOUT = """\
Measure the two stores of timers (TOLDONCE_TIMERS=redis, jetstream) through their one interface, on
real servers, JetStream with fsync always:

  arm_per_s        timers set a second by new plans (two timers a story)
  rss_mb, disk_mb  what the server holds more than before, with all of them armed
  replace_per_s    timers moved a second by newer plans
  replan_s         a new replica plans everything, and all of it stands
  rebuild_s        everything is lost, begun and planned anew
  claim_per_s      timers that are due already when they are planned, claimed and settled a second
  burst_per_s      timers of one instant, from then until the last is claimed and settled
  late_p50_s ...   timers that come due one after another, from their instant to their claim, the
                   margin of 0.3 s included; lost, early and doubled must be 0
  write_per_s      beside it, the bare limit: rows written to the stream of timers, 64 at a time

  Nothing else should run on the machine.
"""
TENANT = "demo"
PER_STORY = 2
PLANS_MAX = 256
CLAIM_MAX = 512
POLL_S = 0.2
POLL_MIN_S = 0.005
MARGIN_S = 0.3
LOST_AFTER_S = 30.0
BARE = 4_000

type Say = Callable[[str], None]
type Make = Callable[[str], TimerStore]
type Wipe = Callable[[], Any]

_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Size:
    """How many timers wait, how many are due at once, and how many come due at what rate."""

    count: int = 100_000
    due: int = 10_000
    fired: int = 3_000
    fired_per_s: int = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A store that runs: how to make a replica of it, how to wipe it, and where it keeps it all."""

    make: Make
    wipe: Wipe
    server: Child
    folder: Path


def options(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the options."""
    size = Size()
    for name in ("count", "due", "fired", "fired_per_s"):
        word = f"--{name.replace('_', '-')}"
        parser.add_argument(word, type=count, default=getattr(size, name), help="(%(default)s)")


async def measure(asked: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Measure both; raises Unavailable with the sentence why not."""
    size = Size(asked.count, asked.due, asked.fired, asked.fired_per_s)
    report: dict[str, Any] = {"timers": size.count, "stories": size.count // PER_STORY}
    with tempfile.TemporaryDirectory(prefix="toldonce-load-") as folder:
        report["write_per_s"] = await _bare(Path(folder))
    for name, place in (("redis", _redis), ("jetstream", _jetstream)):
        say(f"{name}: {size.count} timers")
        with tempfile.TemporaryDirectory(prefix="toldonce-load-") as folder:
            async with place(Path(folder)) as found:
                report[name] = await _one(found, size, say)
    return report | {"margin_s": MARGIN_S, "cores": os.cpu_count()}


def told(report: Mapping[str, Any]) -> str:
    """Write the report for people."""
    size = f"{report['timers']:,} timers of {report['stories']:,} stories"
    lines = [f"{size}; bare writes to the stream: {report['write_per_s']:,} a second"]
    lines.append(f"  {'':16}{'redis':>12}{'jetstream':>12}")
    for name, value in report["redis"].items():
        lines.append(f"  {name:16}{value:>12,}{report['jetstream'][name]:>12,}")
    return "\n".join([*lines, ""])


@asynccontextmanager
async def _redis(folder: Path) -> AsyncIterator[Place]:
    async with embedded(folder) as servers:
        store = RedisStore.open(servers.store_url)
        try:
            yield Place(
                lambda replica: RedisTimers(store, replica, margin_s=MARGIN_S),
                store.flushall,
                servers.valkey,
                folder / "valkey",
            )
        finally:
            await store.close()


@asynccontextmanager
async def _jetstream(folder: Path) -> AsyncIterator[Place]:
    async with embedded(folder) as servers:
        link = await Link.connect(servers.nats_url, name="timer-stores")
        alarms = await open_alarms(link)
        try:
            yield Place(
                lambda replica: ScheduledTimers(alarms, replica, margin_s=MARGIN_S),
                lambda: link.api(f"STREAM.PURGE.{names.TIMERS.stream}", timeout_s=30.0),
                servers.nats,
                folder / "nats",
            )
        finally:
            await link.close()


async def _bare(folder: Path) -> int:
    async with embedded(folder) as servers:
        link = await Link.connect(servers.nats_url, name="timer-stores")
        rows = (await open_alarms(link)).rows
        numbers = iter(range(BARE))

        async def write() -> None:
            for number in numbers:
                key = names.timers_key(TENANT, encode(number.to_bytes(16)))
                await rows.put(key, bytes(100), expected=0)

        began_s = time.monotonic()
        await asyncio.gather(*(write() for _ in range(64)))
        taken_s = time.monotonic() - began_s
        await link.close()
    return round(BARE / taken_s)


async def _one(place: Place, size: Size, say: Say) -> dict[str, float]:
    """Measure one store, in the order in which the figures are told."""
    timers = place.make("one")
    await timers.begin()
    rss_mb, disk_mb = _rss_mb(place.server), _disk_mb(place.folder)
    stories = size.count // PER_STORY
    far = _CLOCK.now() + timedelta(days=1)
    first = [_plan(n, 1, far) for n in range(stories)]
    found: dict[str, float] = {}

    arm_s = await _planned(timers, first)
    found["arm_per_s"] = round(size.count / arm_s)
    found["rss_mb"] = round(_rss_mb(place.server) - rss_mb)
    found["disk_mb"] = round(_disk_mb(place.folder) - disk_mb)
    say(f"  armed in {arm_s:.1f} s")

    moved = [_plan(n, 2, far, later_s=60) for n in range(stories // 5)]
    found["replace_per_s"] = round(len(moved) / await _planned(timers, moved))
    found["replan_s"] = round(await _replanned(place, first), 2)
    say(f"  a new replica knew in {found['replan_s']:g} s that all of it stands")

    await place.wipe()
    found["rebuild_s"] = round(await _rebuilt(timers, first), 2)
    say(f"  rebuilt in {found['rebuild_s']:g} s")

    past = _CLOCK.now() - timedelta(seconds=5 + (stories + size.due) / 1_000)
    due = [_plan(stories + n, 1, past) for n in range(size.due // PER_STORY)]
    await _planned(timers, due)
    found["claim_per_s"] = round(size.due / await _claimed(timers, size.due))
    found["burst_per_s"] = round(size.due / await _burst(timers, size, 2 * stories))
    say("  now one after another")
    return found | await _fired(timers, size, first_story=4 * stories, start_s=5 + size.fired / 100)


def _plan(number: int, sequence: int, at: datetime, *, later_s: float = 0) -> Plan:
    """Plan two timers of a story, each story at instants of its own; the first moves `later_s`."""
    at += timedelta(microseconds=number * 1_000)
    instants = (at + timedelta(seconds=later_s), at + timedelta(microseconds=500))
    owns = (encode((number * PER_STORY + n).to_bytes(16)) for n in range(PER_STORY))
    return Plan(
        TENANT, encode(number.to_bytes(16)), sequence, 1, tuple(zip(owns, instants, strict=True))
    )


async def _planned(timers: TimerStore, plans: Sequence[Plan]) -> float:
    began_s = time.monotonic()
    for start in range(0, len(plans), PLANS_MAX):
        await timers.plan(plans[start : start + PLANS_MAX])
    return time.monotonic() - began_s


async def _replanned(place: Place, plans: Sequence[Plan]) -> float:
    other = place.make("two")
    began_s = time.monotonic()
    await other.begin()
    await _planned(other, plans)
    return time.monotonic() - began_s


async def _rebuilt(timers: TimerStore, plans: Sequence[Plan]) -> float:
    began_s = time.monotonic()
    try:
        await timers.claim(1)
    except Wiped:
        await timers.begin()
        await _planned(timers, plans)
    return time.monotonic() - began_s


async def _claimed(timers: TimerStore, count: int) -> float:
    began_s, found = time.monotonic(), 0
    while found < count and time.monotonic() - began_s < count / 10 + LOST_AFTER_S:
        claim = await timers.claim(CLAIM_MAX)
        found += len(claim.leased)
        await timers.settle([Settled(one) for one in claim.leased])
    return time.monotonic() - began_s


async def _burst(timers: TimerStore, size: Size, first_story: int) -> float:
    at = _CLOCK.now() + timedelta(seconds=5 + size.due / 100)
    plans = [
        Plan(TENANT, encode((first_story + n).to_bytes(16)), 1, 1, ((encode(bytes(16)), at),))
        for n in range(size.due)
    ]
    await _planned(timers, plans)
    await asyncio.sleep(max(0.0, (at - _CLOCK.now()).total_seconds()))
    return await _claimed(timers, size.due)


async def _fired(
    timers: TimerStore,
    size: Size,
    *,
    first_story: int,
    start_s: float,
    lost_after_s: float = LOST_AFTER_S,
) -> dict[str, float]:
    """Have timers come due at a steady rate and claim them as the timekeeper does."""
    start = _CLOCK.now() + timedelta(seconds=start_s)
    instants: dict[str, datetime] = {}
    plans = []
    for n in range(size.fired):
        at, own = start + timedelta(seconds=n / size.fired_per_s), encode(n.to_bytes(16))
        instants[own] = at
        plans.append(Plan(TENANT, encode((first_story + n).to_bytes(16)), 1, 1, ((own, at),)))
    await _planned(timers, plans)
    late: list[float] = []
    seen: Counter[str] = Counter()
    end = start + timedelta(seconds=size.fired / size.fired_per_s + lost_after_s)
    while len(seen) < size.fired and _CLOCK.now() < end:
        claim = await timers.claim(CLAIM_MAX)
        seen.update(one.own for one in claim.leased)
        late += ((claim.now - instants[one.own]).total_seconds() for one in claim.leased)
        await timers.settle([Settled(one) for one in claim.leased])
        wait_s = POLL_S
        if claim.next_at is not None:
            wait_s = min(wait_s, (claim.next_at - claim.now).total_seconds())
        await asyncio.sleep(max(wait_s, POLL_MIN_S))
    late.sort()
    return {
        "fired": len(seen),
        "late_p50_s": round(late[len(late) // 2], 3),
        "late_p99_s": round(late[len(late) * 99 // 100], 3),
        "late_max_s": round(late[-1], 3),
        "lost": size.fired - len(seen),
        "early": sum(one < MARGIN_S for one in late),
        "doubled": sum(count > 1 for count in seen.values()),
    }


def _rss_mb(child: Child) -> float:
    for line in Path(f"/proc/{child.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _disk_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
