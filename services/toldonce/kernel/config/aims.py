"""SLA policies: what is aimed at for which work, when its clocks stand still, what a breach does.

The policies with a `when` are tried in the order of the document and the first that fits wins; if
none does, the one that the queue names holds. The ladder is climbed rung by rung, each once; its
rungs are numbered from 1 in the order of the document, which is the order in which they come for a
clock, and a higher one weighs more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment, Target
from toldonce.kernel.config.owning import DAY_S
from toldonce.kernel.config.tree import Fields
from toldonce.kernel.story.types import PRIORITY_MAX, PauseCause

RUNGS_MAX = 9
TIERS_MAX = 9
TARGET_MAX_S = 366 * DAY_S
WARN_PERMILLE = 800
STANDING_STILL = {ClockKind.RESOLUTION: frozenset({PauseCause.CUSTOMER, PauseCause.HOLD})}
"""When clocks stand still where a policy does not say."""


class ClockWord(StrEnum):
    """A clock of cases, as the document spells it."""

    QUEUE_WAIT = "queue_wait"
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"

    @property
    def kind(self) -> ClockKind:
        """Return the clock."""
        return ClockKind[self.name]


class CauseWord(StrEnum):
    """What a clock may stand still for, as the document spells it."""

    CUSTOMER = "customer"
    HOLD = "hold"

    @property
    def cause(self) -> PauseCause:
        """Return the cause."""
        return PauseCause[self.name]


class OnReopen(StrEnum):
    """What becomes of the resolution of a case that is opened again."""

    CONTINUE = "continue"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class When:
    """Which work a policy is for; what is empty (or None) fits everything."""

    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    priority_min: int | None = None
    priority_max: int | None = None

    @property
    def by_priority(self) -> bool:
        """Tell whether it looks at the priority."""
        return self.priority_min is not None or self.priority_max is not None

    def fits(self, queue: str, channel: str, priority: int, tier: str) -> bool:
        """Tell whether work of this kind is meant."""
        return (
            (not self.queues or queue in self.queues)
            and (not self.channels or channel in self.channels)
            and (not self.tiers or tier in self.tiers)
            and (self.priority_min is None or priority >= self.priority_min)
            and (self.priority_max is None or priority <= self.priority_max)
        )

    def covers(self, other: "When") -> bool:
        """Tell whether it fits everything that the other one fits."""
        return (
            _all_named(self.queues, other.queues)
            and _all_named(self.channels, other.channels)
            and _all_named(self.tiers, other.tiers)
            and (self.priority_min or 0) <= (other.priority_min or 0)
            and _most(self.priority_max) >= _most(other.priority_max)
        )


def _all_named(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return not names or (bool(others) and set(others) <= set(names))


def _most(priority_max: int | None) -> int:
    return PRIORITY_MAX if priority_max is None else priority_max


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the ladder: at a fraction of the target, or so many business seconds after it.

    `hands`: the case goes to queue `hand_to`, or `tiers` escalations up ("" and 0: the queue's own
    next). `clocks` empty: it is climbed for each clock that has a target. `key` is where the policy
    says whom it hands to.
    """

    at_permille: int | None = None
    after_s: int = 0
    clocks: frozenset[ClockKind] = frozenset()
    raise_priority_by: int = 0
    widen: bool = False
    notify: bool = False
    page: bool = False
    hands: bool = False
    hand_to: str = ""
    tiers: int = 0
    key: str = field(default="", compare=False)

    def before(self, other: "Rung") -> bool:
        """Tell whether it comes sooner than another of the same clock."""
        alike = not (self.clocks and other.clocks) or bool(self.clocks & other.clocks)
        return alike and self.place < other.place

    @property
    def place(self) -> tuple[bool, int]:
        """Where it comes: what comes before the breach by its fraction, then what comes after."""
        late = self.at_permille is None
        return late, self.after_s if late else self.at_permille or 0

    def comes_s(self, target_s: float) -> float:
        """When it comes, in business seconds of a clock that aims at `target_s`."""
        return (
            target_s + self.after_s
            if self.at_permille is None
            else (target_s * self.at_permille / 1_000)
        )


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """What is aimed at and what a breach does; `calendar` "" takes the queue's.

    `pauses` says for which causes a clock stands still, in pauses that begin while this holds.
    `restarts`: the resolution of a case that is opened again counts anew; otherwise it goes on,
    less the time it was closed.
    """

    name: str
    targets: Mapping[ClockKind, Target]
    calendar: str = ""
    raise_priority_by: int = 0
    ladder: tuple[Rung, ...] = ()
    when: When | None = None
    pauses: Mapping[ClockKind, frozenset[PauseCause]] = field(
        default_factory=lambda: dict(STANDING_STILL)
    )
    restarts: bool = False
    _stages: Mapping[ClockKind, tuple[tuple[Moment, float], ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Work out what comes of each clock, which is asked with every timer."""
        stages = {clock: self._staged(clock, target) for clock, target in self.targets.items()}
        object.__setattr__(self, "_stages", stages)

    def stops(self, cause: PauseCause) -> int:
        """Give the bits of the clocks that stand still in a pause that begins for this cause."""
        return sum(clock.bit for clock, causes in self.pauses.items() if cause in causes)

    @property
    def escalates(self) -> Rung:
        """Its first rung that hands over; one that hands nobody nothing when there is none."""
        return next((rung for rung in self.ladder if rung.hands), Rung())

    def stages(self, clock: ClockKind) -> tuple[tuple[Moment, float], ...]:
        """Give what comes of a clock, in order, each with its business seconds."""
        return self._stages.get(clock, ())

    def _staged(self, clock: ClockKind, target: Target) -> tuple[tuple[Moment, float], ...]:
        found = [(WARN, target.warn_s), (BREACH, target.target_s)]
        found += [
            (Moment(number), rung.comes_s(target.target_s))
            for number, rung in enumerate(self.ladder, 1)
            if not rung.clocks or clock in rung.clocks
        ]
        return tuple(sorted(found, key=lambda pair: (pair[1], pair[0])))


def sla(document: Fields) -> list[SlaPolicy]:
    """Read the SLA policies."""
    known = ("name", "when", "calendar", "targets", "warn_fraction", "pause_on", "on_reopen")
    return [_policy(entry) for entry in document.sections("sla", (*known, "on_breach", "ladder"))]


def _policy(entry: Fields) -> SlaPolicy:
    warn = entry.permille("warn_fraction", WARN_PERMILLE)
    keys = {f"{word}_s": word.kind for word in ClockWord}
    targets = entry.section("targets", tuple(keys))
    if not targets.values:
        entry.wrong("targets", f"is missing: at least one of {', '.join(keys)}")
    breach = entry.section("on_breach", ("raise_priority_by", "escalate_after_s", "escalate_to"))
    aims = {
        kind: Target(kind, targets.whole(key, 1, TARGET_MAX_S), warn)
        for key, kind in keys.items()
        if key in targets.values
    }
    return SlaPolicy(
        name=entry.name("name"),
        targets=aims,
        calendar=entry.name("calendar", ""),
        raise_priority_by=breach.whole("raise_priority_by", 0, PRIORITY_MAX, 0),
        ladder=_ladder(entry, breach, aims),
        when=_when(entry),
        pauses=_pauses(entry),
        restarts=entry.choice("on_reopen", OnReopen, OnReopen.CONTINUE) is OnReopen.RESTART,
    )


def _when(entry: Fields) -> When | None:
    if "when" not in entry.values:
        return None
    known = ("channels", "queues", "customer_tiers", "priority_min", "priority_max")
    fits = entry.section("when", known)
    low, high = (
        fits.whole(key, 0, PRIORITY_MAX) if key in fits.values else None
        for key in ("priority_min", "priority_max")
    )
    if low is not None and high is not None and low > high:
        fits.wrong("priority_max", "must not be less than priority_min")
    return When(
        channels=fits.names("channels"),
        queues=fits.names("queues"),
        tiers=fits.names("customer_tiers"),
        priority_min=low,
        priority_max=high,
    )


def _pauses(entry: Fields) -> dict[ClockKind, frozenset[PauseCause]]:
    found = dict(STANDING_STILL)
    said = entry.section("pause_on", tuple(ClockWord))
    for key in said.values:
        words = said.choices(key, CauseWord)
        found[ClockWord(key).kind] = frozenset(word.cause for word in words)
    return found


def _ladder(entry: Fields, breach: Fields, targets: Mapping[ClockKind, Target]) -> tuple[Rung, ...]:
    short = [key for key in ("escalate_after_s", "escalate_to") if key in breach.values]
    if short and "ladder" in entry.values:
        breach.wrong(short[0], "is a ladder of one rung, and there is a ladder: say it there")
        return ()
    if short:
        after_s = breach.whole("escalate_after_s", 0, TARGET_MAX_S, 0)
        hand_to = breach.name("escalate_to", "")
        key = "on_breach.escalate_to" if hand_to else "on_breach.escalate_after_s"
        return (Rung(after_s=after_s, hands=True, hand_to=hand_to, key=key),)
    known = (
        *("at_fraction", "after_breach_s", "clocks", "raise_priority_by"),
        *("widen", "notify", "page", "hand_to", "hand_up"),
    )
    rungs: list[Rung] = []
    for one in entry.sections("ladder", known, count_max=RUNGS_MAX):
        made = _rung(one, targets)
        if any(made.before(lower) for lower in rungs):
            key = "after_breach_s" if made.at_permille is None else "at_fraction"
            one.wrong(key, "comes before a lower rung of its clock: put them in their order")
        rungs.append(made)
    return tuple(rungs)


def _rung(entry: Fields, targets: Mapping[ClockKind, Target]) -> Rung:
    early = "at_fraction" in entry.values
    if early == ("after_breach_s" in entry.values):
        entry.wrong("at_fraction", "wanted either at_fraction or after_breach_s")
    made = Rung(
        at_permille=entry.permille("at_fraction", WARN_PERMILLE) if early else None,
        after_s=0 if early else entry.whole("after_breach_s", 0, TARGET_MAX_S, 0),
        clocks=frozenset(word.kind for word in entry.choices("clocks", ClockWord)),
        raise_priority_by=entry.whole("raise_priority_by", 0, PRIORITY_MAX, 0),
        widen=entry.flag("widen", default=False),
        notify=entry.flag("notify", default=False),
        page=entry.flag("page", default=False),
    )
    if "hand_to" in entry.values and "hand_up" in entry.values:
        entry.wrong("hand_up", "wanted either hand_to or hand_up")
    elif "hand_to" in entry.values:
        made = replace(
            made, hands=True, hand_to=entry.name("hand_to"), key=_inside(entry, "hand_to")
        )
    elif "hand_up" in entry.values:
        tiers = entry.whole("hand_up", 1, TIERS_MAX)
        made = replace(made, hands=True, tiers=tiers, key=_inside(entry, "hand_up"))
    for kind in sorted(made.clocks - targets.keys()):
        entry.wrong("clocks", f"{kind.name.lower()} has no target here")
    if not (made.raise_priority_by or made.widen or made.notify or made.page or made.hands):
        entry.wrong("at_fraction" if early else "after_breach_s", "is a rung that does nothing")
    return made


def _inside(rung: Fields, key: str) -> str:
    """Say where in its policy a rung says whom it hands to."""
    return f"{rung.path.partition('].')[2]}.{key}"


def named(policy: SlaPolicy) -> Iterator[tuple[str, str, str]]:
    """Give the names a policy uses: path inside it, kind of thing, name."""
    yield "calendar", "calendar", policy.calendar
    for rung in policy.ladder:
        yield rung.key, "queue", rung.hand_to
    if policy.when is not None:
        for place, channel in enumerate(policy.when.channels):
            yield f"when.channels[{place}]", "channel", channel
        for place, queue in enumerate(policy.when.queues):
            yield f"when.queues[{place}]", "queue", queue
        for place, tier in enumerate(policy.when.tiers):
            yield f"when.customer_tiers[{place}]", "customer tier", tier
