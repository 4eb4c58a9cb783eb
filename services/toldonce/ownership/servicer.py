"""The gRPC door: parse, call the one handler, format."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from toldonce.api.ownership.v1 import internal_pb2, ownership_pb2
from toldonce.api.ownership.v1.ownership_pb2_grpc import OwnershipServiceServicer
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Invalid
from toldonce.kernel.ids import customer_of, parse_name, parse_own, parse_whole
from toldonce.kernel.sla import clocks_of
from toldonce.ownership.handler import Ownership, export, tell
from toldonce.ownership.wire import (
    Customers,
    case_view,
    command_of,
    context_page,
    execute,
    listed,
    parse_context_request,
    pieces,
)
from toldonce.runtime.auth import current_principal
from toldonce.runtime.clock import Clock
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.hints import Hints
from toldonce.runtime.views import Views

type Context = grpc.aio.ServicerContext[Any, Any]

CASES_A_PAGE_MAX = 500


class Servicer(OwnershipServiceServicer):
    """OwnershipService."""

    def __init__(
        self,
        ownership: Ownership,
        config: ConfigCache,
        clock: Clock,
        hints: Hints,
        views: Views,
        *,
        customers: Customers,
    ) -> None:
        """Answer from `ownership`; lists from `views`; find who has an address by `customers`."""
        self._ownership = ownership
        self._config = config
        self._clock = clock
        self._hints = hints
        self._views = views
        self._customers = customers

    async def GetCase(
        self, request: ownership_pb2.GetCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """Show a case, read through the leader."""
        return await self._view(current_principal().tenant, request.case_id)

    async def ListCases(
        self, request: ownership_pb2.ListCasesRequest, context: Context
    ) -> ownership_pb2.ListCasesResponse:
        """List open cases from the view."""
        tenant = current_principal().tenant
        limit = request.page_size or CASES_A_PAGE_MAX
        if request.customer_id:
            customer, placed = await self._ownership.find(
                tenant, parse_own("customer_id", request.customer_id)
            )
            rows = [(customer, case, placed.sequence) for case in placed.story.cases]
            return listed(rows, request)
        page = await self._views.cases(
            tenant,
            owner=parse_name("owner", request.owner) if request.owner else "",
            queue=parse_name("queue", request.queue) if request.queue else "",
            after=request.page_token,
            limit_max=max(1, min(limit, CASES_A_PAGE_MAX)),
        )
        return listed(
            [(row.customer, row.case, row.sequence) for row in page.rows], request, page.after
        )

    async def WatchCase(
        self, request: ownership_pb2.WatchCaseRequest, context: Context
    ) -> AsyncIterator[ownership_pb2.WatchCaseResponse]:
        """Show a case now, and again after every change."""
        tenant, seen = current_principal().tenant, request.after_sequence
        parse_whole("case_id", request.case_id)
        customer = str(customer_of(request.case_id))
        while True:
            stirred = asyncio.ensure_future(self._hints.wait(tenant, customer))
            try:
                view = await self._view(tenant, request.case_id)
                customer = view.customer_id
                if view.sequence > seen:
                    seen = view.sequence
                    yield ownership_pb2.WatchCaseResponse(case=view)
                await stirred
            finally:
                stirred.cancel()

    async def GetContext(
        self, request: ownership_pb2.GetContextRequest, context: Context
    ) -> ownership_pb2.GetContextResponse:
        """Give a page of the whole story, up to a fixed sequence on all pages."""
        tenant = current_principal().tenant
        wanted = parse_context_request(request)
        told = await tell(
            self._ownership,
            tenant,
            wanted.case_id,
            upto=wanted.upto,
            least=wanted.min_sequence,
            of=wanted.customer,
        )
        clocks = clocks_of(told.case, await self._config.of(tenant), self._clock.now())
        view = case_view(told.customer, told.case, told.sequence, clocks, told.commitments)
        return context_page(wanted, told, view)

    async def AppendEntry(
        self, request: ownership_pb2.AppendEntryRequest, context: Context
    ) -> ownership_pb2.AppendEntryResponse:
        """Add a message, a note or a reference."""
        done = await self._do(request.operation_id, append_entry=request)
        return ownership_pb2.AppendEntryResponse(entry_id=done.entry_id, case=done.case)

    async def AcceptOffer(
        self, request: ownership_pb2.AcceptOfferRequest, context: Context
    ) -> types_pb2.CaseView:
        """Become the owner."""
        return (await self._do(request.operation_id, accept_offer=request)).case

    async def DeclineOffer(
        self, request: ownership_pb2.DeclineOfferRequest, context: Context
    ) -> types_pb2.CaseView:
        """Say no to an offer."""
        return (await self._do(request.operation_id, decline_offer=request)).case

    async def BeginHandoff(
        self, request: ownership_pb2.BeginHandoffRequest, context: Context
    ) -> types_pb2.CaseView:
        """Ask for another owner."""
        return (await self._do(request.operation_id, begin_handoff=request)).case

    async def CancelHandoff(
        self, request: ownership_pb2.CancelHandoffRequest, context: Context
    ) -> types_pb2.CaseView:
        """Keep the case after all."""
        if request.reason == "TIMED_OUT":
            raise Invalid("reason", "TIMED_OUT is said by the engine alone")
        return (await self._do(request.operation_id, cancel_handoff=request)).case

    async def Escalate(
        self, request: ownership_pb2.EscalateRequest, context: Context
    ) -> types_pb2.CaseView:
        """Climb the ladder with the whole story."""
        return (await self._do(request.operation_id, escalate=request)).case

    async def CompleteWrapUp(
        self, request: ownership_pb2.CompleteWrapUpRequest, context: Context
    ) -> types_pb2.CaseView:
        """End the paperwork."""
        return (await self._do(request.operation_id, complete_wrap_up=request)).case

    async def CloseCase(
        self, request: ownership_pb2.CloseCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """End the matter with its outcome."""
        return (await self._do(request.operation_id, close_case=request)).case

    async def ReopenCase(
        self, request: ownership_pb2.ReopenCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """Open a closed case again."""
        return (await self._do(request.operation_id, reopen_case=request)).case

    async def ReleaseOwnership(
        self, request: ownership_pb2.ReleaseOwnershipRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let go of a case."""
        return (await self._do(request.operation_id, release_ownership=request)).case

    async def PauseCase(
        self, request: ownership_pb2.PauseCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let the clocks of a case stand still."""
        return (await self._do(request.operation_id, pause_case=request)).case

    async def ResumeCase(
        self, request: ownership_pb2.ResumeCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let the clocks of a case go on."""
        return (await self._do(request.operation_id, resume_case=request)).case

    async def ScheduleCase(
        self, request: ownership_pb2.ScheduleCaseRequest, context: Context
    ) -> types_pb2.CaseView:
        """Put a case off, or have its customer called back."""
        named = ownership_pb2.ScheduleCaseRequest()
        named.CopyFrom(request)
        if request.HasField("to"):
            named.to.CopyFrom(self._customers.in_one_form("to", request.to))
        return (await self._do(request.operation_id, schedule_case=named)).case

    async def LinkCustomers(
        self, request: ownership_pb2.LinkCustomersRequest, context: Context
    ) -> ownership_pb2.LinkCustomersResponse:
        """Join two stories."""
        named, by_id = ownership_pb2.LinkCustomersRequest(), self._by_id
        named.CopyFrom(request)
        named.first.CopyFrom(by_id("first", request.first))
        named.second.CopyFrom(by_id("second", request.second))
        return (await self._do(request.operation_id, link_customers=named)).link

    async def ForgetCustomer(
        self, request: ownership_pb2.ForgetCustomerRequest, context: Context
    ) -> ownership_pb2.ForgetCustomerResponse:
        """Destroy the keys to a customer's words."""
        named = ownership_pb2.ForgetCustomerRequest()
        named.CopyFrom(request)
        named.customer.CopyFrom(self._by_id("customer", request.customer))
        return (await self._do(request.operation_id, forget_customer=named)).forgotten

    async def ExportCustomer(
        self, request: ownership_pb2.ExportCustomerRequest, context: Context
    ) -> AsyncIterator[ownership_pb2.ExportCustomerResponse]:
        """Give all that is kept of a customer."""
        customer = self._by_id("customer", request.customer).customer_id
        found = pieces(export(self._ownership, current_principal().tenant, customer))
        async with aclosing(found):
            async for piece in found:
                yield piece

    async def MakeCommitment(
        self, request: ownership_pb2.MakeCommitmentRequest, context: Context
    ) -> ownership_pb2.MakeCommitmentResponse:
        """Note what was promised."""
        done = await self._do(request.operation_id, make_commitment=request)
        return ownership_pb2.MakeCommitmentResponse(
            commitment_id=done.commitment_id, case=done.case
        )

    async def KeepCommitment(
        self, request: ownership_pb2.KeepCommitmentRequest, context: Context
    ) -> types_pb2.CaseView:
        """Note that a promise was kept."""
        return (await self._do(request.operation_id, keep_commitment=request)).case

    async def JoinConsult(
        self, request: ownership_pb2.JoinConsultRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let an adviser in."""
        return (await self._do(request.operation_id, join_consult=request)).case

    async def LeaveConsult(
        self, request: ownership_pb2.LeaveConsultRequest, context: Context
    ) -> types_pb2.CaseView:
        """Let an adviser go."""
        return (await self._do(request.operation_id, leave_consult=request)).case

    async def MergeCases(
        self, request: ownership_pb2.MergeCasesRequest, context: Context
    ) -> types_pb2.CaseView:
        """Make two cases into one."""
        return (await self._do(request.operation_id, merge_cases=request)).case

    async def SplitCase(
        self, request: ownership_pb2.SplitCaseRequest, context: Context
    ) -> ownership_pb2.SplitCaseResponse:
        """Make one case into two."""
        done = await self._do(request.operation_id, split_case=request)
        return ownership_pb2.SplitCaseResponse(case=done.case, new_case=done.new_case)

    async def _do(self, operation: str, **body: Any) -> internal_pb2.CommandDone:  # noqa: ANN401 - one body of many
        return await execute(self._ownership, command_of(current_principal(), operation, **body))

    def _by_id(self, field: str, ref: ownership_pb2.CustomerRef) -> ownership_pb2.CustomerRef:
        return self._customers.by_id(current_principal().tenant, field, ref)

    async def _view(self, tenant: str, case_id: str) -> types_pb2.CaseView:
        parse_whole("case_id", case_id)
        customer, placed, case = await self._ownership.case(tenant, case_id)
        clocks = clocks_of(case, await self._config.of(tenant), self._clock.now())
        return case_view(customer, case, placed.sequence, clocks, placed.story.commitments)
