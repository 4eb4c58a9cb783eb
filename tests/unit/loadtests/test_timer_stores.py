"""The comparison of the stores of timers sees what a store does wrong, and is told as promised."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from loadtests import __main__ as command
from loadtests.timer_stores import MARGIN_S, Size, _fired, _plan, told
from toldonce.runtime.clock import SystemClock
from toldonce.runtime.testing.store import FakeStore
from toldonce.sla.handler import Claim, Leased, Plan, RedisTimers, Settled, TimerStore

SIZE = Size(fired=40, fired_per_s=4_000)
REPORT = {
    "timers": 1_000,
    "stories": 500,
    "write_per_s": 900,
    "redis": {"arm_per_s": 70_000, "lost": 0},
    "jetstream": {"arm_per_s": 400, "lost": 0},
}


class Wrong:
    """A store that hands out every timer twice, keeps one to itself, or does not wait."""

    def __init__(self, fault: str, margin_s: float = MARGIN_S) -> None:
        self._fault = fault
        self._real = RedisTimers(FakeStore(clock=SystemClock()), "one", margin_s=margin_s)
        self._kept = ""

    async def begin(self) -> str:
        return await self._real.begin()

    async def plan(self, plans: Sequence[Plan]) -> int:
        return await self._real.plan(plans)

    async def claim(self, limit_max: int) -> Claim:
        claim = await self._real.claim(limit_max)
        leased: list[Leased] = list(claim.leased)
        if self._fault == "doubled":
            leased *= 2
        if self._fault == "lost" and leased:
            self._kept = self._kept or leased[0].own
            leased = [one for one in leased if one.own != self._kept]
        return Claim(tuple(leased), claim.now, claim.next_at)

    async def settle(self, ends: Sequence[Settled]) -> int:
        return await self._real.settle(ends)


async def fired(timers: TimerStore) -> dict[str, float]:
    await timers.begin()
    return await _fired(timers, SIZE, first_story=0, start_s=0.05, lost_after_s=1.0)


async def test_a_right_store_loses_hastens_and_doubles_nothing():
    found = await fired(Wrong("none"))
    assert (found["fired"], found["lost"], found["early"], found["doubled"]) == (40, 0, 0, 0)
    assert MARGIN_S <= found["late_p50_s"] <= found["late_p99_s"] <= found["late_max_s"]


@pytest.mark.parametrize("fault", ["lost", "doubled", "early"])
async def test_a_wrong_store_is_caught(fault):
    found = await fired(Wrong(fault, margin_s=0.0 if fault == "early" else MARGIN_S))
    assert found[fault] > 0


def test_no_two_timers_of_a_measurement_have_the_same_instant():
    at = SystemClock().now()
    plans = [_plan(number, 1, at) for number in range(500)]
    instants = {fires_at for plan in plans for _, fires_at in plan.timers}
    assert len(instants) == len({own for plan in plans for own, _ in plan.timers}) == 1_000
    moved = _plan(3, 2, at, later_s=60)
    assert moved.timers[0][1] - plans[3].timers[0][1] == timedelta(seconds=60)
    assert moved.timers[1] == plans[3].timers[1]


def test_the_report_is_told_side_by_side_and_as_json(monkeypatch, tmp_path, capsys):
    async def measured(*_):
        return REPORT

    monkeypatch.setattr(command.timer_stores, "measure", measured)
    assert command.main(["timer-stores", "--json", str(tmp_path / "report.json")]) == 0
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT
    said = capsys.readouterr().out
    assert said == told(REPORT)
    assert "arm_per_s             70,000         400" in said
