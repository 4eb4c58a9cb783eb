"""What a story is at one instant: the head that travels with every append.

A head holds no words and no addresses. It is a cache of the fold, tagged `fold_version`. Ids in it
are own parts (26 characters), because the customer they belong to is known from the subject.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from toldonce.kernel.changing import replace
from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.ids import Own
from toldonce.kernel.keyref import KeyRef

FOLD_VERSION = 4
CASES_MAX = 8
OFFERS_MAX = 5
CONTACTS_KEPT_MAX = 32
OPERATIONS_KEPT_MAX = 64
ANSWERS_MAX = 64
PAUSES_MAX = 12
HEAD_BYTES_MAX = 8 * 1024
HEAD_BYTES_ABSORBED_MAX = 32 * 1024
ENVELOPE_BYTES_MAX = 92 * 1024
TEXT_BYTES_MAX = 48 * 1024
EVENTS_MAX = 12
ABSORBED_MAX = 32
ADVISERS_MAX = 4
COMMITMENTS_MAX = 16
FORMER_MAX = 4
AHEAD_MAX = timedelta(hours=1)  # how far ahead the clock of who draws operation ids may be
PRIORITY_MAX = 1000


class CaseState(IntEnum):
    """Where the matter itself stands."""

    OPEN = 1
    PENDING_CUSTOMER = 2
    RESOLVED = 3
    CLOSED = 4


class WorkState(IntEnum):
    """Where the wait for a person stands."""

    QUEUED = 1
    OFFERED = 2
    ASSIGNED = 3
    WRAPPING = 4
    COMPLETED = 5
    CANCELLED = 6
    ABANDONED = 7


class OwnershipState(IntEnum):
    """Who answers for the case, as one word."""

    UNOWNED = 1
    OWNED = 2
    HANDOFF_PENDING = 3
    LAPSED = 4


class TargetKind(IntEnum):
    """What a handoff points at."""

    AGENT = 1
    QUEUE = 2
    TIER = 3


class AdviserKind(IntEnum):
    """Why somebody who does not own a case is with it."""

    CONSULT = 1
    WARM = 2


class PauseCause(IntEnum):
    """Why a clock may stand still."""

    CUSTOMER = 1  # the customer is to answer
    HOLD = 2  # somebody else is to do something first
    CLOSED = 3  # it had ended
    NOT_OPEN = 4  # of the older of two cases that became one: the younger was not there yet


@dataclass(frozen=True, slots=True)
class SkillNeed:
    """A skill and the least level (1 to 5) that will do."""

    name: str
    level: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A live offer of a case to an agent."""

    own: Own
    agent: str
    issued_at: datetime
    expires_at: datetime
    engine_epoch: int


@dataclass(frozen=True, slots=True)
class Handoff:
    """A transfer that waits for its receiver; the sender stays owner until then.

    `context_hash` (32 bytes) covers the story up to log sequence `context_sequence`. `rung` is 0
    for a handoff by a person and the rung of the ladder for an escalation. `warm`: the sender
    stays with the case after the accept, until the receiver lets them go.
    """

    own: Own
    from_agent: str
    target_kind: TargetKind
    target: str
    begun_at: datetime
    expires_at: datetime
    context_sequence: int
    context_hash: bytes
    rung: int
    warm: bool = False


@dataclass(frozen=True, slots=True)
class Adviser:
    """An agent who sees the case and writes notes but does not own it, at most until `until_at`."""

    agent: str
    kind: AdviserKind
    since_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Lapse:
    """An owner who is away: by `rule` the case is sought a new one, at most until `until_at`.

    `backup` is the agent who may take over; empty: whoever the queue finds.
    """

    rule: str
    backup: str
    at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """An interval [from_at, until_at) of a case in which the clocks of these bits stand still.

    They were decided when it began; 0: none does, and yet the case waits.
    """

    from_at: datetime
    until_at: datetime
    cause: PauseCause
    clocks: int

    def holds(self, at: datetime) -> bool:
        """Tell whether it goes on at `at`."""
        return self.from_at <= at < self.until_at


@dataclass(frozen=True, slots=True)
class Mark:
    """What was recorded of the run of a clock that began at `since_at`: a bit for each moment."""

    clock: ClockKind
    since_at: datetime
    moments: int


