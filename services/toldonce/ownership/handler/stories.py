"""Stories as the log holds them: the latest head (cached), and the whole history on demand.

The cache only saves a read: an append on a stale head is refused by the log, and a refusal or an
answer to a reader is only ever given after a read through the leader.
"""

from collections import OrderedDict
from collections.abc import Container
from typing import Protocol

from toldonce.kernel.errors import Missing, Refusal, Rejected, Unavailable
from toldonce.kernel.story.fold import fold
from toldonce.kernel.story.record import Logged, Placed
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION
from toldonce.runtime import names
from toldonce.runtime.history import (
    SOURCES_MAX,
    TRIES_MAX,
    carried_by,
    chain_of,
    head_of,
    history_of,
    logged_of,
)
from toldonce.runtime.log import Epochs, Log, Stored
from toldonce.runtime.open_rows import StoryKey

CACHE_MAX = 50_000
_OLD_LEADER = "an old leader of the log answered; ask again"


class Carries(Protocol):
    """Who brings a story into a new epoch (`carrying.Carrying`)."""

    async def carry(self, tenant: str, customer: str, before: Placed, epoch: int) -> Stored | None:
        """Append how the story stood at its end in an old epoch; give its last message here."""
        ...


class Stories:
    """Reads stories; one per process."""

    def __init__(
        self,
        log: Log,
        quarantine: Container[StoryKey] = (),
        carrier: Carries | None = None,
    ) -> None:
        """Keep at most CACHE_MAX heads of `log`; refuse the stories in `quarantine`.

        `carrier` brings stories from the epoch before while a new one is young; without one they
        are not there yet.
        """
        self._log = log
        self._carrier = carrier
        self._quarantine = quarantine
        self._cache: OrderedDict[tuple[str, str], Placed] = OrderedDict()

    def cached(self, tenant: str, customer: str) -> Placed | None:
        """Give the head this process last saw, if it still has it."""
        key = (tenant, customer)
        if key in self._quarantine:
            return None
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

        Raises Unavailable, also when what was read is older than the head that this process knows,
        or Rejected QUARANTINED when it was found broken or its last message cannot be read.
        """
        self._check(tenant, customer)
        why = ""
        for _ in range(TRIES_MAX):
            epochs = await self._log.fresh()
            placed = await self._load(tenant, customer, epochs)
            # whoever was held up in between may have read an epoch that had ended by then
            if (await self._log.fresh()).current != epochs.current:
                why = "the log goes on in a new epoch; ask again"
                continue
            known = self.cached(tenant, customer)
            if known and (placed.epoch, placed.sequence) < (known.epoch, known.sequence):
                why = _OLD_LEADER  # or somebody has written here meanwhile
                continue
            self.keep(tenant, customer, placed)
            return placed
        raise Unavailable(why, retry_s=0.2)

    def missing(self, field: str, sentence: str) -> Refusal:
        """Say that it is not there, or to ask again while an old leader may have answered."""
        if self._log.settled:
            return Missing(field, sentence)
        return Unavailable("the log has a new leader; ask again", retry_s=1.0)

    async def position(self) -> int:
        """Ask the leader for the last position of the log; raises Unavailable."""
        return (await self._log.info()).last

    async def history(
        self, tenant: str, customer: str, upto: int | None = None
    ) -> tuple[Logged, ...]:
        """Read everything that happened, in log order, absorbed stories included.

        Raises Rejected QUARANTINED when the chain of hashes is broken, Unavailable, also when what
        was read ends before the head that this process knows.
        """
        self._check(tenant, customer)
        known = self.cached(tenant, customer)
        history = await history_of(self._log, tenant, customer, upto)
        last = max((one.sequence for one in history if one.record.customer == customer), default=0)
        reached = known is None or last >= known.sequence
        if upto is None:
            behind = not reached
        else:
            certain = reached and self._log.settled
            behind = last != upto and await self._lacks(
                tenant, customer, last, upto, certain=certain
            )
        if behind:
            raise Unavailable(_OLD_LEADER, retry_s=0.2)
        return history

    async def _lacks(
        self, tenant: str, customer: str, last: int, upto: int, *, certain: bool
    ) -> bool:
        """Tell whether a history read to `last` may lack something up to `upto`.

        The message after `last` names its predecessor: one that lies after `upto` proves that
        nothing lies in between. Without one it is `certain` or not that the story ends there. A
        sealed epoch stands still and needs no proof.
        """
        epoch = (await self._log.fresh()).of(upto)
        if epoch.last is not None:
            return False
        subject = names.story(tenant, customer, epoch.number)
        after = await self._log.read(subject, after=last, limit_max=1)
        return not certain if not after else after[0].sequence <= upto

    def _check(self, tenant: str, customer: str) -> None:
        if (tenant, customer) in self._quarantine:
            raise Rejected("QUARANTINED", "this story was found broken; tell operations")

    async def _load(self, tenant: str, customer: str, epochs: Epochs) -> Placed:
        epoch = epochs.current.number
        stored = await self._log.last(names.story(tenant, customer, epoch))
        if stored is None and epochs.before is not None:
            stored = await self._carry(tenant, customer, epochs.before.number, epoch)
        if stored is None:
            return Placed(EMPTY, 0, b"", epoch)
        return await self._placed(stored, tenant, customer, epoch)

    async def _carry(self, tenant: str, customer: str, old: int, new: int) -> Stored | None:
        """Bring a story from the epoch before, unless it stays behind, and read it again."""
        last = await self._log.last(names.story(tenant, customer, old))
        if last is None or await self._stays(tenant, customer, last, old):
            return None
        if self._carrier is None:
            raise Unavailable("the story is being brought into a new epoch; ask again")
        before = await self._placed(last, tenant, customer, old)
        return await self._carrier.carry(tenant, customer, before, new)

    async def _stays(self, tenant: str, customer: str, last: Stored, epoch: int) -> bool:
        """Tell whether a story stays behind: it was forgotten when its epoch began, or went there.

        One forgotten since is brought once more: its contacts may still be sent again, its keys
        may still be there, and whoever was linked to it must not be taken for half a move.
        """
        for _ in range(SOURCES_MAX + 1):
            logged = logged_of(last)
            head = head_of(logged)
            if not head.moved_to:
                ours = logged.record.customer == customer or customer in head.absorbed
                old = head.forgotten and head.terminal
                return ours and old and carried_by(logged.record) is not None
            to = await self._log.last(names.story(tenant, head.moved_to, epoch))
            if to is None:
                return False
            last = to
        return False

    async def _placed(self, stored: Stored, tenant: str, customer: str, epoch: int) -> Placed:
        logged = logged_of(stored)
        head = head_of(logged)
        if head.fold_version < FOLD_VERSION:
            chain = await chain_of(self._log, tenant, customer, stored.sequence)
            head = fold(one.record for one in chain)
        return Placed(head, stored.sequence, logged.digest, epoch)
