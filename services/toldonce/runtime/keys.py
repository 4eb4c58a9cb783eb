"""Data keys, one a customer: drawn ahead in blocks of 256, wrapped, found again, and destroyed.

A block (`key_blocks`) is one message of KEYS, made by one process for one tenant; what is left of
it when that process goes is never used. Forgetting a customer is writing the block again without
the entry. No data key is used before its block is durable under a key-encryption key that still
stands, and none is believed for longer than RECHECK_S without another look at the table.
"""

import asyncio
import contextlib
import os
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from toldonce.kernel.errors import Conflict, Refusal, Unavailable
from toldonce.kernel.keyref import KEYS_A_BLOCK, KeyRef
from toldonce.runtime.cipher import KEY_BYTES, NONCE_BYTES, unwrap, wrap
from toldonce.runtime.clock import Clock
from toldonce.runtime.ids import new_id
from toldonce.runtime.keks import RECHECK_S, Keks
from toldonce.runtime.key_blocks import pack, place, unpack
from toldonce.runtime.names import block_key
from toldonce.runtime.secrets import Secrets
from toldonce.runtime.table import Table

LOW = 64
BLOCKS_MAX = 4096
TRIES_MAX = 16
_log = structlog.get_logger()


@dataclass(slots=True)
class _Pool:
    """The keys of one tenant that are durable and nobody's yet."""

    ready: deque[tuple[KeyRef, bytes]] = field(default_factory=deque)
    refill: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Block:
    """A block as it was read: still wrapped entries, and those opened so far."""

    kek_id: str
    wrapped: Mapping[int, bytes]
    read_at_s: float
    opened: dict[int, bytes] = field(default_factory=dict)


