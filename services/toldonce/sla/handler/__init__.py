"""What timers are planned from and where they wait; who is at risk, and who watches that."""

from toldonce.sla.handler.book import Book, Follower, Held, Verdict
from toldonce.sla.handler.clocks import CaseNow, Clocks
from toldonce.sla.handler.lines import AsksLines
from toldonce.sla.handler.risk import Risk
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
from toldonce.sla.handler.watching import AtRisk, Gone, Listed, Told, Wanted, Watcher

__all__ = [
    "AsksLines",
    "AtRisk",
    "Book",
    "CaseNow",
    "Claim",
    "Clocks",
    "Follower",
    "Gone",
    "Held",
    "Leased",
    "Listed",
    "Plan",
    "RedisTimers",
    "ScheduledTimers",
    "Risk",
    "Settled",
    "TimerStore",
    "Told",
    "Verdict",
    "Wanted",
    "Watcher",
    "Wiped",
]
