"""A waiting case goes to another queue at its old age, and only while it waits where it was."""

from datetime import timedelta

from tests.tellers import START, TENANT, customer
from tests.unit.ownership.tale import ANNA, Tale, kinds
from toldonce.api.ownership.v1 import internal_pb2
from toldonce.kernel.story.types import Case, WorkState
from toldonce.ownership.core.commands import RequeueCase
from toldonce.ownership.wire.parse import ask_of
from toldonce.routing.core.acts import Requeue
from toldonce.routing.wire.commands import decided


def overflow(case: Case, *, left: str = "orders", to: str = "returns") -> RequeueCase:
    return RequeueCase(case.own, case.epoch, left, to, "OVERFLOW_FULL")


def test_waiting_case_keeps_its_age_and_remembers_where_it_came_from() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.later(60)
    assert kinds(tale.do(overflow(case))) == ["CaseRequeued"]
    moved = tale.case(case.own)
    assert (moved.queue, moved.former_queues, moved.epoch) == ("returns", ("orders",), 0)
    assert moved.enqueued_at == moved.waiting_since == case.enqueued_at


def test_offer_of_the_queue_it_leaves_is_taken_back() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.offered(case.own, "anna")
    assert kinds(tale.do(overflow(case))) == ["OfferRevoked", "CaseRequeued"]
    assert tale.case(case.own).work is WorkState.QUEUED


def test_move_that_was_made_already_needs_nothing() -> None:
    tale = Tale()
    case = tale.waiting()
    tale.do(overflow(case))
    assert tale.do(overflow(case)) == ()


def test_case_that_is_not_where_it_was_or_has_an_owner_stays() -> None:
    tale = Tale()
    case = tale.waiting()
    assert tale.refused(overflow(case, left="general")) == "QUEUE_CHANGED"
    assert "no queue of this name" in tale.refused(overflow(case, to="nowhere"))
    assert tale.refused(overflow(case), ANNA) == "NOT_A_SERVICE"
    owned = tale.owned(2, topic="other")
    assert tale.refused(overflow(owned)) == "OWNED"
    stale = RequeueCase(owned.own, 0, "orders", "returns", "OVERFLOW_FULL")
    assert tale.refused(stale) == "OWNED"


def test_what_the_engine_decides_is_what_ownership_hears() -> None:
    tale = Tale()
    case = tale.waiting()
    decision = Requeue(customer(), case.own, 0, "orders", "returns", "OVERFLOW_FULL")
    one, again = (
        internal_pb2.Command.FromString(
            decided(TENANT, decision, epoch=3, issued_at=START + timedelta(seconds=seconds))
        )
        for seconds in (0, 5)
    )
    assert ask_of(one).command == overflow(case)
    assert one.operation_id == again.operation_id
