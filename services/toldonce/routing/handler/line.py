"""The line of one queue: how often somebody is taken from it, and what is said to who joins it.

Who is in line counts with cases of their priority and above. What is on offer stands in no line; a
case that is on offer within SOON_S of its coming never did, and what is said of such is learned
apart. All times are those in which the queue is open.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from toldonce.kernel.calendar import ALWAYS, Calendar, business_time_between, is_open
from toldonce.routing.core.expecting import Band, Outlook, Scores

SOON_S = 0.25
JUDGED_MAX = 200
TAKINGS_MIN = 8
TAKINGS_KEPT = 63  # as many as a mean with the weight below is worth: 2 / weight - 1
_SOON = timedelta(seconds=SOON_S)
_TAKING_WEIGHT = 1.0 / 32
_ANSWER_WEIGHT = 1.0 / 16


@dataclass(frozen=True, slots=True)
class Judged:
    """A wait that an owner ended, and the band that was said when it began, if any was known."""

    queue: str
    wait_s: float
    said: Band | None

    @property
    def place(self) -> str:
        """Say where it lay: `inside` the band, `below`, `above`, or `unsaid`."""
        if self.said is None:
            return "unsaid"
        if self.wait_s < self.said.low_s:
            return "below"
        return "above" if self.wait_s > self.said.high_s else "inside"

    @property
    def error_s(self) -> float:
        """How far the estimate was off, in seconds; 0 where none was said."""
        return 0.0 if self.said is None else abs(self.wait_s - self.said.estimate_s)


class Right:
    """How right what was said of a queue was, of the last JUDGED_MAX waits that were judged."""

    def __init__(self) -> None:
        """Nothing was judged yet."""
        self._last: deque[Judged] = deque(maxlen=JUDGED_MAX)

    def see(self, one: Judged) -> None:
        """Take in one more."""
        self._last.append(one)

    @property
    def judged(self) -> int:
        """How many there are."""
        return len(self._last)

    @property
    def held(self) -> int:
        """How many of them lay inside their band."""
        return sum(one.place == "inside" for one in self._last)

    @property
    def error_s(self) -> float:
        """The mean absolute error of the estimates, seconds; 0 of none."""
        return sum(one.error_s for one in self._last) / max(1, len(self._last))


class Wait:
    """A case that waits: since when, whether it stands in line, and what was said."""

    __slots__ = ("asked_at", "line", "outlook", "priority", "said", "scores", "since", "standing")

    def __init__(self, line: "Line", priority: int, since: datetime) -> None:
        """Begin; nothing was said."""
        self.line = line
        self.priority = priority
        self.since = since
        self.standing = False
        self.asked_at: datetime | None = None
        self.scores: Scores | None = None
        self.outlook: Outlook | None = None
        self.said: Band | None = None

    def say(self, place: int, at: datetime) -> None:
        """Note what is said of a place, and where it is learned how right that was."""
        line = self.line
        if is_open(line.calendar, at):
            self.scores = line.scores(place)
            self.outlook = line.outlook(place)
            self.said = None if self.outlook is None else self.scores.band(self.outlook)

    def see(self, at: datetime, *, on_offer: bool) -> None:
        """Let it leave the line while it is on offer."""
        if on_offer and self.standing:
            at_once = self.asked_at is None and at - self.since < _SOON
            self.line.leave(self, at, taken=True)
            self.asked_at = at
            if at_once and self.scores is not None:
                self.say(0, at)
        elif not on_offer and not self.standing:
            self.line.enter(self, at)

    def end(self, at: datetime, *, served: bool) -> Judged | None:
        """End it; what is to be judged of it when an owner did, and it was listened to."""
        line = self.line
        if self.standing:
            line.leave(self, at, taken=served)
        elif served and self.asked_at is not None:
            line.answered(line.open_s(self.asked_at, at))
        if self.scores is None:
            return None
        wait_s = line.open_s(self.since, at)
        if self.outlook is not None:
            self.scores.add(self.outlook.score(wait_s), served=served)
        if not served:
            return None
        judged = Judged(line.queue, wait_s, self.said)
        if self.said is not None:
            line.right.see(judged)
        return judged


class Line:
    """One queue's."""

    def __init__(self, queue: str, calendar: Calendar = ALWAYS) -> None:
        """Begin with nobody in it, and nothing known."""
        self.queue = queue
        self.calendar = calendar
        self.right = Right()
        self._stood, self._prompt = Scores(), Scores()
        self._standing: dict[int, int] = {}  # how many of each priority
        self.count = 0
        self._busy_at: datetime | None = None  # since when the next taking is waited for
        self._busy_s = self._takings = 0.0
        self._seen = 0
        self._answer_s: float | None = None

    def clear(self) -> None:
        """Let everybody go; what was learned stays."""
        self._standing.clear()
        self.count, self._busy_at = 0, None

    def outlook(self, place: int) -> Outlook | None:
        """Say what the law says of a place (0: on offer at once); None while it is not known."""
        if not place:
            return None if self._answer_s is None else Outlook(self._answer_s, 1)
        if self._takings < TAKINGS_MIN:
            return None
        mean_s = place * self._busy_s / self._takings + (self._answer_s or 0.0)
        return Outlook(mean_s, 1.0 / (1.0 / place + 1.0 / min(self._seen, TAKINGS_KEPT)))

    def scores(self, place: int) -> Scores:
        """Give what was learned of such places."""
        return self._stood if place else self._prompt

    def place(self, priority: int) -> int:
        """Say which place the last who came with a priority has."""
        return sum(count for other, count in self._standing.items() if other >= priority)

    def enter(self, wait: Wait, at: datetime, *, heard: bool = True) -> None:
        """Let one stand in line; not `heard`: it may have been there for long."""
        wait.standing = True
        self._standing[wait.priority] = self._standing.get(wait.priority, 0) + 1
        self.count += 1
        if self.count == 1:
            self._busy_at = at if heard else None

    def leave(self, wait: Wait, at: datetime, *, taken: bool) -> None:
        """Let one go; one that stood there and was taken tells how often that happens."""
        wait.standing = False
        self.count -= 1
        left = self._standing[wait.priority] = self._standing[wait.priority] - 1
        if not left:
            del self._standing[wait.priority]
        stood = at - wait.since >= _SOON
        if self._busy_at is not None and stood and (taken or not self.count):
            keep = 1.0 - _TAKING_WEIGHT if taken else 1.0
            self._busy_s = keep * self._busy_s + self.open_s(self._busy_at, at)
            self._takings = keep * self._takings + taken
            self._seen += taken
        if not self.count:
            self._busy_at = None
        elif taken and stood:
            self._busy_at = at

    def answered(self, took_s: float) -> None:
        """Learn how long an offer took until it was accepted."""
        known = took_s if self._answer_s is None else self._answer_s
        self._answer_s = known + _ANSWER_WEIGHT * (took_s - known)

    def open_s(self, since: datetime, at: datetime) -> float:
        """Count the seconds between two instants in which the queue is open."""
        return business_time_between(self.calendar, since, at)
