"""IntakeService over gRPC: parse, call, format."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.intake.v1.intake_pb2_grpc import IntakeServiceServicer
from toldonce.api.types.v1 import types_pb2
from toldonce.intake.core import Contact
from toldonce.intake.handler import Answers, Intake, Places, in_turn
from toldonce.intake.wire import (
    Door,
    acknowledgement,
    callback,
    cancel_reason,
    gateway_of,
    newcomer,
    outbox_entry,
    standing,
    submission,
)
from toldonce.kernel.errors import Unavailable, Unbuilt
from toldonce.kernel.ids import parse_own
from toldonce.kernel.principal import Principal
from toldonce.runtime.auth import current_principal
from toldonce.runtime.front import refused

type Context = grpc.aio.ServicerContext[Any, Any]
type Handler = Intake[types_pb2.FixedAcknowledgement, intake_pb2.ContactView]

type Lines = Places[types_pb2.LiveAcknowledgement]

SUBMITTING = "/toldonce.api.intake.v1.IntakeService/SubmitContacts"


@dataclass(frozen=True, slots=True)
class _Item:
    """A contact on a stream, ready, or why it never will be."""

    tag: int
    contact: Contact | Exception


class Servicer(IntakeServiceServicer):
    """IntakeService."""

    def __init__(
        self,
        intake: Handler,
        answers: Answers,
        door: Door,
        draining: asyncio.Event,
        places: Lines,
    ) -> None:
        """Streams of contacts end once `draining` is set."""
        self._intake = intake
        self._places = places
        self._answers = answers
        self._door = door
        self._draining = draining

    async def SubmitContact(
        self, request: intake_pb2.SubmitContactRequest, context: Context
    ) -> types_pb2.Acknowledgement:
        """Take in one contact."""
        by = current_principal()
        contact = await self._intake.prepare(by, submission(request, by))
        return await self._acknowledge(by, contact)

    async def SubmitContacts(
        self, requests: AsyncIterator[intake_pb2.SubmitContactsRequest], context: Context
    ) -> AsyncIterator[intake_pb2.SubmitContactsResponse]:
        """Take in many contacts."""
        by = current_principal()
        answers = in_turn(
            self._ready(by, requests),
            key=_customer,
            work=lambda item: self._answer(by, item),
            leave=self._draining,
        )
        async with aclosing(answers):
            async for answer in answers:
                yield answer
        if self._draining.is_set():
            raise Unavailable("this server is going away: connect again and go on")

    async def GetContact(
        self, request: intake_pb2.GetContactRequest, context: Context
    ) -> intake_pb2.ContactView:
        """Say how a contact stands."""
        by = current_principal()
        return await self._view(by, (await self._intake.find(by, request.contact_id)).view)

    async def WatchContact(
        self, request: intake_pb2.WatchContactRequest, context: Context
    ) -> AsyncIterator[intake_pb2.ContactView]:
        """Say how a contact stands, until it has ended."""
        by = current_principal()
        watching = self._intake.watch(by, request.contact_id)
        async with aclosing(watching):
            async for found in watching:
                yield await self._view(by, found.view)

    async def CancelContact(
        self, request: intake_pb2.CancelContactRequest, context: Context
    ) -> intake_pb2.ContactView:
        """End the case of a contact."""
        by, reason = current_principal(), cancel_reason(request)
        found = await self._intake.cancel(by, request.contact_id, reason, request.operation_id)
        return found.view

    async def RequestCallback(
        self, request: intake_pb2.RequestCallbackRequest, context: Context
    ) -> intake_pb2.ContactView:
        """Have the customer of a contact called back."""
        return (await self._intake.call_back(current_principal(), callback(request))).view

    async def WatchOutbox(
        self, request: intake_pb2.WatchOutboxRequest, context: Context
    ) -> AsyncIterator[intake_pb2.OutboxEntry]:
        """Follow the answers to be delivered by a gateway."""
        by = current_principal()
        gateway = gateway_of(request.gateway, by)
        watching = self._answers.watch(by.tenant, gateway, request.from_position)
        async with aclosing(watching):
            async for answer in watching:
                yield outbox_entry(answer)

    async def ConfirmDelivery(
        self, request: intake_pb2.ConfirmDeliveryRequest, context: Context
    ) -> intake_pb2.ConfirmDeliveryResponse:
        """Say that an answer has reached its channel."""
        by = current_principal()
        operation = request.operation_id and parse_own("operation_id", request.operation_id)
        gateway = await self._answers.gateway_of(by, request.entry_id)
        return await self._door.confirm(request.entry_id, gateway, operation, by)

    async def ListIncidents(
        self, request: intake_pb2.ListIncidentsRequest, context: Context
    ) -> intake_pb2.ListIncidentsResponse:
        """Not built in this version."""
        raise Unbuilt("incidents are part of the design and not built in this version")

    async def _acknowledge(self, by: Principal, contact: Contact) -> types_pb2.Acknowledgement:
        """Have a contact taken in; one that opened a case is told what it may expect."""
        asked = self._places.ask(by.tenant)
        taken = await self._intake.submit(by, contact)
        live, came = None, 0
        if taken.ack.new_case and not taken.repeat:
            live, came = await self._places.newcomer(asked, taken.ack.queue)
        return acknowledgement(taken, newcomer(live, came, contact.language))

    async def _view(self, by: Principal, view: intake_pb2.ContactView) -> intake_pb2.ContactView:
        """Say of one that waits where it stands."""
        if view.state != intake_pb2.CONTACT_STATE_WAITING:
            return view
        return standing(view, await self._places.place(by.tenant, view.fixed.case_id))

    async def _ready(
        self, by: Principal, requests: AsyncIterator[intake_pb2.SubmitContactsRequest]
    ) -> AsyncIterator[_Item]:
        async for request in requests:
            try:
                contact = await self._intake.prepare(by, submission(request.contact, by))
            except Exception as why:  # noqa: BLE001 - told to this item, not to the stream
                yield _Item(request.tag, why)
            else:
                yield _Item(request.tag, contact)

    async def _answer(self, by: Principal, item: _Item) -> intake_pb2.SubmitContactsResponse:
        """Answer one item; a fault is an answer too, so that the others are not hurt."""
        if isinstance(item.contact, Exception):
            return _error(item.tag, item.contact)
        try:
            ack = await self._acknowledge(by, item.contact)
        except Exception as why:  # noqa: BLE001 - the last net: everything becomes a status
            return _error(item.tag, why)
        return intake_pb2.SubmitContactsResponse(tag=item.tag, ack=ack)


def _error(tag: int, why: Exception) -> intake_pb2.SubmitContactsResponse:
    return intake_pb2.SubmitContactsResponse(tag=tag, error=refused(why, SUBMITTING))


def _customer(item: _Item) -> Hashable:
    return item if isinstance(item.contact, Exception) else item.contact.customer
