"""The facts of a story, past tense and without words, and the words that belong to them.

An event says what happened; its words (what people wrote, addresses, names) travel beside it,
encrypted, and the fold never looks at them.
"""

from toldonce.kernel.story.events.cases import (
    CallbackRequested,
    CaseAbandoned,
    CaseClosed,
    CaseMerged,
    CaseOpened,
    CasePaused,
    CaseReopened,
    CaseResumed,
    CaseScheduled,
    CaseSplit,
    IncidentLinked,
    PriorityRaised,
    PrioritySet,
    QueueChanged,
    RungClimbed,
    SlaBreached,
    SlaWarned,
    WrapUpBegun,
    WrapUpCompleted,
)
from toldonce.kernel.story.events.contacts import (
    CommitmentBroken,
    CommitmentKept,
    CommitmentMade,
    CommitmentWithdrawn,
    ContactReceived,
    DeliveryConfirmed,
    Diverted,
    EntryAppended,
    EntryKind,
    TopicBy,
)
from toldonce.kernel.story.events.owning import (
    ConsultJoined,
    ConsultLeft,
    Escalated,
    HandoffBegun,
    HandoffCancelled,
    OfferAccepted,
    OfferDeclined,
    Offered,
    OfferExpired,
    OfferRevoked,
    OwnershipLapsed,
    OwnershipReleased,
    OwnershipResumed,
)
from toldonce.kernel.story.events.stories import (
    Absorbed,
    Carried,
    Fenced,
    Forgotten,
    Moved,
)
from toldonce.kernel.story.events.words import (
    Alias,
    CallbackWords,
    ContactWords,
    EntryWords,
    EnvelopeWords,
    Reference,
    Words,
)

__all__ = [
    "Absorbed",
    "Alias",
    "CallbackRequested",
    "CallbackWords",
    "Carried",
    "CaseAbandoned",
    "CaseClosed",
    "CaseMerged",
    "CaseOpened",
    "CaseReopened",
    "CasePaused",
    "CaseResumed",
    "CaseScheduled",
    "RungClimbed",
    "CaseSplit",
    "CommitmentBroken",
    "CommitmentKept",
    "CommitmentMade",
    "CommitmentWithdrawn",
    "ConsultJoined",
    "ConsultLeft",
    "ContactReceived",
    "ContactWords",
    "DeliveryConfirmed",
    "Diverted",
    "EntryAppended",
    "EntryKind",
    "EntryWords",
    "EnvelopeWords",
    "Escalated",
    "Event",
    "Fenced",
    "Forgotten",
    "HandoffBegun",
    "HandoffCancelled",
    "IncidentLinked",
    "Moved",
    "OfferAccepted",
    "OfferDeclined",
    "OfferExpired",
    "OfferRevoked",
    "Offered",
    "OwnershipLapsed",
    "OwnershipReleased",
    "OwnershipResumed",
    "PriorityRaised",
    "PrioritySet",
    "QueueChanged",
    "Reference",
    "SlaBreached",
    "SlaWarned",
    "TopicBy",
    "Words",
    "WrapUpBegun",
    "WrapUpCompleted",
]

type Event = (
    CaseOpened
    | ContactReceived
    | EntryAppended
    | DeliveryConfirmed
    | Offered
    | OfferAccepted
    | OfferDeclined
    | OfferExpired
    | OfferRevoked
    | HandoffBegun
    | HandoffCancelled
    | Escalated
    | PriorityRaised
    | SlaWarned
    | SlaBreached
    | WrapUpBegun
    | WrapUpCompleted
    | CaseClosed
    | CaseReopened
    | CaseAbandoned
    | OwnershipReleased
    | Moved
    | Absorbed
    | Diverted
    | Fenced
    | ConsultJoined
    | ConsultLeft
    | CommitmentMade
    | CommitmentKept
    | CommitmentBroken
    | CommitmentWithdrawn
    | OwnershipLapsed
    | OwnershipResumed
    | CaseMerged
    | CaseSplit
    | IncidentLinked
    | Forgotten
    | Carried
    | PrioritySet
    | QueueChanged
    | CallbackRequested
    | CaseScheduled
    | CasePaused
    | CaseResumed
    | RungClimbed
)
