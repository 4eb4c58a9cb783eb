"""What lies between processes and servers: it drops, doubles, delays, reorders and cuts.

The servers themselves are the fakes of the contract suites. A request that is under way arrives
even when whoever sent it has died meanwhile; an answer may be lost; a cut process hears nobody.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.sim.chance import SimClock
from tests.sim.loop import Host, VirtualLoop
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.runtime import append as appending
from toldonce.runtime.append import Answer, Silent, Unsent
from toldonce.runtime.bus import Desk, Handler, Listener, Subscription, no_answer, nobody
from toldonce.runtime.log import (
    CLOCK_OFFSET_MAX_S,
    READ_MAX,
    SETTLE_S,
    Fence,
    LogInfo,
    Outcome,
    Stored,
    check_append,
    check_subject,
)
from toldonce.runtime.store import Commands, Script, Value
from toldonce.runtime.table import Row
from toldonce.runtime.testing.bus import matches
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable

ANSWER_S = 2.0


@dataclass(slots=True)
class Weather:
    """How likely each mishap is, a message; `still`: none happens and nothing takes time."""

    drop: float = 0.01
    double: float = 0.02
    lost_ack: float = 0.01
    zombie: float = 0.01
    slow: float = 0.35
    very_slow: float = 0.01
    still: bool = False


class Net:
    """The network of one simulated house."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, weather: Weather) -> None:
        self.loop = loop
        self.rng = rng
        self.weather = weather
        self.faults: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.servers = Host("servers")
        self._order: Counter[str] = Counter()

    def hit(self, kind: str, chance: float) -> bool:
        """Draw whether a mishap happens now, and count it."""
        if self.weather.still or self.rng.random() >= chance:
            return False
        self.fault(kind)
        return True

    def fault(self, kind: str) -> None:
        """Count a fault that happens now."""
        self.faults[kind] += 1
        self.steps["fault"] += 1

    def delay_s(self) -> float:
        """Draw how long one way takes: mostly nothing, sometimes longer than anybody waits."""
        weather = self.weather
        if weather.still:
            return 0.0
        luck = self.rng.random()
        if luck < weather.very_slow:
            self.fault("delay")
            return self.rng.uniform(0.1, 4.0)
        return luck * 0.02 if luck < weather.slow else 0.0

    def overtaken(self, line: str, sent: int) -> None:
        """Count a message that others sent later have passed."""
        if sent < self._order[line]:
            self.fault("reorder")
        self._order[line] = max(self._order[line], sent)

    async def trip[T](self, link: "Link", do: Callable[[], Awaitable[T]], what: str) -> T:
        """Ask a server; raises Unavailable when no answer came, though it may have been done."""
        link.check()
        away_s = self.delay_s()
        lost = self.hit("drop", self.weather.drop)
        unheard = not lost and self.hit("lost_ack", self.weather.lost_ack)
        if not (away_s or lost or unheard):
            return await do()
        if lost:
            await asyncio.sleep(ANSWER_S)
            raise Unavailable(f"The {what} does not answer.")
        answer: asyncio.Future[T] = self.loop.create_future()

        async def arrive() -> None:
            await asyncio.sleep(away_s)
            try:
                found = await do()
            except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()
                return
            if not (unheard or answer.done()):
                answer.set_result(found)

        self.servers.spawn(self.loop, arrive())
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await answer
        except TimeoutError:
            raise Unavailable(f"The {what} does not answer.") from None
        link.check()
        return found

    async def call[T](
        self, host: "Host", work: Callable[[], Awaitable[T]], *, timeout_s: float
    ) -> T:
        """Call a process from outside (gRPC): raises Unavailable when no answer came."""
        if host.dead:
            await asyncio.sleep(0.01)
            raise Unavailable("nobody listens there")
        away_s = self.delay_s()
        if self.hit("drop", self.weather.drop):
            await asyncio.sleep(timeout_s)
            raise Unavailable("no answer in time")
        unheard = self.hit("lost_ack", self.weather.lost_ack)
        answer: asyncio.Future[T] = self.loop.create_future()

        async def serve() -> None:
            if away_s:
                await asyncio.sleep(away_s)
            self.steps["delivery"] += 1
            try:
                found = await work()
            except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
                if not (unheard or answer.done()):
                    answer.set_exception(error)
                    answer.exception()
                return
            if not (unheard or answer.done()):
                answer.set_result(found)

        host.spawn(self.loop, serve())
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise Unavailable("no answer in time") from None


