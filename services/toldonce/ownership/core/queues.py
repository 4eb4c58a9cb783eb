"""A case that waits goes to another queue: at its old age, and offers to no one."""

from toldonce.kernel.errors import Invalid, Rejected
from toldonce.kernel.story.events import CaseRequeued, Event
from toldonce.kernel.story.types import Story
from toldonce.ownership.core.commands import Asked, RequeueCase
from toldonce.ownership.core.guards import OVERRIDERS, held, open_case
from toldonce.ownership.core.offers import revoked
from toldonce.ownership.core.rules import Rules


def requeue(story: Story, command: RequeueCase, by: Asked, rules: Rules) -> tuple[Event, ...]:
    """Let a case wait in another queue; one that is there already needs nothing."""
    if by.principal.role not in OVERRIDERS:
        raise Rejected("NOT_A_SERVICE", "the engine or a supervisor says where a case waits")
    case = held(open_case(story, command.case), by, command.epoch)
    if command.queue not in rules.queues:
        raise Invalid("queue", "no queue of this name is configured")
    if case.queue == command.queue:
        return ()
    if case.queue != command.from_queue:
        raise Rejected("QUEUE_CHANGED", f"the case is in {case.queue} now; decide again")
    if case.owner:
        raise Rejected("OWNED", "the case has an owner, who can hand it over")
    requeued = CaseRequeued(case.own, case.queue, command.queue, command.reason or "UNSPECIFIED")
    return (*revoked(case, "REQUEUED"), requeued)
