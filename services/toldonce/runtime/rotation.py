"""Rotation of the key-encryption key: what was forgotten before it is then gone for good.

A new key is drawn, every block of KEYS is wrapped anew by compare-and-set with the entries it still
has, and the old key is destroyed. Old copies of blocks, on a disk or in a backup, then open with
nothing. It goes on while everything runs, and after a kill at any point the next one finishes it:
as long as there are two keys it was not finished, and no key is destroyed before a look at every
block found none that needs it.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from toldonce.kernel.errors import Conflict, Invalid, Refusal, Unavailable
from toldonce.runtime.cipher import NONCE_BYTES, unwrap, wrap
from toldonce.runtime.clock import Clock
from toldonce.runtime.key_blocks import pack, place, unpack
from toldonce.runtime.meter import Meter
from toldonce.runtime.names import block_of
from toldonce.runtime.secrets import (
    destroy_kek,
    draw_kek,
    kek_drawn_at,
    keks_there,
    load_keks,
)
from toldonce.runtime.table import Row, Table
from toldonce.runtime.telemetry import KEK_AGE_SECONDS

FINAL_S = 30 * 86_400.0
DUE_S = 25 * 86_400.0
LOOK_S = 3_600.0
AGE_S = 60.0
TRIES_MAX = 16
ROUNDS_MAX = 1_000
_LOCK = "rotation.lock"
_log = structlog.get_logger()

type Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a look at every block did: how many there are, were wrapped anew, and open no more."""

    blocks: int
    rewrapped: int
    keys: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation: the key that stands, those destroyed, and whether an older one was finished."""

    kek_id: str
    destroyed: tuple[str, ...]
    finished: bool
    rewrapped: Rewrapped


async def rotate(
    folder: Path, table: Table, clock: Clock, progress: Progress | None = None
) -> Rotated:
    """Rotate the key-encryption key kept in `folder`; `table` is KEYS.

    `progress(place, last)` says how far it is. Raises Unavailable, also when another rotation is
    under way: what is not done then is done by the next one.
    """
    with _alone(folder):
        destroyed = []
        finished = len(keks_there(folder)) > 1
        if finished:
            # it may be older than what was forgotten since, so a whole one follows
            await rewrap(folder, table, progress)
            destroyed += _destroy_old(folder)
        kek_id = draw_kek(folder, clock.now())
        done = await rewrap(folder, table, progress)
        destroyed += _destroy_old(folder)
    _log.info("rotated the key-encryption key", kek_id=kek_id, blocks=done.blocks)
    return Rotated(kek_id, tuple(destroyed), finished, done)


async def rewrap(folder: Path, table: Table, progress: Progress | None = None) -> Rewrapped:
    """Wrap every block anew under the newest key in `folder`; no key is drawn or destroyed.

    When it returns no block needs an older key, save those counted as unreadable: their key was
    gone before.
    """
    keks, newest = load_keks(folder)
    seen: dict[str, int] = {}
    rewrapped = unreadable = keys = 0
    async for row, last in _every(table):
        outcome = await _anew(table, row, keks, newest)
        rewrapped += outcome.written
        unreadable += outcome.unreadable
        keys += outcome.keys
        seen[row.key] = row.revision
        if progress is not None:
            progress(row.revision, last)
    return Rewrapped(len(seen), rewrapped, keys, unreadable)


async def keep_rotating(folder: Path, table: Table, clock: Clock) -> None:
    """Rotate whenever the key-encryption key is DUE_S old, and finish what was begun; for ever."""
    while True:
        if due(folder, clock.now()):
            try:
                await rotate(folder, table, clock)
            except Refusal as error:
                _log.warning("the key-encryption key was not rotated", error=type(error).__name__)
        await asyncio.sleep(LOOK_S)


async def tell_age(folder: Path, clock: Clock, meter: Meter) -> None:
    """Say in the metrics how old the key-encryption key is that this process sees; for ever."""
    while True:
        with contextlib.suppress(Invalid, OSError):
            age = clock.now() - drawn_at(folder)
            meter.set(KEK_AGE_SECONDS, age.total_seconds())
        await asyncio.sleep(AGE_S)


def due(folder: Path, now: datetime) -> bool:
    """Tell whether a rotation is due: the key is DUE_S old, or one was not finished."""
    there = keks_there(folder)
    return len(there) > 1 or (now - drawn_at(folder)).total_seconds() > DUE_S


def drawn_at(folder: Path) -> datetime:
    """Say when the newest key-encryption key was drawn: by its id, else by the age of its file."""
    _, newest = load_keks(folder)
    changed_s = (folder / f"kek-{newest}.key").stat().st_mtime
    return kek_drawn_at(newest) or datetime.fromtimestamp(changed_s, UTC)


def final_by(forgotten_at: datetime) -> datetime:
    """Say by when no key can read any more what was forgotten at an instant."""
    return forgotten_at + timedelta(seconds=FINAL_S)


@dataclass(frozen=True, slots=True)
class _Outcome:
    written: int = 0
    unreadable: int = 0
    keys: int = 0


async def _anew(table: Table, row: Row, keks: Mapping[str, bytes], newest: str) -> _Outcome:
    """Wrap one block anew, unless it is or nobody can."""
    tenant, block = block_of(row.key)
    found: Row | None = row
    for _ in range(TRIES_MAX):
        if found is None or not found.value:
            return _Outcome()
        kek_id, wrapped = unpack(found.value)
        if kek_id == newest:
            return _Outcome()
        if kek_id not in keks and wrapped:
            return _Outcome(unreadable=1)
        kek, made = keks.get(kek_id, b""), dict[int, bytes]()
        for index, entry in wrapped.items():
            where = place(tenant, block, index)
            made[index] = wrap(
                keks[newest], os.urandom(NONCE_BYTES), unwrap(kek, entry, where), where
            )
        try:
            await table.put(row.key, pack(newest, made), expected=found.revision)
        except Conflict:
            found = await table.get(row.key)
            continue
        return _Outcome(written=1, keys=len(made))
    raise Unavailable("a block of keys changes too quickly; rotate again")


async def _every(table: Table) -> AsyncIterator[tuple[Row, int]]:
    """Give every row as it is now, those written meanwhile too, until the end of the table."""
    after = 0
    for _ in range(ROUNDS_MAX):
        last = await table.last_revision()
        if after >= last:
            return
        watching = table.watch(after=after)
        async with contextlib.aclosing(watching):
            async for batch in watching:
                for row in batch:
                    after = row.revision
                    yield row, last
                if after >= last:
                    break
    raise Unavailable("blocks of keys are made faster than they are wrapped anew; rotate again")


def _destroy_old(folder: Path) -> list[str]:
    _, newest = load_keks(folder)
    old = [kek_id for kek_id in keks_there(folder) if kek_id != newest]
    for kek_id in old:
        destroy_kek(folder, kek_id)
    return old


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another rotation is under way here; wait for it") from None
        yield
    finally:
        os.close(handle)