class Link:
    """One process's connection to all servers."""

    def __init__(self, net: Net, host: Host, clock: SimClock) -> None:
        self.net = net
        self.host = host
        self.clock = clock
        self.cut = False
        self._mended = asyncio.Event()
        self._mended.set()

    def check(self) -> None:
        """Raise Unavailable while nothing goes through."""
        if self.cut or self.host.dead:
            raise Unavailable("not connected")

    def sever(self) -> None:
        """Cut it."""
        self.cut = True
        self._mended.clear()

    def mend(self) -> None:
        """Connect again."""
        self.cut = False
        self._mended.set()

    async def whole(self) -> None:
        """Wait until it is connected."""
        await self._mended.wait()


class LogLine:
    """`runtime.log.Log` as one process sees the shared log, by the one append algorithm."""

    def __init__(self, link: Link, log: FakeLog) -> None:
        self.halted: str | None = None
        self._link = link
        self._net = link.net
        self._log = log
        self._settled_s = 0.0
        self._stale = (0.0, 0)

    @property
    def settled(self) -> bool:
        return self._net.loop.time() >= self._settled_s

    @property
    def clock_offset_s(self) -> float:
        return self._link.clock.skew_s

    def unsettle(self, stale_s: float) -> None:
        """A leader was elected: for a while reads may come from the old one."""
        now_s = self._net.loop.time()
        self._settled_s = now_s + SETTLE_S
        self._stale = (now_s + stale_s, self._log.count)

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        check_append(subject, payload, expected=expected, message_id=message_id)
        if self.halted is not None:
            raise Unavailable(self.halted, retry_s=5.0)
        if abs(self.clock_offset_s) > CLOCK_OFFSET_MAX_S:
            raise Unavailable("This process's clock is not the log's.", retry_s=5.0)
        try:
            return await appending.append(
                self,
                subject,
                payload,
                expected=expected,
                message_id=message_id,
                fence=fence,
                pause=self._pause,
            )
        except appending.Regression as error:
            self.halted = str(error)
            raise Unavailable(str(error), retry_s=5.0) from error

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        net = self._net
        if self._link.cut or self._link.host.dead:
            await asyncio.sleep(0)
            return Unsent()

        async def store() -> Answer:
            return self._log.arrive(subject, payload, expected, message_id)

        if net.hit("zombie", net.weather.zombie):
            late_s = net.rng.uniform(0.5, 8.0)
            net.servers.spawn(net.loop, _later(late_s, store))
            await asyncio.sleep(timeout_s if net.rng.random() < 0.5 else 0.01)
            return Silent()
        if net.hit("double", net.weather.double):
            net.servers.spawn(net.loop, _later(net.rng.uniform(0.0, 3.0), store))
        try:
            return await net.trip(self._link, store, "log")
        except Unavailable:
            return Silent()

    async def last(self, subject: str) -> Stored | None:
        check_subject(subject)
        subject = self._one(subject)

        async def last() -> Stored | None:
            found = await self._log.last(subject)
            limit = self._limit()
            if found is None or limit is None or found.sequence <= limit:
                return found
            old = await self._log.read(subject, upto=limit)
            return old[-1] if old else None

        return await self._net.trip(self._link, last, "log")

    async def get(self, sequence: int) -> Stored | None:
        async def get() -> Stored | None:
            limit = self._limit()
            return None if limit and sequence > limit else await self._log.get(sequence)

        return await self._net.trip(self._link, get, "log")

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = READ_MAX
    ) -> list[Stored]:
        check_subject(subject)
        subject = self._one(subject)

        async def read() -> list[Stored]:
            limit = self._limit()
            end = upto if limit is None else min(upto or limit, limit)
            return await self._log.read(subject, after=after, upto=end, limit_max=limit_max)

        return await self._net.trip(self._link, read, "log")

    async def info(self) -> LogInfo:
        return await self._net.trip(self._link, self._log.info, "log")

    async def tail(self, *, after: int) -> AsyncGenerator[list[Stored]]:
        net = self._net
        async with contextlib.aclosing(self._log.tail(after=after)) as batches:
            async for batch in batches:
                await self._link.whole()
                if net.hit("tail_broken", net.weather.drop / 10):
                    raise Unavailable("The log was not read for a moment.")
                pause_s = net.delay_s()
                if pause_s:
                    await asyncio.sleep(pause_s)
                net.steps["delivery"] += len(batch)
                yield batch

    @property
    def epochs(self) -> Any:
        return self._log.epochs

    async def fresh(self) -> Any:
        return await self._net.trip(self._link, self._log.fresh, "log")

    async def latest(self, epoch: int) -> AsyncGenerator[list[Stored]]:
        async with contextlib.aclosing(self._log.latest(epoch)) as batches:
            async for batch in batches:
                await self._link.whole()
                self._net.steps["delivery"] += len(batch)
                yield batch

    def _limit(self) -> int | None:
        until_s, limit = self._stale
        return limit if self._net.loop.time() < until_s else None

    def _one(self, subject: str) -> str:
        """Resolve a subject as a server does, that would read any story behind a wildcard."""
        if "*" not in subject:
            return subject
        found = (one for one in self._log.subjects() if matches(subject, one))
        return next(found, subject.replace("*", "none"))

    async def _pause(self, number: int) -> None:
        await asyncio.sleep(self._net.rng.uniform(0.01, 0.1) * number)


