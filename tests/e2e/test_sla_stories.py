"""What a company lives through with its clocks: warned, climbed, paused, promised; over gRPC."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.shop import DOCUMENT, Shop, check_history, customer, message
from tests.servers import eventually
from toldonce.client.clocks import Clocks
from toldonce.client.context import read_context
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import own_of
from toldonce.kernel.principal import Role
from toldonce.kernel.story.events import (
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    Event,
    HandoffBegun,
    RungClimbed,
    SlaBreached,
    SlaWarned,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

URGENT = "This is urgent, please help"
LADDER = """\
sla:
  - name: soon
    targets: {queue_wait_s: 2, first_response_s: 4}
    warn_fraction: 0.25
    on_breach: {raise_priority_by: 100}
    ladder:
      - {at_fraction: 0.5, raise_priority_by: 150, widen: true, notify: true, clocks: [queue_wait]}
      - {after_breach_s: 0, hand_to: escalations, clocks: [first_response]}
      - {after_breach_s: 1, page: true, clocks: [first_response]}
"""
PAUSING = """\
sla:
  - name: soon
    targets: {first_response_s: 60, resolution_s: 4}
    pause_on: {resolution: [customer]}
"""
COUNTING = PAUSING.replace("[customer]", "[]")
PROMISING = DOCUMENT.replace("first_response_s: 60}", "first_response_s: 2, commits: true}", 1)


def under(sla: str, document: str = DOCUMENT) -> str:
    """Put another section `sla` in the company's document."""
    before, rest = document.split("sla:\n  - name: soon\n", 1)
    return before + sla + rest[rest.index("presence:") :]


async def happened[E: Event](shop: Shop, who: str, kind: type[E]) -> list[tuple[E, datetime]]:
    return [
        (event, one.record.at)
        for one in await shop.story(who)
        for event in one.record.events
        if isinstance(event, kind)
    ]


async def test_warning_raises_what_waits_above_what_came_before_it(shop: Shop) -> None:
    await shop.apply(under(LADDER))
    web = await shop.gateway()
    first = await web.submit(message(1, addresses=customer("early")))
    second = await web.submit(message(2, URGENT, addresses=customer("late")))
    desk = await shop.desk()

    async def raised() -> bool:
        return (await desk.case(second.case_id)).priority == 150

    await eventually(raised)
    rungs = await happened(shop, second.customer_id, RungClimbed)
    (climbed, at), opened_at = rungs[0], (await shop.story(second.customer_id))[0].record.at
    assert (climbed.rung, climbed.widened, climbed.notified) == (1, True, True)
    assert at >= opened_at + timedelta(seconds=1)
    assert await happened(shop, second.customer_id, SlaWarned)
    carl = await shop.agent("carl")
    assert (await carl.offered()).case_id == second.case_id
    assert (await carl.offered()).case_id == first.case_id


async def test_breach_hands_the_whole_story_up_and_then_pages(shop: Shop) -> None:
    await shop.apply(under(LADDER))
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    await anna.session.note(case.case_id, "The carrier does not know it.")
    lena = await shop.agent("lena")
    offer = await lena.offered(ack.case_id)
    assert offer.handoff is not None
    standing = await (await shop.desk()).case(ack.case_id)
    assert (standing.owner, standing.ownership, standing.rung) == ("anna", "HANDOFF_PENDING", 2)
    taken = await lena.session.accept(offer)
    client = await shop.client(Role.AGENT, "lena")
    read = await read_context(client, ack.case_id, upto=offer.handoff.context_sequence)
    assert read.hash == taken.context_hash
    assert {item.text for item in read.items if item.text} >= {
        URGENT,
        "The carrier does not know it.",
    }
    begun = await happened(shop, ack.customer_id, HandoffBegun)
    breaches = await happened(shop, ack.customer_id, SlaBreached)
    late = [at for event, at in breaches if event.clock is ClockKind.FIRST_RESPONSE]
    assert [at <= begun[0][1] for at in late] == [True]

    async def paged() -> bool:
        return any(one.paged for one, _ in await happened(shop, ack.customer_id, RungClimbed))

    await eventually(paged)
    rungs = [one.rung for one, _ in await happened(shop, ack.customer_id, RungClimbed)]
    assert rungs == sorted(set(rungs))
    check_history(await shop.story(ack.customer_id))


