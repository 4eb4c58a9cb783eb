"""What every event there is means to a person, in a few words, without its facts.

A story tells most events with their facts (`cli.story`); these words are for those it does not, and
for news of a case, which names what happened and no more.
"""

import re
from collections.abc import Iterable

WORDS = {
    "absorbed": "another customer's story became part of this one",
    "callback_requested": "the customer is to be called back",
    "carried": "the story went on in a new log",
    "case_abandoned": "the customer left",
    "case_closed": "it was closed",
    "case_merged": "it was joined with another case",
    "case_opened": "it was opened",
    "case_paused": "it waits for somebody outside",
    "case_reopened": "it was opened again",
    "case_resumed": "it waits for them no more",
    "case_scheduled": "nobody is asked before its time",
    "case_split": "some contacts became a case of their own",
    "commitment_broken": "a promise was broken",
    "commitment_kept": "a promise was kept",
    "commitment_made": "something was promised",
    "commitment_withdrawn": "a promise is not waited for any more",
    "consult_joined": "somebody advises on it",
    "consult_left": "somebody advises on it no longer",
    "contact_received": "the customer came with something",
    "delivery_confirmed": "an answer was delivered",
    "diverted": "a contact went into a story of its own",
    "entry_appended": "something was written",
    "escalated": "it went up the ladder",
    "fenced": "the log was asked how it stands",
    "forgotten": "the customer was forgotten",
    "handoff_begun": "it is being handed over",
    "handoff_cancelled": "a handoff of it ended",
    "incident_linked": "it was linked to an incident, or no more",
    "moved": "this story goes on in another customer's",
    "offer_accepted": "somebody accepted it",
    "offer_declined": "somebody declined it",
    "offer_expired": "somebody did not answer an offer of it",
    "offer_revoked": "an offer of it was taken back",
    "offered": "it was offered to somebody",
    "ownership_lapsed": "its owner is away, and somebody else may take over",
    "ownership_released": "its owner let it go",
    "ownership_resumed": "its owner is back and keeps it",
    "priority_raised": "it counts for more",
    "priority_set": "its priority was set",
    "queue_changed": "it waits in another queue",
    "rung_climbed": "a rung of its ladder was reached",
    "sla_breached": "a clock ran out",
    "sla_warned": "a clock runs out soon",
    "wrap_up_begun": "what is to be done after it began",
    "wrap_up_completed": "what was to be done after it is done",
}
"""By the name of the event in a timeline."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def plain(name: str) -> str:
    """Say what an event means, by its name in a timeline; one of a newer version by that name."""
    return WORDS.get(name) or name.replace("_", " ")


def happened(what: Iterable[str]) -> str:
    """Say what happened, given the names of event types as news has them: `SlaWarned`."""
    return ", ".join(plain(_CAPITAL.sub("_", name).lower()) for name in what) or "changed"
