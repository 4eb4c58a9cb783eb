"""What agents declare and what their plan says, kept in AGENTS by compare-and-set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.routing.core.types import Availability, Schedule
from toldonce.routing.handler.words import Declared
from toldonce.runtime.clock import Clock
from toldonce.runtime.names import agent_key
from toldonce.runtime.table import Table

TRIES_MAX = 8


class Declaring:
    """Reads and writes the agents' own facts."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        read: Callable[[bytes], Declared | None],
        write: Callable[[Declared], bytes],
    ) -> None:
        """`table` is AGENTS; `read` and `write` are its codec."""
        self._table = table
        self._clock = clock
        self._read = read
        self._write = write

    async def declare(
        self,
        tenant: str,
        agent: str,
        *,
        availability: Availability | None,
        reason: str,
        session: str,
    ) -> Declared:
        """Write down what an agent declares, and return what stands; None: as declared last.

        Who never declared anything is AWAY. The same again changes nothing, the age of the
        declaration included. Raises Unavailable.
        """

        def change(known: Declared | None, now: datetime) -> Declared:
            if known is not None and availability is None:
                return known
            said = availability or Availability.AWAY
            wanted = Declared(tenant, agent, said, reason, now, session, declared_by=agent)
            if known is None:
                return wanted
            same = (known.availability, known.reason) == (said, reason)
            return known if same else _after(known, wanted, now)

        return await self._rewrite(tenant, agent, change)

    async def plan(self, tenant: str, agent: str, schedule: Schedule) -> Declared:
        """Write down what the plan of work says of an agent; what they declared stays.

        Who never declared anything is AWAY. The same again changes nothing. Raises Unavailable.
        """

        def change(known: Declared | None, now: datetime) -> Declared:
            if known is None:
                known = Declared(tenant, agent, Availability.AWAY, "", now, "", declared_by=agent)
            if known.schedule is schedule:
                return known
            return replace(known, schedule=schedule, schedule_at=now)

        return await self._rewrite(tenant, agent, change)

    async def _rewrite(
        self, tenant: str, agent: str, change: Callable[[Declared | None, datetime], Declared]
    ) -> Declared:
        """Write what `change` makes of an agent's row; what it leaves as it is is not written."""
        key = agent_key(tenant, agent)
        for _ in range(TRIES_MAX):
            row = await self._table.get(key)
            known = None if row is None else self._read(row.value)
            wanted = change(known, self._clock.now())
            if wanted == known:
                return wanted
            revision = 0 if row is None else row.revision
            try:
                await self._table.put(key, self._write(wanted), expected=revision)
            except Conflict:
                continue
            return wanted
        raise Unavailable("this agent's row is written by too many at once; say it again")


def _after(known: Declared, wanted: Declared, now: datetime) -> Declared:
    """Keep what a new declaration does not end: the age of the same one, cool-downs, the plan."""
    return replace(
        wanted,
        since_at=known.since_at if known.availability is wanted.availability else now,
        cool_downs=tuple(one for one in known.cool_downs if one.until_at > now),
        schedule=known.schedule,
        schedule_at=known.schedule_at,
    )
