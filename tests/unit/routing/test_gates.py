"""Who may have a case, and what is said of those who may not."""

import pytest

from tests.unit.routing.world import START, World, cid, office, own, person, weighed
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config.types import Config
from toldonce.kernel.skills import Step
from toldonce.kernel.story.events import RungClimbed
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.explain import TRACE_BYTES_MAX
from toldonce.routing.core.types import Availability, Gate, Presence


def test_each_agent_is_named_with_the_one_gate_that_came_first() -> None:
    config = office(
        person("absent"),
        person("away", billing=5),
        person("elsewhere", queues=("technical",), billing=5),
        person("novice", billing=1),
        person("german", "de", billing=5),
        person("busy", billing=3),
        person("unskilled"),
    )
    world = World(config).open_doors(all_in=False)
    for name in ("away", "elsewhere", "novice", "german", "busy", "unskilled"):
        world.log_on(name)
    world.declare("away", Availability.AWAY)
    world.contact("first", billing=3)
    world.accept("first")
    world.contact("kim", billing=3)
    assert world.gates("kim") == {
        "absent": "PRESENCE: not seen yet",
        "away": "AVAILABILITY: away",
        "elsewhere": "QUEUE: not on queue billing",
        "unskilled": "SKILL: skill billing 0 < 3",
        "novice": "SKILL: skill billing 1 < 3",
        "german": "LANGUAGE: language en",
        "busy": "CAPACITY: needs 1, free 0 of 1",
    }
    assert world.reason("kim") == (
        "no agent who speaks en and works on billing with billing >= 3 is free: 1 busy, 1 away"
    )


def test_reason_tells_when_all_who_could_are_not_there() -> None:
    world = World(office(person("anna", "de", technical=3), person("bob"))).open_doors(all_in=False)
    world.log_on("bob")
    world.contact("kim", "technical", language="de", technical=3)
    assert world.reason("kim") == (
        "no agent who speaks de and works on technical with technical >= 3 is connected: "
        "1 not connected"
    )
    world.log_on("anna", Availability.AWAY)
    assert world.reason("kim").endswith("is free: 1 away")


def test_reason_tells_when_nobody_could_ever() -> None:
    world = World(office(person("anna", "de"), person("bob"))).open_doors()
    world.contact("kim", language="de", billing=2)
    assert world.reason("kim") == (
        "no agent who speaks de and works on billing with billing >= 2 is configured"
    )


def test_language_that_no_one_is_configured_for_is_not_asked() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim", language="pl")
    assert world.asked("kim") == "anna"


def test_topic_for_any_language_asks_for_none() -> None:
    world = World(office(person("anna"), person("dora", "de"))).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", language="de", topic="any")
    assert world.asked("kim") == "anna"


def test_channel_costs_are_counted_in_units() -> None:
    world = World(office(person("anna", units=4))).open_doors()
    world.contact("call", channel="voice")
    world.contact("chat", channel="chat")
    world.contact("more", channel="chat")
    assert [world.asked(name) for name in ("call", "chat", "more")] == ["anna", "anna", ""]
    assert world.gates("more") == {"anna": "CAPACITY: needs 1, free 0 of 4"}


def test_wrap_up_holds_the_units_until_it_is_complete_or_too_long() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.wrap_up("kim", seconds=30)
    world.contact("lee")
    world.wait(29)
    assert world.asked("lee") == ""
    world.wait(1)
    assert world.asked("lee") == "anna"


def test_two_cases_of_one_customer_are_two_pieces_of_work() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("kim")
    world.contact("kim/second")
    assert {world.asked("kim"), world.asked("kim/second")} == {"anna", "bob"}


def test_steps_relax_what_is_asked_counted_from_entry() -> None:
    steps = (Step(30, lower_by=1), Step(60, any_language=True))
    config = office(person("anna", "de", billing=2), person("bob"), steps=steps)
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", billing=3)
    trace = world.engine.explain(cid("kim"), own("kim"), world.now)
    assert trace is not None
    assert trace.relaxes_at == world.engine.next_wake_at
    world.wait(59)
    assert world.gates("kim")["anna"] == "LANGUAGE: language en"
    world.wait(1)
    assert world.asked("kim") == "anna"
    made = next(one for one in world.said if isinstance(one, MakeOffer))
    assert (made.trace.step, made.trace.waited_s) == (2, 60)


