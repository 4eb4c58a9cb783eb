"""What time does to a case: each moment of a clock once, in its turn, never before its instant."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.aims import LADDER, aimed, aims, fired
from tests.tellers import GATEWAY, START, contact, own
from tests.unit.ownership.tale import ANNA, HASH, SAM, Tale, kinds
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    EntryKind,
    Escalated,
    Event,
    HandoffBegun,
    HandoffCancelled,
    PriorityRaised,
    RungClimbed,
    SlaBreached,
    SlaWarned,
)
from toldonce.kernel.story.types import PRIORITY_MAX, Case, CaseState, PauseCause, WorkState
from toldonce.kernel.timers import story_timers, timers_of
from toldonce.ownership.core.commands import (
    AppendEntry,
    ChangeQueue,
    Ended,
    Escalate,
    FireTimer,
    PauseCase,
    ReleaseOwnership,
    ReopenCase,
    ResumeCase,
    SplitCase,
)

WAIT, FIRST = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
NEXT, DONE = ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION
ONE, TWO, THREE = Moment(1), Moment(2), Moment(3)
BARE = "on_breach: {raise_priority_by: 0}"
UP_AND_UP = """
    ladder:
      - {at_fraction: 0.75, hand_up: 1}
      - {after_breach_s: 0, hand_to: returns}
      - {after_breach_s: 5, hand_to: escalations}
