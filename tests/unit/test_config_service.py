"""Applying documents: once is once, a refusal leaves what stands, and caches follow."""

import asyncio
import json
from datetime import UTC, date, datetime

import pytest

from tests.unit.linter.desk import desk as plain_desk
from toldonce.config.core import Keep, Put, Standing, decide, remarks
from toldonce.config.handler import Handler
from toldonce.kernel.config import Config, Expansion, HolidaySet
from toldonce.kernel.config.holidays import Expanded
from toldonce.kernel.errors import Conflict, Invalid, Missing, Unavailable
from toldonce.kernel.principal import Principal, Role
from toldonce.runtime.clock import LoopClock
from toldonce.runtime.config import ConfigCache, HolidaysEnd
from toldonce.runtime.document import Stored, check, demo_text, pack
from toldonce.runtime.holidays import WheelHolidays
from toldonce.runtime.meter import Meter
from toldonce.runtime.names import config_key
from toldonce.runtime.testing.table import FakeTable
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
RUTH = Principal("demo", Role.ADMIN, "ruth")
OTHER = Principal("other", Role.ADMIN, "olga")
FIRST = demo_text()
SECOND = FIRST.replace("prefer_owner_s: 3", "prefer_owner_s: 4", 1)
ANNA, CHAT = plain_desk()["agents"][0], plain_desk()["channels"][0]
TOO_DEAR = json.dumps(  # one has the units for a call, the other the skill that calls ask for
    plain_desk(
        channels=[{"name": "voice", "kind": "voice", "cost": 4, "queue": "desk"}, CHAT],
        agents=[ANNA | {"skills": {}, "capacity_units": 5}, ANNA | {"name": "cleo"}],
    )
)
BROKEN = FIRST.replace("skills: {orders: 2}", "skills: {orders: 5}", 1)


