"""Each way a handoff can go has one end, and the case always has one owner."""

from dataclasses import replace

import pytest

from tests.tellers import ENGINE, GATEWAY, RULES, contact, offer, own
from tests.unit.ownership.tale import ANNA, BRAM, CARL, HASH, SAM, Tale, kinds
from toldonce.kernel.ids import Own
from toldonce.kernel.principal import Principal
from toldonce.kernel.story.events import (
    EntryKind,
    HandoffBegun,
    HandoffCancelled,
    OfferAccepted,
)
from toldonce.kernel.story.types import AdviserKind, OwnershipState, TargetKind
from toldonce.ownership.core.commands import (
    AbandonCase,
    Absorb,
    AppendEntry,
    CancelHandoff,
    DeclineOffer,
    Escalate,
    ExpireOffer,
    LapseOwnership,
    LeaveConsult,
    MakeCommitment,
    MergeCases,
    MoveOut,
    ReleaseOwnership,
    RevokeOffer,
    SplitCase,
)
from toldonce.ownership.core.rules import QueueRules

LADDER = replace(
    RULES,
    queues={
        **RULES.queues,
        "escalations": QueueRules(frozenset({"resolved"}), 0, "board"),
        "board": QueueRules(frozenset({"resolved"}), 0, "orders"),
    },
)


def pending(**how: object) -> tuple[Tale, Own]:
    """Let anna hand her case to bram."""
    tale = Tale()
    case = tale.owned().own
    tale.hand(case, **how)  # type: ignore[arg-type]
    return tale, case


def test_sender_keeps_the_case_until_the_receiver_accepts() -> None:
    tale, case = pending()
    assert tale.case(case).ownership is OwnershipState.HANDOFF_PENDING
    tale.offered(case, "bram")
    assert (tale.case(case).owner, tale.case(case).epoch) == ("anna", 1)
    tale.accept(case)
    now = tale.case(case)
    assert (now.owner, now.epoch, now.hops, now.former_owners) == ("bram", 2, 1, ("anna",))


def test_receiver_who_declines_leaves_it_with_the_sender() -> None:
    tale, case = pending()
    made = tale.offered(case, "bram")
    events = tale.do(DeclineOffer(made, "BUSY"), BRAM)
    assert kinds(events) == ["OfferDeclined", "HandoffCancelled"]
    now = tale.case(case)
    assert (now.owner, now.epoch, now.ownership) == ("anna", 1, OwnershipState.OWNED)


def test_receiver_of_a_queue_who_declines_leaves_it_to_the_next() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand(case, "returns", kind=TargetKind.QUEUE)
    made = tale.offered(case, "bram")
    assert kinds(tale.do(DeclineOffer(made, "BUSY"), BRAM)) == ["OfferDeclined"]
    tale.offered(case, "carl")
    tale.accept(case)
    now = tale.case(case)
    assert (now.owner, now.queue, now.former_queues) == ("carl", "returns", ("orders",))


def test_handoff_nobody_answers_in_time_ends_with_the_sender() -> None:
    tale, case = pending()
    made = tale.offered(case, "bram")
    asked = CancelHandoff(case, 0, Own(""), "TIMED_OUT")
    assert tale.refused(asked) == "TOO_EARLY"
    tale.later(20)
    assert kinds(tale.do(ExpireOffer(made))) == ["OfferExpired", "HandoffCancelled"]
    assert tale.case(case).ownership is OwnershipState.OWNED
    tale.hand(case)
    tale.later(60)
    (ended,) = tale.do(asked)
    assert isinstance(ended, HandoffCancelled)
    assert (ended.reason, tale.case(case).owner) == ("TIMED_OUT", "anna")


def test_receiver_who_is_lost_is_offered_it_again_until_the_handoff_runs_out() -> None:
    tale, case = pending()
    made = tale.offered(case, "bram")
    assert kinds(tale.do(RevokeOffer(made, "AGENT_GONE"))) == ["OfferRevoked"]
    assert tale.case(case).ownership is OwnershipState.HANDOFF_PENDING
    tale.offered(case, "bram")
    tale.later(60)
    tale.do(CancelHandoff(case, 0, Own(""), "TIMED_OUT"))
    now = tale.case(case)
    assert (now.owner, now.offers, now.handoff) == ("anna", (), None)


def test_queue_without_any_receiver_is_told_at_once() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand(case, "escalations", kind=TargetKind.QUEUE)
    tale.do(CancelHandoff(case, 0, Own(""), "NO_RECEIVER"))
    assert tale.case(case).ownership is OwnershipState.OWNED


