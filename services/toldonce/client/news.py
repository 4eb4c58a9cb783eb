"""What an agent is told on their session, as plain values."""

from dataclasses import dataclass

from toldonce.api.routing.v1 import routing_pb2
from toldonce.client.seen import CaseSeen, Offer, case_seen, offer_seen, word


@dataclass(frozen=True, slots=True)
class OfferOver:
    """An offer ended otherwise than by this session's answer; `reason` as `EXPIRED`, `TAKEN`."""

    offer_id: str
    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseNews:
    """Something happened to a case this agent owns or owned until now."""

    case: CaseSeen
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandoffOver:
    """A handoff this agent began has ended."""

    handoff_id: str
    case_id: str
    outcome: str
    new_owner: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """The server goes down: come back elsewhere within so many seconds."""

    within_s: int


type News = Offer | OfferOver | CaseNews | HandoffOver | Leaving


def read_news(response: routing_pb2.AgentSessionResponse) -> News | None:
    """Read a message of the server; None for an answer, or for one this version does not know."""
    match response.WhichOneof("body"):
        case "offer_issued":
            return offer_seen(response.offer_issued)
        case "offer_ended":
            over = response.offer_ended
            return OfferOver(over.offer_id, over.case_id, word(over, "reason"))
        case "case_changed":
            changed = response.case_changed
            return CaseNews(case_seen(changed.case), tuple(changed.what))
        case "handoff_ended":
            ended = response.handoff_ended
            outcome = word(ended, "outcome")
            return HandoffOver(ended.handoff_id, ended.case_id, outcome, ended.new_owner)
        case "drain":
            return Leaving(response.drain.within_s)
        case _:
            return None
