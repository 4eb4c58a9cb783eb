"""What agents declare and what their plan says, kept in AGENTS by compare-and-set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from toldonce.kernel.errors import Conflict, Unavailable
from toldonce.routing.core.types import Availability, Schedule
from toldonce.routing.handler.words import Declared, Drain
from toldonce.runtime.clock import Clock
from toldonce.runtime.names import agent_key
from toldonce.runtime.table import Table

TRIES_MAX = 8
OPERATIONS_MAX = 16


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

        def change(row: Declared | None, now: datetime) -> Declared:
            known = row or _silent(tenant, agent, now)
            if known.schedule is schedule:
                return known
            return replace(known, schedule=schedule, schedule_at=now)

        return await self._rewrite(tenant, agent, change)

    async def drain(self, tenant: str, agent: str, drain: Drain | None, operation: str) -> Declared:
        """Write down that an agent gets nothing new, or (None) does again; once for an operation.

        A drain that goes on keeps its age. Raises Unavailable: perhaps it was written.
        """

        def change(row: Declared | None, now: datetime) -> Declared:
            known = row or _silent(tenant, agent, now)
            if operation in known.operations:
                return known
            began = known.drain
            since = drain if drain is None or began is None else replace(drain, at=began.at)
            operations = (*known.operations, operation)[-OPERATIONS_MAX:]
            return replace(known, drain=since, operations=operations)

        return await self._rewrite(tenant, agent, change)

    async def picked(self, tenant: str, agent: str, operation: str) -> str:
        """Say which case an operation chose for an agent, "" for none; raises Unavailable."""
        row = await self._table.get(agent_key(tenant, agent))
        known = None if row is None else self._read(row.value)
        return "" if known is None else dict(known.picks).get(operation, "")

    async def pick(
        self, tenant: str, agent: str, operation: str, case_id: str, *, instead_of: str = ""
    ) -> str:
        """Note which case an operation chose, and give what is noted: the first choice counts.

        `instead_of` is a choice that came to nothing. Raises Unavailable.
        """

        def change(row: Declared | None, now: datetime) -> Declared:
            known = row or _silent(tenant, agent, now)
            if dict(known.picks).get(operation, instead_of) != instead_of:
                return known
            others = tuple(one for one in known.picks if one[0] != operation)
            return replace(known, picks=(*others, (operation, case_id))[-OPERATIONS_MAX:])

        return dict((await self._rewrite(tenant, agent, change)).picks)[operation]

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


def _silent(tenant: str, agent: str, now: datetime) -> Declared:
    """Make the row of an agent who never declared anything."""
    return Declared(tenant, agent, Availability.AWAY, "", now, "", declared_by=agent)


def _after(known: Declared, wanted: Declared, now: datetime) -> Declared:
    """Keep what a new declaration does not end: its age, cool-downs, the plan, a drain."""
    return replace(
        wanted,
        since_at=known.since_at if known.availability is wanted.availability else now,
        cool_downs=tuple(one for one in known.cool_downs if one.until_at > now),
        schedule=known.schedule,
        schedule_at=known.schedule_at,
        drain=known.drain,
        operations=known.operations,
        picks=known.picks,
    )
