"""What befalls processes and servers as wholes: each mishap is one small function.

A mishap begins at once and ends by itself; `heal` ends them all.
"""

import asyncio
import copy
from collections.abc import Callable, Coroutine
from typing import Any

from tests.sim.world import World

type Mishap = Callable[[World], Coroutine[Any, Any, None]]

SKEW_MAX_S = 0.24
MISHAPS: list[tuple[Mishap, float]] = []


def mishap(weight: float) -> Callable[[Mishap], Mishap]:
    """Register one."""

    def register(made: Mishap) -> Mishap:
        MISHAPS.append((made, weight))
        return made

    return register


async def trouble(world: World, pace_s: float) -> None:
    """Have mishaps happen for ever, about every `pace_s`."""
    while True:
        await world.pause(0.3 * pace_s, 1.7 * pace_s)
        weights = [weight * world.mix.get(one.__name__, 1.0) for one, weight in MISHAPS]
        one = world.rng.choices([one for one, _ in MISHAPS], weights)[0]
        world.spawn(one(world))


def heal(world: World) -> None:
    """End every mishap: all is connected, all runs, clocks are nearly right."""
    house = world.house
    for at, place in enumerate(house.places):
        if place.n_minus_1:
            house.kill(at)
            place.n_minus_1 = False  # the update is over: what starts here is the new version
        if place.host.dead:
            house.start(at)
        else:
            _end(world, at)
            place.clock.skew_s = max(-SKEW_MAX_S, min(SKEW_MAX_S, place.clock.skew_s))


def _end(world: World, at: int) -> None:
    place = world.house.places[at]
    if place.host.stopped:
        place.host.thaw(world.loop)
    if place.link.cut:
        place.link.mend()


def _victim(world: World) -> int:
    return world.rng.randrange(len(world.house.places))


@mishap(1.0)
async def kill(world: World) -> None:
    """End a process without a word; another takes its place."""
    at = _victim(world)
    if world.house.places[at].host.dead:
        return
    world.net.fault("kill")
    place = world.house.places[at]
    world.house.kill(at)
    await world.pause(0.1, 3.0)
    if world.house.places[at] is place:
        world.house.start(at)


@mishap(0.4)
async def stop(world: World) -> None:
    """End a process in good order, as an update does."""
    at = _victim(world)
    place = world.house.places[at]
    if not place.serves or place.host.stopped:
        return
    world.net.fault("stop")
    world.house.stop(at)
    for _ in range(40):
        await asyncio.sleep(0.25)
        if place.host.dead:
            break
    if world.house.places[at] is place:
        if not place.host.dead:
            world.house.kill(at)
        world.house.start(at)


@mishap(1.2)
async def pause(world: World) -> None:
    """Freeze a process, sometimes for longer than a lease."""
    place = world.house.places[_victim(world)]
    if not place.host.up:
        return
    world.net.fault("pause")
    place.host.freeze()
    await world.pause(0.2, 2.0 if world.rng.random() < 0.6 else 9.0)
    if place.host.stopped and not place.host.dead:
        place.host.thaw(world.loop)


@mishap(0.7)
async def cut(world: World) -> None:
    """Cut a process off from all servers."""
    place = world.house.places[_victim(world)]
    if place.link.cut or place.host.dead:
        return
    world.net.fault("cut")
    place.link.sever()
    await world.pause(0.2, 7.0)
    place.link.mend()
    place.log.unsettle(0.0)


@mishap(0.6)
async def wipe(world: World) -> None:
    """Wipe the store."""
    world.net.fault("wipe")
    world.house.servers.store.state.call("FLUSHALL")


@mishap(0.3)
async def store_back(world: World) -> None:
    """Put an older copy of the store in place of the present one."""
    state = world.house.servers.store.state
    old = copy.deepcopy((state._kept, state._ends_at))  # noqa: SLF001
    await world.pause(0.5, 5.0)
    if world.net.weather.still:
        return
    world.net.fault("store_back")
    state._kept, state._ends_at = old  # noqa: SLF001


@mishap(0.6)
async def skew(world: World) -> None:
    """Have a clock go a little wrong, within what is allowed."""
    place = world.house.places[_victim(world)]
    world.net.fault("skew")
    place.clock.skew_s = world.rng.uniform(-SKEW_MAX_S, SKEW_MAX_S)


@mishap(0.4)
async def skew_beyond(world: World) -> None:
    """Have a clock jump beyond what is allowed: then nothing may be written there."""
    place = world.house.places[_victim(world)]
    world.net.fault("skew_beyond")
    place.clock.skew_s = world.rng.choice((-1, 1)) * world.rng.uniform(0.3, 5.0)
    await world.pause(0.5, 4.0)
    place.clock.skew_s = world.rng.uniform(-SKEW_MAX_S, SKEW_MAX_S)


@mishap(0.6)
async def leader_change(world: World) -> None:
    """Have the log elect a leader: for a while some still read from the old one."""
    world.net.fault("leader_change")
    for place in world.house.places:
        stale_s = world.rng.uniform(0.0, 1.5) if world.rng.random() < 0.4 else 0.0
        place.log.unsettle(stale_s)