class KeyRing:
    """The data keys of every tenant, for one process."""

    def __init__(self, table: Table, secrets: Secrets, clock: Clock) -> None:
        """`table` is KEYS."""
        self._table = table
        self._keks = Keks(secrets, clock)
        self._clock = clock
        self._pools: dict[str, _Pool] = {}
        self._blocks: OrderedDict[str, _Block] = OrderedDict()
        self._reads: dict[str, asyncio.Task[_Block | None]] = {}

    async def take(self, tenant: str) -> tuple[KeyRef, bytes]:
        """Give a key (32 bytes) nobody has, and its place. Costs a write only when none is ready.

        Raises Unavailable when none is ready and the table cannot be written.
        """
        pool = self._pools.setdefault(tenant, _Pool())
        while not pool.ready:
            await asyncio.shield(self._refill(tenant, pool))
        taken = pool.ready.popleft()
        if len(pool.ready) < LOW:
            self._refill(tenant, pool)
        return taken

    async def warm(self, tenant: str) -> None:
        """Have keys ready before the first customer comes."""
        pool = self._pools.setdefault(tenant, _Pool())
        if len(pool.ready) < LOW:
            await asyncio.shield(self._refill(tenant, pool))

    async def find(self, tenant: str, ref: KeyRef) -> bytes | None:
        """Give the key (32 bytes) kept at `ref`, or None when it was forgotten.

        Raises Unavailable when the table, or the key that wraps it, cannot be had.
        """
        row = block_key(tenant, ref.block)
        block = self._blocks.get(row)
        if block is None or self._clock.monotonic() - block.read_at_s > RECHECK_S:
            block = await self._read(row)
        else:
            self._blocks.move_to_end(row)
        if block is not None and self._keks.find(block.kek_id) is None:
            block = await self._read(row)  # it was wrapped anew since, and the old key destroyed
        if block is None or ref.index not in block.wrapped:
            return None
        key = block.opened.get(ref.index)
        if key is None:
            key = block.opened[ref.index] = self._open(tenant, ref, block)
        return key

    async def forget(self, tenant: str, refs: Iterable[KeyRef]) -> None:
        """Destroy the keys kept at `refs`; those already gone stay gone.

        Raises Unavailable when it is not certain that all are gone: ask again.
        """
        by_block = defaultdict[str, set[int]](set)
        for ref in refs:
            by_block[ref.block].add(ref.index)
        for block in sorted(by_block):
            await self._strike(tenant, block, by_block[block])

    def drop(self, tenant: str, block: str) -> None:
        """Forget what is cached of a block: somebody said that it was rewritten."""
        self._blocks.pop(block_key(tenant, block), None)

    async def close(self) -> None:
        """End the refills that are under way; their blocks are never used."""
        tasks = [pool.refill for pool in self._pools.values() if pool.refill is not None]
        for task in (*tasks, *self._reads.values()):
            task.cancel()
        await asyncio.gather(*tasks, *self._reads.values(), return_exceptions=True)

    def _refill(self, tenant: str, pool: _Pool) -> asyncio.Task[None]:
        if pool.refill is None:
            pool.refill = asyncio.create_task(self._make(tenant, pool), name=f"keys {tenant}")
            pool.refill.add_done_callback(lambda task: _refilled(pool, task))
        return pool.refill

    async def _make(self, tenant: str, pool: _Pool) -> None:
        block, (kek_id, kek) = new_id(), self._keks.newest()
        drawn = os.urandom(KEYS_A_BLOCK * (KEY_BYTES + NONCE_BYTES))
        nonces = drawn[KEYS_A_BLOCK * KEY_BYTES :]
        made, wrapped = [], {}
        for index in range(KEYS_A_BLOCK):
            key = drawn[index * KEY_BYTES : (index + 1) * KEY_BYTES]
            nonce = nonces[index * NONCE_BYTES : (index + 1) * NONCE_BYTES]
            wrapped[index] = wrap(kek, nonce, key, place(tenant, block, index))
            made.append((KeyRef(block, index), key))
        row = block_key(tenant, block)
        revision = await self._table.put(row, pack(kek_id, wrapped), expected=0)
        newest_id, _ = self._keks.newest()
        if newest_id == kek_id:
            pool.ready.extend(made)
            return
        # a rotation went by and may not have seen this block: nobody may ever depend on it
        with contextlib.suppress(Conflict):
            await self._table.put(row, pack(newest_id, {}), expected=revision)

    async def _strike(self, tenant: str, block: str, indexes: set[int]) -> None:
        row = block_key(tenant, block)
        try:
            for _ in range(TRIES_MAX):
                found = await self._table.get(row)
                if found is None or not found.value:
                    return
                kek_id, wrapped = unpack(found.value)
                left = {at: entry for at, entry in wrapped.items() if at not in indexes}
                if len(left) == len(wrapped):
                    return
                try:
                    await self._table.put(row, pack(kek_id, left), expected=found.revision)
                except Conflict:
                    continue
                return
        finally:
            self.drop(tenant, block)
        raise Unavailable("a block of keys changes too quickly; ask again")

    async def _read(self, row: str) -> _Block | None:
        task = self._reads.get(row)
        if task is None:
            task = self._reads[row] = asyncio.create_task(self._load(row), name=f"read {row}")
            task.add_done_callback(lambda _: self._reads.pop(row, None))
        return await asyncio.shield(task)

    async def _load(self, row: str) -> _Block | None:
        asked_at_s = self._clock.monotonic()
        found = await self._table.get(row)
        self._blocks.pop(row, None)
        if found is None or not found.value:
            return None
        kek_id, wrapped = unpack(found.value)
        block = self._blocks[row] = _Block(kek_id, wrapped, asked_at_s)
        if len(self._blocks) > BLOCKS_MAX:
            self._blocks.popitem(last=False)
        return block

    def _open(self, tenant: str, ref: KeyRef, block: _Block) -> bytes:
        kek = self._keks.find(block.kek_id)
        if kek is None:
            raise Unavailable(f"the key-encryption key {block.kek_id!r} is not loaded here")
        return unwrap(kek, block.wrapped[ref.index], place(tenant, ref.block, ref.index))


def _refilled(pool: _Pool, task: asyncio.Task[None]) -> None:
    pool.refill = None
    if not task.cancelled() and isinstance(error := task.exception(), Refusal):
        _log.warning("no new data keys", error=type(error).__name__, ready=len(pool.ready))
