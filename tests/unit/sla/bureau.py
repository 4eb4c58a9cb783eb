"""A whole SLA service beside a real ownership on fakes: stories in, warnings and breaches out."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.aims import aimed
from tests.tellers import (
    GATEWAY,
    RULES,
    START,
    TENANT,
    Office,
    agent,
    contact,
    customer,
    offer,
    words,
)
from tests.tellers import office as open_office
from toldonce.client.commands import CommandDoor, LocalDoor
from toldonce.kernel.config import Config
from toldonce.kernel.ids import CustomerId, Own
from toldonce.kernel.story.events import (
    EntryKind,
    EntryWords,
    Escalated,
    Event,
    HandoffBegun,
    PriorityRaised,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.types import Case
from toldonce.ownership.consumer import Consumer
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import AcceptOffer, AppendEntry, CloseCase, MakeCommitment
from toldonce.runtime import names
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.document import Stored, check, pack
from toldonce.runtime.envelope import decode_record
from toldonce.runtime.feed import Feed
from toldonce.runtime.meter import Meter
from toldonce.runtime.store import Store
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.zones import WheelZones
from toldonce.sla.consumer import POLL_S, Timekeeper
from toldonce.sla.handler import Claim, RedisTimers, Settled

DOCUMENT = """
version: 1
languages: [nl]
skills: [orders]
channels: [{name: chat, kind: chat, cost: 1, queue: orders}]
topics: [{name: order, queue: orders, words: {nl: [pakket]}}]
calendars:
  - name: office
    zone: Europe/Amsterdam
    weekly: {CALENDAR}
queues:
  - {name: orders, CALENDAR_OF sla: quick, dispositions: [resolved]}
  - {name: returns, sla: answer, dispositions: [resolved]}
  - {name: escalations, dispositions: [resolved]}
agents: [{name: anna, skills: {orders: 3}, languages: {nl: 5}, capacity_units: 4}]
sla:
  - name: quick
    targets: {queue_wait_s: WAIT}
    warn_fraction: 0.5
    on_breach: {raise_priority_by: 150, escalate_after_s: 20, escalate_to: escalations}
  - name: answer
    targets: {first_response_s: WAIT}
    on_breach: {raise_priority_by: 150, escalate_to: escalations}
