"""When learned success counts: not all the time and not for all cases, so that it is measured.

Time is cut into intervals; of every two that follow each other one is off, and a seeded hash says
which (a switchback experiment in blocks of two; Bojinov, Simchi-Levi and Zhao 2023). Off or on, a
share of the cases, by a seeded hash of the case, goes by everything else alone: so that nobody is
judged for ever by their first few cases.
"""

from typing import Final

from toldonce.kernel.config.success import Mode, Success
from toldonce.kernel.instants import MINUTE
from toldonce.kernel.story.types import Case
from toldonce.routing.core.rules import tie
from toldonce.routing.core.types import Arm, Draw

_WHOLE: Final = 1_000


def draw(rule: Success, seed: str, case: Case, now_us: int) -> Draw:
    """Say how a case is to be decided at this instant: always the same of the same."""
    if rule.mode is Mode.SHADOW:
        return Draw(Arm.SHADOW, 0)
    interval_us = rule.cycle_minutes * MINUTE
    number = now_us // interval_us if interval_us else 0
    pair_us = number // 2 * 2 * interval_us
    if tie(f"{seed}/explore", case.own) % _WHOLE < rule.explore:
        return Draw(Arm.EXPLORED, pair_us)
    on = not interval_us or (number + tie(f"{seed}/cycle", str(number // 2))) % 2 == 0
    return Draw(Arm.ON if on else Arm.OFF, pair_us)
