"""Writes stories into a log fact by fact, and runs what follows them: feed, heads, views."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tests.tellers import START, TENANT, customer, own
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    Absorbed,
    CaseClosed,
    CaseOpened,
    DeliveryConfirmed,
    EntryAppended,
    EntryKind,
    Event,
    OfferAccepted,
    Offered,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION, Story
from toldonce.ownership.projector import HeadKeeper, ViewKeeper
from toldonce.runtime import names
from toldonce.runtime.clock import Clock, LoopClock
from toldonce.runtime.envelope import digest, encode_record
from toldonce.runtime.feed import Feed, OpenStory
from toldonce.runtime.log import Committed, Log
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import place_of, unpack_open
from toldonce.runtime.store import Store
from toldonce.runtime.table import Table
from toldonce.runtime.testing.log import FakeLog
from toldonce.runtime.testing.store import FakeStore
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.views import Views


@dataclass(frozen=True, slots=True)
class Told:
    """A story as it stands: what the next append must name."""

    head: Story = EMPTY
    sequence: int = 0
    digest: bytes = b""


@dataclass(slots=True)
class Scribe:
    """Appends facts to stories and knows what they fold to."""

    log: Log
    clock: Clock
    told: dict[tuple[str, str], Told] = field(default_factory=dict)
    last: int = 0
    _count: int = 0

    async def tell(
        self,
        who: str,
        *events: Event,
        tenant: str = TENANT,
        engine_epoch: int = 0,
        actor: str = "service:test",
        fold_version: int = FOLD_VERSION,
    ) -> int:
        """Append one message with these facts to a customer's story; its sequence."""
        self._count += 1
        key = (tenant, customer(who))
        before = self.told.get(key, Told())
        record = Record(
            tenant=tenant,
            customer=key[1],
            operation=own("operation", self._count),
            at=self.clock.now(),
            actor=actor,
            previous_sequence=before.sequence,
            previous_hash=before.digest,
            engine_epoch=engine_epoch,
            traceparent="",
            key=None,
            nonce=b"",
            sealed=b"",
            events=events,
            head=EMPTY,
        )
        head = replace(apply(before.head, record), fold_version=fold_version)
        record = replace(record, head=head)
        payload = encode_record(record)
        sequence = await self.write(key, payload, before.sequence)
        self.told[key] = Told(record.head, sequence, digest(payload))
        return sequence

    async def write(self, key: tuple[str, str], payload: bytes, expected: int) -> int:
        """Append bytes, whatever they are."""
        self._count += 1
        outcome = await self.log.append(
            names.story(*key),
            payload,
            expected=expected,
            message_id=f"{self._count:032d}{key[1]}",
            fence=lambda: b"fence",
        )
        assert isinstance(outcome, Committed), outcome
        self.last = outcome.sequence
        return outcome.sequence

    def open(self, tenant: str = TENANT) -> dict[str, OpenStory]:
        """Give what readers of open state must see: each story with anything not terminal."""
        return {
            who: OpenStory(whose, who, told.head, told.sequence)
            for (whose, who), told in self.told.items()
            if whose == tenant and not told.head.terminal
        }


def case_of(who: str, number: int = 1) -> Own:
    """Name a customer's case."""
    return own("case", who, number)


def opened(who: str, number: int = 1, *, queue: str = "orders", priority: int = 100) -> CaseOpened:
    return CaseOpened(case_of(who, number), queue, "chat", "web", "order", "nl", (), priority, "")


def offered(who: str, number: int = 1, *, agent: str = "anna") -> Offered:
    case = case_of(who, number)
    until = datetime(2027, 1, 1, tzinfo=UTC)
    return Offered(own("offer", case), case, agent, until, 1, "1-abc", b"")


def accepted(who: str, number: int = 1, *, agent: str = "anna", epoch: int = 1) -> OfferAccepted:
    case = case_of(who, number)
    return OfferAccepted(own("offer", case), case, agent, epoch, Own(""))


def closed(who: str, number: int = 1, *, agent: str = "anna") -> CaseClosed:
    return CaseClosed(case_of(who, number), "resolved", agent, re_told=False)


def answered(who: str, entry: int = 1, *, gateway: str = "web") -> EntryAppended:
    kind = EntryKind.MESSAGE_OUT
    return EntryAppended(own("entry", who, entry), case_of(who), kind, gateway, "chat")


