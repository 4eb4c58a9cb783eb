"""A clock is explained from its story, and from an export of it alone, with the same answer."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.tellers import START, TENANT, customer, own
from tests.unit.sla.bureau import ZONES, Bureau, after, bureau, config, document
from toldonce.api.sla.v1 import sla_pb2
from toldonce.api.types.v1 import types_pb2
from toldonce.cli.accounts import clock_figures, clock_lines
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
from toldonce.sla.handler import CaseNow, Clocks
from toldonce.sla.wire import format_clocks, format_explanation, parse_explain_clock

pytestmark = pytest.mark.looptime

WAIT, ANSWER = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
PROMISE = ClockKind.COMMITMENT


async def live(desk: Bureau, case_id: str, kind: ClockKind, promise: str = "") -> ClockTold:
    """Ask as a caller does, through the bytes of the answer."""
    clocks = Clocks(desk.house.log, ConfigCache(desk.configs, ZONES), desk.house.clock)
    answer = format_explanation(*await clocks.explained(TENANT, case_id, kind, promise))
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
    found, *_ = clocks_in(file, config(), case_id, kind, now)
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


async def test_every_promise_of_a_case_is_explained_by_the_wall(tmp_path: Path):
    desk = await bureau()
    held = await desk.owned(await desk.told())
    late, soon = [await desk.promised(held, after(at_s)) for at_s in (200, 100)]
    await desk.until(after(60))
    case_id = whole(customer(), held.own)
    found = await same(desk, tmp_path / "export.jsonl", case_id, PROMISE)
    assert (found.kind, found.state, found.policy) == ("COMMITMENT", "WARNED", "quick")
    assert found.why == "anna promised it for that instant"
    assert (found.calendar, found.zone_name) == ("always", "UTC")
    assert (found.started_at, found.warn_at, found.due_at) == (START, after(50), after(100))
    assert (found.ended_at, found.target_s) == (None, 100)
    assert (found.elapsed_s, found.remaining_s) == (60, 40)
    assert [(one.from_at, one.to_at, one.reason) for one in found.spans] == [
        (START, after(60), OPEN)
    ]
    assert found.commitment_id == whole(customer(), soon)
    other = await live(desk, case_id, PROMISE, late)
    assert (other.due_at, other.commitment_id) == (after(200), whole(customer(), late))
    file = tmp_path / "export.jsonl"
    told_of = clocks_in(file, config(), case_id, None, after(60))
    assert [one.kind for one in told_of] == ["QUEUE_WAIT", "COMMITMENT", "COMMITMENT"]
    assert told_of[1:] == [found, other]


async def test_promise_is_told_to_people_and_machines():
    desk = await bureau()
    held = await desk.owned(await desk.told())
    promise = whole(customer(), await desk.promised(held, after(7_200)))
    await desk.until(after(3_660))
    found = await live(desk, whole(customer(), held.own), PROMISE)
    said = list(clock_lines(found, UTC))
    assert said[:3] == [
        "COMMITMENT: WARNED, it runs, and the warning has come",
        f"  promise   {promise}",
        "  aims at   2 h by the wall: anna promised it for that instant",
    ]
    assert said[5].endswith(", by policy quick")
    assert "  counted   1 h 1 min, 59 min left" in said
    machine = clock_figures(found, UTC)
    assert (machine["kind"], machine["commitment"]) == ("COMMITMENT", promise)
    assert (machine["remaining_s"], machine["spans"][0]["counted_s"]) == (3_540, 3_660)


async def test_promise_outlives_its_case_and_nobody_is_warned_of_it(tmp_path: Path):
    desk = await bureau()
    held = await desk.owned(await desk.told())
    await desk.promised(held, after(100))
    await desk.until(after(20))
    await desk.closed(held)
    await desk.until(after(90))
    case_id = whole(customer(), held.own)
    found = await same(desk, tmp_path / "export.jsonl", case_id, PROMISE)
    assert (found.state, found.warn_at, found.policy) == ("RUNNING", None, "")
    assert found.why.endswith("and nobody is warned of it: its case has ended")
    assert (found.elapsed_s, found.ended_at) == (90, None)
    (clock,) = [
        one for one in format_clocks(await _asked(desk, case_id)).clocks if one.kind == PROMISE
    ]
    assert not clock.HasField("warn_at")


async def test_promise_without_an_sla_policy_has_a_clock_and_no_warning():
    desk = await bureau()
    held = await desk.owned(await desk.told(queue="escalations"))
    await desk.promised(held, after(100))
    await desk.until(after(90))
    found = await live(desk, whole(customer(), held.own), PROMISE)
    assert (found.state, found.warn_at, found.remaining_s) == ("RUNNING", None, 10)
    assert found.why.endswith("and nobody is warned of it: its case has no SLA policy")


async def test_case_without_an_open_promise_says_so(tmp_path: Path):
    desk = await bureau()
    held = await desk.owned(await desk.told())
    case_id = whole(customer(), held.own)
    with pytest.raises(Missing, match="no promise of this case is open"):
        await live(desk, case_id, PROMISE)
    with pytest.raises(Missing, match="no promise of this case is open"):
        await offline(desk, tmp_path / "export.jsonl", case_id, PROMISE, desk.now)
    await desk.promised(held, after(100))
    with pytest.raises(Missing, match="this promise is not open"):
        await live(desk, case_id, PROMISE, own("another"))


async def _asked(desk: Bureau, case_id: str) -> CaseNow:
    clocks = Clocks(desk.house.log, ConfigCache(desk.configs, ZONES), desk.house.clock)
    return await clocks.of(TENANT, case_id)


def test_question_without_a_kind_of_clock_is_refused_by_field():
    case_id = whole(customer(), own("case"))
    assert parse_explain_clock(sla_pb2.ExplainClockRequest(case_id=case_id, kind=2)) == (
        case_id,
        ANSWER,
        "",
    )
    for kind in (0, 77):
        with pytest.raises(Invalid, match="QUEUE_WAIT") as no:
            parse_explain_clock(sla_pb2.ExplainClockRequest(case_id=case_id, kind=kind))
        assert no.value.problems[0].field == "kind"
    with pytest.raises(Invalid):
        parse_explain_clock(sla_pb2.ExplainClockRequest(case_id="*", kind=2))


def test_question_about_a_promise_names_one_and_only_with_its_kind():
    case_id, promise = whole(customer(), own("case")), whole(customer(), own("promise"))

    def asked(kind: ClockKind, commitment: str) -> sla_pb2.ExplainClockRequest:
        return sla_pb2.ExplainClockRequest(
            case_id=case_id,
            kind=types_pb2.ClockKind.ValueType(kind),
            commitment_id=commitment,
        )

    assert parse_explain_clock(asked(PROMISE, promise)) == (case_id, PROMISE, own("promise"))
    assert parse_explain_clock(asked(PROMISE, "")) == (case_id, PROMISE, "")
    for kind, commitment in ((ANSWER, promise), (PROMISE, "*")):
        with pytest.raises(Invalid) as no:
            parse_explain_clock(asked(kind, commitment))
        assert no.value.problems[0].field == "commitment_id"
