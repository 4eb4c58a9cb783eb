"""The one decision: story, command and instant in, facts out, or a refusal. Total and pure."""

from datetime import datetime
from typing import assert_never

from toldonce.kernel.errors import Rejected
from toldonce.kernel.story.events import Event
from toldonce.kernel.story.types import Story
from toldonce.ownership.core import (
    cases,
    commitments,
    consults,
    contacts,
    lapses,
    matters,
    moves,
    offers,
    scheduling,
    timing,
    transfers,
)
from toldonce.ownership.core.commands import (
    AbandonCase,
    Absorb,
    AcceptOffer,
    AppendEntry,
    Asked,
    BeginHandoff,
    BeginWrapUp,
    BreakCommitment,
    CancelHandoff,
    ChangeQueue,
    CloseCase,
    Command,
    CompleteWrapUp,
    ConfirmDelivery,
    DeclineOffer,
    DivertContact,
    Escalate,
    ExpireOffer,
    FireTimer,
    Forget,
    JoinConsult,
    KeepCommitment,
    LapseOwnership,
    LeaveConsult,
    LinkIncident,
    MakeCommitment,
    MakeOffer,
    MergeCases,
    MoveOut,
    PauseCase,
    ReceiveContact,
    ReleaseOwnership,
    ReopenCase,
    RequestCallback,
    ResumeCase,
    ResumeOwnership,
    RevokeOffer,
    ScheduleCase,
    SetPriority,
    SplitCase,
)
from toldonce.ownership.core.rules import Rules
from toldonce.ownership.core.settling import settled


def decide(
    story: Story, command: Command, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    """Say what happens. An empty answer: it is so already, nothing is to be written.

    Raises Invalid, Rejected or Missing; says the same thing every time for the same arguments.
    """
    if story.moved_to and not isinstance(command, MoveOut):
        raise Rejected("MOVED", "the story goes on under another customer id")
    return settled(story, _decided(story, command, by, now, rules), now, rules)


def _decided(
    story: Story, command: Command, by: Asked, now: datetime, rules: Rules
) -> tuple[Event, ...]:
    match command:
        case ReceiveContact():
            return contacts.receive(story, command, now, rules)
        case DivertContact():
            return contacts.divert(story, command)
        case AppendEntry():
            return contacts.append_entry(story, command, by, now, rules)
        case ConfirmDelivery():
            return contacts.confirm(story, command)
        case MakeOffer():
            return offers.make(story, command, now)
        case ExpireOffer():
            return offers.expire(story, command, now)
        case RevokeOffer():
            return offers.revoke(story, command)
        case AcceptOffer():
            return offers.accept(story, command, by, now, rules)
        case DeclineOffer():
            return offers.decline(story, command, by)
        case BeginHandoff():
            return transfers.begin(story, command, by, now, rules)
        case CancelHandoff():
            return transfers.cancel(story, command, by, now)
        case Escalate():
            return transfers.escalate(story, command, by, now, rules)
        case ReleaseOwnership():
            return transfers.release(story, command, by)
        case LapseOwnership():
            return lapses.lapse(story, command, by, now, rules)
        case ResumeOwnership():
            return lapses.resume(story, command, by)
        case JoinConsult():
            return consults.join(story, command, by, now, rules)
        case LeaveConsult():
            return consults.leave(story, command, by, now)
        case MakeCommitment():
            return commitments.make(story, command, by, now)
        case KeepCommitment():
            return commitments.keep(story, command, by, now)
        case BreakCommitment():
            return commitments.break_(story, command, by, now)
        case FireTimer():
            return timing.fire(story, command, by, now, rules)
        case PauseCase():
            return timing.pause(story, command, by, now, rules)
        case ResumeCase():
            return timing.resume(story, command, by, now)
        case BeginWrapUp():
            return cases.begin_wrap_up(story, command, by, now, rules)
        case CompleteWrapUp():
            return cases.complete_wrap_up(story, command, by, now)
        case CloseCase():
            return cases.close(story, command, by, now, rules)
        case ReopenCase():
            return cases.reopen(story, command, now, rules)
        case AbandonCase():
            return cases.abandon(story, command, by)
        case MergeCases():
            return matters.merge(story, command, by)
        case SplitCase():
            return matters.split(story, command, by, now, rules)
        case LinkIncident():
            return matters.link_incident(story, command)
        case RequestCallback():
            return scheduling.request_callback(story, command, now, rules)
        case ScheduleCase():
            return scheduling.schedule(story, command, by, now, rules)
        case SetPriority():
            return matters.set_priority(story, command, by)
        case ChangeQueue():
            return matters.change_queue(story, command, by, rules)
        case Forget():
            return moves.forget(story, command)
        case MoveOut():
            return moves.move_out(story, command)
        case Absorb():
            return moves.absorb(story, command)
        case _:
            assert_never(command)
