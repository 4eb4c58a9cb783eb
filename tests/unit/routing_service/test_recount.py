"""A past decision of a large desk is explained from the journal, or it is said why it is not."""

import asyncio

import pytest

from tests.unit.routing.test_gates import big_office
from tests.unit.routing.world import World as Office
from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import own_of
from toldonce.kernel.instants import micros
from toldonce.routing.consumer.journal import Pages
from toldonce.routing.core.acts import MakeOffer
from toldonce.routing.core.types import Gate
from toldonce.routing.handler.past import Past
from toldonce.routing.handler.recount import Recount
from toldonce.routing.wire.queries import traces_of
from toldonce.routing.wire.traces import is_brief, write_trace

from .world import TENANT, large_desk, world

pytestmark = pytest.mark.looptime
TRACE_BYTES_MAX = 4_096


def test_trace_of_a_thousand_agents_is_grouped_and_short():
    world = Office(big_office())
    world.engine.trace_all()
    world.open_doors()
    world.contact("kim", technical=5)
    (made,) = [one for one in world.said if isinstance(one, MakeOffer)]
    assert sum(line.count for line in made.trace.candidates) == made.trace.considered == 1_001
    assert len(write_trace(made.trace).SerializeToString()) < TRACE_BYTES_MAX


def recount(system) -> Recount:
    return Recount(lambda tenant: Pages(tenant, system.servers.trail, "test"))


async def decided(system):
    """Have one of 80 agents be offered a case; gives the offer's id and its trace."""
    process = await system.process()
    for number in range(3):
        await system.agent(process, f"a{number:02}")
    await asyncio.sleep(1)
    case_id = await system.contact()
    await asyncio.sleep(1)
    (trace,) = traces_of(await Past(system.servers.log).traces(TENANT, case_id))
    assert is_brief(trace)
    return process, case_id, trace


async def test_decision_is_explained_after_a_failover_with_every_candidate(tmp_path):
    async with world(tmp_path, large_desk(80)) as system:
        first, _, trace = await decided(system)
        await first.kill()
        await system.process()
        await asyncio.sleep(15)
        found = await recount(system).traces(
            TENANT, trace.engine_epoch, trace.at.ToMicroseconds(), {trace.decision_id}
        )
        whole = found[trace.decision_id]
        assert (whole.chosen, whole.policy_version) == (trace.chosen_agent, trace.policy_version)
        assert micros(whole.at) == trace.at.ToMicroseconds()
        assert sum(line.count for line in whole.candidates) == 80
        gates = {line.gate: line.count for line in whole.candidates}
        assert gates[Gate.NONE] == 1
        assert gates[Gate.OUTRANKED] == 2
        assert gates[Gate.PRESENCE] == 77
        assert len(write_trace(whole).SerializeToString()) < TRACE_BYTES_MAX
        assert await recount(system).when(TENANT, trace.decision_id) == (
            trace.engine_epoch,
            trace.at.ToMicroseconds(),
        )


async def test_decision_beyond_the_retention_is_said_to_be_gone(tmp_path):
    async with world(tmp_path, large_desk(80)) as system:
        _, _, trace = await decided(system)
        system.servers.trail.forget(1)
        asked = (TENANT, trace.engine_epoch, trace.at.ToMicroseconds(), {trace.decision_id})
        with pytest.raises(Missing, match="does not reach back"):
            await recount(system).traces(*asked)


async def test_decision_nobody_made_is_missing(tmp_path):
    async with world(tmp_path, large_desk(80)) as system:
        _, case_id, trace = await decided(system)
        with pytest.raises(Missing, match="no decision of this id"):
            await recount(system).when(TENANT, own_of(case_id))
        with pytest.raises(Missing):
            await recount(system).traces(TENANT, 99, trace.at.ToMicroseconds(), {"x"})