"""
WEEKDAYS = "monday: ['09:00-17:00'], tuesday: ['09:00-17:00'], wednesday: ['09:00-17:00'], "
WEEKDAYS += "thursday: ['09:00-17:00'], friday: ['09:00-17:00']"
ZONES = WheelZones()


def document(wait_s: int = 60, *, office_hours: bool = False) -> str:
    """A policy that aims at `wait_s` seconds, all day or in office hours."""
    return (
        DOCUMENT.replace("CALENDAR_OF", "calendar: office," if office_hours else "")
        .replace("{CALENDAR}", f"{{{WEEKDAYS}}}")
        .replace("WAIT", str(wait_s))
    )


def config(wait_s: int = 60, *, office_hours: bool = False) -> Config:
    """The policy itself, as revision 1."""
    return check(document(wait_s, office_hours=office_hours), ZONES).at_revision(1)


@dataclass
class Bureau:
    """Ownership, a store and a configuration; `replica` runs a timekeeper on them."""

    house: Office
    store: Store
    configs: FakeTable
    meter: Meter = field(default_factory=Meter)
    door: CommandDoor | None = None
    cache: ConfigCache | None = None
    rules: Rules = RULES

    def __post_init__(self) -> None:
        """Let ownership decide by the same policy."""
        self.house.ownership._rules = self.rules_of  # noqa: SLF001 - its office has no bucket

    async def rules_of(self, tenant: str) -> Rules:
        """Give the rules in force."""
        await asyncio.sleep(0)
        assert tenant == TENANT
        return self.rules

    @property
    def now(self) -> datetime:
        return self.house.clock.now()

    async def apply(self, text: str, tenant: str = TENANT) -> None:
        """Put a document in force."""
        if tenant == TENANT:
            self.rules = aimed(check(text, ZONES).at_revision(1))
        stored = pack(Stored(text, self.now, "ruth"))
        await self.configs.put(names.config_key(tenant), stored, expected=None)
        if self.cache is not None:
            self.cache.hint(tenant)

    def local_door(self) -> CommandDoor:
        return LocalDoor(Consumer(self.house.ownership).answer)

    @contextlib.asynccontextmanager
    async def replica(
        self,
        name: str = "one",
        *,
        clock: LoopClock | None = None,
        store: Store | None = None,
        poll_s: float = POLL_S,
    ) -> AsyncIterator[Timekeeper]:
        """Run a replica until the block ends, as a process that is then killed."""
        cache = self.cache = ConfigCache(self.configs, ZONES, check_s=50 * poll_s)
        feed = Feed(self.house.log, FakeTable(clock=self.house.clock), meter=self.meter)
        keeper = Timekeeper(
            timers=RedisTimers(store or self.store, name),
            log=self.house.log,
            feed=feed,
            door=self.door or self.local_door(),
            config=cache,
            clock=clock or self.house.clock,
            meter=self.meter,
            poll_s=poll_s,
        )
        tasks = [asyncio.ensure_future(part) for part in (feed.run(), keeper.run(), cache.run())]
        try:
            yield keeper
            assert not [task for task in tasks if task.done()], "a part of the replica ended"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, at: datetime) -> None:
        """Let time pass until `at`."""
        await asyncio.sleep((at - self.now).total_seconds())

    async def told(self, number: int = 1, *, of: str = "", queue: str = "orders") -> Case:
        """Have a customer tell something new."""
        command = contact(number, queue=queue)
        ask = self.house.ask(command, GATEWAY, of=of, operation=command.contact, words=words())
        received = await self.house.ownership.receive(ask, CustomerId(customer("fresh")))
        found = received.story.case(received.event.case)
        assert found is not None
        return found

    async def owned(self, case: Case, by: str = "anna", *, of: str = "") -> Case:
        """Have an agent take a case."""
        plain = offer(case.own, by, now=self.now, epoch=case.epoch)
        made = replace(plain, trace=b"")  # an export unpacks it
        await self.house.ownership.do(self.house.ask(made, of=of))
        accept = AcceptOffer(made.offer, case.epoch, b"")
        await self.house.ownership.do(self.house.ask(accept, agent(by), of=of))
        return await self.case(case.own, of=of)

    async def answered(self, case: Case, *, of: str = "") -> None:
        """Have its owner answer the customer."""
        entry = AppendEntry(case.own, case.epoch, EntryKind.MESSAGE_OUT)
        said = EntryWords("Het komt morgen.", ())
        await self.house.ownership.do(self.house.ask(entry, agent(case.owner), of=of, words=said))

    async def promised(self, case: Case, due_at: datetime) -> Own:
        """Have its owner promise the customer something; gives the promise."""
        said = EntryWords("Wij bellen u terug.", ())
        made = MakeCommitment(case.own, case.epoch, due_at)
        await self.house.ownership.do(self.house.ask(made, agent(case.owner), words=said))
        placed = await self.house.stories.load(TENANT, customer())
        return placed.story.commitments[-1].own

    async def closed(self, case: Case, *, of: str = "") -> None:
        """Have its owner close a case."""
        seen = case.last_customer_entry
        command = CloseCase(case.own, case.epoch, "resolved", seen, re_told=False)
        await self.house.ownership.do(self.house.ask(command, agent(case.owner), of=of))

    async def case(self, own: str, *, of: str = "") -> Case:
        placed = await self.house.stories.load(TENANT, of or customer())
        found = placed.story.case(own)
        assert found is not None
        return found

    async def happened(self, *kinds: type[Event]) -> list[tuple[datetime, Event]]:
        """Give the events of these kinds, with their time, in the order of the log."""
        info = await self.house.log.info()
        found = []
        for sequence in range(1, info.last + 1):
            stored = await self.house.log.get(sequence)
            assert stored is not None
            record = decode_record(stored.payload)
            found += [(record.at, event) for event in record.events if isinstance(event, kinds)]
        return found

    async def fired(self) -> list[tuple[str, float]]:
        """Give what the clocks did, with the seconds since START."""
        done = await self.happened(SlaWarned, SlaBreached, PriorityRaised, Escalated, HandoffBegun)
        return [(type(event).__name__, (at - START).total_seconds()) for at, event in done]

    async def timers_fired(self) -> Counter[Own]:
        """Count how often each timer stands in the log."""
        done = await self.happened(SlaWarned, SlaBreached)
        return Counter(getattr(event, "timer", Own("")) for _, event in done)


async def bureau(
    text: str = "", *, store: Callable[[Office], Store] | None = None, house: Office | None = None
) -> Bureau:
    """Open a bureau with a policy in force."""
    house = house or open_office()
    house.clock.now()
    made = Bureau(
        house,
        FakeStore(clock=house.clock) if store is None else store(house),
        FakeTable(clock=house.clock),
        house.meter,
    )
    await made.apply(text or document())
    return made


def after(seconds: float) -> datetime:
    """An instant so many seconds after START."""
    return START + timedelta(seconds=seconds)


class NothingDue:
    """A store of timers of which none is ever due, and where nothing stands."""

    async def begin(self) -> str:
        await asyncio.sleep(0)
        return "one"

    async def standing(
        self, stories: Sequence[tuple[str, str]], *, now: bool = False
    ) -> list[None]:
        await asyncio.sleep(0)
        return [None] * len(stories)

    async def claim(self, limit_max: int) -> Claim:
        await asyncio.sleep(0)
        assert limit_max
        return Claim((), datetime.now(UTC), None)

    async def settle(self, ends: Sequence[Settled]) -> int:
        await asyncio.sleep(0)
        return len(ends)
