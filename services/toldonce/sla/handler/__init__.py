"""What timers are planned from and where they wait."""

from toldonce.sla.handler.book import Book, Verdict
from toldonce.sla.handler.clocks import CaseNow, Clocks
from toldonce.sla.handler.scheduled import ScheduledTimers
from toldonce.sla.handler.timers import (
    Claim,
    Leased,
    Plan,
    RedisTimers,
    Settled,
    TimerStore,
    Wiped,
)

__all__ = [
    "Book",
    "CaseNow",
    "Claim",
    "Clocks",
    "Leased",
    "Plan",
    "RedisTimers",
    "ScheduledTimers",
    "Settled",
    "TimerStore",
    "Verdict",
    "Wiped",
]
