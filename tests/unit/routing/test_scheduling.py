"""A callback waits in its place; an appointment waits for its time, and nobody waits for it."""

from datetime import timedelta

import pytest

from tests.unit.routing.world import (
    START,
    World,
    cid,
    office,
    own,
    person,
    with_hours,
    with_overflow,
)
from toldonce.kernel.errors import Rejected
from toldonce.kernel.skills import Step
from toldonce.kernel.story.events import (
    CallbackRequested,
    OwnershipReleased,
    QueueChanged,
)
from toldonce.routing.core.acts import AnswerAsk
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import LeadershipChanged, OfferAsked, OfferFailed, Tick
from toldonce.routing.core.state import Place

HOUR = timedelta(hours=1)


def place(world: World, name: str) -> Place:
    item = world.engine._ledger.item(cid(name), own(name))  # noqa: SLF001
    assert item is not None
    return item.place


def test_caller_to_be_called_back_goes_before_who_came_later() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("busy")
    world.accept("busy")
    for name in ("kim", "lee"):
        world.wait(1)
        world.contact(name)
    world.happen(cid("kim"), CallbackRequested(own("kim"), None, ""))
    world.close("busy")
    assert (world.asked("kim"), world.asked("lee")) == ("anna", "")


def test_appointment_is_offered_at_its_time_and_not_before() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    world.wait(599.999)
    assert world.asked("kim") == ""
    assert world.engine.next_wake_at == START + timedelta(seconds=600)
    assert world.engine.eligible_idle_s == 0
    world.wait(0.001)
    assert world.asked("kim") == "anna"


def test_appointment_comes_before_who_waited_since_in_the_meantime() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("busy")
    world.accept("busy")
    world.contact("kim")
    world.put_off("kim", 600, callback=True)
    world.wait(300)
    world.contact("lee")
    world.wait(400)
    world.close("busy")
    assert (world.asked("kim"), world.asked("lee")) == ("anna", "")


def test_one_who_waits_is_served_while_the_older_has_an_appointment() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.contact("lee")
    world.log_on("anna")
    assert (world.asked("kim"), world.asked("lee")) == ("", "anna")


def test_appointment_is_counted_apart_and_has_no_position() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.contact("lee")
    world.put_off("kim", 600)
    (billing,) = [one for one in world.engine.queues() if one.queue == "billing"]
    assert (billing.waiting, billing.scheduled) == (1, 1)
    assert (world.engine.waiting, world.engine.queued()["billing"]) == (1, 1)
    assert world.engine.position(cid("kim"), own("kim")) == 0
    assert world.engine.position(cid("lee"), own("lee")) == 1
    world.wait(600)
    (billing,) = [one for one in world.engine.queues() if one.queue == "billing"]
    assert (billing.waiting, billing.scheduled) == (2, 0)
    assert world.engine.position(cid("kim"), own("kim")) == 1


def test_appointment_says_for_when_it_is() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600, callback=True)
    world.log_on("anna")
    assert world.reason("kim") == (
        "scheduled for 2026-01-05 10:10:00, and asks nobody before (a callback)"
    )
    gates = {"anna": "NOT_YET: scheduled for 2026-01-05 10:10:00", "bob": "PRESENCE: not seen yet"}
    assert world.gates("kim") == gates


def test_appointment_is_neither_picked_nor_forced() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    for forced in ("", "VIP"):
        ask = OfferAsked(own(f"ask{forced}"), "anna", "sam", cid("kim"), own("kim"), forced)
        (said,) = world.tell(ask)
        assert isinstance(said, AnswerAsk)
        assert (said.reason, said.sentence.partition(":")[0]) == ("BARRED", "NOT_YET")
    with pytest.raises(Rejected, match="nothing waits"):
        world.engine.next_of("billing", "anna", "anna", world.now)


def test_appointment_that_changes_is_offered_at_the_later_time_only() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    world.put_off("kim", 1_200)
    world.wait(1_199)
    assert world.asked("kim") == ""
    world.wait(1)
    assert world.asked("kim") == "anna"


def test_appointment_that_is_dropped_is_offered_at_once() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    world.wait(60)
    world.put_off("kim", 0)
    assert world.asked("kim") == "anna"


