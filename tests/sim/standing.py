"""What must hold of a house at rest: nothing due was forgotten, and every view tells the truth."""

import asyncio
from datetime import datetime
from typing import Any

from tests.sim.house import COST, TENANTS
from tests.sim.world import World
from toldonce.kernel.config import Config
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.timers import Timer, story_timers
from toldonce.runtime import names
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.open_rows import unpack_open

QUIET_S = 1.2
LATE_S = 1.0
Found = list[tuple[str, str]]


async def quiet(world: World, within_s: float = 40.0) -> bool:
    """Wait until nothing has been appended for a moment."""
    log, ends_s = world.house.servers.log, world.loop.time() + within_s
    while world.loop.time() < ends_s:
        before = log.count
        await asyncio.sleep(QUIET_S)
        if log.count == before:
            return True
    return False


async def check(world: World, healed_s: float) -> Found:
    """Look at a house that was healed a while ago while its people hold still."""
    found: Found = timers_lost(world, healed_s)
    found += await _at_rest(world, check_open)
    found += await _at_rest(world, check_engines)
    if not world.net.faults["n_minus_1"]:
        # a view that the version before wrote lacks what that cannot read, until it is written anew
        found += await _at_rest(world, check_views)
    world.house.servers.store.state.call("FLUSHALL")
    world.net.fault("wipe")
    await asyncio.sleep(2.0)
    found += await _at_rest(world, check_views)
    return found


async def _at_rest(world: World, look: Any) -> Found:
    """Look when nothing moves; what is only late is looked at again."""
    found: Found = []
    for _ in range(4):
        await quiet(world)
        before = world.house.servers.log.count
        found = await look(world)
        if not found:
            return []
        if world.house.servers.log.count == before:
            await asyncio.sleep(1.0)
    return found


def timers_lost(world: World, healed_s: float) -> Found:
    """I8: no timer that was due when all was well again is still waiting."""
    house = world.house
    config = world.config()
    now, found = house.clock.now(), []
    for (tenant, customer), (_, head) in world.book.heads().items():
        for timer in story_timers(head, config):
            patience_s = world.loop.time() - healed_s - LATE_S
            if (now - timer.fires_at).total_seconds() <= patience_s:
                continue
            since = _wanted_since(world, (tenant, customer), timer, config)
            late_s = (now - max(timer.fires_at, since)).total_seconds()
            if late_s > patience_s:
                said = f"{timer.clock.name} {timer.moment} of {tenant} {customer}"
                found.append(("I8", f"{said} is lost: {late_s:.1f} s late"))
    return found


def _wanted_since(world: World, key: tuple[str, str], timer: Timer, config: Config) -> datetime:
    """Say since when a timer is wanted for this instant: what is asked of a case may change."""
    since: datetime | None = None
    for stored in world.house.servers.log.messages_after(0):
        record = decode_record(stored.payload)
        if (record.tenant, record.customer) != key:
            continue
        wanted = {one.own: one.fires_at for one in story_timers(record.head, config)}
        since = (since or record.at) if wanted.get(timer.own) == timer.fires_at else None
    return since or timer.fires_at


async def check_open(world: World) -> Found:
    """OPEN holds the latest head of every story with anything not terminal, and of no other."""
    servers = world.house.servers
    stands = {}
    for row in await servers.open.rows(f"{names.OPEN.prefix}."):
        if row.key != names.OPEN_POSITION_KEY:
            _, tenant, customer = row.key.split(".")
            stands[tenant, customer] = unpack_open(row.value)
    wanted = {
        key: (sequence, head)
        for key, (sequence, head) in world.book.heads().items()
        if not head.terminal
    }
    found = []
    for key in stands.keys() | wanted.keys():
        if stands.get(key) != wanted.get(key):
            is_, should = stands.get(key), wanted.get(key)
            found.append(
                (
                    "I10",
                    f"OPEN of {key} stands at {is_ and is_[0]}, the log at {should and should[0]}",
                )
            )
    return found


async def check_engines(world: World) -> Found:
    """Every engine, leading or not, holds what the log says: open cases, and units in use."""
    found: Found = []
    wanted: dict[str, dict[tuple[str, str], Any]] = {tenant: {} for tenant in TENANTS}
    used: dict[tuple[str, str], int] = {}
    for (tenant, customer), (_, head) in world.book.heads().items():
        for case in head.cases:
            wanted[tenant][customer, case.own] = case
            for name in (case.owner, *(offer.agent for offer in case.offers)):
                if name:
                    used[tenant, name] = used.get((tenant, name), 0) + COST[case.channel]
    for place in world.house.of("routing"):
        for tenant in TENANTS:
            ledger = place.bound.engines.seat(tenant).shell.engine._ledger  # noqa: SLF001
            held = {(item.customer, item.own): item.case for item in ledger.items() if item.alive}
            if held != wanted[tenant]:
                found.append(
                    ("I10", f"the engine of {tenant} in {place.host.name} knows other cases")
                )
            for name, agent in ledger.agents.items():
                # one that does not lead keeps what it once decided and never heard of; when it
                # leads again it asks, and is told that there is no such offer
                doubtful = any(not live.confirmed for live in agent.offers.values())
                if doubtful and not _leads(place, tenant):
                    continue
                if agent.used != used.get((tenant, name), 0):
                    found.append(
                        (
                            "I10",
                            (
                                f"{name} of {tenant} uses {used.get((tenant, name), 0)} units, "
                                f"{place.host.name} says {agent.used}"
                            ),
                        )
                    )
    return found


def _leads(place: Any, tenant: str) -> bool:
    return bool(place.bound.engines.seat(tenant).shell._leadership.epoch)  # noqa: SLF001


async def check_views(world: World) -> Found:
    """The views of open cases, written anew after a wipe, list what the log says."""
    found: Found = []
    heads = world.book.heads()
    for tenant in TENANTS:
        wanted = {
            (customer, case.own): case
            for (whose, customer), (_, head) in heads.items()
            if whose == tenant
            for case in head.cases
        }
        try:
            ports = world.pick("ownership").ports
            assert ports is not None
            page = await ports.views.cases(tenant)
        except Unavailable as error:
            found.append(("I10", f"the view of {tenant} is not there: {error}"))
            continue
        listed = {(row.customer, row.case.own): row.case for row in page.rows}
        if listed != wanted:
            found.append(("I10", f"the view of {tenant} differs from the log"))
    return found


def all_over(world: World) -> bool:
    """Whether every story is terminal."""
    return not world.book.catch_up().open


def left_over(world: World) -> Found:
    """I7: whatever was told has come to an end; I2: nothing is unknown any more."""
    found: Found = []
    for (tenant, customer), (sequence, head) in world.book.heads().items():
        if not head.terminal:
            cases = [(case.own, case.work.name, case.owner, case.queue) for case in head.cases]
            found.append(
                (
                    "I7",
                    (
                        f"the story {customer} of {tenant} has not ended (at {sequence}): {cases}, "
                        f"{len(head.unconfirmed)} unconfirmed"
                    ),
                )
            )
    for op in world.ops:
        if op.result in {"unknown", "open"} and op.again is not None:
            found.append(("I2", f"nobody can say how {op.kind} {op.operation} ended"))
    return found
