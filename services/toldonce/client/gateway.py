"""Being a gateway: contacts go in once each whatever happens, answers come out until confirmed."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.calls import Stream
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import instant, stamp, word
from toldonce.client.submission import Ack, Address, Submission, ack_of, alias, request_of
from toldonce.kernel.errors import Refusal, Unavailable
from toldonce.runtime.ids import new_id
from toldonce.runtime.rpc import from_status

INFLIGHT_MAX = 128
ROUNDS_MAX = 8
PAUSE_S = 0.5
CONFIRMS_MAX = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way back to the customer: deliver each `entry_id` once."""

    position: int
    entry_id: str
    case_id: str
    channel: str
    to: Address
    text: str
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """How a contact stands: WAITING, OWNED, DONE, ABANDONED or CANCELLED."""

    contact_id: str
    case_id: str
    state: str
    queue: str
    channel: str
    owned_at: datetime | None
    callback_at: datetime | None = None
    not_before_at: datetime | None = None


class Gateway:
    """One gateway."""

    def __init__(self, client: Client, name: str = "") -> None:
        """Speak over `client`; `name` is needed unless its token is the gateway's own."""
        self._client = client
        self._name = name

    async def submit(self, given: Submission) -> Ack:
        """Hand one contact in; retried under the same id, so it is taken in once."""
        request = request_of(given, self._name)
        answer = await again(lambda: self._client.intake.SubmitContact(request))
        return ack_of(answer)

    async def submit_many(
        self, given: Iterable[Submission], *, inflight_max: int = INFLIGHT_MAX
    ) -> AsyncGenerator[tuple[Submission, Ack | Refusal]]:
        """Hand many in on a stream, at most `inflight_max` unanswered; answers as they come.

        What was not answered when a stream breaks is sent again on the next one. Raises the
        refusal of the last stream after ROUNDS_MAX broken ones in a row.
        """
        flow = _Flow(self._name, iter(enumerate(given)), inflight_max)
        broken = 0
        while not flow.done:
            before = len(flow.open)
            try:
                async for pair in flow.stream(cast("Stream", self._client.intake.SubmitContacts())):
                    broken = 0
                    yield pair
            except Unavailable as later:
                broken += 1
                if broken >= ROUNDS_MAX:
                    raise
                await asyncio.sleep(min(later.retry_s, PAUSE_S) if before else PAUSE_S)

    async def contact(self, contact_id: str) -> ContactSeen:
        """Say how a contact stands; raises Missing."""
        request = intake_pb2.GetContactRequest(contact_id=contact_id)
        return _seen(await again(lambda: self._client.intake.GetContact(request)))

    async def call_back(
        self, contact_id: str, *, to: Address | None = None, not_before_at: datetime | None = None
    ) -> ContactSeen:
        """Have a customer who waits called back, in their place, or by appointment.

        `to` None: at the address they came from. They may hang up (`cancel`); a `withdrawn` one
        calls it off. Raises Rejected OWNED, CASE_CLOSED, or CLOSED_THEN naming the next opening.
        """
        request = intake_pb2.RequestCallbackRequest(
            contact_id=contact_id,
            operation_id=new_id(),
            to=None if to is None else alias(to),
            not_before_at=None if not_before_at is None else stamp(not_before_at),
        )
        return _seen(await again(lambda: self._client.intake.RequestCallback(request)))

    async def cancel(self, contact_id: str, *, withdrawn: bool = False) -> None:
        """Say that the customer left (or that the contact is withdrawn).

        Raises Rejected CASE_CLOSED or OWNED.
        """
        request = intake_pb2.CancelContactRequest(
            contact_id=contact_id,
            operation_id=new_id(),
            reason=intake_pb2.CANCEL_REASON_WITHDRAWN
            if withdrawn
            else intake_pb2.CANCEL_REASON_ABANDONED,
        )
        await again(lambda: self._client.intake.CancelContact(request))

    async def deliver(
        self, deliver: Callable[[Answer], Awaitable[None]], *, after: int = 0
    ) -> None:
        """Follow the outbox for ever: deliver each answer, then confirm it; comes back by itself.

        `deliver` may see an entry again after a break: deliver each `entry_id` once. Cancel to
        stop; raises what the server refuses.
        """
        place = after
        while True:
            try:
                place = await self._follow(deliver, place)
            except Unavailable as later:
                await asyncio.sleep(min(later.retry_s, PAUSE_S))

    async def confirm(self, entry_id: str) -> bool:
        """Confirm a delivery; tells whether it had been confirmed before."""
        request = intake_pb2.ConfirmDeliveryRequest(entry_id=entry_id)
        return (await again(lambda: self._client.intake.ConfirmDelivery(request))).repeat

    async def _follow(self, deliver: Callable[[Answer], Awaitable[None]], place: int) -> int:
        request = intake_pb2.WatchOutboxRequest(gateway=self._name, from_position=place)
        free = asyncio.Semaphore(CONFIRMS_MAX)

        async def handle(answer: Answer) -> None:
            try:
                await deliver(answer)
                await self.confirm(answer.entry_id)
            finally:
                free.release()

        async with asyncio.TaskGroup() as group:
            async for entry in self._client.intake.WatchOutbox(request):
                await free.acquire()
                group.create_task(handle(_answer(entry)))
                place = max(place, entry.position)
        return place


