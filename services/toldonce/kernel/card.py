"""The customer card and the handoffs of a story, from its history and the words that can be read.

What was forgotten is left out: an address or a name is shown only while its words can be unsealed.
Everything else follows from events, so that two readers of one history see one card.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef
from toldonce.kernel.story.events import (
    Alias,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CommitmentMade,
    ContactReceived,
    ContactWords,
    EntryWords,
    Event,
    Forgotten,
    OfferAccepted,
    Words,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.record import Logged, Record
from toldonce.kernel.story.types import EMPTY, Case, Commitment, Story

ALIASES_MAX = 32
EARLIER_MAX = 16
MERGED, FORGOTTEN = "merged", "forgotten"

type Read = tuple[Logged, Mapping[int, Words] | None]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A case that ended; `disposition` also says MERGED, FORGOTTEN, or why it was abandoned."""

    case: Own
    topic: str
    channel: str
    queue: str
    agent: str
    disposition: str
    opened_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Promise:
    """An open commitment and what was promised; empty when that was forgotten.

    What the acknowledgement promised (no agent) has no words of its own: it is an answer.
    """

    commitment: Commitment
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """The customer at a glance; an empty field: not known.

    `aliases`: the most used first. `preferred_channel`: the most used. `preferred_agent`: whom they
    last asked for, else who served them last. `earlier`: latest first. `forgotten`: words of theirs
    were destroyed, what is shown of them was said since.
    """

    aliases: tuple[Alias, ...]
    name: str
    language: str
    preferred_channel: str
    preferred_agent: str
    earlier: tuple[Earlier, ...]
    bad_experiences: int
    promises: tuple[Promise, ...]
    incident: str
    contacts_total: int
    handoffs_total: int
    forgotten: bool


def card(history: Sequence[Read], head: Story, asked: Case) -> Card:
    """Make the card of a story that stands as `head`, for somebody who asks about a case."""
    told = tuple(_events(history))
    heard = [event for event, _ in told if isinstance(event, ContactReceived)]
    said = [words for _, words in told if isinstance(words, ContactWords)]
    promised = {
        event.commitment: words.text
        for event, words in told
        if isinstance(event, CommitmentMade) and isinstance(words, EntryWords)
    }
    open_now = {case.own for case in head.cases if not case.disposition} | {asked.own}
    return Card(
        aliases=_most_used([alias for words in said for alias in words.aliases])[:ALIASES_MAX],
        name=_last([words.name for words in said]),
        language=_last([event.language for event in heard]),
        preferred_channel=next(iter(_most_used([event.channel for event in heard])), ""),
        preferred_agent=_preferred([event for event, _ in told]),
        earlier=tuple(one for one in _ended(history) if one.case not in open_now)[:EARLIER_MAX],
        bad_experiences=head.bad_experiences,
        promises=tuple(Promise(one, promised.get(one.own, "")) for one in head.commitments),
        incident=asked.incident,
        contacts_total=head.contacts_total,
        handoffs_total=head.handoffs_total,
        forgotten=any(isinstance(event, Forgotten) for event, _ in told),
    )


def destroyed(history: Iterable[Logged]) -> frozenset[KeyRef]:
    """Name the keys that a history says are destroyed.

    They may not be gone everywhere yet: what is shown, and hashed, follows the log, not the keys.
    """
    return frozenset(
        key
        for logged in history
        for event in logged.record.events
        if isinstance(event, Forgotten)
        for key in event.keys
    )


def ends(before: Story, record: Record) -> Iterator[tuple[Case, str, str]]:
    """Give each case that an append ended: as it stood before, its outcome, and who ended it."""
    story = before
    for event in record.events:
        match event:
            case CaseClosed(own, disposition, agent) if found := story.case(own):
                yield found, disposition, agent
            case CaseAbandoned(own, reason) if found := story.case(own):
                yield found, reason, found.owner
            case CaseMerged(own) if found := story.case(own):
                yield found, MERGED, found.owner
            case Forgotten():
                yield from ((case, FORGOTTEN, case.owner) for case in story.cases)
            case _:
                pass
        story = evolve(story, event, record.at)


def _ended(history: Sequence[Read]) -> list[Earlier]:
    """List what ended, latest first; of a case that ended twice the last end."""
    found: dict[str, Earlier] = {}
    heads: dict[str, Story] = {}
    for logged, _ in history:
        record = logged.record
        for case, disposition, agent in ends(heads.get(record.customer, EMPTY), record):
            if disposition == FORGOTTEN and case.disposition:
                continue  # closed already, and only its paperwork ended
            found.pop(case.own, None)
            found[case.own] = Earlier(
                case=case.own,
                topic=case.topic,
                channel=case.channel,
                queue=case.queue,
                agent=agent,
                disposition=disposition,
                opened_at=case.opened_at,
                ended_at=record.at,
            )
        heads[record.customer] = record.head
    return list(reversed(found.values()))


def _preferred(events: Sequence[Event]) -> str:
    asked_for = [event.preferred_agent for event in events if isinstance(event, CaseOpened)]
    served = [event.agent for event in events if isinstance(event, OfferAccepted)]
    return _last(asked_for) or _last(served)


def _events(history: Sequence[Read]) -> Iterator[tuple[Event, Words | None]]:
    for logged, words in history:
        for index, event in enumerate(logged.record.events):
            yield event, (words or {}).get(index)


def _most_used[T](named: Sequence[T]) -> tuple[T, ...]:
    """Sort by how often each was named; of two named as often, the later one first."""
    return tuple(one for one, _ in Counter(reversed(named)).most_common())


def _last(named: Sequence[str]) -> str:
    return next((name for name in reversed(named) if name), "")