class TableLine:
    """`runtime.table.Table` as one process sees a shared table."""

    def __init__(self, link: Link, table: FakeTable) -> None:
        self._link = link
        self._net = link.net
        self._table = table

    async def get(self, key: str) -> Row | None:
        return await self._net.trip(self._link, lambda: self._table.get(key), "table")

    async def put(
        self,
        key: str,
        value: bytes,
        *,
        expected: int | None,
        ttl_s: float | None = None,
        tombstone: bool = False,
    ) -> int:
        async def put() -> int:
            return await self._table.put(
                key, value, expected=expected, ttl_s=ttl_s, tombstone=tombstone
            )

        net = self._net
        if net.hit("zombie", net.weather.zombie):
            self._link.check()
            net.servers.spawn(net.loop, _later(net.rng.uniform(0.5, 8.0), put))
            await asyncio.sleep(ANSWER_S)
            raise Unavailable("The table does not answer.")
        return await net.trip(self._link, put, "table")

    async def rows(self, prefix: str = "") -> list[Row]:
        return await self._net.trip(self._link, lambda: self._table.rows(prefix), "table")

    async def last_revision(self) -> int:
        return await self._net.trip(self._link, self._table.last_revision, "table")

    async def watch(self, *, after: int) -> AsyncGenerator[list[Row]]:
        async with contextlib.aclosing(self._table.watch(after=after)) as batches:
            async for batch in batches:
                await self._link.whole()
                self._net.steps["delivery"] += len(batch)
                yield batch


class StoreLine(Commands):
    """`runtime.store.Store` as one process sees the shared one."""

    def __init__(self, link: Link, store: FakeStore) -> None:
        self._link = link
        self._net = link.net
        self._store = store

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> Any:
        return await self._net.trip(
            self._link, lambda: self._store.run(script, keys, args), "store"
        )

    async def call(self, command: str, *arguments: Value) -> Any:
        return await self._net.trip(
            self._link, lambda: self._store.call(command, *arguments), "store"
        )

    async def pipeline(self, commands: Sequence[Sequence[Value]]) -> list[Any]:
        return await self._net.trip(self._link, lambda: self._store.pipeline(commands), "store")


@dataclass(frozen=True, slots=True, eq=False)
class _Served:
    subject: str
    queue: str
    host: Host
    desk: Desk


@dataclass(frozen=True, slots=True, eq=False)
class _Ear:
    subject: str
    host: Host
    handler: Listener


