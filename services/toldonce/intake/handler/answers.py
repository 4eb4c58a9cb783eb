"""Answers on their way back: what an agent wrote, and to which address of the customer it goes.

The outbox knows which answers wait; their words, and the contact they answer, are read here. One
that cannot be read is passed over and stays unconfirmed, where it is counted as overdue.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.errors import Denied, Missing, Rejected
from toldonce.kernel.ids import Own, customer_of, own_of, parse_whole, whole
from toldonce.kernel.principal import Principal, Role
from toldonce.kernel.story.events import (
    Alias,
    ContactReceived,
    ContactWords,
    EntryAppended,
    EntryWords,
    Reference,
)
from toldonce.kernel.story.record import Logged
from toldonce.runtime.cipher import Unreadable
from toldonce.runtime.history import TooNew, chain_of, history_of, logged_of
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.log import Log
from toldonce.runtime.logs import logger
from toldonce.runtime.outbox import Outbox, Pending, answers
from toldonce.runtime.words import words_of

_log = logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be delivered; ids are whole, `to` is None when the customer has no address."""

    position: int
    entry_id: str
    case_id: str
    contact_id: str
    channel: str
    to: Alias | None
    text: str
    references: tuple[Reference, ...]
    written_at: datetime
    language: str


class Answers:
    """Reads answers out of the log, and says whose they are to confirm."""

    def __init__(self, log: Log, keys: KeyRing, outbox: Outbox) -> None:
        """Unseal with `keys`; `outbox` says what waits."""
        self._log = log
        self._keys = keys
        self._outbox = outbox

    async def watch(self, tenant: str, gateway: str, after: int) -> AsyncGenerator[Answer]:
        """Give what waits for a gateway and was written after a log sequence, for ever.

        Raises Unavailable. Close it (`contextlib.aclosing`) when leaving early.
        """
        watching = self._outbox.watch(tenant, gateway, after_sequence=after)
        async with aclosing(watching):
            async for pending in watching:
                try:
                    answer = await self._read(pending)
                except (Rejected, TooNew, Unreadable) as error:
                    _log.error(
                        "an answer cannot be read",
                        tenant=tenant,
                        gateway=gateway,
                        sequence=pending.sequence,
                        error=type(error).__name__,
                    )
                    continue
                if answer is not None:
                    yield answer

    async def gateway_of(self, by: Principal, entry_id: str) -> str:
        """Name the gateway an answer goes through.

        Raises Missing when there is no such answer, Denied when it is for another gateway,
        Unavailable, or Rejected QUARANTINED.
        """
        own = Own(own_of(parse_whole("entry_id", entry_id)))
        if self._outbox.pending(by.tenant, by.subject, own) is not None:
            return by.subject
        for logged in await chain_of(self._log, by.tenant, customer_of(entry_id)):
            found = answers(logged.record, logged.sequence).get(own)
            if found is None:
                continue
            if by.role is Role.GATEWAY and found.gateway != by.subject:
                raise Denied("this answer goes through another gateway")
            return found.gateway
        raise Missing("entry", "there is no answer of this id")

    async def _read(self, pending: Pending) -> Answer | None:
        """Read an answer's words; None when they were forgotten."""
        stored = await self._log.get(pending.sequence)
        if stored is None:
            return None
        logged = logged_of(stored)
        record = logged.record
        words = await words_of(self._keys, record)
        for at, event in enumerate(record.events):
            said = (words or {}).get(at)
            if not isinstance(event, EntryAppended) or event.entry != pending.entry:
                continue
            if not isinstance(said, EntryWords):
                return None
            told = await self._told(logged, event)
            return Answer(
                position=pending.sequence,
                entry_id=whole(record.customer, pending.entry),
                case_id=whole(record.customer, event.case),
                contact_id=told.contact_id,
                channel=event.channel,
                to=told.to,
                text=said.text,
                references=said.references,
                written_at=record.at,
                language=told.language,
            )
        return None

    async def _told(self, logged: Logged, answer: EntryAppended) -> "_Told":
        """Find the customer's last contact that this answers: on its channel, if there is one."""
        record = logged.record
        history = await history_of(self._log, record.tenant, record.customer, logged.sequence)
        found: Logged | None = None
        for earlier in reversed(history):
            channels = _channels(earlier, answer)
            if channels and (found is None or answer.channel in channels):
                found = earlier
            if answer.channel in channels:
                break
        if found is None:
            return _Told("", None, "")
        at, event = next(_contacts(found, answer))
        words = (await words_of(self._keys, found.record) or {}).get(at)
        aliases = words.aliases if isinstance(words, ContactWords) else ()
        contact_id = whole(found.record.customer, event.contact)
        return _Told(contact_id, aliases[0] if aliases else None, event.language)


@dataclass(frozen=True, slots=True)
class _Told:
    contact_id: str
    to: Alias | None
    language: str


def _contacts(logged: Logged, answer: EntryAppended) -> Iterator[tuple[int, ContactReceived]]:
    for at, event in enumerate(logged.record.events):
        if isinstance(event, ContactReceived) and event.case == answer.case:
            yield at, event


def _channels(logged: Logged, answer: EntryAppended) -> set[str]:
    return {event.channel for _, event in _contacts(logged, answer)}
