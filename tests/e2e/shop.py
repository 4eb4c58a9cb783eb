"""One small company in a running house: its document, and its people over real gRPC.

Clocks are short so that tests are quick; patience is long, so that a busy machine loses nobody.
Each test is a tenant of its own, so none disturbs another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toldonce.cli.house import House
from toldonce.client.agent import AgentSession
from toldonce.client.channel import Client
from toldonce.client.desk import Desk
from toldonce.client.gateway import Answer, Gateway
from toldonce.client.news import News, OfferOver
from toldonce.client.seen import CaseSeen, Offer
from toldonce.client.submission import Ack, Address, Submission
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY
from toldonce.runtime import names
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.ids import new_id

WITHIN_S = 15.0
DOCUMENT = """\
version: 1
languages: [en, nl]
skills: [care, lead]
channels:
  - {name: chat, kind: chat, cost: 1, reply: true, queue: orders, first_response_s: 60}
  - {name: email, kind: email, cost: 1, reply: true, queue: orders, first_response_s: 600}
topics:
  - {name: order, queue: orders, any_language: true, words: {en: [order*, parcel], nl: [pakket*]}}
  - {name: repair, queue: repairs, any_language: true, words: {en: [broken, repair*]}}
  - {name: urgent, queue: timed, any_language: true, words: {en: [urgent*]}}
queues:
  - {name: orders, policy: quick, skills: {care: 1}, dispositions: [solved, refunded]}
  - {name: repairs, policy: quick, skills: {care: 2}, dispositions: [mended], wrap_up_s: 30}
  - {name: timed, policy: quick, sla: soon, skills: {care: 1}, dispositions: [solved]}
  - {name: escalations, policy: quick, skills: {lead: 1}, dispositions: [decided]}
policies:
  - {name: quick, prefer_owner_s: 1, decline_cooldown_s: 1, wait_max_s: 30, offer_timeout_s: 20}
sla:
  - name: soon
    targets: {queue_wait_s: 1, first_response_s: 3}
    warn_fraction: 0.5
    on_breach: {raise_priority_by: 100, escalate_after_s: 1, escalate_to: escalations}
presence: {heartbeat_s: 1, stale_s: 10, gone_s: 20}
handoff: {timeout_s: 20, required: [reason, summary]}
agents:
  - {name: anna, capacity_units: 50, languages: {en: 5, nl: 5}, skills: {care: 3}}
  - {name: bram, capacity_units: 50, languages: {en: 5, nl: 5}, skills: {care: 3}}
  - {name: carl, capacity_units: 50, languages: {en: 5, nl: 5}, skills: {care: 1}}
  - {name: lena, capacity_units: 50, languages: {en: 5, nl: 5}, skills: {lead: 3}, tier: 1}
"""


HASTY = DOCUMENT.replace("offer_timeout_s: 20", "offer_timeout_s: 2").replace(
    "stale_s: 10, gone_s: 20", "stale_s: 2, gone_s: 3"
)
"""The same company with little patience, for tests in which somebody does not answer."""


class Person:
    """An agent at a desktop: one session, and everything it was told, in order."""

    def __init__(self, session: AgentSession, name: str) -> None:
        self.session = session
        self.name = name
        self.heard: list[News] = []
        self._at = 0
        self._grew = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name=f"desktop of {name}")
        self.ended: Refusal | None = None

    async def told[N](
        self, kind: type[N], *, case: str = "", what: str = "", within_s: float = WITHIN_S
    ) -> N:
        """Wait for the next news of a kind, about a case, in which `what` happened."""
        async with asyncio.timeout(within_s):
            while True:
                while self._at < len(self.heard):
                    news = self.heard[self._at]
                    self._at += 1
                    if isinstance(news, kind) and _concerns(news, case, what):
                        return news
                if self.ended is not None:
                    raise self.ended
                self._grew.clear()
                await self._grew.wait()

    async def offered(self, case: str = "", *, within_s: float = WITHIN_S) -> Offer:
        """Wait for the next offer."""
        return await self.told(Offer, case=case, within_s=within_s)

    def standing(self) -> list[Offer]:
        """Give the offers that this agent knows to stand, oldest first."""
        over = {news.offer_id for news in self.heard if isinstance(news, OfferOver)}
        offers = (news for news in self.heard if isinstance(news, Offer))
        return [offer for offer in offers if offer.offer_id not in over]

    async def over(self, offer_id: str) -> OfferOver:
        """Wait for the end of an offer."""
        while (news := await self.told(OfferOver)).offer_id != offer_id:
            pass
        return news

    async def take(self, case: str = "", *, within_s: float = WITHIN_S) -> CaseSeen:
        """Wait for the next offer and accept it."""
        return (await self.session.accept(await self.offered(case, within_s=within_s))).case

    async def vanish(self) -> None:
        """Lose the power."""
        await self.session.vanish()
        await self._stop()

    async def leave(self) -> None:
        """End the session in good order."""
        await self.session.close()
        await self._stop()

    async def _stop(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async with aclosing(self.session.news()) as news:
                async for told in news:
                    self.heard.append(told)
                    self._grew.set()
        except Refusal as why:
            self.ended = why
            self._grew.set()


class Outbox:
    """The far side of a gateway: what it delivered, each entry once."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    async def deliver(self, answer: Answer) -> None:
        await asyncio.sleep(0)
        if answer.entry_id not in [known.entry_id for known in self.answers]:
            self.answers.append(answer)


