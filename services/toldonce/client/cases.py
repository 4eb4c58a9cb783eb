"""What an agent does with cases: read, answer, promise, ask, hand over, close.

Everything is retried under the same ids, so doing it twice is doing it once. What quotes the
customer's last entry is only sent when that entry was read here: what they added is read first.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.client.context import Envelope
from toldonce.client.reading import LOOKS_MAX, Reading
from toldonce.client.retry import again
from toldonce.client.seen import CaseSeen, case_seen, stamp
from toldonce.kernel.errors import Invalid, Rejected
from toldonce.runtime.ids import new_id

type _Kind = ownership_pb2.EntryKind.ValueType


class Cases(Reading):
    """The cases of one agent, and every act on them. What was seen of each is in `cases`."""

    async def reply(self, case_id: str, text: str, *, awaits_customer: bool = False) -> str:
        """Write to the customer; returns the id of the entry, by which it is confirmed.

        `awaits_customer`: they are to answer now, so the case waits for them.
        """
        epoch = self._case(case_id).epoch
        kind = ownership_pb2.ENTRY_KIND_MESSAGE
        return await self._enter(case_id, text, kind, epoch, awaits_customer=awaits_customer)

    async def note(self, case_id: str, text: str) -> str:
        """Note something for colleagues, as owner or adviser; returns the id of the entry."""
        known = self._known(case_id)
        epoch = 0 if known is None else known.epoch
        return await self._enter(case_id, text, ownership_pb2.ENTRY_KIND_NOTE, epoch)

    async def promise(self, case_id: str, text: str, due_at: datetime) -> str:
        """Note what the customer was promised, and by when; returns the id of the commitment."""
        request = ownership_pb2.MakeCommitmentRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            text=text,
            due_at=stamp(due_at),
        )
        made = await again(lambda: self._client.ownership.MakeCommitment(request))
        self._keep(case_seen(made.case))
        return made.commitment_id

    async def keep_promise(self, commitment_id: str) -> CaseSeen:
        """Say that a promise was kept: one of a case of ours, or one that we made."""
        of = {
            promise.commitment_id: promise.case_id
            for case in self.cases.values()
            for promise in case.commitments
        }
        known = self._known(of.get(commitment_id, ""))
        request = ownership_pb2.KeepCommitmentRequest(
            operation_id=new_id(), commitment_id=commitment_id, epoch=known.epoch if known else 0
        )
        return await self._change(request, self._client.ownership.KeepCommitment)

    async def wait_for(
        self, case_id: str, cause: str, *, until_at: datetime | None = None, reason: str = ""
    ) -> CaseSeen:
        """Let the clocks of a case of ours stand still for CUSTOMER, or for HOLD (with a reason).

        It ends at `until_at` (14 days from now when None), or with `go_on`; what the customer says
        ends CUSTOMER too.
        """
        request = ownership_pb2.PauseCaseRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            cause=_cause(cause),
            until_at=None if until_at is None else stamp(until_at),
            reason=reason,
        )
        return await self._change(request, self._client.ownership.PauseCase)

    async def go_on(self, case_id: str, cause: str, *, reason: str = "") -> CaseSeen:
        """Let the clocks of a case of ours go on that stood still for CUSTOMER or HOLD."""
        request = ownership_pb2.ResumeCaseRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            cause=_cause(cause),
            reason=reason,
        )
        return await self._change(request, self._client.ownership.ResumeCase)

    # ---- asking others

    async def hand_over(
        self,
        case_id: str,
        envelope: Envelope,
        *,
        agent: str = "",
        queue: str = "",
        tier: str = "",
        timeout_s: int = 0,
        warm: bool = False,
        override_reason: str = "",
    ) -> CaseSeen:
        """Ask an agent, a queue or a tier to take over; the case stays ours until they accept.

        `tier` is how many escalations above. `warm`: we stay with the case after the accept until
        they let us go. `override_reason`: the code of why it goes back where it came from, or on
        once more. Raises Invalid naming every part the envelope lacks, Rejected (PING_PONG, ...).
        """
        given = [(k, n) for k, n in (("agent", agent), ("queue", queue), ("tier", tier)) if n]
        if len(given) != 1:
            raise Invalid("target", "name one agent, one queue or one tier to hand over to")
        target = types_pb2.HandoffTarget()
        setattr(target, *given[0])
        mode = ownership_pb2.HANDOFF_MODE_WARM if warm else ownership_pb2.HANDOFF_MODE_COLD
        request = ownership_pb2.BeginHandoffRequest(
            case_id=case_id,
            target=target,
            envelope=_said(envelope),
            timeout_s=timeout_s,
            mode=mode,
            override_reason=override_reason,
        )
        return await self._seen_write(request, self._client.ownership.BeginHandoff)

    async def call_off(self, case_id: str, reason: str = "") -> CaseSeen:
        """Keep a case after all: the pending handoff ends and its offers are taken back."""
        request = ownership_pb2.CancelHandoffRequest(
            operation_id=new_id(), case_id=case_id, epoch=self._case(case_id).epoch, reason=reason
        )
        return await self._change(request, self._client.ownership.CancelHandoff)

    async def escalate(self, case_id: str, envelope: Envelope, *, queue: str = "") -> CaseSeen:
        """Hand a case up the ladder; it replaces a pending handoff and cannot be called off."""
        request = ownership_pb2.EscalateRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            envelope=_said(envelope),
            queue=queue,
        )
        return await self._change(request, self._client.ownership.Escalate)

    async def consult(self, case_id: str, agent: str = "") -> CaseSeen:
        """Let a colleague see a case of ours and write notes; without `agent`, join one ourself."""
        request = ownership_pb2.JoinConsultRequest(
            operation_id=new_id(), case_id=case_id, agent=agent
        )
        return await self._change(request, self._client.ownership.JoinConsult)

    async def let_go(self, case_id: str, agent: str = "", reason: str = "") -> CaseSeen:
        """Let an adviser, or the sender of a warm handoff, go; without `agent`, leave ourself."""
        request = ownership_pb2.LeaveConsultRequest(
            operation_id=new_id(), case_id=case_id, agent=agent, reason=reason
        )
        return await self._change(request, self._client.ownership.LeaveConsult)

    # ---- the case itself

    async def close_case(
        self,
        case_id: str,
        disposition: str,
        *,
        re_told: bool | None = None,
        resolved_first_owner: bool | None = None,
    ) -> CaseSeen:
        """End a case with its outcome; what the customer added meanwhile is read first.

        `re_told`: they had to tell it again; `resolved_first_owner`: the first owner could resolve
        it. None: nobody asked.
        """
        request = ownership_pb2.CloseCaseRequest(
            case_id=case_id,
            disposition=disposition,
            re_told=re_told,
            resolved_first_owner=resolved_first_owner,
        )
        closed = await self._seen_write(request, self._client.ownership.CloseCase)
        self._drop(case_id)
        return closed if closed.closed else replace(closed, state="CLOSED")

    async def merge(self, case_id: str, merged_case_id: str) -> CaseSeen:
        """Let another case of the same customer end in one of ours."""
        for _ in range(LOOKS_MAX):
            case = self._case(case_id)
            ended = (await self.peek(merged_case_id)).case
            request = ownership_pb2.MergeCasesRequest(
                operation_id=new_id(),
                case_id=case_id,
                merged_case_id=merged_case_id,
                epoch=case.epoch,
                seen_entry_id=(await self._seen(case)).seen_entry,
                merged_seen_entry_id=ended.seen_entry,
            )
            try:
                seen = await self._change(request, self._client.ownership.MergeCases)
            except Rejected as no:
                if no.reason != "UNSEEN_MESSAGE":
                    raise
                await self.peek(case_id)
            else:
                self._drop(merged_case_id)
                return seen
        raise _keeps_writing()

    async def split(self, case_id: str, contact_ids: Iterable[str]) -> tuple[CaseSeen, CaseSeen]:
        """Make a case of its own from some contacts of one of ours; gives ours and the new one."""
        request = ownership_pb2.SplitCaseRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            contact_ids=contact_ids,
        )
        done = await again(lambda: self._client.ownership.SplitCase(request))
        return self._keep(case_seen(done.case)), case_seen(done.new_case)

    async def reopen(self, case_id: str, reason: str = "") -> CaseSeen:
        """Open an ended case again: it waits, its last owner preferred; raises REOPEN_WINDOW."""
        request = ownership_pb2.ReopenCaseRequest(
            operation_id=new_id(), case_id=case_id, reason=reason
        )
        return await self._change(request, self._client.ownership.ReopenCase)

    async def release(self, case_id: str, reason: str) -> CaseSeen:
        """Give a case back: it waits again at its old age."""
        request = ownership_pb2.ReleaseOwnershipRequest(
            operation_id=new_id(), case_id=case_id, epoch=self._case(case_id).epoch, reason=reason
        )
        return await self._change(request, self._client.ownership.ReleaseOwnership)

    async def call_later(self, case_id: str, not_before_at: datetime, reason: str) -> CaseSeen:
        """Give a case back until then, its customer to be called by whoever has it then."""
        request = ownership_pb2.ScheduleCaseRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=self._case(case_id).epoch,
            not_before_at=stamp(not_before_at),
            callback=True,
            reason=reason,
        )
        return await self._change(request, self._client.ownership.ScheduleCase)

    async def _enter(
        self, case_id: str, text: str, kind: _Kind, epoch: int, *, awaits_customer: bool = False
    ) -> str:
        request = ownership_pb2.AppendEntryRequest(
            operation_id=new_id(),
            case_id=case_id,
            epoch=epoch,
            kind=kind,
            text=text,
            awaits_customer=awaits_customer,
        )
        answer = await again(lambda: self._client.ownership.AppendEntry(request))
        self._keep(case_seen(answer.case))
        return answer.entry_id

    async def _change[R](
        self, request: R, call: Callable[[R], Awaitable[types_pb2.CaseView]]
    ) -> CaseSeen:
        return self._keep(case_seen(await again(lambda: call(request))))

    async def _seen_write(self, request: Any, call: Callable[[Any], Any]) -> CaseSeen:  # noqa: ANN401
        """Send a write that quotes what was seen; look again when the customer has added to it."""
        for _ in range(LOOKS_MAX):
            case = await self._seen(self._case(request.case_id))
            request.operation_id = new_id()
            request.epoch, request.seen_entry_id = case.epoch, case.seen_entry
            try:
                seen = await self._change(request, call)
            except Rejected as no:
                if no.reason != "UNSEEN_MESSAGE":
                    raise
                await self.unread(request.case_id)
            else:  # the answer to a repeat may hold no case any more: it had been done
                return seen if seen.case_id else case
        raise _keeps_writing()


def _cause(cause: str) -> types_pb2.PauseCause.ValueType:
    if cause not in {"CUSTOMER", "HOLD"}:
        raise Invalid("cause", "wanted CUSTOMER or HOLD")
    return types_pb2.PauseCause.Value(f"PAUSE_CAUSE_{cause}")


def _said(envelope: Envelope) -> types_pb2.HandoffEnvelope:
    return types_pb2.HandoffEnvelope(
        reason=envelope.reason,
        summary=envelope.summary,
        tried=envelope.tried,
        promised=envelope.promised,
        told_customer=envelope.told_customer,
        mood=envelope.mood,
    )


def _keeps_writing() -> Rejected:
    return Rejected("UNSEEN_MESSAGE", "the customer keeps writing; read the case, then try again")
