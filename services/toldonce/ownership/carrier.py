"""The loop that brings every story of the epoch before into the new one, then says that it is done.

Stories that somebody asks for are brought at once by whoever meets them; this brings the others.
Each replica does it: a story is carried once, whoever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from toldonce.kernel.errors import Conflict, Refusal
from toldonce.runtime import names
from toldonce.runtime.epochs import pack_epochs, unpack_epochs
from toldonce.runtime.log import Log, Stored
from toldonce.runtime.logs import logger
from toldonce.runtime.table import Table

LOOK_S = 1.0
AT_ONCE_MAX = 16
RETRY_S = 5.0

_log = logger()

type Bring = Callable[[str, str], Awaitable[object]]


class Carrier:
    """Carries all that is left behind; `run` must be running."""

    def __init__(self, log: Log, bring: Bring, table: Table) -> None:
        """`bring(tenant, customer)` carries what it meets and completes half a move.

        Half a move cannot be completed once its first half is dropped. `table` is LEASES.
        """
        self._log = log
        self._bring = bring
        self._table = table

    async def run(self) -> None:
        """Carry whenever there is something to carry, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                before = (await self._log.fresh()).before
                if before is not None and await self.carry_all(before.number):
                    await self._done()
            except Conflict:
                continue
            except Refusal as error:
                _log.warning("carrying pauses", sentence=str(error))
                await asyncio.sleep(RETRY_S)

    async def carry_all(self, epoch: int) -> bool:
        """Carry every story of an epoch; False when some cannot be now."""
        left, count = 0, 0
        async with aclosing(self._log.latest(epoch)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), AT_ONCE_MAX):
                    some = batch[start : start + AT_ONCE_MAX]
                    left += sum(await asyncio.gather(*(self._failed(one) for one in some)))
                    count += len(some)
        _log.info("stories carried", epoch=epoch, count=count, left=left)
        if left:
            await asyncio.sleep(RETRY_S)
        return not left

    async def _failed(self, stored: Stored) -> bool:
        """Bring one story; True when it cannot be brought now."""
        tenant, customer = names.story_of(stored.subject)
        try:
            await self._bring(tenant, customer)
        except Refusal as error:
            _log.warning("a story was not carried", sequence=stored.sequence, sentence=str(error))
            return True
        return False

    async def _done(self) -> None:
        row = await self._table.get(names.EPOCHS_KEY)
        if row is None:
            return
        epochs = unpack_epochs(row.value)
        if epochs.before is None or epochs.opening:
            return
        now = replace(epochs, all=(*epochs.all[:-1], replace(epochs.all[-1], carried=True)))
        await self._table.put(names.EPOCHS_KEY, pack_epochs(now), expected=row.revision)
        _log.info("every story is carried", epoch=now.current.number)