def test_handoff_to_one_is_not_offered_to_another() -> None:
    tale, case = pending()
    assert tale.refused(offer(case, "carl", now=tale.now, epoch=1)) == "STALE_DECISION"
    assert tale.refused(offer(case, "anna", now=tale.now, epoch=1)) == "OWNER"


def test_customer_who_hangs_up_mid_transfer_leaves_the_end_to_the_owner() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    assert tale.refused(AbandonCase(case, "HUNG_UP"), GATEWAY) == "OWNED"
    events = tale.do(tale.closing(case), ANNA)
    assert kinds(events) == ["OfferRevoked", "HandoffCancelled", "CaseClosed"]
    assert tale.story.cases == ()


def test_service_that_abandons_a_case_mid_transfer_ends_all_of_it() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    events = tale.do(AbandonCase(case, "WITHDRAWN"), ENGINE)
    assert kinds(events) == ["OfferRevoked", "HandoffCancelled", "CaseAbandoned"]
    assert tale.story.terminal


def test_second_handoff_waits_for_the_end_of_the_first() -> None:
    tale, case = pending()
    assert tale.refused(tale.handing(case, "carl"), ANNA) == "HANDOFF_PENDING"
    tale.do(CancelHandoff(case, 1, Own(""), "CHANGED_MIND"), ANNA)
    assert tale.hand(case, "carl").target == "carl"


@pytest.mark.parametrize("word", ["TIMED_OUT", "DECLINED", "REPLACED", "NO_RECEIVER"])
def test_people_cannot_say_what_only_the_services_know(word: str) -> None:
    tale, case = pending()
    for who in (ANNA, SAM):
        said = tale.refused(CancelHandoff(case, 1, Own(""), word), who)
        assert said.startswith("reason: ")


def test_escalation_replaces_a_handoff_and_a_higher_rung_replaces_a_lower() -> None:
    tale, case = pending()
    tale.rules = LADDER
    tale.offered(case, "bram")
    first = tale.do(Escalate(case, 1, 1, "escalations", "ANGRY", 9, HASH), ANNA)
    assert kinds(first) == ["OfferRevoked", "HandoffCancelled", "Escalated", "HandoffBegun"]
    second = tale.do(Escalate(case, 1, 2, "board", "ANGRY", 9, HASH), SAM)
    assert kinds(second) == ["HandoffCancelled", "Escalated", "HandoffBegun"]
    assert tale.refused(Escalate(case, 1, 1, "escalations", "X"), SAM) == "LOWER_RUNG"
    assert tale.do(Escalate(case, 1, 2, "board", "X"), SAM) == ()
    assert tale.refused(tale.handing(case, "carl"), ANNA) == "HANDOFF_PENDING"
    assert tale.refused(CancelHandoff(case, 1, Own(""), "NO"), ANNA) == "ESCALATED"
    tale.offered(case, "carl")
    tale.accept(case)
    now = tale.case(case)
    assert (now.owner, now.queue, now.rung) == ("carl", "board", 2)


def test_offer_decided_for_one_handoff_does_not_complete_the_next() -> None:
    tale = Tale()
    case = tale.owned().own
    first = tale.hand(case, "returns", kind=TargetKind.QUEUE)
    decided = replace(offer(case, "bram", now=tale.now, epoch=1), handoff=first.handoff)
    tale.do(CancelHandoff(case, 1, first.handoff, "CHANGED_MIND"), ANNA)
    assert tale.refused(decided) == "OWNED"
    second = tale.hand(case, "escalations", kind=TargetKind.QUEUE)
    assert tale.refused(decided) == "STALE_DECISION"
    tale.do(replace(decided, handoff=second.handoff))


def test_offer_decided_for_a_lapse_does_not_complete_the_handoff_that_followed() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.do(LapseOwnership(case, 1, "OWNER_GONE_BACKUP", "bram", 60))
    decided = replace(offer(case, "bram", now=tale.now, epoch=1), handoff=Own(""))
    tale.hand(case, "escalations", kind=TargetKind.QUEUE)
    assert tale.refused(decided) == "STALE_DECISION"


def test_sender_who_vanishes_ends_no_handoff() -> None:
    tale, case = pending()
    assert tale.refused(LapseOwnership(case, 1, "OWNER_GONE", "", 60)) == "HANDOFF_PENDING"
    tale.offered(case, "bram")
    tale.accept(case)
    assert tale.case(case).owner == "bram"


