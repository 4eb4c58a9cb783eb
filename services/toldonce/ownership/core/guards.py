"""The questions every decision asks first. Each returns the thing or refuses with its reason."""

from datetime import timedelta

from toldonce.kernel.errors import Invalid, Missing, Rejected
from toldonce.kernel.principal import Role
from toldonce.kernel.story.types import ADVISERS_MAX, Case, CaseState, Offer, Story
from toldonce.ownership.core.commands import Asked
from toldonce.ownership.core.rules import QueueRules, Rules

PAUSE_USUAL = timedelta(days=14)  # how long a case waits for its customer where nobody says
OVERRIDERS = frozenset({Role.SUPERVISOR, Role.ADMIN, Role.SERVICE})


def open_case(story: Story, own: str) -> Case:
    """Find a case that is not closed; the handler tells a closed one from one never seen."""
    found = story.case(own)
    if found is None:
        raise Missing("case", "there is no open case of this id")
    if found.state is CaseState.CLOSED:
        raise Rejected("CASE_CLOSED", "the case is closed; reopen it first")
    return found


def held(case: Case, by: Asked, epoch: int) -> Case:
    """Check that the asker owns the case under this very epoch, or may override."""
    if by.principal.role in OVERRIDERS:
        if epoch and epoch != case.epoch:
            raise _stale(case, epoch)
        return case
    if not case.owner:
        raise Rejected("NOT_OWNED", "nobody owns the case now; it waits for an agent")
    if case.owner != by.agent:
        raise Rejected("NOT_OWNER", "another agent owns the case now; ask for it with an offer")
    if epoch != case.epoch:
        raise _stale(case, epoch)
    return case


def seen_all(case: Case, seen: str) -> None:
    """Check that the asker was shown the customer's last entry."""
    if seen != case.last_customer_entry:
        raise Rejected(
            "UNSEEN_MESSAGE",
            "the customer has added something you have not seen; read it, then try again",
        )


def room_for_one_more(case: Case, *, kept: bool = False) -> None:
    """Check that one more can advise; a place is `kept` for the sender of a warm handoff."""
    if len(case.advisers) + kept >= ADVISERS_MAX:
        raise Rejected(
            "TOO_MANY_ADVISERS",
            f"{ADVISERS_MAX} advise on this case already, or will; let one of them go first",
        )


def live_offer(story: Story, own: str) -> tuple[Case, Offer]:
    """Find a live offer and its case; the handler says what became of one that is gone."""
    for case in story.cases:
        offer = case.offer(own)
        if offer is not None:
            return case, offer
    raise Rejected("OFFER_GONE", "the offer is not open any more")


def queue_rules(rules: Rules, queue: str) -> QueueRules:
    """Find a queue's rules; a queue that left the configuration has plain ones."""
    found = rules.queues.get(queue)
    return found or QueueRules(dispositions=frozenset(), wrap_up_s=0, escalation="")


def known_disposition(rules: Rules, case: Case, disposition: str) -> str:
    """Check an outcome against the queue's list."""
    allowed = queue_rules(rules, case.queue).dispositions
    if not disposition:
        raise Invalid("disposition", f"closing needs an outcome, one of: {_listed(allowed)}")
    if allowed and disposition not in allowed:
        raise Invalid("disposition", f"not known in queue {case.queue}: {_listed(allowed)}")
    return disposition


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "any name"


def _stale(case: Case, epoch: int) -> Rejected:
    return Rejected(
        "STALE_EPOCH",
        f"the case is at epoch {case.epoch}, you quoted {epoch}; read the case again",
    )
