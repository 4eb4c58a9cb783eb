"""Checks one message of the log after the other against what came before it on its subject.

The predecessor is the one this process saw (a bounded number of subjects is remembered), else the
one the log itself holds there: read together with the message, so that nothing can lie in between.
Every head is compared with its predecessor's and these events; where they differ, for samples, and
where a story came from an older epoch, the whole story is folded from nothing, and that decides.
"""

from collections import OrderedDict
from dataclasses import dataclass

from toldonce.kernel.errors import Invalid, Rejected, Unavailable
from toldonce.kernel.story.events import Event, OfferAccepted
from toldonce.kernel.story.fold import apply, fold
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, FOLD_VERSION, Story
from toldonce.runtime import names
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_record, digest
from toldonce.runtime.history import TooNew, carried_by, chain_of
from toldonce.runtime.log import Log, Stored
from toldonce.runtime.open_rows import StoryKey

REMEMBERED_MAX = 4_096
SAMPLE_EVERY = 64
SAMPLE_MESSAGES_MAX = 512


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one message is like.

    `key`: whose story (None: nobody's); `events`: what it says, as far as it can be read; `fault`:
    why its story is broken, or empty; `conflicts`: cases whose owner changed without a new epoch.
    """

    key: StoryKey | None
    events: tuple[Event, ...] = ()
    fault: str = ""
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class _Last:
    """The last message seen on a subject; its head where it could be read."""

    sequence: int
    digest: bytes
    head: Story | None


_NOTHING = _Last(0, b"", EMPTY)


class Inspector:
    """Inspects the messages of a log, in log order."""

    def __init__(
        self,
        log: Log,
        *,
        remembered_max: int = REMEMBERED_MAX,
        sample_every: int = SAMPLE_EVERY,
    ) -> None:
        """Remember at most `remembered_max` subjects; fold one story in `sample_every` whole."""
        self._log = log
        self._remembered_max = remembered_max
        self._sample_every = sample_every
        self._last: OrderedDict[str, _Last] = OrderedDict()

    def begin(self) -> None:
        """Begin anew, at another place in the log."""
        self._last.clear()

    async def inspect(self, stored: Stored) -> Inspected:
        """Look at the next message of the log; raises Unavailable."""
        try:
            key = names.story_of(stored.subject)
        except Invalid:
            return Inspected(None, fault="FOREIGN")
        hashed = digest(stored.payload)
        try:
            record = decode_record(stored.payload)
        except UnknownFact:
            self._remember(stored.subject, _Last(stored.sequence, hashed, None))
            return Inspected(key)
        except Garbled:
            self._remember(stored.subject, _Last(stored.sequence, hashed, None))
            return Inspected(key, fault="GARBLED")
        before = self._last.get(stored.subject) or await self._before(stored, record)
        self._remember(stored.subject, _Last(stored.sequence, hashed, record.head))
        if (record.tenant, record.customer) != key:
            return Inspected(key, fault="MISPLACED")
        named = (record.previous_sequence, record.previous_hash)
        if before is None or named != (before.sequence, before.digest):
            return Inspected(key, record.events, fault="BROKEN_CHAIN")
        logged = Logged(record, stored.sequence, hashed)
        fault = await self._fault_of_head(logged, before.head)
        found = 0 if before.head is None else conflicts(before.head, record)
        return Inspected(key, record.events, fault, found)

    async def _before(self, stored: Stored, record: Record) -> _Last | None:
        """Read the true predecessor of a message; None when it is not the one it names.

        Raises Unavailable when whoever leads the log has not come as far as this message.
        """
        wanted = record.previous_sequence
        if not 0 <= wanted < stored.sequence:
            return None
        page = await self._log.read(
            stored.subject, after=max(wanted - 1, 0), upto=stored.sequence, limit_max=2
        )
        if len(page) < (2 if wanted else 1) and stored.sequence not in {
            one.sequence for one in page
        }:
            raise Unavailable("The log does not know a message yet that was read from it.")
        if not wanted:
            return _NOTHING if page and page[0].sequence == stored.sequence else None
        if [one.sequence for one in page] != [wanted, stored.sequence]:
            return None
        try:
            head = decode_record(page[0].payload).head
        except (UnknownFact, Garbled):
            head = None
        return _Last(wanted, digest(page[0].payload), head)

    async def _fault_of_head(self, logged: Logged, before: Story | None) -> str:
        record = logged.record
        if record.head.fold_version != FOLD_VERSION:
            return ""
        known = before is not None and before.fold_version == FOLD_VERSION
        differs = known and before is not None and apply(before, record) != record.head
        came = carried_by(record)
        sampled = came is not None or not logged.digest[0] % self._sample_every
        if not differs and not (sampled and record.head.messages <= SAMPLE_MESSAGES_MAX):
            return ""
        try:
            chain = await chain_of(self._log, record.tenant, record.customer, logged.sequence)
        except TooNew:
            return ""
        except Rejected:
            return "BROKEN_CHAIN"
        if not chain or chain[-1].sequence < logged.sequence:
            raise Unavailable("The log does not know a message yet that was read from it.")
        if fold(one.record for one in chain) != record.head:
            return "WRONG_HEAD"
        if came is not None and len(chain) > 1 and came.head.fold_version == FOLD_VERSION:
            stood = fold(one.record for one in chain[:-1])
            return "" if stood == came.head else "WRONG_HEAD"
        return ""

    def _remember(self, subject: str, last: _Last) -> None:
        self._last[subject] = last
        self._last.move_to_end(subject)
        if len(self._last) > self._remembered_max:
            self._last.popitem(last=False)


def conflicts(before: Story, record: Record) -> int:
    """Count the cases whose owner this append changed without a higher epoch."""
    found = set()
    for event in record.events:
        if isinstance(event, OfferAccepted):
            case = before.case(event.case)
            if case is not None and event.epoch <= case.epoch:
                found.add(case.own)
    for case in record.head.cases:
        earlier = before.case(case.own)
        changed = earlier is not None and earlier.owner != case.owner
        if earlier is not None and changed and case.epoch <= earlier.epoch:
            found.add(case.own)
    return len(found)