def test_sender_who_is_released_ends_the_handoff_and_the_case_waits() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    events = tale.do(ReleaseOwnership(case, 1, "OWNER_GONE"))
    assert kinds(events) == ["OfferRevoked", "HandoffCancelled", "OwnershipReleased"]
    now = tale.case(case)
    assert (now.owner, now.epoch, now.last_owner) == ("", 2, "anna")
    assert tale.refused(ReleaseOwnership(case, 2, "")) == "NOT_OWNED"


def test_release_always_names_its_rule() -> None:
    tale = Tale()
    case = tale.owned().own
    assert tale.refused(ReleaseOwnership(case, 1, "")).startswith("reason: ")


def test_sender_goes_on_working_while_they_wait() -> None:
    tale, case = pending()
    tale.do(AppendEntry(case, 1, EntryKind.MESSAGE_OUT), ANNA)
    due = tale.now.replace(hour=17)
    tale.do(MakeCommitment(case, 1, due), ANNA)
    tale.offered(case, "bram")
    tale.accept(case)
    assert tale.case(case).owner == "bram"
    assert len(tale.story.commitments) == 1


def test_what_the_customer_adds_meanwhile_refuses_no_accept_but_a_hasty_close() -> None:
    tale, case = pending()
    seen = tale.case(case).last_customer_entry
    tale.do(contact(2), GATEWAY)
    tale.offered(case, "bram")
    tale.accept(case)
    hasty = replace(tale.closing(case), seen=seen)
    assert tale.refused(hasty, BRAM) == "UNSEEN_MESSAGE"
    tale.close(case)


def test_sender_who_has_not_seen_everything_hands_nothing_over() -> None:
    tale = Tale()
    case = tale.owned().own
    unread = tale.handing(case)
    tale.do(contact(2), GATEWAY)
    assert tale.refused(unread, ANNA) == "UNSEEN_MESSAGE"


def test_receiver_who_read_something_else_leaves_it_with_the_sender() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    with pytest.raises(Exception, match="not what was handed over"):
        tale.accept(case, digest=bytes(32))
    assert tale.case(case).owner == "anna"


def test_merge_and_split_leave_a_pending_handoff_as_it_is() -> None:
    tale = Tale()
    case = tale.owned().own
    other = tale.waiting(2, topic="repair").own
    tale.do(contact(3), GATEWAY)
    tale.hand(case)
    tale.offered(case, "bram")
    kept, ended = tale.case(case), tale.case(other)
    split = SplitCase(case, 1, (own("contact", 3),), others=1, latest=own("entry"))
    tale.do(split, ANNA)
    tale.do(MergeCases(case, 1, other, kept.last_customer_entry, ended.last_customer_entry), ANNA)
    assert tale.case(case).ownership is OwnershipState.HANDOFF_PENDING
    tale.accept(case)
    assert tale.case(case).owner == "bram"
    assert len(tale.story.cases) == 2


def test_case_that_ends_in_another_takes_its_handoff_with_it() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    other = tale.owned(2, topic="repair").own
    seen, last = tale.case(other).last_customer_entry, tale.case(case).last_customer_entry
    events = tale.do(MergeCases(other, 1, case, seen, last), ANNA)
    assert kinds(events) == ["OfferRevoked", "HandoffCancelled", "CaseMerged"]
    assert [one.own for one in tale.story.cases] == [other]


def test_story_that_moves_ends_its_handoffs_and_the_sender_keeps_the_case() -> None:
    tale, case = pending()
    tale.offered(case, "bram")
    before = tale.story
    tale.do(MoveOut("b" * 26, "a" * 26, to_empty=False, arriving=0, stories=1))
    arrived = Tale()
    arrived.do(Absorb("b" * 26, 9, tale.now, before))
    now = arrived.case(case)
    assert (now.owner, now.epoch, now.handoff, now.offers) == ("anna", 2, None, ())


def test_warm_sender_stays_until_the_receiver_lets_them_go() -> None:
    tale, case = pending(warm=True)
    tale.offered(case, "bram")
    assert kinds(tale.accept(case)) == ["OfferAccepted", "ConsultJoined"]
    stayed = tale.case(case).adviser("anna")
    assert stayed is not None
    assert stayed.kind is AdviserKind.WARM
    tale.do(AppendEntry(case, 0, EntryKind.NOTE), ANNA)
    assert tale.refused(AppendEntry(case, 2, EntryKind.MESSAGE_OUT), ANNA) == "NOT_OWNER"
    tale.do(LeaveConsult(case, "anna", ""), BRAM)
    assert tale.case(case).advisers == ()
    assert tale.refused(AppendEntry(case, 0, EntryKind.NOTE), ANNA) == "NOT_OWNER"