@dataclass(frozen=True, slots=True)
class Commitment:
    """Something promised to the customer that is neither kept nor broken yet.

    Without an `agent` it was promised with the acknowledgement, and the first answer keeps it.
    `warned`: it was recorded that its time is nearly over.
    """

    own: Own
    case: Own
    agent: str
    made_at: datetime
    due_at: datetime
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One matter inside a story.

    `enqueued_at` is the age that counts for order and never gets younger; `waiting_since` is when
    the present wait began and `owned_at` when it ended: a handoff changes neither. `epoch` rises
    with every change of owner. `priority`: higher first. `former_owners` and `former_queues` are
    where handoffs came from, the latest last, and the queues where it waited before it went to
    wait in another. `skills`: what it asks by itself, no more once it went to wait elsewhere.
    `incident`: the one cause it shares with others.

    `callback_at`: since when the customer is to be called back instead of waiting on the line;
    None: they are not. `not_before_at`: nobody is asked to take the case before, and its wait
    counts from then on; `answer_from_at`: the latest of these set before anybody had answered.

    `first_reply_at`: when they were first answered, in writing or by taking the call.
    `asked_at`: what the customer said first after the last answer; `replied_at`: the first answer
    to that (before, and while they have not said anything since the first of all: the latest).
    `resolve_from_at`: since when its resolution counts, None: since it was opened. `widened`: it
    asks no more than when it had waited through all steps. `tier`: what the customer is to the
    company.
    """

    own: Own
    epoch: int
    state: CaseState
    work: WorkState
    owner: str
    last_owner: str
    queue: str
    channel: str
    gateway: str
    topic: str
    language: str
    skills: tuple[SkillNeed, ...]
    priority: int
    opened_at: datetime
    enqueued_at: datetime
    waiting_since: datetime
    owned_at: datetime | None
    first_reply_at: datetime | None
    wrap_until: datetime | None
    last_customer_entry: Own
    offers: tuple[Offer, ...]
    handoff: Handoff | None
    rung: int
    hops: int
    disposition: str
    former_owners: tuple[str, ...] = ()
    former_queues: tuple[str, ...] = ()
    advisers: tuple[Adviser, ...] = ()
    lapse: Lapse | None = None
    incident: str = ""
    callback_at: datetime | None = None
    not_before_at: datetime | None = None
    answer_from_at: datetime | None = None
    tier: str = ""
    widened: bool = False
    asked_at: datetime | None = None
    replied_at: datetime | None = None
    resolve_from_at: datetime | None = None
    pauses: tuple[Pause, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def waits_from_at(self) -> datetime:
        """Since when, or from when on, the present wait for an owner counts."""
        return _later(self.waiting_since, self.not_before_at)

    @property
    def answerable_at(self) -> datetime:
        """Since when, or from when on, the first answer is awaited."""
        return _later(self.enqueued_at, self.answer_from_at)

    def scheduled_at(self, now: datetime) -> datetime | None:
        """Say until when nobody is asked to take it; None: it is not put off at `now`."""
        at = self.not_before_at
        return None if at is None or at <= now or self.owner else at

    @property
    def ownership(self) -> OwnershipState:
        """Say who answers for the case, as one word."""
        if not self.owner:
            return OwnershipState.UNOWNED
        if self.handoff is not None:
            return OwnershipState.HANDOFF_PENDING
        return OwnershipState.OWNED if self.lapse is None else OwnershipState.LAPSED

    def offer(self, own: str) -> Offer | None:
        """Find a live offer by its own id."""
        return next((offer for offer in self.offers if offer.own == own), None)

    def adviser(self, agent: str) -> Adviser | None:
        """Find somebody who is with the case without owning it."""
        return next((one for one in self.advisers if one.agent == agent), None)


def _later(at: datetime, other: datetime | None) -> datetime:
    return at if other is None or other < at else other


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to the customer that its gateway has not confirmed yet."""

    entry: Own
    at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the services need to know of one customer, without words.

    `contacts` and `operations` are rings (`ring`) of the latest ids; `contact_floor_at` is the
    greatest `made_at` that has been dropped from them, `operation_floor_at` the `at` of the latest
    dropped operation, or when its id was drawn if that was later. `messages` counts appends;
    `absorbed` are the customer ids whose stories came here, at most 32. `forgotten`: the words were
    destroyed and the customer has not come back since.
    """

    fold_version: int
    at: datetime | None
    messages: int
    key: KeyRef | None
    engine_epoch: int
    moved_to: str
    absorbed: tuple[str, ...]
    cases: tuple[Case, ...]
    contacts: bytes
    contact_floor_at: datetime | None
    operations: bytes
    operation_floor_at: datetime | None
    unconfirmed: tuple[Answer, ...]
    contacts_total: int
    cases_total: int
    handoffs_total: int
    bad_experiences: int
    commitments: tuple[Commitment, ...]
    forgotten: bool

    def case(self, own: str) -> Case | None:
        """Find an open case by its own id."""
        return next((case for case in self.cases if case.own == own), None)

    def with_case(self, case: Case) -> "Story":
        """Put a changed case in the place of the old one."""
        return replace(self, cases=self.cases_with(case))

    def cases_with(self, case: Case) -> tuple[Case, ...]:
        """Give its cases with a changed one in the place of the old one."""
        return tuple([case if old.own == case.own else old for old in self.cases])

    @property
    def open_cases(self) -> int:
        """Count the cases that are not closed (a closed one may stay for its wrap-up)."""
        return sum(1 for case in self.cases if case.state is not CaseState.CLOSED)

    @property
    def terminal(self) -> bool:
        """Tell whether nothing in it waits for anything: then readers of open state may drop it."""
        return not self.cases and not self.unconfirmed and not self.commitments

    def commitment(self, own: str) -> Commitment | None:
        """Find an open commitment by its own id."""
        return next((one for one in self.commitments if one.own == own), None)


EMPTY = Story(
    fold_version=FOLD_VERSION,
    at=None,
    messages=0,
    key=None,
    engine_epoch=0,
    moved_to="",
    absorbed=(),
    cases=(),
    contacts=b"",
    contact_floor_at=None,
    operations=b"",
    operation_floor_at=None,
    unconfirmed=(),
    contacts_total=0,
    cases_total=0,
    handoffs_total=0,
    bad_experiences=0,
    commitments=(),
    forgotten=False,
)
