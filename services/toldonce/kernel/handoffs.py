"""The handoffs of a story with their envelopes and how each of them ended."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from toldonce.kernel.card import Read
from toldonce.kernel.ids import Own
from toldonce.kernel.story.events import (
    EnvelopeWords,
    Forgotten,
    HandoffBegun,
    HandoffCancelled,
    Moved,
    OfferAccepted,
)

ACCEPTED, MOVED, FORGOTTEN = "ACCEPTED", "MOVED", "FORGOTTEN"


@dataclass(frozen=True, slots=True)
class Handed:
    """A handoff; `envelope` is None when its words were forgotten.

    `outcome` is empty while it is pending, ACCEPTED, or why it ended without a new owner:
    DECLINED, TIMED_OUT, REPLACED, CANCELLED, SENDER_RELEASED, CASE_ENDED, MOVED, FORGOTTEN, ...
    """

    sequence: int
    begun_at: datetime
    begun: HandoffBegun
    envelope: EnvelopeWords | None
    outcome: str = ""
    ended_at: datetime | None = None


def handoffs(history: Iterable[Read]) -> tuple[Handed, ...]:
    """Give every handoff of a history, oldest first, as it stands at its end."""
    found: dict[Own, Handed] = {}
    homes: dict[Own, str] = {}
    for logged, words in history:
        record = logged.record

        def end(owns: Iterable[Own], outcome: str, at: datetime = record.at) -> None:
            for own in tuple(owns):
                if own in found and not found[own].outcome:
                    found[own] = replace(found[own], outcome=outcome, ended_at=at)

        for index, event in enumerate(record.events):
            match event:
                case HandoffBegun(own):
                    said = (words or {}).get(index)
                    envelope = said if isinstance(said, EnvelopeWords) else None
                    found[own] = Handed(logged.sequence, record.at, event, envelope)
                    homes[own] = record.customer
                case OfferAccepted(handoff=own):
                    end([own], ACCEPTED)
                case HandoffCancelled(own, _, reason):
                    end([own], reason)
                case Moved():
                    end([own for own, home in homes.items() if home == record.customer], MOVED)
                case Forgotten():
                    end(homes, FORGOTTEN)
                case _:
                    pass
    return tuple(found.values())
