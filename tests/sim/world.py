"""The world outside the house: it asks, is answered or not, and remembers every word of both.

What is remembered here is what the checks believe; nothing in the house can write to it.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.sim.book import Book
from tests.sim.chance import secrets
from tests.sim.house import TENANTS, House, Process
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.kernel.config import Config
from toldonce.kernel.errors import (
    Exhausted,
    Invalid,
    Missing,
    Refusal,
    Rejected,
    Unavailable,
)
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.record import Logged
from toldonce.ownership.wire import command_of
from toldonce.runtime.cipher import unseal, unwrap
from toldonce.runtime.envelope import decode_words
from toldonce.runtime.ids import new_id
from toldonce.runtime.keys import unpack
from toldonce.runtime.names import block_key
from toldonce.runtime.rpc import Broken, from_status
from toldonce.runtime.words import place

CALL_S = 9.0
TRIES = 6
AHEAD = timedelta(seconds=0.5)  # clocks of the house may differ by as much


@dataclass(slots=True)
class Op:
    """One thing somebody asked for, and what they were told.

    `result` is open, ok, refused or unknown; `firm`: no other copy of it was under way when it was
    refused. `facts` are what the asker quoted (epoch, seen, case).
    """

    kind: str
    tenant: str
    operation: str
    actor: str
    invoked_at: int
    invoked_s: float
    facts: dict[str, Any] = field(default_factory=dict)
    result: str = "open"
    reason: str = ""
    firm: bool = True
    sequence: int = 0
    event_id: str = ""
    repeat: bool = False
    returned_at: int = 0
    copies: int = 0
    again: Callable[[], Awaitable[Any]] | None = None


@dataclass(slots=True)
class Told:
    """A contact as a gateway handed it in, and the acknowledgements it got."""

    tenant: str
    gateway: str
    message_id: str
    request: Any
    acks: list[Any] = field(default_factory=list)
    cancelled: bool = False


class World:
    """Everything the people outside know."""

    def __init__(self, house: House, rng: random.Random) -> None:
        self.house = house
        self.net = house.net
        self.loop = house.loop
        self.rng = rng
        self.ops: list[Op] = []
        self.told: dict[tuple[str, str, str], Told] = {}
        self.delivered: dict[tuple[str, str], set[str]] = {}
        self.hashes: list[tuple[str, str, str, int, bytes]] = []
        self.refusals: Counter[str] = Counter()
        self.wrong: list[tuple[str, str]] = []
        self.said = 0
        self.willing = False
        self.holding = False
        self.closing = False
        self.mix: dict[str, float] = {}
        self.book = Book(house.servers.log)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.customers: dict[str, list[str]] = {}
        self.closed: dict[str, list[str]] = {}
        self.promised: dict[str, list[str]] = {}
        self.shared_operations: list[str] = []
        self._config: Config | None = None
        self._words: dict[bytes, Any] = {}

    # ---- doing

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let somebody do something."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.wrong.append(("actor", f"an actor failed: {error!r}"))

    async def quit(self) -> None:
        """Send everybody home."""
        while self._tasks:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)

    async def pause(self, low_s: float, high_s: float) -> None:
        """Take one's time."""
        await asyncio.sleep(self.rng.uniform(low_s, high_s))

    def pick(self, kind: str) -> Process:
        """Choose a process that answers; raises Unavailable."""
        found = self.house.of(kind)
        if not found:
            raise Unavailable(f"no {kind} answers")
        return self.rng.choice(found)

    def config(self) -> Config:
        """The configuration in force, which is the same for all."""
        if self._config is None:
            for process in self.house.all:
                if process.ports is not None and self._config is None:
                    self._config = process.ports.config.known(TENANTS[0])
        assert self._config is not None
        return self._config

    def words(self, logged: Logged) -> Any:
        """Unseal the words of a message with the keys as they stand; None: forgotten."""
        record = logged.record
        if not record.sealed or record.key is None:
            return {}
        found = self._words.get(logged.digest)
        if found is None:
            key = self.key(record.tenant, record.key)
            if key is None:
                return None
            found = decode_words(unseal(key, record.nonce, record.sealed, place(record)))
            self._words[logged.digest] = found
        return found

    def key(self, tenant: str, ref: KeyRef) -> bytes | None:
        """Read a data key as it stands in the table; None: it was destroyed."""
        row = self.house.servers.keys.peek(block_key(tenant, ref.block))
        if row is None:
            return None
        kek_id, wrapped = unpack(row.value)
        if ref.index not in wrapped:
            return None
        where = f"{tenant}.{ref.block}.{ref.index}".encode()
        return unwrap(secrets().keks[kek_id], wrapped[ref.index], where)

    # ---- asking

    def begin(self, kind: str, tenant: str, operation: str, actor: str, **facts: Any) -> Op:
        """Note that something is asked."""
        self.net.steps["operation"] += 1
        op = Op(
            kind,
            tenant,
            operation,
            actor,
            self.house.servers.log.count,
            self.loop.time(),
            facts,
        )
        self.ops.append(op)
        return op

    def draw_operation(self, tenant: str) -> str:
        """Draw an operation id; now and then one that another tenant has drawn too."""
        if tenant == TENANTS[0]:
            drawn = new_id()
            self.shared_operations = [*self.shared_operations[-7:], drawn]
            return drawn
        if self.shared_operations and self.rng.random() < self.mix.get("same_operation", 0.1):
            return self.shared_operations.pop()
        return new_id()

    async def ask(self, who: Principal, kind: str, *, quotes: dict[str, Any], **body: Any) -> Any:
        """Ask ownership for something once, patiently; gives CommandDone or raises a Refusal."""
        operation = self.draw_operation(who.tenant)
        op = self.begin(kind, who.tenant, operation, who.subject, **quotes)
        data = command_of(who, operation, **body).SerializeToString()

        async def once() -> Any:
            return await self._once(op, data)

        op.again = once
        return await self.patiently(op, once)

    async def patiently(
        self, op: Op, once: Callable[[], Awaitable[Any]], tries: int = TRIES
    ) -> Any:
        """Ask the very same until it is answered; a few times."""
        for number in range(tries):
            try:
                done = await once()
            except Unavailable:
                await self.pause(0.05, min(2.0, 0.6 * (number + 1)))
            except Refusal as no:
                self.refused(op, no)
                raise
            else:
                self.answered(op, done)
                return done
        op.result = "unknown"
        raise Unavailable("nobody can say")

    async def _once(self, op: Op, data: bytes) -> Any:
        process = self.pick("ownership")
        op.copies += 1

        async def handle() -> bytes:
            answer: bytes = await process.bound.answer(data)
            op.copies -= 1
            return answer

        answer = await self.net.call(process.host, handle, timeout_s=CALL_S)
        reply = internal_pb2.CommandReply.FromString(answer)
        if reply.WhichOneof("result") != "ok":
            raise from_status(reply.error)
        return reply.ok

    def answered(self, op: Op, done: Any) -> None:
        """Note that it was done."""
        op.result, op.returned_at = "ok", self.house.servers.log.count
        if isinstance(done, internal_pb2.CommandDone):
            op.sequence, op.event_id, op.repeat = done.sequence, done.event_id, done.repeat

    def refused(self, op: Op, no: Refusal) -> None:
        """Note that it was not, and whether the answer is one that may be given."""
        op.result, op.returned_at = "refused", self.house.servers.log.count
        op.firm = op.copies == 0
        op.reason = no.reason if isinstance(no, Rejected) else type(no).__name__
        self.refusals[f"{op.kind} {op.reason}"] += 1
        if isinstance(no, Broken):
            self.wrong.append(("fault", f"{op.kind} met a fault of ours: {no}"))
        elif isinstance(no, Invalid) and str(no).startswith("message_id"):
            self.wrong.append(("I12", f"{op.kind} {op.operation} met another's words: {no}"))
        elif isinstance(no, Invalid | Missing) and not self._may_be_wrong(op, no):
            self.wrong.append(("I2", f"{op.kind} {op.operation} was called wrong: {no}"))
        elif isinstance(no, Exhausted):
            self.wrong.append(("I7", f"{op.kind} was turned away: {no}"))

    def _may_be_wrong(self, op: Op, no: Refusal) -> bool:
        """Tell whether it could be called wrong: it named what may be gone, or its time is over."""
        until = op.facts.get("until")
        late = until is not None and self.house.clock.now() > until - AHEAD
        late = late and str(no).startswith(("due_at", "until_at"))
        return late or bool(op.facts.get("may_be_wrong"))

    async def settle(self) -> None:
        """Ask again for whatever nobody could say, until it is known."""
        unknown = [op for op in self.ops if op.result in {"unknown", "open"} and op.again]
        await asyncio.gather(*(self._settle(op) for op in unknown))

    async def _settle(self, op: Op) -> None:
        if op.again is not None:
            with contextlib.suppress(Refusal):
                await self.patiently(op, op.again, tries=15)