def test_widened_case_asks_at_once_what_it_would_after_all_steps() -> None:
    steps = (Step(30, lower_by=1), Step(60, any_language=True))
    config = office(person("anna", "de", billing=2), steps=steps)
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", billing=3)
    assert world.asked("kim") == ""
    case = world.case("kim")
    climbed = RungClimbed(
        case=case.own,
        timer=own("timer"),
        clock=ClockKind.QUEUE_WAIT,
        rung=1,
        due_at=START,
        policy="sla",
        widened=True,
        notified=False,
        paged=False,
    )
    world.happen(cid("kim"), climbed)
    assert world.asked("kim") == "anna"
    made = next(one for one in world.said if isinstance(one, MakeOffer))
    assert made.trace.step == 2


def test_agent_who_declined_a_case_is_asked_all_the_same_when_it_is_handed_to_them() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("bob")
    world.contact("kim")
    world.decline("kim")
    world.log_on("anna")
    world.accept("kim")
    world.hand_over("kim", TargetKind.AGENT, "bob", timeout_s=20)
    assert (world.case("kim").owner, world.asked("kim")) == ("anna", "bob")


def test_steps_of_a_handoff_are_counted_from_when_it_came_into_its_queue() -> None:
    config = office(
        person("anna", queues=["billing"]),
        person("learner", queues=["technical"], technical=1),
        steps=(Step(60, lower_by=3),),
        queue_skills={"technical": (("technical", 4),)},
    )
    world = World(config).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.wait(600)
    world.hand_over("kim", TargetKind.QUEUE, "technical", timeout_s=300)
    assert not world.asked("kim")
    world.wait(60)
    assert world.asked("kim") == "learner"


def test_decline_puts_work_back_and_cools_down_but_never_for_ever() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.decline("kim")
    assert world.gates("kim") == {"anna": "COOL_DOWN: declined it, asked again from 10:00:30"}
    world.contact("lee")
    assert world.asked("lee") == "anna"  # one declined case is no reason to stay idle
    world.accept("lee")
    world.close("lee")
    world.wait(29)
    assert world.asked("kim") == ""
    world.wait(1)
    assert world.asked("kim") == "anna"


def test_work_that_was_declined_keeps_its_age() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.wait(5)
    world.contact("lee")
    world.decline("kim")
    assert world.asked("lee") == "anna"
    world.contact("moe")
    world.log_on("bob")
    assert world.asked("kim") == "bob"


def test_agent_who_lets_an_offer_expire_is_left_alone_for_a_while() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.contact("lee")
    world.wait(20)
    assert world.gates("lee") == {
        "anna": "COOL_DOWN: let an offer expire, asked again from 10:00:50"
    }
    world.wait(30)
    assert world.asked("kim") == "anna"


def test_the_one_who_had_the_case_before_is_preferred_over_who_idles_longer() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.wait(60)
    world.log_on("bob")
    world.contact("kim", before="bob")
    assert world.asked("kim") == "bob"


def test_busy_preferred_agent_is_waited_for_and_then_anyone_will_do() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("lee", before="bob")
    world.accept("lee")
    world.contact("kim", before="bob")
    assert world.gates("kim") == {
        "anna": "OWNER_PREFERRED: kept for bob until 10:00:20",
        "bob": "CAPACITY: needs 1, free 0 of 1",
    }
    world.wait(20)
    assert world.asked("kim") == "anna"


def test_busy_preferred_agent_who_is_free_in_time_gets_the_case() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("lee", before="bob")
    world.accept("lee")
    world.contact("kim", before="bob")
    world.wait(10)
    world.close("lee")
    assert world.asked("kim") == "bob"


@pytest.mark.parametrize("how", ["away", "absent"])
def test_preferred_agent_who_cannot_come_is_not_waited_for(how: str) -> None:
    world = World(office(person("anna"), person("bob"))).open_doors()
    world.contact("lee", before="bob")
    world.accept("lee")
    world.contact("kim", before="bob")
    assert world.asked("kim") == ""
    if how == "away":
        world.declare("bob", Availability.AWAY)
    else:
        world.seen("bob", Presence.STALE)
    assert world.asked("kim") == "anna"


def test_handoff_to_an_agent_is_for_that_agent_alone() -> None:
    config = office(person("anna"), person("bob"), person("cleo", "de", queues=("experts",)))
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    world.log_on("bob")
    world.hand_over("kim", TargetKind.AGENT, "cleo")
    assert world.gates("kim") == {
        "cleo": "PRESENCE: not seen yet",
        "anna": "EXCLUDED: handed to cleo",
        "bob": "EXCLUDED: handed to cleo",
    }
    world.log_on("cleo")
    assert world.asked("kim") == "cleo"
    assert world.case("kim").owner == "anna"
    world.accept("kim")
    assert (world.case("kim").owner, world.case("kim").epoch) == ("cleo", 2)


