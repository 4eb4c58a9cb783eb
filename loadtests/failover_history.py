"""What the log says of a failover, read as it grows and held against the promises.

Who owned what is worked out by the chronicle of the demo, which asks no service; beside it stand
the offers, by the engine that made them, and the units that each agent holds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from toldonce.cli.company.chronicle import Chronicle
from toldonce.kernel.config import Config
from toldonce.kernel.story.events import Offered
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import Case
from toldonce.runtime.envelope import decode_logged
from toldonce.runtime.log import Log, Stored

LIVE_MAX = 1  # offers of a case at a time: the policy has no rounds


@dataclass(slots=True)
class History:
    """The log so far; every channel of `config` costs one unit."""

    config: Config
    told: Chronicle = field(init=False)
    stored: list[Stored] = field(default_factory=list)
    newest: int = 0  # the highest engine epoch under which an offer was made
    first_at: dict[int, datetime] = field(default_factory=dict)  # its first offer
    offers: int = 0
    stale: int = 0  # offers of an engine after one of its successor's
    doubled: int = 0  # a case on offer to two at once
    over: int = 0  # an agent offered or given more than they can hold
    _held: dict[str, list[str]] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Begin with nothing told."""
        self.told = Chronicle(self.config)

    async def follow(self, log: Log) -> None:
        """Read the log, for ever."""
        async with aclosing(log.tail(after=0)) as batches:
            async for batch in batches:
                for stored in batch:
                    self.stored.append(stored)
                    self._take(decode_logged(stored.payload, stored.sequence))
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()

    async def until(self, so: Callable[[], bool], within_s: float) -> bool:
        """Wait until the log says so; tells whether it did in time."""
        try:
            async with asyncio.timeout(within_s):
                while not so():
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def open(self, cases: Iterable[str]) -> int:
        """Count those of these cases that are unknown to the log or have not ended."""
        told = self.told.cases
        return sum(case_id not in told or not told[case_id].ended for case_id in cases)

    def faults(self, acknowledged: Iterable[str], cases: Iterable[str]) -> dict[str, int]:
        """Count what must not be: all of it is 0 when every promise was kept.

        `acknowledged` are contacts and `cases` those they went to, as the gateway heard.
        """
        told = self.told
        return {
            "contacts_lost": sum(contact not in told.contacts for contact in acknowledged),
            "contacts_doubled": sum(len(taken) > 1 for taken in told.contacts.values()),
            "cases_unserved": self.open(cases),
            "offers_doubled": self.doubled,
            "offers_stale": self.stale,
            "owned_twice": sum(case.two_owners for case in told.cases.values()),
            "epochs_back": told.epochs_back,
            "over_capacity": self.over,
            "heads_unlike_fold": told.heads_differ,
        }

    def _take(self, logged: Logged) -> None:
        self.told.take(logged)
        record = logged.record
        for who in self._held.pop(record.customer, ()):
            self._used[who] -= 1
        held = [who for case in record.head.cases for who in _holders(case)]
        self._used.update(held)
        if held:
            self._held[record.customer] = held
        self.doubled += any(len(case.offers) > LIVE_MAX for case in record.head.cases)
        for event in record.events:
            if isinstance(event, Offered):
                self._offered(event.agent, record.engine_epoch, record.at)

    def _offered(self, agent: str, epoch: int, at: datetime) -> None:
        self.offers += 1
        self.stale += epoch < self.newest
        self.newest = max(self.newest, epoch)
        self.first_at.setdefault(epoch, at)
        self.over += self._used[agent] > self.config.agents[agent].capacity_units


def _holders(case: Case) -> list[str]:
    return [*([case.owner] if case.owner else ()), *(offer.agent for offer in case.offers)]
