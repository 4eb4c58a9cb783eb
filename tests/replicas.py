"""Replicas of ownership on one log in memory, each with a line of its own that can fail or die.

The auditor reads what stands in the log and holds it against the promises, knowing nothing of how
it was decided.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings

from tests.tellers import ENGINE, RULES, START, TENANT, own, secrets
from toldonce.kernel.errors import Refusal, Rejected, Unavailable
from toldonce.kernel.ids import CustomerId, Own, decode, encode
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.events import Words
from toldonce.ownership.core import Asked, Command, Rules
from toldonce.ownership.handler import Ask, Context, Ownership, Stories, Writer
from toldonce.ownership.handler.writer import Done
from toldonce.runtime import append as appending
from toldonce.runtime.append import Answer, Silent
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.log import Epochs, Fence, LogInfo, Outcome, Stored, check_append
from toldonce.runtime.testing.log import FakeLog, Fate
from toldonce.runtime.testing.table import FakeTable

BUSY_MAX = 12  # rounds until every coroutine stands at the log or is done


def runs(examples: int, steps: int) -> settings:
    """Give a machine a modest run; `--hypothesis-profile explore --timeout 0` looks for longer."""
    if settings.get_current_profile_name() == "explore":
        return settings(stateful_step_count=2 * steps)
    return settings(max_examples=examples, stateful_step_count=steps)


class Killed(BaseException):
    """The process is gone: nothing in it may say a word more."""


@dataclass(slots=True)
class HandClock:
    """A clock that the test moves."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True)
