"""Stories as the log holds them: the latest head (cached), and the whole history on demand.

The cache only saves a read: an append on a stale head is refused by the log, and a refusal or an
answer to a reader is only ever given after a read through the leader.
"""

from collections import OrderedDict

from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.story.events import Absorbed
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.record import Logged, Placed
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION
from toldonce.runtime import names
from toldonce.runtime.envelope import (
    Garbled,
    UnknownFact,
    decode_logged,
    decode_record,
    digest,
)
from toldonce.runtime.log import Log, Stored

CACHE_MAX = 50_000
SOURCES_MAX = 64
_EMPTY = Placed(EMPTY, 0, b"")


class Stories:
    """Reads stories; one per process."""

    def __init__(self, log: Log) -> None:
        """Keep at most CACHE_MAX heads of `log`."""
        self._log = log
        self._cache: OrderedDict[tuple[str, str], Placed] = OrderedDict()

    def cached(self, tenant: str, customer: str) -> Placed | None:
        """Give the head this process last saw, if it still has it."""
        key = (tenant, customer)
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
        return found

    def keep(self, tenant: str, customer: str, placed: Placed) -> None:
        """Remember a head that is certainly in the log."""
        self._cache[(tenant, customer)] = placed
        self._cache.move_to_end((tenant, customer))
        if len(self._cache) > CACHE_MAX:
            self._cache.popitem(last=False)

    def drop(self, tenant: str, customer: str) -> None:
        """Forget a head that may be stale."""
        self._cache.pop((tenant, customer), None)

    async def load(self, tenant: str, customer: str) -> Placed:
        """Read the head through the leader; an empty story for a customer never seen.

        Raises Unavailable, or Rejected QUARANTINED when the last message cannot be read.
        """
        stored = await self._log.last(names.story(tenant, customer))
        placed = _EMPTY if stored is None else await self._placed(stored, tenant, customer)
        self.keep(tenant, customer, placed)
        return placed

    async def history(
        self, tenant: str, customer: str, upto: int | None = None
    ) -> tuple[Logged, ...]:
        """Read everything that happened, in log order, absorbed stories included.

        Raises Rejected QUARANTINED when the chain of hashes is broken, Unavailable.
        """
        found: list[Logged] = []
        waiting, seen = [(customer, upto)], {customer}
        while waiting:
            who, limit = waiting.pop()
            own = await self._own_history(tenant, who, limit)
            found += own
            for logged in own:
                for event in logged.record.events:
                    if isinstance(event, Absorbed) and event.source not in seen:
                        seen.add(event.source)
                        waiting.append((event.source, event.source_sequence))
            if len(seen) > SOURCES_MAX:
                raise Rejected("QUARANTINED", "more stories were joined here than may be")
        return tuple(sorted(found, key=lambda logged: logged.sequence))

    async def _own_history(self, tenant: str, customer: str, upto: int | None) -> list[Logged]:
        stored = await self._log.read(names.story(tenant, customer), upto=upto)
        chain: list[Logged] = []
        before, before_hash = 0, b""
        for message in stored:
            logged = _read(message)
            record = logged.record
            if (record.previous_sequence, record.previous_hash) != (before, before_hash):
                raise Rejected("QUARANTINED", "the chain of this story is broken; tell operations")
            chain.append(logged)
            before, before_hash = logged.sequence, logged.digest
        return chain

    async def _placed(self, stored: Stored, tenant: str, customer: str) -> Placed:
        try:
            head = decode_record(stored.payload).head
        except (UnknownFact, Garbled) as error:
            raise _unreadable(error) from error
        if head.fold_version > FOLD_VERSION:
            raise Unavailable("a newer version leads this story; it will answer")
        if head.fold_version < FOLD_VERSION:
            chain = await self._own_history(tenant, customer, stored.sequence)
            head = fold(logged.record for logged in chain)
        return Placed(head, stored.sequence, digest(stored.payload))


def _read(stored: Stored) -> Logged:
    try:
        return decode_logged(stored.payload, stored.sequence)
    except (UnknownFact, Garbled) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Unavailable | Rejected:
    if isinstance(error, UnknownFact):
        return Unavailable("a newer version wrote to this story; it will answer")
    return Rejected("QUARANTINED", "this story holds a message nobody can read; tell operations")