class Desk:
    """A handler over a table in memory, and the tenants it announced."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.announced: list[str] = []
        self.handler = Handler(self.table, ZONES, LoopClock(), self.announce)

    async def announce(self, tenant: str) -> None:
        self.announced.append(tenant)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def test_same_document_is_kept_whatever_was_expected() -> None:
    assert decide(Standing(7, "a"), "a", 3) == Keep(7)
    assert decide(Standing(7, "a"), "b", 7) == Put(7)
    assert decide(Standing(7, "a"), "b", None) == Put(7)
    assert decide(Standing(0, None), "b", 0) == Put(0)
    assert decide(Standing(5, None), "b", 0) == Put(5)


def test_same_document_whose_holidays_come_out_otherwise_is_another() -> None:
    asked = HolidaySet("NL", "", 3)
    one, same, other = (
        Expansion(release, 2026, (Expanded(asked, {date(2026, 4, on): "Koningsdag"}),))
        for release, on in (("1.0", 27), ("1.1", 27), ("1.1", 28))
    )
    assert decide(Standing(7, "a", one), "a", 3, same) == Keep(7)
    assert decide(Standing(7, "a", one), "a", None, other) == Put(7)
    assert decide(Standing(7, "a"), "a", None, other) == Put(7)


def test_stale_revision_is_refused_with_the_one_that_stands() -> None:
    with pytest.raises(Conflict) as refused:
        decide(Standing(7, "a"), "b", 6)
    assert refused.value.current == 7


def test_remarks_name_what_is_probably_not_meant() -> None:
    said = remarks(check(FIRST, ZONES, WheelHolidays(2026)), datetime(2026, 6, 1, tzinfo=UTC))
    assert "queue vip is reached by handoff only" in said


async def test_first_document_is_stored_and_announced(desk: Desk) -> None:
    applied = await desk.handler.apply(RUTH, FIRST, expected=0)
    assert (applied.config.revision, desk.announced) == (1, ["demo"])
    given = await desk.handler.get(RUTH)
    assert (given.yaml, given.revision, given.applied_by) == (FIRST, 1, "ruth")
    assert given.policy_version == applied.config.policy_version


async def test_applying_twice_is_applying_once(desk: Desk) -> None:
    first = await desk.handler.apply(RUTH, FIRST, expected=0)
    again = await desk.handler.apply(RUTH, FIRST, expected=0)
    assert again.config.revision == first.config.revision
    assert desk.announced == ["demo"]


async def test_dry_run_checks_and_stores_nothing(desk: Desk) -> None:
    applied = await desk.handler.apply(RUTH, FIRST, dry_run=True)
    assert applied.config.revision == 0
    with pytest.raises(Missing):
        await desk.handler.get(RUTH)
    with pytest.raises(Invalid):
        await desk.handler.apply(RUTH, BROKEN, dry_run=True)


async def test_refused_document_leaves_what_stands(desk: Desk) -> None:
    await desk.handler.apply(RUTH, FIRST)
    with pytest.raises(Invalid) as refused:
        await desk.handler.apply(RUTH, BROKEN)
    assert refused.value.problems[0].field == "queues[1].skills.orders"
    assert (await desk.handler.get(RUTH)).yaml == FIRST


async def test_what_the_linter_calls_an_error_is_not_applied_but_runs_where_it_stands(
    desk: Desk,
) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.handler.apply(RUTH, TOO_DEAR)
    assert refused.value.problems[0].field == "channels[0].cost"
    assert refused.value.problems[0].sentence.startswith("line ")
    stored = pack(Stored(TOO_DEAR, LoopClock().now(), "ruth"))
    await desk.table.put(config_key("demo"), stored, expected=0)
    assert (await ConfigCache(desk.table, ZONES).of("demo")).channels["voice"].cost == 4


async def test_a_forecast_comes_back_as_it_was_applied(desk: Desk) -> None:
    more = FIRST.replace("per_hour: 120", "per_hour: 9999", 1)
    before = await desk.handler.apply(RUTH, FIRST)
    after = await desk.handler.apply(RUTH, more)
    assert after.config.forecast.contacts[0].per_hour == 9_999
    assert after.config.digest != before.config.digest
    given = await desk.handler.get(RUTH)
    assert (given.yaml, given.policy_version) == (more, after.config.policy_version)


async def test_stale_writer_is_refused(desk: Desk) -> None:
    await desk.handler.apply(RUTH, FIRST)
    with pytest.raises(Conflict):
        await desk.handler.apply(RUTH, SECOND, expected=0)
    assert (await desk.handler.apply(RUTH, SECOND, expected=1)).config.revision == 2


async def test_two_writers_at_once_both_get_through_when_neither_minds(desk: Desk) -> None:
    first, second = await asyncio.gather(
        desk.handler.apply(RUTH, FIRST), desk.handler.apply(RUTH, SECOND)
    )
    assert {first.config.revision, second.config.revision} == {1, 2}


async def test_tenants_see_only_their_own(desk: Desk) -> None:
    await desk.handler.apply(RUTH, FIRST)
    with pytest.raises(Missing):
        await desk.handler.get(OTHER)


async def test_revision_that_is_not_kept_is_missing(desk: Desk) -> None:
    await desk.handler.apply(RUTH, FIRST)
    await desk.handler.apply(RUTH, SECOND)
    with pytest.raises(Missing):
        await desk.handler.get(RUTH, 1)
    assert (await desk.handler.get(RUTH, 2)).yaml == SECOND


async def test_unreadable_document_can_be_replaced(desk: Desk) -> None:
    await desk.table.put(config_key("demo"), b"from the future", expected=0)
    assert (await desk.handler.apply(RUTH, FIRST)).config.revision == 2


class NextRelease(WheelHolidays):
    """A later release of the library, by which King's Day is a day later."""

    @property
    def release(self) -> str:
        return "99.0"

    def days(self, asked: HolidaySet) -> dict[date, str] | None:
        return {date(2026, 4, 28): "Koningsdag"}


