"""Making the record of one append: time, key, sealed words, and the head after it."""

import os
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.changing import replace
from toldonce.kernel.errors import Unavailable
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    CallbackRequested,
    Carried,
    CommitmentMade,
    ContactReceived,
    EntryAppended,
    Escalated,
    Event,
    Fenced,
    Forgotten,
    HandoffBegun,
    Moved,
    Words,
)
from toldonce.kernel.story.fold import apply
from toldonce.kernel.story.record import Placed, Record
from toldonce.ownership.core import Asked, Command
from toldonce.ownership.core.commands import MakeOffer
from toldonce.runtime.cipher import NONCE_BYTES, seal
from toldonce.runtime.clock import Clock
from toldonce.runtime.envelope import encode_words
from toldonce.runtime.keys import KeyRing
from toldonce.runtime.words import place

_WORDED = (
    ContactReceived,
    EntryAppended,
    Escalated,
    HandoffBegun,
    CommitmentMade,
    Moved,
    CallbackRequested,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One command to one story, with the words that belong to it."""

    tenant: str
    customer: str
    command: Command
    by: Asked
    words: Words | None = None
    traceparent: str = ""


class KeyGone(Unavailable):
    """The key of a story was destroyed, as a later head would say."""


class Recorder:
    """Makes records; one per process."""

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        """Take keys from `keys`, the time of events from `clock`."""
        self._keys = keys
        self._clock = clock

    async def record(
        self, ask: Ask, placed: Placed, events: tuple[Event, ...], at: datetime
    ) -> Record:
        """Make the record of events decided `at`; raises Unavailable when its key cannot be had.

        Raises KeyGone when `placed` is older than the forgetting of this customer.
        """
        key, secret = _carried(events) or placed.story.key, None
        if any(isinstance(event, Forgotten) for event in events):
            key = None
        elif key is None:
            key, secret = await self._keys.take(ask.tenant)
        record = self._bare(ask, placed, events, ask.by.operation, key, at=at)
        where = _worded(events)
        if ask.words is not None and where is not None and key is not None:
            secret = secret or await self._keys.find(ask.tenant, key)
            if secret is None:
                raise KeyGone("this customer was forgotten; their next contact starts anew")
            nonce = os.urandom(NONCE_BYTES)
            sealed = seal(secret, nonce, encode_words({where: ask.words}), place(record))
            record = replace(record, nonce=nonce, sealed=sealed)
        return replace(record, head=apply(placed.story, record))

    def fence(self, ask: Ask, placed: Placed, why: str) -> Record:
        """Make a record that changes nothing but takes the place of the one that was asked for."""
        operation = Own(derive(why, ask.by.operation, placed.sequence))
        events = (Fenced(ask.by.operation),)
        now = self._clock.now()
        at = max(now, placed.story.at or now)
        record = self._bare(ask, placed, events, operation, placed.story.key, at=at)
        return replace(record, head=apply(placed.story, record))

    def _bare(
        self,
        ask: Ask,
        placed: Placed,
        events: tuple[Event, ...],
        operation: Own,
        key: KeyRef | None,
        *,
        at: datetime,
    ) -> Record:
        command = ask.command
        return Record(
            tenant=ask.tenant,
            customer=ask.customer,
            operation=operation,
            at=at,
            actor=ask.by.actor,
            previous_sequence=placed.sequence,
            previous_hash=placed.digest,
            engine_epoch=command.engine_epoch if isinstance(command, MakeOffer) else 0,
            traceparent=ask.traceparent,
            key=key,
            nonce=b"",
            sealed=b"",
            events=events,
            head=placed.story,
        )


def _carried(events: tuple[Event, ...]) -> KeyRef | None:
    return next((event.head.key for event in events if isinstance(event, Carried)), None)


def _worded(events: tuple[Event, ...]) -> int | None:
    """Say which fact the words belong to: the last that has any (a climb that hands over: that)."""
    places = [place for place, event in enumerate(events) if isinstance(event, _WORDED)]
    return places[-1] if places else None
