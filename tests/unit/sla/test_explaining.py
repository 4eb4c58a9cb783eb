"""A clock is explained from its story, and from an export of it alone, with the same answer."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tellers import START, TENANT, customer, own
from tests.unit.sla.bureau import ZONES, Bureau, after, bureau, config, document
from toldonce.api.sla.v1 import sla_pb2
from toldonce.cli.accounts import clock_lines
from toldonce.cli.exported import clocks_in
from toldonce.client.clocks import ClockTold, told
from toldonce.kernel.account import OPEN
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.errors import Invalid, Missing
from toldonce.kernel.explanation import explain
from toldonce.kernel.ids import CustomerId, customer_of, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.ownership.core import Asked
from toldonce.ownership.handler import export
from toldonce.ownership.wire import pieces
from toldonce.runtime.config import ConfigCache
from toldonce.runtime.document import check
from toldonce.sla.handler import Clocks
from toldonce.sla.wire import format_explanation, parse_explain_clock

pytestmark = pytest.mark.looptime

WAIT, ANSWER = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE


async def live(desk: Bureau, case_id: str, kind: ClockKind) -> ClockTold:
    """Ask as a caller does, through the bytes of the answer."""
    clocks = Clocks(desk.house.log, ConfigCache(desk.configs, ZONES), desk.house.clock)
    answer = format_explanation(*await clocks.explained(TENANT, case_id, kind))
    return told(sla_pb2.ExplainClockResponse.FromString(answer.SerializeToString()))


async def offline(
    desk: Bureau, file: Path, case_id: str, kind: ClockKind, now: datetime
) -> ClockTold:
    """Export the customer, then read the file."""
    who = CustomerId(customer_of(case_id))
    given = [piece.chunk async for piece in pieces(export(desk.house.ownership, TENANT, who))]
    return _read(file, b"".join(given), case_id, kind, now)


def _read(file: Path, given: bytes, case_id: str, kind: ClockKind, now: datetime) -> ClockTold:
    file.write_bytes(given)
    (found,) = clocks_in(file, config(), case_id, kind, now)
    return found


async def same(desk: Bureau, file: Path, case_id: str, kind: ClockKind) -> ClockTold:
    """See that both say the same; gives what they say."""
    said = await live(desk, case_id, kind)
    assert said.read_at is not None
    assert await offline(desk, file, case_id, kind, said.read_at) == said
    return said


async def test_running_clock_is_explained_alike_live_and_from_an_export(tmp_path: Path):
    desk = await bureau()
    case_id = whole(customer(), (await desk.told()).own)
    await desk.until(after(31))
    found = await same(desk, tmp_path / "export.jsonl", case_id, WAIT)
    assert (found.kind, found.state, found.policy) == ("QUEUE_WAIT", "WARNED", "quick")
    assert found.why == "the case is in queue orders, which has this policy"
    assert (found.calendar, found.zone_name, found.target_s) == ("always", "UTC", 60)
    assert (found.started_at, found.warn_at, found.due_at) == (START, after(30), after(60))
    assert found.elapsed_s == sum(span.counted_s for span in found.spans) == 31
    assert [(span.from_at, span.to_at, span.reason) for span in found.spans] == [
        (START, after(31), OPEN)
    ]


async def test_clock_that_runs_on_past_its_time_is_overdue_until_somebody_comes():
    desk = await bureau()
    case = await desk.told(queue="returns")
    await desk.until(after(61))
    case_id = whole(customer(), case.own)
    assert next(clock_lines(await live(desk, case_id, ANSWER), UTC)).endswith(
        "BREACHED, it is overdue"
    )
    await desk.answered(await desk.owned(case))
    assert next(clock_lines(await live(desk, case_id, ANSWER), UTC)).endswith(
        "BREACHED, it came too late"
    )


async def test_clock_of_an_ended_case_is_explained_up_to_its_end(tmp_path: Path):
    desk = await bureau()
    held = await desk.owned(await desk.told(queue="returns"))
    await desk.until(after(50))
    await desk.closed(held)
    await desk.until(after(500))
    found = await same(desk, tmp_path / "export.jsonl", whole(customer(), held.own), ANSWER)
    assert (found.state, found.ended_at, found.elapsed_s) == ("CANCELLED", after(50), 50)


async def test_answered_clock_is_explained_up_to_the_answer(tmp_path: Path):
    desk = await bureau()
    held = await desk.owned(await desk.told(queue="returns"))
    await desk.until(after(20))
    await desk.answered(held)
    await desk.until(after(300))
    found = await same(desk, tmp_path / "export.jsonl", whole(customer(), held.own), ANSWER)
    assert (found.state, found.ended_at, found.remaining_s) == ("MET", after(20), 40)


async def test_case_that_moved_with_its_story_is_explained_alike(tmp_path: Path):
    desk = await bureau()
    to, source = sorted((customer(), customer("other")))
    case = await desk.told(1, of=source)
    await desk.told(2, of=to)
    by = Asked(own("link"), Principal(TENANT, Role.SERVICE, "test"))
    assert await desk.house.ownership.link(TENANT, (to, source), by) == to
    case_id = whole(CustomerId(source), case.own)
    assert (await same(desk, tmp_path / "export.jsonl", case_id, WAIT)).state == "RUNNING"


async def test_clock_by_office_hours_is_told_by_the_wall_of_the_office():
    desk = await bureau(document(3_600, office_hours=True))
    case_id = whole(customer(), (await desk.told()).own)
    await desk.until(after(3 * 86_400))
    found = await live(desk, case_id, WAIT)
    zone = ZONES.zone(found.zone_name)
    assert zone is not None
    assert (found.calendar, found.zone_name) == ("office", "Europe/Amsterdam")
    said = "\n".join(clock_lines(found, zone))
    assert "aims at   1 h of working time by policy quick: the case is in queue orders" in said
    assert "closed: outside opening hours" in said
    for span in found.spans:
        local = span.from_at.astimezone(zone)
        assert f"{local:%a %Y-%m-%d %H:%M}" in said
        assert span.counted_s == 0 or 9 <= local.hour < 17


async def test_clock_that_is_not_kept_is_missing_and_the_others_are_named():
    desk = await bureau()
    case_id = whole(customer(), (await desk.told()).own)
    with pytest.raises(Missing, match="no clock RESOLUTION is kept; it has QUEUE_WAIT"):
        await live(desk, case_id, ClockKind.RESOLUTION)
    other = CustomerId(customer("other"))
    aimless = whole(other, (await desk.told(2, of=other, queue="escalations")).own)
    with pytest.raises(Missing, match="it has none at all"):
        await live(desk, aimless, WAIT)


async def test_clock_that_is_kept_and_has_not_begun_is_not_called_missing():
    desk = await bureau()
    case = await desk.told()
    aims = document().replace("targets: {queue", "targets: {next_response_s: 60, queue")
    with pytest.raises(Missing, match="NEXT_RESPONSE has not begun"):
        explain(case, check(aims, ZONES), ClockKind.NEXT_RESPONSE, START)


def test_question_without_a_kind_of_clock_is_refused_by_field():
    case_id = whole(customer(), own("case"))
    assert parse_explain_clock(sla_pb2.ExplainClockRequest(case_id=case_id, kind=2)) == (
        case_id,
        ANSWER,
    )
    for kind in (0, 77):
        with pytest.raises(Invalid, match="QUEUE_WAIT") as no:
            parse_explain_clock(sla_pb2.ExplainClockRequest(case_id=case_id, kind=kind))
        assert no.value.problems[0].field == "kind"
    with pytest.raises(Invalid):
        parse_explain_clock(sla_pb2.ExplainClockRequest(case_id="*", kind=2))
