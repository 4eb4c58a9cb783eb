"""Who is absent since when, and when so many are that the fault is probably ours.

More than a tenth of the agents (and at least five) vanishing within a minute freezes releases,
until most of them are back (the last of them have their whole grace from then on) or ten minutes
have passed. Who declared to be offline, or whose shift
is over, left on purpose and is not counted.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from toldonce.kernel.instants import MINUTE, instant, micros
from toldonce.routing.core.state import Agent
from toldonce.routing.core.types import Availability, Presence

BURST_MIN: Final = 5
BURST_SHARE: Final = 10  # one in ten
BURST_WINDOW_US: Final = MINUTE
FREEZE_MAX_US: Final = 10 * MINUTE


class Absences:
    """Presence of all agents, and the freeze."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        """Watch these agents."""
        self._agents = agents
        self.vanished: dict[str, int] = {}  # absent agent -> when we heard of it
        self.connected = 0
        self.frozen_us: int | None = None

    @property
    def frozen_since(self) -> datetime | None:
        """Since when releases are frozen, or None."""
        return None if self.frozen_us is None else instant(self.frozen_us)

    def see(self, agent: Agent, presence: Presence, at: datetime, now_us: int) -> None:
        """Take over what the sessions see."""
        was_absent = agent.absent_us is not None
        agent.presence = presence
        if presence is Presence.CONNECTED:
            self.connected += was_absent
            agent.absent_us, agent.grace_us = None, 0
            self.vanished.pop(agent.name, None)
            self._thaw(now_us)
        elif not was_absent:
            self.connected -= 1
            self._vanish(agent, micros(at), now_us)

    def begin_watch(self, now_us: int) -> None:
        """Absence counts only while we watch: every grace starts anew."""
        self.vanished.clear()
        self.frozen_us = None
        for agent in self._agents.values():
            if agent.absent_us is not None:
                agent.absent_us, agent.grace_us = now_us, 0
                if agent.owned or agent.offers:
                    self._vanish(agent, now_us, now_us)

    def thaw_us(self) -> int | None:
        """Say when the freeze ends at the latest."""
        return None if self.frozen_us is None else self.frozen_us + FREEZE_MAX_US

    def thaw(self) -> None:
        """End the freeze: it has lasted long enough for somebody to look."""
        self.frozen_us = None
        self.vanished.clear()

    def _vanish(self, agent: Agent, absent_us: int, now_us: int) -> None:
        agent.absent_us = absent_us
        if agent.availability is Availability.OFFLINE or agent.off_us is not None:
            return
        self.vanished.pop(agent.name, None)
        self.vanished[agent.name] = now_us  # kept in the order of time
        if self.frozen_us is not None:
            return
        for name, heard_us in list(self.vanished.items()):
            if heard_us >= now_us - BURST_WINDOW_US:
                break
            del self.vanished[name]
        gone = len(self.vanished)
        if gone >= BURST_MIN and gone * BURST_SHARE > self.connected + gone:
            self.frozen_us = now_us

    def _thaw(self, now_us: int) -> None:
        """End the freeze when most are back; the last to come back have their grace from now."""
        gone = len(self.vanished)
        if self.frozen_us is None or (
            gone >= BURST_MIN and gone * BURST_SHARE > self.connected + gone
        ):
            return
        self.frozen_us = None
        for name in self.vanished:
            self._agents[name].absent_us = now_us
