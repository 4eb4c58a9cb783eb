"""The open stories as a session holder needs them: by agent, always as the log says.

An offer of an engine older than one already heard of (in log order) is not shown to anybody: its
maker did not know that it leads no more.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toldonce.kernel.ids import customer_of, own_of
from toldonce.kernel.story.events import Offered
from toldonce.kernel.story.record import Logged
from toldonce.kernel.story.types import EMPTY, Case, CaseState, Story
from toldonce.routing.handler.changes import ToAgent, concerned, pushes
from toldonce.routing.handler.words import Held, Lost, OfferMade, OfferOver
from toldonce.runtime.feed import OpenStory

type AgentKey = tuple[str, str]  # tenant, agent
type StoryKey = tuple[str, str]  # tenant, customer


@dataclass(frozen=True, slots=True)
class Owned:
    """A case of an agent, as the story stood at log position `sequence`."""

    customer: str
    case: Case
    sequence: int


class Heads:
    """Every open story, and who is concerned by which."""

    def __init__(self) -> None:
        """Know nothing until `reset`."""
        self._stories: dict[StoryKey, tuple[Story, int]] = {}
        self._of_agent: dict[AgentKey, set[str]] = defaultdict(set)
        self._traces: dict[str, bytes] = {}
        self._epochs: dict[str, int] = {}
        self._refused: set[str] = set()

    def engine_epoch(self, tenant: str) -> int:
        """Give the highest engine epoch seen of a tenant; 0 for none."""
        return self._epochs.get(tenant, 0)

    def reset(self, stories: Iterable[OpenStory]) -> None:
        """Begin anew with these stories."""
        self._stories.clear()
        self._of_agent.clear()
        for story in stories:
            self._keep((story.tenant, story.customer), EMPTY, story.head, story.sequence)
            self._see(story.tenant, story.head.engine_epoch)
        live = {o.own for head, _ in self._stories.values() for c in head.cases for o in c.offers}
        self._refused &= live
        self._traces = {own: trace for own, trace in self._traces.items() if own in live}

    def take(self, logged: Logged) -> list[ToAgent]:
        """Take in an append; say whom to tell what."""
        record = logged.record
        key = (record.tenant, record.customer)
        before, sequence = self._stories.get(key, (EMPTY, 0))
        if logged.sequence <= sequence:
            return []
        for event in record.events:
            if isinstance(event, Offered):
                if event.engine_epoch < self.engine_epoch(record.tenant):
                    self._refused.add(event.offer)
                self._traces[event.offer] = event.trace
        self._see(record.tenant, record.head.engine_epoch)
        told = [(agent, push) for agent, push in pushes(before, logged) if self._shown(push)]
        self._keep(key, before, record.head, logged.sequence)
        return told

    def owned(self, tenant: str, agent: str) -> list[Owned]:
        """Give the cases an agent owns, oldest first."""
        found = [
            Owned(customer, case, sequence)
            for customer, head, sequence in self._of(tenant, agent)
            for case in head.cases
            if case.owner == agent
        ]
        return sorted(found, key=lambda one: (one.case.enqueued_at, one.case.own))

    def advised(self, tenant: str, agent: str) -> list[Owned]:
        """Give the cases an agent is with without owning them, oldest first."""
        found = [
            Owned(customer, case, sequence)
            for customer, head, sequence in self._of(tenant, agent)
            for case in head.cases
            if case.adviser(agent) is not None
        ]
        return sorted(found, key=lambda one: (one.case.enqueued_at, one.case.own))

    def lost(self, tenant: str, agent: str, held: Iterable[Held]) -> list[Lost]:
        """Say which of the cases an agent believes to own are not theirs, and who has them."""
        mine = {one.case.own for one in self.owned(tenant, agent)}
        return [self._lost(tenant, one.case_id) for one in held if own_of(one.case_id) not in mine]

    def _lost(self, tenant: str, case_id: str) -> Lost:
        case = self.case(tenant, customer_of(case_id), own_of(case_id))
        if case is None or case.state is CaseState.CLOSED:
            return Lost(case_id, "", 0, "")
        return Lost(case_id, case.owner, case.epoch, case.queue)

    def offers(self, tenant: str, agent: str) -> list[OfferMade]:
        """Give the live offers to an agent, oldest first."""
        found = [
            OfferMade(customer, case, offer, sequence, self._traces.get(offer.own, b""))
            for customer, head, sequence in self._of(tenant, agent)
            for case in head.cases
            for offer in case.offers
            if offer.agent == agent and offer.own not in self._refused
        ]
        return sorted(found, key=lambda made: (made.offer.issued_at, made.offer.own))

    def case(self, tenant: str, customer: str, own: str) -> Case | None:
        """Give an open case of a story."""
        head, _ = self._stories.get((tenant, customer), (EMPTY, 0))
        return head.case(own)

    def _of(self, tenant: str, agent: str) -> Iterator[tuple[str, Story, int]]:
        for customer in self._of_agent.get((tenant, agent), ()):
            head, sequence = self._stories[tenant, customer]
            yield customer, head, sequence

    def _shown(self, push: object) -> bool:
        match push:
            case OfferMade():
                return push.offer.own not in self._refused
            case OfferOver():
                self._traces.pop(push.offer, None)
                if push.offer in self._refused:
                    self._refused.discard(push.offer)
                    return False
                return True
            case _:
                return True

    def _see(self, tenant: str, engine_epoch: int) -> None:
        self._epochs[tenant] = max(engine_epoch, self.engine_epoch(tenant))

    def _keep(self, key: StoryKey, before: Story, head: Story, sequence: int) -> None:
        tenant, customer = key
        was, now = concerned(before), concerned(head)
        for agent in was - now:
            left = self._of_agent[tenant, agent]
            left.discard(customer)
            if not left:
                del self._of_agent[tenant, agent]
        for agent in now - was:
            self._of_agent[tenant, agent].add(customer)
        if head.cases:
            self._stories[key] = (head, sequence)
        else:
            self._stories.pop(key, None)
