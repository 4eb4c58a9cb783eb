"""How cases end is counted from the log: outcomes, hops, told again, once and done."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.scribe import Scribe, accepted, case_of, closed, opened
from tests.tellers import RULES, TENANT, customer, own
from toldonce.kernel.story.events import (
    CaseReopened,
    HandoffBegun,
    OfferAccepted,
    OwnershipReleased,
)
from toldonce.kernel.story.types import Case, TargetKind
from toldonce.ownership.core.returns import reopening
from toldonce.ownership.projector import Checks
from toldonce.ownership.projector.outcomes import PAIRS_MAX
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.feed import OpenStory
from toldonce.runtime.meter import Meter
from toldonce.runtime.testing.log import FakeLog


class Count:
    """A log and who counts what stands in it."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.log = FakeLog(clock=self.clock)
        self.scribe = Scribe(self.log, self.clock)
        self.meter = Meter()
        self.outcomes = Checks(self.meter)
        self.told = 0

    async def look(self) -> None:
        """Let it have all that is new, as the feed gives it."""
        batch = []
        for sequence in range(self.told + 1, self.scribe.last + 1):
            stored = await self.log.get(sequence)
            assert stored is not None
            batch.append(decode_logged(stored.payload, sequence))
        self.told = self.scribe.last
        await self.outcomes.records(batch)

    async def hand_over(self, who: str, to: str, epoch: int) -> None:
        handoff, case = own("handoff", who, epoch), case_of(who)
        until = self.clock.now()
        await self.scribe.tell(
            who,
            HandoffBegun(handoff, case, "anna", TargetKind.AGENT, to, until, 1, b"h" * 32, 0),
        )
        await self.scribe.tell(who, OfferAccepted(own("offer", epoch), case, to, epoch, handoff))

    async def reopen(self, who: str) -> None:
        ended = await self._ended(who)
        now = self.clock.now()
        again = reopening(ended, now - timedelta(seconds=1), now, RULES)
        await self.scribe.tell(who, CaseReopened(again, "CAME_BACK"))

    async def _ended(self, who: str) -> Case:
        last = None
        for sequence in range(1, self.scribe.last + 1):
            stored = await self.log.get(sequence)
            assert stored is not None
            record = decode_logged(stored.payload, sequence).record
            if record.customer == customer(who):
                last = record.head.case(case_of(who)) or last
        assert last is not None
        return last

    def of(self, name: str, **labels: str) -> float:
        return self.meter.registry.get_sample_value(f"toldonce_{name}", labels) or 0.0

    @property
    def once(self) -> tuple[float, float]:
        return self.of("once_and_done_total"), self.of("once_and_done_reopened_total")


async def test_case_its_only_owner_closes_is_once_and_done() -> None:
    count = Count()
    await count.scribe.tell("joan", opened("joan"))
    await count.scribe.tell("joan", accepted("joan"))
    await count.scribe.tell("joan", closed("joan"))
    await count.look()
    assert count.once == (1.0, 0.0)
    assert count.of("cases_closed_total", queue="orders", disposition="resolved") == 1.0
    assert (count.of("case_hops_count"), count.of("case_hops_sum")) == (1.0, 0.0)


async def test_case_that_was_handed_over_shows_its_hops_and_is_not_once_and_done() -> None:
    count = Count()
    await count.scribe.tell("joan", opened("joan"))
    await count.scribe.tell("joan", accepted("joan"))
    await count.hand_over("joan", "bram", 2)
    await count.hand_over("joan", "carl", 3)
    await count.scribe.tell("joan", closed("joan", agent="carl"))
    await count.look()
    assert count.once == (0.0, 0.0)
    assert count.of("case_hops_sum") == 2.0
    assert count.of("case_hops_bucket", le="1.0") == 0.0
    assert count.of("case_hops_bucket", le="2.0") == 1.0


async def test_case_that_was_let_go_in_between_is_not_once_and_done() -> None:
    count = Count()
    await count.scribe.tell("joan", opened("joan"))
    await count.scribe.tell("joan", accepted("joan"))
    await count.scribe.tell("joan", OwnershipReleased(case_of("joan"), "anna", 2, "OFF_SHIFT"))
    await count.scribe.tell("joan", accepted("joan", agent="bram", epoch=3))
    await count.scribe.tell("joan", closed("joan", agent="bram"))
    await count.look()
    assert count.once == (0.0, 0.0)


@pytest.mark.parametrize("handed", [False, True])
async def test_case_that_comes_back_was_not_done(handed: bool) -> None:  # noqa: FBT001 - a case
    count = Count()
    await count.scribe.tell("joan", opened("joan"))
    await count.scribe.tell("joan", accepted("joan"))
    if handed:
        await count.hand_over("joan", "bram", 2)
    await count.scribe.tell("joan", closed("joan"))
    await count.reopen("joan")
    await count.scribe.tell("joan", accepted("joan", epoch=4))
    await count.scribe.tell("joan", closed("joan"))
    await count.look()
    assert count.once == ((0.0, 0.0) if handed else (1.0, 1.0))
    assert count.of("cases_reopened_total") == 1.0
    assert count.of("cases_closed_total", queue="orders", disposition="resolved") == 2.0


async def test_only_answers_to_what_was_asked_are_counted() -> None:
    count = Count()
    for number, answers in enumerate(
        [{}, {"re_told": True}, {"re_told": False}, {"re_told": False}, {"first": True}]
    ):
        who = f"joan {number}"
        await count.scribe.tell(who, opened(who))
        end = replace(
            closed(who),
            re_told=answers.get("re_told", False),
            re_told_known="re_told" in answers,
            resolved_first_owner=answers.get("first", False),
            resolved_known="first" in answers,
        )
        await count.scribe.tell(who, end)
    await count.look()
    assert count.of("retold_answers_total", answer="yes") == 1.0
    assert count.of("retold_answers_total", answer="no") == 2.0
    assert count.of("first_owner_answers_total", answer="yes") == 1.0
    assert count.of("first_owner_answers_total", answer="no") == 0.0
    assert count.once == (0.0, 0.0)


async def test_case_that_was_open_before_the_process_began_is_counted_as_well() -> None:
    count = Count()
    await count.scribe.tell("joan", opened("joan", queue="returns"))
    await count.scribe.tell("joan", accepted("joan"))
    told = count.scribe.told[TENANT, customer("joan")]
    await count.outcomes.snapshot(
        [OpenStory(TENANT, customer("joan"), told.head, told.sequence)], told.sequence
    )
    count.told = count.scribe.last
    await count.scribe.tell("joan", closed("joan"))
    await count.look()
    assert count.of("cases_closed_total", queue="returns", disposition="resolved") == 1.0
    assert count.once == (1.0, 0.0)


async def test_labels_are_bounded_whatever_is_configured() -> None:
    count = Count()
    for number in range(PAIRS_MAX + 10):
        who = f"joan {number}"
        await count.scribe.tell(who, opened(who))
        await count.scribe.tell(who, replace(closed(who), disposition=f"outcome-{number}"))
    await count.look()
    assert count.of("cases_closed_total", queue="other", disposition="other") == 10.0
    page = count.meter.page().decode()
    assert page.count("\ntoldonce_cases_closed_total{") == PAIRS_MAX + 1