def test_who_gave_it_back_for_an_appointment_is_preferred_for_it() -> None:
    world = World(office(person("anna"), person("bob"))).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim")
    world.accept("kim")
    at = world.now + HOUR
    case = world.case("kim")
    world.happen(
        cid("kim"),
        OwnershipReleased(case.own, "anna", case.epoch + 1, "CALL_LATER"),
        CallbackRequested(case.own, at, "CALL_LATER"),
    )
    world.log_on("bob")
    world.wait(3_600)
    assert world.asked("kim") == "anna"


def test_requirement_of_an_appointment_relaxes_from_its_time_on() -> None:
    config = office(
        person("anna", "en"), person("dora", "de"), steps=(Step(60, any_language=True),)
    )
    world = World(config).open_doors(all_in=False)
    world.log_on("anna")
    world.contact("kim", language="de")
    world.put_off("kim", 600)
    world.wait(659)
    trace = world.engine.explain(cid("kim"), own("kim"), world.now)
    assert trace is not None
    assert (trace.step, trace.waited_s, world.asked("kim")) == (0, 59, "")
    world.wait(1)
    assert world.asked("kim") == "anna"


def test_appointment_neither_fills_a_queue_nor_overflows() -> None:
    config = with_overflow(office(person("anna")), "billing", "technical", 1)
    world = World(config).open_doors(all_in=False)
    for name in ("kim", "lee"):
        world.contact(name)
        world.put_off(name, 600)
    world.contact("max")
    assert [world.case(name).queue for name in ("kim", "lee", "max")] == ["billing"] * 3


def test_appointment_at_which_the_queue_is_closed_waits_for_the_opening() -> None:
    config = with_hours(office(person("anna")), "billing", ("10:30", "11:00"))
    world = World(config).open_doors()
    world.contact("kim")
    world.put_off("kim", 600)
    world.wait(1_799)
    assert (world.asked("kim"), place(world, "kim")) == ("", Place.PLAIN)
    world.wait(1)
    assert world.asked("kim") == "anna"


def test_appointment_that_moves_queue_is_counted_there() -> None:
    world = World(office(person("anna"))).open_doors()
    world.contact("kim")
    world.put_off("kim", 600)
    world.happen(cid("kim"), QueueChanged(own("kim"), "billing", "technical", "MISROUTED"))
    counts = {one.queue: one.scheduled for one in world.engine.queues()}
    assert (counts["billing"], counts["technical"]) == (0, 1)


def test_engine_that_begins_to_lead_after_the_time_offers_at_once() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.tell(LeadershipChanged(0))
    world.log_on("anna")
    world.now += timedelta(seconds=700)
    world.tell(Tick())
    assert place(world, "kim") is Place.SCHEDULED
    world.tell(LeadershipChanged(2))
    assert world.asked("kim") == "anna"


def test_new_configuration_leaves_an_appointment_where_it_is() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    world.configure(office(person("anna"), person("bob"), revision=2))
    assert (world.asked("kim"), place(world, "kim")) == ("", Place.SCHEDULED)
    world.wait(600)
    assert world.asked("kim") == "anna"


def test_snapshot_holds_an_appointment_and_its_alarm() -> None:
    world = World(office(person("anna"))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    taken = world.engine.snapshot()
    made = Engine("demo")
    restorer = made.restorer(taken.head)
    restorer.agents(taken.agents)
    restorer.stories(taken.stories)
    restorer.finish(taken.waiting, taken.timers)
    assert made.digest() == world.engine.digest()
    assert made.snapshot() == taken
    assert made.next_wake_at == world.engine.next_wake_at
    at = world.now + timedelta(seconds=600)
    assert made.step(Tick(), at) == world.engine.step(Tick(), at) != ()


def test_offer_that_the_log_finds_too_early_is_made_again_soon() -> None:
    world = World(office(person("anna")), obeys=False).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600)
    world.log_on("anna")
    (made,) = world.wait(600)
    world.tell(OfferFailed(cid("kim"), own("kim"), made.offer, "NOT_YET"))
    (again,) = world.wait(1)
    assert again.agent == "anna"


def test_old_appointment_does_not_count_as_waiting_beyond_its_bound() -> None:
    world = World(office(person("anna", units=1))).open_doors()
    world.contact("kim")
    world.put_off("kim", 20 * 86_400)
    world.wait(20 * 86_400 + 5)
    world.decline("kim")
    world.wait(5)
    assert world.engine.overlong == 0