def absorbed(who: str, told: Told, *, at: datetime) -> Absorbed:
    """Say that a story as it was `told` came to another, its cases with their epoch raised."""
    head = told.head
    return Absorbed(
        source=customer(who),
        source_sequence=told.sequence,
        source_at=at,
        sources=head.absorbed,
        cases=tuple(replace(case, epoch=case.epoch + 1) for case in head.cases),
        contacts=head.contacts,
        contact_floor_at=head.contact_floor_at,
        unconfirmed=head.unconfirmed,
        contacts_total=head.contacts_total,
        cases_total=head.cases_total,
        handoffs_total=head.handoffs_total,
        bad_experiences=head.bad_experiences,
        commitments=head.commitments,
    )


def confirmed(who: str, entry: int = 1) -> DeliveryConfirmed:
    return DeliveryConfirmed(own("entry", who, entry))


@dataclass(slots=True)
class Listener:
    """A subscriber that keeps what it hears, and may take its time."""

    pause_s: float = 0.0
    heads: dict[str, OpenStory] = field(default_factory=dict)
    heard: list[Logged] = field(default_factory=list)
    snapshots: list[int] = field(default_factory=list)

    async def snapshot(self, stories: Sequence[OpenStory], position: int) -> None:
        await asyncio.sleep(self.pause_s)
        self.snapshots.append(position)
        self.heads = {story.customer: story for story in stories}

    async def records(self, batch: Sequence[Logged]) -> None:
        await asyncio.sleep(self.pause_s)
        for logged in batch:
            record = logged.record
            self.heard.append(logged)
            story = OpenStory(record.tenant, record.customer, record.head, logged.sequence)
            self.heads[record.customer] = story
            if record.head.terminal:
                del self.heads[record.customer]

    def sequences(self) -> list[int]:
        return [logged.sequence for logged in self.heard]


@dataclass(slots=True)
class World:
    """The servers, and as many processes that follow them as a test runs."""

    log: Log
    open: Table
    store: Store
    clock: Clock
    scribe: Scribe
    tenants: set[str]
    meter: Meter = field(default_factory=Meter)

    @contextlib.asynccontextmanager
    async def process(self, *listeners: Listener, seed: int = 1) -> AsyncIterator[Feed]:
        """Run a feed with heads, views and `listeners`; leaving it is pulling the plug."""
        feed = Feed(self.log, self.open, meter=self.meter)
        heads = HeadKeeper(self.open, feed, flush_s=0.01)

        async def tenants() -> set[str]:
            return self.tenants

        views = ViewKeeper(
            self.store,
            self.log,
            feed,
            clock=self.clock,
            tenants=tenants,
            meter=self.meter,
            rng=random.Random(seed),  # noqa: S311
        )
        for number, listener in enumerate(listeners):
            feed.subscribe(f"listener {number}", listener)
        tasks = [asyncio.create_task(part.run()) for part in (heads, views, feed)]
        try:
            yield feed
        finally:
            failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not failed, failed

    @property
    def views(self) -> Views:
        return Views(self.store, self.clock)

    async def rows(self) -> dict[str, OpenStory]:
        """Read OPEN as a reader does."""
        found = {}
        for row in await self.open.rows("open."):
            if row.key != names.OPEN_POSITION_KEY:
                _, tenant, who = row.key.split(".")
                sequence, head = unpack_open(row.value)
                assert head is not None
                found[who] = OpenStory(tenant, who, head, sequence)
        return found

    async def place(self) -> int:
        """Read how far OPEN goes."""
        row = await self.open.get(names.OPEN_POSITION_KEY)
        return place_of(row.value) if row is not None else 0

    async def listed(self, tenant: str = TENANT, *, within_s: float = 10.0) -> dict[str, OpenStory]:
        """Read the whole view of a tenant, page by page, at least up to the last append."""
        found: dict[str, OpenStory] = {}
        after = ""
        while True:
            page = await self.views.cases(
                tenant, after=after, limit_max=7, min_sequence=self.scribe.last, within_s=within_s
            )
            for row in page.rows:
                story, _ = await self.views.story(
                    tenant, row.customer, min_sequence=self.scribe.last, within_s=within_s
                )
                assert story is not None
                assert story.head.case(row.case.own) == row.case
                found[row.customer] = story
            after = page.after
            if not after:
                return found


def world(
    clock: Clock | None = None, *, log: Log | None = None, store: Store | None = None
) -> World:
    """Make servers in memory, except for those given."""
    clock = clock or LoopClock(START)
    log = log or FakeLog(clock=clock)
    store = store or FakeStore(clock=clock)
    return World(log, FakeTable(clock=clock), store, clock, Scribe(log, clock), {TENANT})
