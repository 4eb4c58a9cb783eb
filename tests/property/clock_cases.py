"""Drawn cases of clocks, most of them about changes of the clocks, and what kinds each is of."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

import numpy as np
from numpy.typing import NDArray

from tests.property.minutes import (
    DAY,
    Facts,
    Hours,
    Reading,
    TooShort,
    Wall,
    Week,
    counted,
    opened,
    read,
    wall,
)
from toldonce.kernel.calendar import Calendar, Interval
from toldonce.kernel.clocks import ClockFacts, Pause
from toldonce.runtime.zones import WheelZones

SEED = 20260605
FIRST_YEAR, YEARS = 2025, 2
LOOKED_AT = (25 * DAY, 200 * DAY)  # minutes from the start: further where that is too short
CHANGING = ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
OTHERS = ("America/St_Johns", "Antarctica/Troll", "Pacific/Chatham", "UTC")


def walls_of(names: Iterable[str]) -> dict[str, Wall]:
    """Look at the walls of these zones, by the rules that the project reads."""
    zones = {name: WheelZones().zone(name) for name in names}
    return {name: wall(name, zone, FIRST_YEAR, YEARS) for name, zone in zones.items() if zone}


@dataclass(frozen=True)
class Case:
    """One drawn case: what the oracle and the kernel are both asked."""

    number: int
    wall: Wall
    week: Week
    facts: Facts
    target_s: int
    warn_permille: int
    open: NDArray[np.bool_] = field(repr=False)

    @property
    def end(self) -> int:
        """The first place that is not looked at."""
        return self.facts.start + len(self.open)


def kernel_facts(case: Case) -> ClockFacts:
    """Write the facts down as the kernel has them."""
    facts = case.facts
    return ClockFacts(
        started_at=case.wall.at(facts.start),
        pauses=tuple(
            Pause(case.wall.at(begins), None if ends is None else case.wall.at(ends), "drawn")
            for begins, ends in facts.pauses
        ),
        stopped_at=None if facts.stop is None else case.wall.at(facts.stop),
        cancelled=facts.cancelled,
    )


def kernel_week(case: Case) -> Calendar:
    """Write the hours down as the kernel has them."""

    def spans(hours: Hours) -> tuple[Interval, ...]:
        return tuple(Interval(opens * 60, closes * 60) for opens, closes in hours)

    return Calendar(
        name="drawn",
        zone_name=case.wall.zone_name,
        zone=case.wall.zone,
        weekly=tuple(spans(hours) for hours in case.week.weekly),
        exceptions={on: spans(hours) for on, hours in case.week.exceptions.items()},
        always=case.week.always,
    )


def said(case: Case) -> list[object]:
    """Ask the oracle; raises TooShort."""
    facts, open_ = case.facts, case.open
    reading = read(counted(open_, facts), facts, case.target_s, case.warn_permille)
    places, shut = np.flatnonzero(open_), np.flatnonzero(~open_)
    between = 60 * int(np.count_nonzero(open_[: max(0, facts.now - facts.start)]))
    whole, rest = divmod(case.target_s, 60)
    if case.target_s > 60 * len(places) or facts.now >= case.end:
        raise TooShort
    due = facts.start + int(places[whole if rest else whole - 1])
    return [
        reading,
        bool(open_[0]),
        case.wall.at(facts.start + int(places[0])),
        case.wall.at(facts.start + int(shut[0])) if len(shut) else None,
        between,
        case.wall.at(due) + timedelta(seconds=rest or 60),
    ]


def drawn(number: int, walls: dict[str, Wall]) -> tuple[Case, list[object], int]:
    """Draw a case, with what the oracle says, and how often a draw could not be answered."""
    random = Random(f"{SEED}:{number}")  # noqa: S311 - drawn again from its seed
    for again in range(100):
        others = [name for name in OTHERS if name in walls]
        on = walls[random.choice(others if random.random() < 0.15 and others else CHANGING)]
        start = _start(random, on)
        week = _week(random, on.date_of(start))
        reach = int(10 ** random.uniform(1, 4.6))
        target_s = int(10 ** random.uniform(0, 3.7)) * 60
        if random.random() < 0.2:
            target_s = random.randint(1, target_s)
        facts = _facts(random, start, reach)
        permille = random.randint(1, 999)
        for minutes in LOOKED_AT:
            open_ = opened(on, week, start, min(start + minutes, len(on.shown)))
            case = Case(number, on, week, facts, target_s, permille, open_)
            with suppress(TooShort):
                return case, said(case), again
    raise AssertionError("nothing that can be read was drawn")


def _start(random: Random, on: Wall) -> int:
    """Choose where the clock starts, most often near a change of the clocks."""
    changes = on.changes
    earliest, latest = 30 * DAY, len(on.shown) - 60 * DAY
    if not changes or random.random() < 0.25:
        return random.randint(earliest, latest)
    at = random.choice([c for c in changes if earliest < c < latest])
    if random.random() < 0.5:
        return at + random.randint(-180, 900)
    return at - int(10 ** random.uniform(1, 4))


def _facts(random: Random, start: int, reach: int) -> Facts:
    def near() -> int:
        return start + random.randint(-reach // 5, reach)

    pauses: list[tuple[int, int | None]] = []
    for _ in range(random.choice((0, 0, 1, 2, 3, 5))):
        begins = near()
        length = int(10 ** random.uniform(0, 3.3)) if random.random() < 0.9 else 0
        pauses.append((begins, None if random.random() < 0.12 else begins + length))
    stop = max(start, near()) if random.random() < 0.4 else None
    return Facts(start, tuple(pauses), stop, random.random() < 0.4, near())


def _week(random: Random, today: int) -> Week:
    def hours() -> Hours:
        edges = sorted(random.sample(range(DAY + 1), 2 * random.randint(0, 4)))
        return tuple(zip(edges[::2], edges[1::2], strict=True))

    night: Hours = ((0, random.randint(1, 480)), (random.randint(1080, 1439), DAY))
    weekly: tuple[Hours, ...]
    match random.choice(("always", "office", "night", "whole", "small", "any", "any")):
        case "always":
            return Week(((),) * 7, {}, always=True)
        case "office":
            weekly = (*(((540, 720), (780, 1020)),) * 5, (), ())
        case "night":
            weekly = (night,) * 7
        case "whole":
            weekly = tuple(((0, DAY),) if random.random() < 0.7 else () for _ in range(7))
        case "small":
            weekly = (((random.randint(0, 90), random.randint(100, 300)),),) * 7
        case _:
            weekly = tuple(hours() for _ in range(7))
    if not any(weekly):
        weekly = (night,) * 7
    dates = {
        date.fromordinal(today + random.randint(-1, 20)): hours() if random.random() < 0.5 else ()
        for _ in range(random.choice((0, 0, 1, 4)))
    }
    return Week(weekly, dates)


def kinds(case: Case) -> Iterator[str]:
    """Say what kinds of case this is one of."""
    facts, on = case.facts, case.wall
    counts = counted(case.open, facts)
    reading = read(counts, facts, case.target_s, case.warn_permille)
    yield f"zone {on.zone_name}"
    yield f"state {reading.state}"
    due = facts.now if reading.due_us is None else -(-reading.due_us // 60_000_000)
    last = min(max(due, facts.now), case.end - 1)
    shown, within = on.shown, range(facts.start, last)
    for at in on.changes:
        change = "gap" if shown[at] > shown[at - 1] else "fold"
        if on.date_of(facts.start) in {on.date_of(at), on.date_of(at - 1)}:
            yield f"{on.zone_name}: starts on a day of change ({change})"
        if at in within and facts.start < at:
            place = at - facts.start
            yield f"{on.zone_name}: straddles a change ({change})"
            if counts[place - 1] and counts[place]:
                yield f"{on.zone_name}: counts across a change ({change})"
    day = shown[facts.start : last] // DAY
    midnights = np.flatnonzero(np.diff(day)).tolist()
    if any(counts[m] and counts[m + 1] for m in midnights):
        yield "counts across midnight"
    if any(len(hours) > 1 for hours in case.week.weekly):
        yield "lunch or several intervals"
    if {date.fromordinal(int(one)) for one in set(day.tolist())} & case.week.exceptions.keys():
        yield "on an exception"
    if case.week.always:
        yield "always"
    yield from _kinds_of_facts(facts, reading)


def _kinds_of_facts(facts: Facts, reading: Reading) -> Iterator[str]:
    begins = [begin for begin, _ in facts.pauses]
    if begins != sorted(begins):
        yield "pauses unordered"
    pairs = [(a, b) for a in facts.pauses for b in facts.pauses if a is not b and a[0] < b[0]]
    if any(a[1] is None or b[0] < a[1] for a, b in pairs):
        yield "pauses overlap"
    if any(ends is None for _, ends in facts.pauses):
        yield "pause open"
    if reading.due_us is None:
        yield "never due"
    if facts.stop is not None:
        yield "stopped" if facts.stop <= facts.now else "stopped later than now"
    if facts.cancelled:
        yield "cancelled"
    if facts.now < facts.start:
        yield "not begun"
