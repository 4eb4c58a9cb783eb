"""From ownership's answers to what gateways see."""

from toldonce.api.intake.v1 import intake_pb2
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.intake.core import expectation
from toldonce.intake.handler import Answer, Found, Taken
from toldonce.runtime.mapping import at_us, from_us

_WITHDRAWN = "WITHDRAWN"
_ENDS = frozenset(
    {
        intake_pb2.CONTACT_STATE_DONE,
        intake_pb2.CONTACT_STATE_ABANDONED,
        intake_pb2.CONTACT_STATE_CANCELLED,
    }
)


def newcomer(
    live: types_pb2.LiveAcknowledgement | None, came: int, language: str
) -> types_pb2.LiveAcknowledgement:
    """Say what a contact that has just come may expect, and how the channel can say so.

    None: nobody can tell. `came` are before it in that line whom `live` does not know of.
    """
    if live is None:
        return _unknown()
    said = types_pb2.LiveAcknowledgement()
    said.CopyFrom(live)
    if live.position:
        said.position += came
    low_s, high_s = (live.low_s, live.high_s) if live.estimated else (0.0, 0.0)
    said.text = expectation(language, said.position, low_s, high_s)
    return said


def standing(
    view: intake_pb2.ContactView, live: types_pb2.LiveAcknowledgement | None
) -> intake_pb2.ContactView:
    """Put the place of a contact that waits into its view."""
    if live is not None:
        view.live.CopyFrom(live)
    return view


def _unknown() -> types_pb2.LiveAcknowledgement:
    return types_pb2.LiveAcknowledgement(known=False)


def acknowledgement(
    taken: Taken[types_pb2.FixedAcknowledgement], live: types_pb2.LiveAcknowledgement
) -> types_pb2.Acknowledgement:
    """Write the answer to a submission."""
    return types_pb2.Acknowledgement(fixed=taken.ack, live=live, repeat=taken.repeat)


def outbox_entry(answer: Answer) -> intake_pb2.OutboxEntry:
    """Write an answer for its gateway."""
    entry = intake_pb2.OutboxEntry(
        position=answer.position,
        entry_id=answer.entry_id,
        case_id=answer.case_id,
        contact_id=answer.contact_id,
        channel=answer.channel,
        text=answer.text,
        attachments=[
            types_pb2.Attachment(
                uri=one.uri,
                media_type=one.media_type,
                size_bytes=one.size_bytes,
                sha256=one.sha256,
            )
            for one in answer.references
        ],
        language=answer.language,
    )
    if answer.to is not None:
        entry.to.kind = types_pb2.AliasKind.Value(f"ALIAS_KIND_{answer.to.kind}")
        entry.to.value = answer.to.value
    entry.written_at.FromDatetime(answer.written_at)
    return entry


def found(done: internal_pb2.CommandDone) -> Found[intake_pb2.ContactView]:
    """Read how a contact stands."""
    facts, case = done.contact, done.case
    state = _state(case)
    view = intake_pb2.ContactView(
        fixed=done.ack,
        live=_unknown(),
        state=state,
        gateway=facts.gateway,
        channel=facts.channel,
        sequence=max(done.sequence, case.sequence),
    )
    view.made_at.FromDatetime(at_us(facts.contact_made_at_us))
    if case.owner and case.HasField("owned_at"):
        view.owned_at.CopyFrom(case.owned_at)
    if case.HasField("callback_at"):
        view.callback_at.CopyFrom(case.callback_at)
    if case.HasField("not_before_at"):
        view.not_before_at.CopyFrom(case.not_before_at)
    ended_at = from_us(facts.ended_at_us)
    if ended_at is not None:
        view.ended_at.FromDatetime(ended_at)
    return Found(
        view=view,
        gateway=facts.gateway,
        customer=case.customer_id or done.customer_id,
        mark=(state, case.owner, case.epoch, str(case.callback_at), str(case.not_before_at)),
        ended=state in _ENDS,
    )


def _state(case: types_pb2.CaseView) -> intake_pb2.ContactState.ValueType:
    if case.state in {types_pb2.CASE_STATE_RESOLVED, types_pb2.CASE_STATE_CLOSED}:
        match case.work_state:
            case types_pb2.WORK_STATE_ABANDONED if case.disposition != _WITHDRAWN:
                return intake_pb2.CONTACT_STATE_ABANDONED
            case types_pb2.WORK_STATE_ABANDONED | types_pb2.WORK_STATE_CANCELLED:
                return intake_pb2.CONTACT_STATE_CANCELLED
            case _:
                return intake_pb2.CONTACT_STATE_DONE
    return intake_pb2.CONTACT_STATE_OWNED if case.owner else intake_pb2.CONTACT_STATE_WAITING
