"""Clocks and calendars against the oracle that counts minutes: 20 000 drawn cases agree."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from tests.property.clock_cases import (
    CHANGING,
    LOOKED_AT,
    OTHERS,
    SEED,
    Case,
    drawn,
    kernel_facts,
    kernel_week,
    kinds,
    walls_of,
)
from tests.property.minutes import DAY, Reading, Wall
from toldonce.kernel import calendar as kernel_calendar
from toldonce.kernel.calendar import (
    add_business_time,
    business_time_between,
    is_open,
    next_closed,
    next_open,
)
from toldonce.kernel.clocks import ClockKind, Target, clock
from toldonce.runtime.zones import WheelZones

CASES = 20_000
FEW = 400
EACH_MIN = 20  # of every kind that a change of the clocks makes, in each zone
KINDS_MIN = 100
CHANGE_KINDS = ("starts on a day of change", "straddles a change", "counts across a change")
KINDS = (
    "counts across midnight",
    "lunch or several intervals",
    "on an exception",
    "always",
    "pauses overlap",
    "pauses unordered",
    "pause open",
    "never due",
    "stopped",
    "stopped later than now",
    "cancelled",
    "not begun",
    *(f"state {s}" for s in ("RUNNING", "PAUSED", "WARNED", "BREACHED", "MET", "CANCELLED")),
)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def walls() -> dict[str, Wall]:
    return walls_of((*CHANGING, *OTHERS))


@pytest.mark.timeout(300)
def test_kernel_agrees_with_every_minute_of_20_000_cases(walls: dict[str, Wall]) -> None:
    seen, too_short = Counter[str](), 0
    for number in range(CASES):
        case, oracle, again = drawn(number, walls)
        too_short += again
        assert told(case) == oracle, f"seed {SEED}, case {number}: {case}"
        seen.update(kinds(case))
    for line in report(seen, too_short):
        print(line)  # noqa: T201 - the figures this test is for
    for zone in CHANGING:
        for kind in CHANGE_KINDS:
            for change in ("gap", "fold"):
                assert seen[f"{zone}: {kind} ({change})"] >= EACH_MIN, (zone, kind, change)
    for kind in KINDS:
        assert seen[kind] >= KINDS_MIN, kind
    assert too_short < CASES // 100


@pytest.mark.parametrize("fault", ["forgets changes", "forgets exceptions", "has longer days"])
def test_oracle_notices_a_kernel_that(
    fault: str, walls: dict[str, Wall], monkeypatch: pytest.MonkeyPatch
) -> None:
    match fault:
        case "forgets changes":
            plain = kernel_calendar._offset_s  # noqa: SLF001 - broken on purpose
            monkeypatch.setattr(
                kernel_calendar,
                "_steady",
                lambda zone, from_s, to_s: [(from_s, to_s, plain(zone, from_s))],
            )
        case "forgets exceptions":
            monkeypatch.setattr(
                kernel_calendar,
                "_hours",
                lambda calendar, day: calendar.weekly[date.fromordinal(day + 719163).weekday()],
            )
        case _:
            monkeypatch.setattr(kernel_calendar, "_DAY_US", kernel_calendar._DAY_US + 60_000_000)  # noqa: SLF001
    cases = [drawn(number, walls) for number in range(FEW)]
    assert any(told(case) != oracle for case, oracle, _ in cases)


def told(case: Case) -> list[object]:
    """Ask the kernel the same."""
    facts, calendar = case.facts, kernel_week(case)
    start, now = case.wall.at(facts.start), case.wall.at(facts.now)
    target = Target(ClockKind.RESOLUTION, case.target_s, case.warn_permille)
    found = clock(target, calendar, kernel_facts(case), now)
    reading = Reading(
        state=found.state.value,
        due_us=_us(case, found.due_at),
        warn_us=_us(case, found.warn_at),
        elapsed_s=int(found.elapsed_s) if found.elapsed_s.is_integer() else -1,
        remaining_s=int(found.remaining_s) if found.remaining_s.is_integer() else -1,
        ended=found.ended,
    )
    closed = next_closed(calendar, start)
    return [
        reading,
        is_open(calendar, start),
        next_open(calendar, start),
        closed if closed is None or closed < case.wall.at(case.end) else None,
        business_time_between(calendar, start, now),
        add_business_time(calendar, start, case.target_s),
    ]


def report(seen: Counter[str], too_short: int) -> Iterator[str]:
    """Say what was compared."""
    yield (
        f"\n{CASES} cases agree, seed {SEED}, tzdata {WheelZones().version}; "
        f"{too_short} drawn again because {LOOKED_AT[-1] // DAY} days did not reach"
    )
    yield from (f"  {kind}: {count}" for kind, count in sorted(seen.items()))


def _us(case: Case, at: datetime | None) -> int | None:
    return None if at is None else (at - case.wall.first) // MICROSECOND
