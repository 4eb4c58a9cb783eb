"""What ends a thing that is stuck: the ordinary command its keeper would have given.

Some have none: nobody but the engine offers a case, nobody but a gateway confirms an answer. Their
keepers can only be told to look again.
"""

from typing import assert_never

from toldonce.kernel.ids import Own, derive
from toldonce.kernel.instants import micros
from toldonce.kernel.story.bounds import Bound, Waiting
from toldonce.kernel.story.types import Case, Story
from toldonce.ownership.core.commands import (
    BreakCommitment,
    CancelHandoff,
    Command,
    CompleteWrapUp,
    ExpireOffer,
    LeaveConsult,
    ReleaseOwnership,
)

TIMED_OUT = "TIMED_OUT"
OWNER_SILENT = "OWNER_SILENT"


def operation_of(bound: Bound) -> Own:
    """Name the act that ends a stuck thing: every replica, on every try, names it alike."""
    at_us = micros(bound.at)
    return Own(derive("reconcile", bound.kind, bound.own, bound.case, at_us))


def remedy(bound: Bound, head: Story) -> Command | None:
    """Give the command that ends a stuck thing; None where only its keeper can."""
    case = head.case(bound.case)
    match bound.kind:
        case Waiting.OFFER:
            return ExpireOffer(Own(bound.own))
        case Waiting.COMMITMENT:
            return BreakCommitment(Own(bound.own))
        case Waiting.HANDOFF | Waiting.WRAP_UP | Waiting.LAPSE | Waiting.ADVISER | Waiting.OWNER:
            return None if case is None else _of_case(bound, case, head.messages)
        case Waiting.QUEUE | Waiting.ANSWER | Waiting.MOVE | Waiting.FORGET:
            return None
        case _:
            assert_never(bound.kind)


def _of_case(bound: Bound, case: Case, messages: int) -> Command | None:
    match bound.kind:
        case Waiting.HANDOFF:
            return CancelHandoff(case.own, case.epoch, Own(bound.own), TIMED_OUT)
        case Waiting.WRAP_UP:
            return CompleteWrapUp(case.own, case.epoch)
        case Waiting.LAPSE if case.lapse is not None:
            return ReleaseOwnership(case.own, case.epoch, case.lapse.rule, messages)
        case Waiting.ADVISER:
            return LeaveConsult(case.own, bound.own, TIMED_OUT)
        case Waiting.OWNER:
            return ReleaseOwnership(case.own, case.epoch, OWNER_SILENT, messages)
        case _:
            return None
