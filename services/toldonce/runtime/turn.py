"""A turn at work that one process of several does at a time, and its place in that work.

Whoever has the turn holds a row of LEASES, which says how far the work is and changes every few
seconds; another takes over when it has not changed for a while by its own clock. Who was taken
over for is told at its next word (Conflict), so what is written with the row is written once.
"""

import asyncio

from toldonce.runtime.table import Table

STANDBY_S = 10.0
SHARE = 0.05
SHARE_IDLE = 0.5
LATE_S = 0.002


class Turn:
    """The turn at one kind of work."""

    def __init__(self, table: Table, key: str, *, standby_s: float = STANDBY_S) -> None:
        """`key` is the row in `table`; who has not changed it for `standby_s` has lost the turn."""
        self._table = table
        self._key = key
        self._standby_s = standby_s
        self._revision = 0

    async def free(self) -> bytes:
        """Wait until nobody else works, and give what the row says (nothing: b"").

        The turn is had once `keep` has returned. Raises Unavailable.
        """
        row = await self._table.get(self._key)
        while row is not None:
            await asyncio.sleep(self._standby_s)
            again = await self._table.get(self._key)
            if again is not None and again.revision == row.revision:
                break
            row = again
        self._revision = row.revision if row is not None else 0
        return row.value if row is not None else b""

    async def keep(self, value: bytes) -> None:
        """Take the turn or keep it, and say how far the work is.

        Raises Conflict when somebody else has it, Unavailable.
        """
        self._revision = await self._table.put(self._key, value, expected=self._revision)


def rest_s(took_s: float, late_s: float) -> float:
    """Say how long to leave the process to others after work of `took_s` seconds.

    `late_s`: how late the last rest ended. A process with other work to do wakes nobody in time.
    """
    share = SHARE if late_s > LATE_S else SHARE_IDLE
    return took_s * (1 / share - 1)
