"""Who is there: sightings of agents, made into what the engine hears of them.

Freshness is judged by when a sighting arrived here, by this process's own monotonic clock. A
sighting may be lost or doubled; the next one mends it. Two sessions of one agent are one presence.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush

from toldonce.kernel.config.types import Presence as Patience
from toldonce.routing.core.facts import PresenceChanged
from toldonce.routing.core.types import Presence
from toldonce.routing.handler.words import Phase, Sighting

SESSIONS_AN_AGENT_MAX = 8


@dataclass(slots=True)
class _Seen:
    """One agent: fresh sessions by when they were heard of, and what the engine was told."""

    sessions: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    heard_s: float = 0.0
    told: Presence = Presence.UNKNOWN
    due_s: float = 0.0


class Directory:
    """The presence of one tenant's agents, for one engine."""

    def __init__(self) -> None:
        """Nobody was seen yet."""
        self._agents: dict[str, _Seen] = {}
        self._due: list[tuple[float, str]] = []
        self._touched: set[str] = set()

    def hear(self, sighting: Sighting, now_s: float) -> bool:
        """Take in a sighting; tell whether the engine may have to hear of it."""
        seen = self._agents.setdefault(sighting.agent, _Seen())
        if sighting.phase is Phase.GONE:
            seen.sessions.pop(sighting.session, None)
            seen.ended[sighting.session] = now_s
            if len(seen.ended) > SESSIONS_AN_AGENT_MAX:
                seen.ended.pop(next(iter(seen.ended)))
            self._touched.add(sighting.agent)
            return True
        if sighting.phase is Phase.CONNECTED:
            seen.ended.pop(sighting.session, None)
        elif sighting.session in seen.ended:
            return False  # an old sighting that overtook nothing: that session has ended
        seen.heard_s = now_s
        seen.sessions.pop(sighting.session, None)
        seen.sessions[sighting.session] = now_s
        if len(seen.sessions) > SESSIONS_AN_AGENT_MAX:
            seen.sessions.pop(next(iter(seen.sessions)))
        if seen.told is Presence.CONNECTED:
            return False
        self._touched.add(sighting.agent)
        return True

    def next_s(self) -> float | None:
        """Say when (monotonic) silence alone changes something."""
        return self._due[0][0] if self._due else None

    def changes(
        self, patience: Patience, now_s: float, now: datetime
    ) -> tuple[PresenceChanged, ...]:
        """Give what changed since the last call; an absence counts from the last sign of life."""
        while self._due and self._due[0][0] <= now_s:
            due_s, name = heappop(self._due)
            if self._agents[name].due_s == due_s:
                self._touched.add(name)
        touched, self._touched = sorted(self._touched), set()
        found = (self._judge(name, patience, now_s, now) for name in touched)
        return tuple(change for change in found if change is not None)

    def _judge(
        self, name: str, patience: Patience, now_s: float, now: datetime
    ) -> PresenceChanged | None:
        seen = self._agents[name]
        ended = bool(seen.ended) and not seen.sessions
        seen.sessions = {s: at for s, at in seen.sessions.items() if now_s - at < patience.stale_s}
        silent_s = now_s - seen.heard_s
        if seen.sessions:
            told = Presence.CONNECTED
            seen.due_s = max(seen.sessions.values()) + patience.stale_s
        elif silent_s < patience.gone_s:
            told = Presence.STALE
            seen.due_s = seen.heard_s + patience.gone_s
        else:
            told = Presence.GONE
            seen.due_s = 0.0
        if seen.due_s:
            heappush(self._due, (seen.due_s, name))
        if told is seen.told:
            return None
        seen.told = told
        left_s = 0.0 if ended and told is Presence.STALE else silent_s
        return PresenceChanged(name, told, now - timedelta(seconds=max(0.0, left_s)))
