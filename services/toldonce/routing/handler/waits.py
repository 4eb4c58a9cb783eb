"""How long work waits, by queue: what is said to who comes now, and how right that was.

Learned from the log by every process that follows it, leading or not: a standby that takes over
says what the last engine said. A process that begins knows nothing until enough waits of a queue
have ended before its eyes (`expecting.KNOWN_MIN`), and says so. No decision rests on it. Each wait
is measured against what would have been said when it began.
"""

from collections.abc import Callable
from datetime import datetime

from toldonce.kernel.calendar import is_open
from toldonce.kernel.config.types import Config
from toldonce.kernel.story.events import OfferAccepted
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Case, Story, TargetKind, WorkState
from toldonce.routing.core.expecting import Band
from toldonce.routing.handler.line import Judged, Line, Right, Wait

WATCHED_MAX = 100_000  # cases; of more nothing is learned
_WAITING = frozenset({WorkState.QUEUED, WorkState.OFFERED})
_NOBODY: frozenset[str] = frozenset()


class Waits:
    """The waits of one tenant."""

    def __init__(self, judged: Callable[[Judged], None] | None = None) -> None:
        """Know nothing yet; `judged` hears of every wait that an owner ended."""
        self._judged = judged
        self._config: Config | None = None
        self._lines: dict[str, Line] = {}
        self._stories: dict[str, dict[str, Wait]] = {}
        self._watched = 0

    def configure(self, config: Config) -> None:
        """Take over the opening hours of the queues."""
        self._config = config
        for line in self._lines.values():
            line.calendar = config.hours_of(line.queue)

    def begin(self) -> None:
        """Forget who waits, but not what was learned: the stories are told anew."""
        self._stories.clear()
        self._watched = 0
        for line in self._lines.values():
            line.clear()

    def stands(self, customer: str, head: Story) -> None:
        """Take in a story as it stands: who waits in it came unheard, and is not measured."""
        if head.at is not None and head.cases:
            self._see(customer, head.cases, head.at, _NOBODY, heard=False)

    def take(self, logged: Logged) -> None:
        """Take in an append."""
        record = logged.record
        if record.head.cases or record.customer in self._stories:
            accepted = frozenset(e.case for e in record.events if isinstance(e, OfferAccepted))
            self._see(record.customer, record.head.cases, record.at, accepted, heard=True)

    def expected(self, queue: str, place: int, now: datetime) -> Band | None:
        """Say how long who has a place in line (0: on offer at once) may wait, in open seconds.

        None while it is not known: too little was seen, or the queue is closed.
        """
        line = self._lines.get(queue)
        if line is None or not is_open(line.calendar, now):
            return None
        outlook = line.outlook(place)
        return None if outlook is None else line.scores(place).band(outlook)

    def standing(self, queue: str) -> int:
        """Say how many stand in line in a queue (of no more than WATCHED_MAX in all)."""
        line = self._lines.get(queue)
        return 0 if line is None else line.count

    def right(self, queue: str) -> Right:
        """Say how right what was said of a queue was lately."""
        line = self._lines.get(queue)
        return Right() if line is None else line.right

    def _see(
        self,
        customer: str,
        cases: tuple[Case, ...],
        at: datetime,
        accepted: frozenset[str],
        *,
        heard: bool,
    ) -> None:
        known = self._stories.pop(customer, None) or {}
        waiting: dict[str, Wait] = {}
        for case in cases:
            queue = _waits_in(case)
            if not queue:
                continue
            wait = known.get(case.own)
            if wait is not None and wait.line.queue == queue:
                del known[case.own]
            elif self._watched < WATCHED_MAX:
                wait = self._enter(queue, case.priority, at, heard=heard)
            else:
                continue
            waiting[case.own] = wait
            wait.see(at, on_offer=bool(case.offers))
        for own, wait in known.items():
            self._watched -= 1
            judged = wait.end(at, served=own in accepted)
            if judged is not None and self._judged is not None:
                self._judged(judged)
        if waiting:
            self._stories[customer] = waiting

    def _enter(self, queue: str, priority: int, at: datetime, *, heard: bool) -> Wait:
        self._watched += 1
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = Line(queue)
            if self._config is not None:
                line.calendar = self._config.hours_of(queue)
        wait = Wait(line, priority, at)
        line.enter(wait, at, heard=heard)
        if heard:
            wait.say(line.place(priority), at)
        return wait


def _waits_in(case: Case) -> str:
    """Name the queue in whose line a case is; "" for none, by appointment or one person only."""
    if case.handoff is not None:
        return "" if case.handoff.target_kind is TargetKind.AGENT else case.handoff.target
    if case.lapse is not None:
        return "" if case.lapse.backup else case.queue
    waits = case.not_before_at is None and not case.owner and case.work in _WAITING
    return case.queue if waits else ""
