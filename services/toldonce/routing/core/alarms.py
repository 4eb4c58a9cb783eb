"""What happens when an instant has come: the end of an offer, a handoff, a wrap-up, a grace.

A decision that the log does not show yet is made again after a while; ownership does it once. The
clock there may be a quarter of a second behind, and what comes too early is refused: so the second
time comes soon, the next ones after a second each, and only then is there a real pause.
"""

from typing import Final, assert_never

from toldonce.kernel.instants import SECOND, micros
from toldonce.kernel.story.types import Case, CaseState, WorkState
from toldonce.routing.core.absence import Absences
from toldonce.routing.core.acts import CancelHandoff, CompleteWrapUp, Decision, ExpireOffer
from toldonce.routing.core.ledger import Ledger
from toldonce.routing.core.state import Agent, Item, Live, Place
from toldonce.routing.core.timers import Alarm, Timer
from toldonce.routing.core.types import CancelReason

APART_US: Final = 3 * SECOND // 10
SOON_US: Final = SECOND
SOON_MAX_US: Final = 4 * SECOND
AGAIN_US: Final = 5 * SECOND


def still_counts(timer: Timer, absences: Absences) -> bool:
    """Tell whether a timer still means something."""
    if isinstance(timer.subject, Live):  # as most are
        return timer.subject.live
    match timer.alarm, timer.subject:
        case Alarm.HANDOFF, Item() as item:
            handoff = item.case.handoff
            return item.alive and handoff is not None and handoff.own == timer.guard
        case Alarm.WRAP_UP, Item() as item:
            return item.alive and paperwork_ends_us(item.case) == timer.guard
        case Alarm.ITEM, Item() as item:
            there = item.waiting or (item.alive and item.place is Place.SCHEDULED)
            return there and item.wake_us == timer.guard
        case Alarm.AGENT, Agent() as agent:
            return agent.cool_us == timer.guard
        case Alarm.GRACE, Agent() as agent:
            return agent.grace_us == timer.at_us
        case Alarm.THAW, None:
            return absences.thaw_us() == timer.guard
        case _:
            return False


def paperwork_ends_us(case: Case) -> int | None:
    """Say when the paperwork of a closed case has lasted as long as it may; None without any.

    The paperwork of an open case has no end of its own: its owner closes the case, and whoever
    looks sees until then that it is being wrapped up.
    """
    if case.state is not CaseState.CLOSED or case.work is not WorkState.WRAPPING:
        return None
    return None if case.wrap_until is None else micros(case.wrap_until)


def again_us(due_us: int, now_us: int) -> int:
    """Say when to ask again, by how long ago what is asked for was due."""
    if now_us < due_us + APART_US:
        return due_us + APART_US
    return now_us + (SOON_US if now_us < due_us + SOON_MAX_US else AGAIN_US)


def ring(
    timer: Timer, ledger: Ledger, absences: Absences, now_us: int, found: list[Decision]
) -> int | None:
    """Do what is due; return when to ring again unless the log says that it happened."""
    match timer.subject:
        case Live() as live:
            case = live.item.case.own
            found.append(ExpireOffer(live.item.customer, case, live.own, live.agent))
            return again_us(live.expires_us, now_us)
        case Item() as item:
            return _ring_item(timer, item, ledger, now_us, found)
        case Agent() as agent if timer.alarm is Alarm.AGENT:
            agent.cool_us = 0
            ledger.touch(agent)
            return None
        case Agent() as agent:
            agent.grace_us = 0
            ledger.touch(agent)
            return None
        case None:
            if timer.alarm is Alarm.THAW:
                absences.thaw()
            return None
        case _:
            assert_never(timer.subject)


def _ring_item(
    timer: Timer, item: Item, ledger: Ledger, now_us: int, found: list[Decision]
) -> int | None:
    case = item.case
    if timer.alarm is Alarm.HANDOFF and case.handoff is not None:
        reason = CancelReason.TIMED_OUT
        found.append(CancelHandoff(item.customer, case.own, case.handoff.own, reason))
        return again_us(micros(case.handoff.expires_at), now_us)
    ends_us = paperwork_ends_us(case)
    if timer.alarm is Alarm.WRAP_UP and ends_us is not None:
        found.append(CompleteWrapUp(item.customer, case.own, case.owner, case.epoch))
        return again_us(ends_us, now_us)
    item.wake_us = 0
    ledger.stir(item)
    return None
