"""Stories found broken: nobody reads or writes them until a person has looked at them.

Each is a row in LEASES, so that every replica knows it and a restart forgets nothing; `lift` lets
the story go again. Only that story stops: its customer's next contact gets a fresh one.
"""

import asyncio
from dataclasses import dataclass

from toldonce.kernel.errors import Conflict, Missing, Unavailable
from toldonce.runtime import names
from toldonce.runtime.logs import logger
from toldonce.runtime.meter import Meter
from toldonce.runtime.open_rows import StoryKey, place_of
from toldonce.runtime.table import Table
from toldonce.runtime.telemetry import QUARANTINED

REFRESH_S = 10.0
_PLACE_BYTES = 8

_log = logger()


@dataclass(frozen=True, slots=True)
class Held:
    """A story that is held: the log sequence at which it was found broken, and why."""

    tenant: str
    customer: str
    sequence: int
    reason: str


async def held(table: Table) -> tuple[Held, ...]:
    """List the stories held; `table` is LEASES. Raises Unavailable."""
    found = []
    for row in await table.rows(names.QUARANTINED_PREFIX):
        _, _, tenant, customer = row.key.split(".")
        reason = row.value[_PLACE_BYTES:].decode(errors="replace")
        found.append(Held(tenant, customer, place_of(row.value), reason))
    return tuple(found)


async def lift(table: Table, tenant: str, customer: str) -> None:
    """Let a story go; every process knows at most 10 s later. Raises Missing, Unavailable."""
    key = names.quarantined_key(tenant, customer)
    row = await table.get(key)
    if row is None or row.tombstone:
        raise Missing("story", "no story of this customer is held")
    await table.put(key, b"", expected=row.revision)


class Quarantine:
    """What this process knows of broken stories; `run` keeps it in step with the others."""

    def __init__(self, table: Table, meter: Meter) -> None:
        """`table` is LEASES; nothing is known before `refresh`."""
        self._table = table
        self._meter = meter
        self._known: dict[StoryKey, int] = {}
        self._unsaid: dict[StoryKey, str] = {}
        meter.set(QUARANTINED, 0)

    def __contains__(self, key: object) -> bool:
        """Tell whether a story (tenant, customer) is held."""
        return key in self._known

    @property
    def known(self) -> dict[StoryKey, int]:
        """Give the stories held, each with the log sequence at which it was found broken."""
        return dict(self._known)

    async def hold(self, key: StoryKey, sequence: int, reason: str) -> None:
        """Hold a story from now on; while the table is away, only in this process."""
        if key in self._known:
            return
        self._known[key] = sequence
        self._unsaid[key] = reason
        self._meter.set(QUARANTINED, len(self._known))
        _log.error("story quarantined", tenant=key[0], sequence=sequence, reason=reason)
        try:
            await self._say()
        except Unavailable as error:
            _log.warning("a quarantine is known here only", sentence=str(error))

    async def refresh(self) -> None:
        """Learn what others found, and what a person has let go; raises Unavailable."""
        await self._say()
        found = {(one.tenant, one.customer): one.sequence for one in await held(self._table)}
        for key in self._unsaid:
            found[key] = self._known[key]
        for key in found.keys() - self._known.keys():
            _log.error("story quarantined elsewhere", tenant=key[0], sequence=found[key])
        for key in self._known.keys() - found.keys():
            _log.warning("a quarantine was lifted", tenant=key[0], sequence=self._known[key])
        self._known = found
        self._meter.set(QUARANTINED, len(found))

    async def run(self) -> None:
        """Refresh every 10 s, for ever."""
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                _log.warning("quarantined stories cannot be read", sentence=str(error))
            await asyncio.sleep(REFRESH_S)

    async def _say(self) -> None:
        for key, reason in tuple(self._unsaid.items()):
            row = names.quarantined_key(*key)
            value = self._known[key].to_bytes(_PLACE_BYTES, "big") + reason.encode()
            standing = await self._table.get(row)
            if standing is None or standing.tombstone:
                revision = standing.revision if standing is not None else 0
                try:
                    await self._table.put(row, value, expected=revision)
                except Conflict:
                    continue  # somebody else says it: look again at the next refresh
            self._unsaid.pop(key, None)
