"""A waiting case goes to another queue at its old age: by overflow, or by a supervisor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.tellers import ENGINE, GATEWAY, START, TENANT, contact, customer
from tests.unit.ownership.tale import ANNA, SAM, Tale, kinds
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.api.routing.v1 import routing_pb2
from toldonce.kernel.ids import whole
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.events import QueueChanged
from toldonce.kernel.story.types import Case, SkillNeed, TargetKind, WorkState
from toldonce.ownership.core.commands import ChangeQueue
from toldonce.ownership.wire.parse import ask_of
from toldonce.routing.core import acts
from toldonce.routing.wire.commands import decided, move_work


def overflow(case: Case, *, left: str = "orders", to: str = "returns") -> ChangeQueue:
    return ChangeQueue(case.own, case.epoch, left, to, "OVERFLOW_FULL")


def moved(case: Case, to: str = "returns", reason: str = "MISROUTED") -> ChangeQueue:
    return ChangeQueue(case.own, 0, "", to, reason)


BOTH = pytest.mark.parametrize(("change", "who"), [(overflow, ENGINE), (moved, SAM)])
type Change = Callable[..., ChangeQueue]


@BOTH
def test_waiting_case_keeps_its_age_and_remembers_where_it_was(
    change: Change, who: Principal
) -> None:
    tale = Tale()
    case = tale.waiting()
    tale.later(60)
    command = change(case)
    told = QueueChanged(case.own, "orders", "returns", command.reason)
    assert tale.do(command, who) == (told,)
    assert tale.records[-1].actor.startswith(who.role.name.lower())
    now = tale.case(case.own)
    assert (now.queue, now.former_queues, now.epoch) == ("returns", ("orders",), 0)
    assert now.enqueued_at == now.waiting_since == case.enqueued_at


@BOTH
def test_case_asks_what_its_new_queue_asks_of_everybody(change: Change, who: Principal) -> None:
    tale = Tale()
    tale.do(replace(contact(1), skills=(SkillNeed("orders", 3),)), GATEWAY)
    case = tale.story.cases[0]
    assert case.skills
    tale.do(change(case), who)
    assert tale.case(case.own).skills == ()


@BOTH
def test_offer_of_the_queue_it_leaves_is_taken_back(change: Change, who: Principal) -> None:
    tale = Tale()
    case = tale.waiting()
    tale.offered(case.own, "anna")
    assert kinds(tale.do(change(case), who)) == ["OfferRevoked", "QueueChanged"]
    assert (tale.case(case.own).offers, tale.case(case.own).work) == ((), WorkState.QUEUED)


@BOTH
def test_change_that_was_made_already_needs_nothing(change: Change, who: Principal) -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(change(case), who)
    assert tale.do(change(case), who) == ()


@BOTH
def test_change_is_refused_to_agents_and_of_a_case_that_somebody_owns(
    change: Change, who: Principal
) -> None:
    tale = Tale()
    case = tale.waiting()
    assert tale.refused(change(case), ANNA) == "Denied"
    assert tale.refused(change(case, to="nowhere"), who).startswith("queue: no queue of this name")
    assert tale.refused(replace(change(case), reason=""), who).startswith("reason: ")
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    assert tale.refused(change(case), who) == "OWNED"


def test_engine_that_decided_of_another_queue_or_epoch_decides_again() -> None:
    tale = Tale()
    case = tale.waiting()
    assert tale.refused(overflow(case, left="general")) == "QUEUE_CHANGED"
    assert tale.refused(replace(overflow(case), epoch=1)) == "STALE_EPOCH"


def test_engine_never_sends_a_case_back_where_it_was_and_a_supervisor_may() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(overflow(case))
    assert tale.refused(overflow(case, left="returns", to="orders")) == "PING_PONG"
    tale.do(moved(case, "orders", "TOO_FAR"), SAM)
    assert tale.case(case.own).former_queues == ("orders", "returns")
    assert tale.refused(overflow(case)) == "PING_PONG"
    tale.do(moved(case, "returns"), SAM)
    assert tale.case(case.own).former_queues == ("returns", "orders")


def test_owner_says_why_a_case_goes_back_where_a_supervisor_took_it_from() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(moved(case), SAM)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    back = tale.handing(case.own, "orders", kind=TargetKind.QUEUE)
    assert tale.refused(back, ANNA) == "PING_PONG"
    assert kinds(tale.do(replace(back, override="THEIRS"), ANNA)) == ["HandoffBegun"]


def test_what_the_engine_decides_is_what_ownership_hears() -> None:
    tale = Tale()
    case = tale.waiting()
    decision = acts.ChangeQueue(customer(), case.own, 0, "orders", "returns", "OVERFLOW_FULL")
    one, again = (
        internal_pb2.Command.FromString(
            decided(TENANT, decision, epoch=3, issued_at=START + timedelta(seconds=seconds))
        )
        for seconds in (0, 5)
    )
    assert ask_of(one).command == overflow(case)
    assert one.operation_id == again.operation_id


def test_what_a_supervisor_asks_is_what_ownership_hears() -> None:
    tale = Tale()
    case = tale.waiting()
    asked = routing_pb2.MoveWorkRequest(
        case_id=whole(customer(), case.own), queue="returns", reason="MISROUTED"
    )
    operation = tale.records[0].operation
    told = internal_pb2.Command.FromString(move_work(SAM, asked, operation, START))
    assert ask_of(told).command == moved(case)
