"""The audit of idle agents would notice if the matching failed."""

from datetime import timedelta

from tests.unit.routing.world import World, office, person
from toldonce.kernel.instants import SECOND, micros
from toldonce.routing.core.audit import Audit
from toldonce.routing.core.facts import ConfigChanged


def unmatched(agent: str, **asked: int) -> tuple[World, Audit]:
    """An office whose engine follows, so that nobody matches the waiting case."""
    world = World(office(person(agent, billing=2)))
    world.tell(ConfigChanged(world.config))
    world.log_on(agent)
    world.contact("kim", **asked)
    return world, Audit()


def look(world: World, audit: Audit) -> None:
    engine = world.engine
    known = engine._ledger.agents, engine._matcher.waiting  # noqa: SLF001 - nothing else may
    audit.look(*known, micros(world.now))


def test_audit_counts_the_time_an_admitted_agent_is_idle_while_work_waits() -> None:
    world, audit = unmatched("anna", billing=2)
    look(world, audit)
    world.now += timedelta(seconds=3)
    audit.count(micros(world.now))
    assert audit.idle_us == 3 * SECOND


def test_audit_counts_nothing_when_the_agent_is_not_admitted() -> None:
    world, audit = unmatched("anna", billing=3)
    look(world, audit)
    world.now += timedelta(seconds=3)
    audit.count(micros(world.now))
    assert audit.idle_us == 0


def test_audit_counts_a_case_once_that_waits_beyond_its_bound_though_somebody_is_free() -> None:
    world, audit = unmatched("anna", billing=2)
    world.now += timedelta(seconds=3_599)
    look(world, audit)
    assert audit.overlong == 0
    for _ in range(3):
        world.now += timedelta(seconds=2)
        look(world, audit)
    assert audit.overlong == 1


def test_audit_counts_nobody_who_waits_because_nobody_can_have_it() -> None:
    world, audit = unmatched("anna", billing=3)
    world.now += timedelta(seconds=4_000)
    look(world, audit)
    assert audit.overlong == 0


def test_work_kept_for_its_owner_beyond_the_bound_of_its_policy_alarms() -> None:
    config = office(person("anna"), person("bob"), prefer_owner_s=600, wait_max_s=60)
    world = World(config).open_doors()
    for name in ("lee", "kim"):
        world.contact(name, before="bob")
        world.wait(1)
    world.accept("lee")
    world.wait(59)
    assert world.engine.overlong == 0
    world.wait(2)
    assert (world.asked("kim"), world.engine.overlong) == ("", 1)
    assert world.engine.eligible_idle_s == 0


def test_no_bound_is_broken_while_everybody_able_is_busy() -> None:
    world = World(office(person("anna"), wait_max_s=60)).open_doors()
    for name in ("lee", "kim"):
        world.contact(name)
    world.accept("lee")
    for _ in range(50):
        world.wait(10)
    world.close("lee")
    assert (world.asked("kim"), world.engine.overlong) == ("anna", 0)