"""


def told(config: Config | None = None, more: str = "") -> Tale:
    return Tale(rules=aimed(config or (aims(more=more) if more else None)))


def fire(tale: Tale, case: Case, clock: ClockKind, moment: Moment) -> tuple[Event, ...]:
    """Fire a moment of the present run as the service does, the context with it."""
    return tale.do(firing(tale, case, clock, moment))


def firing(tale: Tale, case: Case, clock: ClockKind, moment: Moment) -> FireTimer:
    made = fired(tale.case(case.own), clock, moment)
    return replace(made, context_sequence=len(tale.records), context_hash=HASH)


def until(tale: Tale, seconds: float) -> None:
    """Let it be so many seconds after the beginning."""
    tale.later((START + timedelta(seconds=seconds) - tale.now).total_seconds())


def left(tale: Tale, case: Case, clock: ClockKind) -> list[str]:
    """Name what is still to come of a clock."""
    assert tale.rules.config is not None
    found = timers_of(tale.case(case.own), tale.rules.config)
    return [str(timer.moment) for timer in found if timer.clock is clock]


# ---- when


@pytest.mark.parametrize(("moment", "at_s"), [(WARN, 30), (BREACH, 60)])
def test_moment_is_recorded_at_its_instant_and_not_before(moment: Moment, at_s: int) -> None:
    tale = told()
    case = tale.waiting()
    until(tale, at_s - 0.001)
    assert tale.refused(fired(case, WAIT, moment)) == "TOO_EARLY"
    until(tale, at_s)
    said = fire(tale, case, WAIT, moment)[0]
    assert isinstance(said, SlaWarned | SlaBreached)
    assert (said.clock, said.due_at) == (WAIT, START + timedelta(seconds=60))


def test_moment_that_is_told_twice_is_recorded_once() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    again = fired(case, WAIT, BREACH)
    assert kinds(tale.do(again)) == ["SlaBreached", "PriorityRaised"]
    assert tale.do(again) == ()
    assert tale.story.bad_experiences == 1


def test_moment_that_comes_after_the_clock_was_stopped_is_refused_unless_it_was_recorded() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 30)
    warned = fired(case, WAIT, WARN)
    tale.do(warned)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    until(tale, 61)
    assert tale.refused(fired(case, WAIT, BREACH)) == "CLOCK_STOPPED"
    assert tale.do(warned) == ()


def test_timer_of_an_earlier_run_is_refused_and_the_new_run_is_warned_of_anew() -> None:
    tale = told()
    case = tale.owned()
    tale.do(AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT), ANNA)
    old = fired(case, WAIT, WARN)
    until(tale, 100)
    tale.do(ReleaseOwnership(case.own, 1, "LUNCH"), ANNA)
    until(tale, 130)
    assert tale.refused(old) == "CLOCK_STOPPED"
    assert kinds(fire(tale, case, WAIT, WARN)) == ["SlaWarned"]


def test_timer_of_a_case_that_ended_or_never_was_is_refused() -> None:
    tale = told()
    case = tale.owned()
    timer = fired(case, DONE, BREACH)
    assert tale.refused(replace(timer, case=Own("0" * 26))) == "CASE_CLOSED"
    tale.close(case.own)
    assert tale.refused(timer) == "CASE_CLOSED"


def test_timer_that_names_another_instant_or_no_policy_is_not_recorded() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    timer = fired(case, WAIT, BREACH)
    assert tale.refused(fired(case, WAIT, BREACH, since=START + timedelta(1))) == "CLOCK_STOPPED"
    assert tale.refused(replace(timer, moment=WARN)) == "CLOCK_STOPPED"
    config = tale.rules.config
    tale.rules = replace(tale.rules, config=None)
    assert tale.refused(timer) == "POLICY_DIFFERS"
    tale.rules = replace(tale.rules, config=config)
    assert kinds(tale.do(timer))[0] == "SlaBreached"


def test_rung_that_the_policy_does_not_have_for_this_clock_is_refused() -> None:
    more = "ladder: [{after_breach_s: 0, clocks: [first_response], notify: true}]"
    tale = told(more=more)
    case = tale.waiting()
    until(tale, 500)
    fire(tale, case, WAIT, BREACH)
    fire(tale, case, FIRST, BREACH)
    assert tale.refused(fired(case, WAIT, ONE)) == "POLICY_DIFFERS"
    assert tale.refused(fired(case, FIRST, TWO)) == "POLICY_DIFFERS"
    assert kinds(fire(tale, case, FIRST, ONE)) == ["RungClimbed"]


def test_what_comes_after_the_breach_waits_until_that_is_recorded() -> None:
    tale = told(more=LADDER)
    case = tale.waiting()
    until(tale, 65)
    assert tale.refused(fired(case, WAIT, TWO)) == "TOO_EARLY"
    fire(tale, case, WAIT, BREACH)
    assert "RungClimbed" in kinds(fire(tale, case, WAIT, TWO))


def test_warning_that_comes_after_the_breach_says_nothing_any_more() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    late = fired(case, WAIT, WARN)
    fire(tale, case, WAIT, BREACH)
    assert tale.do(late) == ()
    assert left(tale, case, WAIT) == ["RUNG1"]


def test_breach_is_recorded_although_an_edit_put_a_climbed_rung_behind_it() -> None:
    tale = told(more="ladder: [{at_fraction: 0.75, notify: true}]")
    case = tale.waiting()
    until(tale, 45)
    fire(tale, case, WAIT, ONE)
    tale.rules = aimed(aims(more="ladder: [{after_breach_s: 10, notify: true}]"))
    assert left(tale, case, WAIT) == ["BREACH"]
    until(tale, 60)
    assert kinds(fire(tale, case, WAIT, BREACH)) == ["SlaBreached"]
    assert left(tale, case, WAIT) == []
    assert tale.story.bad_experiences == 1


def test_recorded_moments_of_clocks_do_not_touch_each_other() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    fire(tale, case, WAIT, BREACH)
    assert left(tale, case, FIRST) == ["WARN", "BREACH", "RUNG1"]
    assert kinds(fire(tale, case, FIRST, WARN)) == ["SlaWarned"]
    assert tale.refused(fired(case, FIRST, BREACH)) == "TOO_EARLY"


# ---- what it does


@pytest.mark.parametrize(("before", "by", "after"), [(100, 100, 200), (950, 100, PRIORITY_MAX)])
def test_breach_raises_the_priority_as_far_as_it_goes(before: int, by: int, after: int) -> None:
    tale = told(more=f"on_breach: {{raise_priority_by: {by}}}")
    case = tale.waiting()
    tale.story = tale.story.with_case(replace(case, priority=before))
    until(tale, 60)
    raised = fire(tale, case, WAIT, BREACH)[1]
    assert raised == PriorityRaised(case.own, after, "SLA_BREACHED")
    assert tale.case(case.own).priority == after


def test_breach_of_a_policy_that_raises_nothing_is_the_breach_alone() -> None:
    tale = told(more=BARE)
    case = tale.waiting()
    until(tale, 60)
    assert kinds(fire(tale, case, WAIT, BREACH)) == ["SlaBreached"]


def test_warning_raises_nothing_but_the_rung_that_comes_with_it_may() -> None:
    tale = told(more=LADDER)
    case = tale.waiting()
    until(tale, 45)
    assert kinds(fire(tale, case, WAIT, WARN)) == ["SlaWarned"]
    assert kinds(fire(tale, case, WAIT, ONE)) == ["RungClimbed", "PriorityRaised"]
    assert tale.case(case.own).priority == case.priority + 50


def test_each_rung_says_what_it_does_and_is_climbed_once() -> None:
    tale = told(more=LADDER)
    case = tale.owned()
    until(tale, 90)
    first, *_ = fire(tale, case, FIRST, ONE)
    assert first == RungClimbed(
        case=case.own,
        timer=fired(case, FIRST, ONE).timer,
        clock=FIRST,
        rung=1,
        due_at=START + timedelta(seconds=120),
        policy="all",
        widened=True,
        notified=True,
        paged=False,
    )
    assert tale.case(case.own).widened
    assert tale.do(fired(case, FIRST, ONE)) == ()
    until(tale, 130)
    fire(tale, case, FIRST, BREACH)
    fire(tale, case, FIRST, TWO)
    third, *_ = fire(tale, case, FIRST, THREE)
    assert isinstance(third, RungClimbed)
    assert (third.paged, third.notified, third.widened) == (True, False, False)
    assert left(tale, case, FIRST) == []
    assert tale.case(case.own).widened  # and stays so


def test_rung_of_each_clock_is_climbed_but_the_case_is_handed_up_once() -> None:
    tale = told(aims(next_s=60, first=60, wait=60, done=60, more=LADDER))
    case = tale.owned()
    tale.do(AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT), ANNA)
    tale.do(AppendEntry(case.own, 0, EntryKind.MESSAGE_IN), GATEWAY)
    until(tale, 66)
    for clock in (NEXT, DONE):
        fire(tale, case, clock, BREACH)
    assert "HandoffBegun" in kinds(fire(tale, case, NEXT, TWO))
    assert left(tale, case, DONE) == ["RUNG3"]
    assert kinds(fire(tale, case, DONE, TWO)) == ["RungClimbed"]


def test_rung_without_an_owner_moves_the_case_to_the_queue_and_ends_its_offers() -> None:
    tale = told(more=LADDER)
    case = tale.waiting()
    until(tale, 64)
    fire(tale, case, WAIT, BREACH)
    tale.offered(case.own, "anna")
    until(tale, 65)
    said = fire(tale, case, WAIT, TWO)
    assert kinds(said) == ["RungClimbed", "OfferRevoked", "Escalated"]
    now = tale.case(case.own)
    assert (now.queue, now.rung, now.work, now.offers) == ("escalations", 2, WorkState.QUEUED, ())
    assert (now.enqueued_at, now.epoch) == (case.enqueued_at, case.epoch)


def test_rung_with_an_owner_begins_a_handoff_with_the_whole_story() -> None:
    tale = told(more=LADDER)
    case = tale.owned()
    until(tale, 125)
    fire(tale, case, FIRST, BREACH)
    sequence = len(tale.records)
    *_, up, begun = fire(tale, case, FIRST, TWO)
    assert isinstance(up, Escalated)
    assert isinstance(begun, HandoffBegun)
    assert (up.rung, up.queue, up.reason) == (2, "escalations", "SLA_BREACHED")
    assert (begun.rung, begun.target, begun.from_agent) == (2, "escalations", "anna")
    assert (begun.context_sequence, begun.context_hash) == (sequence, HASH)
    now = tale.case(case.own)
    assert (now.owner, now.queue, now.epoch) == ("anna", "orders", case.epoch)
    tale.offered(case.own, "bram")
    tale.accept(case.own)
    now = tale.case(case.own)
    assert (now.owner, now.queue, now.epoch) == ("bram", "escalations", case.epoch + 1)


def test_rung_before_the_breach_hands_over_because_the_case_is_at_risk() -> None:
    tale = told(more=UP_AND_UP)
    case = tale.owned()
    until(tale, 90)
    said = fire(tale, case, FIRST, ONE)
    reasons = [event.reason for event in said if isinstance(event, Escalated)]
    assert reasons == ["SLA_AT_RISK"]


def test_higher_rung_replaces_a_pending_handoff_and_a_lower_one_waits() -> None:
    tale = told(more=UP_AND_UP)
    case = tale.owned()
    tale.hand(case.own, "bram")
    tale.offered(case.own, "bram")
    until(tale, 120)
    fire(tale, case, FIRST, BREACH)
    said = fire(tale, case, FIRST, TWO)
    assert kinds(said) == [
        *("RungClimbed", "OfferRevoked", "HandoffCancelled", "Escalated", "HandoffBegun")
    ]
    gone = next(event for event in said if isinstance(event, HandoffCancelled))
    assert gone.reason == "REPLACED"
    assert tale.refused(firing(tale, case, DONE, ONE)) == "TOO_EARLY"
    until(tale, 450)
    assert kinds(fire(tale, case, DONE, ONE)) == ["RungClimbed"]  # of a clock that is behind
    pending = tale.case(case.own).handoff
    assert pending is not None
    assert (pending.rung, pending.target) == (2, "returns")
    said = fire(tale, case, FIRST, THREE)
    assert kinds(said) == ["RungClimbed", "HandoffCancelled", "Escalated", "HandoffBegun"]
    pending = tale.case(case.own).handoff
    assert pending is not None
    assert (pending.rung, pending.target, pending.context_hash) == (3, "escalations", HASH)


def test_rung_that_a_person_climbed_to_before_is_not_handed_over_again() -> None:
    tale = told(more=UP_AND_UP)
    case = tale.owned()
    tale.do(Escalate(case.own, 1, 3, "escalations", "ANGRY", 1, HASH), SAM)
    until(tale, 120)
    fire(tale, case, FIRST, BREACH)
    before = tale.case(case.own).handoff
    assert left(tale, case, FIRST) == []
    assert kinds(fire(tale, case, FIRST, TWO)) == ["RungClimbed"]
    assert tale.case(case.own).handoff == before


def test_rung_that_names_the_queue_of_the_case_hands_it_to_the_next_one_up() -> None:
    tale = told(more="ladder: [{after_breach_s: 0, hand_to: returns}]")
    case = tale.waiting(queue="returns")
    until(tale, 60)
    fire(tale, case, WAIT, BREACH)
    fire(tale, case, WAIT, ONE)
    assert tale.case(case.own).queue == "escalations"


def test_rung_with_nobody_above_does_the_rest_of_what_it_does() -> None:
    more = "ladder: [{after_breach_s: 0, hand_up: 2, page: true}, {after_breach_s: 1, hand_up: 2}]"
    tale = told(more=more)
    case = tale.waiting()
    until(tale, 70)
    fire(tale, case, WAIT, BREACH)
    assert left(tale, case, WAIT) == ["RUNG1"]
    assert kinds(fire(tale, case, WAIT, ONE)) == ["RungClimbed"]
    now = tale.case(case.own)
    assert (now.queue, now.rung) == ("orders", 0)


@pytest.mark.parametrize("again", ["reopened", "split"])
def test_case_made_of_one_in_a_queue_without_aims_keeps_those_it_came_with(again: str) -> None:
    tale = told()
    case = tale.waiting()
    tale.do(contact(2), GATEWAY)
    tale.do(Escalate(case.own, 0, 0, "", "ANGRY"), SAM)
    tale.offered(case.own, "anna")
    tale.accept(case.own)
    last = tale.case(case.own)
    if again == "split":
        entry = last.last_customer_entry
        tale.do(SplitCase(case.own, 1, (own("contact", 2),), others=1, latest=entry), ANNA)
    else:
        tale.close(case.own)
        ended = Ended(replace(last, state=CaseState.CLOSED), tale.now)
        tale.do(ReopenCase(case.own, "CAME_BACK", ended), SAM)
    made = tale.story.cases[-1]
    assert (made.queue, made.former_queues) == ("escalations", ("orders",))
    assert left(tale, made, DONE) == ["WARN", "BREACH"]
    assert left(tale, made, WAIT) == ["WARN", "BREACH"]


# ---- under which policy

VIP = """on_breach: {raise_priority_by: 100}
  - name: gold
    when: {customer_tiers: [gold]}
    targets: {queue_wait_s: 10}
  - name: urgent
    when: {priority_min: 500, queues: [orders]}
    targets: {queue_wait_s: 20, first_response_s: 1000}
