"""What the engine holds of agents, cases and offers: plain mutable records, changed by `engine`.

Units of capacity are integers; `*_us` are microseconds since 1970.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from toldonce.kernel.config.types import Agent as AgentRule
from toldonce.kernel.ids import Own
from toldonce.kernel.skills import Requirement
from toldonce.kernel.story.types import Case
from toldonce.routing.core.tallies import Tally
from toldonce.routing.core.types import Availability, DecisionTrace, Draw, Presence

if TYPE_CHECKING:
    from toldonce.routing.core.kinds import AgentKind, WorkKind

type Rank = tuple[bool, int, int, str, str]


_NOTHING: Final = Requirement("")
_NOBODY: Final[frozenset[str]] = frozenset()


class Place(IntEnum):
    """Where a case stands in the index."""

    NOWHERE = 0
    PLAIN = 1  # anybody of the right kind may have it
    SPECIAL = 2  # somebody may not: excluded, or cooling down
    HELD = 3  # kept a while for the one who had it before
    TARGETED = 4  # handed to one agent by name
    BACK_OFF = 5  # ownership refused the last offer; looked at again soon
    SCHEDULED = 6  # does not wait yet: looked at again at its instant


# looked at in every step: a name of a module costs less than one of a class
NOWHERE: Final = Place.NOWHERE
PLAIN: Final = Place.PLAIN
SPECIAL: Final = Place.SPECIAL
_CONNECTED: Final = Presence.CONNECTED
_AVAILABLE: Final = Availability.AVAILABLE


class Live:
    """An offer that holds units: decided here, or seen in the log (`confirmed`).

    `lost`: the agent has lost the right to it. `foreign`: an engine before this one made it, and it
    came late; `extra`: so on top of what the agent can hold. `forced`: somebody wants it so though
    the agent may be away. `asked_us` is when it was last asked to end.
    """

    __slots__ = (
        "agent",
        "asked_us",
        "case_epoch",
        "confirmed",
        "expires_us",
        "extra",
        "forced",
        "foreign",
        "item",
        "live",
        "lost",
        "own",
        "trace",
    )

    def __init__(
        self, own: Own, item: "Item", agent: str, expires_us: int, trace: DecisionTrace | None
    ) -> None:
        """Make one that stands; without a `trace` it was seen in the log."""
        self.own = own
        self.item = item
        self.agent = agent
        self.expires_us = expires_us
        self.case_epoch = item.case.epoch
        self.confirmed = trace is None
        self.trace = trace
        self.live = True
        self.lost = self.foreign = self.extra = self.forced = False
        self.asked_us = 0


@dataclass(slots=True, eq=False)
class Agent:
    """An agent: the three facts, the ledger and the place in the index.

    `rule` and `capacity`, in units, are what the configuration says (see `follow`).
    `used` units are held by owned and wrapping cases and by offers, `soft` of them by work that may
    be interrupted. `worked_us` is when work was
    last accepted or ended, `cool_us` until when a missed offer keeps new ones away. `absent_us` is
    None while connected, `off_us` while on shift, and `missing_us` is when the configuration lost
    the agent. `drained_us` is since when they get nothing new (0: they do), and `hands_back` that
    what they own goes too, one case a second: the last was taken at `taken_us`. `grace_us` is when
    what they hold is looked at again (0: not by itself), and `ails` says that something of it needs
    a look though they are there. `hopes` are cases that would rather have this agent. `stamp`
    changes with every change of place.
    """

    name: str
    tie: int
    rule: AgentRule | None = None
    capacity: int = 0
    kind: "AgentKind | None" = None
    availability: Availability = Availability.OFFLINE
    available_us: int = 0
    presence: Presence = Presence.UNKNOWN
    absent_us: int | None = 0
    used: int = 0
    soft: int = 0
    worked_us: int = 0
    cool_us: int = 0
    off_us: int | None = None
    missing_us: int = 0
    drained_us: int = 0
    hands_back: bool = False
    taken_us: int = 0
    ails: bool = False
    grace_us: int = 0
    owned: dict["Item", None] = field(default_factory=dict)
    offers: dict[str, Live] = field(default_factory=dict)
    hopes: dict["Item", None] = field(default_factory=dict)
    targeted: dict["Item", None] = field(default_factory=dict)
    klass: int = -9
    entry: tuple[int, int] = (0, 0)
    stamp: int = 0

    @property
    def routable(self) -> bool:
        """The visible rule: connected, on shift, not drained, declared available, configured."""
        return (
            self.rule is not None
            and self.off_us is None
            and not self.drained_us
            and self.presence is _CONNECTED
            and self.availability is _AVAILABLE
        )

    def follow(self, rule: AgentRule | None) -> None:
        """Be what the configuration says from now on: nobody, when it says nothing."""
        self.rule, self.capacity = rule, 0 if rule is None else rule.capacity_units

    @property
    def free(self) -> int:
        """Units left; below 0 after a change of configuration or of channel."""
        return self.capacity - self.used

    def room(self, item: "Item") -> int:
        """Units left for this work: what may be interrupted does not stand in the way of others."""
        return self.free if item.soft else self.free + self.soft

    @property
    def idle_us(self) -> int:
        """Since when the agent waits for work: an offer that was ignored changes nothing."""
        return max(self.available_us, self.worked_us)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Sort agents: without work first, then longest idle, then a seeded hash."""
        return (1 if self.used else 0, self.idle_us, self.tie, self.name)


