"""The benchmark of the timers runs, small: real processes, kills, a wipe, and the log is right."""

import asyncio

import pytest

from loadtests.timers.run import timers
from loadtests.timers.window import Size

pytestmark = pytest.mark.timeout(100)


def test_small_run_loses_nothing_fires_nothing_early_and_nothing_twice():
    said: list[str] = []
    report = asyncio.run(timers(Size(count=1_000, replicas=2, durable=20), said.append))
    assert (report["fired"], report["fired_durable"]) == (100, 20)
    assert (report["lost"], report["early"], report["duplicated"]) == (0, 0, 0)
    durable = report["durable"]
    assert (durable["lost"], durable["early"], durable["duplicated"]) == (0, 0, 0)
    assert [fault["what"] for fault in report["faults"]] == ["kill sla-0", "wipe", "kill sla-1"]
    assert report["rebuild_s"] > 0
    assert report["armed_per_s"] > 0
    assert any("was killed" in sentence for sentence in said)
