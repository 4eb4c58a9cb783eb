"""The customer card as a client is shown it: what the next person should not have to ask."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.api.ownership.v1 import ownership_pb2
from toldonce.client.seen import instant, word


@dataclass(frozen=True, slots=True)
class EarlierCase:
    """A case that ended, and how."""

    case_id: str
    topic: str
    channel: str
    queue: str
    agent: str
    disposition: str
    opened_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the customer was promised and is not done yet; without text when it was forgotten.

    Without an agent the acknowledgement promised an answer.
    """

    commitment_id: str
    case_id: str
    agent: str
    made_at: datetime | None
    due_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """The customer at a glance; empty: not known. `aliases` are (kind, address) pairs."""

    aliases: tuple[tuple[str, str], ...] = ()
    name: str = ""
    language: str = ""
    preferred_channel: str = ""
    preferred_agent: str = ""
    earlier_cases: tuple[EarlierCase, ...] = ()
    bad_experiences: int = 0
    promises: tuple[Promise, ...] = ()
    incident: str = ""
    contacts_total: int = 0
    handoffs_total: int = 0
    forgotten: bool = False


def card_of(card: ownership_pb2.CustomerCard) -> Card:
    """Read a card; one that was not sent is empty."""
    return Card(
        aliases=tuple((word(alias, "kind"), alias.value) for alias in card.aliases),
        name=card.name,
        language=card.language,
        preferred_channel=card.preferred_channel,
        preferred_agent=card.preferred_agent,
        earlier_cases=tuple(
            EarlierCase(
                case_id=one.case_id,
                topic=one.topic,
                channel=one.channel,
                queue=one.queue,
                agent=one.agent,
                disposition=one.disposition,
                opened_at=instant(one.opened_at),
                ended_at=instant(one.ended_at),
            )
            for one in card.earlier_cases
        ),
        bad_experiences=card.bad_experiences,
        promises=tuple(
            Promise(
                commitment_id=one.commitment.commitment_id,
                case_id=one.commitment.case_id,
                agent=one.commitment.agent,
                made_at=instant(one.commitment.made_at),
                due_at=instant(one.commitment.due_at),
                text=one.text,
            )
            for one in card.commitments
        ),
        incident=card.incident,
        contacts_total=card.contacts_total,
        handoffs_total=card.handoffs_total,
        forgotten=card.forgotten,
    )
