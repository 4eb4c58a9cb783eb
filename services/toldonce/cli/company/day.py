"""The day of the demo's agents: what all of them together have done, and what is due.

Who does what is drawn from the seed; that enough handoffs, declines and silences happen is seen to
by counting, so that a small demo shows them too.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field

from toldonce.cli.company.notes import Notes
from toldonce.kernel.config import Config

HANDOFF_EVERY = 14  # accepted offers
DECLINE_EVERY = 22  # offers
SILENT_EVERY = 55  # offers
WAITING_MAX = 70
LOOK_S = 1.0


@dataclass(slots=True)
class Day:
    """What all agents together have done today."""

    config: Config
    notes: Notes
    draw: random.Random
    offers: int = 0
    accepted: int = 0
    handing: int = 0
    handed: int = 0
    declined: int = 0
    silent: int = 0
    vanishes: bool = False
    present: set[str] = field(default_factory=set)
    _fewer: asyncio.Event = field(default_factory=asyncio.Event)

    async def room(self) -> None:
        """Wait until not too many wait: a slow machine makes a longer day, not a bad one."""
        while len(self.notes.waiting) > WAITING_MAX:
            self._fewer.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._fewer.wait()

    def accepts(self, case_id: str) -> None:
        """Count an accepted offer."""
        self.accepted += 1
        self.notes.waiting.discard(case_id)
        self._fewer.set()

    def owes_handoff(self) -> bool:
        """Tell whether the next case should be handed over."""
        return self.accepted // HANDOFF_EVERY + 1 > self.handed + self.handing

    def declines(self) -> bool:
        """Tell whether the next offer is declined."""
        if self.offers // DECLINE_EVERY <= self.declined:
            return False
        self.declined += 1
        return True

    def overlooks(self) -> bool:
        """Tell whether the next offer is overlooked."""
        if self.offers // SILENT_EVERY <= self.silent:
            return False
        self.silent += 1
        return True
