"""What can be asked of a story. Ids are own parts: the story they belong to is known.

What a decision needs from outside the head (a context hash, a closed case) is a field that the
handler fills from the history before it asks.
"""

from toldonce.ownership.core.commands.asked import (
    Asked,
)
from toldonce.ownership.core.commands.cases import (
    AbandonCase,
    BeginWrapUp,
    ChangeQueue,
    CloseCase,
    CompleteWrapUp,
    LinkIncident,
    MergeCases,
    ReopenCase,
    RequestCallback,
    ScheduleCase,
    SetPriority,
    SplitCase,
)
from toldonce.ownership.core.commands.contacts import (
    AppendEntry,
    BreakCommitment,
    ConfirmDelivery,
    DivertContact,
    Ended,
    KeepCommitment,
    MakeCommitment,
    ReceiveContact,
)
from toldonce.ownership.core.commands.owning import (
    AcceptOffer,
    BeginHandoff,
    CancelHandoff,
    DeclineOffer,
    Escalate,
    ExpireOffer,
    JoinConsult,
    LapseOwnership,
    LeaveConsult,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.ownership.core.commands.stories import (
    Absorb,
    Forget,
    MoveOut,
)
from toldonce.ownership.core.commands.timing import FireTimer, PauseCase, ResumeCase

__all__ = [
    "AbandonCase",
    "Absorb",
    "AcceptOffer",
    "AppendEntry",
    "Asked",
    "BeginHandoff",
    "BeginWrapUp",
    "BreakCommitment",
    "CancelHandoff",
    "ChangeQueue",
    "CloseCase",
    "Command",
    "CompleteWrapUp",
    "ConfirmDelivery",
    "DeclineOffer",
    "DivertContact",
    "Ended",
    "Escalate",
    "ExpireOffer",
    "FireTimer",
    "Forget",
    "JoinConsult",
    "KeepCommitment",
    "LapseOwnership",
    "LeaveConsult",
    "LinkIncident",
    "MakeCommitment",
    "MakeOffer",
    "MergeCases",
    "MoveOut",
    "PauseCase",
    "ReceiveContact",
    "ReleaseOwnership",
    "ReopenCase",
    "RequestCallback",
    "ResumeCase",
    "ResumeOwnership",
    "RevokeOffer",
    "ScheduleCase",
    "SetPriority",
    "SplitCase",
]

type Command = (
    ReceiveContact
    | DivertContact
    | AppendEntry
    | ConfirmDelivery
    | MakeOffer
    | ExpireOffer
    | RevokeOffer
    | AcceptOffer
    | DeclineOffer
    | BeginHandoff
    | CancelHandoff
    | Escalate
    | FireTimer
    | PauseCase
    | ResumeCase
    | BeginWrapUp
    | CompleteWrapUp
    | CloseCase
    | ReopenCase
    | AbandonCase
    | ReleaseOwnership
    | LapseOwnership
    | ResumeOwnership
    | JoinConsult
    | LeaveConsult
    | MakeCommitment
    | KeepCommitment
    | BreakCommitment
    | MergeCases
    | SplitCase
    | LinkIncident
    | SetPriority
    | ChangeQueue
    | Forget
    | MoveOut
    | Absorb
    | RequestCallback
    | ScheduleCase
)
