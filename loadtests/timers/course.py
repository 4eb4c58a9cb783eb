"""How matters come in the run over a real log, and what that log says of them as it grows."""

from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from loadtests.timers.due import due_by
from loadtests.timers.judge import Judge, TimerKey
from toldonce.kernel.config import Config
from toldonce.kernel.story.events import CaseOpened
from toldonce.kernel.story.record import Record
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.log import Log

QUEUE = "orders"
CLOCKS = 2
PER_S = 150.0
FIRST_S = 5.0  # at least so long until the first breach
EVER = datetime.max.replace(tzinfo=UTC)
_DOCUMENT = """\
version: 1
tenant: Load
languages: [en]
skills: [help]
channels: [{{name: chat, kind: chat, cost: 1, queue: {queue}}}]
topics: [{{name: order, queue: {queue}, words: {{en: [order]}}}}]
queues: [{{name: {queue}, calendar: always, sla: soon, dispositions: [answered]}}]
sla:
  - name: soon
    targets: {{queue_wait_s: {wait_s}, first_response_s: {answer_s}}}
    warn_fraction: 0.5
    on_breach: {{raise_priority_by: 100}}
agents:
  - {{name: anna, capacity_units: 8, languages: {{en: 5}}, skills: {{help: 5}}}}
"""


@dataclass(frozen=True, slots=True)
class Course:
    """How the matters come, and when their clocks run out."""

    breaches: int

    @property
    def matters(self) -> int:
        """Each has as many breaches as clocks."""
        return max(1, self.breaches // CLOCKS)

    @property
    def spread_s(self) -> float:
        """How long they come."""
        return self.matters / PER_S

    @property
    def wait_s(self) -> int:
        """After how long the first of the two clocks runs out."""
        return ceil(FIRST_S + self.spread_s / 2)

    @property
    def answer_s(self) -> int:
        """And the second."""
        return ceil(FIRST_S + self.spread_s)

    def document(self) -> str:
        """Write the policy."""
        return _DOCUMENT.format(queue=QUEUE, wait_s=self.wait_s, answer_s=self.answer_s)


@dataclass(slots=True)
class Follower:
    """Reads the log as it grows: what is to be recorded of each new matter, and what was."""

    config: Config
    awaited: dict[TimerKey, datetime] = field(default_factory=dict)
    appends: int = 0
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        """Judge by what is awaited, as that grows."""
        self.judge = Judge(self.awaited)

    async def follow(self, log: Log) -> None:
        """Read for ever."""
        async with aclosing(log.tail(after=0)) as batches:
            async for batch in batches:
                for stored in batch:
                    record = decode_logged(stored.payload, stored.sequence).record
                    self.appends += 1
                    for event in record.events:
                        if isinstance(event, CaseOpened):
                            self._await(record, event.case)
                    self.judge.take(record)

    def _await(self, record: Record, own: str) -> None:
        case = record.head.case(own)
        for due in due_by(case, self.config, EVER) if case is not None else ():
            self.awaited[record.customer, due.own] = due.at

    def customers_left(self) -> int:
        """Count the customers of whom something is to be recorded yet."""
        return len({key[0] for key in self.awaited.keys() - self.judge.recorded.keys()})
