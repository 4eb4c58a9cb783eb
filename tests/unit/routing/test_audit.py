"""The audit of idle agents would notice if the matching failed."""

from datetime import timedelta

from tests.unit.routing.world import World, office, person
from toldonce.kernel.instants import SECOND, micros
from toldonce.routing.core.audit import Audit
from toldonce.routing.core.types import ConfigChanged


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