def test_warm_sender_goes_by_themself_or_when_time_is_up() -> None:
    for who, wait_s in ((ANNA, 0), (ENGINE, RULES.warm_max_s)):
        tale, case = pending(warm=True)
        tale.offered(case, "bram")
        tale.accept(case)
        if who is ENGINE:
            assert tale.refused(LeaveConsult(case, "anna", "TIMED_OUT")) == "TOO_EARLY"
        tale.later(wait_s)
        tale.do(LeaveConsult(case, "anna", "TIMED_OUT"), who)
        assert tale.case(case).advisers == ()


def test_warm_receiver_who_declines_makes_nobody_an_adviser() -> None:
    tale, case = pending(warm=True)
    made = tale.offered(case, "bram")
    tale.do(DeclineOffer(made, "BUSY"), BRAM)
    now = tale.case(case)
    assert (now.owner, now.advisers, now.handoff) == ("anna", (), None)


@pytest.mark.parametrize("kind", [TargetKind.AGENT, TargetKind.QUEUE])
def test_case_goes_back_where_it_came_from_only_for_a_reason(kind: TargetKind) -> None:
    tale = Tale()
    case = tale.owned().own
    there, back = ("bram", "anna") if kind is TargetKind.AGENT else ("returns", "orders")
    tale.hand(case, there, kind=kind)
    tale.offered(case, "bram")
    tale.accept(case)
    assert tale.refused(tale.handing(case, back, kind=kind), BRAM) == "PING_PONG"
    begun = tale.hand(case, back, kind=kind, override="SPECIALIST_BACK")
    assert begun.override == "SPECIALIST_BACK"


def test_case_handed_on_too_often_goes_on_only_for_a_reason() -> None:
    tale = Tale()
    tale.rules = replace(RULES, hops_max=2)
    case = tale.owned().own
    tale.hand_on(case, "bram")
    tale.hand_on(case, "carl")
    returned = tale.handing(case, "returns", kind=TargetKind.QUEUE)
    assert tale.refused(returned, CARL) == "HOP_LIMIT"
    begun = tale.hand(case, "returns", kind=TargetKind.QUEUE, override="ONLY_THEY_CAN")
    assert (begun.target, begun.override) == ("returns", "ONLY_THEY_CAN")


def test_tier_is_so_many_escalations_above() -> None:
    tale = Tale()
    tale.rules = LADDER
    case = tale.owned().own
    for tier in ("0", "10", "vip", "-1"):
        asked = tale.handing(case, tier, kind=TargetKind.TIER)
        assert tale.refused(asked, ANNA).startswith("target.tier: ")
    begun = tale.hand(case, "2", kind=TargetKind.TIER)
    assert (begun.target_kind, begun.target) == (TargetKind.TIER, "board")
    tale.rules = RULES
    other = tale.owned(2, topic="repair").own
    asked = tale.handing(other, "2", kind=TargetKind.TIER)
    assert "no tier 2" in tale.refused(asked, ANNA)


@pytest.mark.parametrize("who", [BRAM, GATEWAY])
def test_only_the_owner_hands_over(who: Principal) -> None:
    tale = Tale()
    case = tale.owned().own
    assert tale.refused(tale.handing(case, "carl"), who) == "NOT_OWNER"


def test_supervisor_hands_over_for_the_owner() -> None:
    tale = Tale()
    case = tale.owned().own
    events = tale.do(tale.handing(case, "carl"), SAM)
    assert [event.from_agent for event in events if isinstance(event, HandoffBegun)] == ["anna"]


def test_every_owner_has_a_higher_epoch_than_the_one_before() -> None:
    tale = Tale()
    case = tale.owned().own
    tale.hand_on(case, "bram", warm=True)
    tale.hand_on(case, "carl")
    tale.hand_on(case, "anna", override="KNOWS_HER")
    taken = [
        (event.agent, event.epoch)
        for record in tale.records
        for event in record.events
        if isinstance(event, OfferAccepted)
    ]
    assert taken == [("anna", 1), ("bram", 2), ("carl", 3), ("anna", 4)]
    assert tale.case(case).advisers == ()
