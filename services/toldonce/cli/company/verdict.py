"""What is said of a demo: its figures, and each promise with how often it was tested and kept."""

from dataclasses import dataclass
from typing import Any

OWNERLESS_SHARE_MAX = 0.2
CONTACTS_A_HANDOFF = 30


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise: how often it was tested, how often it was broken, and what was looked at."""

    name: str
    says: str
    count: int
    broken: int
    looked_at: str

    @property
    def kept(self) -> bool:
        """Tell whether it held each time, and was put to the test at all."""
        return self.broken == 0 and self.count > 0


@dataclass(frozen=True, slots=True)
class ChannelTold:
    """How one channel fared; waits in seconds, service level as a share."""

    channel: str
    contacts: int
    wait_p50_s: float
    wait_p99_s: float
    service_level: float
    handoffs: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything the report shows."""

    figures: dict[str, Any]
    promises: tuple[Promise, ...]
    channels: tuple[ChannelTold, ...]
    troubles: tuple[tuple[str, int], ...]

    @property
    def good(self) -> bool:
        """Tell whether every promise was kept and the demo was what it should be."""
        return all(one.kept for one in self.promises) and not self.shortcomings

    @property
    def shortcomings(self) -> tuple[str, ...]:
        """Say where the demo was less than it should be."""
        f = self.figures
        found = []
        if f["ended_without_owner"] > OWNERLESS_SHARE_MAX * f["contacts_submitted"]:
            found.append("more than a fifth of the contacts ended without an owner")
        if f["handoffs"] * CONTACTS_A_HANDOFF < f["contacts_submitted"]:
            found.append("fewer than one handoff for 30 contacts")
        shown = ("declines", "agents_vanished", "breaches", "timers_fired", "repeats_sent")
        found += [f"{name} is 0: that was not shown" for name in shown if not f[name]]
        return tuple(found)

    def json(self) -> dict[str, Any]:
        """Give everything for machines: the figures by their names, then promises and channels."""
        return self.figures | {
            "good": self.good,
            "shortcomings": list(self.shortcomings),
            "promises": {
                one.name: {
                    "says": one.says,
                    "count": one.count,
                    "broken": one.broken,
                    "kept": one.kept,
                    "looked_at": one.looked_at,
                }
                for one in self.promises
            },
            "channels": {
                one.channel: {
                    "contacts": one.contacts,
                    "wait_p50_s": one.wait_p50_s,
                    "wait_p99_s": one.wait_p99_s,
                    "service_level": one.service_level,
                    "handoffs": one.handoffs,
                }
                for one in self.channels
            },
            "troubles": dict(self.troubles),
        }
