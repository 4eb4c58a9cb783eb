"""A small office around the engine: it does what the engine decides and tells it what came of it.

Stories change by the kernel's own `evolve`, so the engine sees the heads that the log would hold.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from toldonce.kernel.calendar import Calendar, Interval
from toldonce.kernel.config.owning import OwnerAbsent
from toldonce.kernel.config.success import Success
from toldonce.kernel.config.types import (
    Agent,
    AgentKind,
    Channel,
    ChannelKind,
    Config,
    Overflow,
    Presence,
    Queue,
    RoutingPolicy,
    Topic,
)
from toldonce.kernel.config.weighing import MILLI, Weighing, Weights
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.skills import Step
from toldonce.kernel.story.events import (
    CallbackRequested,
    CaseClosed,
    CaseOpened,
    CaseScheduled,
    Event,
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
    PriorityRaised,
    QueueChanged,
    WrapUpBegun,
    WrapUpCompleted,
)
from toldonce.kernel.story.fold import evolve
from toldonce.kernel.story.types import EMPTY, Case, Offer, SkillNeed, Story, TargetKind
from toldonce.routing.core.acts import (
    CancelHandoff,
    ChangeQueue,
    CompleteWrapUp,
    Decision,
    ExpireOffer,
    LapseOwnership,
    MakeOffer,
    ReleaseOwnership,
    ResumeOwnership,
    RevokeOffer,
)
from toldonce.routing.core.engine import Engine
from toldonce.routing.core.facts import (
    AgentChanged,
    Closing,
    ConfigChanged,
    Fact,
    LeadershipChanged,
    OfferFailed,
    PresenceChanged,
    StoryChanged,
    Tick,
    Untaken,
)
from toldonce.routing.core.types import Availability, Schedule
from toldonce.routing.core.types import Presence as Seen
from toldonce.routing.handler.facts import closing

START = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
COSTS = {"voice": 3, "chat": 1, "email": 1}


def person(
    name: str,
    *languages: str,
    units: int = 1,
    queues: Iterable[str] = (),
    substitute: str = "",
    group: str = "",
    **skills: int,
) -> Agent:
    return Agent(
        name=name,
        kind=AgentKind.HUMAN,
        skills=MappingProxyType(skills),
        languages=MappingProxyType(dict.fromkeys(languages or ("en",), 5)),
        capacity_units=units,
        queues=frozenset(queues),
        substitute=substitute,
        group=group,
    )


def weighed(wait: int = 10, **groups: int) -> Weighing:
    """Weights of `wait` points a minute, with the base points of each group."""
    plain = Weights(wait=wait * MILLI)
    return Weighing(
        plain, {name: replace(plain, base=base * MILLI) for name, base in groups.items()}
    )


def office(
    *agents: Agent,
    steps: Iterable[Step] = (),
    prefer_owner_s: int = 20,
    age_points_per_minute: int = 10,
    queue_skills: dict[str, tuple[tuple[str, int], ...]] | None = None,
    revision: int = 1,
    wait_max_s: int = 3_600,
    absent: dict[str, OwnerAbsent] | None = None,
    weigh: Weighing | None = None,
    rounds: dict[str, int] | None = None,
    success: Success | None = None,
) -> Config:
    asked = queue_skills or {}
    policy = RoutingPolicy(
        name="plain",
        steps=tuple(steps),
        prefer_owner_s=prefer_owner_s,
        decline_cooldown_s=30,
        age_points_per_minute=age_points_per_minute,
        wait_max_s=wait_max_s,
        weigh=weigh or weighed(age_points_per_minute),
        success=success or Success(),
    )
    names = ("billing", "technical", "experts")
    several = {name: f"{count} at once" for name, count in (rounds or {}).items()}
    return Config(
        digest="abcdef0123",
        zones_version="2026b",
        languages=("en", "de"),
        skills=frozenset({"billing", "technical"}),
        channels={
            name: Channel(
                name,
                ChannelKind.CHAT,
                cost,
                reply=True,
                calendar="always",
                queue="billing",
                owner_absent=(absent or {}).get(name, OwnerAbsent()),
            )
            for name, cost in COSTS.items()
        },
        topics={"any": Topic("any", "billing", {}, any_language=True)},
        queues={
            name: Queue(
                name,
                "always",
                "",
                several.get(name, "plain"),
                ("done",),
                skills=asked.get(name, ()),
            )
            for name in names
        },
        agents={agent.name: agent for agent in agents},
        policies={
            "plain": policy,
            **{
                several[name]: replace(policy, name=several[name], round=count)
                for name, count in (rounds or {}).items()
            },
        },
        calendars={},
        sla={},
        presence=Presence(2, 6, 15),
        revision=revision,
    )


def with_hours(config: Config, queue: str, *spans: tuple[str, str], days: int = 7) -> Config:
    """Have a queue open between these times (UTC, such as 10:05) on so many days from Monday."""
    hours = tuple(Interval(_seconds(opens), _seconds(closes)) for opens, closes in spans)
    calendar = Calendar(f"{queue}-hours", weekly=(hours,) * days + ((),) * (7 - days))
    return replace(
        config,
        calendars={**config.calendars, calendar.name: calendar},
        queues={
            **config.queues,
            queue: replace(config.queues[queue], calendar=calendar.name),
        },
    )


def with_overflow(
    config: Config, queue: str, to: str, waiting_max: int | None = None, *, closed: bool = False
) -> Config:
    """Have a queue that is full, or closed, send work on to another."""
    rule = Overflow(to, waiting_max, closed)
    changed = replace(config.queues[queue], overflow=rule)
    return replace(config, queues={**config.queues, queue: changed})


def _seconds(time: str) -> int:
    hours, minutes = time.split(":")
    return 3600 * int(hours) + 60 * int(minutes)


def revoked(case: Case) -> tuple[Event, ...]:
    return tuple(OfferRevoked(one.own, case.own, one.agent, "OVER") for one in case.offers)


def accepted(case: Case, offer: Offer) -> tuple[Event, ...]:
    """One accepts; the offers to the others end in the same append."""
    handoff = Own("") if case.handoff is None else case.handoff.own
    others = [one for one in case.offers if one.own != offer.own]
    return (
        *(OfferRevoked(one.own, case.own, one.agent, "TAKEN") for one in others),
        OfferAccepted(offer.own, case.own, offer.agent, case.epoch + 1, handoff),
    )


def cid(name: str) -> str:
    """The customer id that a readable name stands for."""
    return derive("customer", name.split("/", maxsplit=1)[0])


def own(name: str) -> Own:
    return Own(derive("own", name))


@dataclass
class World:
    """One engine, its office and its customers; `now` moves only when told."""

    config: Config
    engine: Engine = field(default_factory=lambda: Engine("demo"))
    now: datetime = START
    obeys: bool = True
    stories: dict[str, Story] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    sequence: int = 0
    said: list[Decision] = field(default_factory=list)
    facts: list[tuple[Fact, datetime]] = field(default_factory=list)
    outcomes: list[tuple[Decision, ...]] = field(default_factory=list)
    connected: set[str] = field(default_factory=set)
    off_shift: set[str] = field(default_factory=set)

    unfair: list[Decision] = field(default_factory=list)

    def open_doors(self, *, all_in: bool = True) -> "World":
        self.tell(ConfigChanged(self.config))
        self.tell(LeadershipChanged(1))
        for name in self.config.agents if all_in else ():
            self.log_on(name)
        return self

    def tell(self, fact: Fact) -> tuple[Decision, ...]:
        match fact:
            case PresenceChanged(name, presence):
                (self.connected.add if presence is Seen.CONNECTED else self.connected.discard)(name)
            case AgentChanged(name, schedule=schedule):
                on = schedule is Schedule.ON_SHIFT
                (self.off_shift.discard if on else self.off_shift.add)(name)
            case _:
                pass
        self.facts.append((fact, self.now))
        decisions = self.engine.step(fact, self.now)
        self.outcomes.append(decisions)
        self.said.extend(decisions)
        self.unfair.extend(one for one in decisions if self._is_unfair(one))
        for decision in decisions if self.obeys else ():
            self.obey(decision)
        return decisions

    def _is_unfair(self, decision: Decision) -> bool:
        """Tell whether it gives up an owner as absent who is connected and on shift."""
        match decision:
            case (
                ReleaseOwnership(agent=agent, reason=rule) | LapseOwnership(agent=agent, rule=rule)
            ):
                absent = agent not in self.connected or agent in self.off_shift
                lapse = self.stories[decision.customer].case(decision.case)
                lapsed = lapse is not None and lapse.lapse is not None
                return rule.startswith("OWNER_") and not absent and not lapsed
            case _:
                return False

    def wait(self, seconds: float) -> list[Decision]:
        """Let time pass, waking the engine whenever it asked for it."""
        before, until = len(self.said), self.now + timedelta(seconds=seconds)
        while (wake := self.engine.next_wake_at) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.tell(Tick())
        self.now = until
        self.tell(Tick())
        return self.said[before:]

    def log_on(self, name: str, availability: Availability = Availability.AVAILABLE) -> None:
        self.tell(AgentChanged(name, availability, "", self.now))
        self.tell(PresenceChanged(name, Seen.CONNECTED, self.now))

    def seen(self, name: str, presence: Seen) -> None:
        self.tell(PresenceChanged(name, presence, self.now))

    def declare(self, name: str, availability: Availability) -> None:
        self.tell(AgentChanged(name, availability, "", self.now))

    def plan(self, name: str, schedule: Schedule) -> None:
        """Begin or end a shift; what the agent declared stays."""
        available = Availability.AVAILABLE
        self.tell(AgentChanged(name, available, "", START, schedule, self.now))

    def drain(self, name: str, *, hands_back: bool = False) -> None:
        """Give an agent nothing new; `declare` ends it."""
        available = Availability.AVAILABLE
        self.tell(
            AgentChanged(name, available, "", START, drained_at=self.now, hands_back=hands_back)
        )

    def configure(self, config: Config) -> None:
        self.config = config
        self.tell(ConfigChanged(config))

    def contact(
        self,
        name: str,
        queue: str = "billing",
        *,
        language: str = "en",
        channel: str = "chat",
        priority: int = 0,
        before: str = "",
        topic: str = "",
        **skills: int,
    ) -> str:
        customer = cid(name)
        self.names[customer] = name.split("/", maxsplit=1)[0]
        needs = tuple(SkillNeed(skill, level) for skill, level in sorted(skills.items()))
        opened = CaseOpened(
            own(name), queue, channel, "gate", topic, language, needs, priority, before
        )
        self.happen(customer, opened)
        return customer

    def case(self, name: str) -> Case:
        found = self.stories[cid(name)].case(own(name))
        assert found is not None
        return found

    def happen(self, customer: str, *events: Event) -> None:
        """Append events to a story and show the engine the head."""
        story = self.stories.get(customer, EMPTY)
        untaken: dict[type, list[Untaken]] = {OfferDeclined: [], OfferExpired: []}
        closings: list[Closing] = []
        for event in events:
            story = evolve(story, event, self.now)
            if isinstance(event, CaseClosed):
                closings.append(closing(event))
            if isinstance(event, OfferDeclined | OfferExpired):
                untaken[type(event)].append(Untaken(event.case, event.agent, self.now))
        self.stories[customer] = story
        self.sequence += 1
        self.tell(
            StoryChanged(
                customer,
                self.sequence,
                self.now,
                story.cases,
                tuple(untaken[OfferDeclined]),
                tuple(untaken[OfferExpired]),
                closings=tuple(closings),
            )
        )

    def accept(self, name: str, by: str = "") -> None:
        """Accept as ownership does: the first offer, or that of `by`; the others are revoked."""
        self.happen(cid(name), *accepted(self.case(name), self._offer_of(name, by)))

    def _offer_of(self, name: str, agent: str) -> Offer:
        found = [one for one in self.case(name).offers if agent in ("", one.agent)]
        return found[0]

    def decline(self, name: str, by: str = "") -> None:
        case = self.case(name)
        offer = self._offer_of(name, by)
        self.happen(cid(name), OfferDeclined(offer.own, case.own, offer.agent, "busy"))

    def close(self, name: str, disposition: str = "done", *, re_told: bool | None = None) -> None:
        case = self.case(name)
        told = {"re_told": bool(re_told), "re_told_known": re_told is not None}
        self.happen(cid(name), CaseClosed(case.own, disposition, case.owner, **told))

    def wrap_up(self, name: str, seconds: int) -> None:
        case = self.case(name)
        until = self.now + timedelta(seconds=seconds)
        self.happen(
            cid(name),
            WrapUpBegun(case.own, case.owner, until),
            CaseClosed(case.own, "done", case.owner, re_told=False),
        )

    def raise_priority(self, name: str, priority: int) -> None:
        self.happen(cid(name), PriorityRaised(own(name), priority, "sla"))

    def hand_over(self, name: str, kind: TargetKind, target: str, timeout_s: int = 60) -> None:
        case = self.case(name)
        begun = HandoffBegun(
            own(f"handoff {name} {self.sequence}"),
            case.own,
            case.owner,
            kind,
            target,
            self.now + timedelta(seconds=timeout_s),
            self.sequence,
            b"h" * 32,
            0,
        )
        self.happen(cid(name), begun)

    def put_off(self, name: str, seconds: float, *, callback: bool = False) -> None:
        """Have a waiting case wait from then on; who is asked now is not any more."""
        at, case = self.now + timedelta(seconds=seconds), self.case(name)
        made = CallbackRequested if callback else CaseScheduled
        self.happen(cid(name), *revoked(case), made(case.own, at, "TEST"))

    def obey(self, decision: Decision) -> None:
        """Do as ownership does: what no longer fits is refused, and nothing happens twice."""
        story = self.stories.get(decision.customer, EMPTY)
        case = story.case(decision.case)
        match decision:
            case MakeOffer():
                self._offer(decision, case)
            case ExpireOffer(customer, own_, offer, agent):
                if case is None or case.offer(offer) is None:
                    self.tell(OfferFailed(customer, own_, offer, "NO_SUCH_OFFER"))
                else:
                    self.happen(customer, OfferExpired(offer, own_, agent))
            case RevokeOffer(customer, own_, offer, agent, reason):
                if case is not None and case.offer(offer) is not None:
                    self.happen(customer, OfferRevoked(offer, own_, agent, reason))
            case CancelHandoff(customer, own_, handoff, reason):
                if case is not None and case.handoff is not None and case.handoff.own == handoff:
                    self.happen(customer, HandoffCancelled(handoff, own_, reason))
            case CompleteWrapUp(customer, own_, agent, epoch):
                if case is not None and case.epoch == epoch:
                    self.happen(customer, WrapUpCompleted(own_, agent))
            case ReleaseOwnership(customer, own_, agent, epoch, reason):
                if case is not None and case.epoch == epoch and case.owner == agent:
                    self.happen(
                        customer, *revoked(case), OwnershipReleased(own_, agent, epoch + 1, reason)
                    )
            case LapseOwnership(customer, own_, agent, epoch, rule, backup, lapse_s, _):
                if case is not None and case.epoch == epoch and case.lapse is None:
                    until = self.now + timedelta(seconds=lapse_s)
                    lapsed = OwnershipLapsed(own_, agent, epoch, rule, backup, until)
                    self.happen(customer, lapsed)
            case ResumeOwnership(customer, own_, agent, epoch, _):
                if case is not None and case.epoch == epoch and case.lapse is not None:
                    self.happen(customer, *revoked(case), OwnershipResumed(own_, agent, epoch))
            case ChangeQueue(customer, own_, epoch, left, queue, reason):
                if case is not None and (case.epoch, case.queue, case.owner) == (epoch, left, ""):
                    changed = QueueChanged(own_, left, queue, reason)
                    self.happen(customer, *revoked(case), changed)

    def _offer(self, made: MakeOffer, case: Case | None) -> None:
        beside = () if case is None else case.offers
        joins = len(beside) < made.round and all(
            one.engine_epoch == made.trace.engine_epoch and one.agent != made.agent
            for one in beside
        )
        if case is None or case.epoch != made.case_epoch or (beside and not joins):
            self.tell(OfferFailed(made.customer, made.case, made.offer, "STALE_EPOCH"))
            return
        if case.scheduled_at(self.now):
            self.tell(OfferFailed(made.customer, made.case, made.offer, "NOT_YET"))
            return
        offered = Offered(
            made.offer,
            made.case,
            made.agent,
            made.expires_at,
            made.trace.engine_epoch,
            made.trace.policy_version,
            b"",
        )
        self.happen(made.customer, offered)

    def asked(self, name: str) -> str:
        """Who is being asked to take a case; "" for nobody."""
        offers = self.case(name).offers
        assert len(offers) <= 1
        return offers[0].agent if offers else ""

    def all_asked(self, name: str) -> list[str]:
        """Who is being asked to take a case, in the order in which they were."""
        return [offer.agent for offer in self.case(name).offers]

    def gates(self, name: str) -> dict[str, str]:
        """The gate of each agent for a waiting case, and what was compared."""
        trace = self.engine.explain(cid(name), own(name), self.now)
        assert trace is not None
        return {line.agent: f"{line.gate.name}: {line.detail}" for line in trace.candidates}

    def reason(self, name: str) -> str:
        trace = self.engine.explain(cid(name), own(name), self.now)
        assert trace is not None
        return trace.reason