NO_OFFERS: Final[dict[str, Live]] = {}  # of everybody who has none; replaced, never written to
NO_COOLS: Final[dict[str, int]] = {}


class Item:
    """A case and its wait for a person.

    `asked` is the requirement on entry (at `began_us`), `wants` the relaxed one, `step` how many
    steps are in force. Its points are `points` and `wait` x the microseconds since `enqueued_us`,
    in units of worth (`kinds`). `debits` are who holds how many units for it, how many give way.
    `cool` is until when somebody is not asked for it. `lost_us` is since when its owner has no
    right to it any more (0: they have), `asked_us` when its ownership was last asked to end, lapse
    or go on. `counted` is the queue in whose crowd it is, if in any, and `held` the tally in which
    it is being served. `moving` says in words where it is going while it is on its way to another
    queue. `drawn` is how its last offer was decided where success is learned.
    """

    __slots__ = (
        "alive",
        "asked",
        "asked_us",
        "began_us",
        "case",
        "cool",
        "cost",
        "counted",
        "customer",
        "debits",
        "declined",
        "drawn",
        "enqueued_us",
        "excluded",
        "held",
        "hold_us",
        "lost_us",
        "moving",
        "offers",
        "overlong",
        "own",
        "place",
        "points",
        "preferred",
        "refused",
        "retries",
        "retry_us",
        "soft",
        "stamp",
        "step",
        "target",
        "wait",
        "wait_max_us",
        "waiting",
        "wake_us",
        "wants",
        "work",
    )

    def __init__(self, customer: str, case: Case) -> None:
        """Take in a case that nothing is known of but itself."""
        self.customer = customer
        self.case = case
        self.own = case.own
        self.offers = NO_OFFERS
        self.cool = NO_COOLS
        self.debits: tuple[tuple[str, int, int], ...] = ()
        self.alive = True
        self.waiting = False
        self.place = NOWHERE
        self.work: WorkKind | None = None
        self.asked = self.wants = _NOTHING
        self.cost, self.soft, self.step = 1, 0, 0
        self.enqueued_us = self.began_us = self.points = self.wait = self.wait_max_us = 0
        self.hold_us = self.retry_us = self.retries = 0
        self.lost_us = self.asked_us = self.wake_us = self.stamp = 0
        self.target = self.preferred = self.declined = self.refused = self.counted = ""
        self.moving = ""
        self.overlong = False  # counted by the audit as waiting beyond its bound
        self.excluded: frozenset[str] = _NOBODY
        self.held: Tally | None = None
        self.drawn: Draw | None = None

    def rank_at(self, now_us: int) -> Rank:
        """Sort among all: overdue first, then points, then the older."""
        waited_us = now_us - self.enqueued_us
        points = self.points + self.wait * waited_us
        return (
            waited_us < self.wait_max_us,
            -points,
            self.enqueued_us,
            self.own,
            self.customer,
        )

    def bars(self, agent: str, now_us: int) -> bool:
        """Tell whether this agent may not have it for a reason of this case alone."""
        return agent in self.excluded or self.cool.get(agent, 0) > now_us

    def is_for(self, agent: str, now_us: int) -> bool:
        """Tell whether it is meant for this agent by name, or kept for them at this moment."""
        return bool(self.target) or (agent == self.preferred and now_us < self.hold_us)

    def cool_down(self, agent: str, until_us: int) -> None:
        """Have somebody not asked for it until then."""
        self.cool = {**self.cool, agent: until_us}