class Exchange:
    """The bus itself: who serves and who listens."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.served: list[_Served] = []
        self.ears: list[_Ear] = []
        self._sent = 0

    def forget(self, host: Host) -> None:
        """A process has ended: its connection is gone."""
        self.served = [one for one in self.served if one.host is not host]
        self.ears = [one for one in self.ears if one.host is not host]

    def publish(self, subject: str, data: bytes) -> None:
        """Send a hint to everybody who listens."""
        net = self.net
        self._sent += 1
        for ear in self.ears:
            if not matches(ear.subject, subject):
                continue
            copies = 0 if net.hit("drop", net.weather.drop) else 1
            if copies and net.hit("double", net.weather.double):
                copies = 2
            for _ in range(copies):
                away_s = net.delay_s()
                given = (ear, subject, data, self._sent)
                if away_s:
                    net.loop.call_later(away_s, self._hear, *given, context=ear.host.context)
                else:
                    ear.host.call(net.loop, self._hear, *given)

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Ask one of those who serve a subject."""
        net = self.net
        able = [one for one in self.served if matches(one.subject, subject) and not one.host.dead]
        if not able:
            await asyncio.sleep(0)
            raise nobody(subject)
        self._sent += 1
        if net.hit("drop", net.weather.drop):
            await asyncio.sleep(timeout_s)
            raise no_answer(subject, timeout_s)
        answer: asyncio.Future[bytes] = net.loop.create_future()
        copies = 2 if net.hit("double", net.weather.double) else 1
        unheard = net.hit("lost_ack", net.weather.lost_ack)
        for copy in range(copies):
            for one in (net.rng.choice(able),) if able[0].queue else able:
                away_s = net.delay_s() + copy * net.rng.uniform(0.0, 2.0)
                given = (one, subject, data, None if unheard else answer, self._sent)
                net.loop.call_later(away_s, self._take, *given, context=one.host.context)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise no_answer(subject, timeout_s) from None

    def _hear(self, ear: _Ear, subject: str, data: bytes, sent: int) -> None:
        if ear in self.ears:
            self.net.steps["delivery"] += 1
            self.net.overtaken(f"{ear.host.name} {subject}", sent)
            ear.handler(subject, data)

    def _take(
        self,
        one: _Served,
        subject: str,
        data: bytes,
        answer: asyncio.Future[bytes] | None,
        sent: int,
    ) -> None:
        if one in self.served:
            self.net.steps["delivery"] += 1
            self.net.overtaken(f"{one.host.name} {subject}", sent)
            one.desk.spawn(self._answer(one, data, answer))

    async def _answer(
        self, one: _Served, data: bytes, answer: asyncio.Future[bytes] | None
    ) -> None:
        try:
            found = await one.desk.answer(data)
        except Unavailable as error:
            if answer is not None and not answer.done():
                answer.set_exception(error)
                answer.exception()
            return
        back_s = self.net.delay_s()
        if back_s:
            await asyncio.sleep(back_s)
        if answer is not None and not answer.done():
            answer.set_result(found)


class BusLine:
    """`runtime.bus.Bus` as one process sees the shared one."""

    def __init__(self, link: Link, exchange: Exchange) -> None:
        self._link = link
        self._exchange = exchange

    async def publish(self, subject: str, data: bytes) -> None:
        await asyncio.sleep(0)
        if not (self._link.cut or self._link.host.dead):
            self._exchange.publish(subject, data)

    async def request(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        self._link.check()
        return await self._exchange.request(subject, data, timeout_s)

    async def serve(
        self, subject: str, handler: Handler, *, queue: str, inflight_max: int
    ) -> Subscription:
        desk = Desk(handler, inflight_max=inflight_max)
        one = _Served(subject, queue, self._link.host, desk)
        self._exchange.served.append(one)
        return _Closing(lambda: self._exchange.served.remove(one), desk)

    async def subscribe(self, subject: str, handler: Listener) -> Subscription:
        ear = _Ear(subject, self._link.host, handler)
        self._exchange.ears.append(ear)
        return _Closing(lambda: self._exchange.ears.remove(ear), None)


class _Closing:
    def __init__(self, leave: Callable[[], None], desk: Desk | None) -> None:
        self._leave = leave
        self._desk = desk

    async def close(self) -> None:
        with contextlib.suppress(ValueError):
            self._leave()
        if self._desk is not None:
            await self._desk.close()


async def _later[T](delay_s: float, do: Callable[[], Awaitable[T]]) -> None:
    await asyncio.sleep(delay_s)
    with contextlib.suppress(Refusal):
        await do()
