"""Ending an epoch of the log: its stream is sealed and the next one opened.

Once every story is carried the old one can be exported and dropped. Every step can be done again: a
roll that was interrupted goes on where it stopped. Between the seal and the opening nothing can be
appended, for ROLL_WAIT_S seconds.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import BinaryIO

from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.runtime import names
from toldonce.runtime.epochs import SEEN_S, pack_epochs, unpack_epochs
from toldonce.runtime.log import Epoch, Epochs, first_epochs
from toldonce.runtime.nats_link import ApiError, Link
from toldonce.runtime.pull import pull
from toldonce.runtime.streams import Wants, ensure, look
from toldonce.runtime.table import Table

ROLL_WAIT_S = 2 * SEEN_S
GAP_BITS = 32  # an epoch begins at least 2^32 sequences after the end of the one before
STILL_S = 0.5
CARRIED_POLL_S = 0.5

type Say = Callable[[str], None]


async def epochs_of(table: Table) -> tuple[Epochs, int]:
    """Read which epochs there are, and the revision of their row; `table` is LEASES."""
    row = await table.get(names.EPOCHS_KEY)
    if row is None or not row.value:
        return first_epochs(), 0 if row is None else row.revision
    return unpack_epochs(row.value), row.revision


async def roll(link: Link, table: Table, *, replicas: int, say: Say) -> Epochs:
    """Let the log go on in a new epoch; returns once it is open.

    Raises Rejected ROLL_UNDER_WAY while stories of the epoch before are being carried, Conflict
    when somebody else does it at the same time, Unavailable.
    """
    epochs, revision = await epochs_of(table)
    if not epochs.opening:
        if epochs.before is not None:
            raise Rejected(
                "ROLL_UNDER_WAY", f"stories of epoch {epochs.before.number} are still carried"
            )
        epochs, revision = await _begin(link, table, epochs, revision, replicas)
        say(f"made {names.stories_stream(epochs.all[-1].number)}")
    old = epochs.current
    await _seal(link, old)
    say(f"sealed {names.stories_stream(old.number)}; waiting until everybody knows")
    await asyncio.sleep(ROLL_WAIT_S)
    last = await _still(link, old)
    all_ = (*epochs.all[:-2], replace(old, last=max(last, old.first - 1)), epochs.all[-1])
    opened = Epochs(all_)
    await table.put(names.EPOCHS_KEY, pack_epochs(opened), expected=revision)
    say(f"opened epoch {opened.current.number}")
    return opened


async def carried(table: Table, say: Say, *, wait_s: float) -> Epochs:
    """Wait until every story has been carried; raises Unavailable after `wait_s` seconds."""
    try:
        async with asyncio.timeout(wait_s):
            while True:
                epochs, _ = await epochs_of(table)
                if epochs.before is None:
                    say("every story is carried")
                    return epochs
                await asyncio.sleep(CARRIED_POLL_S)
    except TimeoutError:
        raise Unavailable(
            "Stories are still being carried (they are by `ownership`, if it runs); look again "
            "later."
        ) from None


async def export(link: Link, epochs: Epochs, number: int, file: BinaryIO) -> int:
    """Write every message of a sealed epoch, one JSON object a line; returns how many.

    Words stay sealed: to read them takes the keys. Raises Rejected EPOCH_OPEN, Unavailable.
    """
    epoch = _sealed(epochs, number)
    count = 0
    if epoch.last is None or epoch.last < epoch.first:
        return count
    stream = names.stories_stream(number)
    batches = pull(link, stream, after=epoch.first - 1, contiguous=True)
    async with aclosing(batches):
        async for batch in batches:
            for item in batch:
                line = {
                    "subject": item.subject,
                    "sequence": item.sequence,
                    "headers": dict(item.headers),
                    "stored_at": item.stored_at.isoformat(),
                    "payload": base64.b64encode(item.payload).decode(),
                }
                file.write(json.dumps(line).encode() + b"\n")
                count += 1
            if batch[-1].sequence >= epoch.last:
                break
    return count


async def drop(link: Link, table: Table, number: int) -> Epochs:
    """Destroy the stream of an epoch whose stories were all carried; it cannot be undone.

    Raises Rejected EPOCH_OPEN or ROLL_UNDER_WAY, Conflict, Unavailable.
    """
    epochs, revision = await epochs_of(table)
    epoch = _sealed(epochs, number)
    if epochs.before == epoch:
        raise Rejected("ROLL_UNDER_WAY", f"stories of epoch {number} are still carried")
    after = Epochs(tuple(replace(one, dropped=True) if one == epoch else one for one in epochs.all))
    await table.put(names.EPOCHS_KEY, pack_epochs(after), expected=revision)
    await asyncio.sleep(ROLL_WAIT_S)
    stream = names.stories_stream(number)
    try:
        await link.api(f"STREAM.DELETE.{stream}", timeout_s=30.0)
    except ApiError as error:
        raise Unavailable(f"The stream {stream} was not dropped: {error}.") from error
    return after


def _sealed(epochs: Epochs, number: int) -> Epoch:
    epoch = epochs.number(number)
    if epoch is None or epoch.dropped:
        raise Rejected("NO_EPOCH", f"there is no epoch {number} here")
    if epoch.last is None or epochs.opening:
        raise Rejected("EPOCH_OPEN", f"epoch {number} still takes appends: roll it first")
    return epoch


async def _begin(
    link: Link, table: Table, epochs: Epochs, revision: int, replicas: int
) -> tuple[Epochs, int]:
    """Make the next stream, beginning where the present one can never reach, and say so."""
    old = epochs.current
    info = await look(link, names.stories_stream(old.number))
    first = ((max(info.last, old.first) >> GAP_BITS) + 2) << GAP_BITS
    number = old.number + 1
    wants = Wants(
        names.stories_stream(number), names.stories_subjects(number), replicas, first=first
    )
    await ensure(link, wants)
    opening = Epochs((*epochs.all, Epoch(number, first, carried=False)), opening=True)
    revision = await table.put(names.EPOCHS_KEY, pack_epochs(opening), expected=revision)
    return opening, revision


async def _seal(link: Link, epoch: Epoch) -> None:
    stream = names.stories_stream(epoch.number)
    try:
        config = dict((await look(link, stream)).config)
        if not config.get("sealed"):
            await link.api(f"STREAM.UPDATE.{stream}", config | {"sealed": True}, timeout_s=10.0)
    except ApiError as error:
        raise Unavailable(f"The stream {stream} was not sealed: {error}.") from error


async def _still(link: Link, epoch: Epoch) -> int:
    """Give the last sequence of a sealed stream, once it has stood still for a while."""
    stream = names.stories_stream(epoch.number)
    last = (await look(link, stream)).last
    for _ in range(10):
        await asyncio.sleep(STILL_S)
        again = (await look(link, stream)).last
        if again == last:
            return last
        last = again
    raise Unavailable(f"The stream {stream} is sealed and still grows: look at it.")
