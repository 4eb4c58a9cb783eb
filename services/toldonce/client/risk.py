"""Who is at risk, as whoever watches sees it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from toldonce.api.sla.v1 import sla_pb2
from toldonce.client.channel import Client
from toldonce.client.retry import PAUSE_MAX_S, TRIES_MAX
from toldonce.client.seen import CaseSeen, case_seen, instant, word
from toldonce.kernel.errors import Unavailable


@dataclass(frozen=True, slots=True)
class BreachSeen:
    """A breach that was predicted: of which clock, and when an agent is expected to come."""

    kind: str
    due_at: datetime | None
    expected_at: datetime | None
    position: int
    source: str


@dataclass(frozen=True, slots=True)
class RiskSeen:
    """A case at risk, and the clock that says so as it was `read_at`."""

    case: CaseSeen
    kind: str
    state: str
    due_at: datetime | None
    read_at: datetime | None
    commitment_id: str
    predicted: BreachSeen | None


@dataclass(frozen=True, slots=True)
class RiskGone:
    """A case that is no longer at risk."""

    case_id: str
    queue: str


@dataclass(frozen=True, slots=True)
class RiskListed:
    """All was told: `cases` are at risk. `behind`: single changes had been passed over."""

    cases: int
    behind: bool


@dataclass(frozen=True, slots=True)
class RiskAnew:
    """A stream begins, the first or another: forget what was told."""


type RiskNews = RiskSeen | RiskGone | RiskListed | RiskAnew


async def watch_risk(
    client: Client, *, within_s: int = 0, queue: str = ""
) -> AsyncGenerator[RiskNews]:
    """Follow for ever who is at risk; comes back by itself when a server goes away.

    Raises what is refused, and Unavailable after several tries in which nothing was told.
    """
    request = sla_pb2.WatchAtRiskRequest(within_s=within_s, queue=queue)
    left = TRIES_MAX
    while True:
        try:
            yield RiskAnew()
            async for told in client.sla.WatchAtRisk(request):
                left = TRIES_MAX
                yield news_of(told)
        except Unavailable as later:
            left -= 1
            if not left:
                raise
            await asyncio.sleep(min(later.retry_s, PAUSE_MAX_S))


def news_of(told: sla_pb2.WatchAtRiskResponse) -> RiskNews:
    """Read what was told."""
    if told.HasField("listed"):
        return RiskListed(told.listed.at_risk_cases, told.listed.behind)
    if told.gone:
        return RiskGone(told.case.case_id, told.case.queue)
    return RiskSeen(
        case=case_seen(told.case),
        kind=word(told.clock, "kind"),
        state=word(told.clock, "state"),
        due_at=instant(told.clock.due_at),
        read_at=instant(told.read_at),
        commitment_id=told.clock.commitment_id,
        predicted=_breach(told.predicted) if told.HasField("predicted") else None,
    )


def _breach(told: sla_pb2.PredictedBreach) -> BreachSeen:
    return BreachSeen(
        kind=word(told, "kind"),
        due_at=instant(told.due_at),
        expected_at=instant(told.expected_at),
        position=told.position,
        source=word(told, "source"),
    )
