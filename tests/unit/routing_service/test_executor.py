"""Decisions are carried out once each, so many at a time, and never without the lease."""

import asyncio
from datetime import UTC, datetime

import pytest

from toldonce.kernel.errors import Missing, Rejected, Unavailable
from toldonce.kernel.ids import Own, derive
from toldonce.routing.core.acts import ExpireOffer, MakeOffer
from toldonce.routing.core.types import DecisionTrace
from toldonce.routing.handler.executor import DOUBT_S, INFLIGHT_MAX, Executor
from toldonce.runtime.clock import LoopClock

pytestmark = pytest.mark.looptime

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
WHY = DecisionTrace(derive("d"), "1-a", 1, 1, AT, "ann", 0, None, 0.0, 1, (), "first in line")


class Lease:
    """A lease that is held until told otherwise."""

    epoch = 7
    held = 7


class Desk:
    """An executor, what it sent and what failed."""

    def __init__(self):
        self.lease = Lease()
        self.sent = []
        self.failed = []
        self.answers = []
        self.at_once = self.most = 0
        self.executor = Executor(self._send, self.lease, LoopClock(), self.failed.append)

    async def _send(self, decision, epoch, issued_at):
        self.sent.append((decision, epoch, issued_at))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer


def offer(number=1):
    own = Own(derive("offer", number))
    case = Own(derive("case", number))
    return MakeOffer(derive("customer", number), case, 0, "ann", own, AT, "", WHY)


@pytest.fixture
async def desk():
    made = Desk()
    yield made
    await made.executor.close()


async def test_decision_is_sent_once_under_its_epoch(desk):
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(5)
    assert [(one, epoch) for one, epoch, _ in desk.sent] == [(offer(), 7)]
    assert not desk.failed


async def test_unanswered_decision_is_sent_again_with_its_first_stamp(desk):
    desk.answers = [Unavailable("?"), Unavailable("?"), None]
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(5)
    assert len(desk.sent) == 3
    assert len({issued_at for _, _, issued_at in desk.sent}) == 1
    assert not desk.failed


async def test_offer_refused_for_ever_is_told_to_the_engine_at_once(desk):
    desk.answers = [Rejected("STALE_EPOCH", "the case has changed hands")]
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(1)
    assert [(one.offer, one.reason) for one in desk.failed] == [(offer().offer, "STALE_EPOCH")]
    assert len(desk.sent) == 1


@pytest.mark.parametrize("reason", ["OWNED", "OFFERED", "STALE_DECISION"])
async def test_units_of_a_refused_offer_are_held_until_no_copy_of_it_can_be_taken(desk, reason):
    desk.answers = [Rejected(reason, "not now")] * 2
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(DOUBT_S - 0.1)
    assert not desk.failed
    await asyncio.sleep(1)
    assert [one.reason for one in desk.failed] == [reason]
    assert len(desk.sent) == 2


async def test_offer_that_ownership_never_heard_of_is_told_to_the_engine(desk):
    made = offer()
    desk.answers = [Missing("offer", "no such offer")]
    desk.executor.take((ExpireOffer(made.customer, made.case, made.offer, "ann"),), 7)
    await asyncio.sleep(1)
    assert [one.reason for one in desk.failed] == ["Missing"]


async def test_offer_on_its_way_is_not_given_up_because_nobody_heard_of_it_yet(desk):
    made = offer()
    held = asyncio.Event()

    async def send(decision, epoch, issued_at):
        desk.sent.append((decision, epoch, issued_at))
        if isinstance(decision, MakeOffer):
            await held.wait()
        elif not held.is_set():
            raise Missing("offer", "no such offer")

    executor = Executor(send, desk.lease, LoopClock(), desk.failed.append)
    executor.take((made,), 7)
    executor.take((ExpireOffer(made.customer, made.case, made.offer, "ann"),), 7)
    await asyncio.sleep(1)
    assert not desk.failed
    held.set()
    await asyncio.sleep(3)
    assert isinstance(desk.sent[-1][0], ExpireOffer), "it is asked again once it can be known"
    assert [one.reason for one in desk.failed] == ["ENDED"]
    await executor.close()


