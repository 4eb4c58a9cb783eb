"""The rows in which the counts of channels are kept: a tenant's ledger with its place in the log.

Counts and place are one row, written by compare-and-set, so that a count is never kept without
saying up to where it was counted. A ledger of other formulas, or of another log, is begun anew.
"""

import json
import zlib

from toldonce.kernel.errors import Invalid
from toldonce.runtime import names
from toldonce.runtime.logs import logger
from toldonce.runtime.table import Row, Table
from toldonce.sla.core.counts import FORMULAS, Ledger

_FORM = b"z1"
_UNPACKED_BYTES_MAX = 4 * 1024 * 1024
_PLACE_BYTES = 8

_log = logger()


class Ledgers:
    """The ledgers of all tenants, as one who has the turn keeps them."""

    def __init__(self, table: Table) -> None:
        """Keep them in `table`, which is LEASES."""
        self._table = table
        self._begun = 0
        self._ledgers: dict[str, Ledger] = {}
        self._revisions: dict[str, int] = {}
        self._changed: set[str] = set()

    async def begin(self, position: int, last: int) -> None:
        """Read what is kept; what is not begins at `position`. `last`: where the log ends now."""
        self._ledgers, self._changed = {}, set()
        rows = await self._table.rows(names.COUNTS_PREFIX)
        self._revisions = {_tenant(row): row.revision for row in rows}
        for row in rows:
            ledger = _read(row)
            if ledger is not None and ledger.position <= last:
                self._ledgers[_tenant(row)] = ledger
        self._begun = position

    def of(self, tenant: str) -> Ledger:
        """Give a tenant's ledger to count in; say so by `changed`."""
        ledger = self._ledgers.get(tenant)
        if ledger is None:
            ledger = self._ledgers[tenant] = Ledger(self._begun)
        return ledger

    def changed(self, tenant: str) -> None:
        """Have a ledger written by the next `keep`."""
        self._changed.add(tenant)

    def all(self) -> list[tuple[str, Ledger]]:
        """Give every ledger with its tenant, by tenant."""
        return [(tenant, self._ledgers[tenant]) for tenant in sorted(self._ledgers)]

    async def keep(self) -> None:
        """Write what has changed. Raises Conflict when somebody else wrote, Unavailable."""
        for tenant in sorted(self._changed):
            value = pack_ledger(self._ledgers[tenant])
            self._changed.discard(tenant)
            self._revisions[tenant] = await self._table.put(
                names.counts_key(tenant), value, expected=self._revisions.get(tenant, 0)
            )


async def kept_of(table: Table, tenant: str) -> Ledger:
    """Read a tenant's ledger as it was last kept; raises Unavailable."""
    row = await table.get(names.counts_key(tenant))
    found = None if row is None or row.tombstone else _read(row)
    return found or Ledger()


def pack_place(position: int) -> bytes:
    """Write how far the log is counted, and by which formulas."""
    return position.to_bytes(_PLACE_BYTES, "big") + bytes((FORMULAS,))


def unpack_place(value: bytes) -> int | None:
    """Read how far the log is counted; None: not by these formulas, or not at all."""
    if len(value) != _PLACE_BYTES + 1 or value[-1] != FORMULAS:
        return None
    return int.from_bytes(value[:_PLACE_BYTES], "big")


def pack_ledger(ledger: Ledger) -> bytes:
    """Write a ledger as a row keeps it: the fullest there can be fits."""
    return _FORM + zlib.compress(json.dumps(ledger.kept(), separators=(",", ":")).encode())


def _read(row: Row) -> Ledger | None:
    form, packed = row.value[: len(_FORM)], row.value[len(_FORM) :]
    try:
        raw = zlib.decompressobj().decompress(packed, _UNPACKED_BYTES_MAX)
        if form == _FORM:
            return Ledger.of_kept(json.loads(raw))
    except (Invalid, zlib.error, ValueError):
        pass
    _log.error("counts of channels cannot be read, they begin anew", tenant=_tenant(row))
    return None


def _tenant(row: Row) -> str:
    return row.key.removeprefix(names.COUNTS_PREFIX)
