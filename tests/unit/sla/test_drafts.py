"""What a plan writes on JetStream: no alarm in the place of another, no row before its alarms."""

from datetime import UTC, datetime, timedelta

import pytest

from toldonce.kernel.ids import encode
from toldonce.runtime import names
from toldonce.runtime.mapping import to_us
from toldonce.runtime.testing.table import FakeTable
from toldonce.sla.handler.drafts import Draft, drafted, parcels
from toldonce.sla.handler.rows import Rows
from toldonce.sla.handler.timers import Plan

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
WHO = encode(bytes(16))
MARGIN_US = 300_000


def plan(sequence: int, *timers: tuple[str, datetime], revision: int = 1, who: str = WHO) -> Plan:
    return Plan("demo", who, sequence, revision, timers)


@pytest.fixture
def rows() -> Rows:
    found = Rows(FakeTable(), lambda _: None)
    found.generation = "g"
    found.forget(empty=True)
    return found


async def draft(rows: Rows, wanted: Plan) -> Draft | None:
    await rows.know([(wanted.tenant, wanted.customer)])
    found = drafted([wanted], rows, now=NOW, margin_us=MARGIN_US)
    return found[0] if found else None


async def made(rows: Rows, wanted: Plan) -> Draft:
    """Draft a plan, and know that it was written."""
    found = await draft(rows, wanted)
    assert found is not None
    rows.wrote(found.story, found.row, wanted.sequence)
    return found


async def test_a_timer_that_moves_gets_an_alarm_under_another_key(rows: Rows) -> None:
    before = await made(rows, plan(1, ("a", SOON)))
    after = await made(rows, plan(2, ("a", LATER)))
    (old,) = (one.key for one in before.writes if "Nats-Schedule" in one.headers)
    (new,) = (one.key for one in after.writes if "Nats-Schedule" in one.headers)
    assert old != new
    assert [one.key for one in after.writes] == [new, names.timers_key("demo", WHO), old]
    taken_away = after.writes[-1]
    assert (taken_away.value, taken_away.headers) == (b"", {"Nats-TTL": "1s"})


async def test_an_alarm_comes_out_after_the_margin_under_a_key_that_names_its_instant(
    rows: Rows,
) -> None:
    (alarm, row) = (await made(rows, plan(7, ("a", SOON), revision=3))).writes
    assert alarm.headers == {
        "Nats-Schedule": "@at 2026-01-05T09:01:00.300000Z",
        "Nats-Schedule-Target": names.due_key("demo", WHO, "a", to_us(SOON)),
    }
    assert alarm.value == b"7 3"
    assert row.headers["Nats-Expected-Last-Subject-Sequence"] == "0"
    assert row.value == f"g 7 3 a {to_us(SOON)}".encode()


async def test_what_is_due_already_waits_for_no_alarm(rows: Rows) -> None:
    past = NOW - timedelta(seconds=1)
    found = await made(rows, plan(1, ("b", LATER), ("a", past)))
    assert found.writes[0].key == names.due_key("demo", WHO, "a", to_us(past))
    assert found.writes[0].headers == {}
    assert len(found.fresh) == 2


async def test_only_a_newer_plan_is_written_and_what_stands_is_not_armed_again(rows: Rows) -> None:
    await made(rows, plan(5, ("a", SOON)))
    assert await draft(rows, plan(5, ("b", SOON))) is None
    assert await draft(rows, plan(4, ("b", SOON), revision=9)) is None
    again = await made(rows, plan(5, ("a", SOON), revision=2))
    assert (again.fresh, again.writes) == ((), [again.row])
    assert again.row.headers["Nats-Expected-Last-Subject-Sequence"] == "5"


async def test_a_story_without_timers_is_written_only_where_it_had_some(rows: Rows) -> None:
    assert await draft(rows, plan(1)) is None
    await made(rows, plan(2, ("a", SOON)))
    ended = await made(rows, plan(3))
    assert [one.value for one in ended.writes] == [b"g 3 1", b""]


async def test_a_row_of_an_earlier_generation_counts_for_nothing(rows: Rows) -> None:
    await made(rows, plan(5, ("a", SOON)))
    rows.generation = "h"
    found = await draft(rows, plan(1, ("a", SOON)))
    assert found is not None
    assert len(found.fresh) == 1
    assert found.row.headers["Nats-Expected-Last-Subject-Sequence"] == "5"


async def test_drafts_are_parted_as_the_server_takes_them_and_no_story_in_two(rows: Rows) -> None:
    plans = [plan(1, ("a", SOON), ("b", SOON), who=encode(bytes([n] * 16))) for n in range(7)]
    await rows.know([(one.tenant, one.customer) for one in plans])
    drafts = drafted(plans, rows, now=NOW, margin_us=MARGIN_US)
    assert [len(parcel) for parcel in parcels(drafts, 6)] == [2, 2, 2, 1]
    assert [len(parcel) for parcel in parcels(drafts, 1)] == [1] * 7
    assert [one for parcel in parcels(drafts, 7) for one in parcel] == drafts
