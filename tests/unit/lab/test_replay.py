"""A recorded day is gone through again: alike under its own policy, otherwise under another."""

from dataclasses import replace

import pytest

from tests.journals import Scribe, follow
from tests.unit.routing.world import World, cid, office, own, person
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.types import TargetKind
from toldonce.lab.replay import proof
from toldonce.lab.trial import Trial
from toldonce.lab.whatif import EVERYTHING, whatif
from toldonce.lab.yesterday import Yesterday, yesterday
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import Tick
from toldonce.routing.core.record import Step, Steps
from toldonce.routing.wire.journal import bind_messages, pieces, unbind_messages


def one_busy_agent() -> World:
    """Anna takes one at a time: accepts after 2 s, works 60 s; four come, one of them waits on."""
    world = World(office(person("anna", units=1), person("bob", billing=2, units=1)))
    world.open_doors(all_in=False)
    world.log_on("anna")
    for name in ("kim", "lee", "max", "ned"):
        world.contact(name)
        world.wait(1)
    for name in ("kim", "lee", "max"):
        world.wait(2)
        world.accept(name)
        world.wait(60)
        world.close(name)
    return world


def journal_of(world: World, begins: int = 4) -> Scribe:
    """Write down what the engine of an office heard and decided, the first facts as a snapshot."""
    engine, scribe = Engine("demo"), Scribe()
    follow(engine, world.facts[:begins])
    scribe.take_down(engine)
    scribe.go_on(engine, world.facts[begins:])
    return scribe


def day_of(scribe: Scribe) -> Yesterday:
    day = yesterday(pieces(scribe.messages))
    assert day is not None
    return day


def test_the_same_policy_decides_alike_and_it_is_said_how_often():
    world = one_busy_agent()
    found = proof(journal_of(world).messages)
    assert found.identical
    assert found.steps == len(world.facts) - 4
    assert found.decisions == len(world.said)
    assert found.policies == ["1-abcdef"]


def test_a_decision_that_was_never_made_is_told_with_what_is_decided_instead():
    world = one_busy_agent()
    scribe = journal_of(world)
    engine = Engine("demo")
    follow(engine, world.facts)
    made = world.said[0]
    scribe.write(Steps((Step(0, (Tick(),), (replaced(made),)),)))
    found = proof(scribe.messages)
    assert not found.identical
    assert found.otherwise == 1
    (difference,) = found.differences
    assert difference.then[0].startswith(f"MakeOffer {made.customer}{made.case} to nobody")
    assert difference.now == ()


def replaced(made):
    return made._replace(agent="nobody")


def test_a_day_is_read_with_its_waits_delays_and_work():
    day = day_of(journal_of(one_busy_agent()))
    (visit,) = day.matters[cid("lee"), own("lee")].visits
    assert (visit.agent, visit.delay_us, visit.work_us) == ("anna", 2_000_000, 60_000_000)
    waits = [m.visits[0].accepted_us for m in day.matters.values()]
    assert sum(wait is not None for wait in waits) == 3
    assert day.gap_us is None


def test_a_case_that_was_scheduled_waits_from_its_time_in_both_worlds():
    world = World(office(person("anna", units=1))).open_doors(all_in=False)
    world.contact("kim")
    world.put_off("kim", 600, callback=True)
    world.log_on("anna")
    world.wait(602)
    world.accept("kim")
    world.wait(60)
    world.close("kim")
    world.wait(1)
    day = day_of(journal_of(world, begins=2))
    diff = whatif(day, day.config, 60)
    assert diff.recorded[EVERYTHING].wait_s == 2.0
    assert diff.then[EVERYTHING].wait_s == 2.0


def test_the_model_under_the_same_policy_does_what_was_recorded():
    day = day_of(journal_of(one_busy_agent()))
    diff = whatif(day, day.config, 60)
    assert diff.then == diff.now
    assert diff.then[EVERYTHING].wait_s == diff.recorded[EVERYTHING].wait_s == 67.0
    assert (diff.gained, diff.lost, diff.same) == (0, 0, 4)


def test_more_capacity_shortens_waits_and_it_is_said_who_gained():
    day = day_of(journal_of(one_busy_agent()))
    agents = {**day.config.agents, "anna": person("anna", units=2)}
    diff = whatif(day, replace(day.config, agents=agents, revision=2), 60)
    assert diff.now[EVERYTHING].wait_s < diff.then[EVERYTHING].wait_s
    assert diff.now[EVERYTHING].service_level > diff.then[EVERYTHING].service_level
    assert (diff.gained, diff.lost) == (3, 0)
    assert diff.most_gained[0].case_id in {cid(n) + own(n) for n in ("lee", "max", "ned")}


def test_a_handoff_is_needless_where_whoever_has_the_case_could_have_taken_it_there():
    skilled = {"technical": (("technical", 2),)}
    tess = person("tess", technical=2, queues=("technical",))
    plain = office(person("anna"), tess, queue_skills=skilled)
    world = World(plain).open_doors()
    world.contact("kim", "billing")
    world.wait(1)
    world.accept("kim")
    world.wait(30)
    world.hand_over("kim", TargetKind.QUEUE, "technical")
    world.wait(3)
    world.accept("kim")
    world.wait(20)
    world.close("kim")
    day = day_of(journal_of(world, begins=6))
    assert whatif(day, plain, 60).now[EVERYTHING].hops == 1
    agents = {**plain.agents, "anna": person("anna", technical=2)}
    able = replace(plain, agents=agents, revision=2)
    assert whatif(day, able, 60).now[EVERYTHING].hops == 0
    worked = Trial(day, able).run().worked_us
    assert worked["anna"] == 50_000_000


def test_an_exported_journal_is_read_as_it_was_written():
    messages = journal_of(one_busy_agent()).messages
    book = b"".join(bind_messages(messages))
    assert list(unbind_messages(book)) == messages
    with pytest.raises(Invalid, match="middle of a message"):
        list(unbind_messages(book[:-1]))
    with pytest.raises(Invalid, match="no exported journal"):
        list(unbind_messages(b"%PDF"))


def test_what_another_version_wrote_is_left_out_and_counted():
    messages = journal_of(one_busy_agent()).messages
    found = proof([b"\x01another form", *messages])
    assert found.identical
    assert (found.unreadable, found.gaps) == (1, 0)
    found = proof([*messages[:-2], b"\x01another form", messages[-1]])
    assert found.identical
    assert (found.unreadable, found.gaps) == (1, 1)
    assert found.skipped > 0


def test_a_day_ends_at_the_first_hole_of_its_journal():
    scribe = journal_of(one_busy_agent())
    del scribe.messages[-2]
    day = day_of(scribe)
    assert day.gap_us == day.ends_us