class _Flow:
    """What is under way on the streams of one `submit_many`."""

    def __init__(
        self, gateway: str, items: Iterator[tuple[int, Submission]], inflight_max: int
    ) -> None:
        self._gateway = gateway
        self._items = items
        self._free = asyncio.Semaphore(inflight_max)
        self._more = True
        self.open: dict[int, Submission] = {}

    @property
    def done(self) -> bool:
        """Tell whether everything was sent and answered."""
        return not self._more and not self.open

    async def stream(self, stream: Stream) -> AsyncGenerator[tuple[Submission, Ack | Refusal]]:
        """Send what is left on one stream, and give its answers."""
        sending = asyncio.create_task(self._send(stream), name="submitting")
        later: set[int] = set()
        try:
            async for response in stream:
                given = self.open.pop(response.tag, None)
                if given is None:
                    continue
                if response.HasField("error"):
                    refusal = from_status(response.error)
                    if isinstance(refusal, Unavailable):
                        self.open[response.tag] = given
                        later.add(response.tag)
                        if len(later) == len(self.open):
                            raise refusal
                        continue
                    self._free.release()
                    yield given, refusal
                else:
                    self._free.release()
                    yield given, ack_of(response.ack)
            if self.open or not sending.done():
                raise Unavailable("some contacts were not answered; they are sent again")
        finally:
            sending.cancel()
            stream.cancel()
            with contextlib.suppress(asyncio.CancelledError, Refusal, asyncio.InvalidStateError):
                await sending

    async def _send(self, stream: Stream) -> None:
        for tag, given in tuple(self.open.items()):
            await stream.write(self._tagged(tag, given))
        while self._more:
            await self._free.acquire()
            item = next(self._items, None)
            if item is None:
                self._more = False
                self._free.release()
                break
            self.open[item[0]] = item[1]
            await stream.write(self._tagged(*item))
        await stream.done_writing()

    def _tagged(self, tag: int, given: Submission) -> intake_pb2.SubmitContactsRequest:
        return intake_pb2.SubmitContactsRequest(tag=tag, contact=request_of(given, self._gateway))


def _seen(view: intake_pb2.ContactView) -> ContactSeen:
    return ContactSeen(
        contact_id=view.fixed.contact_id,
        case_id=view.fixed.case_id,
        state=word(view, "state"),
        queue=view.fixed.queue,
        channel=view.channel,
        owned_at=instant(view.owned_at),
        callback_at=instant(view.callback_at),
        not_before_at=instant(view.not_before_at),
    )


def _answer(entry: intake_pb2.OutboxEntry) -> Answer:
    kind = types_pb2.AliasKind.Name(entry.to.kind).removeprefix("ALIAS_KIND_")
    return Answer(
        position=entry.position,
        entry_id=entry.entry_id,
        case_id=entry.case_id,
        channel=entry.channel,
        to=Address(kind, entry.to.value, entry.to.region),
        text=entry.text,
        written_at=instant(entry.written_at),
    )