async def test_offer_made_while_its_end_was_asked_for_is_not_given_up(desk):
    made, asked = offer(), asyncio.Event()

    async def send(decision, epoch, issued_at):
        desk.sent.append((decision, epoch, issued_at))
        if isinstance(decision, MakeOffer):
            await asked.wait()
        elif not asked.is_set():
            asked.set()
            await asyncio.sleep(0.01)
            raise Missing("offer", "it was not there when this was read")

    executor = Executor(send, desk.lease, LoopClock(), desk.failed.append)
    executor.take((made, ExpireOffer(made.customer, made.case, made.offer, "ann")), 7)
    await asyncio.sleep(3)
    assert [one.reason for one in desk.failed] == ["ENDED"]
    assert len(desk.sent) == 3
    await executor.close()


async def test_offer_cancelled_before_its_answer_may_still_arrive(desk):
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(0.005)
    await desk.executor.close()
    assert not await desk.executor.settle()
    await asyncio.sleep(DOUBT_S)
    assert await desk.executor.settle()


async def test_offers_that_wait_out_their_doubt_keep_nobody_from_their_turn(desk):
    desk.answers = [Rejected("QUARANTINED", "broken")] * INFLIGHT_MAX
    desk.executor.take(tuple(offer(number) for number in range(INFLIGHT_MAX + 1)), 7)
    await asyncio.sleep(0.1)
    assert len(desk.sent) == INFLIGHT_MAX + 1


@pytest.mark.parametrize("reason", ["TOO_EARLY", "STALE_ENGINE", "OFFER_TAKEN"])
async def test_offer_whose_agent_still_holds_it_is_not_given_up(desk, reason):
    made = offer()
    desk.answers = [Rejected(reason, "not now")]
    desk.executor.take((ExpireOffer(made.customer, made.case, made.offer, "ann"),), 7)
    await asyncio.sleep(1)
    assert not desk.failed


async def test_nothing_is_sent_once_the_lease_is_lost(desk):
    desk.lease.epoch = 0
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(1)
    assert not desk.sent
    assert [one.reason for one in desk.failed] == ["NOT_LEADING"]


async def test_retries_end_with_the_lease(desk):
    desk.answers = [Unavailable("?")] * 100
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(0.2)
    desk.lease.epoch = 0
    await asyncio.sleep(5)
    sent = len(desk.sent)
    await asyncio.sleep(10)
    assert len(desk.sent) == sent
    assert [one.reason for one in desk.failed] == ["NOT_LEADING"]


async def test_same_act_is_not_under_way_twice(desk):
    desk.executor.take((offer(), offer()), 7)
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(1)
    assert len(desk.sent) == 1
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(1)
    assert len(desk.sent) == 2


async def test_so_many_are_under_way_at_a_time(desk):
    desk.executor.take(tuple(offer(number) for number in range(300)), 7)
    await asyncio.sleep(5)
    assert len(desk.sent) == 300
    assert desk.most == INFLIGHT_MAX


async def test_settling_waits_for_what_is_under_way_and_drops_the_rest(desk):
    desk.executor.take(tuple(offer(number) for number in range(100)), 7)
    await asyncio.sleep(0)
    assert await desk.executor.settle()
    assert len(desk.sent) == INFLIGHT_MAX
    assert len(desk.failed) == 100 - INFLIGHT_MAX


async def test_settling_says_when_something_is_still_under_way(desk):
    desk.answers = [Unavailable("?")] * 1000
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(0.02)
    assert not await desk.executor.settle(1.0)


async def test_settling_does_not_vouch_for_an_offer_that_may_still_arrive(desk):
    desk.answers = [Unavailable("?")] * 100
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(0.2)
    desk.lease.epoch = 0
    assert not await desk.executor.settle()
    await asyncio.sleep(3)
    assert await desk.executor.settle()


async def test_offer_that_got_no_answer_is_asked_for_again_before_it_is_given_up(desk):
    desk.answers = [Unavailable("?"), Rejected("STALE_DECISION", "too old")]
    desk.executor.take((offer(),), 7)
    await asyncio.sleep(10)
    assert len(desk.sent) == 3
    assert not desk.failed
    stale = Rejected("STALE_DECISION", "too old")
    desk.answers = [Unavailable("?"), stale, stale]
    desk.executor.take((offer(2),), 7)
    await asyncio.sleep(1)
    assert not desk.failed
    await asyncio.sleep(10)
    assert [one.reason for one in desk.failed] == ["STALE_DECISION"]
