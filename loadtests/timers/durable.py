"""The same over a real log: NATS, ownership and sla as a deployment runs them, each a process.

Customers come with a matter each at a steady rate, and nobody answers. Of each matter two clocks
run out: two warnings and two breaches. A replica of sla is killed meanwhile and started anew, and
the store is wiped. The log is followed as it grows and judged at the end.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loadtests.fleet import Process, Servers, process, serving
from loadtests.timers.course import CLOCKS, PER_S, QUEUE, Course, Follower
from loadtests.timers.fleet import Planned
from loadtests.timers.judge import Fault, Verdict
from loadtests.timers.window import SETTLE_S, together
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.commands import BusDoor
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import derive, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership.wire import command_of
from toldonce.runtime import names, secrets
from toldonce.runtime.bus import NatsBus
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.document import check
from toldonce.runtime.mapping import to_us
from toldonce.runtime.nats_link import Link
from toldonce.runtime.nats_log import nats_log
from toldonce.runtime.store import RedisStore
from toldonce.runtime.zones import WheelZones
from toldonce.sla.handler.timers import LEASE_S

TENANT = "demo"
END_S = 60.0
TOGETHER_MAX = 64
POLL_S = 0.05
SAY_S = 5.0
type Say = Callable[[str], None]


async def durable(breaches: int, say: Say) -> dict[str, object]:
    """Have so many breaches recorded in a real log; raises Unavailable with the reason why not."""
    course = Course(breaches)
    with tempfile.TemporaryDirectory(prefix="toldonce-load-", ignore_cleanup_errors=True) as name:
        async with (
            _deployment(Path(name), course.document()) as (replicas, servers),
            _reading(servers, course) as (door, follower, planned, following),
        ):
            began_at = datetime.now(UTC)
            bringing = asyncio.create_task(_bring(door, course))
            failing = asyncio.create_task(_fail(course, replicas[0], follower, planned, say))
            try:
                await _ended(course, follower, (bringing, failing, following), began_at, say)
                faults = await failing
                await planned.settled(0, within_s=LEASE_S + SETTLE_S)
            finally:
                for task in (bringing, failing):
                    task.cancel()
                await asyncio.gather(bringing, failing, return_exceptions=True)
        verdict = follower.judge.verdict(faults)
        return _report(course, follower, verdict, faults, began_at)


@asynccontextmanager
async def _deployment(
    folder: Path, document: str
) -> AsyncIterator[tuple[Sequence[Process], Servers]]:
    secrets.make(folder / "secrets")
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(serving(folder, TENANT, document))
        ownership = process("ownership", servers, folder)
        replicas = [process("sla", servers, folder, name=f"sla-{number}") for number in range(2)]
        for one in (ownership, *replicas):
            stack.push_async_callback(one.child.stop)
        await asyncio.gather(*(one.child.start() for one in (ownership, *replicas)))
        yield replicas, servers


@asynccontextmanager
async def _reading(
    servers: Servers, course: Course
) -> AsyncIterator[tuple[BusDoor, Follower, Planned, asyncio.Task[None]]]:
    """Give a way to ownership, and the log and the store as seen from beside."""
    follower = Follower(check(course.document(), WheelZones()).at_revision(1))
    link = await Link.connect(servers.nats_url, name="reader")
    store = RedisStore.open(servers.store_url)
    try:
        async with nats_log(
            link,
            epoch=names.STORY_EPOCH,
            clock=SystemClock(),
            monitor_urls=[servers.monitor_url],
        ) as log:
            following = asyncio.create_task(follower.follow(log))
            try:
                yield BusDoor(NatsBus(link)), follower, Planned(store), following
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
    finally:
        await store.close()
        await link.close()


async def _bring(door: BusDoor, course: Course) -> None:
    """Bring the matters, at a steady rate whatever happens."""
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(TOGETHER_MAX)
    began_s = loop.time()

    async def bring(number: int) -> None:
        async with room:
            reply = internal_pb2.CommandReply.FromString(await door.call(TENANT, _contact(number)))
        if reply.WhichOneof("result") != "ok":
            raise Unavailable(f"ownership refused a contact: {reply.error}")

    async with together() as group:
        for number in range(course.matters):
            await asyncio.sleep(max(0.0, began_s + number / PER_S - loop.time()))
            group.create_task(bring(number))


def _contact(number: int) -> bytes:
    who = derive("customer", "timers", number)
    contact = internal_pb2.ReceiveContact(
        customer_id=who,
        contact_id=whole(who, derive("contact", number)),
        gateway="load",
        contact_made_at_us=to_us(datetime.now(UTC)),
        channel="chat",
        text="Where is my parcel?",
        topic="order",
        requirement=types_pb2.Requirement(queue=QUEUE),
        priority=100,
        diverted_customer_id=derive("fresh", number),
    )
    gateway = Principal(TENANT, Role.GATEWAY, "load")
    return command_of(gateway, "", receive_contact=contact).SerializeToString()


async def _fail(
    course: Course, replica: Process, follower: Follower, planned: Planned, say: Say
) -> Sequence[Fault]:
    """Kill a replica and wipe the store while clocks run out."""
    lease = timedelta(seconds=LEASE_S)
    await asyncio.sleep(course.wait_s + 0.2 * course.spread_s)
    killed_at = datetime.now(UTC)
    await replica.child.kill()
    say(f"{replica.name} was killed; starting it again")
    await replica.child.start()
    await asyncio.sleep(0.3 * course.spread_s)
    wiped_at = datetime.now(UTC)
    await planned.wipe()
    while await planned.stories() < follower.customers_left():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(POLL_S)
    rebuilt_at = datetime.now(UTC)
    say(f"the store was wiped; all planned after {(rebuilt_at - wiped_at).total_seconds():.1f} s")
    return (
        Fault(f"kill {replica.name}", killed_at, killed_at + lease),
        Fault("wipe", wiped_at, rebuilt_at + lease),
    )


async def _ended(
    course: Course,
    follower: Follower,
    tasks: Sequence[asyncio.Task[object]],
    began_at: datetime,
    say: Say,
) -> None:
    """Wait until everything is recorded, or should have been by far."""
    last_s = course.spread_s + course.answer_s + LEASE_S + END_S
    wanted, said_s = 2 * CLOCKS * course.matters, 0.0
    while len(follower.judge.recorded) < wanted:
        for task in tasks:
            if task.done():
                task.result()
        gone_s = (datetime.now(UTC) - began_at).total_seconds()
        if gone_s > last_s:
            return
        if gone_s - said_s > SAY_S:
            said_s = gone_s
            say(
                f"{gone_s:6.1f} s: {len(follower.awaited):,} timers of the real log known, "
                f"{len(follower.judge.recorded):,} recorded"
            )
        await asyncio.sleep(POLL_S)


def _report(
    course: Course,
    follower: Follower,
    verdict: Verdict,
    faults: Sequence[Fault],
    began_at: datetime,
) -> dict[str, object]:
    unknown = 2 * CLOCKS * course.matters - len(follower.awaited)
    return {
        "fired": verdict.breached,
        "warned": verdict.fired - verdict.breached,
        "lost": verdict.lost + unknown,
        "early": verdict.early,
        "duplicated": verdict.duplicated,
        "late_p50_s": verdict.outside.p50_s,
        "late_p99_s": verdict.outside.p99_s,
        "late_max_s": verdict.outside.max_s,
        "late_inside_p99_s": verdict.inside.p99_s,
        "matters": course.matters,
        "appends": follower.appends,
        "faults": [
            {
                "what": fault.what,
                "at_s": round((fault.at - began_at).total_seconds(), 2),
                "until_s": round((fault.until - began_at).total_seconds(), 2),
            }
            for fault in faults
        ],
        "seconds": round((datetime.now(UTC) - began_at).total_seconds(), 1),
    }
