"""A case's clocks are read from its story as it stands, open or ended, wherever it went."""

import pytest

from tests.servers import eventually
from tests.tellers import TENANT, customer, own
from tests.unit.sla.bureau import ZONES, Bureau, after, bureau
from toldonce.api.types.v1 import types_pb2
from toldonce.kernel.errors import Missing
from toldonce.kernel.ids import CustomerId, customer_of, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership.core import Asked
from toldonce.ownership.core.commands import MoveOut
from toldonce.runtime.config import ConfigCache
from toldonce.sla.handler import Clocks
from toldonce.sla.wire import format_clocks

pytestmark = pytest.mark.looptime

STATE = types_pb2.ClockState


async def shown(desk: Bureau, case_id: str) -> list[tuple[str, bool, bool]]:
    """Give state, whether it ended, and whether a timer is armed, of each clock."""
    clocks = Clocks(desk.house.log, ConfigCache(desk.configs, ZONES), desk.house.clock)
    response = format_clocks(await clocks.of(TENANT, case_id))
    return [
        (STATE.Name(clock.state)[12:], clock.HasField("ended_at"), bool(clock.timer_id))
        for clock in response.clocks
    ]


async def test_a_clock_runs_warns_and_breaches_as_time_goes():
    desk = await bureau()
    case_id = whole(customer(), (await desk.told()).own)
    assert await shown(desk, case_id) == [("RUNNING", False, True)]
    await desk.until(after(31))
    assert await shown(desk, case_id) == [("WARNED", False, True)]
    async with desk.replica():
        await desk.until(after(62))
    assert await shown(desk, case_id) == [("BREACHED", False, False)]


async def test_a_clock_that_was_met_stays_met_after_the_case_is_closed():
    desk = await bureau()
    held = await desk.owned(await desk.told())
    case_id = whole(customer(), held.own)
    assert await shown(desk, case_id) == [("MET", True, False)]
    await desk.closed(held)
    await desk.until(after(500))
    assert await shown(desk, case_id) == [("MET", True, False)]


@pytest.mark.parametrize(("closed_s", "state"), [(50, "CANCELLED"), (70, "BREACHED")])
async def test_a_case_closed_without_an_answer_shows_how_its_clock_stood(closed_s, state):
    desk = await bureau()
    held = await desk.owned(await desk.told(queue="returns"))
    await desk.until(after(closed_s))
    await desk.closed(held)
    await desk.until(after(500))
    assert await shown(desk, whole(customer(), held.own)) == [(state, True, False)]


async def test_a_case_that_moved_with_its_story_is_found_by_its_old_id():
    desk = await bureau()
    other = customer("other")
    case = await desk.told(1)
    there = await desk.told(2, of=other)
    by = Asked(own("link"), Principal(TENANT, Role.SERVICE, "test"))
    await desk.house.ownership.link(TENANT, (customer(), other), by)

    async def both() -> bool:
        ids = [whole(customer(), case.own), whole(other, there.own)]
        return [await shown(desk, each) for each in ids] == 2 * [[("RUNNING", False, True)]]

    await eventually(both)


async def test_a_case_that_ended_before_its_story_moved_is_found_by_both_ids():
    desk = await bureau()
    to, source = sorted((customer(), customer("other")))
    held = await desk.owned(await desk.told(1, of=source), of=source)
    await desk.closed(held, of=source)
    await desk.told(2, of=to)
    by = Asked(own("link"), Principal(TENANT, Role.SERVICE, "test"))
    assert await desk.house.ownership.link(TENANT, (to, source), by) == to
    for who in (source, to):
        assert await shown(desk, whole(CustomerId(who), held.own)) == [("MET", True, False)]


async def test_a_case_on_its_way_to_another_story_still_runs():
    desk = await bureau()
    to, source = sorted((customer(), customer("other")))
    case = await desk.told(of=source)
    move = MoveOut(source, to, to_empty=False, arriving=0, stories=1)
    await desk.house.ownership.do(desk.house.ask(move, of=source))
    assert await shown(desk, whole(CustomerId(source), case.own)) == [("RUNNING", False, True)]


async def test_a_case_nobody_knows_is_missing():
    desk = await bureau()
    case = await desk.told()
    for unknown in (whole(customer("nobody"), case.own), whole(customer(), own("other"))):
        assert customer_of(unknown) in {customer(), customer("nobody")}
        with pytest.raises(Missing):
            await shown(desk, unknown)