def test_handoff_to_a_queue_asks_what_that_queue_asks_and_not_the_sender() -> None:
    config = office(
        person("anna", technical=5),
        person("bob"),
        person("cleo", technical=4),
        queue_skills={"technical": (("technical", 3),)},
    )
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", billing=0)
    world.accept("kim")
    world.log_on("bob")
    world.hand_over("kim", TargetKind.QUEUE, "technical")
    assert world.gates("kim") == {
        "anna": "EXCLUDED: handed it over",
        "bob": "SKILL: skill technical 0 < 3",
        "cleo": "PRESENCE: not seen yet",
    }
    world.log_on("cleo")
    assert world.asked("kim") == "cleo"


def big_office() -> Config:
    crowd = [person(f"agent-{i:04}", ("en", "de")[i % 2], billing=i % 6) for i in range(1_000)]
    return office(*crowd, person("expert", billing=5, technical=5))


def test_offer_of_a_large_desk_carries_its_reason_alone() -> None:
    world = World(big_office()).open_doors()
    world.contact("kim", technical=5)
    trace = next(one for one in world.said if isinstance(one, MakeOffer)).trace
    assert (trace.chosen, trace.considered) == ("expert", 1_001)
    assert (trace.candidates, trace.reason) == ((), "first in line")


def test_explanation_of_a_thousand_agents_counts_them_and_stays_short() -> None:
    world = World(big_office()).open_doors()
    world.contact("kim", technical=5)
    world.accept("kim")
    world.contact("lee", technical=5)
    trace = world.engine.explain(cid("lee"), own("lee"), world.now, whole=False)
    assert trace is not None
    assert (trace.chosen, trace.considered) == ("", 1_001)
    assert sum(line.count for line in trace.candidates) == 1_001
    assert len(repr(trace).encode()) < 2 * TRACE_BYTES_MAX
    words = sum(len(line.agent) + len(line.detail) + 12 for line in trace.candidates)
    assert words + len(trace.reason) < TRACE_BYTES_MAX


def test_explanation_on_demand_names_each_of_a_thousand() -> None:
    world = World(big_office()).open_doors()
    world.contact("kim", technical=5)
    world.accept("kim")
    world.contact("lee", technical=5)
    gates = world.gates("lee")
    assert len(gates) == 1_001
    assert gates["expert"] == "CAPACITY: needs 1, free 0 of 1"


def test_forty_agents_are_listed_one_by_one_within_the_bytes() -> None:
    crowd = [person(f"agent-with-a-long-name-{i:02}", billing=i % 6) for i in range(40)]
    world = World(office(*crowd)).open_doors()
    world.contact("kim", billing=3)
    trace = next(one for one in world.said if isinstance(one, MakeOffer)).trace
    assert len({line.agent for line in trace.candidates}) == 40
    ranks = [line.rank for line in trace.candidates if line.rank]
    assert ranks == list(range(1, len(ranks) + 1))
    assert trace.reason.endswith(f"is first in line of {len(ranks)} who can take it now")


def test_agents_left_apart_are_told_until_when_and_are_not_idle_by_the_audit() -> None:
    seniors = office(person("anna"), person("sara", group="seniors"), weigh=weighed(10, seniors=-5))
    world = World(seniors).open_doors()
    world.contact("kim")
    world.accept("kim")
    world.contact("lee")
    assert world.gates("lee") == {
        "anna": "CAPACITY: needs 1, free 0 of 1",
        "sara": "APART: kept for other work until 10:00:30",
    }
    assert world.reason("lee").endswith("is free: 1 busy, 1 kept for other work")
    world.wait(29)
    assert world.asked("lee") == ""
    world.wait(1)
    assert world.asked("lee") == "sara"
    assert world.engine.eligible_idle_s == 0


def test_large_desk_counts_those_left_apart_by_until_when() -> None:
    crowd = [person(f"s{n:03}", group="seniors") for n in range(100)]
    world = World(office(*crowd, weigh=weighed(10, seniors=-5))).open_doors()
    world.contact("kim")
    trace = world.engine.explain(cid("kim"), own("kim"), world.now, whole=False)
    assert trace is not None
    (line,) = trace.candidates
    assert (line.gate, line.count) == (Gate.APART, 100)
    assert line.detail == "kept for other work until 10:00:30"
