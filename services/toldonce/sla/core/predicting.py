"""Who will be late although their time is not nearly over: the line is longer than it. Pure.

The engine says how long a contact that came now would wait (ADR 20). Who stands nearer to the front
waits for fewer takings, and the mean of a wait is the place times the time between two takings: of
the newcomer's wait they have the part that their place is of the newcomer's. The time in which an
offer is answered is in that figure once, whatever the place: so what is said is rather too short.

It is the middle of the band that is held against the clock: half of such waits end later. The upper
end would call at risk what comes in time in nine of ten cases, and a list of false alarms is not
read; the lower end would come when it is too late to do anything.
"""

from collections.abc import Mapping
from typing import NamedTuple

from toldonce.kernel.calendar import Calendar, add_business_us
from toldonce.kernel.clocks import ClockKind
from toldonce.sla.core.dues import Due, Looming
from toldonce.sla.core.horizon import Horizon

CASES_MAX = 1_000  # of a line at a time, those first due
_TENTHS = 10
_STAYS = 11  # a prediction stands until the wait falls this many tenths of it short


class Outlook(NamedTuple):
    """What the engine said of a line: the place of a contact that came now, and its wait.

    The wait is the middle of the band, in open time of the queue.
    """

    place: int
    wait_us: int


class Prediction(NamedTuple):
    """A clock that will be breached by what is known of the line.

    `expected_us` is when an agent is expected to have the case, `place` where it stands.
    """

    due: Due
    expected_us: int
    place: int

    @property
    def kind(self) -> ClockKind:
        """Say which clock."""
        return self.due.kind


def predict(
    horizon: Horizon,
    line: str,
    outlook: Outlook,
    *,
    calendar: Calendar,
    now_us: int,
    before: Mapping[str, Prediction],
) -> dict[str, Prediction]:
    """Say of whom in a line a clock will be breached, by case; of each the clock first due.

    `calendar` has the queue's opening hours. Who was predicted `before` stays so while it is near.
    """
    if outlook.place < 1:
        return {}
    latest_us = add_business_us(calendar, now_us, outlook.wait_us * _STAYS // _TENTHS)
    found: dict[str, Prediction] = {}
    for one, due_us in horizon.awaited(line, now_us, latest_us, CASES_MAX):
        case_id = one.case_id
        if case_id in found:
            continue
        place = horizon.place(one)
        wait_us = outlook.wait_us * min(place, outlook.place) // outlook.place
        held_us = wait_us * _STAYS // _TENTHS if case_id in before else wait_us
        if add_business_us(calendar, now_us, held_us) > due_us:
            expected_us = add_business_us(calendar, now_us, wait_us)
            found[case_id] = Prediction(_clock(one, due_us), expected_us, place)
    return found


def _clock(one: Looming, due_us: int) -> Due:
    return next(due for due in one.awaited if due.at_us == due_us)
