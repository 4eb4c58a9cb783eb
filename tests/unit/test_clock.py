"""The clocks a service is given."""

import asyncio
from datetime import UTC, datetime, timedelta

import looptime
import pytest

from toldonce.runtime.clock import LoopClock, SystemClock


def test_the_system_clock_says_aware_utc_and_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.looptime
async def test_the_loop_clock_goes_with_the_loop_and_can_be_wrong() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    clock = LoopClock(start)
    assert clock.now() == start
    before = clock.monotonic()
    await asyncio.sleep(3600)
    assert clock.now() == start + timedelta(hours=1)
    assert clock.monotonic() - before == pytest.approx(3600)
    clock.skew_s = -2
    assert clock.now() == start + timedelta(seconds=3598)
    assert isinstance(asyncio.get_running_loop(), looptime.LoopTimeEventLoop)