async def test_later_release_of_the_holidays_changes_nothing_until_somebody_applies(
    desk: Desk,
) -> None:
    kings_day, day_after = date(2026, 4, 27), date(2026, 4, 28)
    first = (await desk.handler.apply(RUTH, FIRST)).config
    later = Handler(desk.table, ZONES, LoopClock(), desk.announce, NextRelease)
    standing = await ConfigCache(desk.table, ZONES).of("demo")
    assert standing.calendars["office"].holidays[kings_day] == "Koningsdag"
    assert (standing.digest, standing.calendar_version) == (first.digest, first.calendar_version)
    assert (await later.get(RUTH)).policy_version == first.policy_version

    again = (await later.apply(RUTH, FIRST)).config
    assert (again.revision, again.digest == first.digest) == (2, False)
    assert again.calendar_version.endswith("-holidays-99.0")
    standing = await ConfigCache(desk.table, ZONES).of("demo")
    assert list(standing.calendars["office"].holidays) == [day_after]
    assert standing.calendar_version == again.calendar_version
    assert (await later.apply(RUTH, FIRST, expected=0)).config.revision == 2


async def test_metrics_say_when_the_first_calendar_knows_of_no_more_holidays(desk: Desk) -> None:
    cache, meter = ConfigCache(desk.table, ZONES), Meter()
    cache.on_change(HolidaysEnd(meter).hear)
    await desk.handler.apply(OTHER, json.dumps(plain_desk()))
    await cache.of("other")
    assert b"toldonce_holidays_end_seconds +Inf" in meter.page()
    await desk.handler.apply(RUTH, FIRST)
    await cache.of("demo")
    end = datetime(2028, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    (said,) = [line for line in meter.page().splitlines() if line.startswith(b"toldonce_holidays")]
    assert float(said.split()[1]) == end.timestamp()


async def test_applying_again_in_another_year_reaches_further(desk: Desk) -> None:
    await desk.handler.apply(RUTH, FIRST)
    next_year = Handler(
        desk.table, ZONES, LoopClock(datetime(2027, 1, 2, tzinfo=UTC)), desk.announce
    )
    applied = (await next_year.apply(RUTH, FIRST)).config
    assert applied.revision == 2
    office = applied.calendars["office"]
    assert (min(office.holidays).year, office.holidays_until) == (2026, date(2029, 12, 31))


async def seen(cache: ConfigCache, revision: int) -> Config:
    """Wait, on the loop's own time, until a revision is in force."""
    async with asyncio.timeout(60):
        while True:
            config = cache.known("demo")
            if config is not None and config.revision == revision:
                return config
            await asyncio.sleep(0.01)


async def test_cache_reads_on_the_first_question_and_on_a_hint(desk: Desk) -> None:
    cache = ConfigCache(desk.table, ZONES, check_s=3600)
    changes: list[str] = []
    cache.on_change(lambda tenant, config: changes.append(f"{tenant} {config.revision}"))
    with pytest.raises(Missing):
        await cache.of("demo")
    await desk.handler.apply(RUTH, FIRST)
    assert (await cache.of("demo")).revision == 1
    task = asyncio.create_task(cache.run())
    await desk.handler.apply(RUTH, SECOND)
    cache.hear("confighint.demo", b"")
    assert (await seen(cache, 2)).policies["standard"].prefer_owner_s == 4
    assert changes == ["demo 1", "demo 2"]
    task.cancel()


async def test_cache_notices_a_change_without_a_hint(desk: Desk) -> None:
    cache = ConfigCache(desk.table, ZONES, check_s=0.01)
    await desk.handler.apply(RUTH, FIRST)
    await cache.of("demo")
    task = asyncio.create_task(cache.run())
    desk.table.down = True
    await asyncio.sleep(0.05)
    desk.table.down = False
    await desk.handler.apply(RUTH, SECOND)
    assert await seen(cache, 2)
    task.cancel()


async def test_cache_keeps_what_is_in_force_when_the_stored_one_cannot_be_read(desk: Desk) -> None:
    cache = ConfigCache(desk.table, ZONES)
    await desk.handler.apply(RUTH, FIRST)
    await cache.of("demo")
    await desk.table.put(config_key("demo"), b"from the future", expected=None)
    assert (await cache.refresh("demo")).revision == 1
    with pytest.raises(Unavailable):
        await ConfigCache(desk.table, ZONES).of("demo")