class Line:
    """`runtime.log.Log` as one process has it: its attempts have fates, and it can die.

    `dies_at`: at which step on the line the process dies; a step is the sending of a question or
    the coming of its answer. `gate` is awaited at every step, so a test can say whose turn it is.
    """

    log: FakeLog
    late: list[Callable[[], Awaitable[Answer]]]
    fates: list[Fate] = field(default_factory=list)
    dies_at: int | None = None
    gate: Callable[[str], Awaitable[None]] | None = None
    settled: bool = True
    dead: bool = False
    steps: int = 0
    halted: str | None = None
    clock_offset_s: float = 0.0

    async def append(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, fence: Fence
    ) -> Outcome:
        check_append(subject, payload, expected=expected, message_id=message_id)
        return await appending.append(
            self,
            subject,
            payload,
            expected=expected,
            message_id=message_id,
            fence=fence,
            pause=_no_pause,
        )

    async def attempt(
        self, subject: str, payload: bytes, *, expected: int, message_id: str, timeout_s: float
    ) -> Answer:
        async def send() -> Answer:
            return await self.log.attempt(
                subject, payload, expected=expected, message_id=message_id, timeout_s=timeout_s
            )

        await self._step("send")
        answer: Answer = Silent()
        match self.fates.pop(0) if self.fates else Fate.DELIVER:
            case Fate.DELIVER:
                answer = await send()
            case Fate.LOSE_ANSWER:
                await send()
            case Fate.DELIVER_LATE:
                self.late.append(send)
            case Fate.LOSE_REQUEST:
                pass
        await self._step("hear")
        return answer

    async def last(self, subject: str) -> Stored | None:
        await self._step("last")
        return await self.log.last(subject)

    async def read(
        self, subject: str, *, after: int = 0, upto: int | None = None, limit_max: int = 10_000
    ) -> list[Stored]:
        await self._step("read")
        return await self.log.read(subject, after=after, upto=upto, limit_max=limit_max)

    async def get(self, sequence: int) -> Stored | None:
        await self._step("get")
        return await self.log.get(sequence)

    async def info(self) -> LogInfo:
        await self._step("info")
        return await self.log.info()

    async def fresh(self) -> Epochs:
        await self._step("fresh")
        return await self.log.fresh()

    def __getattr__(self, name: str) -> object:
        return getattr(self.log, name)  # what only operators ask is asked of the log itself

    async def _step(self, name: str) -> None:
        self.steps += 1
        if self.gate is not None:
            await self.gate(name)
        if self.dead or self.steps == self.dies_at:
            self.dead = True
            raise Killed


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of ownership, with heads of its own in its cache."""

    line: Line
    stories: Stories
    context: Context
    ownership: Ownership


@dataclass(slots=True)
class Replicas:
    """As many processes of ownership as a test wants, on one log and under one clock."""

    rules: Rules = RULES
    clock: HandClock = field(default_factory=HandClock)
    log: FakeLog = field(init=False)
    keys: KeyRing = field(init=False)
    late: list[Callable[[], Awaitable[Answer]]] = field(default_factory=list)
    drawn: int = 0

    def __post_init__(self) -> None:
        self.log = FakeLog(clock=self.clock)
        self.keys = KeyRing(FakeTable(clock=self.clock), secrets(), self.clock)

    def open(self) -> Replica:
        """Start a process: its cache is empty."""
        line = Line(self.log, self.late)
        stories = Stories(line)
        context = Context(stories, self.keys)
        writer = Writer(
            log=line, stories=stories, keys=self.keys, clock=self.clock, committed=_nothing
        )

        async def rules(tenant: str) -> Rules:
            await asyncio.sleep(0)
            assert tenant == TENANT
            return self.rules

        ownership = Ownership(writer=writer, stories=stories, context=context, rules=rules)
        return Replica(line, stories, context, ownership)

    def operation(self) -> Own:
        """Draw an operation id as a client does now: a uuid7, but the same in every run."""
        self.drawn += 1
        raw = bytearray(decode(own("drawn", self.drawn)))
        raw[:6] = int(self.clock.at.timestamp() * 1000).to_bytes(6, "big")
        raw[6], raw[8] = raw[6] & 15 | 0x70, raw[8] & 63 | 0x80
        return Own(encode(bytes(raw)))

    def ask(
        self,
        of: str,
        command: Command,
        who: Principal = ENGINE,
        *,
        operation: str = "",
        words: Words | None = None,
    ) -> Ask:
        """Wrap a command under an operation id of its own."""
        by = Asked(Own(operation) if operation else self.operation(), who)
        return Ask(TENANT, CustomerId(of), command, by, words)

    async def deliver_late(self) -> None:
        """Let everything held back arrive now; nobody hears the answers."""
        held, self.late[:] = list(self.late), []
        for send in held:
            await send()


@dataclass(frozen=True, slots=True)
class Answered:
    """How a command ended for who asked: done, refused for a reason, or unknown."""

    ask: Ask
    done: Done | None = None
    reason: str = ""
    unknown: bool = False


async def answered(replica: Replica, ask: Ask) -> Answered:
    """Ask, and say how it ended."""
    try:
        return Answered(ask, await replica.ownership.do(ask))
    except Unavailable:
        return Answered(ask, unknown=True)
    except Rejected as no:
        return Answered(ask, reason=no.reason)
    except Refusal as no:
        return Answered(ask, reason=type(no).__name__)


class Loop:
    """A loop for a machine whose rules are plain functions."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run[T](self, work: Awaitable[T]) -> T:
        async def all_of_it() -> T:
            return await work

        return self._loop.run_until_complete(all_of_it())

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class Turns:
    """Lets tasks go one step on their lines at a time, in the order a test wants."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def of(self, who: int) -> Callable[[str], Awaitable[None]]:
        """Give the gate of one line."""

        async def gate(_: str) -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[who] = future
            await future

        return gate

    async def play(self, order: Callable[[list[int]], int], *tasks: asyncio.Task[object]) -> int:
        """Run the tasks to their end: `order` says who of those that wait goes on; the steps."""
        steps = 0
        while not all(task.done() for task in tasks):
            for _ in range(BUSY_MAX):
                await asyncio.sleep(0)
            if self._waiting:
                who = order(sorted(self._waiting))
                self._waiting.pop(who).set_result(None)
                steps += 1
        return steps


async def killed(work: Awaitable[object]) -> bool:
    """Say whether the process died over this work."""
    try:
        await work
    except Killed:
        return True
    except Refusal:
        return False
    return False


async def quiet(work: Awaitable[object]) -> None:
    """Do this work and let a refusal be."""
    with contextlib.suppress(Refusal):
        await work


async def _no_pause(number: int) -> None:
    del number
    await asyncio.sleep(0)


def _nothing(tenant: str, customer: str, sequence: int) -> None:
    pass
