"""Work of a closed queue waits for the opening, and nothing else does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.routing.world import START, World, cid, office, own, person, with_hours
from toldonce.kernel.config.types import Config
from toldonce.kernel.story.events import Escalated
from toldonce.kernel.story.types import TargetKind
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import LeadershipChanged
from toldonce.routing.core.types import Availability

OPENS = START + timedelta(minutes=30)
CLOSED = "queue billing is closed until 2026-01-05 10:30 UTC"


def closed_office(*names: str, **kwargs: int) -> Config:
    """Billing opens at 10:30 and closes at 11:00; it is ten now."""
    people = [person(name) for name in names]
    return with_hours(office(*people, **kwargs), "billing", ("10:30", "11:00"))


def test_work_of_a_closed_queue_waits_for_the_opening_and_says_so() -> None:
    world = World(closed_office("anna")).open_doors()
    world.contact("kim")
    assert world.asked("kim") == ""
    assert world.engine.next_wake_at == OPENS
    assert world.reason("kim") == CLOSED
    assert world.gates("kim") == {"anna": f"CALENDAR: {CLOSED}"}
    world.wait(1_799)
    assert world.asked("kim") == ""
    world.wait(1)
    assert world.asked("kim") == "anna"
    assert world.engine.eligible_idle_s == 0


def test_holiday_that_keeps_a_queue_closed_is_named() -> None:
    config = closed_office("anna")
    hours = config.calendars["billing-hours"]
    shut = {START.date(): (), (START + timedelta(days=1)).date(): ()}
    named = {START.date(): "Koningsdag"}
    holiday = replace(hours, exceptions=shut, holidays=named)
    world = World(replace(config, calendars={hours.name: holiday})).open_doors()
    world.contact("kim")
    assert world.reason("kim") == "queue billing is closed until 2026-01-07 10:30 UTC (Koningsdag)"


def test_opening_queue_is_served_in_order_by_everybody_who_is_free() -> None:
    world = World(closed_office("anna", "bob")).open_doors()
    for name in ("one", "two", "three"):
        world.contact(name)
        world.wait(1)
    world.contact("urgent", priority=100)
    world.wait(1_800)
    assert {name for name in ("urgent", "one", "two", "three") if world.asked(name)} == {
        "urgent",
        "one",
    }


def test_whoever_is_busy_elsewhere_is_not_asked_by_a_closed_queue() -> None:
    world = World(closed_office("anna")).open_doors()
    world.contact("kim")
    world.contact("lee", "technical")
    assert world.asked("lee") == "anna"
    world.accept("lee")
    world.close("lee")
    assert world.asked("kim") == ""


def test_work_that_is_with_somebody_stays_when_the_queue_closes() -> None:
    world = World(closed_office("anna", "bob")).open_doors()
    world.wait(3_595)
    world.contact("kim")
    world.contact("lee")
    world.accept("kim")
    world.wait(10)
    assert world.case("kim").owner != ""
    assert world.asked("lee") != ""
    world.accept("lee")
    world.contact("max")
    world.close("kim")
    assert world.asked("max") == ""
    assert world.reason("max") == "queue billing is closed until 2026-01-06 10:30 UTC"


def test_one_who_may_not_have_it_does_not_hide_the_work_from_others_at_the_opening() -> None:
    people = person("anna", units=2), person("bob", units=2)
    config = with_hours(office(*people), "billing", ("10:30", "11:00"))
    world = World(config).open_doors(all_in=False)
    for agent, name in (("anna", "kim"), ("bob", "lee")):
        world.log_on(agent)
        world.contact(name, "technical", before=agent)
        world.accept(name)
        world.wait(5)
    world.hand_over("kim", TargetKind.QUEUE, "billing", timeout_s=3_600)
    world.wait(1_800)  # anna has been idle for longer, but it is she who hands it over
    assert world.asked("kim") == "bob"


def test_one_who_had_the_case_before_is_preferred_from_the_opening_on() -> None:
    world = World(closed_office("anna", "bob")).open_doors()
    world.contact("lee", "technical", before="bob")
    world.accept("lee")
    world.contact("kim", before="bob")
    world.wait(1_800)
    assert world.asked("kim") == ""
    assert world.reason("kim").startswith("kept for bob until 10:30:20")
    world.close("lee")
    assert world.asked("kim") == "bob"


def test_handoff_to_a_person_passes_a_closed_queue_and_one_to_the_queue_waits() -> None:
    world = World(closed_office("anna", "bob")).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", "technical")
    world.contact("lee", "technical")
    world.accept("kim")
    world.log_on("bob")
    world.accept("lee")
    world.close("lee")
    world.hand_over("kim", TargetKind.QUEUE, "billing", timeout_s=600)
    assert world.asked("kim") == ""
    assert world.reason("kim") == CLOSED
    world.wait(600)
    world.hand_over("kim", TargetKind.AGENT, "bob")
    assert world.asked("kim") == "bob"


def test_escalated_case_waits_until_its_new_queue_opens() -> None:
    world = World(closed_office("anna")).open_doors(all_in=False)
    world.contact("kim", "technical")
    world.happen(cid("kim"), Escalated(own("kim"), 1, "billing", "SLA_BREACHED"))
    world.log_on("anna")
    assert world.asked("kim") == ""
    world.wait(1_800)
    assert world.asked("kim") == "anna"


def test_leader_who_begins_after_the_opening_knows_that_it_is_open() -> None:
    world = World(closed_office("anna")).open_doors()
    world.contact("kim")
    standby = Engine("demo")
    for fact, at in world.facts:
        if not isinstance(fact, LeadershipChanged):
            standby.step(fact, at)
    world.engine = standby
    world.now = datetime(2026, 1, 5, 10, 31, tzinfo=UTC)
    world.tell(LeadershipChanged(2))
    assert world.asked("kim") == "anna"


def test_configuration_that_opens_a_queue_lets_its_work_go_at_once() -> None:
    world = World(closed_office("anna")).open_doors()
    world.contact("kim")
    world.configure(office(person("anna"), revision=2))
    assert world.asked("kim") == "anna"


def test_agent_who_comes_while_the_queue_is_closed_is_asked_when_it_opens() -> None:
    world = World(closed_office("anna")).open_doors(all_in=False)
    world.contact("kim")
    world.log_on("anna", Availability.AVAILABLE)
    assert world.asked("kim") == ""
    world.wait(1_800)
    assert world.asked("kim") == "anna"
