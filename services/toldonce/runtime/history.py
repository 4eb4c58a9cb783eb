"""The whole history of a story: page by page, its chain checked, with the stories it absorbed.

A message that cannot be read stops the reader. `TooNew` ends with an update of this process; what
is QUARANTINED ends when a person has looked at it.
"""

from toldonce.kernel.errors import Rejected, Unavailable
from toldonce.kernel.story.events import Absorbed, Carried
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import ABSORBED_MAX, FOLD_VERSION, Story
from toldonce.runtime import names
from toldonce.runtime.envelope import Garbled, UnknownFact, decode_logged
from toldonce.runtime.log import READ_MAX, Epoch, Epochs, Log, Stored

SOURCES_MAX = 2 * ABSORBED_MAX  # two that join at once see each other too late
TRIES_MAX = 3


class TooNew(Unavailable):
    """A newer version wrote this: it can answer, this process never will."""


async def history_of(
    log: Log, tenant: str, customer: str, upto: int | None = None, *, page_max: int = READ_MAX
) -> tuple[Logged, ...]:
    """Read everything that happened up to log sequence `upto`, in log order.

    Of a story that was absorbed, what it had told by then. Raises Rejected QUARANTINED when a
    message cannot be read or a chain of hashes is broken, TooNew, Unavailable.
    """
    found: list[Logged] = []
    waiting, seen = [(customer, upto)], {customer}
    ends: dict[str, int] = {}
    while waiting:
        who, limit = waiting.pop()
        own = await chain_of(log, tenant, who, limit, page_max=page_max)
        if own and own[-1].sequence < ends.get(who, 0):
            raise Unavailable("an old leader of the log answered; ask again", retry_s=0.2)
        found += own
        came = carried_by(own[0].record) if own else None
        for source in () if came is None else came.head.absorbed:  # how they came was dropped
            if source not in seen:
                seen.add(source)
                waiting.append((source, limit))
        for logged in own:
            for event in logged.record.events:
                if isinstance(event, Absorbed) and event.source not in seen:
                    seen.add(event.source)
                    waiting.append((event.source, event.source_sequence))
                    ends[event.source] = event.source_sequence
        if len(seen) > SOURCES_MAX:
            raise Rejected("QUARANTINED", "more stories were joined here than may be")
    return tuple(sorted(found, key=lambda logged: logged.sequence))


async def chain_of(
    log: Log, tenant: str, customer: str, upto: int | None = None, *, page_max: int = READ_MAX
) -> list[Logged]:
    """Read what a story itself says up to `upto`, from all epochs that are kept, oldest first.

    Raises as `history_of` does.
    """
    for _ in range(TRIES_MAX):
        epochs = await log.fresh()
        chain = await _chain(log, epochs, (tenant, customer), upto, page_max)
        if upto is not None or (await log.fresh()).current == epochs.current:
            return chain
    raise Unavailable("the log goes on in a new epoch; ask again")


async def _chain(
    log: Log, epochs: Epochs, who: tuple[str, str], upto: int | None, page_max: int
) -> list[Logged]:
    epoch = epochs.current if upto is None else epochs.of(upto)
    chain = await _part(log, epoch, who, upto, page_max)
    if not chain:
        older = epochs.before_of(epoch)
        return [] if older is None else await _part(log, older, who, upto, page_max)
    while (came := carried_by(chain[0].record)) is not None:
        source = epochs.number(came.source_epoch)
        if source is None or source.dropped:
            break
        part = await _part(log, source, who, came.source_sequence, page_max)
        if not part or (part[-1].sequence, part[-1].digest) != (
            came.source_sequence,
            came.source_digest,
        ):
            raise Rejected("QUARANTINED", "the chain of this story is broken; tell operations")
        chain = part + chain
    return chain


async def last_of(log: Log, tenant: str, customer: str) -> Stored | None:
    """Read the last message of a story through the leader, in whichever epoch it stands."""
    epochs = await log.fresh()
    found = await log.last(names.story(tenant, customer, epochs.current.number))
    if found is None and epochs.before is not None:
        found = await log.last(names.story(tenant, customer, epochs.before.number))
    return found


def carried_by(record: Record) -> Carried | None:
    """Give the event that brought a story from an older epoch, if this append does so."""
    return next((event for event in record.events if isinstance(event, Carried)), None)


async def _part(
    log: Log, epoch: Epoch, who: tuple[str, str], upto: int | None, page_max: int
) -> list[Logged]:
    """Read what one subject of the log holds up to `upto`, its chain checked."""
    subject, chain = names.story(*who, epoch.number), list[Logged]()
    before, before_hash = 0, b""
    while True:
        page = await log.read(subject, after=before, upto=upto, limit_max=page_max)
        for stored in page:
            logged = logged_of(stored)
            record = logged.record
            named = (record.tenant, record.customer, record.previous_sequence, record.previous_hash)
            if named != (*who, before, before_hash):
                raise Rejected("QUARANTINED", "the chain of this story is broken; tell operations")
            chain.append(logged)
            before, before_hash = logged.sequence, logged.digest
        if len(page) < page_max:
            return chain


def logged_of(stored: Stored) -> Logged:
    """Read one message; raises TooNew, or Rejected QUARANTINED when nobody can."""
    try:
        return decode_logged(stored.payload, stored.sequence)
    except UnknownFact as error:
        raise TooNew("a newer version wrote to this story; it will answer") from error
    except Garbled as error:
        raise Rejected(
            "QUARANTINED", "this story holds a message nobody can read; tell operations"
        ) from error


def head_of(logged: Logged) -> Story:
    """Give the story as it stood after an append; raises TooNew when it was folded by newer rules.

    One folded by older rules is given as it is: fold the history where that matters.
    """
    head = logged.record.head
    if head.fold_version > FOLD_VERSION:
        raise TooNew("a newer version leads this story; it will answer")
    return head