@dataclass(frozen=True, slots=True)
class Shop:
    """One tenant of a house, and ways to be its people. All of them leave with the shop."""

    house: House
    tenant: str
    stack: AsyncExitStack

    async def client(self, role: Role, subject: str) -> Client:
        """Open a connection of its own."""
        token = self.house.token(role, subject, self.tenant)
        return await self.stack.enter_async_context(Client(self.house.address, token))

    async def gateway(self, name: str = "web") -> Gateway:
        """Be a gateway."""
        return Gateway(await self.client(Role.GATEWAY, name))

    async def desk(self) -> Desk:
        """Be a supervisor."""
        return Desk(await self.client(Role.SUPERVISOR, "sam"))

    async def agent(self, name: str, **hello: Any) -> Person:
        """Be an agent, available unless said otherwise."""
        client = await self.client(Role.AGENT, name)
        session = AgentSession(client, name, **hello)
        await session.open()
        person = Person(session, name)
        self.stack.push_async_callback(person.vanish)
        return person

    async def story(self, customer: str) -> list[Logged]:
        """Read a customer's story from the log itself."""
        stored = await self.house.ports.log.read(names.story(self.tenant, customer))
        return [decode_logged(one.payload, one.sequence) for one in stored]

    async def events(self, customer: str) -> list[Event]:
        """Read what happened to a customer."""
        return [event for one in await self.story(customer) for event in one.record.events]

    async def messages(self) -> int:
        """Count what was ever written, whoever it was."""
        return (await self.house.ports.log.info()).messages

    async def apply(self, document: str = DOCUMENT) -> None:
        """Put a document in force."""
        await Desk(await self.client(Role.ADMIN, "ada")).apply(document)


@asynccontextmanager
async def opened(house: House, tenant: str, document: str = DOCUMENT) -> AsyncIterator[Shop]:
    """Open a shop in a house."""
    async with AsyncExitStack() as stack:
        shop = Shop(house, tenant, stack)
        await shop.apply(document)
        await house.ports.keys.warm(tenant)
        yield shop


def message(number: int | str = 1, text: str = "Where is my order?", **more: Any) -> Submission:
    """Say a contact of Joan's in a chat, the same for the same number."""
    given = {
        "message_id": f"m-{number}",
        "made_at": datetime.now(UTC),
        "channel": "chat",
        "addresses": (Address("EMAIL", "joan@shop.example"),),
        **more,
    }
    return Submission(text=text, **given)


def customer(name: str) -> tuple[Address, ...]:
    """Be another customer."""
    return (Address("EMAIL", f"{name}@shop.example"),)


def same(acks: list[Ack]) -> bool:
    """Tell whether acknowledgements are identical but for `repeat`."""
    return len({(*_fixed(ack),) for ack in acks}) == 1


def check_history(story: list[Logged]) -> None:
    """See that a story is whole: chained, folded to the head each message carries, one owner."""
    head, sequence, digest, epochs = EMPTY, 0, b"", dict[str, int]()
    for logged in story:
        record = logged.record
        assert record.previous_sequence == sequence
        assert record.previous_hash == digest
        head = apply(head, record)
        assert head == record.head
        for case in head.cases:
            assert case.epoch >= epochs.get(case.own, 0)
            epochs[case.own] = case.epoch
        sequence, digest = logged.sequence, logged.digest


async def refusal(asked: Awaitable[Any]) -> Refusal:
    """Ask for something that must be refused, and give the refusal."""
    try:
        await asked
    except Refusal as no:
        return no
    raise AssertionError("it was not refused")


async def patiently[T](ask: Callable[[], Awaitable[T]], *, within_s: float = WITHIN_S) -> T:
    """Ask the very same again while it is UNAVAILABLE, as a client must."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await ask()
            except Unavailable as later:
                await asyncio.sleep(min(later.retry_s, 0.2))


def tenant_name() -> str:
    """Draw the name of a tenant."""
    return f"t{new_id()}"


def _concerns(news: Any, case: str, what: str) -> bool:
    about = getattr(news, "case_id", "") or getattr(getattr(news, "case", None), "case_id", "")
    return case in {"", about} and (not what or what in getattr(news, "what", ()))


def _fixed(ack: Ack) -> tuple[object, ...]:
    return (
        ack.contact_id,
        ack.case_id,
        ack.customer_id,
        ack.joined,
        ack.queue,
        ack.promised_by,
        ack.text,
        ack.received_at,
    )