async def test_case_that_waits_for_its_customer_is_not_late_for_that(shop: Shop) -> None:
    await shop.apply(under(PAUSING))
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    await anna.session.reply(case.case_id, "Which order is it?", awaits_customer=True)
    desk, clocks = await shop.desk(), Clocks(await shop.client(Role.SUPERVISOR, "sam"))
    seen = await desk.case(ack.case_id)
    assert (seen.state, seen.paused_for) == ("PENDING_CUSTOMER", "CUSTOMER")
    before = await clocks.explain(ack.case_id, ClockKind.RESOLUTION)
    assert before.state == "PAUSED"
    await asyncio.sleep(5)  # longer than the whole target
    still = await clocks.explain(ack.case_id, ClockKind.RESOLUTION)
    assert (still.state, still.elapsed_s) == ("PAUSED", before.elapsed_s)
    assert not await happened(shop, ack.customer_id, SlaBreached)
    await web.submit(message(2, "Number 12.", thread=ack.case_id))
    back = await clocks.explain(ack.case_id, ClockKind.RESOLUTION)
    assert back.state in {"RUNNING", "WARNED"}
    assert (await desk.case(ack.case_id)).state == "OPEN"
    (pause,) = [span for span in back.spans if span.reason == "paused: waiting for the customer"]
    assert before.started_at is not None
    due_at = before.started_at + timedelta(seconds=4 + pause.lasts_s)
    assert back.due_at == due_at

    async def breached() -> bool:
        return bool(await happened(shop, ack.customer_id, SlaBreached))

    await eventually(breached)
    ((event, at),) = await happened(shop, ack.customer_id, SlaBreached)
    assert (event.clock, event.due_at) == (ClockKind.RESOLUTION, due_at)
    assert at >= due_at


async def test_policy_that_pauses_no_more_makes_no_case_late_that_waits_already(shop: Shop) -> None:
    await shop.apply(under(PAUSING))
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1, URGENT))
    case = await anna.take(ack.case_id)
    await anna.session.reply(case.case_id, "Which order is it?", awaits_customer=True)
    await asyncio.sleep(5)  # longer than the whole target
    await shop.apply(under(COUNTING))
    clocks = Clocks(await shop.client(Role.SUPERVISOR, "sam"))
    await asyncio.sleep(2)
    still = await clocks.explain(ack.case_id, ClockKind.RESOLUTION)
    assert (still.state, still.elapsed_s < 4) == ("PAUSED", True)
    assert not await happened(shop, ack.customer_id, SlaBreached)


async def test_promise_of_the_acknowledgement_is_kept_by_an_answer_in_time(shop: Shop) -> None:
    await shop.apply(PROMISING)
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1))
    case = await anna.take(ack.case_id)
    (promise,) = case.commitments
    assert (promise.agent, promise.due_at) == ("", ack.promised_by)
    await anna.session.reply(case.case_id, "It comes tomorrow.")
    ((kept, at),) = await happened(shop, ack.customer_id, CommitmentKept)
    assert whose(kept) == promise.commitment_id[26:]
    assert ack.promised_by is not None
    assert at < ack.promised_by
    await asyncio.sleep(2.5)
    assert not await happened(shop, ack.customer_id, CommitmentBroken)


async def test_promise_nobody_keeps_is_broken_when_its_time_is_over(shop: Shop) -> None:
    await shop.apply(PROMISING)
    web = await shop.gateway()
    ack = await web.submit(message(1))

    async def broken() -> bool:
        return bool(await happened(shop, ack.customer_id, CommitmentBroken))

    await eventually(broken)
    ((event, at),) = await happened(shop, ack.customer_id, CommitmentBroken)
    assert (event.due_at, at >= event.due_at) == (ack.promised_by, True)
    ((made, _),) = await happened(shop, ack.customer_id, CommitmentMade)
    assert made.commitment == event.commitment


async def test_promise_an_agent_keeps_too_late_was_broken_first(shop: Shop) -> None:
    web, anna = await shop.gateway(), await shop.agent("anna")
    ack = await web.submit(message(1))
    case = await anna.take(ack.case_id)
    due_at = datetime.now(UTC) + timedelta(seconds=1.5)
    promise = await anna.session.promise(case.case_id, "I call you at once.", due_at)

    async def broken() -> bool:
        return bool(await happened(shop, ack.customer_id, CommitmentBroken))

    await eventually(broken)
    ((event, at),) = await happened(shop, ack.customer_id, CommitmentBroken)
    assert (whose(event), at >= event.due_at) == (own_of(promise), True)
    second = await anna.session.promise(
        case.case_id, "Really.", datetime.now(UTC) + timedelta(seconds=60)
    )
    await anna.session.keep_promise(second)
    kept = await happened(shop, ack.customer_id, CommitmentKept)
    assert [whose(one) for one, _ in kept] == [own_of(second)]


def whose(event: CommitmentKept | CommitmentBroken) -> str:
    return event.commitment