customer_tiers: [gold, silver]"""


def test_first_policy_that_fits_holds_and_else_that_of_the_queue() -> None:
    tale = told(more=VIP)
    case = tale.waiting()
    assert tale.rules.config is not None

    def holds(queue: str, priority: int, tier: str) -> str:
        assert tale.rules.config is not None
        found = tale.rules.config.sla_for(queue, "chat", priority, tier)
        return found.name if found else ""

    assert holds("orders", 100, "") == "all"
    assert holds("orders", 500, "gold") == "gold"
    assert holds("orders", 500, "silver") == "urgent"
    assert holds("returns", 500, "silver") == "all"
    assert holds("escalations", 100, "gold") == "gold"
    assert holds("escalations", 500, "") == ""
    until(tale, 10)
    assert tale.refused(fired(case, WAIT, BREACH)) == "TOO_EARLY"
    tale.story = tale.story.with_case(replace(case, tier="gold"))
    assert kinds(fire(tale, case, WAIT, BREACH)) == ["SlaBreached"]


def test_edit_of_a_policy_keeps_elapsed_time_and_what_was_recorded() -> None:
    tale = told()
    case = tale.waiting()
    until(tale, 60)
    fire(tale, case, WAIT, BREACH)
    fire(tale, case, FIRST, WARN)
    tale.rules = aimed(aims(wait=600, first=90, more=BARE))
    assert left(tale, case, WAIT) == []
    assert left(tale, case, FIRST) == ["BREACH"]
    until(tale, 89)
    assert tale.refused(fired(case, FIRST, BREACH)) == "TOO_EARLY"
    until(tale, 90)
    assert kinds(fire(tale, case, FIRST, BREACH)) == ["SlaBreached"]


def test_edit_to_a_shorter_target_escalates_nothing_for_time_that_had_been_paused() -> None:
    tale = told()
    case = tale.owned()
    tale.do(PauseCase(case.own, 1, PauseCause.HOLD, None, "SUPPLIER"), ANNA)
    until(tale, 3_600)
    tale.do(ResumeCase(case.own, 1, PauseCause.HOLD, ""), ANNA)
    tale.rules = aimed(aims(done=300, more=BARE))
    until(tale, 3_899)
    assert tale.refused(fired(case, DONE, BREACH)) == "TOO_EARLY"
    until(tale, 3_900)
    assert kinds(fire(tale, case, DONE, BREACH)) == ["SlaBreached"]


def test_case_that_came_into_a_queue_without_aims_has_no_timers() -> None:
    tale = told()
    case = tale.waiting(queue="escalations")
    assert tale.rules.config is not None
    assert story_timers(tale.story, tale.rules.config) == ()
    until(tale, 1_000)
    assert tale.refused(fired(case, WAIT, BREACH)) == "POLICY_DIFFERS"


def test_case_that_goes_to_a_queue_without_aims_keeps_its_clocks_as_they_were() -> None:
    tale = told()
    case = tale.waiting()
    assert tale.rules.config is not None
    before = story_timers(tale.story, tale.rules.config)
    tale.do(ChangeQueue(case.own, 0, "", "escalations", "MISROUTED"), SAM)
    after = story_timers(tale.story, tale.rules.config)
    assert [one.own for one in before if one.moment.rung < 1] == [
        one.own for one in after if one.moment.rung < 1
    ]
    until(tale, 60)
    assert kinds(fire(tale, case, WAIT, BREACH))[0] == "SlaBreached"


def test_nobody_but_who_plans_timers_needs_to_know_the_story_is_read_as_it_was() -> None:
    """Fire what `story_timers` gives, at its instant: each is recorded, and then none is left."""
    tale = told(more=LADDER)
    case = tale.owned()
    tale.do(AppendEntry(case.own, 1, EntryKind.MESSAGE_OUT), ANNA)
    tale.do(AppendEntry(case.own, 0, EntryKind.MESSAGE_IN), GATEWAY)
    assert tale.rules.config is not None
    names = []
    while found := story_timers(tale.story, tale.rules.config):
        until(tale, (found[0].fires_at - START).total_seconds())
        said = fire(tale, case, found[0].clock, found[0].moment)
        assert said
        names.append(f"{found[0].clock.name} {found[0].moment}")
    assert names == [
        *("NEXT_RESPONSE WARN", "NEXT_RESPONSE RUNG1", "NEXT_RESPONSE BREACH"),
        *("NEXT_RESPONSE RUNG2", "NEXT_RESPONSE RUNG3"),
        *("RESOLUTION WARN", "RESOLUTION RUNG1", "RESOLUTION BREACH", "RESOLUTION RUNG3"),
    ]
