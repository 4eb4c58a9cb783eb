"""The simulation itself, as part of every test run: 300 000 steps, and a checker that sees."""

import gc
import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.sim.episode import Mix, Report, run, run_many
from tests.sim.mutants import MUTANTS, try_mutant
from tests.style.tree import ROOT

STEPS = 300_000
PARTS = 10
FIRST_SEED = 20_260_000
SEEDS_APART = 1_000
HANDOFFS_MIN = 10  # of 30 000 steps, over all of them: in one part they are few or many
KINDS = (
    "cut",
    "delay",
    "double",
    "drop",
    "kill",
    "leader_change",
    "lost_ack",
    "pause",
    "reorder",
    "skew",
    "skew_beyond",
    "stop",
    "store_back",
    "wipe",
    "zombie",
)
QUICK = ("epoch not raised", "own write looked for only in the last message")

FAULTS: Counter[str] = Counter()  # of the parts that ran in this process
HANDOFFS: list[int] = []  # of each of them

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("part", range(PARTS))
def test_services_together_keep_their_promises_in_bad_weather(part: int) -> None:
    report = _many(FIRST_SEED + part * SEEDS_APART, STEPS // PARTS)
    assert report.violations == []
    assert report.steps >= STEPS // PARTS
    assert report.acknowledged
    FAULTS.update(report.faults)
    HANDOFFS.append(report.handoffs)


def test_every_kind_of_fault_came_up_in_that_weather() -> None:
    if not FAULTS:
        pytest.skip("no steps were run here before this")
    assert not [kind for kind in KINDS if not FAULTS[kind]]


def test_cases_were_handed_over_often_in_that_weather() -> None:
    if not HANDOFFS:
        pytest.skip("no steps were run here before this")
    assert sum(HANDOFFS) >= HANDOFFS_MIN * len(HANDOFFS), HANDOFFS


def test_same_seed_gives_the_same_history() -> None:
    mix = Mix(steps=1_500)
    first, again = run(7, mix), run(7, mix)
    assert first.digest == again.digest
    assert (first.steps, first.operations) == (again.steps, again.operations)


@pytest.mark.parametrize("name", QUICK)
def test_checker_sees_a_fault_put_in_on_purpose(name: str) -> None:
    assert name in {mutant.name for mutant in MUTANTS}
    assert try_mutant(name)["caught_by"]


def test_there_is_a_mutant_for_every_fault_the_checker_must_see() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 18


def test_each_mutant_names_the_check_that_must_see_it() -> None:
    assert not [mutant.name for mutant in MUTANTS if not mutant.seen_as]


def _many(seed: int, steps: int) -> Report:
    """Run without the collector, which walks a whole house's objects again and again."""
    assert os.environ.get("PYTHONHASHSEED") != "random"
    gc.disable()
    try:
        return run_many(seed, steps)
    finally:
        gc.enable()
        gc.collect()


_APPLY = """
import contextlib
from tests.sim.mutants import MUTANTS
for mutant in MUTANTS:
    with contextlib.ExitStack() as stack:
        for patch in mutant.patches():
            stack.enter_context(patch)
"""


def test_each_mutant_still_finds_what_it_changes() -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _APPLY],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "services")))},
    )
    assert done.returncode == 0, done.stderr[-2000:]
