"""Whatever waits in a head has an end that the head alone tells."""

from dataclasses import replace
from datetime import timedelta

from tests.scribe import answered, case_of, opened
from tests.tellers import START, own
from toldonce.kernel.ids import Own
from toldonce.kernel.story.bounds import Bound, Limits, Waiting, bounds, stuck
from toldonce.kernel.story.events import (
    CaseClosed,
    CommitmentMade,
    ConsultJoined,
    Event,
    Forgotten,
    HandoffBegun,
    Moved,
    OfferAccepted,
    Offered,
    OwnershipLapsed,
    WrapUpBegun,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.types import EMPTY, AdviserKind, Story, TargetKind
from toldonce.routing.core.absence import FREEZE_MAX_US

MINUTE = timedelta(minutes=1)
LIMITS = Limits(queue_s=600, owner_s=6_000, answer_s=60, half_s=5)
CASE = case_of("a")


def told(*events: Event) -> Story:
    story = replace(EMPTY, at=START)
    for event in events:
        story = evolve(story, event, START)
    return story


def owned() -> tuple[Event, ...]:
    return (opened("a"), OfferAccepted(own("offer"), CASE, "anna", 1, Own("")))


def kinds(story: Story) -> list[Waiting]:
    return [bound.kind for bound in bounds(story, LIMITS)]


def the(kind: Waiting, story: Story) -> Bound:
    (found,) = (bound for bound in bounds(story, LIMITS) if bound.kind is kind)
    return found


def test_a_story_that_waits_for_nothing_has_no_bound():
    assert bounds(EMPTY) == bounds(told()) == ()


def test_a_case_nobody_owns_waits_from_its_present_wait():
    at = START + timedelta(seconds=600)
    assert bounds(told(opened("a")), LIMITS) == (Bound(Waiting.QUEUE, CASE, CASE, at),)


def test_an_offer_ends_by_its_own_time_beside_its_case():
    offer = Offered(own("offer"), CASE, "anna", START + MINUTE, 1, "1-abc", b"")
    story = told(opened("a"), offer)
    assert kinds(story) == [Waiting.QUEUE, Waiting.OFFER]
    assert the(Waiting.OFFER, story) == Bound(Waiting.OFFER, offer.offer, CASE, START + MINUTE)


def test_an_owned_case_ends_after_a_long_silence_of_its_story():
    story = told(*owned())
    assert kinds(story) == [Waiting.OWNER]
    assert the(Waiting.OWNER, story).at == START + timedelta(seconds=6_000)
    later = replace(story, at=START + MINUTE)
    assert the(Waiting.OWNER, later).at == START + MINUTE + timedelta(seconds=6_000)


def test_a_lapse_may_last_as_long_as_releases_can_be_frozen():
    lapsed = OwnershipLapsed(CASE, "anna", 1, "OWNER_GONE_BACKUP", "", START + MINUTE)
    frozen = timedelta(microseconds=FREEZE_MAX_US)
    assert the(Waiting.LAPSE, told(*owned(), lapsed)).at >= START + MINUTE + frozen


def test_a_handoff_a_lapse_and_each_adviser_end_by_their_own_time():
    handoff = HandoffBegun(
        own("handoff"), CASE, "anna", TargetKind.AGENT, "bram", START + MINUTE, 1, b"h" * 32, 0
    )
    lapsed = OwnershipLapsed(CASE, "anna", 1, "AGENT_GONE", "", START + 2 * MINUTE)
    joined = [
        ConsultJoined(CASE, agent, AdviserKind.CONSULT, START + number * MINUTE)
        for number, agent in ((3, "bram"), (4, "carl"))
    ]
    assert the(Waiting.HANDOFF, told(*owned(), handoff)).at == START + MINUTE
    story = told(*owned(), lapsed, *joined)
    assert kinds(story) == [Waiting.OWNER, Waiting.LAPSE, Waiting.ADVISER, Waiting.ADVISER]
    assert [(bound.own, bound.at) for bound in bounds(story, LIMITS)[1:]] == [
        (CASE, START + 2 * MINUTE + timedelta(seconds=600)),
        ("bram", START + 3 * MINUTE),
        ("carl", START + 4 * MINUTE),
    ]


def test_paperwork_ends_by_its_own_time_once_the_case_is_closed():
    begun = WrapUpBegun(CASE, "anna", START + MINUTE)
    assert kinds(told(*owned(), begun)) == [Waiting.OWNER]
    story = told(*owned(), begun, CaseClosed(CASE, "resolved", "anna", re_told=False))
    assert bounds(story, LIMITS) == (Bound(Waiting.WRAP_UP, CASE, CASE, START + MINUTE),)


def test_a_promise_and_an_answer_outlive_their_case():
    story = told(
        *owned(),
        CommitmentMade(own("promise"), CASE, "anna", START + MINUTE),
        answered("a"),
        CaseClosed(CASE, "resolved", "anna", re_told=False),
    )
    assert bounds(story, LIMITS) == (
        Bound(Waiting.COMMITMENT, own("promise"), CASE, START + MINUTE),
        Bound(Waiting.ANSWER, own("entry", "a", 1), "", START + timedelta(seconds=60)),
    )


def test_the_first_half_of_a_move_or_a_forgetting_waits_for_the_second():
    at = START + timedelta(seconds=5)
    assert bounds(told(opened("a"), Moved("b")), LIMITS) == (Bound(Waiting.MOVE, "b", "", at),)
    forgotten = told(opened("a"), Forgotten((), "ASKED"))
    assert bounds(forgotten, LIMITS) == (Bound(Waiting.FORGET, "", "", at),)


def test_nothing_is_stuck_before_its_grace_is_over():
    offer = Offered(own("offer"), CASE, "anna", START + MINUTE, 1, "1-abc", b"")
    story = told(opened("a"), offer)
    grace = timedelta(seconds=10)
    assert stuck(story, START + MINUTE + grace) == ()
    late = stuck(story, START + MINUTE + grace + timedelta(microseconds=1))
    assert late == (the(Waiting.OFFER, story),)
